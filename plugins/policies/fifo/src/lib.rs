//! First made, first done.

use longhouse_policy::{Place, Policy, Ranker, TaskFacts};

/// Has no settings.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fifo {}

impl Policy for Fifo {}

impl Ranker for Fifo {
    fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
        Place::at(task.created_at_ms)
    }
}

longhouse_policy::ranker!(Fifo);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{policy, ranked, task};

    use super::*;

    #[test]
    fn the_first_made_is_the_first_whatever_its_priority() {
        let fifo: Fifo = policy("{}");
        let tasks = [TaskFacts { priority: 100, ..task(2) }, task(1), task(3)];
        assert_eq!(ranked(&fifo, &tasks), [1, 2, 3]);
    }
}
