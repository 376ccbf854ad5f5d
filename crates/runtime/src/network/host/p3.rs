//! `wasi:sockets/ip-name-lookup` of WASI 0.3, where a look-up is one asynchronous call.

use wasmtime::component::{Accessor, LinkerInstance};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup::{self, ErrorCode, Host, HostWithStore};
use wasmtime_wasi::p3::bindings::sockets::types::IpAddress;

use super::{NameLookup, NameLookupView};
use crate::network::LookupError;

/// Provides the name look-up of WASI 0.3 in an instance of a linker.
///
/// # Errors
///
/// When the instance has such functions already and the linker does not allow shadowing.
///
/// # Authority
///
/// Guests look up what the policy of their view grants.
pub fn add_to_instance<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    view: fn(&mut T) -> NameLookupView<'_>,
) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker_instance::<T, NameLookup>(instance, view)
}

impl<T> HostWithStore<T> for NameLookup {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<IpAddress>, ErrorCode>> {
        let policy = store.with(|mut access| access.get().policy.clone());
        let answer = policy.look_up(&name).await;
        Ok(answer
            .map(|addresses| addresses.into_iter().map(IpAddress::from).collect())
            .map_err(to_guest))
    }
}

impl Host for NameLookupView<'_> {}

fn to_guest(error: LookupError) -> ErrorCode {
    match error {
        LookupError::InvalidName => ErrorCode::InvalidArgument,
        LookupError::NotGranted => ErrorCode::AccessDenied,
        LookupError::Unresolvable => ErrorCode::NameUnresolvable,
        LookupError::Temporary => ErrorCode::TemporaryResolverFailure,
    }
}
