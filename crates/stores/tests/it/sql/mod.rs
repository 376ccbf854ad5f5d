//! Databases.

mod backends;
mod behaviour;
mod histories;
mod killed;
mod postgres;
mod rights;
mod sqlite;

pub(super) use backends::*;
