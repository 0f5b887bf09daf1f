//! Putting the changes of one commit in place, one after the other.

use std::io::{self, ErrorKind};

use longhouse_core::{Change, EntryName, Operation, ProjectPath, RedoList, Version};

use super::{Disk, Place};

/// Why a commit was not put in place.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Somebody who does not ask the server changed this path in between. What had been put in place is back where it
    /// was, save what somebody else changed since.
    #[error("{path} was changed by somebody outside")]
    Conflict {
        /// Which.
        path: ProjectPath,
    },
    /// The disk does not do it. What had been put in place is back where it was.
    #[error("{path} cannot be changed")]
    Failed {
        /// Where.
        path: ProjectPath,
        /// How.
        #[source]
        source: io::Error,
    },
    /// The disk failed in the middle. How much is in place is for [`recover`](super::recover) to find out.
    #[error("the disk failed at {path}")]
    HalfDone {
        /// Where.
        path: ProjectPath,
        /// How.
        #[source]
        source: io::Error,
    },
}

/// Why one change was not put in place, or taken back.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Something else lies there than should; all is as it was before.
    Other,
    /// The disk does not do it; all is as it was before.
    Refused(io::Error),
    /// The disk failed when something was done already.
    Midway(io::Error),
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::AlreadyExists => Self::Other,
            _ => Self::Midway(error),
        }
    }
}

/// The first thing that is done: nothing was before it.
fn first(done: io::Result<()>) -> Result<(), Obstacle> {
    done.map_err(|error| match Obstacle::from(error) {
        Obstacle::Midway(error) => Obstacle::Refused(error),
        other => other,
    })
}

/// Puts all changes in place, in their order: a reader of a path that existed before finds the old or the new, never
/// nothing. What lay there is looked at once more when it has been taken away.
///
/// # Errors
/// When a path does not hold its base, or the disk fails.
pub fn apply(disk: &dyn Disk, redo: &RedoList) -> Result<(), Stopped> {
    for (index, change) in redo.changes().iter().enumerate() {
        let path = || change.path.clone();
        match place(disk, change) {
            Ok(()) => {}
            Err(Obstacle::Other) => {
                undo(disk, redo.changes().get(..index).unwrap_or_default())?;
                return Err(Stopped::Conflict { path: path() });
            }
            Err(Obstacle::Refused(source)) => {
                undo(disk, redo.changes().get(..index).unwrap_or_default())?;
                return Err(Stopped::Failed { path: path(), source });
            }
            Err(Obstacle::Midway(source)) => return Err(Stopped::HalfDone { path: path(), source }),
        }
    }
    Ok(())
}

/// Takes changes back that are in place, the last one first. What somebody else changed since stays as it is, and what
/// lay there before stays in the history.
///
/// # Errors
/// When the disk fails.
pub fn undo(disk: &dyn Disk, changes: &[Change]) -> Result<(), Stopped> {
    for change in changes.iter().rev() {
        match take_back(disk, change) {
            Ok(()) | Err(Obstacle::Other) => {}
            Err(Obstacle::Refused(source) | Obstacle::Midway(source)) => {
                return Err(Stopped::HalfDone { path: change.path.clone(), source });
            }
        }
    }
    Ok(())
}

/// Puts one change in place.
pub(super) fn place(disk: &dyn Disk, change: &Change) -> Result<(), Obstacle> {
    let path = Place::Project(change.path.clone());
    match (&change.operation, change.base) {
        (Operation::Put { staged }, None) => first(disk.rename(&Place::Staged(staged.clone()), &path)),
        (Operation::Put { staged }, Some(base)) => {
            let (name, staged) = (staged, Place::Staged(staged.clone()));
            first(disk.exchange(&staged, &path))?;
            if disk.version(&staged)? == Some(base) {
                return Ok(disk.rename(&staged, &kept(change)?)?);
            }
            give_way(disk, &staged, &path, change.new)?;
            if disk.version(&staged)? != change.new {
                keep_theirs(disk, name, change)?;
            }
            Err(Obstacle::Other)
        }
        (Operation::Remove, base) => {
            let kept = kept(change)?;
            first(disk.rename(&path, &kept))?;
            if disk.version(&kept)? != base {
                disk.rename(&kept, &path)?;
                return Err(Obstacle::Other);
            }
            Ok(())
        }
        (Operation::Move { from }, _) => {
            let (from, kept) = (Place::Project(from.clone()), kept(change)?);
            first(disk.rename(&from, &kept))?;
            if disk.version(&kept)? != change.new {
                disk.rename(&kept, &from)?;
                return Err(Obstacle::Other);
            }
            arrive(disk, change).map_err(|obstacle| {
                let back = match &obstacle {
                    Obstacle::Other | Obstacle::Refused(_) => go_back(disk, change, &kept, &from),
                    Obstacle::Midway(_) => Ok(()),
                };
                match back {
                    Err(Obstacle::Midway(error)) => Obstacle::Midway(error),
                    Ok(()) | Err(Obstacle::Other | Obstacle::Refused(_)) => obstacle,
                }
            })
        }
        (Operation::Found, _) => Ok(()),
    }
}

