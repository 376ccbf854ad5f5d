//! Flags that several commands share, and the values they stand for.

mod compilation;
mod grants;
mod limits;
mod observe;
mod serving;

pub(crate) use compilation::CompileArguments;
pub(crate) use grants::GrantArguments;
pub(crate) use limits::LimitArguments;
pub(crate) use observe::ObserveArguments;
pub(crate) use serving::{InstanceLimitArguments, ServingArguments};
