//! What can be told of who had which task when.

use std::collections::{BTreeMap, BTreeSet};

use longhouse_core::{AgentName, Label, Timestamp, overlap};
use serde::{Deserialize, Serialize};

use crate::Trace;

/// How many labels are told of, those of the most tasks.
const LABELS: usize = 32;

/// A time in which an agent had a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Which: its place among the tasks of the trace.
    pub task: usize,
    /// Who.
    pub agent: AgentName,
    /// How long it could have been claimed before that, in milliseconds.
    pub waited_ms: u64,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

/// What can be told of a queue at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// How often a task was taken.
    pub claims: usize,
    /// How many tasks nobody took.
    pub left: usize,
    /// From the first claim to the end of the last task, in milliseconds.
    pub makespan_ms: u64,
    /// How long tasks waited until they were taken.
    pub waits: Waits,
    /// The same, by label, those of the most tasks.
    pub waits_by_label: BTreeMap<Label, Waits>,
    /// How evenly things were shared.
    pub fairness: Fairness,
    /// Pairs of tasks that touch the same paths, and were worked on at the same time.
    pub overlaps: usize,
    /// Tasks that were not done by their deadline.
    pub late: usize,
}

/// How long tasks waited, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waits {
    /// Of so many claims.
    pub claims: usize,
    /// Added up and divided.
    pub mean_ms: u64,
    /// Half of them waited no longer.
    pub median_ms: u64,
    /// Nineteen of twenty waited no longer.
    pub p95_ms: u64,
    /// The one that waited longest.
    pub longest_ms: u64,
}

/// Jain's index (Jain, Chiu and Hawe, 1984): 1 if all have the same, 1/n if one of n has everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// Of the time for which each agent had tasks.
    pub of_work: f64,
    /// Of how many times longer than its work a task took with its waiting, on the average of each creator's.
    pub of_slowdown: f64,
}

/// What can be told of this.
pub fn measure(trace: &Trace, ran: &[Ran]) -> Measures {
    let taken: BTreeSet<usize> = ran.iter().map(|ran| ran.task).collect();
    let first = ran.iter().map(|ran| ran.from).min().unwrap_or_default();
    let last = ran.iter().map(|ran| ran.to).max().unwrap_or_default();
    Measures {
        claims: ran.len(),
        left: trace.tasks.len().saturating_sub(taken.len()),
        makespan_ms: ms(last, first),
        waits: Waits::of(ran.iter().map(|ran| ran.waited_ms).collect()),
        waits_by_label: by_label(trace, ran),
        fairness: Fairness { of_work: jain(&work(ran)), of_slowdown: jain(&slowdowns(trace, ran)) },
        overlaps: overlaps(trace, ran),
        late: late(trace, ran),
    }
}

fn ms(later: Timestamp, earlier: Timestamp) -> u64 {
    u64::try_from(later.since(earlier).as_millis()).unwrap_or(u64::MAX)
}

impl Waits {
    fn of(mut waits: Vec<u64>) -> Self {
        waits.sort_unstable();
        let claims = waits.len();
        let rank = |percent: usize| (claims * percent).div_ceil(100).saturating_sub(1);
        let at = |percent| waits.get(rank(percent)).copied().unwrap_or_default();
        let sum: u128 = waits.iter().copied().map(u128::from).sum();
        let mean = sum.checked_div(claims.try_into().unwrap_or(u128::MAX)).unwrap_or_default();
        Self {
            claims,
            mean_ms: u64::try_from(mean).unwrap_or(u64::MAX),
            median_ms: at(50),
            p95_ms: at(95),
            longest_ms: at(100),
        }
    }
}

fn by_label(trace: &Trace, ran: &[Ran]) -> BTreeMap<Label, Waits> {
    let mut waits: BTreeMap<&Label, Vec<u64>> = BTreeMap::new();
    for ran in ran {
        for label in trace.tasks.get(ran.task).into_iter().flat_map(|task| &task.spec.labels) {
            waits.entry(label).or_default().push(ran.waited_ms);
        }
    }
    let mut by_label: Vec<_> = waits.into_iter().collect();
    by_label.sort_by_key(|(_, waits)| std::cmp::Reverse(waits.len()));
    by_label.truncate(LABELS);
    by_label.into_iter().map(|(label, waits)| (label.clone(), Waits::of(waits))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "an index with three digits")]
fn work(ran: &[Ran]) -> Vec<f64> {
    let mut work: BTreeMap<&AgentName, u64> = BTreeMap::new();
    for ran in ran {
        *work.entry(&ran.agent).or_default() += ms(ran.to, ran.from);
    }
    work.into_values().map(|ms| ms as f64).collect()
}

#[expect(clippy::cast_precision_loss, reason = "an index with three digits")]
fn slowdowns(trace: &Trace, ran: &[Ran]) -> Vec<f64> {
    let mut slowdowns: BTreeMap<Option<&AgentName>, (f64, f64)> = BTreeMap::new();
    for ran in ran {
        let Some(task) = trace.tasks.get(ran.task) else { continue };
        // What took no time at all is as slow as what took a second.
        let took = ms(ran.to, ran.from).max(1_000) as f64;
        let (sum, count) = slowdowns.entry(task.creator.as_ref()).or_default();
        *sum += (ran.waited_ms as f64 + took) / took;
        *count += 1.0;
    }
    slowdowns.into_values().map(|(sum, count)| sum / count).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a number of agents")]
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

fn overlaps(trace: &Trace, ran: &[Ran]) -> usize {
    let touches = |ran: &Ran| trace.tasks.get(ran.task).map(|task| task.spec.touches.as_slice());
    let mut touching: Vec<&Ran> =
        ran.iter().filter(|ran| touches(ran).is_some_and(|it| !it.is_empty())).collect();
    touching.sort_by_key(|ran| ran.from);
    let (mut open, mut count): (Vec<&Ran>, usize) = (Vec::new(), 0);
    for ran in touching {
        open.retain(|before| before.to > ran.from);
        let meets = |before: &&&Ran| match (touches(before), touches(ran)) {
            (Some(theirs), Some(ours)) => overlap(theirs, ours).is_some(),
            (None, _) | (_, None) => false,
        };
        count += open.iter().filter(meets).count();
        open.push(ran);
    }
    count
}

fn late(trace: &Trace, ran: &[Ran]) -> usize {
    let mut done: BTreeMap<usize, Timestamp> = BTreeMap::new();
    for ran in ran {
        done.insert(ran.task, ran.to);
    }
    let is_late = |(place, deadline): &(usize, Timestamp)| done.get(place).is_none_or(|at| at > deadline);
    let deadlines =
        trace.tasks.iter().enumerate().filter_map(|(place, task)| Some((place, task.spec.deadline?)));
    deadlines.filter(is_late).count()
}
