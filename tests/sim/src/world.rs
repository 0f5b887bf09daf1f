//! Agents, a network that loses and repeats, a server that crashes, and a clock that only moves when told.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use longhouse_core::{
    Caller, Command, NewAgent, PolicyCommand, PolicyKind, PolicyVersion, Reply, Role, TaskCommand,
    TaskStatus, Timestamp, TokenHash, Waiter,
};

use crate::agent::Agent;
use crate::check::{Checks, status};
use crate::count::{Counts, Fault};
use crate::files::Files;
use crate::random::Random;
use crate::server::{CommitFate, Committed, Request, Server};
use crate::variant::Variant;

/// At least so many requests are made before the queue is drained.
const REQUESTS: u64 = 500;
/// Everything has to be done within so many rounds after that.
const DRAIN: u64 = 200_000;

/// What came of one seed.
pub struct Outcome {
    pub counts: Counts,
    /// Of everything that happened, in order: the same for the same seed.
    pub trace: u64,
}

pub struct World {
    random: Random,
    now: Timestamp,
    server: Server,
    agents: Vec<Agent>,
    files: Files,
    /// Requests whose replies are to come, and whose they are.
    open: BTreeMap<Waiter, (usize, Request)>,
    last_waiter: u64,
    checks: Checks,
    counts: Counts,
    trace: DefaultHasher,
    draining: bool,
}

impl World {
    pub fn run(seed: u64, variant: Variant, dir: PathBuf) -> anyhow::Result<Outcome> {
        let mut random = Random::new(seed);
        let now = Timestamp::from_millis(1_000_000_000_000);
        let server = Server::start(dir.join("longhouse.db"), variant, now)?;
        let agents = (0..8 + random.below(5)).map(Agent::new).collect();
        let mut world = Self {
            random,
            now,
            server,
            agents,
            files: Files::default(),
            open: BTreeMap::new(),
            last_waiter: 0,
            checks: Checks::default(),
            counts: Counts::default(),
            trace: DefaultHasher::new(),
            draining: false,
        };
        world.introduce_agents()?;
        while world.counts.requests() < REQUESTS
            || world.counts.of(Fault::Crash) == 0
            || world.counts.of(Fault::LostReply) == 0
        {
            world.round()?;
        }
        world.drain()?;
        Ok(Outcome { counts: world.counts, trace: world.trace.finish() })
    }

    fn introduce_agents(&mut self) -> anyhow::Result<()> {
        for (number, agent) in (0..).zip(&self.agents) {
            let new = NewAgent {
                name: agent.name.clone(),
                role: if number == 0 { Role::Coordinator } else { Role::Worker },
                profile: "full".parse()?,
                capabilities: Vec::new(),
                token: TokenHash([number; 32]),
            };
            let command = Command::AddAgent(new);
            ensure!(self.server.ask(command, self.now)? == Reply::Done);
        }
        self.server.commit(CommitFate::Durable, self.now)?;
        Ok(())
    }

    /// One thing happens.
    fn round(&mut self) -> anyhow::Result<()> {
        match self.random.below(1_000) {
            0..450 => self.act()?,
            450..600 => self.change_files()?,
            600..900 => self.commit()?,
            900..990 => self.pass_time(5_000),
            990..993 => {
                self.counts.fault(Fault::LongPause);
                self.pass_time(120_000);
            }
            993..996 if !self.draining => self.crash()?,
            996..999 => self.put_to_sleep(),
            _ => self.swap_policies()?,
        }
        // The loop that ticks may be late: a request may come first.
        if self.random.permille(300) { self.tick() } else { Ok(()) }
    }

    /// The operator lets something else decide.
    fn swap_policies(&mut self) -> anyhow::Result<()> {
        let version = match self.random.below(3) {
            0 => None,
            version => Some(PolicyVersion::new(&version.to_string())),
        };
        for kind in [PolicyKind::Scheduler, PolicyKind::Conflict] {
            let command = Command::Policy(PolicyCommand::Set { kind, version: version.clone() });
            ensure!(self.server.ask(command, self.now)? == Reply::Done);
        }
        self.counts.fault(Fault::OtherPolicies);
        Ok(())
    }

    /// An agent asks for something.
    fn act(&mut self) -> anyhow::Result<()> {
        let index = self.random.below(self.agents.len());
        let waits = self.open.values().any(|(whose, _)| *whose == index);
        let gives_up = self.random.permille(20);
        let agent = &mut self.agents[index];
        if agent.asleep_until > self.now || (waits && !gives_up) {
            return Ok(());
        }
        let (command, keyed) = agent.next(&mut self.random, self.now, self.draining);
        let caller = agent.caller();
        self.counts.request();
        if !self.draining && self.random.permille(30) {
            self.counts.fault(Fault::LostRequest);
            return Ok(());
        }
        self.open.retain(|_, (whose, _)| *whose != index);
        let copies = if !self.draining && self.random.permille(30) { 2 } else { 1 };
        for _ in 0..copies {
            self.last_waiter += 1;
            let waiter = Waiter(self.last_waiter);
            let request =
                Request { waiter, caller: caller.clone(), command: command.clone(), keyed: keyed.clone() };
            self.open.insert(waiter, (index, request.clone()));
            self.send(request)?;
        }
        if copies == 2 {
            self.counts.fault(Fault::RepeatedRequest);
        }
        Ok(())
    }

