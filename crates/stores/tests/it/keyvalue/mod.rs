//! Stores of keys with values.

mod backends;
mod behaviour;
mod damage;
mod histories;
mod killed;
mod nats;
mod postgres;
mod processes;
mod recovery;
mod servers;
mod tls;
mod together;
mod watching;
