//! Bringing changes that were refused up to what others made of the project since.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use longhouse_core::{EntryName, ProjectPath};
use rustix::fs::OFlags;

use super::bases::Base;
use super::{Act, ChangeSet, Seen, Staged};
use crate::text::{MOST, merge};
use crate::{CommitError, Conflict, Kind, Opened, Past, View, Workspace, WorkspaceError};

/// What came of it.
#[derive(Debug)]
pub enum Rebased {
    /// These files were merged, and the set is made in the belief of what is there now.
    Merged(Vec<ProjectPath>),
    /// These cannot be; the set is as it was.
    Stuck(Vec<Conflict>),
}

/// A file that others changed, and what both come to.
struct Merged {
    path: ProjectPath,
    theirs: Opened,
    content: Vec<u8>,
}

impl Workspace {
    /// Merges what a set writes into text files with what others wrote there since the set's run saw them: all of them, or
    /// none. `kept` tells under which names the history has what once lay at a path.
    ///
    /// # Errors
    /// When the view may not do what the set does, it is too much for the quota, or the disk fails.
    pub fn rebase(
        &self,
        view: &View,
        set: &Arc<ChangeSet>,
        kept: impl Fn(&ProjectPath) -> Vec<EntryName>,
    ) -> Result<Rebased, CommitError> {
        let (mut merged, mut stuck) = (Vec::new(), Vec::new());
        for conflict in self.conflicts(view, set)? {
            let at = |source| CommitError::Path { path: conflict.path.clone(), source };
            match self.merged(view, set, &conflict.path, &kept).map_err(at)? {
                Some(file) => merged.push(file),
                None => stuck.push(conflict),
            }
        }
        if !stuck.is_empty() {
            return Ok(Rebased::Stuck(stuck));
        }
        for Merged { path, theirs, content } in &merged {
            let at = |source| CommitError::Path { path: path.clone(), source };
            set.replace(view, path, theirs, content).map_err(at)?;
        }
        Ok(Rebased::Merged(merged.into_iter().map(|file| file.path).collect()))
    }

    fn merged(
        &self,
        view: &View,
        set: &ChangeSet,
        path: &ProjectPath,
        kept: impl Fn(&ProjectPath) -> Vec<EntryName>,
    ) -> Result<Option<Merged>, WorkspaceError> {
        let plan = set.plan(self.root())?;
        let step = plan.steps.iter().find(|step| step.path == *path && step.over.as_ref() == Some(path));
        let (Some(Act::Put(ours)), (Some(seen), false)) = (step.map(|step| &step.act), plan.seen(path))
        else {
            return Ok(None);
        };
        let theirs = match view.read_file(path) {
            Ok(theirs) => theirs,
            Err(WorkspaceError::NotFound | WorkspaceError::NotADirectory | WorkspaceError::IsADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let (Some(base), Some(ours)) = (self.base(view, seen, &kept(path))?, read_staged(ours)?) else {
            return Ok(None);
        };
        let Some((content, _)) = theirs.content(MOST)? else { return Ok(None) };
        Ok(merge(&base, &ours, &content).map(|content| Merged { path: path.clone(), theirs, content }))
    }

    /// The content of what was seen, if the history has it under one of these names.
    fn base(&self, view: &View, seen: Seen, names: &[EntryName]) -> Result<Option<Vec<u8>>, WorkspaceError> {
        for name in names {
            let Some(Past::File(file)) = self.files().past(name)? else { continue };
            let is_it = match seen {
                Seen::Nothing => false,
                Seen::Version(version) => file.version(view)? == version,
                Seen::Facts(facts) => facts.are_of_moved(file.stat()),
            };
            if is_it {
                return read(file.file);
            }
        }
        Ok(None)
    }
}

impl ChangeSet {
    /// Has `content` at `path`, in place of what is there now, which is `theirs`.
    fn replace(
        &self,
        view: &View,
        path: &ProjectPath,
        theirs: &Opened,
        content: &[u8],
    ) -> Result<(), WorkspaceError> {
        self.charge(u64::try_from(content.len()).unwrap_or(u64::MAX))?;
        let version = view.version(theirs)?;
        let (staged, mut file) = self.stage_file(Some(&theirs.file))?;
        file.write_all(content).map_err(WorkspaceError::Io)?;
        self.put(path, &staged)?;
        let base = Base { seen: Seen::Version(version), found: None, is_torn: false, unseen: None };
        self.lock().bases.insert(path.clone(), base);
        Ok(())
    }
}

fn read_staged(staged: &Staged) -> Result<Option<Vec<u8>>, WorkspaceError> {
    match staged.kind() {
        Kind::File => read(staged.open(OFlags::RDONLY)?.into()),
        Kind::Directory | Kind::Link => Ok(None),
    }
}

/// All of a file that is not too long to be merged.
fn read(file: std::fs::File) -> Result<Option<Vec<u8>>, WorkspaceError> {
    let mut content = Vec::new();
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut content).map_err(WorkspaceError::Io)?;
    Ok(Some(content).filter(|content| content.len() <= MOST))
}
