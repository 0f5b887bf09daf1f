//! Paths inside a project, normalised once at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The directory inside a project that holds Longhouse's own files. No path may name it.
pub const PRIVATE_DIR: &str = ".longhouse";

/// The longest path accepted, in bytes: Linux's `PATH_MAX` less its terminator.
const MAX_PATH_BYTES: usize = 4095;
/// The longest component accepted, in bytes: `NAME_MAX` of every common Linux file system.
const MAX_NAME_BYTES: usize = 255;

/// A path relative to the project's root: byte-exact UTF-8, `/` separated, without `.`, `..`, empty
/// components, NUL, or any component named [`PRIVATE_DIR`]. The root itself is the empty path.
///
/// Being a `ProjectPath` says nothing about links: that is the resolver's business, on every use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectPath(String);

/// Why a text names no path in the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// `..` went above the root.
    #[error("path leaves the project")]
    OutsideProject,
    /// A component is the private directory.
    #[error("path names the server's own directory")]
    Private,
    /// It contains a NUL byte.
    #[error("path contains a NUL byte")]
    Nul,
    /// It, or one of its components, is longer than a file system takes.
    #[error("path is too long")]
    TooLong,
}

impl ProjectPath {
    /// The root of the project.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Normalises `text`: a leading `/` means the root, `.` and empty components vanish, `..` takes back
    /// one component.
    ///
    /// # Errors
    /// When the text leaves the project, names [`PRIVATE_DIR`] (even on the way), or is too long.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        Self::root().join(text)
    }

    /// The path `text` names when read from this directory; absolute texts start at the project's root.
    ///
    /// # Errors
    /// As [`ProjectPath::parse`].
    pub fn join(&self, text: &str) -> Result<Self, InvalidPath> {
        if text.contains('\0') {
            return Err(InvalidPath::Nul);
        }
        let mut path = if text.starts_with('/') { String::new() } else { self.0.clone() };
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." if path.is_empty() => return Err(InvalidPath::OutsideProject),
                ".." => path.truncate(path.rfind('/').unwrap_or(0)),
                PRIVATE_DIR => return Err(InvalidPath::Private),
                name if name.len() > MAX_NAME_BYTES => return Err(InvalidPath::TooLong),
                name => {
                    if !path.is_empty() {
                        path.push('/');
                    }
                    path.push_str(name);
                }
            }
        }
        if path.len() > MAX_PATH_BYTES { Err(InvalidPath::TooLong) } else { Ok(Self(path)) }
    }

    /// Whether this is the project's root.
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as text, without a leading `/`; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The directory that holds this path and the name within it; `None` for the root.
    pub fn split_last(&self) -> Option<(Self, &str)> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.rsplit_once('/') {
            Some((parent, name)) => (Self(parent.to_owned()), name),
            None => (Self::root(), &self.0),
        })
    }

    /// The directories above this path, the lowest first, the root last.
    pub fn above(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(parent(&self.0), |path| parent(path))
    }

    /// Whether `other` lies beneath this path.
    pub fn is_above(&self, other: &Self) -> bool {
        other.above().any(|directory| directory == self.0)
    }

    /// Whether one of these is the other, or lies beneath it.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self == other
            || self.above().any(|directory| directory == other.0)
            || other.above().any(|directory| directory == self.0)
    }

    /// The path whose normal form `text` is known to be.
    pub(crate) fn of_normal(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The directory above a path in normal form; `None` for the root.
fn parent(path: &str) -> Option<&str> {
    (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(above, _)| above))
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl FromStr for ProjectPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ProjectPath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        Self::parse(&text)
    }
}

impl From<ProjectPath> for String {
    fn from(path: ProjectPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<&str, InvalidPath>) {
        assert_eq!(
            ProjectPath::parse(text).as_ref().map(ProjectPath::as_str),
            expected.as_ref().copied(),
            "{text:?}"
        );
    }

    #[test]
    fn spellings_of_one_path_are_one_path() {
        for text in ["a/b", "/a/b", "a//b", "./a/./b/", "a/c/../b", "x/../a/b"] {
            check(text, Ok("a/b"));
        }
        for text in ["", ".", "/", "a/.."] {
            check(text, Ok(""));
        }
    }

    #[test]
    fn what_leaves_the_project_is_refused() {
        for text in ["..", "../a", "a/../../b", "/..", "a/../.."] {
            check(text, Err(InvalidPath::OutsideProject));
        }
    }

    #[test]
    fn the_private_directory_has_no_name() {
        for text in [".longhouse", "/.longhouse/x", "a/.longhouse", ".longhouse/../a", "./.longhouse"] {
            check(text, Err(InvalidPath::Private));
        }
        check(".longhouse2/a.longhouse", Ok(".longhouse2/a.longhouse"));
    }

    #[test]
    fn long_and_nul_are_refused() {
        check("a\0b", Err(InvalidPath::Nul));
        check(&"n".repeat(256), Err(InvalidPath::TooLong));
        check(&"nnn/".repeat(1025), Err(InvalidPath::TooLong));
    }

    #[test]
    fn what_is_above_ends_with_the_root() {
        let above = |text| ProjectPath::parse(text).unwrap().above().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(above("a/b/c"), ["a/b", "a", ""]);
        assert_eq!(above("a"), [""]);
        assert!(above("").is_empty());
    }

    #[test]
    fn a_path_meets_what_is_above_and_beneath_it_and_nothing_beside_it() {
        let meets = |one, other| ProjectPath::parse(one).unwrap().meets(&ProjectPath::parse(other).unwrap());
        for (one, other) in [("a", "a"), ("a", "a/b/c"), ("a/b", ""), ("", "")] {
            assert!(meets(one, other) && meets(other, one), "{one:?} and {other:?}");
        }
        assert!(!meets("a", "a-b") && !meets("a/b", "a/c") && !meets("ab", "a"));
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent_and_never_yields_a_special_component(text in "[a./\\-]{0,40}") {
            if let Ok(path) = ProjectPath::parse(&text) {
                prop_assert_eq!(ProjectPath::parse(path.as_str()), Ok(path.clone()));
                prop_assert!(path.components().all(|name| name != "." && name != ".."));
            }
        }
    }
}
