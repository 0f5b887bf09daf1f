//! The tasks that could begin now, in the order of one scheduler, in buckets by who may take them.
//!
//! A claim looks at the head of each bucket that its agent satisfies, so what it costs depends on how many
//! kinds of tasks are ready and not on how many tasks.

use std::collections::{BTreeMap, BTreeSet};

use crate::{AgentName, Capability, Choosing, Group, Label, PolicyVersion, Rank, TaskId};

/// Every so many grants of a bucket, its oldest task goes first whatever its rank; and after it was passed over as often, too.
/// Nothing starves, whatever a policy does.
pub(crate) const OLDEST_EVERY: u64 = 16;

/// The most candidates that a scheduler is shown.
const MOST: usize = 64;

/// How many it is shown, unless there are more groups, or it looks for what is near: then the further it sees the better.
const FEW: usize = 16;

/// What tasks of one bucket have in common besides their assignee.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Class {
    /// What their worker must advertise; sorted.
    pub(crate) capabilities: Box<[Capability]>,
    /// Those of their labels that a rule is about; sorted.
    pub(crate) gated: Box<[Label]>,
}

/// Whose order it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Order {
    /// Tells one from those before it.
    pub(crate) number: u32,
    /// The scheduler; `None` is the host.
    pub(crate) by: Option<PolicyVersion>,
    /// What the scheduler does besides ranking.
    pub(crate) choosing: Choosing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct BucketId(u32);

/// A place in a bucket's order.
type Place = (Rank, TaskId);

/// The tasks that could begin now, in one order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Index {
    pub(crate) order: Order,
    /// By the only agent that may take them, if any.
    classes: BTreeMap<Option<AgentName>, BTreeMap<Class, BucketId>>,
    buckets: BTreeMap<BucketId, Bucket>,
    places: BTreeMap<TaskId, (BucketId, Rank, Group)>,
    /// How many there are of each group, if the scheduler chooses.
    groups: BTreeMap<Group, u32>,
    last_bucket: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Bucket {
    assignee: Option<AgentName>,
    class: Class,
    by_rank: BTreeSet<Place>,
    by_age: BTreeSet<TaskId>,
    /// The order of each group, and the first of each: only kept for a scheduler that chooses.
    groups: BTreeMap<Group, BTreeSet<Place>>,
    heads: BTreeMap<Place, Group>,
    grants: u64,
    /// How often somebody who could have had one of these was granted another since the last that was.
    passed_over: u64,
}

impl Index {
    /// An empty index of this order.
    pub(crate) fn new(order: Order) -> Self {
        Self { order, ..Self::default() }
    }

