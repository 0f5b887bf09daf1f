//! The product's promises, through its own doors: a real process, real sockets, real guests.

mod auth;
mod brief;
mod changes;
mod checks;
mod claims;
mod cli;
mod crash;
mod crew;
mod disk;
mod errors;
mod events;
mod files;
mod fixtures;
mod grants;
mod locks;
mod policies;
mod publish;
mod queue;
mod retries;
mod runs;
mod server;
mod talk;
mod tasks;
mod tools;
mod webhooks;
mod worker;
