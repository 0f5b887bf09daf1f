//! Taking back what commits did, as changes of one's own.

use std::collections::BTreeSet;

use longhouse_core::{Change, EntryKind, EntryName, Operation, ProjectPath, Verb, Version};

use super::seen::By;
use super::{ChangeSet, Lies, Seen};
use crate::publish::{Disk as _, Place, version_of_names};
use crate::{Conflict, Follow, Kind, Past, PastDirectory, View, WorkspaceError};

impl View {
    /// Takes back one change of a commit, if what it left is still there, and what was before is kept: to be done with the
    /// latest change first. What is as it was before already is left alone. Returns what is in the way.
    ///
    /// # Errors
    /// [`WorkspaceError::NotKept`]; or when the profile does not grant it, it is too much for the quota, or the disk fails.
    pub fn take_back(&self, change: &Change) -> Result<Option<Conflict>, WorkspaceError> {
        let path = &change.path;
        self.check_taking_back(change)?;
        let now = self.version_seen(path)?;
        let taken_back = match &change.operation {
            Operation::Move { from } => {
                let lies_there = self.version_seen(from)?;
                if now == change.base && lies_there == change.new {
                    return Ok(None);
                }
                if now != change.new {
                    return Ok(Some(Conflict { path: path.clone(), current: now }));
                }
                if lies_there.is_some() {
                    return Ok(Some(Conflict { path: from.clone(), current: lies_there }));
                }
                self.rename(path, from).and_then(|()| self.put_back(change))
            }
            Operation::Put { .. } | Operation::Remove | Operation::Found => {
                if now == change.base {
                    return Ok(None);
                }
                // What was put into a directory since keeps it from going.
                let is_directory =
                    |version: Option<Version>| version.is_some_and(|it| it.kind == EntryKind::Directory);
                if now != change.new && !(is_directory(now) && is_directory(change.new)) {
                    return Ok(Some(Conflict { path: path.clone(), current: now }));
                }
                self.clear(path, change.base).and_then(|()| self.put_back(change))
            }
        };
        match taken_back {
            Ok(()) => Ok(None),
            Err(
                WorkspaceError::NotFound
                | WorkspaceError::NotADirectory
                | WorkspaceError::IsADirectory
                | WorkspaceError::NotEmpty
                | WorkspaceError::Exists,
            ) => Ok(Some(Conflict { path: path.clone(), current: now })),
            Err(error) => Err(error),
        }
    }

    /// Passes if the path of a change may be changed back. What is beneath is asked for when it comes to that.
    fn check_taking_back(&self, change: &Change) -> Result<(), WorkspaceError> {
        match (&change.operation, change.base, change.new) {
            (Operation::Move { from }, base, _) => {
                self.check(Verb::Create, from)?;
                self.check(if base.is_some() { Verb::Create } else { Verb::Delete }, &change.path)
            }
            (_, Some(_), Some(_)) => self.check(Verb::Write, &change.path),
            (_, None, _) => self.check(Verb::Delete, &change.path),
            (_, Some(_), None) => self.check(Verb::Create, &change.path),
        }
    }

    /// The version of what is seen at `path`, which is what the changes are made in the belief of from now on.
    fn version_seen(&self, path: &ProjectPath) -> Result<Option<Version>, WorkspaceError> {
        let found = match self.find(path, Follow::No) {
            Ok(found) => found,
            Err(WorkspaceError::NotFound | WorkspaceError::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
        if found.stat.kind == Kind::Directory {
            let mut names = BTreeSet::new();
            self.names_beneath(path, "", &mut names)?;
            return Ok(Some(version_of_names(&names)));
        }
        match &found.lies {
            Lies::Staged(staged) => staged.version().map(Some),
            Lies::InProject(at) => {
                let own = self.own()?;
                let version = own.files.version(&Place::Project(at.clone())).map_err(WorkspaceError::Io)?;
                own.saw_version(at, version);
                Ok(version)
            }
        }
    }

    fn names_beneath(
        &self,
        directory: &ProjectPath,
        prefix: &str,
        names: &mut BTreeSet<String>,
    ) -> Result<(), WorkspaceError> {
        for (name, is_directory) in self.all_names(directory)? {
            let beneath = format!("{prefix}{name}");
            if !is_directory {
                names.insert(beneath);
                continue;
            }
            let beneath = format!("{beneath}/");
            self.names_beneath(&directory.join(&name)?, &beneath, names)?;
            names.insert(beneath);
        }
        Ok(())
    }

    /// Has nothing in the way at `path`, where `goal` is to come to lie.
    fn clear(&self, path: &ProjectPath, goal: Option<Version>) -> Result<(), WorkspaceError> {
        let found = match self.find(path, Follow::No) {
            Ok(found) => found,
            // Whatever it is to lie in has to be there.
            Err(WorkspaceError::NotFound) => return self.parent_of(path).map(drop),
            Err(error) => return Err(error),
        };
        match (found.stat.kind, goal) {
            (Kind::Directory, _) => self.remove_dir(path),
            (Kind::File | Kind::Link, None) => self.remove_file(path),
            (Kind::File | Kind::Link, Some(_)) => self.own()?.displace(&found, By::Reading),
        }
    }

    /// Puts what a change replaced or removed where it was.
    fn put_back(&self, change: &Change) -> Result<(), WorkspaceError> {
        if change.base.is_none() {
            return Ok(());
        }
        let kept = |name: &EntryName| self.own()?.files.past(name);
        let past = change.history.as_ref().map(kept).transpose()?.flatten().ok_or(WorkspaceError::NotKept)?;
        self.put_past(&change.path, past)
    }

    fn put_past(&self, path: &ProjectPath, past: Past) -> Result<(), WorkspaceError> {
        let own = self.own()?;
        match past {
            Past::File(file) => own.put(path, &own.copy(&file.file, None)?),
            Past::Link(target) => {
                self.check_target(path, &target)?;
                let (staged, ()) =
                    own.stage(Kind::Link, |name| own.files.create_staged_link(&target, name))?;
                own.put(path, &staged)
            }
            Past::Directory(directory) => {
                let (staged, ()) = own.stage(Kind::Directory, |name| own.files.create_staged_dir(name))?;
                own.put(path, &staged)?;
                self.put_beneath(path, &directory)
            }
        }
    }

    fn put_beneath(&self, path: &ProjectPath, directory: &PastDirectory) -> Result<(), WorkspaceError> {
        for name in directory.names()? {
            let path = path.join(&name)?;
            self.check(Verb::Create, &path)?;
            self.put_past(&path, directory.child(&name)?)?;
        }
        Ok(())
    }
}

impl ChangeSet {
    /// This version, or nothing, was found at `path` in the project.
    fn saw_version(&self, path: &ProjectPath, version: Option<Version>) {
        let seen = version.map_or(Seen::Nothing, Seen::Version);
        let base = super::bases::Base { seen, found: None, is_torn: false, unseen: None };
        self.lock().bases.entry(path.clone()).or_insert(base);
    }
}
