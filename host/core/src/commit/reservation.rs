//! Which paths a change set keeps for itself.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Changes, CommitRefusal, Operation, ProjectPath, RedoList};

/// The paths that a change set keeps for itself while it is prepared and published. Its own are exclusive, the
/// directories above them shared: two sets conflict if a path of one is, or lies above, a path of the other. What it only
/// reads it shares, too, save directories that it lists. Sorted, so that looking one up is quick. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation(Arc<Sorted>);

#[derive(Debug, PartialEq, Eq)]
struct Sorted {
    /// Sorted, without repeats, and none both an entry and a subtree.
    changes: Changes,
    /// Directories of which it matters what is in them, and that are not among those.
    listed: Vec<ProjectPath>,
    /// What it reads and the directories above all of it, each once, that are not among those.
    shared: Vec<ProjectPath>,
    /// How many paths it has, those above them not counted.
    count: usize,
}

/// What a change set was made in the belief of, beside what it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// Of these, what lies there, or that nothing does.
    pub entries: Vec<ProjectPath>,
    /// Of these directories, which names are in them.
    pub listed: Vec<ProjectPath>,
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
        Self::with_reads(changes, Reads::default())
    }

    /// The same for a set that was made in the belief of more than what it changes.
    ///
    /// # Errors
    /// When it changes nothing, or there are too many.
    pub fn with_reads(changes: Changes, reads: Reads) -> Result<Self, CommitRefusal> {
        let changed = changes.entries.len() + changes.subtrees.len();
        let count = changed + reads.entries.len() + reads.listed.len();
        if changed == 0 || count > Self::MAX_PATHS {
            return Err(CommitRefusal::Count { count, most: Self::MAX_PATHS });
        }
        let paths = [&changes.entries, &changes.subtrees, &reads.entries, &reads.listed];
        let bytes = paths.into_iter().flatten().map(|path| path.as_str().len()).sum();
        if bytes > Self::MAX_BYTES {
            return Err(CommitRefusal::TooLong { bytes, most: Self::MAX_BYTES });
        }
        Ok(Self::sorted(changes, reads))
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
        Self::sorted(changes, Reads::default())
    }

    fn sorted(mut changes: Changes, reads: Reads) -> Self {
        let Reads { mut entries, mut listed } = reads;
        changes.subtrees.sort_unstable();
        changes.subtrees.dedup();
        let subtrees = &changes.subtrees;
        changes.entries.retain(|path| subtrees.binary_search(path).is_err());
        changes.entries.sort_unstable();
        changes.entries.dedup();
        let mut seen: HashSet<&str> =
            changes.entries.iter().chain(&changes.subtrees).map(ProjectPath::as_str).collect();
        listed.retain(|path| !seen.contains(path.as_str()));
        listed.sort_unstable();
        listed.dedup();
        seen.extend(listed.iter().map(ProjectPath::as_str));
        entries.retain(|path| !seen.contains(path.as_str()));
        entries.sort_unstable();
        entries.dedup();
        seen.extend(entries.iter().map(ProjectPath::as_str));
        let mut above = Vec::new();
        for path in [&changes.entries, &changes.subtrees, &listed, &entries].into_iter().flatten() {
            for directory in path.above() {
                if seen.insert(directory) {
                    above.push(directory);
                }
            }
        }
        let above: Vec<_> = above.into_iter().map(ProjectPath::of_normal).collect();
        let count = changes.entries.len() + changes.subtrees.len() + listed.len() + entries.len();
        let shared = entries.into_iter().chain(above).collect();
        Self(Arc::new(Sorted { changes, listed, shared, count }))
    }

    /// What it is, for locks.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// How many paths it has, those above them not counted.
    pub fn len(&self) -> usize {
        self.0.count
    }

    /// Whether it has none; no reservation is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The paths that are its alone, each once.
    pub(crate) fn own(&self) -> impl Iterator<Item = &ProjectPath> {
        self.0.changes.entries.iter().chain(&self.0.changes.subtrees).chain(&self.0.listed)
    }

    /// Those that it shares, each once.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &ProjectPath> {
        self.0.shared.iter()
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
        let mut above: Vec<&str> = kept.shared().map(ProjectPath::as_str).collect();
        above.sort_unstable();
        assert_eq!(above, ["", "b"]);
        assert_eq!(kept.len(), 5);
    }

    #[test]
    fn what_is_read_is_shared_and_what_is_listed_is_not() {
        let changes = Changes { entries: paths(&["a", "l/x"]), subtrees: Vec::new() };
        let reads =
            Reads { entries: paths(&["a", "d/r", "l", "d/r"]), listed: paths(&["l", "l/x", "d", "d"]) };
        let kept = Reservation::with_reads(changes.clone(), reads).unwrap();
        let own: Vec<&str> = kept.own().map(ProjectPath::as_str).collect();
        assert_eq!(own, ["a", "l/x", "d", "l"]);
        let shared: Vec<&str> = kept.shared().map(ProjectPath::as_str).collect();
        assert_eq!(shared, ["d/r", ""]);
        assert_eq!((kept.changes(), kept.len()), (&changes, 5));
        assert!(!kept.covers(&"d".parse().unwrap()) && !kept.covers(&"d/r".parse().unwrap()));
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
