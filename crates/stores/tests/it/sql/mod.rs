//! Databases.

mod backends;
mod behaviour;
mod convert;
mod damage;
mod histories;
mod killed;
mod postgres;
mod rights;
mod sqlite;

pub(super) use backends::*;
