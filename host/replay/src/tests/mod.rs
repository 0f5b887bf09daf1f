//! Days that are short enough to be told in advance.

use std::sync::Arc;

use longhouse_core::{
    AgentName, Choosing, Decide, Group, HostOrder, PolicyVersion, QueueRules, Rank, Task, TaskId, TaskSpec,
    Timestamp,
};

use crate::*;

/// `backwards` ranks the youngest first; anything else is not there.
struct Backwards;

impl Decide for Backwards {
    fn offers(&mut self, version: &PolicyVersion) -> bool {
        version.as_str() == "backwards"
    }

    fn choosing(&mut self, _: Option<&PolicyVersion>) -> Choosing {
        Choosing::No
    }

    fn rank(
        &mut self,
        by: Option<&PolicyVersion>,
        tasks: &[&Task],
        now: Timestamp,
    ) -> Option<Vec<(Rank, Group)>> {
        match by {
            None => HostOrder.rank(None, tasks, now),
            Some(_) => {
                let rank = |task: &&Task| (Rank(-i64::try_from(task.id.0).unwrap()), Group::default());
                Some(tasks.iter().map(rank).collect())
            }
        }
    }
}

fn backwards() -> Deciding {
    Deciding { scheduler: Some(PolicyVersion::new("backwards")), conflict: None }
}

const START: u64 = 1_000_000_000;
const MINUTE: u64 = 60_000;

/// A trace in the making: times are in minutes after its start.
struct Day {
    trace: Trace,
}

impl Day {
    fn new() -> Self {
        let (since, until) = (minute(0), minute(600));
        let (rules, agents, tasks, events) = (QueueRules::default(), vec![], vec![], vec![]);
        Self { trace: Trace { since, until, rules, agents, tasks, events } }
    }

    fn task(&mut self, at: u64, spec: TaskSpec) -> TaskId {
        let id = TaskId(self.trace.tasks.len() as u64 + 100);
        let creator = Some(name("boss"));
        let spec = Arc::new(TaskSpec { max_attempts: 3, ..spec });
        self.trace.tasks.push(PastTask { id, creator, created_at: minute(at), spec });
        id
    }

    fn plain(&mut self, at: u64) -> TaskId {
        self.task(at, TaskSpec::default())
    }

    fn event(&mut self, at: u64, task: TaskId, what: What) {
        self.trace.events.push(PastEvent { at: minute(at), task, what });
        self.trace.events.sort_by_key(|event| event.at);
    }

    /// An agent works on a task from one minute to another.
    fn work(&mut self, agent: &str, task: TaskId, from: u64, to: u64) {
        let made = self.trace.tasks.iter().find(|it| it.id == task).unwrap().created_at;
        let waited_ms = minute(from).as_millis() - made.as_millis();
        self.event(from, task, What::Claimed { agent: name(agent), waited_ms });
        self.event(to, task, What::Completed);
    }

    fn simulate(&self, deciding: &Deciding) -> Vec<(u64, String, u64, u64)> {
        let simulated = simulate(&self.trace, deciding, &mut Backwards, &|| false);
        assert!(!simulated.is_cut_off);
        let minutes = |at: Timestamp| (at.as_millis() - START) / MINUTE;
        let told = |ran: &Ran| {
            assert_eq!(ran.from.as_millis() % MINUTE, START % MINUTE);
            (self.trace.tasks[ran.task].id.0, ran.agent.to_string(), minutes(ran.from), minutes(ran.to))
        };
        simulated.ran.iter().map(told).collect()
    }

    fn retrace(&self, deciding: &Deciding) -> Agreement {
        let mut decide = Backwards;
        let mut retrace = Retrace::new(&self.trace.rules, self.trace.everybody(), deciding, &mut decide);
        let mut tasks = self.trace.tasks.iter().peekable();
        for event in &self.trace.events {
            while let Some(task) = tasks.next_if(|task| task.created_at <= event.at) {
                retrace.add(task, task.created_at);
            }
            retrace.follow(event);
        }
        retrace.agreement().clone()
    }
}

fn minute(minute: u64) -> Timestamp {
    Timestamp::from_millis(START + minute * MINUTE)
}

