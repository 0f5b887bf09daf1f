//! Finding files by name and by content, with the crates that ripgrep is made of. What is found is what the view shows:
//! the walk is our own, so that no file is opened by any other way.

mod grep;
mod select;
mod walk;

pub use grep::{FileMatches, Found, Grep, GrepOptions, InvalidRegex, Line, RegexOptions};
pub use select::Selection;
pub use walk::{Walk, WalkOptions};
