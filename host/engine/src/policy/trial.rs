//! A few calls to a policy before it decides anything: whether it answers them at all, and always in the same way.

use super::types::{
    AgentFacts, Candidate, GroupFacts, LockFacts, LockMode, LockRequest, Place, RunLimits, RunRequest,
    TaskFacts,
};
use super::{Fault, PolicyInstance, World};

/// How many tasks it is shown.
const TASKS: u64 = 64;

/// How many of the tasks that wait it ranks at once: whatever they are, there is fuel for so many.
const AT_ONCE: usize = 8;

/// How much is kept of what it prints, in bytes, give or take two calls.
const PRINTED: usize = 4 << 10;

/// The most candidates that a scheduler is shown.
const MOST_SHOWN: usize = 64;

/// What it answers, in words.
pub(super) fn trial(policy: &mut PolicyInstance, world: World) -> Result<String, Fault> {
    let tasks: Vec<TaskFacts> = (1..=TASKS).map(task).collect();
    match world {
        World::Ranker | World::Scheduler => {
            let places = policy.rank(&tasks, NOW)?;
            let (window, groups) = shown(&tasks, &places);
            let mut picks = Vec::new();
            if policy.selects() {
                for (want, seed) in [(1, 1), (1, 2), (3, 3)] {
                    picks.push(policy.select(&window, &groups, &agent(), want, (NOW, seed))?);
                }
            }
            Ok(format!("{places:?} {picks:?}"))
        }
        World::Conflict => {
            let request = LockRequest {
                agent: agent(),
                task: Some(1),
                mode: LockMode::Exclusive,
                patterns: vec!["src/**".to_owned(), "README.md".to_owned()],
                ttl_ms: 600_000,
                reason: "trial".to_owned(),
            };
            let held = [held(1, true), held(2, false)];
            let (none, some) = (policy.decide(&request, &[])?, policy.decide(&request, &held)?);
            let (first, rest) = tasks.split_first().ok_or(Fault::OutOfFuel)?;
            let may = policy.overlap(first, rest.get(..4).unwrap_or_default())?;
            Ok(format!("{none:?} {some:?} {may}"))
        }
        World::Admission => {
            let run = RunRequest {
                argv: vec!["rg".to_owned(), "TODO".to_owned()],
                cwd: "src".to_owned(),
                task: Some(1),
                limits: RunLimits { wall_ms: 60_000, cpu_ms: 30_000, memory: 512 << 20, output: 1 << 20 },
            };
            Ok(format!("{:?}", policy.review(&run, &agent())?))
        }
    }
}

/// Has a scheduler rank the tasks that wait and choose among some of them: what it printed, the beginning.
pub(super) fn about(policy: &mut PolicyInstance, tasks: &[TaskFacts], now_ms: u64) -> Result<String, Fault> {
    let (mut places, mut printed) = (Vec::with_capacity(tasks.len()), String::new());
    for some in tasks.chunks(AT_ONCE) {
        places.extend(policy.rank(some, now_ms)?);
        if printed.len() < PRINTED {
            printed += &policy.printed();
        }
    }
    let (mut window, groups) = shown(tasks, &places);
    window.truncate(MOST_SHOWN);
    if policy.selects() && !window.is_empty() {
        policy.select(&window, &groups, &agent(), 1, (now_ms, 1))?;
    }
    Ok(printed + &policy.printed())
}

/// These tasks, as a scheduler is shown them that gave them these places. How their groups stand is made up.
fn shown(tasks: &[TaskFacts], places: &[Place]) -> (Vec<Candidate>, Vec<GroupFacts>) {
    let mut names: Vec<String> = places.iter().map(|place| place.group.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let group = |place: &Place| {
        u32::try_from(names.binary_search(&place.group).unwrap_or_default()).unwrap_or_default()
    };
    let candidate = |(task, place): (&TaskFacts, &Place)| Candidate {
        task: task.id,
        key: place.key,
        group: group(place),
        priority: task.priority,
        created_at_ms: task.created_at_ms,
        ready_at_ms: task.created_at_ms,
        deadline_at_ms: task.deadline_at_ms,
        near: u32::try_from(task.id % 3).unwrap_or_default(),
    };
    let window = tasks.iter().zip(places).map(candidate).collect();
    let facts = |(number, name): (u32, &String)| GroupFacts {
        name: name.clone(),
        ready: 10,
        held: number % 4,
        served_ms: u64::from(number % 7) * 10_000,
    };
    (window, (0..).zip(&names).map(facts).collect())
}

/// Some instant: the same in every trial.
const NOW: u64 = 1_700_000_000_000;

fn task(id: u64) -> TaskFacts {
    let few = u8::try_from(id % 5).unwrap_or_default();
    TaskFacts {
        id,
        priority: i8::try_from(few).unwrap_or_default() * 10 - 20,
        created_at_ms: NOW - 1_000 * (TASKS - id),
        deadline_at_ms: (few == 0).then_some(NOW + 60_000),
        creator: Some(format!("agent-{few}")),
        assigned_to: None,
        attempt: few.into(),
        lost_count: 0,
        labels: vec![format!("tenant:{}", id % 3)],
        capabilities: vec!["rust".to_owned()],
        touches: vec![format!("src/{}/**", id % 4)],
    }
}

fn agent() -> AgentFacts {
    AgentFacts {
        name: "agent-1".to_owned(),
        role: "worker".to_owned(),
        profile: "full".to_owned(),
        capabilities: vec!["rust".to_owned()],
        tasks_held: 1,
        live_runs: 1,
        recent_cpu_ms: 1_000,
    }
}

fn held(id: u64, conflicts: bool) -> LockFacts {
    LockFacts {
        id,
        holder: "agent-2".to_owned(),
        task: None,
        mode: if conflicts { LockMode::Exclusive } else { LockMode::Shared },
        patterns: vec!["src/a".to_owned()],
        left_ms: 1_000,
        reason: String::new(),
        conflicts,
    }
}