    /// Adds a task; one that is there is moved.
    pub(crate) fn insert(
        &mut self,
        id: TaskId,
        assignee: Option<AgentName>,
        class: Class,
        rank: Rank,
        group: Group,
    ) {
        self.remove(id);
        let classes = self.classes.entry(assignee.clone()).or_default();
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
            if self.order.choosing != Choosing::No {
                into.add_to_group((rank, id), &group);
                *self.groups.entry(group.clone()).or_default() += 1;
            }
            self.places.insert(id, (bucket, rank, group));
        }
    }

    /// Takes a task out, if it is there.
    pub(crate) fn remove(&mut self, id: TaskId) {
        let Some((place, rank, group)) = self.places.remove(&id) else { return };
        let Some(bucket) = self.buckets.get_mut(&place) else { return };
        bucket.by_rank.remove(&(rank, id));
        bucket.by_age.remove(&id);
        bucket.take_from_group((rank, id), &group);
        if let Some(count) = self.groups.get_mut(&group) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.groups.remove(&group);
            }
        }
        if bucket.by_rank.is_empty()
            && let Some(Bucket { assignee, class, .. }) = self.buckets.remove(&place)
            && let Some(classes) = self.classes.get_mut(&assignee)
        {
            classes.remove(&class);
            if classes.is_empty() {
                self.classes.remove(&assignee);
            }
        }
    }

    /// Counts a grant of this task's bucket to an agent, and that others were passed over by it.
    pub(crate) fn note_grant(
        &mut self,
        id: TaskId,
        agent: &AgentName,
        capabilities: &[Capability],
        open: impl FnMut(&Class) -> bool,
    ) {
        let Some((granted, ..)) = self.places.get(&id) else { return };
        for bucket in self.satisfied(agent, capabilities, open).collect::<Vec<_>>() {
            let Some(counts) = self.buckets.get_mut(&bucket) else { continue };
            if bucket == *granted {
                counts.grants += 1;
                counts.passed_over = 0;
            } else {
                counts.passed_over += 1;
            }
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
        for (assignee, classes) in &self.classes {
            for (class, bucket) in classes {
                let bucket = &self.buckets[bucket];
                bucket.assert_whole(self.order.choosing);
                let of_bucket = bucket.by_rank.iter();
                places.extend(of_bucket.map(|(rank, id)| (*id, (assignee.clone(), class.clone(), *rank))));
            }
        }
        assert!(places.keys().eq(self.places.keys()), "a task that is ready lies in no bucket");
        places
    }

    /// The task that an agent should have next by ranks: the lowest among the heads of the buckets that it
    /// satisfies and that are `open`.
    pub(crate) fn first(
        &self,
        agent: &AgentName,
        capabilities: &[Capability],
        open: impl FnMut(&Class) -> bool,
    ) -> Option<TaskId> {
        let heads = self.satisfied(agent, capabilities, open).filter_map(|bucket| self.head(bucket));
        heads.min().map(|(_, id)| id)
    }

    /// A task that has to be next whatever a policy says.
    pub(crate) fn overdue(
        &self,
        agent: &AgentName,
        capabilities: &[Capability],
        open: impl FnMut(&Class) -> bool,
    ) -> Option<TaskId> {
        let mut first: Option<(Place, &Bucket)> = None;
        let mut passed_over: Option<&Bucket> = None;
        for bucket in self.satisfied(agent, capabilities, open).filter_map(|id| self.buckets.get(&id)) {
            let Some(head) = bucket.by_rank.first() else { continue };
            if bucket.passed_over >= passed_over.map_or(OLDEST_EVERY, |most| most.passed_over + 1) {
                passed_over = Some(bucket);
            }
            if first.is_none_or(|(place, _)| *head < place) {
                first = Some((*head, bucket));
            }
        }
        let by_turn = || {
            first.map(|(_, bucket)| bucket).filter(|bucket| bucket.grants % OLDEST_EVERY == OLDEST_EVERY - 1)
        };
        passed_over.or_else(by_turn)?.by_age.first().copied()
    }

    /// The tasks among which a scheduler chooses, with their groups: of each group the first, then of each the second,
    /// and so on, each round by rank.
    pub(crate) fn window<'a>(
        &'a self,
        agent: &AgentName,
        capabilities: &[Capability],
        open: impl FnMut(&Class) -> bool,
    ) -> Vec<(Rank, TaskId, &'a Group)> {
        let buckets: Vec<&'a Bucket> =
            self.satisfied(agent, capabilities, open).filter_map(|id| self.buckets.get(&id)).collect();
        let mut heads: Vec<(&'a Place, &'a Group, &'a Bucket)> = buckets
            .iter()
            .flat_map(|bucket| bucket.heads.iter().take(MOST).map(|(place, group)| (place, group, *bucket)))
            .collect();
        heads.sort_unstable_by_key(|(place, ..)| **place);
        heads.truncate(MOST);
        let size = match self.order.choosing {
            Choosing::Yes { wants_near: true } => MOST,
            Choosing::Yes { wants_near: false } | Choosing::No => heads.len().max(FEW),
        };
        let order =
            |(_, group, bucket): (_, &'a Group, &'a Bucket)| Some((bucket.groups.get(group)?.iter(), group));
        let mut rest: Vec<_> = heads.into_iter().filter_map(order).collect();
        let mut window = Vec::with_capacity(size);
        while window.len() < size && !rest.is_empty() {
            let mut round = Vec::with_capacity(rest.len());
            rest.retain_mut(|(order, group)| match order.next() {
                Some((rank, id)) => {
                    round.push((*rank, *id, *group));
                    true
                }
                None => false,
            });
            round.sort_unstable();
            round.truncate(size - window.len());
            window.append(&mut round);
        }
        window
    }

    /// Lets go of so many tasks of an index that serves no more; whether any are left.
    pub(crate) fn drain(&mut self, count: usize) -> bool {
        let some: Vec<TaskId> = self.places.keys().take(count).copied().collect();
        some.into_iter().for_each(|id| self.remove(id));
        !self.is_empty()
    }

    /// How many tasks of a group are ready, if the scheduler chooses.
    pub(crate) fn ready_of(&self, group: &Group) -> u32 {
        self.groups.get(group).copied().unwrap_or_default()
    }

    /// Whether a task is ready.
    pub(crate) fn contains(&self, id: TaskId) -> bool {
        self.places.contains_key(&id)
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn head(&self, bucket: BucketId) -> Option<Place> {
        self.buckets.get(&bucket)?.by_rank.first().copied()
    }

    /// The buckets that an agent may have tasks of.
    fn satisfied<'a>(
        &'a self,
        agent: &AgentName,
        capabilities: &'a [Capability],
        mut open: impl FnMut(&Class) -> bool + 'a,
    ) -> impl Iterator<Item = BucketId> + 'a {
        let anyones = self.classes.get(&None);
        let own = self.classes.get(&Some(agent.clone()));
        let all = anyones.into_iter().chain(own).flatten();
        all.filter(move |(class, _)| has_all(capabilities, &class.capabilities) && open(class))
            .map(|(_, id)| *id)
    }
}

