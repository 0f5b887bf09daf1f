//! What publishing does to the disk, and nothing else.

use std::collections::BTreeSet;
use std::io;

use longhouse_core::{EntryName, Operation, ProjectPath, RedoList, Version};

/// Where an entry lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the project, at a path that leads through no link.
    Project(ProjectPath),
    /// Among what is staged.
    Staged(EntryName),
    /// In the history.
    Kept(EntryName),
}

impl Place {
    /// The directory that its name is in; for the private ones, any place in them stands for the directory.
    pub fn directory(&self) -> Self {
        match self {
            Self::Project(path) => {
                Self::Project(path.split_last().map_or_else(ProjectPath::root, |(it, _)| it))
            }
            Self::Staged(_) | Self::Kept(_) => self.clone(),
        }
    }
}

/// The few operations that publishing is made of: on the real disk, or on one that a test cuts off anywhere. All but
/// [`Disk::sync`] may be lost with the power, the last ones first.
pub trait Disk {
    /// What lies there; `None` if nothing does.
    ///
    /// # Errors
    /// When that cannot be told.
    fn version(&self, place: &Place) -> io::Result<Option<Version>>;

    /// Swaps what lies at two places, at once.
    ///
    /// # Errors
    /// When nothing lies at one of them ([`io::ErrorKind::NotFound`]), or it cannot be done.
    fn exchange(&self, one: &Place, other: &Place) -> io::Result<()>;

    /// Moves an entry to a place where nothing lies.
    ///
    /// # Errors
    /// When there is nothing to be moved ([`io::ErrorKind::NotFound`]), something lies there
    /// ([`io::ErrorKind::AlreadyExists`]), or it cannot be done.
    fn rename(&self, from: &Place, to: &Place) -> io::Result<()>;

    /// Makes an entry of which only the name counts: no file, directory or link of the project has its version.
    ///
    /// # Errors
    /// When something lies there ([`io::ErrorKind::AlreadyExists`]), or it cannot be done.
    fn mark(&self, place: &Place) -> io::Result<()>;

    /// Takes such an entry away.
    ///
    /// # Errors
    /// When there is none ([`io::ErrorKind::NotFound`]), or it cannot be done.
    fn unmark(&self, place: &Place) -> io::Result<()>;

    /// Makes what was done to the names in these directories safe, see [`Place::directory`].
    ///
    /// # Errors
    /// When the disk fails: what was done may or may not be safe.
    fn sync(&self, directories: &BTreeSet<Place>) -> io::Result<()>;
}

/// The directories whose names a commit changes.
pub fn touched(redo: &RedoList) -> BTreeSet<Place> {
    let mut touched = BTreeSet::new();
    for change in redo.changes() {
        touched.insert(Place::Project(change.path.clone()).directory());
        touched.extend(change.history.clone().map(Place::Kept));
        match &change.operation {
            Operation::Put { staged } => drop(touched.insert(Place::Staged(staged.clone()))),
            Operation::Move { from } => drop(touched.insert(Place::Project(from.clone()).directory())),
            Operation::Remove | Operation::Found => {}
        }
    }
    touched
}
