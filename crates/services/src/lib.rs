//! Host services: the interfaces that Weft itself implements for guests, one folder each.

pub mod http_client;
pub mod keyvalue;
pub mod logging;
