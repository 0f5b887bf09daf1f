//! What there is to compare of a run.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::Path;

/// How a line ended, and what it left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    /// The exit code, or how else it ended.
    pub(crate) ended: Result<u8, String>,
    /// What is on standard error. Only whether there is something is compared: the words are each program's own.
    pub(crate) stderr: Complaint,
    pub(crate) files: BTreeMap<String, Entry>,
}

/// Two of these are equal if both are empty, or none is.
#[derive(Debug, Eq)]
pub(crate) struct Complaint(pub(crate) String);

impl PartialEq for Complaint {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_empty() == other.0.is_empty()
    }
}

/// What lies at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory,
    File(String),
    Link(String),
}

impl Ran {
    /// Whether the two agree on all but standard output.
    pub(crate) fn agrees_but_for_stdout(&self, other: &Self) -> bool {
        self.ended == other.ended && self.stderr == other.stderr && self.files == other.files
    }

    /// What of it is not as in `other`.
    pub(crate) fn beside(&self, other: &Self) -> String {
        let mut text = format!("{} {:?}", self.ended(), self.stdout);
        if self.stderr != other.stderr {
            write!(text, " stderr {:?}", self.stderr.0).expect("a String can be written");
        }
        for (path, entry) in self.files.iter().filter(|(path, entry)| other.files.get(*path) != Some(*entry))
        {
            write!(text, "\n        {path} {entry}").expect("a String can be written");
        }
        text
    }

    fn ended(&self) -> String {
        self.ended.as_ref().map_or_else(String::clone, u8::to_string)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => to.write_str("is a directory"),
            Self::File(content) => write!(to, "holds {content:?}"),
            Self::Link(target) => write!(to, "links to {target:?}"),
        }
    }
}

/// Bytes as text that shows which they are.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// Everything below `root`; where a content or a target names `prefix`, that is left out.
///
/// # Errors
/// When something cannot be read.
pub(crate) fn files(root: &Path, prefix: &str) -> io::Result<BTreeMap<String, Entry>> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let kind = path.symlink_metadata()?.file_type();
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let entry = if kind.is_symlink() {
                Entry::Link(path.read_link()?.display().to_string().replace(prefix, ""))
            } else if kind.is_dir() {
                left.push(path);
                Entry::Directory
            } else {
                Entry::File(shown(&fs::read(&path)?).replace(prefix, ""))
            };
            found.insert(name, entry);
        }
    }
    Ok(found)
}
