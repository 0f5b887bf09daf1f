//! The project directory: the only crate that opens its files.
//!
//! A path is resolved here and nowhere else. The kernel never follows a link for us: a [`View`] walks links
//! itself, beneath the root, and then opens what it arrived at with links forbidden. So a link cannot lead
//! out of the project, and no name, link or `..` leads to the server's private directory, or to what its
//! viewer may not know of. What may be done is asked of the grants, with the path that was arrived at.

mod archive;
mod audit;
mod beneath;
mod change_set;
mod commit;
mod error;
mod history;
mod list;
mod open;
mod outside;
pub mod publish;
mod read_dir;
mod resolve;
mod root;
mod scratch;
mod search;
mod stat;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out the directories that they then look at")]
mod tests;
mod text;
mod version;
mod view;

pub use archive::Wanted;
pub use audit::{Audit, Auditor, OUTSIDE, PRIVATE};
pub use change_set::{ChangeSet, NewTime, OwnFile, Quota, Reader, Rebased, Times};
pub use commit::{CommitError, Committed, Conflict, Expected, Wish, Workspace};
pub use error::WorkspaceError;
pub use history::{Comparable, Drafted, Past, PastDirectory, PastFile, Spot};
pub use list::{Entry, ListOptions, Listing};
pub use open::{Create, OpenFile, OpenOptions, Opened};
pub use outside::Scanned;
pub use read_dir::{Child, ReadDir};
pub use resolve::Follow;
pub use root::Root;
pub use search::{
    FileMatches, Found, Grep, GrepOptions, InvalidRegex, Line, RegexOptions, Selection, Walk, WalkOptions,
};
pub use stat::{Identity, Kind, Stat};
pub use text::{Difference, Omitted, difference, merge};
pub use view::View;
