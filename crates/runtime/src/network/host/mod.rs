//! The WIT border of name look-ups: `wasi:sockets/ip-name-lookup` of both WASI versions.
//!
//! wasmtime-wasi's own look-up knows only "all names" and "no name". Each version here takes its place.

pub mod p2;
pub mod p3;

use std::fmt;

use wasmtime::component::HasData;
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use super::NetworkPolicy;

/// What a look-up needs of the store it runs in.
pub struct NameLookupView<'a> {
    /// Decides which names may be asked about.
    pub policy: &'a NetworkPolicy,
    /// The sockets of the guest, whose resource table also holds unfinished look-ups.
    pub sockets: WasiSocketsCtxView<'a>,
}

/// The kind of [`NameLookupView`], for wasmtime's linker.
#[derive(Debug)]
pub struct NameLookup;

impl HasData for NameLookup {
    type Data<'a> = NameLookupView<'a>;
}

impl fmt::Debug for NameLookupView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameLookupView")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
