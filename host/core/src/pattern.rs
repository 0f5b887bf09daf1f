//! Paths and globs inside a project, and whether two of them can meet: for locks, `touches` and reservations.

mod charset;
mod glob;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{InvalidPath, ProjectPath};
use glob::Alternative;

/// A path or glob inside a project, together with everything beneath what it matches.
///
/// **Covering.** A pattern covers each path it matches and every path beneath one, whether or not it exists:
/// `src` covers `src` and `src/a.rs`; `*.rs` covers `a.rs`, and `a.rs/b` in case `a.rs` is a directory, but
/// not `src/a.rs`. `src`, `src/` and `src/**` thus cover the same paths, though they are different values.
///
/// **Wildcards** are those of globset with `literal_separator(true)`. They match within one component:
///
/// - `?` is one character, `*` any number of them, a leading dot included;
/// - `[a-z]` is one character of these, `[!a]` and `[^a]` one that is not; in a class `\` stands for itself,
///   and so do `]` directly after the opening and `-` first or last;
/// - `\` takes the next character literally (`\/` is still a separator).
///
/// `**` as a whole component is any number of components, none included; elsewhere it is `*`.
/// `{a,b}` is either, may nest, be empty on one side and contain `/`; elsewhere `,` is a character.
/// A character is a Unicode scalar value (globset counts bytes), and texts are compared byte for byte.
///
/// **Normal form.** As [`ProjectPath::parse`]: a leading `/`, `.` and empty components vanish, `..` takes back
/// the literal component before it, no component is literally [`PRIVATE_DIR`](crate::PRIVATE_DIR). A trailing
/// `/` becomes `/**`; what is left empty is the root, the whole project, and is written `**`; literal
/// components are escaped only where they must be. Parsing the normal form yields the same value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: Arc<str>,
    alternatives: Arc<[Alternative]>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// A literal part of it is no path in the project.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// It has wildcards and is longer than 1,024 bytes.
    #[error("pattern is longer than 1024 bytes")]
    TooLong,
    /// Its braces stand for more than 64 patterns, or for more than 4,096 bytes of them.
    #[error("pattern has too many alternatives")]
    TooManyAlternatives,
    /// `..` follows a wildcard, or is one of the alternatives in braces.
    #[error("'..' in a pattern must follow a literal component")]
    ParentOfWildcard,
    /// A `[` without its `]`.
    #[error("pattern has a '[' without a ']'")]
    UnclosedClass,
    /// A class that no character of a name is in.
    #[error("pattern has a class without characters")]
    EmptyClass,
    /// A range in a class that runs backwards.
    #[error("pattern has the range {0:?}-{1:?}, which runs backwards")]
    ReversedRange(char, char),
    /// A `{` without its `}`.
    #[error("pattern has a '{{' without a '}}'")]
    UnclosedBrace,
    /// A `}` without its `{`.
    #[error("pattern has a '}}' without a '{{'")]
    UnopenedBrace,
    /// It ends with a `\` that escapes nothing.
    #[error("pattern ends with a '\\'")]
    DanglingEscape,
}

impl PathPattern {
    /// Brings `text` into normal form and compiles it.
    ///
    /// # Errors
    /// When the text cannot be read, leaves the project, names the private directory, or is too long. A plain
    /// path may be as long as a [`ProjectPath`], any other pattern 1,024 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = syntax::normalise(text)?;
        let alternatives = syntax::compile(&text)?;
        Ok(Self { text: text.into(), alternatives: alternatives.into() })
    }

    /// The pattern that covers `path` and what is beneath it.
    pub fn of(path: &ProjectPath) -> Self {
        let text = if path.is_root() { "**".to_owned() } else { syntax::escape(path.as_str()) };
        Self { text: text.into(), alternatives: Arc::new([Alternative::of(path)]) }
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern covers `path`: matches it or a directory above it.
    pub fn matches(&self, path: &ProjectPath) -> bool {
        self.alternatives.iter().any(|alternative| alternative.covers(path))
    }

    /// Whether the pattern matches `path` itself, not merely a directory above it: `src/*` names `src/a`, not
    /// `src/a/b`. What is before a `/**` at the end is named, too: `src/**` names `src` and all that is beneath.
    pub fn names(&self, path: &ProjectPath) -> bool {
        self.alternatives.iter().any(|alternative| alternative.names(path))
    }

    /// Whether the pattern may name `directory` or a path beneath it, so that the way there leads through it.
    pub fn reaches(&self, directory: &ProjectPath) -> bool {
        self.alternatives.iter().any(|alternative| alternative.reaches(directory))
    }

    /// Whether it names every path there is.
    pub fn is_everything(&self) -> bool {
        self.alternatives.iter().any(Alternative::is_everything)
    }

    /// Whether some path is covered by both.
    ///
    /// Never misses one. May find one that only a path nobody can use would show: one longer than a file
    /// system takes, or with a reserved name (`.?` and `?.` meet in `..` alone, `?longhouse` and `.longhous?`
    /// in the private directory).
    ///
    /// Takes time in the product of the lengths at worst, and allocates nothing.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.alternatives.iter().any(|ours| other.alternatives.iter().any(|theirs| ours.meets(theirs)))
    }
}

/// The first pair of patterns that overlap, by their positions in `a` and `b`: the lowest in `a`, for it the
/// lowest in `b`.
pub fn overlap(a: &[PathPattern], b: &[PathPattern]) -> Option<(usize, usize)> {
    a.iter().enumerate().find_map(|(i, ours)| Some((i, b.iter().position(|theirs| ours.overlaps(theirs))?)))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PathPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        Self::parse(text)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text.as_ref().to_owned()
    }
}
