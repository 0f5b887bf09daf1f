//! Random histories of tasks, step by step against the model and against a store that knows only rows.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::model::{Model, WaitingAgent};
use super::store_double::Kept;
use super::{name, new_state, profiles, take};
use crate::*;

/// Agents 0 to 2 are workers, of whom 1 and 2 can do more; 3 coordinates, 4 only watches.
const AGENTS: u8 = 5;
pub(super) const TTL: u64 = 10_000;
pub(super) const MAX_LEASE: u64 = 40_000;

#[derive(Debug, Clone)]
pub(super) enum Op {
    Create { by: u8, tasks: Vec<Wish> },
    Claim { by: u8, count: u32, wait: Option<u64> },
    ClaimThis { by: u8, task: usize },
    Renew(Showing),
    Progress(Showing),
    Complete(Showing),
    Fail(Showing, Again),
    Release(Showing),
    Ask(Showing),
    Answer { by: u8, task: usize },
    Cancel { by: u8, task: usize },
    Retry { by: u8, task: usize },
    Check { task: usize, passed: bool },
    Reprioritise { by: u8, task: usize, priority: i64 },
    Pause(bool),
    Limit { label: Option<u32>, agent: Option<u32> },
    Pass(u64),
    Restart,
    HangUp(usize),
    Repeat,
}

/// A task that somebody wants.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) parent: Option<usize>,
    pub(super) priority: i64,
    pub(super) labelled: bool,
    pub(super) skilled: bool,
    pub(super) assigned: Option<u8>,
    pub(super) touches: Option<u8>,
    pub(super) attempts: u32,
    pub(super) verified: bool,
    pub(super) on_failure: OnParentFailure,
    pub(super) not_before: Option<u64>,
    pub(super) deadline: Option<u64>,
    pub(super) key: Option<u8>,
}

