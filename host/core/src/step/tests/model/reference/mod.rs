//! The rules of tasks and leases once more, by looking at everything each time.
//!
//! Nothing here is fast and nothing is indexed: a task is found, and what holds it back, by scanning. Where the rules
//! leave a choice, which task a claim gets, the model follows what it saw and says whether that was allowed.

mod claims;
mod held;
mod steer;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answers::refusal;
use crate::*;

/// A refusal, by its name.
pub(super) type Refused = &'static str;
type Told = Result<Reply, Refused>;

pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) agents: BTreeMap<AgentName, Agent>,
    /// Every task that ever was.
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) rules: QueueRules,
    pub(super) starts: Vec<(Label, Timestamp)>,
    /// In the order of their waiters.
    pub(super) waiting: Vec<Waits>,
    pub(super) answers: Vec<KeptReply>,
    pub(super) top_fence: Fence,
    /// How many tasks were handed out.
    pub(super) granted: u64,
    seed: u64,
    seen: BTreeMap<Waiter, Reply>,
    /// What is to be told in this step.
    told: BTreeMap<Waiter, Told>,
}

#[derive(Debug, Clone)]
pub(super) struct Waits {
    /// Who came first with it: whoever asks again waits in the same place.
    pub(super) place: Waiter,
    pub(super) waiter: Waiter,
    pub(super) agent: AgentName,
    pub(super) request: ClaimRequest,
    ended: Option<Stands>,
    keyed: Option<Keyed>,
}

