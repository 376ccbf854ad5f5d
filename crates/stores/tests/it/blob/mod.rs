//! Stores of objects.

mod backends;
mod backup;
mod behaviour;
mod content;
mod damage;
mod histories;
mod killed;
mod leftovers;
mod processes;
mod recovery;
mod server;