/// The second half of a move: what was taken away waits where the base is kept.
pub(super) fn arrive(disk: &dyn Disk, change: &Change) -> Result<(), Obstacle> {
    let (path, kept) = (Place::Project(change.path.clone()), kept(change)?);
    let Some(base) = change.base else {
        first(disk.rename(&kept, &path))?;
        return Ok(disk.mark(&kept)?);
    };
    first(disk.exchange(&kept, &path))?;
    if disk.version(&kept)? == Some(base) {
        return Ok(());
    }
    give_way(disk, &kept, &path, change.new)?;
    Err(Obstacle::Other)
}

/// Puts back in the project what was taken out of it, in place of `ours`: should somebody outside have come in between,
/// what they left last. What is in the private place then is ours, or what they have written something over, or, if nothing
/// lies in the project any more, what they have taken away.
pub(super) fn give_way(
    disk: &dyn Disk,
    private: &Place,
    path: &Place,
    ours: Option<Version>,
) -> Result<(), Obstacle> {
    /// With somebody who is quicker so often, what they wrote before ends up in the history, if not in the project.
    const ROUNDS: usize = 64;
    let mut lies_there = ours;
    for _ in 0..ROUNDS {
        let put_back = disk.version(private)?;
        match disk.exchange(private, path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            exchanged => exchanged?,
        }
        if disk.version(private)? == lies_there {
            return Ok(());
        }
        lies_there = put_back;
    }
    Ok(())
}

/// What was taken out of the project, and what somebody outside has put something else in place of, goes to the history.
fn keep_theirs(disk: &dyn Disk, staged: &EntryName, change: &Change) -> Result<(), Obstacle> {
    disk.rename(&Place::Staged(staged.clone()), &Place::Kept(staged.clone()))?;
    tracing::warn!(path = %change.path, kept = %staged, "somebody outside replaced what the server gave way to; the history has it");
    Ok(())
}

/// The end of a move that comes to nothing. What is somebody else's by now, or cannot go back because somebody took its
/// place, stays in the history.
fn go_back(disk: &dyn Disk, change: &Change, kept: &Place, from: &Place) -> Result<(), Obstacle> {
    if disk.version(kept)? == change.new { Ok(disk.rename(kept, from)?) } else { Err(Obstacle::Other) }
}

/// Takes one change back. Its mark goes first: should that be all that is done, the change is in place without it, as
/// it is for a moment when it is made.
fn take_back(disk: &dyn Disk, change: &Change) -> Result<(), Obstacle> {
    let path = Place::Project(change.path.clone());
    if disk.version(&path)? != change.new {
        return Err(Obstacle::Other);
    }
    match (&change.operation, change.base) {
        (Operation::Put { staged: name }, None) => {
            let staged = Place::Staged(name.clone());
            disk.rename(&path, &staged)?;
            if disk.version(&staged)? == change.new {
                return Ok(());
            }
            match disk.rename(&staged, &path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => keep_theirs(disk, name, change),
                renamed => Ok(renamed?),
            }
        }
        (Operation::Put { staged }, Some(_)) => {
            let (kept, staged) = (kept(change)?, Place::Staged(staged.clone()));
            disk.rename(&kept, &staged)?;
            give_way(disk, &staged, &path, change.new)?;
            if disk.version(&staged)? == change.new { Ok(()) } else { Ok(disk.rename(&staged, &kept)?) }
        }
        (Operation::Remove, _) => Ok(disk.rename(&kept(change)?, &path)?),
        (Operation::Move { from }, None) => {
            let kept = kept(change)?;
            disk.unmark(&kept)?;
            disk.rename(&path, &kept)?;
            match go_back(disk, change, &kept, &Place::Project(from.clone())) {
                Err(Obstacle::Other) if disk.version(&kept)? != change.new => Ok(disk.rename(&kept, &path)?),
                back => back,
            }
        }
        (Operation::Move { from }, Some(_)) => {
            let kept = kept(change)?;
            give_way(disk, &kept, &path, change.new)?;
            go_back(disk, change, &kept, &Place::Project(from.clone()))
        }
        (Operation::Found, _) => Ok(()),
    }
}

/// Where the base goes, or the mark.
pub(super) fn kept(change: &Change) -> Result<Place, Obstacle> {
    let kept = change.history.clone().map(Place::Kept);
    kept.ok_or_else(|| Obstacle::Refused(io::Error::other("a change has no place in the history")))
}