fn name(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn told(ran: &[(u64, &str, u64, u64)]) -> Vec<(u64, String, u64, u64)> {
    ran.iter().map(|(task, agent, from, to)| (*task, (*agent).to_owned(), *from, *to)).collect()
}

/// Three tasks, one agent that takes them in their order, ten, twenty and thirty minutes long.
fn three_in_order() -> Day {
    let mut day = Day::new();
    let tasks = [day.plain(0), day.plain(0), day.plain(0)];
    day.work("ann", tasks[0], 1, 11);
    day.work("ann", tasks[1], 11, 31);
    day.work("ann", tasks[2], 31, 61);
    day
}

#[test]
fn the_host_does_again_what_it_did() {
    let day = three_in_order();
    let expected = told(&[(100, "ann", 1, 11), (101, "ann", 11, 31), (102, "ann", 31, 61)]);
    assert_eq!(day.simulate(&Deciding::default()), expected);
    let again = simulate(&day.trace, &Deciding::default(), &mut HostOrder, &|| false);
    assert_eq!(again.ran, day.trace.ran(), "with the waits as they were");
    let agreement = day.retrace(&Deciding::default());
    assert_eq!((agreement.claims, agreement.differ, agreement.skipped), (3, 0, 0));
}

#[test]
fn another_order_gives_each_task_the_time_that_it_takes() {
    let day = three_in_order();
    let expected = told(&[(102, "ann", 1, 31), (101, "ann", 31, 51), (100, "ann", 51, 61)]);
    assert_eq!(day.simulate(&backwards()), expected);
    let agreement = day.retrace(&backwards());
    assert_eq!((agreement.claims, agreement.differ), (3, 2));
    let first = &agreement.latest[0];
    assert_eq!((first.given, first.instead), (TaskId(100), Some(TaskId(102))));
}

#[test]
fn a_policy_that_cannot_be_asked_leaves_it_to_the_host() {
    let missing = Deciding { scheduler: Some(PolicyVersion::new("missing")), conflict: None };
    let day = three_in_order();
    assert_eq!(day.simulate(&missing), day.simulate(&Deciding::default()));
}

#[test]
fn agents_work_when_they_were_there_and_at_as_much_at_once() {
    let mut day = Day::new();
    let tasks: Vec<TaskId> = (0..5).map(|_| day.plain(0)).collect();
    // Two at once, then away for an hour.
    day.work("ann", tasks[0], 0, 10);
    day.work("ann", tasks[1], 0, 20);
    day.work("ann", tasks[2], 80, 90);
    day.work("bob", tasks[3], 5, 25);
    day.work("bob", tasks[4], 30, 40);
    let ran = day.simulate(&Deciding::default());
    let starts: Vec<(&str, u64)> = ran.iter().map(|(_, agent, from, _)| (agent.as_str(), *from)).collect();
    assert_eq!(starts, [("ann", 0), ("ann", 0), ("bob", 5), ("ann", 10), ("bob", 15)]);
}

#[test]
fn tasks_wait_for_each_other_and_for_those_who_can_do_them() {
    let mut day = Day::new();
    let first = day.plain(0);
    let second = day.task(0, TaskSpec { depends_on: vec![first], ..TaskSpec::default() });
    let api =
        day.task(0, TaskSpec { capabilities: Box::new(["api".parse().unwrap()]), ..TaskSpec::default() });
    day.work("ann", first, 0, 30);
    day.work("bob", api, 0, 10);
    day.work("bob", second, 30, 40);
    let expected = told(&[(100, "ann", 0, 30), (102, "bob", 0, 10), (101, "ann", 30, 40)]);
    let mut ran = day.simulate(&Deciding::default());
    // Both are free then.
    ran[2].1 = "ann".to_owned();
    assert_eq!(ran, expected);
}

#[test]
fn what_touches_the_same_paths_comes_one_after_another_and_overlaps_are_counted() {
    let mut day = Day::new();
    let touches = |path: &str| TaskSpec { touches: vec![path.parse().unwrap()], ..TaskSpec::default() };
    let tasks = [day.task(0, touches("src/**")), day.task(0, touches("src/a"))];
    day.work("ann", tasks[0], 0, 10);
    day.work("bob", tasks[1], 0, 10);
    assert_eq!(measure(&day.trace, &day.trace.ran()).overlaps, 1);
    let again = simulate(&day.trace, &Deciding::default(), &mut HostOrder, &|| false);
    assert_eq!(measure(&day.trace, &again.ran).overlaps, 0);
    assert_eq!(again.ran[1].from, minute(10));
    let agreement = day.retrace(&Deciding::default());
    assert_eq!((agreement.claims, agreement.differ, agreement.skipped), (2, 1, 0), "{agreement:?}");
    assert_eq!(agreement.latest[0].instead, None);
}

#[test]
fn what_nobody_finished_takes_as_long_as_most() {
    let mut day = three_in_order();
    let open = day.plain(5);
    let never = day.plain(6);
    day.event(61, open, What::Claimed { agent: name("ann"), waited_ms: 0 });
    day.trace.until = minute(62);
    let simulated = simulate(&day.trace, &Deciding::default(), &mut HostOrder, &|| false);
    assert_eq!(simulated.guessed, 2);
    let last: Vec<(TaskId, u64)> = simulated.ran[3..]
        .iter()
        .map(|ran| (day.trace.tasks[ran.task].id, ran.to.since(ran.from).as_secs() / 60))
        .collect();
    assert_eq!(last, [(open, 20), (never, 20)]);
}

#[test]
fn a_simulation_ends_when_it_is_told_to() {
    let day = three_in_order();
    let steps = std::cell::Cell::new(0);
    let enough = || {
        steps.set(steps.get() + 1);
        steps.get() > 5
    };
    assert!(simulate(&day.trace, &Deciding::default(), &mut HostOrder, &enough).is_cut_off);
}

#[test]
fn waits_and_fairness_are_told() {
    let mut day = Day::new();
    let label = |label: &str| TaskSpec { labels: Box::new([label.parse().unwrap()]), ..TaskSpec::default() };
    let tasks: Vec<TaskId> =
        (0..4).map(|n| day.task(0, label(if n == 3 { "small" } else { "large" }))).collect();
    day.work("ann", tasks[0], 0, 10);
    day.work("ann", tasks[1], 10, 20);
    day.work("ann", tasks[2], 20, 30);
    day.work("bob", tasks[3], 5, 15);
    let measures = measure(&day.trace, &day.trace.ran());
    let large = measures.waits_by_label[&"large".parse().unwrap()];
    let expected = Waits {
        claims: 3,
        mean_ms: 10 * MINUTE,
        median_ms: 10 * MINUTE,
        p95_ms: 20 * MINUTE,
        longest_ms: 20 * MINUTE,
    };
    assert_eq!(large, expected);
    assert_eq!((measures.claims, measures.left, measures.makespan_ms), (4, 0, 30 * MINUTE));
    // Thirty minutes and ten: 40 * 40 / (2 * (900 + 100)).
    assert!((measures.fairness.of_work - 0.8).abs() < 1e-9, "{measures:?}");
    assert!((measures.fairness.of_slowdown - 1.0).abs() < 1e-9, "one creator");
}

#[test]
fn what_is_given_back_asked_cancelled_or_failed_is_followed() {
    let mut day = Day::new();
    let tasks: Vec<TaskId> = (0..4).map(|_| day.plain(0)).collect();
    let claimed = |agent: &str| What::Claimed { agent: name(agent), waited_ms: 0 };
    day.event(1, tasks[0], claimed("ann"));
    day.event(2, tasks[0], What::GivenBack);
    day.event(3, tasks[0], claimed("bob"));
    day.event(4, tasks[0], What::Asked);
    day.event(5, tasks[1], claimed("bob"));
    day.event(6, tasks[0], What::Answered);
    day.event(7, tasks[1], What::Failed { was_last: true });
    day.event(8, tasks[2], What::Cancelled);
    day.event(9, tasks[0], claimed("ann"));
    day.event(10, tasks[3], claimed("bob"));
    day.event(11, tasks[3], What::Cancelled);
    day.event(12, tasks[0], What::Completed);
    day.event(13, TaskId(7), claimed("ann"));
    let agreement = day.retrace(&Deciding::default());
    assert_eq!((agreement.claims, agreement.differ, agreement.skipped), (5, 0, 1), "{agreement:?}");
}

/// However the day was, each task is worked on once, by somebody who is there, and nobody has more at once than they had.
#[test]
fn any_day_can_be_simulated() {
    for seed in 0..200_u64 {
        let mut state = seed;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let mut day = Day::new();
        let mut free = [0_u64; 3];
        for _ in 0..40 {
            let at = below(200);
            let task = day.plain(at);
            let agent = usize::try_from(below(3)).unwrap();
            if below(10) > 0 {
                let from = free[agent].max(at) + below(30);
                free[agent] = from + 1 + below(30);
                day.work(&format!("agent-{agent}"), task, from, free[agent]);
            }
        }
        day.trace.tasks.sort_by_key(|task| (task.created_at, task.id));
        for deciding in [Deciding::default(), backwards()] {
            let ran = day.simulate(&deciding);
            assert_eq!(ran, day.simulate(&deciding), "seed {seed}: the same again");
            let mut tasks: Vec<u64> = ran.iter().map(|(task, ..)| *task).collect();
            tasks.sort_unstable();
            tasks.dedup();
            assert_eq!((tasks.len(), ran.len()), (40, 40), "seed {seed}");
            for agent in 0..3 {
                let agent = format!("agent-{agent}");
                let mut until = 0;
                for (_, _, from, to) in ran.iter().filter(|(_, who, ..)| *who == agent) {
                    assert!(*from >= until, "seed {seed}: {agent} has two at once");
                    until = *to;
                }
            }
        }
    }
}
