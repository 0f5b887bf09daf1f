//! Epics are finished before others are begun: an agent is given a task of one that is in progress, if there is room.

use longhouse_policy::{Claim, GroupFacts, Pick, Place, Policy, Ranker, Scheduler, TaskFacts};

/// The settings.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneAtATime {
    /// Which label names a task's epic: `epic` for `epic:login`.
    label: String,
    /// How many tasks of an epic are worked on at once, as long as there are others.
    workers: u32,
}

impl Default for OneAtATime {
    fn default() -> Self {
        Self { label: "epic".to_owned(), workers: 4 }
    }
}

/// How an epic stands. The first is worked on first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Some are at it, and there is room for more.
    InProgress,
    /// Somebody was at it of late.
    Begun,
    /// Nobody was.
    New,
    /// As many are at it as should be.
    Full,
}

impl OneAtATime {
    fn standing(&self, epic: &GroupFacts) -> Standing {
        match (epic.name.as_str(), epic.held, epic.served_ms) {
            // What belongs to no epic.
            ("", ..) => Standing::New,
            (_, held, _) if held >= self.workers => Standing::Full,
            (_, 1.., _) => Standing::InProgress,
            (_, 0, 1..) => Standing::Begun,
            (_, 0, 0) => Standing::New,
        }
    }
}

impl Policy for OneAtATime {
    fn check(&self) -> Result<(), String> {
        if self.label.is_empty() {
            return Err("`label` is empty; it says which label names an epic, such as \"epic\"".to_owned());
        }
        if self.workers == 0 {
            return Err("`workers` is 0; it says how many may be at an epic at once, from 1".to_owned());
        }
        Ok(())
    }
}

impl Ranker for OneAtATime {
    /// Within an epic: by priority and age.
    fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
        Place::at(task.aged_ms(60_000)).in_group(task.label(&self.label).unwrap_or_default())
    }
}

impl Scheduler for OneAtATime {
    fn select(&self, claim: &Claim) -> Vec<Pick> {
        claim.lowest(
            |task| (self.standing(claim.group(task)), task.key),
            |task| {
                let GroupFacts { name, held, .. } = claim.group(task);
                match self.standing(claim.group(task)) {
                    Standing::InProgress => format!("{name} is in progress, with {held} of {}", self.workers),
                    Standing::Begun => format!("{name} was begun"),
                    Standing::New => "nothing that is in progress has room".to_owned(),
                    Standing::Full => format!("{name} has {held} workers, and there is nothing else"),
                }
            },
        )
    }
}

longhouse_policy::scheduler!(OneAtATime);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{Team, policy, refused, task};

    use super::*;

    /// As they were made: the first of each epic, then the second, and so on.
    fn tasks(epics: &[&str], each: u64) -> Vec<TaskFacts> {
        let labels = (0..each).flat_map(|_| epics).map(|epic| vec![format!("epic:{epic}")]);
        (1..).zip(labels).map(|(id, labels)| TaskFacts { labels, ..task(id) }).collect()
    }

    /// The epics of tasks, in that order.
    fn epics(tasks: &[TaskFacts]) -> String {
        tasks.iter().filter_map(|task| task.label("epic")).collect()
    }

    #[test]
    fn an_epic_is_finished_before_the_next_is_begun() {
        let done = Team::new(1).work(&policy::<OneAtATime>("{}"), &tasks(&["a", "b", "c"], 3), 9);
        assert_eq!(epics(&done), "aaabbbccc");
    }

    #[test]
    fn whoever_finds_no_room_begins_another() {
        let two: OneAtATime = policy(r#"{ "workers": 2 }"#);
        let done = Team::new(3).work(&two, &tasks(&["a", "b"], 2), 3);
        assert_eq!(epics(&done), "aab");
        let done = Team::new(3).work(&two, &tasks(&["a"], 3), 3);
        assert_eq!(epics(&done), "aaa", "rather than idle");
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_refused() {
        assert!(refused::<OneAtATime>(r#"{ "workers": 0 }"#).contains("from 1"));
        assert!(refused::<OneAtATime>(r#"{ "label": "" }"#).contains("such as \"epic\""));
    }
}
