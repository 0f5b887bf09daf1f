//! Which paths a change set keeps for itself.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Changes, CommitRefusal, Operation, ProjectPath, RedoList};

/// The paths that a change set keeps for itself while it is prepared and published. Its own are exclusive, the
/// directories above them shared: two sets conflict if a path of one is, or lies above, a path of the other. Sorted,
/// so that looking one up is quick. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation(Arc<Sorted>);

#[derive(Debug, PartialEq, Eq)]
struct Sorted {
    /// Sorted, without repeats, and none both an entry and a subtree.
    changes: Changes,
    /// The directories above them that are not among them, the lowest first for each path.
    above: Vec<ProjectPath>,
}

impl Reservation {
    /// The most paths in one reservation.
    pub const MAX_PATHS: usize = 100_000;
    /// The most bytes they may have together: 16 MiB.
    pub const MAX_BYTES: usize = 16 << 20;

    /// Takes paths in any order, with repeats.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn new(changes: Changes) -> Result<Self, CommitRefusal> {
        let count = changes.entries.len() + changes.subtrees.len();
        if count == 0 || count > Self::MAX_PATHS {
            return Err(CommitRefusal::Count { count, most: Self::MAX_PATHS });
        }
        let bytes = changes.entries.iter().chain(&changes.subtrees).map(|path| path.as_str().len()).sum();
        if bytes > Self::MAX_BYTES {
            return Err(CommitRefusal::TooLong { bytes, most: Self::MAX_BYTES });
        }
        Ok(Self::sorted(changes))
    }

    /// What a commit that was intended needs until it is finished.
    pub(crate) fn of(redo: &RedoList) -> Self {
        let mut changes = Changes::default();
        for change in redo.changes() {
            match &change.operation {
                Operation::Move { from } => changes.subtrees.extend([from.clone(), change.path.clone()]),
                Operation::Put { .. } | Operation::Remove | Operation::Found => {
                    changes.entries.push(change.path.clone());
                }
            }
        }
        Self::sorted(changes)
    }

    fn sorted(mut changes: Changes) -> Self {
        changes.subtrees.sort_unstable();
        changes.subtrees.dedup();
        let subtrees = &changes.subtrees;
        changes.entries.retain(|path| subtrees.binary_search(path).is_err());
        changes.entries.sort_unstable();
        changes.entries.dedup();
        let mut seen: HashSet<&str> =
            changes.entries.iter().chain(&changes.subtrees).map(ProjectPath::as_str).collect();
        let mut above = Vec::new();
        for path in changes.entries.iter().chain(&changes.subtrees) {
            for directory in path.above() {
                if seen.insert(directory) {
                    above.push(directory);
                }
            }
        }
        let above = above.into_iter().map(ProjectPath::of_normal).collect();
        Self(Arc::new(Sorted { changes, above }))
    }

    /// What it is, for locks.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// How many paths it has, those above them not counted.
    pub fn len(&self) -> usize {
        self.0.changes.entries.len() + self.0.changes.subtrees.len()
    }

    /// Whether it has none; no reservation is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The paths that are its alone, each once.
    pub(crate) fn own(&self) -> impl Iterator<Item = &ProjectPath> {
        self.0.changes.entries.iter().chain(&self.0.changes.subtrees)
    }

    /// The directories above those, each once.
    pub(crate) fn above(&self) -> impl Iterator<Item = &ProjectPath> {
        self.0.above.iter()
    }

    /// Whether it lets this path be changed.
    pub(crate) fn covers(&self, path: &ProjectPath) -> bool {
        let Changes { entries, subtrees } = &self.0.changes;
        let has =
            |paths: &[ProjectPath], path: &str| paths.binary_search_by(|own| own.as_str().cmp(path)).is_ok();
        has(entries, path.as_str())
            || has(subtrees, path.as_str())
            || (!subtrees.is_empty() && path.above().any(|directory| has(subtrees, directory)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(texts: &[&str]) -> Vec<ProjectPath> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn reservation(entries: &[&str], subtrees: &[&str]) -> Reservation {
        Reservation::new(Changes { entries: paths(entries), subtrees: paths(subtrees) }).unwrap()
    }

    #[test]
    fn a_path_is_kept_once_and_so_is_what_lies_above() {
        let kept = reservation(&["b/c/d", "b/c/e", "a", "a", "x"], &["x", "b/c"]);
        let own: Vec<&str> = kept.own().map(ProjectPath::as_str).collect();
        assert_eq!(own, ["a", "b/c/d", "b/c/e", "b/c", "x"]);
        let mut above: Vec<&str> = kept.above().map(ProjectPath::as_str).collect();
        above.sort_unstable();
        assert_eq!(above, ["", "b"]);
        assert_eq!(kept.len(), 5);
    }

    #[test]
    fn a_subtree_covers_what_is_beneath_and_an_entry_does_not() {
        let kept = reservation(&["a"], &["b/c"]);
        let covers = |path: &str| kept.covers(&path.parse().unwrap());
        assert!(covers("a") && covers("b/c") && covers("b/c/d/e"));
        assert!(!covers("a/x") && !covers("b") && !covers("b/cc") && !covers("") && !covers("c"));
    }

    #[test]
    fn a_reservation_has_an_end_and_a_beginning() {
        let most = Reservation::MAX_PATHS;
        assert_eq!(Reservation::new(Changes::default()), Err(CommitRefusal::Count { count: 0, most }));
        let many = |count: usize| {
            let entries = (0..count).map(|n| n.to_string().parse().unwrap()).collect();
            Reservation::new(Changes { entries, subtrees: Vec::new() })
        };
        assert!(many(most).is_ok());
        assert_eq!(many(most + 1), Err(CommitRefusal::Count { count: most + 1, most }));
        let name = format!("{}/", "n".repeat(250)).repeat(15);
        let entries = (0..5_000).map(|n| format!("{name}{n}").parse().unwrap()).collect();
        let long = Reservation::new(Changes { entries, subtrees: Vec::new() });
        assert!(matches!(long, Err(CommitRefusal::TooLong { .. })));
    }
}
