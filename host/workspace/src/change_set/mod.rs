//! What a run has changed and not published: its own files, and what is moved and gone, on top of the project.
//!
//! Nothing of it is in the project before it is committed. Whatever is written is written to a staged file of its own;
//! what lies in the project is only ever read.

mod bases;
mod edit;
mod looked;
mod plan;
mod quota;
mod rebase;
mod seen;
mod staged;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out the directories that they then look at")]
mod tests;
mod tree;
mod undo;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use longhouse_core::{Isolation, ProjectPath};

use crate::publish::Files;
use crate::{Kind, View, WorkspaceError};
use bases::Bases;
pub(crate) use looked::Listed;
use quota::Usage;
use tree::{Entry, Node, Tree};

pub(crate) use bases::{Facts, Seen};
pub use edit::{NewTime, Times};
pub(crate) use plan::{Act, Plan, Step};
pub use quota::{OwnFile, Quota};
pub use rebase::Rebased;
pub(crate) use seen::By;
pub use seen::Reader;
pub(crate) use staged::Staged;
pub(crate) use tree::Lies;

/// The changes of one run. They are dropped with it unless they were published.
#[derive(Debug)]
pub struct ChangeSet {
    files: Arc<Files>,
    /// What the names of everything that it stages begin with.
    name: String,
    quota: Quota,
    usage: Usage,
    reader: Arc<Reader>,
    isolation: Isolation,
    /// When, as the time goes for its reader.
    began: u64,
    /// Whether nothing was changed yet: then all is as it is in the project.
    is_untouched: AtomicBool,
    state: Mutex<State>,
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    bases: Bases,
    /// What was removed, and not moved, by its path in the project.
    removed: HashSet<ProjectPath>,
    /// Which names were in directories that were listed, if that matters.
    listed: HashMap<ProjectPath, Listed>,
    staged: Vec<Weak<Staged>>,
    /// How much was staged, ever.
    count: u64,
}

impl ChangeSet {
    /// An empty set. `name` is one that no other set has, of any process: letters, digits and `-`.
    pub fn new(
        files: Arc<Files>,
        name: String,
        quota: Quota,
        reader: Arc<Reader>,
        isolation: Isolation,
    ) -> Self {
        let (usage, state, turn) = Default::default();
        let is_untouched = AtomicBool::new(true);
        let began = reader.now();
        Self { files, name, quota, usage, reader, isolation, began, is_untouched, state, turn }
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.is_untouched.load(Ordering::Acquire)
    }

    /// Where what is seen at `path` lies.
    pub(crate) fn lies(&self, path: &ProjectPath) -> Result<Option<Lies>, WorkspaceError> {
        if self.is_empty() { Ok(Some(Lies::InProject(path.clone()))) } else { self.lock().tree.lies(path) }
    }

    /// The names in the directory `path` of which the set has something to say, and whether it says that they are gone.
    pub(crate) fn names_in(&self, path: &ProjectPath) -> Vec<(String, bool)> {
        if self.is_empty() {
            return Vec::new();
        }
        let state = self.lock();
        let entries = state.tree.entry(path).into_iter().flat_map(|entry| &entry.beneath);
        entries.map(|(name, entry)| (name.clone(), entry.is_gone())).collect()
    }

    #[cfg(test)]
    pub(crate) const fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// The right to change it, from looking at what is there to having changed that: programs of one run change things side
    /// by side, and two that make the same file must not make two.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.is_untouched.store(false, Ordering::Release);
    }

    /// Has a staged entry, which was just made, seen at `path`.
    fn put(&self, path: &ProjectPath, staged: &Arc<Staged>) -> Result<(), WorkspaceError> {
        self.touch();
        self.lock().tree.put(path, Entry::new(Node::Own(Arc::clone(staged))))?;
        Ok(())
    }

    /// Has nothing seen at `path` any more. Returns what was.
    fn take(&self, path: &ProjectPath) -> Result<Option<Entry>, WorkspaceError> {
        self.touch();
        let mut state = self.lock();
        let taken = state.tree.take(path)?;
        if state.tree.natural(path).is_some_and(|natural| self.lies_in_project(&state, &natural)) {
            state.tree.put(path, Entry::new(Node::Gone))?;
        }
        Ok(taken)
    }

    fn lies_in_project(&self, state: &State, path: &ProjectPath) -> bool {
        match state.bases.get(path) {
            Some(base) => base.seen != Seen::Nothing,
            None => self.files.has(path),
        }
    }
}

impl View {
    /// This view with changes on top, which may be added to.
    #[must_use]
    pub fn with(&self, changes: Arc<ChangeSet>) -> Self {
        Self { own: Some(changes), ..self.clone() }
    }

    /// This view without changes on top.
    #[must_use]
    pub fn as_it_lies(&self) -> Self {
        Self { own: None, ..self.clone() }
    }

    /// Whether anything can be changed here at all.
    pub const fn can_change(&self) -> bool {
        self.own.is_some()
    }

    /// The changes that this view may be added to.
    pub(crate) fn own(&self) -> Result<&Arc<ChangeSet>, WorkspaceError> {
        self.own.as_ref().ok_or(WorkspaceError::ReadOnly)
    }

    /// Where what is seen at `path` lies.
    pub(crate) fn lies(&self, path: &ProjectPath) -> Result<Lies, WorkspaceError> {
        match &self.own {
            Some(own) => own.lies(path)?.ok_or(WorkspaceError::NotFound),
            None => Ok(Lies::InProject(path.clone())),
        }
    }

    /// Every name in the directory `path`, whoever may know of it, and whether it is a directory's.
    pub(crate) fn all_names(&self, path: &ProjectPath) -> Result<Vec<(String, bool)>, WorkspaceError> {
        let mut names = match self.lies(path)? {
            Lies::InProject(path) => self.root.all_names(&path)?,
            Lies::Staged(_) => Vec::new(),
        };
        let Some(own) = &self.own else { return Ok(names) };
        let said = own.names_in(path);
        names.retain(|(name, _)| said.iter().all(|(said, _)| said != name));
        for (name, is_gone) in said {
            if !is_gone {
                let kind = self.look(&path.join(&name)?).map(|found| found.stat.kind);
                names.push((name, kind.is_ok_and(|kind| kind == Kind::Directory)));
            }
        }
        Ok(names)
    }
}
