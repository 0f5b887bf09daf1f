//! Reading one directory.

use std::collections::HashSet;

use longhouse_core::{PRIVATE_DIR, ProjectPath};
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, OFlags, statat};

use crate::stat::Identity;
use crate::{Kind, OpenOptions, Root, Stat, View, WorkspaceError};

/// What its viewer may know of in one directory, read as it is asked for, in no order. Names that are not UTF-8 are
/// left out, as what is invisible is.
pub struct ReadDir {
    dir: Dir,
    /// Where it is seen, without links.
    path: ProjectPath,
    /// Where it lies, if that is in the project.
    at: Option<ProjectPath>,
    /// On which disk.
    device: u64,
    view: View,
    /// What a change set has to say of it, yet to be told.
    own: Vec<String>,
    /// Names that are not what they are in the project.
    said: HashSet<String>,
}

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// What it is called there.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: Kind,
    /// Which file or link of the project it is, as the directory says it: of one that something else is mounted over, which it
    /// would be without. `None` of directories and of what is of a change set.
    pub identity: Option<Identity>,
}

impl View {
    /// Begins to read the directory `path`, and holds it open until dropped.
    ///
    /// # Errors
    /// When it does not exist, leads outside, or is no directory.
    pub fn read_dir(&self, path: &ProjectPath) -> Result<ReadDir, WorkspaceError> {
        let opened = self.open_at(path, OpenOptions { directory: true, ..OpenOptions::default() })?;
        if let (Some(own), Some(at)) = (&self.own, opened.in_project()) {
            own.listed(at)?;
        }
        let said = self.own.as_ref().map(|own| own.names_in(&opened.path)).unwrap_or_default();
        Ok(ReadDir {
            at: opened.in_project().cloned(),
            device: opened.stat.identity.numbers().0,
            dir: Dir::new(opened.file)?,
            path: opened.path,
            view: self.clone(),
            own: said.iter().filter(|(_, is_gone)| !is_gone).map(|(name, _)| name.clone()).collect(),
            said: said.into_iter().map(|(name, _)| name).collect(),
        })
    }
}

impl Root {
    /// Every name in the directory `path`, whoever may know of it, and whether it is a directory's. Of a name that is
    /// not UTF-8, what is not is replaced.
    pub(crate) fn all_names(&self, path: &ProjectPath) -> Result<Vec<(String, bool)>, WorkspaceError> {
        let mut dir = Dir::new(self.beneath.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?)?;
        let mut names = Vec::new();
        while let Some(entry) = dir.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    FileType::from_raw_mode(statat(dir.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
                }
                known => known,
            };
            names.push((name.to_string_lossy().into_owned(), kind == FileType::Directory));
        }
        Ok(names)
    }
}

impl ReadDir {
    /// Where it is seen, without links.
    pub const fn path(&self) -> &ProjectPath {
        &self.path
    }

    /// The facts of a child that is still there.
    pub(crate) fn stat(&self, name: &str) -> Option<Stat> {
        if self.said.contains(name) {
            return self.view.look(&self.path.join(name).ok()?).ok().map(|found| found.stat);
        }
        let stat = statat(self.dir.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Stat::of(&stat).filter(|stat| Some(stat.identity) != self.view.root.private)
    }

    fn visible(&self, entry: &DirEntry) -> Option<Child> {
        let name = entry.file_name().to_str().ok()?;
        if matches!(name, "." | ".." | PRIVATE_DIR) || self.said.contains(name) {
            return None;
        }
        let kind = match Kind::of(entry.file_type()) {
            Some(kind) if !self.view.root.private.is_some_and(|it| it.has_inode(entry.ino())) => kind,
            // Either hidden, or of a file system that does not tell kinds here, or perhaps the private directory.
            Some(_) | None => self.stat(name)?.kind,
        };
        // Deeper than any path can say.
        let path = self.path.join(name).ok()?;
        let is_shown_there = match &self.at {
            Some(at) if *at != self.path => self.view.shows(&at.join(name).ok()?, kind),
            Some(_) | None => true,
        };
        (is_shown_there && self.view.shows(&path, kind)).then(|| {
            let identity = (kind != Kind::Directory).then(|| Identity::of_numbers(self.device, entry.ino()));
            Child { name: name.to_owned(), kind, identity }
        })
    }
}

impl Iterator for ReadDir {
    type Item = Result<Child, WorkspaceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(name) = self.own.pop() {
            let Ok(path) = self.path.join(&name) else { continue };
            match self.view.look(&path) {
                Ok(found) => return Some(Ok(Child { name, kind: found.stat.kind, identity: None })),
                Err(WorkspaceError::NotFound) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        loop {
            match self.dir.next()? {
                Ok(entry) => {
                    if let Some(child) = self.visible(&entry) {
                        return Some(Ok(child));
                    }
                }
                Err(errno) => return Some(Err(errno.into())),
            }
        }
    }
}
