//! Listing a directory and what is beneath it.

use longhouse_core::ProjectPath;

use crate::{Kind, Stat, View, WorkspaceError};

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

impl View {
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
    /// As [`View::list`].
    pub fn entries(&self, path: &ProjectPath) -> Result<Vec<Entry>, WorkspaceError> {
        let mut children = self.read_dir(path)?;
        let mut entries = Vec::new();
        while let Some(child) = children.next() {
            let name = child?.name;
            // Gone by now, or deeper than any path can say.
            let (Some(stat), Ok(path)) = (children.stat(&name), path.join(&name)) else { continue };
            entries.push(Entry { path, stat });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn collect(&self, entries: Vec<Entry>, depth: u32, options: &ListOptions, listing: &mut Listing) {
        for Entry { path, stat } in entries {
            let after = options.after.as_ref();
            let is_wanted = after.is_none_or(|after| comes_before(after, &path));
            if is_wanted && listing.entries.len() == options.limit {
                listing.more = true;
            }
            if listing.more {
                return;
            }
            // What comes after `after` may lie beneath a directory that does not.
            let beneath = (is_wanted || after.is_some_and(|after| contains(&path, after)))
                && stat.kind == Kind::Directory
                && depth > 1;
            if is_wanted {
                listing.entries.push(Entry { path: path.clone(), stat });
            }
            if beneath {
                self.collect(self.entries(&path).unwrap_or_default(), depth - 1, options, listing);
            }
        }
    }
}

/// The order of a listing.
pub(crate) fn comes_before(a: &ProjectPath, b: &ProjectPath) -> bool {
    a.components().lt(b.components())
}

/// Whether `path` is `directory` or beneath it.
pub(crate) fn contains(directory: &ProjectPath, path: &ProjectPath) -> bool {
    let mut names = path.components();
    directory.components().all(|name| names.next() == Some(name))
}
