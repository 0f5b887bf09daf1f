//! What a commit does, path by path: enough to do it again or to take it back after a crash.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{CommitRefusal, InvalidId, ProjectPath, Version};

/// The name of an entry among the server's own files, such as `3f/2c9a`: one to 128 characters, in components of
/// letters, digits, `_`, `-` and `.`, none of which begins with a `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(Arc<str>);

impl EntryName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EntryName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        let component = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
        let ok = text.len() <= 128 && text.split('/').all(component);
        if ok {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId::new(text, "the name of a staged or kept entry"))
        }
    }
}

/// How a path is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A staged entry comes to lie there, in place of the base if there is one.
    Put {
        /// Where it is staged.
        staged: EntryName,
    },
    /// The base goes away.
    Remove,
    /// What lies at another path, with everything beneath it, comes to lie there instead.
    Move {
        /// Where it lay.
        from: ProjectPath,
    },
    /// Somebody who does not ask the server did it: there is nothing to be done.
    Found,
}

/// What becomes of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub path: ProjectPath,
    /// How.
    pub operation: Operation,
    /// What lies there before; `None` for nothing.
    pub base: Option<Version>,
    /// What lies there after; `None` for nothing.
    pub new: Option<Version>,
    /// Where the base is kept; needed for every base, save of a change that was found. A move that replaces nothing
    /// leaves an empty entry there: without it, nothing would tell whether it is done.
    pub history: Option<EntryName>,
}

impl Change {
    /// The path that it changes, and the one from which it moves something there.
    pub fn paths(&self) -> impl Iterator<Item = &ProjectPath> {
        let from = match &self.operation {
            Operation::Move { from } => Some(from),
            Operation::Put { .. } | Operation::Remove | Operation::Found => None,
        };
        std::iter::once(&self.path).chain(from)
    }

    fn fault(&self) -> Option<&'static str> {
        let is_kept = self.base.is_some() == self.history.is_some();
        match &self.operation {
            Operation::Put { .. } | Operation::Remove if !is_kept => {
                Some("a base and a place to keep it go together")
            }
            Operation::Move { .. } if self.history.is_none() => Some("a move leaves a mark in the history"),
            Operation::Put { .. } | Operation::Move { .. } if self.new.is_none() => {
                Some("it leaves nothing there")
            }
            Operation::Remove if self.new.is_some() => Some("it leaves something there"),
            Operation::Remove if self.base.is_none() => Some("there is nothing to remove"),
            Operation::Move { from } if from.is_root() || from.meets(&self.path) => {
                Some("one lies in the other")
            }
            Operation::Put { .. } | Operation::Found if self.base == self.new => Some("nothing changed"),
            Operation::Put { .. } | Operation::Move { .. } | Operation::Remove | Operation::Found => None,
        }
    }

    fn bytes(&self) -> usize {
        let name = |name: &Option<EntryName>| name.as_ref().map_or(0, |name| name.as_str().len());
        let operation = match &self.operation {
            Operation::Put { staged } => staged.as_str().len(),
            Operation::Move { from } => from.as_str().len(),
            Operation::Remove | Operation::Found => 0,
        };
        self.path.as_str().len() + operation + name(&self.history)
    }
}

/// Everything a commit does, in the order in which it is done. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedoList(Arc<[Change]>);

impl RedoList {
    /// The most changes in one commit.
    pub const MAX_CHANGES: usize = 100_000;
    /// The most bytes of paths and names in one commit: 32 MiB.
    pub const MAX_BYTES: usize = 32 << 20;

    /// Takes up to 100,000 changes, in the order in which they are to be done.
    ///
    /// # Errors
    /// When there are none or too many, one contradicts itself, or a path is changed, or moved away, twice.
    pub fn new(changes: Vec<Change>) -> Result<Self, CommitRefusal> {
        if changes.is_empty() || changes.len() > Self::MAX_CHANGES {
            return Err(CommitRefusal::Count { count: changes.len(), most: Self::MAX_CHANGES });
        }
        let bytes: usize = changes.iter().map(Change::bytes).sum();
        if bytes > Self::MAX_BYTES {
            return Err(CommitRefusal::TooLong { bytes, most: Self::MAX_BYTES });
        }
        let (mut changed, mut moved) = (HashSet::new(), HashSet::new());
        for change in &changes {
            let fault = |why| Err(CommitRefusal::InvalidChange { path: change.path.clone(), why });
            if let Some(why) = change.fault() {
                return fault(why);
            }
            if !changed.insert(&change.path) {
                return fault("it is changed twice");
            }
            if let Operation::Move { from } = &change.operation
                && !moved.insert(from)
            {
                return fault("the same is moved twice");
            }
        }
        Ok(Self(changes.into()))
    }

    /// In the order in which they are done.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }

    /// Every path that it changes, moved ones at both ends.
    pub fn paths(&self) -> impl Iterator<Item = &ProjectPath> {
        self.0.iter().flat_map(Change::paths)
    }

