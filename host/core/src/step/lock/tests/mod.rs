//! Random histories against a reference model and against a store that knows only rows; then one test for each
//! promise that is easily broken by hand.

mod history;
mod model;
mod promises;

use std::collections::{BTreeMap, BTreeSet};

use history::anything;
use model::{Claim, Model, covered};
use proptest::prelude::*;

use crate::*;

/// What a store keeps, built from rows alone.
#[derive(Debug, Default)]
struct Stored {
    agents: BTreeMap<AgentName, Agent>,
    tasks: BTreeMap<TaskId, Task>,
    locks: BTreeMap<LockId, Lock>,
    replies: Vec<KeptReply>,
    last_lock: u64,
    last_event: u64,
    fence_limit: u64,
}

impl Stored {
    fn apply(&mut self, row: Row) {
        match row {
            Row::PutAgent(agent) => drop(self.agents.insert(agent.name.clone(), agent)),
            Row::DeleteAgent(name) => drop(self.agents.remove(&name)),
            Row::Task(TaskRow::Insert(stored)) => drop(self.tasks.insert(stored.task.id, stored.task)),
            Row::Task(TaskRow::SetState(id, state)) => self.tasks.get_mut(&id).unwrap().state = *state,
            Row::Lock(LockRow::Put(lock)) => {
                self.last_lock = self.last_lock.max(lock.id.0);
                self.locks.insert(lock.id, *lock);
            }
            Row::Lock(LockRow::Delete(id)) => {
                assert!(self.locks.remove(&id).is_some(), "{id} was not stored");
            }
            Row::SetFenceLimit(limit) => self.fence_limit = limit.0,
            Row::KeepReply(kept) => self.replies.push(*kept),
            Row::ForgetAllReplies(agent) => self.replies.retain(|kept| kept.agent != agent),
            Row::Commit(_) => {}
            Row::PutToken(_) | Row::DeleteToken(_) | Row::PutRun(_) | Row::Task(_) => {}
            Row::Talk(_) | Row::Crew(_) => {}
            Row::ForgetReplies(..)
            | Row::SetQueueRules(_)
            | Row::SetPolicies(_)
            | Row::SetDelivered(..)
            | Row::Audit(..) => {
                panic!("nothing here leads to {row:?}")
            }
        }
    }

    fn rebuild(&self, now: u64) -> State {
        State::rebuild(Seed {
            profiles: profiles(),
            agents: self.agents.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
            locks: self.locks.values().cloned().collect(),
            replies: self.replies.clone(),
            last_lock: self.last_lock,
            last_event: self.last_event,
            fence_limit: self.fence_limit,
            now: Timestamp::from_millis(now),
            ..Seed::default()
        })
    }
}

fn profiles() -> Profiles {
    [("any".parse().unwrap(), Profile::default())].into()
}

fn name(n: u8) -> AgentName {
    format!("agent-{n}").parse().unwrap()
}

fn new_agent(n: u8) -> NewAgent {
    NewAgent {
        name: name(n),
        role: if n == 0 { Role::Coordinator } else { Role::Worker },
        profile: "any".parse().unwrap(),
        capabilities: Vec::new(),
        token: TokenHash([n; 32]),
    }
}

fn pattern(text: &str) -> PathPattern {
    text.parse().unwrap()
}

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

/// A coordinator, its store, and the model that watches both.
struct World {
    state: State,
    stored: Stored,
    model: Model,
    now: u64,
    last_waiter: u64,
    /// Waiters for something else than a lock.
    not_locks: BTreeSet<Waiter>,
    last_fence: Fence,
    /// Every lock ever granted and its fence.
    fences: BTreeMap<LockId, Fence>,
}

/// The first agent is a coordinator, the others are workers.
const AGENTS: u8 = 3;
/// What each task touches: no path is touched by two.
const TOUCHES: [&[&str]; 8] = [&["a"], &["b/x"], &[], &[], &[], &[], &[], &[]];

const TASKS: u64 = TOUCHES.len() as u64;

