//! The front, over real sockets.

mod admin;
mod drain;
mod files;
mod hostile_http1;
mod hostile_http2;
mod listeners;
mod log;
mod requests;
mod room;
mod routes;
mod serving;
mod swap;
mod time;
mod tls;
