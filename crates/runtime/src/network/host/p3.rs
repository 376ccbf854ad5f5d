//! `wasi:sockets/ip-name-lookup` of WASI 0.3, where a look-up is one asynchronous call.

use wasmtime::component::{Accessor, Linker};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup::{self, ErrorCode, Host, HostWithStore};
use wasmtime_wasi::p3::bindings::sockets::types::IpAddress;

use super::{NameLookup, NameLookupView};
use crate::network::LookupError;

/// Replaces the name look-up of WASI 0.3 in a linker that has wasmtime-wasi's interfaces already and allows
/// shadowing.
///
/// # Errors
///
/// When the linker does not allow shadowing.
///
/// # Authority
///
/// Guests look up what the policy of their view grants.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> NameLookupView<'_>,
) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<T, NameLookup>(linker, view)
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
