//! The product's promises, through its own doors: a real process, real sockets, real guests.

mod auth;
mod cli;
mod crash;
mod errors;
mod files;
mod fixtures;
mod policies;
mod runs;
mod server;
mod tools;
