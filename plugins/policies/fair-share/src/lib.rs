//! Tenants have equal shares, or as they are weighted, however many tasks each of them has.
//!
//! Whose tasks are held least, for its weight, is next (as in weighted fair queueing with the workers as the link); among
//! equals, whose tasks were held for the least time lately. Within a tenant, priority and age decide.

use std::collections::BTreeMap;

use longhouse_policy::{Candidate, Claim, Pick, Place, Policy, Ranker, Scheduler, TaskFacts};

/// The settings.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FairShare {
    /// Which label names a task's tenant: `tenant` for `tenant:acme`.
    label: String,
    /// How much more or less than others a tenant has, from 1 to 1,000.
    weights: BTreeMap<String, u32>,
    /// The weight of all others.
    weight: u32,
    /// Within a tenant: how long a task has to wait to be worth a point of priority more, in milliseconds.
    point_ms: u32,
}

impl Default for FairShare {
    fn default() -> Self {
        Self { label: "tenant".to_owned(), weights: BTreeMap::new(), weight: 10, point_ms: 60_000 }
    }
}

/// Precise enough for fractions of it to be compared, and no product with it overflows.
const UNIT: u128 = 1 << 32;

impl FairShare {
    /// How much of its share a tenant has: of what is held now, and of what was of late.
    fn share(&self, tenant: &str, held: u32, served_ms: u64) -> (u128, u128) {
        let weight: u128 = self.weights.get(tenant).copied().unwrap_or(self.weight).into();
        (u128::from(held) * UNIT / weight, u128::from(served_ms) * UNIT / weight)
    }
}

impl Policy for FairShare {
    fn check(&self) -> Result<(), String> {
        if self.label.is_empty() {
            return Err("`label` is empty; it says which label names a tenant, such as \"tenant\"".to_owned());
        }
        let weights = self.weights.iter().map(|(tenant, weight)| (tenant.as_str(), *weight));
        match weights.chain([("all others", self.weight)]).find(|(_, weight)| !(1..=1_000).contains(weight)) {
            Some((tenant, weight)) => {
                Err(format!("the weight of {tenant} is {weight}; it can be from 1 to 1000"))
            }
            None => Ok(()),
        }
    }
}

impl Ranker for FairShare {
    fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
        let creator = || task.creator.as_deref().unwrap_or("the operator");
        let mut tenant = task.label(&self.label).unwrap_or_else(creator);
        while tenant.len() > 64 {
            tenant = tenant.char_indices().next_back().map_or("", |(end, _)| &tenant[..end]);
        }
        Place::at(task.aged_ms(self.point_ms)).in_group(tenant)
    }
}

impl Scheduler for FairShare {
    fn select(&self, claim: &Claim) -> Vec<Pick> {
        let mut held: Vec<u32> = claim.groups.iter().map(|group| group.held).collect();
        // For each group, so that nothing is divided for each candidate.
        let mut shares: Vec<(u128, u128)> =
            claim.groups.iter().map(|group| self.share(&group.name, group.held, group.served_ms)).collect();
        let mut left: Vec<(u32, &Candidate)> = (0..).zip(&claim.window).collect();
        let mut picks = Vec::new();
        while picks.len() < usize::try_from(claim.want).unwrap_or(usize::MAX) {
            let place = |(_, candidate): &(u32, &Candidate)| {
                (shares[candidate.group as usize], candidate.key, candidate.task)
            };
            let Some(best) = (0..left.len()).min_by_key(|at| place(&left[*at])) else { break };
            let (index, candidate) = left.swap_remove(best);
            let group = claim.group(candidate);
            let holds = &mut held[candidate.group as usize];
            let served = group.served_ms / 1_000;
            let reason = format!("{} holds {holds} and had {served} s of late", shown(&group.name));
            *holds += 1;
            shares[candidate.group as usize] = self.share(&group.name, *holds, group.served_ms);
            picks.push(Pick { index, reason });
        }
        picks
    }
}

/// As much of a name as leaves room for the rest of a reason.
fn shown(name: &str) -> &str {
    name.char_indices().nth(40).map_or(name, |(end, _)| &name[..end])
}

longhouse_policy::scheduler!(FairShare);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{Team, policy, refused, task};

    use super::*;

    fn of(id: u64, tenant: &str) -> TaskFacts {
        TaskFacts { labels: vec![format!("tenant:{tenant}")], ..task(id) }
    }

    #[test]
    fn a_tenant_is_a_label_or_whoever_made_the_task() {
        let policy: FairShare = policy("{}");
        assert_eq!(policy.rank(&of(1, "acme"), 0).group, "acme");
        assert_eq!(policy.rank(&TaskFacts { creator: Some("ann".into()), ..task(1) }, 0).group, "ann");
        assert_eq!(policy.rank(&task(1), 0).group, "the operator");
        assert_eq!(policy.rank(&of(1, &"é".repeat(100)), 0).group, "é".repeat(32));
    }

    #[test]
    fn under_a_flood_of_ten_to_one_tenants_have_equal_shares() {
        let policy: FairShare = policy("{}");
        let tasks: Vec<_> =
            (0..2_200).map(|id| of(id, if id % 11 == 0 { "small" } else { "large" })).collect();
        for workers in [1, 2, 3, 8, 50] {
            let done = Team::new(workers).work(&policy, &tasks, 300);
            let small = done.iter().filter(|task| task.labels == ["tenant:small"]).count();
            assert!((145..=155).contains(&small), "{workers} workers: {small} of {}", done.len());
        }
    }

    #[test]
    fn a_weight_of_three_gives_three_times_as_much() {
        let policy: FairShare = policy(r#"{ "weights": { "large": 30 } }"#);
        let tasks: Vec<_> =
            (0..2_000).map(|id| of(id, if id % 2 == 0 { "small" } else { "large" })).collect();
        for workers in [1, 4, 16] {
            let done = Team::new(workers).work(&policy, &tasks, 400);
            let large = done.iter().filter(|task| task.labels == ["tenant:large"]).count();
            assert!((285..=315).contains(&large), "{workers} workers: {large} of {}", done.len());
        }
    }

    #[test]
    fn several_at_once_are_shared_out_as_well() {
        let policy: FairShare = policy("{}");
        let tasks: Vec<_> = (0..20).map(|id| of(id, if id < 15 { "large" } else { "small" })).collect();
        let done = Team::new(1).claim(&policy, &tasks, 6);
        assert_eq!(done.iter().filter(|task| task.labels == ["tenant:small"]).count(), 3);
    }

    #[test]
    fn a_weight_of_nothing_is_refused() {
        let error = refused::<FairShare>(r#"{ "weights": { "acme": 0 } }"#);
        assert_eq!(error, "the weight of acme is 0; it can be from 1 to 1000");
        assert!(refused::<FairShare>(r#"{ "wieghts": {} }"#).contains("wieghts"));
    }
}
