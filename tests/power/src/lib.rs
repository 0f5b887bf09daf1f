//! A disk that forgets what was not synced, fills up and fails, under the store as it ships.
//!
//! SQLite writes and syncs through `vfs.rs`, the only unsafe code here; what a disk does with that is `disk.rs`.
//! [`mount`] puts it under the databases of a directory, by SQLite's own means, so that nothing in the store knows of it.

mod client;
mod disk;
mod line;
mod memory;
mod random;
mod vfs;

pub use client::{Client, Said, open};
pub use disk::{Cut, Disk, Failure, Fault, FaultKind, Lasts, Leaves, Loss, copy};
pub use line::{Last, Line};
pub use memory::{Findings, Memory};
pub use random::Random;
pub use vfs::{Synchronous, mount, mount_as_left};
