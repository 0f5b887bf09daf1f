//! The tasks that could begin now, in buckets by who may take them.
//!
//! A claim looks at the head of each bucket that its agent satisfies, so what it costs depends on how many
//! kinds of tasks are ready and not on how many tasks.

use std::collections::{BTreeMap, BTreeSet};

use crate::{AgentName, Capability, Label, Rank, TaskId};

/// Every so many grants of a bucket, its oldest task goes first whatever its rank: nothing starves, whatever
/// a policy does.
const OLDEST_EVERY: u64 = 16;

/// What tasks of one bucket have in common besides their assignee.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Class {
    /// What their worker must advertise; sorted.
    pub(crate) capabilities: Box<[Capability]>,
    /// Those of their labels that a rule is about; sorted.
    pub(crate) gated: Box<[Label]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct BucketId(u32);

/// The tasks that could begin now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ready {
    /// By the only agent that may take them, if any.
    index: BTreeMap<Option<AgentName>, BTreeMap<Class, BucketId>>,
    buckets: BTreeMap<BucketId, Bucket>,
    places: BTreeMap<TaskId, (BucketId, Rank)>,
    last_bucket: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Bucket {
    assignee: Option<AgentName>,
    class: Class,
    by_rank: BTreeSet<(Rank, TaskId)>,
    by_age: BTreeSet<TaskId>,
    grants: u64,
}

impl Ready {
    /// Adds a task; one that is there is moved.
    pub(crate) fn insert(&mut self, id: TaskId, assignee: Option<AgentName>, class: Class, rank: Rank) {
        self.remove(id);
        let classes = self.index.entry(assignee.clone()).or_default();
        let bucket = match classes.get(&class) {
            Some(bucket) => *bucket,
            None => {
                self.last_bucket += 1;
                let bucket = BucketId(self.last_bucket);
                classes.insert(class.clone(), bucket);
                self.buckets.insert(bucket, Bucket { assignee, class, ..Bucket::default() });
                bucket
            }
        };
        if let Some(into) = self.buckets.get_mut(&bucket) {
            into.by_rank.insert((rank, id));
            into.by_age.insert(id);
            self.places.insert(id, (bucket, rank));
        }
    }

    /// Takes a task out, if it is there.
    pub(crate) fn remove(&mut self, id: TaskId) {
        let Some((place, rank)) = self.places.remove(&id) else { return };
        let Some(bucket) = self.buckets.get_mut(&place) else { return };
        bucket.by_rank.remove(&(rank, id));
        bucket.by_age.remove(&id);
        if bucket.by_rank.is_empty()
            && let Some(Bucket { assignee, class, .. }) = self.buckets.remove(&place)
            && let Some(classes) = self.index.get_mut(&assignee)
        {
            classes.remove(&class);
            if classes.is_empty() {
                self.index.remove(&assignee);
            }
        }
    }

    /// Counts a grant of this task's bucket.
    pub(crate) fn note_grant(&mut self, id: TaskId) {
        let bucket = self.places.get(&id).and_then(|(place, _)| self.buckets.get_mut(place));
        if let Some(bucket) = bucket {
            bucket.grants += 1;
        }
    }

    /// All tasks that are ready.
    pub(crate) fn ids(&self) -> impl Iterator<Item = TaskId> {
        self.places.keys().copied()
    }

    /// Where each task lies.
    #[cfg(test)]
    pub(crate) fn places(&self) -> BTreeMap<TaskId, (Option<AgentName>, Class, Rank)> {
        let mut places = BTreeMap::new();
        for (assignee, classes) in &self.index {
            for (class, bucket) in classes {
                let Bucket { by_rank, by_age, .. } = &self.buckets[bucket];
                assert_eq!(by_rank.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>(), *by_age);
                places
                    .extend(by_rank.iter().map(|(rank, id)| (*id, (assignee.clone(), class.clone(), *rank))));
            }
        }
        assert!(places.keys().eq(self.places.keys()), "a task that is ready lies in no bucket");
        places
    }

    /// The task that an agent should have next: the lowest rank among the heads of the buckets that it
    /// satisfies and that are `open`.
    pub(crate) fn next(
        &self,
        agent: &AgentName,
        capabilities: &[Capability],
        open: impl FnMut(&Class) -> bool,
    ) -> Option<TaskId> {
        let heads = self.heads(agent, capabilities, open);
        let (_, bucket) = heads.min_by_key(|((rank, id), _)| (*rank, *id))?;
        if bucket.grants % OLDEST_EVERY == OLDEST_EVERY - 1 {
            return bucket.by_age.first().copied();
        }
        bucket.by_rank.first().map(|(_, id)| *id)
    }

    /// Whether a task is ready.
    pub(crate) fn contains(&self, id: TaskId) -> bool {
        self.places.contains_key(&id)
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn heads<'a>(
        &'a self,
        agent: &AgentName,
        capabilities: &'a [Capability],
        mut open: impl FnMut(&Class) -> bool,
    ) -> impl Iterator<Item = ((Rank, TaskId), &'a Bucket)> {
        let anyones = self.index.get(&None);
        let own = self.index.get(&Some(agent.clone()));
        anyones
            .into_iter()
            .chain(own)
            .flatten()
            .filter(move |(class, _)| has_all(capabilities, &class.capabilities) && open(class))
            .filter_map(|(_, bucket)| self.buckets.get(bucket))
            .filter_map(|bucket| Some((*bucket.by_rank.first()?, bucket)))
    }
}

/// Whether the sorted list `has` contains all of `needs`.
pub(crate) fn has_all(has: &[Capability], needs: &[Capability]) -> bool {
    needs.iter().all(|need| has.binary_search(need).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps<const N: usize>(names: [&str; N]) -> Box<[Capability]> {
        names.map(|name| name.parse().unwrap()).into()
    }

    fn insert(ready: &mut Ready, id: u64, assignee: Option<&str>, needs: Box<[Capability]>, rank: i64) {
        let class = Class { capabilities: needs, gated: Box::default() };
        ready.insert(TaskId(id), assignee.map(|name| name.parse().unwrap()), class, Rank(rank));
    }

    fn take(ready: &mut Ready, agent: &str, has: &[Capability]) -> Option<u64> {
        let id = ready.next(&agent.parse().unwrap(), has, |_| true)?;
        ready.note_grant(id);
        ready.remove(id);
        Some(id.0)
    }

    #[test]
    fn the_lowest_rank_that_the_agent_satisfies_comes_first() {
        let mut ready = Ready::default();
        insert(&mut ready, 1, None, caps([]), 5);
        insert(&mut ready, 2, None, caps(["api"]), 1);
        insert(&mut ready, 3, Some("ann"), caps([]), 3);
        assert_eq!(take(&mut ready, "bob", &[]), Some(1));
        assert_eq!(take(&mut ready, "bob", &[]), None);
        assert_eq!(take(&mut ready, "ann", &caps(["api", "db"])), Some(2));
        assert_eq!(take(&mut ready, "ann", &[]), Some(3));
        assert!(ready.is_empty() && ready.index.is_empty() && ready.buckets.is_empty());
    }

    #[test]
    fn the_oldest_task_is_granted_at_last_whatever_is_ranked_before_it() {
        let mut ready = Ready::default();
        insert(&mut ready, 1, None, caps([]), i64::MAX);
        let mut granted = 0;
        for id in 2..100 {
            insert(&mut ready, id, None, caps([]), 0);
            granted += 1;
            if take(&mut ready, "a", &[]) == Some(1) {
                break;
            }
        }
        assert_eq!(granted, OLDEST_EVERY);
    }
}