    /// Whether the server found all of it, or has all of it to do; `None` for some of both.
    pub(crate) fn is_found(&self) -> Option<bool> {
        let found = self.0.iter().filter(|change| change.operation == Operation::Found).count();
        if found == 0 { Some(false) } else { (found == self.0.len()).then_some(true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntryKind;

    fn version(n: u8) -> Option<Version> {
        Some(Version { kind: EntryKind::File, hash: [n; 32] })
    }

    fn change(path: &str, operation: Operation, base: Option<Version>, new: Option<Version>) -> Change {
        let is_kept = match &operation {
            Operation::Move { .. } => true,
            Operation::Found => false,
            Operation::Put { .. } | Operation::Remove => base.is_some(),
        };
        let history = is_kept.then(|| "h/1".parse().unwrap());
        Change { path: path.parse().unwrap(), operation, base, new, history }
    }

    fn put() -> Operation {
        Operation::Put { staged: "s-1.0".parse().unwrap() }
    }

    fn from(path: &str) -> Operation {
        Operation::Move { from: path.parse().unwrap() }
    }

    fn refused(changes: &[Change]) -> &'static str {
        match RedoList::new(changes.to_vec()) {
            Err(CommitRefusal::InvalidChange { why, .. }) => why,
            other => panic!("{changes:?}: {other:?}"),
        }
    }

    #[test]
    fn what_makes_sense_is_taken_with_every_path_it_has() {
        let list = RedoList::new(vec![
            change("a", put(), None, version(1)),
            change("b", put(), version(1), version(2)),
            change("c", Operation::Remove, version(1), None),
            change("e", from("d"), None, version(3)),
            change("f", from("g"), version(1), version(3)),
        ]);
        let list = list.unwrap();
        let paths: Vec<&str> = list.paths().map(ProjectPath::as_str).collect();
        assert_eq!(paths, ["a", "b", "c", "e", "d", "f", "g"]);
        assert_eq!(list.is_found(), Some(false));
        let found = |base, new| change("a", Operation::Found, base, new);
        assert_eq!(RedoList::new(vec![found(None, version(1))]).unwrap().is_found(), Some(true));
        let mixed = vec![found(version(2), version(1)), change("b", put(), None, version(1))];
        assert_eq!(RedoList::new(mixed).unwrap().is_found(), None);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let forgets = Change { history: None, ..change("a", Operation::Remove, version(1), None) };
        let keeps_nothing =
            Change { history: Some("h".parse().unwrap()), ..change("a", put(), None, version(1)) };
        let one = |change: Change| refused(&[change]);
        assert_eq!(one(forgets), "a base and a place to keep it go together");
        assert_eq!(one(keeps_nothing), "a base and a place to keep it go together");
        assert_eq!(one(change("a", put(), version(1), None)), "it leaves nothing there");
        assert_eq!(one(change("a", Operation::Remove, version(1), version(1))), "it leaves something there");
        assert_eq!(one(change("a", Operation::Remove, None, None)), "there is nothing to remove");
        assert_eq!(one(change("a", Operation::Found, version(1), version(1))), "nothing changed");
        assert_eq!(one(change("a", put(), version(1), version(1))), "nothing changed");
        let unmarked = Change { history: None, ..change("b", from("a"), None, version(1)) };
        assert_eq!(one(unmarked), "a move leaves a mark in the history");
        for (path, moved) in [("a/b", "a"), ("a", "a/b"), ("a", "a"), ("a", "")] {
            assert_eq!(one(change(path, from(moved), None, version(1))), "one lies in the other");
        }
        let twice = [change("a", put(), None, version(1)), change("a", put(), None, version(1))];
        assert_eq!(refused(&twice), "it is changed twice");
        let twice = [change("b", from("a"), None, version(1)), change("c", from("a"), None, version(1))];
        assert_eq!(refused(&twice), "the same is moved twice");
    }

    #[test]
    fn a_list_has_an_end_and_a_beginning() {
        let many = |count: usize| {
            (0..count).map(|n| change(&format!("{n}"), put(), None, version(1))).collect::<Vec<_>>()
        };
        let most = RedoList::MAX_CHANGES;
        assert_eq!(RedoList::new(Vec::new()), Err(CommitRefusal::Count { count: 0, most }));
        assert_eq!(RedoList::new(many(most + 1)), Err(CommitRefusal::Count { count: most + 1, most }));
        assert!(RedoList::new(many(most)).is_ok());
        let name = "n".repeat(250);
        let long = (0..9_000).map(|n| {
            let path = format!("{}{n}", format!("{name}/").repeat(15));
            change(&path, put(), None, version(1))
        });
        assert!(matches!(RedoList::new(long.collect()), Err(CommitRefusal::TooLong { .. })));
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for text in ["a", "3f/2c9a", "A_b-c.d/e"] {
            assert!(text.parse::<EntryName>().is_ok(), "{text:?} was refused");
        }
        for text in ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "a b", "a\\b", &"a".repeat(129)] {
            assert!(text.parse::<EntryName>().is_err(), "{text:?} was accepted");
        }
    }
}