impl World {
    fn new() -> Self {
        let mut world = Self {
            state: State::rebuild(Seed { profiles: profiles(), ..Seed::default() }),
            stored: Stored::default(),
            model: Model::default(),
            now: 0,
            last_waiter: 0,
            not_locks: BTreeSet::new(),
            last_fence: Fence(0),
            fences: BTreeMap::new(),
        };
        for n in 0..AGENTS {
            world.step(Caller::Operator, Command::AddAgent(new_agent(n)), None);
        }
        let task = |touches: &[&str]| NewTask {
            body: TaskBody { title: "t".into(), description: "".into() },
            spec: TaskSpec {
                touches: touches.iter().map(|text| pattern(text)).collect(),
                max_attempts: 1,
                ..TaskSpec::default()
            },
            parents: Vec::new(),
        };
        let create = TaskCommand::Create(TOUCHES.map(task).into());
        world.step(Caller::Agent(name(0)), Command::Task(create), None);
        world
    }

    /// Takes a step, checks what holds of every step, and returns it.
    fn step(&mut self, caller: Caller, command: Command, keyed: Option<Keyed>) -> Step {
        let before = self.state.locks.all().map(|lock| lock.id).max();
        let waiter = self.next_waiter();
        let now = Timestamp::from_millis(self.now);
        let step = step_at(&mut self.state, waiter, caller, now, command, keyed);
        step.rows.iter().cloned().for_each(|row| self.stored.apply(row));
        for event in &step.events {
            self.stored.last_event = event.seq.0;
            if let EventKind::Lock(AboutLock { lock, event: LockEvent::Taken { fence, waited_ms, .. } }) =
                &event.kind
            {
                assert!(before.is_none_or(|last| *lock > last), "{lock} was given again");
                self.fences.insert(*lock, *fence);
                self.check_nobody_was_overtaken(*lock, self.now - waited_ms);
            }
            let Some(fence) = raises(&event.kind) else { continue };
            assert!(fence > self.last_fence, "{fence} came after {}", self.last_fence);
            self.last_fence = fence;
        }
        step
    }

    fn next_waiter(&mut self) -> Waiter {
        self.last_waiter += 1;
        Waiter(self.last_waiter)
    }

    fn check_nobody_was_overtaken(&self, id: LockId, since: u64) {
        let Some(lock) = self.state.locks.get(id) else { return };
        for waiting in self.state.locks.waiting().filter(|waiting| waiting.since.as_millis() < since) {
            let other = !lock.terms.holder.is_same(&waiting.terms.holder);
            let overtaken = other && lock.terms.conflict(&waiting.terms).is_some();
            assert!(!overtaken, "{id} was granted before {waiting:?}");
        }
    }

    /// Whether this agent could begin this task now.
    fn is_free(&self, task: TaskId, agent: &AgentName) -> bool {
        let Some(task) = self.state.queue.get(task) else { return false };
        task.state.status == TaskStatus::Pending && !self.model.keeps(agent, &covered(&task.spec.touches))
    }

