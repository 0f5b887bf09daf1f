//! What a simulation keeps of what happened: how long each task took, and when each agent was there.

use std::collections::BTreeMap;
use std::time::Duration;

use longhouse_core::{AgentName, Timestamp};

use crate::Trace;
use crate::trace::Hold;

/// An agent without a task for so long was not there. Shorter than that, it had finished and waited for the next.
const AWAY: Duration = Duration::from_secs(10 * 60);

/// What is held for longer is taken as so long: a lease cannot last for more than a day without being renewed.
const LONGEST_MS: u64 = 23 * 3_600 * 1_000;

/// How long a task takes that nobody finished, if nobody finished any.
const USUAL_MS: u64 = 10 * 60 * 1_000;

pub(crate) struct Plan {
    /// How long each task takes, in milliseconds.
    pub(crate) takes_ms: Vec<u64>,
    /// Of how many of them that is a guess.
    pub(crate) guessed: usize,
    pub(crate) shifts: BTreeMap<AgentName, Shifts>,
}

/// When an agent was there.
pub(crate) struct Shifts {
    /// How many tasks it had at once, at most.
    pub(crate) slots: usize,
    /// From when until when. The last one lasts.
    pub(crate) times: Vec<(Timestamp, Option<Timestamp>)>,
}

impl Plan {
    pub(crate) fn of(trace: &Trace) -> Self {
        let holds = trace.holds();
        let (takes_ms, guessed) = durations(trace, &holds);
        let mut by_agent: BTreeMap<AgentName, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
        for hold in holds {
            by_agent.entry(hold.agent).or_default().push((hold.from, hold.to.unwrap_or(trace.until)));
        }
        let shifts = by_agent.into_iter().map(|(agent, holds)| (agent, Shifts::of(&holds))).collect();
        Self { takes_ms, guessed, shifts }
    }
}

/// How long each task was held in all. What was not finished takes as long as most, if it was not held for longer.
fn durations(trace: &Trace, holds: &[Hold]) -> (Vec<u64>, usize) {
    let mut held: Vec<(u64, bool)> = vec![(0, false); trace.tasks.len()];
    for hold in holds {
        if let Some((ms, is_done)) = held.get_mut(hold.task) {
            let took = hold.to.unwrap_or(trace.until).since(hold.from).as_millis();
            *ms += u64::try_from(took).unwrap_or(u64::MAX).min(LONGEST_MS);
            *is_done = hold.to.is_some();
        }
    }
    let mut done: Vec<u64> = held.iter().filter(|(_, is_done)| *is_done).map(|(ms, _)| *ms).collect();
    done.sort_unstable();
    let usual = done.get(done.len() / 2).copied().unwrap_or(USUAL_MS);
    let guessed = held.len() - done.len();
    let takes = |(ms, is_done): (u64, bool)| if is_done { ms } else { ms.max(usual) };
    (held.into_iter().map(takes).map(|ms| ms.min(LONGEST_MS)).collect(), guessed)
}

impl Shifts {
    /// Of the times at which an agent held tasks, by their beginnings.
    fn of(holds: &[(Timestamp, Timestamp)]) -> Self {
        let mut times: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in holds {
            match times.last_mut() {
                Some(shift) if from.since(shift.1) < AWAY => shift.1 = shift.1.max(*to),
                Some(_) | None => times.push((*from, *to)),
            }
        }
        let last = times.len().saturating_sub(1);
        let lasts = |(index, (from, to))| (from, (index < last).then_some(to));
        Self { slots: most_at_once(holds), times: times.into_iter().enumerate().map(lasts).collect() }
    }
}

fn most_at_once(holds: &[(Timestamp, Timestamp)]) -> usize {
    // Ends come before beginnings at the same time.
    let mut turns: Vec<(Timestamp, bool)> =
        holds.iter().flat_map(|(from, to)| [(*from, true), (*to, false)]).collect();
    turns.sort_unstable();
    let (mut now, mut most) = (0_usize, 1);
    for (_, begins) in turns {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}
