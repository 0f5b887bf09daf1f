//! A queue of its own, with the agents and limits of another.

use std::collections::HashMap;

use longhouse_core::{
    Agent, Caller, Choosing, Command, Decide, Envelope, Group, NewTask, Parent, PolicyCommand, PolicyKind,
    PolicyVersion, QueueLimits, QueueRules, Rank, Reply, Seed, State, Step, Task, TaskBody, TaskCommand,
    TaskId, TaskReply, TaskSpec, Timestamp, Waiter, step,
};

use crate::PastTask;

/// Which policies decide; `None` is the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deciding {
    /// Who gets which task.
    pub scheduler: Option<PolicyVersion>,
    /// Which tasks may go on side by side.
    pub conflict: Option<PolicyVersion>,
}

pub(crate) struct World<'a> {
    pub(crate) state: State,
    pub(crate) decide: &'a mut dyn Decide,
    /// Whether what happens is told, and was possible whatever the policies think of it.
    is_told: bool,
    /// Its own name for each task, and back.
    ids: HashMap<TaskId, TaskId>,
    theirs: HashMap<TaskId, TaskId>,
    steps: u64,
}

/// Whoever waits for an answer to what is answered at once.
const NOBODY: Waiter = Waiter(u64::MAX);

impl<'a> World<'a> {
    pub(crate) fn new(
        rules: &QueueRules,
        agents: Vec<Agent>,
        deciding: &Deciding,
        decide: &'a mut dyn Decide,
    ) -> Self {
        let seed = Seed { agents, queue_rules: lasting(rules), ..Seed::default() };
        let (ids, theirs) = Default::default();
        let mut world = Self { state: State::rebuild(seed), decide, is_told: false, ids, theirs, steps: 0 };
        for (kind, version) in
            [(PolicyKind::Scheduler, &deciding.scheduler), (PolicyKind::Conflict, &deciding.conflict)]
        {
            let command = PolicyCommand::Set { kind, version: version.clone() };
            world.tell(Timestamp::default(), NOBODY, Caller::Operator, Command::Policy(command));
        }
        world
    }

    /// From now on it is told what happened.
    pub(crate) fn told(self) -> Self {
        Self { is_told: true, ..self }
    }

    /// One step. Chance is the same in every world.
    pub(crate) fn tell(&mut self, now: Timestamp, waiter: Waiter, caller: Caller, command: Command) -> Step {
        self.steps += 1;
        let envelope = Envelope { waiter, caller, now, seed: self.chance(), command, keyed: None };
        match self.is_told {
            true => step(&mut self.state, envelope, &mut Told(self.decide)),
            false => step(&mut self.state, envelope, self.decide),
        }
    }

    /// One step about tasks, answered at once.
    pub(crate) fn ask(&mut self, now: Timestamp, caller: Caller, command: TaskCommand) -> Step {
        self.tell(now, NOBODY, caller, Command::Task(command))
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014) of how many steps there were.
    pub(crate) const fn chance(&self) -> u64 {
        let mut z = self.steps.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Makes a task; what it waits for that is not here is done.
    pub(crate) fn add(&mut self, task: &PastTask, now: Timestamp) -> Step {
        let parents = task.spec.depends_on.iter().filter_map(|id| self.ids.get(id).copied());
        let new = NewTask {
            body: TaskBody { title: "".into(), description: "".into() },
            spec: bare(&task.spec, now),
            parents: parents.map(Parent::Existing).collect(),
        };
        let caller = task.creator.clone().map_or(Caller::Operator, Caller::Agent);
        let step = self.ask(now, caller, TaskCommand::Create(vec![new]));
        for (_, reply) in &step.replies {
            if let Reply::Task(TaskReply::Created(created)) = reply {
                for created in created {
                    self.ids.insert(task.id, created.id);
                    self.theirs.insert(created.id, task.id);
                }
            }
        }
        step
    }

    /// Its own name for a task.
    pub(crate) fn ours(&self, id: TaskId) -> Option<TaskId> {
        self.ids.get(&id).copied()
    }

    /// The name that a task has in the trace.
    pub(crate) fn theirs(&self, id: TaskId) -> Option<TaskId> {
        self.theirs.get(&id).copied()
    }
}

/// Has no objections.
struct Told<'a>(&'a mut dyn Decide);

impl Decide for Told<'_> {
    fn offers(&mut self, version: &PolicyVersion) -> bool {
        self.0.offers(version)
    }

    fn choosing(&mut self, by: Option<&PolicyVersion>) -> Choosing {
        self.0.choosing(by)
    }

    fn rank(
        &mut self,
        by: Option<&PolicyVersion>,
        tasks: &[&Task],
        now: Timestamp,
    ) -> Option<Vec<(Rank, Group)>> {
        self.0.rank(by, tasks, now)
    }

    fn may_overlap(&mut self, _: Option<&PolicyVersion>, _: &Task, _: &[&Task]) -> bool {
        true
    }
}

/// What is asked for, without checks, budgets and whatever else has nothing to do with the order.
fn bare(spec: &TaskSpec, now: Timestamp) -> TaskSpec {
    TaskSpec {
        depends_on: Vec::new(),
        verify: None,
        max_attempts: 1_000,
        deadline: spec.deadline.filter(|at| *at > now),
        parent: None,
        key: None,
        checks: None,
        budget: None,
        ..spec.clone()
    }
}

/// Limits of how much may go on at once. What was stopped for a while is not, and nothing is too expensive.
fn lasting(rules: &QueueRules) -> QueueRules {
    let QueueLimits { labels, per_agent, agents, budget: _, budget_per_agent: _, agent_budgets: _ } =
        rules.limits.clone();
    QueueRules {
        limits: QueueLimits { labels, per_agent, agents, ..QueueLimits::default() },
        ..QueueRules::default()
    }
}
