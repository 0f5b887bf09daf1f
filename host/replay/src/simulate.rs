//! The same tasks and the same agents again, with other policies.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use longhouse_core::{
    AboutTask, AgentName, Caller, ClaimRequest, Command, Completion, Decide, Event, EventKind, Grant, Hold,
    Reply, Step, TaskCommand, TaskEvent, TaskId, TaskReply, Timestamp, Waiter, Want,
};

use crate::plan::Plan;
use crate::world::World;
use crate::{Deciding, Ran, Trace};

/// How long a simulation goes on after what it is a simulation of. What is not done by then never is.
const LONGER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a lease is: longer than any task takes.
const LEASE_MS: u64 = 24 * 3_600 * 1_000;

/// What came of a simulation.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    /// Who had which task when, in the order in which they were taken.
    pub ran: Vec<Ran>,
    /// Of how many tasks it is a guess how long they take, because nobody finished them.
    pub guessed: usize,
    /// Whether it was stopped before its end.
    pub is_cut_off: bool,
}

/// What comes next, and at the same time in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// The task of a slot is done.
    Done(usize),
    /// A task comes.
    Task(usize),
    /// An agent comes, or the end of its shift makes its claim end.
    Shift(usize, usize),
}

/// One of the tasks that an agent has at a time.
struct Slot {
    agent: AgentName,
    /// Until when it takes tasks.
    until: Timestamp,
    holds: Option<Hold>,
    /// A claim waits.
    waits: bool,
}

struct Simulation<'a> {
    world: World<'a>,
    trace: &'a Trace,
    plan: Plan,
    places: HashMap<TaskId, usize>,
    slots: Vec<Slot>,
    next: BinaryHeap<Reverse<(Timestamp, Next)>>,
    ran: Vec<Ran>,
}

/// Has everything happen again, until all is done or `is_enough` says so.
pub fn simulate(
    trace: &Trace,
    deciding: &Deciding,
    decide: &mut dyn Decide,
    is_enough: &dyn Fn() -> bool,
) -> Simulated {
    let world = World::new(&trace.rules, trace.everybody(), deciding, decide);
    let plan = Plan::of(trace);
    let mut simulation = Simulation {
        world,
        trace,
        places: trace.places(),
        slots: Vec::new(),
        next: BinaryHeap::new(),
        ran: Vec::new(),
        plan,
    };
    simulation.begin();
    let is_cut_off = !simulation.run(is_enough);
    Simulated { ran: simulation.ran, guessed: simulation.plan.guessed, is_cut_off }
}

impl Simulation<'_> {
    fn begin(&mut self) {
        for (place, task) in self.trace.tasks.iter().enumerate() {
            self.next.push(Reverse((task.created_at, Next::Task(place))));
        }
        for (agent, shifts) in &self.plan.shifts {
            for _ in 0..shifts.slots {
                let slot = self.slots.len();
                for (shift, (from, _)) in shifts.times.iter().enumerate() {
                    self.next.push(Reverse((*from, Next::Shift(slot, shift))));
                }
                let until = Timestamp::default();
                self.slots.push(Slot { agent: agent.clone(), until, holds: None, waits: false });
            }
        }
    }

    /// Whether it came to its end.
    fn run(&mut self, is_enough: &dyn Fn() -> bool) -> bool {
        let end = self.trace.until.plus(LONGER);
        loop {
            let next = self.next.peek().map(|Reverse((at, _))| *at);
            let due = self.world.state.next_due().filter(|due| next.is_none_or(|next| *due < next));
            let is_done = next.is_none() && self.ran.len() == self.trace.tasks.len();
            let Some(now) = due.or(next).filter(|at| *at <= end && !is_done) else { return true };
            if is_enough() {
                return false;
            }
            match due {
                Some(due) => {
                    let step = self.world.tell(due, Waiter(u64::MAX), Caller::Server, Command::Tick);
                    self.note(step, due);
                }
                None => {
                    if let Some(Reverse((_, next))) = self.next.pop() {
                        self.happen(next, now);
                    }
                }
            }
        }
    }

    fn happen(&mut self, next: Next, now: Timestamp) {
        match next {
            Next::Task(place) => {
                if let Some(task) = self.trace.tasks.get(place) {
                    let step = self.world.add(task, now);
                    self.note(step, now);
                }
            }
            Next::Shift(slot, shift) => {
                let shifts = self.slots.get(slot).and_then(|slot| self.plan.shifts.get(&slot.agent));
                let until = shifts.and_then(|shifts| shifts.times.get(shift)?.1);
                if let Some(slot) = self.slots.get_mut(slot) {
                    slot.until = until.unwrap_or(self.trace.until.plus(LONGER));
                }
                self.claim(slot, now);
            }
            Next::Done(slot) => {
                let Some((hold, agent)) =
                    self.slots.get_mut(slot).and_then(|slot| Some((slot.holds.take()?, slot.agent.clone())))
                else {
                    return;
                };
                let completion = Completion { hold, result: "".into(), next: None };
                let step = self.world.ask(now, Caller::Agent(agent), TaskCommand::Complete(completion));
                self.note(step, now);
                self.claim(slot, now);
            }
        }
    }

    /// Has a slot ask for a task, if it has none and its agent is there.
    fn claim(&mut self, at: usize, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if slot.holds.is_some() || slot.waits || slot.until <= now {
            return;
        }
        slot.waits = true;
        let request = ClaimRequest {
            want: Want::Next(1),
            ttl_ms: LEASE_MS,
            max_lease_ms: LEASE_MS,
            session: None,
            wait_until: Some(slot.until),
        };
        let caller = Caller::Agent(slot.agent.clone());
        let waiter = Waiter(u64::try_from(at).unwrap_or(u64::MAX));
        let step = self.world.tell(now, waiter, caller, Command::Task(TaskCommand::Claim(request)));
        self.note(step, now);
    }

    /// Takes down who was given what.
    fn note(&mut self, step: Step, now: Timestamp) {
        let waited = |event: &Event| {
            let EventKind::Task(AboutTask { task, event: TaskEvent::Claimed { waited_ms, .. } }) =
                &event.kind
            else {
                return None;
            };
            Some((*task, *waited_ms))
        };
        let waited: HashMap<TaskId, u64> = step.events.iter().filter_map(waited).collect();
        for (waiter, reply) in step.replies {
            let at = usize::try_from(waiter.0).unwrap_or(usize::MAX);
            let Some(slot) = self.slots.get_mut(at) else { continue };
            slot.waits = false;
            if let Reply::Task(TaskReply::Claimed(claimed)) = reply {
                for grant in claimed.grants {
                    self.take(at, &grant, waited.get(&grant.task).copied().unwrap_or_default(), now);
                }
            }
        }
    }

    fn take(&mut self, at: usize, grant: &Grant, waited_ms: u64, now: Timestamp) {
        let place = self.world.theirs(grant.task).and_then(|id| self.places.get(&id)).copied();
        let (Some(place), Some(slot)) = (place, self.slots.get_mut(at)) else { return };
        slot.holds = Some(grant.hold());
        let takes_ms = self.plan.takes_ms.get(place).copied().unwrap_or_default();
        let to = now.plus_millis(takes_ms);
        self.ran.push(Ran { task: place, agent: slot.agent.clone(), waited_ms, from: now, to });
        self.next.push(Reverse((to, Next::Done(at))));
    }
}