impl Model {
    pub(super) fn new(now: Timestamp, agents: Vec<Agent>) -> Self {
        Self {
            now,
            agents: agents.into_iter().map(|agent| (agent.name.clone(), agent)).collect(),
            tasks: BTreeMap::new(),
            rules: QueueRules::default(),
            starts: Vec::new(),
            waiting: Vec::new(),
            answers: Vec::new(),
            top_fence: Fence(0),
            granted: 0,
            seed: 0,
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Does what is asked, and says whether `replies` are those that had to come.
    pub(super) fn step(&mut self, envelope: &Envelope, replies: &[(Waiter, Reply)]) {
        self.now = envelope.now;
        self.seed = envelope.seed;
        self.seen = replies.iter().cloned().collect();
        self.told.clear();
        assert_eq!(self.seen.len(), replies.len(), "somebody was answered twice: {replies:?}");

        if envelope.command == Command::Forgive && not_an_agent(&envelope.caller).is_ok() {
            self.begin_leases_anew();
        }
        self.let_time_pass();
        self.ask(envelope);
        self.let_time_pass();
        self.serve_waiting();

        for (waiter, told) in std::mem::take(&mut self.told) {
            let seen = self.seen.remove(&waiter);
            match (&told, &seen) {
                (Ok(expected), Some(reply)) => assert_eq!(reply, expected, "another reply was due"),
                (Err(expected), Some(Reply::Refused(why))) => {
                    assert_eq!(refusal(why), *expected, "another refusal was due");
                }
                (Err(_), Some(_)) | (_, None) => panic!("{told:?} was due to {waiter:?}, and came {seen:?}"),
            }
        }
        assert!(self.seen.is_empty(), "nobody waited for {:?}", self.seen);
    }

    /// The server starts again: what was waited for is forgotten, and no lease is late.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.now = now;
        self.waiting.clear();
        self.starts.clear();
        self.begin_leases_anew();
    }

    fn ask(&mut self, envelope: &Envelope) {
        let Envelope { waiter, caller, command, keyed, .. } = envelope;
        let key = match caller {
            Caller::Agent(name) => keyed.clone().map(|keyed| (name.clone(), keyed)),
            Caller::Operator | Caller::Server => None,
        };
        if let Some((agent, keyed)) = &key
            && self.was_asked_before(*waiter, agent, keyed)
        {
            return;
        }
        let answer = self.command(*waiter, caller, command, keyed.clone());
        if let (Some(Ok(reply)), Some((agent, keyed))) = (&answer, key) {
            self.keep(agent, keyed, reply.clone());
        }
        self.told.extend(answer.map(|told| (*waiter, told)));
    }

    fn was_asked_before(&mut self, waiter: Waiter, agent: &AgentName, keyed: &Keyed) -> bool {
        let same_key = |other: &Option<Keyed>| other.as_ref().is_some_and(|other| other.key == keyed.key);
        if let Some(at) =
            self.waiting.iter().position(|waits| waits.agent == *agent && same_key(&waits.keyed))
        {
            if self.waiting[at].keyed.as_ref() == Some(keyed) {
                let before = std::mem::replace(&mut self.waiting[at].waiter, waiter);
                self.told.insert(before, Err("superseded"));
            } else {
                self.told.insert(waiter, Err("key_reused"));
            }
            return true;
        }
        let day_ago = self.now.as_millis().saturating_sub(24 * 3_600_000);
        let kept = self.answers.iter().rev().find(|kept| {
            kept.agent == *agent && kept.keyed.key == keyed.key && kept.at.as_millis() > day_ago
        });
        let Some(kept) = kept else { return false };
        let told = if kept.keyed == *keyed { Ok(Reply::clone(&kept.reply)) } else { Err("key_reused") };
        self.told.insert(waiter, told);
        true
    }

    fn keep(&mut self, agent: AgentName, keyed: Keyed, reply: Reply) {
        if self.agents.contains_key(&agent) {
            self.answers.push(KeptReply { agent, keyed, reply: Arc::new(reply), at: self.now });
        }
    }

    /// `None` if the answer is to come later.
    fn command(
        &mut self,
        waiter: Waiter,
        caller: &Caller,
        command: &Command,
        keyed: Option<Keyed>,
    ) -> Option<Told> {
        Some(match command {
            Command::Task(TaskCommand::Claim(request)) => {
                return self.claim(waiter, caller, request, None, keyed).transpose();
            }
            Command::Task(TaskCommand::Complete(completion)) => {
                return self.complete(waiter, caller, completion, keyed).transpose();
            }
            Command::Task(command) => self.task(caller, command),
            Command::Queue(command) => self.queue(caller, command),
            Command::AddAgent(new) => self.add_agent(caller, new),
            Command::RemoveAgent(name) => self.remove_agent(caller, name),
            Command::Touch(agent, session) => self.touch(caller, agent, session.as_ref()),
            Command::Leave(waiter) => not_an_agent(caller).map(|()| {
                self.waiting.retain(|waits| waits.waiter != *waiter);
                Reply::Done
            }),
            Command::Talk(command) => panic!("nobody talks here: {command:?}"),
            Command::Crew(command) => panic!("nobody tells how it is here: {command:?}"),
            Command::Tick | Command::Forgive => not_an_agent(caller).map(|()| Reply::Done),
            Command::MintToken { .. }
            | Command::SetProfiles(_)
            | Command::StartRun(_)
            | Command::BecomeJob(_)
            | Command::EndRun(_)
            | Command::KillRun(_)
            | Command::FindRun(_)
            | Command::Lock(_)
            | Command::Delivered(..)
            | Command::Audit(_)
            | Command::Policy(_)
            | Command::Commit(_) => {
                panic!("no history here has runs, locks, policies or commits: {command:?}")
            }
        })
    }

    fn task(&mut self, caller: &Caller, command: &TaskCommand) -> Told {
        match command {
            TaskCommand::Create(new) => self.create(caller, new),
            TaskCommand::Renew(hold) => self.renew(caller, *hold, None),
            TaskCommand::Progress(hold, progress) => self.renew(caller, *hold, Some(progress)),
            TaskCommand::Fail(failure) => self.fail(caller, failure),
            TaskCommand::Release(hold, _) => self.release(caller, *hold),
            TaskCommand::Ask(hold, _) => self.ask_about(caller, *hold),
            TaskCommand::Answer(id, _) => self.answer(caller, *id),
            TaskCommand::Cancel(id, _) => self.cancel(caller, *id),
            TaskCommand::Retry(stored) => self.retry(caller, &stored.task),
            TaskCommand::Patch(id, patch) => self.patch(caller, *id, patch),
            TaskCommand::Checked(verdict) => not_an_agent(caller).map(|()| {
                self.judge(verdict.hold, verdict.passed);
                Reply::Done
            }),
            TaskCommand::TakeBack(agent, holds) => self.take_back(caller, agent, holds),
            TaskCommand::Find(_) | TaskCommand::Why(_) | TaskCommand::Claim(_) | TaskCommand::Complete(_) => {
                panic!("not asked here: {command:?}")
            }
        }
    }

    fn queue(&mut self, caller: &Caller, command: &QueueCommand) -> Told {
        self.at_least(caller, Role::Coordinator)?;
        match command.clone() {
            QueueCommand::Pause(Scope { label: None }) => self.rules.paused = true,
            QueueCommand::Resume(Scope { label: None }) => self.rules.paused = false,
            QueueCommand::Pause(Scope { label: Some(label) }) => {
                self.rules.paused_labels.insert(label);
            }
            QueueCommand::Resume(Scope { label: Some(label) }) => {
                self.rules.paused_labels.remove(&label);
            }
            QueueCommand::SetLimits(limits) => self.rules.limits = *limits,
            QueueCommand::Find => panic!("not asked here"),
        }
        Ok(Reply::Done)
    }

    fn add_agent(&mut self, caller: &Caller, new: &NewAgent) -> Told {
        self.at_least(caller, Role::Admin)?;
        if self.agents.contains_key(&new.name) {
            return Err("agent_exists");
        }
        let NewAgent { name, role, profile, capabilities, token: _ } = new.clone();
        self.agents.insert(name.clone(), Agent { name, role, profile, capabilities });
        Ok(Reply::Done)
    }

    fn remove_agent(&mut self, caller: &Caller, name: &AgentName) -> Told {
        self.at_least(caller, Role::Admin)?;
        self.agents.remove(name).ok_or("no_such_agent")?;
        self.answers.retain(|kept| kept.agent != *name);
        for id in self.held_by(name) {
            self.give_back(id);
        }
        let (theirs, others) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.agent == *name);
        self.waiting = others;
        let theirs: Vec<Waits> = theirs;
        for waits in theirs {
            let told = if waits.ended.is_some() {
                Ok(claims::claimed(waits.ended, Vec::new(), None))
            } else {
                Err("caller_gone")
            };
            self.told.insert(waits.waiter, told);
        }
        Ok(Reply::Done)
    }

    /// The caller as an agent of at least this role.
    fn agent<'a>(&self, caller: &'a Caller, role: Role) -> Result<&'a AgentName, Refused> {
        let Caller::Agent(name) = caller else { return Err("operator_only") };
        match self.agents.get(name) {
            None => Err("caller_gone"),
            Some(agent) if agent.role < role => Err("role_too_low"),
            Some(_) => Ok(name),
        }
    }

    fn at_least(&self, caller: &Caller, role: Role) -> Result<(), Refused> {
        match caller {
            Caller::Operator | Caller::Server => Ok(()),
            Caller::Agent(_) => self.agent(caller, role).map(|_| ()),
        }
    }
}

fn not_an_agent(caller: &Caller) -> Result<(), Refused> {
    match caller {
        Caller::Operator | Caller::Server => Ok(()),
        Caller::Agent(_) => Err("operator_only"),
    }
}
