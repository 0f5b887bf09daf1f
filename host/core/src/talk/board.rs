//! Shared state, as far as decisions need it: versions and lengths, no values.

use std::collections::BTreeMap;

use super::TalkRefusal;
use crate::{StateKey, StateVersion};

/// The most keys.
const MAX_KEYS: u64 = 10_000;
/// The most bytes of keys and values together: 16 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// Every key that has a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Board {
    last: StateVersion,
    keys: BTreeMap<StateKey, (StateVersion, u64)>,
    bytes: u64,
}

impl Board {
    pub(crate) fn rebuild(last: u64, keys: Vec<(StateKey, StateVersion, u64)>) -> Self {
        let bytes = keys.iter().map(|(_, _, bytes)| bytes).sum();
        let keys = keys.into_iter().map(|(key, version, bytes)| (key, (version, bytes))).collect();
        Self { last: StateVersion(last), keys, bytes }
    }

    /// The version of a key's value.
    pub(crate) fn version(&self, key: &StateKey) -> StateVersion {
        self.keys.get(key).map_or(StateVersion::ABSENT, |(version, _)| *version)
    }

    /// Whether a value of this length finds room.
    pub(crate) fn check_room(&self, key: &StateKey, value: &str) -> Result<(), TalkRefusal> {
        let before = self.keys.get(key);
        let count = u64::try_from(self.keys.len()).unwrap_or(u64::MAX);
        if before.is_none() && count >= MAX_KEYS {
            return Err(TalkRefusal::StateFull { what: "keys", most: MAX_KEYS });
        }
        let others = self.bytes - before.map_or(0, |(_, bytes)| *bytes);
        if others.saturating_add(length(key, value)) > MAX_BYTES {
            return Err(TalkRefusal::StateFull { what: "bytes", most: MAX_BYTES });
        }
        Ok(())
    }

    /// Notes a value, and gives it a version that no value had before.
    pub(crate) fn set(&mut self, key: &StateKey, value: &str) -> StateVersion {
        self.remove(key);
        self.last = StateVersion(self.last.0 + 1);
        self.bytes += length(key, value);
        self.keys.insert(key.clone(), (self.last, length(key, value)));
        self.last
    }

    /// Notes that a key has no value.
    pub(crate) fn remove(&mut self, key: &StateKey) {
        if let Some((_, bytes)) = self.keys.remove(key) {
            self.bytes -= bytes;
        }
    }
}

fn length(key: &StateKey, value: &str) -> u64 {
    u64::try_from(key.as_str().len().saturating_add(value.len())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_keys_and_for_what_they_had_before() {
        let mut board = Board::default();
        for n in 0..MAX_KEYS {
            let key: StateKey = format!("k/{n}").parse().unwrap();
            board.check_room(&key, "1").unwrap();
            board.set(&key, "1");
        }
        let (old, new): (StateKey, StateKey) = ("k/1".parse().unwrap(), "new".parse().unwrap());
        assert_eq!(board.check_room(&new, "1"), Err(TalkRefusal::StateFull { what: "keys", most: MAX_KEYS }));
        assert_eq!(board.check_room(&old, "22"), Ok(()));
        board.remove(&old);
        assert_eq!(board.check_room(&new, "1"), Ok(()));
    }

    #[test]
    fn there_is_room_for_so_many_bytes() {
        let mut board = Board::default();
        let (a, b): (StateKey, StateKey) = ("a".parse().unwrap(), "b".parse().unwrap());
        let half = "x".repeat(usize::try_from(MAX_BYTES / 2).unwrap());
        board.set(&a, &half);
        let full = Err(TalkRefusal::StateFull { what: "bytes", most: MAX_BYTES });
        assert_eq!(board.check_room(&b, &half), full);
        assert_eq!(board.check_room(&a, &half), Ok(()), "its own room is counted twice");
        board.remove(&a);
        assert_eq!(board.check_room(&b, &half), Ok(()));
        assert_eq!(board.bytes, 0);
    }
}