    /// Something happens to one of the changes that are on their way to the files.
    fn change_files(&mut self) -> anyhow::Result<()> {
        let next = self.files.next(&mut self.random, self.now, &self.agents, self.draining)?;
        let Some((set, command)) = next else { return Ok(()) };
        self.last_waiter += 1;
        let waiter = Waiter(self.last_waiter);
        self.files.asked(waiter, set, command.clone());
        self.send(Request { waiter, caller: Caller::Server, command, keyed: None })
    }

    fn send(&mut self, request: Request) -> anyhow::Result<()> {
        format!("{} {:?} {:?}", self.now.as_millis(), request.caller, request.command).hash(&mut self.trace);
        let seed = self.random.next();
        let early = self.server.take(request, self.now, seed);
        self.deliver(early)
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let fate = match self.random.below(1_000) {
            0..6 if !self.draining => CommitFate::Failed,
            6..12 if !self.draining => CommitFate::Unknown,
            _ => CommitFate::Durable,
        };
        if !self.server.has_uncommitted() {
            return Ok(());
        }
        let Committed { answered, replies } = self.server.commit(fate, self.now)?;
        for answered in &answered {
            self.checks.committed(answered)?;
        }
        self.checks.files.settle()?;
        match replies {
            Some(replies) => self.deliver(replies),
            None => {
                let fault = if fate == CommitFate::Failed { Fault::DiskError } else { Fault::UnknownCommit };
                self.counts.fault(fault);
                self.restarted()
            }
        }
    }

    fn deliver(&mut self, replies: Vec<(Waiter, Reply)>) -> anyhow::Result<()> {
        for (waiter, reply) in replies {
            format!("{waiter:?} {reply:?}").hash(&mut self.trace);
            if let Some(command) = self.files.learn(waiter, &reply) {
                self.counts.answer(&command, &reply);
                continue;
            }
            let Some((index, request)) = self.open.remove(&waiter) else { continue };
            if !self.draining && self.random.permille(30) {
                self.counts.fault(Fault::LostReply);
                continue;
            }
            self.checks.acknowledged(&reply)?;
            self.counts.answer(&request.command, &reply);
            self.agents[index].learn(&reply);
        }
        Ok(())
    }

    fn crash(&mut self) -> anyhow::Result<()> {
        self.counts.fault(Fault::Crash);
        let away = self.random.below(60_000) as u64;
        self.now = self.now.plus_millis(away);
        self.server.crash(self.now)?;
        self.restarted()
    }

    /// Connections are gone, acknowledged things are not.
    fn restarted(&mut self) -> anyhow::Result<()> {
        self.open.clear();
        self.checks.restarted(&mut self.server, self.now)?;
        let agents: Vec<_> = self.agents.iter().map(|agent| agent.name.clone()).collect();
        self.checks.talk.restarted(&mut self.server, &agents, self.now)?;
        self.checks.crew.restarted(&mut self.server, self.now)?;
        self.files.restarted(&self.checks.files, &mut self.server, &mut self.random, self.now)?;
        self.checks.durable(&mut self.server, self.now)
    }

    fn pass_time(&mut self, most_ms: usize) {
        self.now = self.now.plus_millis(self.random.below(most_ms) as u64);
    }

    /// An agent does nothing for so long that its leases may end.
    fn put_to_sleep(&mut self) {
        let index = self.random.below(self.agents.len());
        self.agents[index].asleep_until = self.now.plus_millis(self.random.below(90_000) as u64);
        self.counts.fault(Fault::SleepingAgent);
    }

    /// What is due is decided at its time, as the server's loop does.
    fn tick(&mut self) -> anyhow::Result<()> {
        if self.server.next_due().is_some_and(|due| due <= self.now) {
            let request =
                Request { waiter: Waiter(0), caller: Caller::Server, command: Command::Tick, keyed: None };
            self.send(request)?;
        }
        Ok(())
    }

    /// Without faults, whatever was promised gets done.
    fn drain(&mut self) -> anyhow::Result<()> {
        self.draining = true;
        for _ in 0..DRAIN {
            for _ in 0..200 {
                self.round()?;
            }
            self.commit()?;
            if self.all_ended()? && self.files.is_quiet() {
                self.checks.files.agrees_with(self.files.disk())?;
                return self.checks.durable(&mut self.server, self.now);
            }
        }
        let left: BTreeSet<_> = self.checks.tasks().into_iter().collect();
        anyhow::bail!("not all of {} tasks were ever done", left.len())
    }

    /// Whether every task has ended. What waits for an answer gets one from the operator.
    fn all_ended(&mut self) -> anyhow::Result<bool> {
        let mut all_ended = true;
        for id in self.checks.tasks() {
            let status = status(&mut self.server, id, self.now)?.context("a task is gone")?;
            all_ended &= status.is_terminal();
            if status == TaskStatus::NeedsInput {
                self.server.tell(TaskCommand::Answer(id, "go on".into()), self.now)?;
            }
        }
        Ok(all_ended)
    }
}
