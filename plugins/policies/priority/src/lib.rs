//! Higher priority first, and waiting counts, so that nothing waits for ever.

use longhouse_policy::{Place, Policy, Ranker, TaskFacts};

/// The settings.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Priority {
    /// How long a task has to wait to be worth a point of priority more, in milliseconds.
    point_ms: u32,
}

impl Default for Priority {
    fn default() -> Self {
        Self { point_ms: 60_000 }
    }
}

impl Policy for Priority {}

impl Ranker for Priority {
    fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
        Place::at(task.aged_ms(self.point_ms))
    }
}

longhouse_policy::ranker!(Priority);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{policy, ranked, task};

    use super::*;

    fn made(id: u64, minute: u64, priority: i8) -> TaskFacts {
        TaskFacts { created_at_ms: minute * 60_000, priority, ..task(id) }
    }

    #[test]
    fn a_point_of_priority_is_worth_a_minute() {
        let priority: Priority = policy("{}");
        let tasks = [made(1, 100, 0), made(2, 105, 4), made(3, 105, 6), made(4, 105, 5)];
        assert_eq!(ranked(&priority, &tasks), [3, 1, 4, 2]);
    }

    #[test]
    fn a_point_can_be_worth_another_time_or_none() {
        let hour: Priority = policy(r#"{ "point_ms": 3600000 }"#);
        assert_eq!(ranked(&hour, &[made(1, 100, 0), made(2, 150, 1)]), [2, 1]);
        let nothing: Priority = policy(r#"{ "point_ms": 0 }"#);
        assert_eq!(ranked(&nothing, &[made(2, 150, 100), made(1, 100, 0)]), [1, 2]);
    }

    #[test]
    fn under_a_flood_of_high_priority_what_waits_is_handed_out() {
        // Nine of a priority of 50 come each minute, and one of 0; ten are handed out.
        let priority: Priority = policy("{}");
        let tasks: Vec<_> =
            (0..1_000).map(|id| made(id, id / 10, if id % 10 == 0 { 0 } else { 50 })).collect();
        let order = ranked(&priority, &tasks);
        let place = |id| order.iter().position(|found| *found == id).unwrap();
        // Of 50 minutes of the others' it has to wait for no more than their nine.
        assert!(place(0) <= 51 * 9 && place(100) <= 100 + 51 * 9, "{} {}", place(0), place(100));
    }
}
