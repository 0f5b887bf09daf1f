//! Prefers tasks near the files that an agent just changed.

use longhouse_policy::{Claim, Pick, Place, Policy, Ranker, Scheduler, TaskFacts};

/// The settings.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    /// How much waiting a file is worth that the agent just changed and the task will touch, in milliseconds.
    file_ms: u32,
    /// How many such files count.
    files: u32,
    /// How long a task has to wait to be worth a point of priority more, in milliseconds.
    point_ms: u32,
}

impl Default for Affinity {
    fn default() -> Self {
        Self { file_ms: 300_000, files: 6, point_ms: 60_000 }
    }
}

impl Policy for Affinity {}

impl Ranker for Affinity {
    fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
        Place::at(task.aged_ms(self.point_ms))
    }
}

impl Scheduler for Affinity {
    const WANTS_NEAR: bool = true;

    fn select(&self, claim: &Claim) -> Vec<Pick> {
        let bonus = |near: u32| i128::from(near.min(self.files)) * i128::from(self.file_ms);
        claim.lowest(
            |candidate| (i128::from(candidate.key) - bonus(candidate.near), candidate.task),
            |candidate| match candidate.near {
                0 => "none that is near comes before it".to_owned(),
                1 => "it is about a file that you just changed".to_owned(),
                files => format!("it is about {files} files that you just changed"),
            },
        )
    }
}

longhouse_policy::scheduler!(Affinity);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{Team, policy, task};

    use super::*;

    #[test]
    fn what_is_near_comes_first_unless_something_waits_for_long() {
        let policy: Affinity = policy("{}");
        let minutes = |minutes: u64| minutes * 60_000;
        let near = |id, made| TaskFacts { touches: vec!["src/**".into()], created_at_ms: made, ..task(id) };
        let far = |id, made| TaskFacts { touches: vec!["docs/**".into()], created_at_ms: made, ..task(id) };
        let mut team = Team::new(1);
        team.changed("src/", 2);
        let tasks = [far(1, minutes(100)), near(2, minutes(109)), far(3, minutes(98))];
        let order: Vec<u64> = team.claim(&policy, &tasks, 3).iter().map(|task| task.id).collect();
        assert_eq!(order, [3, 2, 1], "two files are worth ten minutes, so that 2 stands at 99");
    }

    #[test]
    fn no_number_of_files_is_worth_more_than_half_an_hour() {
        let policy: Affinity = policy("{}");
        let mut team = Team::new(1);
        team.changed("src/", 32);
        let near = TaskFacts { touches: vec!["src/**".into()], created_at_ms: 31 * 60_000, ..task(2) };
        let old = TaskFacts { created_at_ms: 0, ..task(1) };
        assert_eq!(team.claim(&policy, &[near, old], 1)[0].id, 1);
    }
}
