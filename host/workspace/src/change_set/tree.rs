//! What somebody sees at which path, who has changes of their own.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

use longhouse_core::ProjectPath;

use super::staged::Staged;
use crate::{Kind, WorkspaceError};

/// Where what is seen at a path lies.
#[derive(Debug, Clone)]
pub(crate) enum Lies {
    /// In the project, at this path, without links.
    InProject(ProjectPath),
    /// Among what is staged.
    Staged(Arc<Staged>),
}

impl Lies {
    pub(crate) const fn in_project(&self) -> Option<&ProjectPath> {
        match self {
            Self::InProject(path) => Some(path),
            Self::Staged(_) => None,
        }
    }
}

/// The project with changes on top: what is not in the tree is as it is in the project.
#[derive(Debug)]
pub(super) struct Tree {
    root: Entry,
}

/// What is seen at one path, and beneath it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) node: Node,
    /// What differs beneath. Of what is gone, what was there and went before.
    pub(super) beneath: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    /// What lies at this path of the project.
    Base(ProjectPath),
    /// What was made; of a directory, nothing is beneath but what the tree says.
    Own(Arc<Staged>),
    /// Nothing, though something lies there in the project.
    Gone,
}

impl Entry {
    pub(super) const fn new(node: Node) -> Self {
        Self { node, beneath: BTreeMap::new() }
    }

    /// What the project has under this name in what this entry shows.
    pub(super) fn natural(&self, name: &str) -> Option<ProjectPath> {
        match &self.node {
            // What is too long a path there is nowhere.
            Node::Base(path) => path.join(name).ok(),
            Node::Own(_) | Node::Gone => None,
        }
    }

    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.node, Node::Gone)
    }
}

impl Default for Tree {
    /// The project as it is.
    fn default() -> Self {
        Self { root: Entry::new(Node::Base(ProjectPath::root())) }
    }
}

impl Tree {
    pub(super) const fn root(&self) -> &Entry {
        &self.root
    }

    /// Where what is seen at `path` lies; `None` if nothing is.
    ///
    /// # Errors
    /// [`WorkspaceError::Unstable`] if a link is on the way, as if it had only just come to be there.
    pub(super) fn lies(&self, path: &ProjectPath) -> Result<Option<Lies>, WorkspaceError> {
        let mut names = path.components();
        let mut entry = &self.root;
        while let Some(name) = names.next() {
            if let Some(next) = entry.beneath.get(name).filter(|_| !entry.is_gone()) {
                entry = next;
                continue;
            }
            return match &entry.node {
                Node::Base(_) => {
                    let natural = entry.natural(name).ok_or(WorkspaceError::NotFound)?;
                    let rest: Vec<&str> = names.collect();
                    Ok(Some(Lies::InProject(natural.join(&rest.join("/"))?)))
                }
                Node::Own(staged) => match staged.kind() {
                    Kind::Link => Err(WorkspaceError::Unstable),
                    Kind::File => Err(WorkspaceError::NotADirectory),
                    Kind::Directory => Ok(None),
                },
                Node::Gone => Ok(None),
            };
        }
        Ok(match &entry.node {
            Node::Base(path) => Some(Lies::InProject(path.clone())),
            Node::Own(staged) => Some(Lies::Staged(Arc::clone(staged))),
            Node::Gone => None,
        })
    }

    /// The entry of this path, if there is one.
    pub(super) fn entry(&self, path: &ProjectPath) -> Option<&Entry> {
        path.components().try_fold(&self.root, |entry, name| entry.beneath.get(name))
    }

    /// What the project has at `path` as long as the tree says nothing of it.
    pub(super) fn natural(&self, path: &ProjectPath) -> Option<ProjectPath> {
        let (parent, name) = path.split_last()?;
        match self.lies(&parent) {
            Ok(Some(Lies::InProject(parent))) => parent.join(name).ok(),
            Ok(Some(Lies::Staged(_)) | None) | Err(_) => None,
        }
    }

    /// Takes what is seen at `path` out of the tree, with what differs beneath.
    pub(super) fn take(&mut self, path: &ProjectPath) -> Result<Option<Entry>, WorkspaceError> {
        let lies = self.lies(path)?;
        let taken = self.beneath(path)?.1.remove_entry().map(|(_, entry)| entry);
        Ok(match (taken, lies) {
            (Some(entry), _) => Some(entry).filter(|entry| !entry.is_gone()),
            (None, Some(Lies::InProject(path))) => Some(Entry::new(Node::Base(path))),
            (None, Some(Lies::Staged(_)) | None) => None,
        })
    }

    /// Has this seen at `path`, whose directory is seen already. Returns what was in the tree.
    pub(super) fn put(&mut self, path: &ProjectPath, entry: Entry) -> Result<Option<Entry>, WorkspaceError> {
        let (natural, slot) = self.beneath(path)?;
        // What is back where it lies in the project, and as it is there, is no change.
        let is_home = entry.beneath.is_empty()
            && matches!(&entry.node, Node::Base(path) if Some(path) == natural.as_ref());
        Ok(match slot {
            InTree::There(mut slot) if !is_home => Some(slot.insert(entry)),
            InTree::There(slot) => Some(slot.remove()),
            InTree::Missing(slot) => {
                if !is_home {
                    slot.insert(entry);
                }
                None
            }
        })
    }

    /// The place of `path` in the tree, and what the project has there.
    fn beneath(&mut self, path: &ProjectPath) -> Result<(Option<ProjectPath>, InTree<'_>), WorkspaceError> {
        let (parent, name) = path.split_last().ok_or(WorkspaceError::Unstable)?;
        let mut entry = &mut self.root;
        for name in parent.components() {
            let natural = entry.natural(name);
            entry = match (entry.beneath.entry(name.to_owned()), natural) {
                (Slot::Occupied(slot), _) => slot.into_mut(),
                (Slot::Vacant(slot), Some(natural)) => slot.insert(Entry::new(Node::Base(natural))),
                (Slot::Vacant(_), None) => return Err(WorkspaceError::Unstable),
            };
            if entry.is_gone() {
                return Err(WorkspaceError::Unstable);
            }
        }
        let natural = entry.natural(name);
        let slot = match entry.beneath.entry(name.to_owned()) {
            Slot::Occupied(slot) => InTree::There(slot),
            Slot::Vacant(slot) => InTree::Missing(slot),
        };
        Ok((natural, slot))
    }
}

/// A place in the tree.
enum InTree<'a> {
    There(std::collections::btree_map::OccupiedEntry<'a, String, Entry>),
    Missing(std::collections::btree_map::VacantEntry<'a, String, Entry>),
}

impl InTree<'_> {
    fn remove_entry(self) -> Option<(String, Entry)> {
        match self {
            Self::There(slot) => Some(slot.remove_entry()),
            Self::Missing(_) => None,
        }
    }
}
