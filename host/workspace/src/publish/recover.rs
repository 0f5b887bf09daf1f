//! Finishing what a crash or a loss of power left half done.

use longhouse_core::{Change, CommitNumber, EntryName, Operation, ProjectPath, Unfinished, Version};

use super::apply::{Obstacle, arrive, give_way, kept, place};
use super::{Disk, Place, Stopped};

/// A path that somebody outside changed before a commit could be put in place there. What they left stays; what the
/// commit would have put there is still staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// Which commit.
    pub commit: CommitNumber,
    /// Which path.
    pub path: ProjectPath,
    /// What lies there now.
    pub found: Option<Version>,
    /// What the commit would have put there, if that is an entry of its own.
    pub staged: Option<EntryName>,
}

/// What came of a recovery.
#[derive(Debug, Default)]
pub struct Recovered {
    /// So many of the commits, from the first on, are in place.
    pub finished: usize,
    /// What somebody outside had changed.
    pub external: Vec<External>,
    /// Why the next one is not.
    pub stopped: Option<Stopped>,
}

/// Puts in place what is not yet, of commits in the order of their numbers, as far as the disk does it. May be done again,
/// and be cut off, at will.
pub fn recover(disk: &dyn Disk, unfinished: &[Unfinished]) -> Recovered {
    let mut recovered = Recovered::default();
    for Unfinished { commit, .. } in unfinished {
        for change in commit.redo.changes() {
            let path = || change.path.clone();
            let found = || disk.version(&Place::Project(path())).map_err(Obstacle::Midway);
            let external = match finish(disk, change) {
                Ok(()) => continue,
                Err(Obstacle::Other) => found(),
                Err(obstacle) => Err(obstacle),
            };
            match external {
                Ok(found) => recovered.external.push(External {
                    commit: commit.number,
                    path: path(),
                    found,
                    staged: match &change.operation {
                        Operation::Put { staged } => Some(staged.clone()),
                        Operation::Remove | Operation::Move { .. } | Operation::Found => None,
                    },
                }),
                Err(Obstacle::Refused(source) | Obstacle::Midway(source)) => {
                    recovered.stopped = Some(Stopped::HalfDone { path: path(), source });
                    return recovered;
                }
                Err(Obstacle::Other) => {}
            }
        }
        recovered.finished += 1;
    }
    recovered
}

/// Puts one change in place unless its mark says that it was.
fn finish(disk: &dyn Disk, change: &Change) -> Result<(), Obstacle> {
    let path = Place::Project(change.path.clone());
    match (&change.operation, change.base) {
        (Operation::Put { staged }, None) => match disk.version(&Place::Staged(staged.clone()))? {
            Some(_) => place(disk, change),
            None => Ok(()),
        },
        (Operation::Put { staged }, Some(base)) => {
            let staged = Place::Staged(staged.clone());
            match disk.version(&staged)? {
                None if disk.version(&kept(change)?)?.is_some() => Ok(()),
                // It had given way already.
                None => Err(Obstacle::Other),
                came_out if came_out == change.new => place(disk, change),
                // It was exchanged, and what came out not yet looked at, or not yet kept.
                Some(came_out) if came_out == base => Ok(disk.rename(&staged, &kept(change)?)?),
                Some(_) => {
                    let lies_there = disk.version(&path)?;
                    if lies_there == change.new || lies_there == Some(base) {
                        give_way(disk, &staged, &path, lies_there)?;
                    }
                    Err(Obstacle::Other)
                }
            }
        }
        (Operation::Remove, base) => match disk.version(&kept(change)?)? {
            None => place(disk, change),
            came_out if came_out == base => Ok(()),
            Some(_) => {
                disk.rename(&kept(change)?, &path)?;
                Err(Obstacle::Other)
            }
        },
        (Operation::Move { from }, base) => {
            let from = Place::Project(from.clone());
            match disk.version(&kept(change)?)? {
                // What was taken away has not arrived. If it is what it replaces, nothing tells, and nothing needs to.
                waits if waits == change.new && waits != base => arrive(disk, change),
                Some(_) => Ok(()),
                // It arrived, and its mark was not yet made: nobody came to these paths after it.
                None if base.is_none()
                    && disk.version(&path)? == change.new
                    && disk.version(&from)?.is_none() =>
                {
                    Ok(disk.mark(&kept(change)?)?)
                }
                None => place(disk, change),
            }
        }
        (Operation::Found, _) => Ok(()),
    }
}
