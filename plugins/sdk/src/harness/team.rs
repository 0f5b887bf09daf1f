//! A queue, and a team that works on it: asks a scheduler as the host does, save that any worker may have any task.

use std::collections::BTreeMap;

use super::agent;
use crate::{Candidate, Claim, GroupFacts, Place, Ranker, Scheduler, TaskFacts};

/// How long each task takes, in milliseconds.
const TASK_MS: u64 = 60_000;
/// After how long what was served counts for half, in milliseconds.
const HALF_LIFE_MS: f64 = 600_000.0;
/// The most candidates that a scheduler is shown.
const MOST: usize = 64;
/// How many it is shown, unless there are more groups, or it looks for what is near.
const FEW: usize = 16;

/// The ids of `tasks` in the order in which the host would hand them out.
pub fn ranked(policy: &impl Ranker, tasks: &[TaskFacts]) -> Vec<u64> {
    let mut order: Vec<_> = tasks.iter().map(|task| (policy.rank(task, 0).key, task.id)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, id)| id).collect()
}

/// Workers with nothing else to do. Each task takes a minute.
#[derive(Debug, Clone, Default)]
pub struct Team {
    workers: usize,
    changed: Vec<String>,
}

/// What a group has had.
#[derive(Debug, Default)]
struct Group {
    held: u32,
    served_ms: f64,
}

/// A task that waits, with its place.
type Waiting<'a> = BTreeMap<(i64, u64), (&'a TaskFacts, Place)>;

impl Team {
    /// A team of this many.
    pub fn new(workers: usize) -> Self {
        Self { workers, changed: Vec::new() }
    }

    /// All of them changed this many files in `dir`, which ends with a slash, just now.
    pub fn changed(&mut self, dir: &str, files: usize) {
        self.changed.extend((0..files).map(|file| format!("{dir}{file}")));
    }

    /// The tasks that one of them is given who claims `want` at once, the first that claims at all.
    pub fn claim(&self, policy: &impl Scheduler, tasks: &[TaskFacts], want: u32) -> Vec<TaskFacts> {
        let mut waiting = rank(policy, tasks);
        self.select(policy, &mut waiting, &BTreeMap::new(), want, 0)
    }

    /// The first `count` tasks that are handed out, in that order, when all are there from the beginning and each worker
    /// claims the next as soon as it is done.
    ///
    /// # Panics
    /// When the policy leaves a worker without a task.
    pub fn work(&self, policy: &impl Scheduler, tasks: &[TaskFacts], count: usize) -> Vec<TaskFacts> {
        let mut waiting = rank(policy, tasks);
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut done: Vec<TaskFacts> = Vec::new();
        // Who is free, and when; with what it is busy until then.
        let mut busy: BTreeMap<(u64, usize), Option<String>> = BTreeMap::new();
        for worker in 0..self.workers {
            // They do not all begin at once.
            busy.insert((u64::try_from(worker).unwrap_or_default(), worker), None);
        }
        let mut last = 0;
        while done.len() < count && !waiting.is_empty() {
            let Some(((now, worker), was)) = busy.pop_first() else { break };
            #[expect(clippy::cast_precision_loss, reason = "some minutes in milliseconds")]
            let decay = 0.5_f64.powf((now - last) as f64 / HALF_LIFE_MS);
            last = now;
            for group in groups.values_mut() {
                group.served_ms *= decay;
            }
            if let Some(group) = was.and_then(|name| groups.get_mut(&name)) {
                group.held -= 1;
                #[expect(clippy::cast_precision_loss, reason = "a minute in milliseconds")]
                let took = TASK_MS as f64;
                group.served_ms += took;
            }
            let given = self.select(policy, &mut waiting, &groups, 1, now);
            let task = given.into_iter().next().expect("a worker is left without a task");
            let name = policy.rank(&task, 0).group;
            groups.entry(name.clone()).or_default().held += 1;
            busy.insert((now + TASK_MS, worker), Some(name));
            done.push(task);
        }
        done
    }

    fn select<P: Scheduler>(
        &self,
        policy: &P,
        waiting: &mut Waiting<'_>,
        groups: &BTreeMap<String, Group>,
        want: u32,
        now_ms: u64,
    ) -> Vec<TaskFacts> {
        let mut by_group: BTreeMap<&str, Vec<(i64, u64)>> = BTreeMap::new();
        for (at, (_, place)) in &*waiting {
            by_group.entry(&place.group).or_default().push(*at);
        }
        let facts = |(name, ready): (&&str, &Vec<_>)| {
            let group = groups.get(*name);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some minutes")]
            let served_ms = group.map_or(0, |group| group.served_ms as u64);
            let held = group.map_or(0, |group| group.held);
            GroupFacts { name: (*name).to_owned(), ready: count(ready.len()), held, served_ms }
        };
        let facts: Vec<GroupFacts> = by_group.iter().map(facts).collect();
        let size = if P::WANTS_NEAR { MOST } else { by_group.len().clamp(FEW, MOST) };
        let mut window = Vec::new();
        for depth in 0..MOST {
            for (group, (_, ready)) in by_group.iter().enumerate() {
                let Some((key, id)) = ready.get(depth) else { continue };
                if window.len() == size {
                    break;
                }
                let task = waiting[&(*key, *id)].0;
                window.push(self.candidate(task, *key, count(group)));
            }
        }
        let claim = Claim { window, groups: facts, agent: agent("worker"), want, now_ms, seed: now_ms };
        let picks = policy.select(&claim);
        let chosen = picks.iter().map(|pick| &claim.window[usize::try_from(pick.index).expect("an index")]);
        let chosen = chosen.map(|candidate| (candidate.key, candidate.task)).collect::<Vec<_>>();
        chosen.iter().filter_map(|at| waiting.remove(at)).map(|(task, _)| task.clone()).collect()
    }

    fn candidate(&self, task: &TaskFacts, key: i64, group: u32) -> Candidate {
        let TaskFacts { id, priority, created_at_ms, deadline_at_ms, ref touches, .. } = *task;
        let touched = |file: &&String| {
            let in_dir = |glob: &String| glob.strip_suffix("**").is_some_and(|dir| file.starts_with(dir));
            touches.iter().any(|glob| glob == *file || in_dir(glob))
        };
        let near = count(self.changed.iter().filter(touched).count());
        Candidate {
            task: id,
            key,
            group,
            priority,
            created_at_ms,
            ready_at_ms: created_at_ms,
            deadline_at_ms,
            near,
        }
    }
}

fn rank<'a>(policy: &impl Scheduler, tasks: &'a [TaskFacts]) -> Waiting<'a> {
    let place = |task: &'a TaskFacts| {
        let place = policy.rank(task, 0);
        ((place.key, task.id), (task, place))
    };
    tasks.iter().map(place).collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
