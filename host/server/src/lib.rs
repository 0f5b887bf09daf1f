//! The server: HTTP, the command line, and everything wired together.

pub mod app;
pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod home;
pub mod http;
pub mod outbound;
pub mod serve;
pub mod telemetry;
pub mod worker;
