//! Which sets want which paths.

use std::collections::{BTreeMap, HashMap};

use super::node::{Mode, Node};
use super::{Reservation, ReservationId};
use crate::ProjectPath;

/// Every path that some set wants, with the line of those that do. A set is free when it is kept from none of its
/// paths; once free it stays so, because whoever comes later waits behind it. So a set that comes or goes costs no more
/// than its own paths and those above them, each looked up once, and what it sets free.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Table {
    nodes: HashMap<ProjectPath, Node>,
    /// From how many of its paths a set is kept, for those that are not free.
    kept_from: BTreeMap<ReservationId, usize>,
}

/// A path, and who keeps a set from it.
pub(super) type Obstacle<'a> = (&'a ProjectPath, ReservationId);

fn wants(paths: &Reservation) -> impl Iterator<Item = (&ProjectPath, Mode)> {
    let own = paths.own().map(|path| (path, Mode::Exclusive));
    own.chain(paths.shared().map(|path| (path, Mode::Shared)))
}

impl Table {
    /// What keeps this set, which has come or would come now under this id, from being free.
    pub(super) fn obstacle<'a>(&self, id: ReservationId, paths: &'a Reservation) -> Option<Obstacle<'a>> {
        wants(paths).find_map(|(path, mode)| Some((path, self.nodes.get(path)?.obstacle(id, mode)?)))
    }

    /// Whether a set that has come is free.
    pub(super) fn is_free(&self, id: ReservationId) -> bool {
        !self.kept_from.contains_key(&id)
    }

    /// A set comes, under the highest id so far.
    pub(super) fn add(&mut self, id: ReservationId, paths: &Reservation) {
        let mut kept_from = 0;
        for (path, mode) in wants(paths) {
            match self.nodes.get_mut(path) {
                Some(node) => {
                    kept_from += usize::from(node.obstacle(id, mode).is_some());
                    node.join(id, mode);
                }
                None => self.nodes.entry(path.clone()).or_default().join(id, mode),
            }
        }
        if kept_from > 0 {
            self.kept_from.insert(id, kept_from);
        }
    }

    /// A set goes. Returns those that are free now and were not.
    pub(super) fn remove(&mut self, id: ReservationId, paths: &Reservation) -> Vec<ReservationId> {
        let mut freed = Vec::new();
        for (path, mode) in wants(paths) {
            let Some(node) = self.nodes.get_mut(path) else { continue };
            let behind = node.leave(id, mode);
            if node.is_empty() {
                self.nodes.remove(path);
            }
            for other in behind {
                if let Some(kept_from) = self.kept_from.get_mut(&other) {
                    *kept_from -= 1;
                    if *kept_from == 0 {
                        self.kept_from.remove(&other);
                        freed.push(other);
                    }
                }
            }
        }
        self.kept_from.remove(&id);
        freed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BootNumber, Changes, Reads};

    const PATHS: [&str; 9] = ["", "a", "a/b", "a/b/c", "a/b/d", "a-b", "e", "e/f", "e/f/g"];

    fn id(number: u64) -> ReservationId {
        ReservationId { boot: BootNumber(1), number }
    }

    /// Which paths a set changes, reads, and lists.
    type Wish = [Vec<usize>; 3];

    fn reservation([changed, read, listed]: &Wish) -> Reservation {
        let paths = |of: &[usize]| of.iter().map(|n| PATHS[*n].parse().unwrap()).collect();
        let changes = Changes { entries: paths(changed), subtrees: Vec::new() };
        Reservation::with_reads(changes, Reads { entries: paths(read), listed: paths(listed) }).unwrap()
    }

    /// Whether one may change what matters to the other, or the other way round.
    fn conflict(one: &Wish, other: &Wish) -> bool {
        let path = |n: &usize| -> ProjectPath { PATHS[*n].parse().unwrap() };
        let matters = |of: &Wish, changed: &ProjectPath| {
            let [changes, reads, lists] = of;
            changes.iter().chain(lists).any(|own| path(own).meets(changed))
                || reads.iter().map(path).any(|own| own == *changed || changed.is_above(&own))
        };
        // What is listed is kept from all others.
        let alone = |of: &Wish| of[0].iter().chain(&of[2]).map(path).collect::<Vec<_>>();
        alone(one).iter().any(|path| matters(other, path))
            || alone(other).iter().any(|path| matters(one, path))
    }

    fn some_paths(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0..PATHS.len(), count)
    }

    proptest! {
        /// A set is free if and only if it conflicts with none that came earlier, whoever comes and goes.
        #[test]
        fn a_set_waits_for_those_before_it_that_it_conflicts_with_and_for_nobody_else(
            history in prop::collection::vec(
                prop_oneof![
                    3 => [some_paths(1..4), some_paths(0..3), some_paths(0..2)].prop_map(Ok),
                    2 => (0..8usize).prop_map(Err),
                ],
                0..60,
            )
        ) {
            let mut table = Table::default();
            let mut sets: Vec<(ReservationId, Wish)> = Vec::new();
            let is_free = |sets: &[(ReservationId, Wish)], n: usize| {
                sets[..n].iter().all(|(_, earlier)| !conflict(earlier, &sets[n].1))
            };
            for (number, what) in (1..).zip(history) {
                let before: Vec<_> = (0..sets.len()).filter(|n| is_free(&sets, *n)).map(|n| sets[n].0).collect();
                match what {
                    Ok(wish) => {
                        let paths = reservation(&wish);
                        let obstacle = table.obstacle(id(number), &paths).map(|(_, other)| other);
                        table.add(id(number), &paths);
                        sets.push((id(number), wish));
                        prop_assert_eq!(obstacle.is_none(), is_free(&sets, sets.len() - 1));
                    }
                    Err(_) if sets.is_empty() => {}
                    Err(n) => {
                        let (gone, wish) = sets.remove(n % sets.len());
                        let mut freed = table.remove(gone, &reservation(&wish));
                        freed.sort_unstable();
                        let free = (0..sets.len()).filter(|n| is_free(&sets, *n)).map(|n| sets[n].0);
                        prop_assert_eq!(freed, free.filter(|id| !before.contains(id)).collect::<Vec<_>>());
                    }
                }
                for (n, (id, wish)) in sets.iter().enumerate() {
                    let paths = &reservation(wish);
                    prop_assert_eq!(table.is_free(*id), is_free(&sets, n));
                    prop_assert_eq!(table.obstacle(*id, paths).is_none(), is_free(&sets, n));
                }
                if sets.is_empty() {
                    prop_assert_eq!(&table, &Table::default(), "something is left behind");
                }
            }
        }
    }
}