    /// What must hold after each step.
    fn check(&self) {
        let locks: Vec<_> = self
            .state
            .locks
            .all()
            .map(|lock| (lock.id, lock.terms.holder.clone(), lock.expires_at.as_millis(), lock.orphaned))
            .collect();
        let expected: Vec<_> = self
            .model
            .held
            .iter()
            .map(|held| (held.id, holder(&held.claim), held.ends, held.orphaned))
            .collect();
        assert_eq!(locks, expected, "other locks than expected are in force");
        let line: Vec<_> = self
            .state
            .locks
            .waiting()
            .map(|waiting| (waiting.waiter, waiting.terms.holder.clone(), waiting.until.as_millis()))
            .collect();
        let expected: Vec<_> =
            self.model.line.iter().map(|waits| (waits.waiter, holder(&waits.claim), waits.until)).collect();
        assert_eq!(line, expected, "others wait than expected");
        assert!(!self.model.waits_for_itself(), "somebody waits for itself");

        for (i, one) in self.state.locks.all().enumerate() {
            for other in self.state.locks.all().skip(i + 1) {
                let alike = one.terms.holder.is_same(&other.terms.holder);
                let shared = one.terms.mode == LockMode::Shared && other.terms.mode == LockMode::Shared;
                let apart = covered(&one.terms.patterns).is_disjoint(&covered(&other.terms.patterns));
                assert!(alike || shared || apart, "{one:?} and {other:?} are both in force");
            }
        }
        let stored: Vec<_> = self.stored.locks.values().cloned().collect();
        let told: Vec<_> = self
            .state
            .locks
            .all()
            .map(|lock| Lock { expires_at: self.stored.locks[&lock.id].expires_at, ..lock.clone() })
            .collect();
        assert_eq!(stored, told, "the rows do not tell the locks");
        assert_eq!(self.stored.last_lock, self.state.last_lock.0);

        let waiting = &self.state.queue.waiting;
        for claim in waiting.find(|_| true).into_iter().filter_map(|place| waiting.get(place)) {
            let mut wanted = match claim.request.want {
                Want::Next(_) => (1..=TASKS).map(TaskId).collect(),
                Want::Task(id) => vec![id],
            };
            wanted.retain(|id| self.is_free(*id, &claim.agent));
            assert!(wanted.is_empty(), "{} waits, and {wanted:?} is free", claim.agent);
        }
        let due = [
            self.model.held.iter().map(|held| held.ends).min(),
            self.model.line.iter().map(|w| w.until).min(),
        ];
        for due in due.into_iter().flatten() {
            assert!(
                self.state.next_due().is_some_and(|at| at.as_millis() <= due),
                "nobody would wake at {due}"
            );
        }
    }

    /// Whether a claim that was just answered was answered as it should be.
    fn check_claim(&self, agent: &AgentName, want: Want, tick: &State, reply: &Reply) {
        let free = |id: TaskId| {
            let task = tick.queue.get(id).unwrap();
            let pending = task.state.status == TaskStatus::Pending;
            pending && !self.model.keeps(agent, &covered(&task.spec.touches))
        };
        let expected = match want {
            Want::Next(_) => (1..=TASKS).any(|id| free(TaskId(id))),
            Want::Task(id) => free(id),
        };
        let granted = match reply {
            Reply::Task(TaskReply::Claimed(claimed)) => !claimed.grants.is_empty(),
            Reply::Refused(_) => false,
            reply => panic!("{reply:?}"),
        };
        assert_eq!(granted, expected, "{agent} claims {want:?}: {reply:?}");
    }
}

fn leases_of(state: &State, agent: &AgentName) -> Vec<Hold> {
    state.queue.running.held_by(agent).iter().filter_map(|id| state.queue.hold_on(*id)).collect()
}

fn leases(state: &State) -> Vec<Hold> {
    state.queue.tasks().filter_map(|task| state.queue.hold_on(task.id)).collect()
}

/// The lease that this says was lost.
fn lost(kind: &EventKind) -> Option<Hold> {
    let EventKind::Task(AboutTask { task, event: TaskEvent::Lost { fence, .. } }) = kind else { return None };
    Some(Hold { task: *task, fence: *fence })
}

/// The fence that is the highest from then on.
fn raises(kind: &EventKind) -> Option<Fence> {
    let (EventKind::Task(AboutTask { event: TaskEvent::Claimed { fence, .. }, .. })
    | EventKind::Lock(AboutLock { event: LockEvent::Taken { fence, .. }, .. })
    | EventKind::Lock(AboutLock { event: LockEvent::Broken { raised_to: fence, .. }, .. })) = kind
    else {
        return None;
    };
    Some(*fence)
}

fn holder(claim: &Claim) -> Holder {
    Holder { agent: claim.agent.clone(), task: claim.task }
}

fn step_at(
    state: &mut State,
    waiter: Waiter,
    caller: Caller,
    now: Timestamp,
    command: Command,
    keyed: Option<Keyed>,
) -> Step {
    step(state, Envelope { waiter, caller, now, seed: 0, command, keyed }, &mut HostOrder)
}

proptest! {
    #[test]
    fn every_history_is_as_the_model_says(history in prop::collection::vec(anything(), 0..80)) {
        let mut world = World::new();
        for what in history {
            world.happen(&what);
        }
    }
}
