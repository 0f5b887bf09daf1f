//! Putting the changes of a commit in place, and finishing what a crash or a loss of power left half done.
//!
//! Whatever a commit replaces or removes goes to the history; nothing is ever written in place or unlinked. Each change
//! leaves a mark in the private directory: its staged entry is gone, or its history entry is there. Renames reach the
//! disk in the order in which they were made, so a mark tells that the change is in place, whatever others did to the
//! path since; while there is no mark, nobody else has changed the path through the server, so what lies there tells.

mod apply;
mod disk;
mod files;
mod recover;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out the directories that they then look at")]
mod tests;

pub use apply::{Stopped, apply, undo};
pub use disk::{Disk, Place, touched};
pub use files::Files;
pub(crate) use files::version_of_names;
pub use recover::{External, Recovered, recover};
