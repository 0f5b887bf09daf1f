//! What happened, step by step, with the question at each claim: which task would this policy have given?

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use longhouse_core::{
    Again, Agent, AgentName, Caller, Chosen, ClaimRequest, Decide, Failure, Hold, QueueRules, Reply,
    TaskCommand, TaskId, TaskReply, Timestamp, Want, next_for,
};
use serde::{Deserialize, Serialize};

use crate::world::World;
use crate::{Deciding, PastEvent, PastTask, What};

/// How many differences are kept, the latest.
const KEPT: usize = 20;

/// How long a lease is: it ends when it is told.
const LEASE_MS: u64 = 24 * 3_600 * 1_000;

/// How often a policy would have given the task that was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Agreement {
    /// Claims at which it was asked.
    pub claims: u64,
    /// At so many of them it would have given another task, or none.
    pub differ: u64,
    /// Claims that cannot be made again: of a task that came from elsewhere, or out of turn.
    pub skipped: u64,
    /// The latest differences, in order.
    pub latest: VecDeque<Difference>,
}

/// A claim at which it would have given another task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// When.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Who asked.
    pub agent: AgentName,
    /// What was given.
    pub given: TaskId,
    /// What it would have given, if anything.
    pub instead: Option<TaskId>,
    /// Why, if it said so.
    pub reason: Option<Arc<str>>,
}

/// Follows what happens.
pub struct Retrace<'a> {
    world: World<'a>,
    holds: HashMap<TaskId, (AgentName, Hold)>,
    agreement: Agreement,
}

impl<'a> Retrace<'a> {
    /// Before anything happened.
    pub fn new(
        rules: &QueueRules,
        agents: Vec<Agent>,
        deciding: &Deciding,
        decide: &'a mut dyn Decide,
    ) -> Self {
        let (holds, agreement) = Default::default();
        Self { world: World::new(rules, agents, deciding, decide).told(), holds, agreement }
    }

    /// How often they agreed until now.
    pub const fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// A task comes.
    pub fn add(&mut self, task: &PastTask, now: Timestamp) {
        self.world.add(task, now);
    }

    /// Somebody has this task already.
    pub fn is_held(&mut self, theirs: TaskId, agent: &AgentName, now: Timestamp) {
        if let Some(task) = self.world.ours(theirs)
            && let Some(hold) = self.give(agent, task, now)
        {
            self.holds.insert(theirs, (agent.clone(), hold));
        }
    }

    /// Something happens to a task.
    pub fn follow(&mut self, event: &PastEvent) {
        let (now, theirs) = (event.at, event.task);
        let Some(task) = self.world.ours(theirs) else {
            self.agreement.skipped += u64::from(matches!(event.what, What::Claimed { .. }));
            return;
        };
        let nothing: Arc<str> = "".into();
        match &event.what {
            What::Claimed { agent, waited_ms: _ } => self.claim(agent, (theirs, task), now),
            What::Completed => self.end(theirs, now, |hold| {
                TaskCommand::Complete(longhouse_core::Completion {
                    hold,
                    result: Arc::clone(&nothing),
                    next: None,
                })
            }),
            What::Failed { was_last } => {
                let again = if *was_last { Again::Never } else { Again::IfAttemptsAreLeft };
                self.end(theirs, now, |hold| {
                    TaskCommand::Fail(Failure { hold, reason: Arc::clone(&nothing), again })
                });
            }
            What::GivenBack => {
                self.end(theirs, now, |hold| TaskCommand::Release(hold, Arc::clone(&nothing)));
            }
            What::Asked => self.end(theirs, now, |hold| TaskCommand::Ask(hold, Arc::clone(&nothing))),
            What::Answered => {
                self.world.ask(now, Caller::Operator, TaskCommand::Answer(task, nothing));
            }
            What::Cancelled => {
                self.world.ask(now, Caller::Operator, TaskCommand::Cancel(task, Arc::clone(&nothing)));
                // Whoever has it gives it back then.
                self.end(theirs, now, |hold| TaskCommand::Release(hold, nothing));
            }
        }
    }

    fn claim(&mut self, agent: &AgentName, (theirs, task): (TaskId, TaskId), now: Timestamp) {
        let seed = self.world.chance();
        let would = next_for(&mut self.world.state, agent, now, seed, self.world.decide);
        let Some(hold) = self.give(agent, task, now) else {
            self.agreement.skipped += 1;
            return;
        };
        self.holds.insert(theirs, (agent.clone(), hold));
        self.agreement.claims += 1;
        let (instead, reason) = match would {
            Some((instead, _)) if instead == task => return,
            Some((instead, Chosen::Picked(reason))) => (self.world.theirs(instead), Some(reason)),
            Some((instead, Chosen::Named | Chosen::First | Chosen::Oldest)) => {
                (self.world.theirs(instead), None)
            }
            None => (None, None),
        };
        self.agreement.differ += 1;
        if self.agreement.latest.len() >= KEPT {
            self.agreement.latest.pop_front();
        }
        let agent = agent.clone();
        self.agreement.latest.push_back(Difference { at: now, agent, given: theirs, instead, reason });
    }

    /// Gives an agent this task, if that is possible here.
    fn give(&mut self, agent: &AgentName, task: TaskId, now: Timestamp) -> Option<Hold> {
        let request = ClaimRequest {
            want: Want::Task(task),
            ttl_ms: LEASE_MS,
            max_lease_ms: LEASE_MS,
            session: None,
            wait_until: None,
        };
        let step = self.world.ask(now, Caller::Agent(agent.clone()), TaskCommand::Claim(request));
        let grant = step.replies.into_iter().find_map(|(_, reply)| {
            let Reply::Task(TaskReply::Claimed(claimed)) = reply else { return None };
            claimed.grants.into_iter().next()
        });
        grant.map(|grant| grant.hold())
    }

    /// Ends a lease, if there is one.
    fn end(&mut self, theirs: TaskId, now: Timestamp, how: impl FnOnce(Hold) -> TaskCommand) {
        if let Some((agent, hold)) = self.holds.remove(&theirs) {
            self.world.ask(now, Caller::Agent(agent), how(hold));
        }
    }
}
