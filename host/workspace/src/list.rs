//! Listing directories.

use longhouse_core::{PRIVATE_DIR, ProjectPath};
use rustix::fs::{AtFlags, Dir, statat};

use crate::{Kind, OpenOptions, Root, Stat, WorkspaceError};

/// What to list.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// How far down: 1 lists the directory's own entries.
    pub depth: u32,
    /// At most so many entries.
    pub limit: usize,
    /// Only what comes after this path.
    pub after: Option<ProjectPath>,
}

/// Part of a directory's entries, a directory before what is in it, each directory's entries by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether there are more, after the last of these.
    pub more: bool,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: ProjectPath,
    /// What it is; links are not followed.
    pub stat: Stat,
}

impl Root {
    /// Lists the directory `path`. What is invisible, and names that are not UTF-8, are left out.
    ///
    /// # Errors
    /// When it does not exist, leads outside, or is no directory. A directory beneath it that vanishes or
    /// cannot be read is listed without entries.
    pub fn list(&self, path: &ProjectPath, options: &ListOptions) -> Result<Listing, WorkspaceError> {
        let mut listing = Listing { entries: Vec::new(), more: false };
        let entries = self.entries(path)?;
        self.collect(entries, options.depth, options, &mut listing);
        Ok(listing)
    }

    /// The entries of one directory, by name.
    ///
    /// # Errors
    /// As [`Root::list`].
    pub fn entries(&self, path: &ProjectPath) -> Result<Vec<Entry>, WorkspaceError> {
        let opened = self.open_at(path, OpenOptions { directory: true, ..OpenOptions::default() })?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&opened.file)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | ".." | PRIVATE_DIR) {
                continue;
            }
            let Ok(stat) = statat(&opened.file, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let Some(stat) = Stat::of(&stat).filter(|stat| Some(stat.identity) != self.private) else {
                continue;
            };
            entries.push(Entry { path: path.join(name)?, stat });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn collect(&self, entries: Vec<Entry>, depth: u32, options: &ListOptions, listing: &mut Listing) {
        for entry in entries {
            let is_directory = entry.stat.kind == Kind::Directory;
            let path = entry.path.clone();
            if options.after.as_ref().is_none_or(|after| comes_before(after, &path)) {
                if listing.entries.len() == options.limit {
                    listing.more = true;
                    return;
                }
                listing.entries.push(entry);
            }
            if is_directory && depth > 1 {
                self.collect(self.entries(&path).unwrap_or_default(), depth - 1, options, listing);
            }
            if listing.more {
                return;
            }
        }
    }
}

/// The order of a listing.
fn comes_before(a: &ProjectPath, b: &ProjectPath) -> bool {
    a.components().lt(b.components())
}