/// A proof of holding a task: one that was given, seen from the last, and who shows it.
#[derive(Debug, Clone)]
pub(super) struct Showing {
    pub(super) back: usize,
    pub(super) by_another: Option<u8>,
    pub(super) wrong_fence: bool,
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let policy =
        prop::sample::select(vec![OnParentFailure::Cancel, OnParentFailure::Run, OnParentFailure::Ignore]);
    let first = (
        prop::option::weighted(0.3, 0..40usize),
        -3i64..4,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.15, 0..4u8),
        prop::option::weighted(0.3, 0..3u8),
    );
    let second = (
        1..4u32,
        prop::bool::weighted(0.2),
        policy,
        prop::option::weighted(0.1, 1..20_000u64),
        prop::option::weighted(0.1, 0..60_000u64),
        prop::option::weighted(0.1, 0..4u8),
    );
    (first, second).prop_map(|((parent, priority, labelled, skilled, assigned, touches), second)| {
        let (attempts, verified, on_failure, not_before, deadline, key) = second;
        Wish {
            parent,
            priority,
            labelled,
            skilled,
            assigned,
            touches,
            attempts,
            verified,
            on_failure,
            not_before,
            deadline,
            key,
        }
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    let by = || 0..AGENTS;
    let task = || 0..40usize;
    let showing = || {
        (0..6usize, prop::option::weighted(0.05, by()), prop::bool::weighted(0.05))
            .prop_map(|(back, by_another, wrong_fence)| Showing { back, by_another, wrong_fence })
    };
    let again = prop::sample::select(vec![Again::IfAttemptsAreLeft, Again::Never]);
    prop_oneof![
        6 => (by(), prop::collection::vec(any_wish(), 1..3)).prop_map(|(by, tasks)| Op::Create { by, tasks }),
        12 => (by(), 1..3u32, prop::option::weighted(0.3, 0..20_000u64))
            .prop_map(|(by, count, wait)| Op::Claim { by, count, wait }),
        4 => (by(), task()).prop_map(|(by, task)| Op::ClaimThis { by, task }),
        2 => showing().prop_map(Op::Renew),
        2 => showing().prop_map(Op::Progress),
        6 => showing().prop_map(Op::Complete),
        4 => (showing(), again).prop_map(|(showing, again)| Op::Fail(showing, again)),
        2 => showing().prop_map(Op::Release),
        2 => showing().prop_map(Op::Ask),
        3 => (by(), task()).prop_map(|(by, task)| Op::Answer { by, task }),
        2 => (by(), task()).prop_map(|(by, task)| Op::Cancel { by, task }),
        2 => (by(), task()).prop_map(|(by, task)| Op::Retry { by, task }),
        4 => (task(), any::<bool>()).prop_map(|(task, passed)| Op::Check { task, passed }),
        1 => (by(), task(), -3i64..4).prop_map(|(by, task, priority)| Op::Reprioritise { by, task, priority }),
        1 => prop::bool::weighted(0.3).prop_map(Op::Pause),
        1 => (prop::option::of(0..3u32), prop::option::of(1..4u32)).prop_map(|(label, agent)| Op::Limit { label, agent }),
        6 => prop_oneof![4 => 0..2_000u64, 1 => 0..30_000u64].prop_map(Op::Pass),
        1 => Just(Op::Restart),
        1 => (0..4usize).prop_map(Op::HangUp),
        2 => Just(Op::Repeat),
    ]
}

/// How often each kind of command was done and refused, over all histories.
static COUNTS: Mutex<BTreeMap<String, (u64, u64)>> = Mutex::new(BTreeMap::new());

/// The rules under test, the model, and what both were told.
pub(super) struct Bench {
    pub(super) state: State,
    pub(super) kept: Kept,
    pub(super) model: Model,
    /// Every grant, in order, and who got it.
    pub(super) grants: Vec<(AgentName, Hold)>,
    pub(super) keys: BTreeMap<u8, TaskId>,
    /// The last request with a key, and its answer.
    pub(super) last: Option<(Envelope, Reply)>,
    /// How each incarnation of a task ended.
    pub(super) ends: BTreeMap<(TaskId, u32), TaskStatus>,
    pub(super) waiter: u64,
}

pub(super) type Replies = BTreeMap<Waiter, Reply>;

impl Bench {
    fn new() -> Self {
        let (mut state, mut kept, mut model) = (new_state(), Kept::default(), Model::default());
        for n in 0..AGENTS {
            let role =
                [Role::Worker, Role::Worker, Role::Worker, Role::Coordinator, Role::Observer][usize::from(n)];
            let capabilities: Vec<Capability> = if n == 0 { vec![] } else { vec!["api".parse().unwrap()] };
            model.capabilities.insert(name(n), capabilities.clone());
            let token = TokenHash([n; 32]);
            let new = NewAgent { name: name(n), role, profile: "full".parse().unwrap(), capabilities, token };
            kept.apply(&take(&mut state, Caller::Operator, 0, Command::AddAgent(new)));
        }
        let (grants, keys, ends) = (vec![], BTreeMap::new(), BTreeMap::new());
        Self { state, kept, model, grants, keys, last: None, ends, waiter: 100 }
    }

    pub(super) fn task(&self, index: usize) -> Option<TaskId> {
        let count = self.model.tasks.len();
        (count > 0).then(|| TaskId((index % count) as u64 + 1))
    }

    pub(super) fn shown(&self, showing: &Showing) -> Option<(AgentName, Hold)> {
        let (holder, hold) = self.grants.iter().rev().nth(showing.back)?.clone();
        let fence = if showing.wrong_fence { Fence(hold.fence.0 + 1) } else { hold.fence };
        Some((showing.by_another.map_or(holder, name), Hold { fence, ..hold }))
    }

    pub(super) fn ask(&mut self, by: AgentName, command: Command) -> (Reply, Replies) {
        self.waiter += 1;
        let keyed = Keyed { key: format!("k{}", self.waiter).parse().unwrap(), hash: self.waiter };
        let (own, others) = self.send(Caller::Agent(by), command, Some(keyed));
        (own.unwrap_or(Reply::Done), others)
    }

    /// Steps a command, after whatever is due in the model too. Its reply, if it came at once, and those of others.
    pub(super) fn send(
        &mut self,
        caller: Caller,
        command: Command,
        keyed: Option<Keyed>,
    ) -> (Option<Reply>, Replies) {
        let now = Timestamp::from_millis(self.model.now);
        let waiter = if keyed.is_some() { Waiter(self.waiter) } else { Waiter(0) };
        let envelope = Envelope { waiter, caller, now, seed: 0, command, keyed };
        let mut ticked = self.state.clone();
        take(&mut ticked, Caller::Server, self.model.now, Command::Tick);
        let step = step(&mut self.state, envelope.clone(), &mut HostOrder);
        self.kept.apply(&step);
        self.note_ends(&step);
        let mut replies: Replies = step.replies.into_iter().collect();
        let own = replies.remove(&waiter);
        if matches!(own, Some(Reply::Refused(_))) {
            assert_eq!(self.state, ticked, "a refusal of {:?} changed the state", envelope.command);
        }
        count(&envelope.command, own.as_ref());
        if let (Some(reply), Some(_)) = (&own, &envelope.keyed)
            && !matches!(reply, Reply::Refused(_))
        {
            self.last = Some((envelope, reply.clone()));
        }
        self.model.pass(self.model.now);
        let due = |waiting: &WaitingAgent| waiting.until <= self.model.now;
        let (mut over, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.model.waiting).into_iter().partition(due);
        over.sort_by_key(|waiting| waiting.until);
        self.model.waiting = waiting;
        for WaitingAgent { waiter, agent, .. } in over {
            let reply = replies.remove(&waiter).expect("who waited long enough is answered");
            self.granted(&agent, 1, &reply);
        }
        (own, replies)
    }

    fn note_ends(&mut self, step: &Step) {
        for event in &step.events {
            let EventKind::Task(AboutTask { task, event }) = &event.kind else { continue };
            let ended = match event {
                TaskEvent::Completed { .. } => TaskStatus::Completed,
                TaskEvent::Cancelled { .. } => TaskStatus::Cancelled,
                TaskEvent::Failed { again_at_ms: None, .. } => TaskStatus::Failed,
                _ => continue,
            };
            let incarnation = self.kept.tasks[task].state.incarnation;
            let before = self.ends.insert((*task, incarnation), ended);
            let failed_when_asked_to_stop =
                before == Some(TaskStatus::Failed) && ended == TaskStatus::Cancelled;
            assert!(
                before.is_none() || failed_when_asked_to_stop,
                "{task} ended as {before:?}, then as {ended}"
            );
        }
    }

    /// Checks what an agent was given, one after another, and that it was not given less.
    pub(super) fn granted(&mut self, agent: &AgentName, want: u32, reply: &Reply) {
        let Reply::Task(TaskReply::Claimed(claimed)) = reply else { panic!("{agent} claimed: {reply:?}") };
        for grant in &claimed.grants {
            let fitting = self.model.next_for(agent);
            let kind = |id: &TaskId| {
                let spec = &self.model.tasks[id].spec;
                (spec.assigned_to.clone(), spec.capabilities.clone(), spec.labels.clone())
            };
            let oldest = fitting.iter().filter(|id| kind(id) == kind(&grant.task)).min();
            let may = fitting.first() == Some(&grant.task) || oldest == Some(&grant.task);
            assert!(may, "{agent} was given {} of {fitting:?}", grant.task);
            self.grant(agent, grant);
        }
        let given = claimed.grants.len();
        assert!(
            given == want as usize || self.model.next_for(agent).is_empty(),
            "{agent} was given only {given}"
        );
        assert_eq!(claimed.grants.is_empty(), claimed.nothing.is_some(), "{claimed:?}");
    }

    pub(super) fn grant(&mut self, agent: &AgentName, grant: &Grant) {
        let highest = self.grants.iter().map(|(_, hold)| hold.fence).max();
        assert!(Some(grant.fence) > highest, "fence {} was given after {highest:?}", grant.fence);
        self.model.grant(grant.task, agent, grant.fence, TTL, MAX_LEASE);
        self.grants.push((agent.clone(), grant.hold()));
    }

    /// Those who wait get what they can, in the order they came.
    pub(super) fn serve(&mut self, mut replies: Replies) {
        self.model.pass(self.model.now);
        for WaitingAgent { waiter, agent, until } in std::mem::take(&mut self.model.waiting) {
            match replies.remove(&waiter) {
                Some(reply) => self.granted(&agent, 1, &reply),
                None => {
                    let fitting = self.model.next_for(&agent);
                    assert!(fitting.is_empty(), "{agent} waits, and could have {fitting:?}");
                    self.model.waiting.push(WaitingAgent { waiter, agent, until });
                }
            }
        }
        assert!(replies.is_empty(), "nobody asked for {replies:?}");
    }

    /// Every task stands where the model says, and another process would know the same.
    fn compare(&self) {
        for (id, expected) in &self.model.tasks {
            let live = self.state.queue.get(*id);
            let status = live.map(|task| task.state.status).or_else(|| self.state.queue.fate(*id));
            let parents: Vec<_> = expected
                .spec
                .depends_on
                .iter()
                .map(|parent| (parent, self.model.tasks[parent].status))
                .collect();
            assert_eq!(status, Some(expected.status), "{id}, which depends on {parents:?}");
            let Some(task) = live else { continue };
            let lease = task
                .state
                .lease
                .as_ref()
                .map(|lease| (&lease.holder, lease.fence, lease.expires_at.as_millis()));
            let expected_lease =
                expected.lease.as_ref().map(|lease| (&lease.holder, lease.fence, lease.expires));
            assert_eq!(lease, expected_lease, "{id}");
            let counted = (
                task.state.attempt,
                task.state.lost_count,
                task.state.incarnation,
                task.state.cancel_requested,
            );
            assert_eq!(
                counted,
                (expected.attempt, expected.lost, expected.incarnation, expected.cancel),
                "{id}"
            );
        }
        assert_eq!(self.kept.tasks.len(), self.model.tasks.len());
        let rebuilt = self.kept.rebuild(Timestamp::from_millis(self.model.now), &profiles());
        let plain = |state: &State| {
            let tasks: Vec<Task> = state.queue.tasks().cloned().map(stored_part).collect();
            (tasks, state.queue.rules.clone(), state.queue.keys.clone(), state.last_task, state.last_event)
        };
        assert_eq!(plain(&rebuilt), plain(&self.state), "the rows do not tell the state");
        assert!(rebuilt.last_fence >= self.state.last_fence, "a fence would be given twice");
    }
}

/// Without what is not stored: the times of leases, which renewals change, and ranks.
fn stored_part(mut task: Task) -> Task {
    if let Some(lease) = &mut task.state.lease {
        (lease.expires_at, lease.hard_end) = (Timestamp::default(), Timestamp::default());
        lease.progressed_at = Timestamp::default();
    }
    task.state.updated_at = Timestamp::default();
    // Only what is ready has a place in the order.
    if task.state.status != TaskStatus::Pending {
        task.rank = Rank::default();
    }
    task
}

fn count(command: &Command, reply: Option<&Reply>) {
    let text = format!("{command:?}");
    let kind = text.trim_start_matches("Task(").trim_start_matches("Queue(");
    let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    let mut counts = COUNTS.lock().unwrap();
    let (done, refused) = counts.entry(kind).or_default();
    *(if matches!(reply, Some(Reply::Refused(_))) { refused } else { done }) += 1;
}

/// What only the server and the operator ask.
const NEVER_REFUSED: [&str; 6] = ["Checked", "Leave", "Pause", "Resume", "SetLimits", "Tick"];
/// Histories, and operations in each: over 100,000 in all.
const HISTORIES: u32 = 700;
const LENGTH: usize = 180;

#[test]
fn every_history_is_as_the_model_says() {
    let config = ProptestConfig { cases: HISTORIES, failure_persistence: None, ..ProptestConfig::default() };
    let histories = prop::collection::vec(any_op(), LENGTH);
    let result = TestRunner::new(config).run(&histories, |history| {
        let mut bench = Bench::new();
        for op in &history {
            bench.run(op);
            bench.compare();
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));

    let counts = COUNTS.lock().unwrap();
    println!("{:<12} {:>8} {:>8}", "command", "done", "refused");
    for (kind, (done, refused)) in &*counts {
        println!("{kind:<12} {done:>8} {refused:>8}");
        assert!(
            *done > 0 && (*refused > 0 || NEVER_REFUSED.contains(&kind.as_str())),
            "{kind} was not tested"
        );
    }
}