impl Bucket {
    fn add_to_group(&mut self, place: Place, group: &Group) {
        let of_group = self.groups.entry(group.clone()).or_default();
        let first = of_group.first().copied();
        of_group.insert(place);
        if first.is_none_or(|first| place < first) {
            if let Some(first) = first {
                self.heads.remove(&first);
            }
            self.heads.insert(place, group.clone());
        }
    }

    fn take_from_group(&mut self, place: Place, group: &Group) {
        let Some(of_group) = self.groups.get_mut(group) else { return };
        of_group.remove(&place);
        if self.heads.remove(&place).is_some() {
            match of_group.first() {
                Some(first) => drop(self.heads.insert(*first, group.clone())),
                None => drop(self.groups.remove(group)),
            }
        }
    }

    #[cfg(test)]
    fn assert_whole(&self, choosing: Choosing) {
        assert_eq!(self.by_rank.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>(), self.by_age);
        if choosing == Choosing::No {
            assert!(self.groups.is_empty() && self.heads.is_empty());
            return;
        }
        let grouped: BTreeSet<Place> = self.groups.values().flatten().copied().collect();
        assert_eq!(grouped, self.by_rank);
        let heads = self.groups.iter().map(|(group, places)| (*places.first().unwrap(), group.clone()));
        assert_eq!(heads.collect::<BTreeMap<_, _>>(), self.heads);
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

    fn put(
        index: &mut Index,
        id: u64,
        assignee: Option<&str>,
        needs: Box<[Capability]>,
        rank: i64,
        group: &str,
    ) {
        let class = Class { capabilities: needs, gated: Box::default() };
        let assignee = assignee.map(|name| name.parse().unwrap());
        index.insert(TaskId(id), assignee, class, Rank(rank), Group::new(group));
    }

    fn insert(index: &mut Index, id: u64, assignee: Option<&str>, needs: Box<[Capability]>, rank: i64) {
        put(index, id, assignee, needs, rank, "");
    }

    fn take(index: &mut Index, agent: &str, has: &[Capability]) -> Option<u64> {
        let agent = agent.parse().unwrap();
        let open = |_: &Class| true;
        let id = index.overdue(&agent, has, open).or_else(|| index.first(&agent, has, open))?;
        index.note_grant(id, &agent, has, open);
        index.remove(id);
        Some(id.0)
    }

    fn choosing() -> Index {
        Index::new(Order { choosing: Choosing::Yes { wants_near: false }, ..Order::default() })
    }

    #[test]
    fn the_lowest_rank_that_the_agent_satisfies_comes_first() {
        let mut index = Index::default();
        insert(&mut index, 1, None, caps([]), 5);
        insert(&mut index, 2, None, caps(["api"]), 1);
        insert(&mut index, 3, Some("ann"), caps([]), 3);
        assert_eq!(take(&mut index, "bob", &[]), Some(1));
        assert_eq!(take(&mut index, "bob", &[]), None);
        assert_eq!(take(&mut index, "ann", &caps(["api", "db"])), Some(2));
        assert_eq!(take(&mut index, "ann", &[]), Some(3));
        assert!(index.is_empty() && index.classes.is_empty() && index.buckets.is_empty());
    }

    #[test]
    fn the_oldest_task_is_granted_at_last_whatever_is_ranked_before_it() {
        let mut index = Index::default();
        insert(&mut index, 1, None, caps([]), i64::MAX);
        let mut granted = 0;
        for id in 2..100 {
            insert(&mut index, id, None, caps([]), 0);
            granted += 1;
            if take(&mut index, "a", &[]) == Some(1) {
                break;
            }
        }
        assert_eq!(granted, OLDEST_EVERY);
    }

    #[test]
    fn a_kind_that_is_passed_over_again_and_again_has_its_turn() {
        let mut index = Index::default();
        insert(&mut index, 1, None, caps(["api"]), i64::MAX);
        let mut granted = 0;
        for id in 2..100 {
            insert(&mut index, id, None, caps([]), 0);
            // Others who could not have it do not count.
            insert(&mut index, id + 1_000, None, caps([]), 0);
            take(&mut index, "b", &[]);
            granted += 1;
            if take(&mut index, "a", &caps(["api"])) == Some(1) {
                break;
            }
        }
        assert_eq!(granted, OLDEST_EVERY + 1);
    }

    #[test]
    fn a_window_has_the_first_of_each_group_before_the_second_of_any() {
        let mut index = choosing();
        for id in 0..200 {
            put(&mut index, id, None, caps([]), i64::try_from(id).unwrap(), "large");
        }
        put(&mut index, 300, None, caps([]), 1_000, "small");
        put(&mut index, 301, None, caps(["api"]), -1, "api");
        let ids = |index: &Index, has: &[Capability]| -> Vec<u64> {
            let window = index.window(&"a".parse().unwrap(), has, |_| true);
            window.iter().map(|(_, id, _)| id.0).collect()
        };
        let window = ids(&index, &[]);
        assert_eq!((window.len(), &window[..4]), (FEW, &[0, 300, 1, 2][..]));
        assert_eq!(ids(&index, &caps(["api"]))[..3], [301, 0, 300]);
        index.remove(TaskId(0));
        index.remove(TaskId(300));
        assert_eq!(ids(&index, &[])[..2], [1, 2]);
        index.places();
    }

    #[test]
    fn of_many_groups_the_first_by_rank_are_shown() {
        let mut index = choosing();
        for id in 0..1_000 {
            put(&mut index, id, None, caps([]), -i64::try_from(id).unwrap(), &format!("group {id}"));
        }
        let window = index.window(&"a".parse().unwrap(), &[], |_| true);
        assert_eq!(
            window.iter().map(|(_, id, _)| id.0).collect::<Vec<_>>(),
            (936..1_000).rev().collect::<Vec<_>>()
        );
        index.places();
    }
}
