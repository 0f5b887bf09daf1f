//! Agents that come, go, spend and wait.

mod history;
mod promises;
mod stored;

use std::collections::BTreeMap;

pub(in super::super) use stored::CrewStore;

use crate::*;

/// A project with a coordinator `ada`, and workers `wes`, `wyn` and `wim`.
struct World {
    state: State,
    now: u64,
    waiter: u64,
    stored: Stored,
}

/// What a store keeps of each step.
#[derive(Default)]
struct Stored {
    agents: BTreeMap<AgentName, Agent>,
    tasks: BTreeMap<TaskId, Task>,
    locks: BTreeMap<LockId, Lock>,
    rules: QueueRules,
    crew: CrewStore,
    last_event: u64,
    last_lock: u64,
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
            Row::Lock(LockRow::Delete(id)) => drop(self.locks.remove(&id)),
            Row::SetFenceLimit(limit) => self.fence_limit = limit.0,
            Row::SetQueueRules(rules) => self.rules = *rules,
            Row::Crew(row) => self.crew.apply(row),
            Row::PutToken(_)
            | Row::DeleteToken(_)
            | Row::PutRun(_)
            | Row::Task(_)
            | Row::Talk(_)
            | Row::Commit(_)
            | Row::KeepReply(_)
            | Row::ForgetReplies(..)
            | Row::ForgetAllReplies(_)
            | Row::SetPolicies(_)
            | Row::SetDelivered(..)
            | Row::Audit(..) => {}
        }
    }

    fn rebuild(&self, now: u64) -> State {
        let (ended, live): (Vec<&Task>, Vec<&Task>) =
            self.tasks.values().partition(|task| task.state.status.is_terminal());
        State::rebuild(Seed {
            boot: Some(BootNumber(1)),
            profiles: profiles(),
            agents: self.agents.values().cloned().collect(),
            tasks: live.into_iter().cloned().collect(),
            ended: ended.iter().map(|task| Stands { id: task.id, status: task.state.status }).collect(),
            locks: self.locks.values().cloned().collect(),
            queue_rules: self.rules.clone(),
            crew: self.crew.seed(),
            last_event: self.last_event,
            last_lock: self.last_lock,
            fence_limit: self.fence_limit,
            now: Timestamp::from_millis(now),
            ..Seed::default()
        })
    }
}

fn profiles() -> Profiles {
    let commands = CommandRules { allow: vec!["*".to_owned()] };
    let limits = Limits { runs: 10, ..Limits::default() };
    [("full".parse().unwrap(), Profile { commands, limits, ..Profile::default() })].into()
}

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

impl World {
    fn new() -> Self {
        let stored = Stored::default();
        let mut world = Self { state: stored.rebuild(0), now: 1_000_000_000, waiter: 0, stored };
        for (n, (agent, role)) in (0..).zip([
            ("ada", Role::Coordinator),
            ("wes", Role::Worker),
            ("wyn", Role::Worker),
            ("wim", Role::Worker),
        ]) {
            let (name, profile) = (name(agent), "full".parse().unwrap());
            let new = NewAgent { name, role, profile, capabilities: vec![], token: TokenHash([n; 32]) };
            world.take(Caller::Operator, Command::AddAgent(new));
        }
        world
    }

    /// Takes a step, and checks that the rows tell the state.
    fn take(&mut self, caller: Caller, command: Command) -> Step {
        self.waiter += 1;
        let (waiter, now) = (Waiter(self.waiter), Timestamp::from_millis(self.now));
        let envelope = Envelope { waiter, caller, now, seed: 0, command, keyed: None };
        let step = step(&mut self.state, envelope, &mut HostOrder);
        self.stored.last_event += step.events.len() as u64;
        step.rows.iter().cloned().for_each(|row| self.stored.apply(row));
        assert_eq!(self.stored.rebuild(self.now).crew.stored(), self.state.crew.stored());
        step
    }

    fn ask(&mut self, agent: &str, command: Command) -> Step {
        self.take(Caller::Agent(name(agent)), command)
    }

    fn tell(&mut self, agent: &str, command: CrewCommand) -> Step {
        self.ask(agent, Command::Crew(command))
    }

    fn touch(&mut self, agent: &str) -> Step {
        self.take(Caller::Server, Command::Touch(name(agent), None))
    }

    fn beat(&mut self, agent: &str, beat: Heartbeat) -> MemberFacts {
        let step = self.tell(agent, CrewCommand::Heartbeat(Box::new(beat)));
        let Reply::Crew(CrewReply::Found(found)) = own_reply(&step, self.waiter) else { panic!("{step:?}") };
        found[0].clone()
    }

    /// Lets time pass, and whatever is due then be decided.
    fn after(&mut self, ms: u64) -> Step {
        self.now += ms;
        self.take(Caller::Server, Command::Tick)
    }

    fn make(&mut self, spec: TaskSpec) -> TaskId {
        let spec = TaskSpec { max_attempts: 3, ..spec };
        let body = TaskBody::new("t", "").unwrap();
        let new = NewTask { body, spec, parents: Vec::new() };
        let step = self.ask("ada", Command::Task(TaskCommand::Create(vec![new])));
        let Reply::Task(TaskReply::Created(created)) = own_reply(&step, self.waiter) else {
            panic!("{step:?}")
        };
        created[0].id
    }

    fn claim(&mut self, agent: &str, ttl_ms: u64) -> Claimed {
        let step = self.claim_for(agent, ttl_ms, 0);
        claimed(own_reply(&step, self.waiter))
    }

    /// A claim that waits for so long.
    fn claim_for(&mut self, agent: &str, ttl_ms: u64, wait_ms: u64) -> Step {
        let wait_until = (wait_ms > 0).then(|| Timestamp::from_millis(self.now + wait_ms));
        let request =
            ClaimRequest { want: Want::Next(1), ttl_ms, max_lease_ms: 3_600_000, session: None, wait_until };
        self.ask(agent, Command::Task(TaskCommand::Claim(request)))
    }

    fn status(&mut self, agent: &str) -> AgentStatus {
        self.facts(agent).status
    }

    fn facts(&mut self, agent: &str) -> MemberFacts {
        let step = self.tell("ada", CrewCommand::Find(Some(name(agent))));
        let Reply::Crew(CrewReply::Found(found)) = own_reply(&step, self.waiter) else { panic!("{step:?}") };
        found[0].clone()
    }

    fn stands(&self, id: TaskId) -> TaskStatus {
        let queue = &self.state.queue;
        queue.get(id).map(|task| task.state.status).or_else(|| queue.fate(id)).unwrap()
    }
}

fn own_reply(step: &Step, waiter: u64) -> &Reply {
    let found = step.replies.iter().find(|(to, _)| to.0 == waiter);
    &found.unwrap_or_else(|| panic!("nothing was answered: {step:?}")).1
}

fn claimed(reply: &Reply) -> Claimed {
    let Reply::Task(TaskReply::Claimed(claimed)) = reply else { panic!("{reply:?}") };
    (**claimed).clone()
}

fn crew_events(step: &Step) -> Vec<(&str, &CrewEvent)> {
    let about = step.events.iter().filter_map(|event| match &event.kind {
        EventKind::Crew(about) => Some((about.name.as_str(), &about.event)),
        _ => None,
    });
    about.collect()
}
