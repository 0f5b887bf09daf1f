//! Agents: they believe what they were told, and act on it.

use longhouse_core::{
    Again, AgentName, Caller, ClaimRequest, Command, Completion, CrewCommand, CrewReply, EventSeq, Extent,
    Failure, Fence, Heartbeat, Hold, Importance, Keyed, LockCommand, LockId, LockMode, LockReply,
    LockRequest, MessageBody, MessageId, NewMessage, NewTask, Nothing, OnParentFailure, Parent, PathPattern,
    Precondition, Progress, Recipient, Reply, StateVersion, TalkCommand, TalkReply, TaskBody, TaskCommand,
    TaskId, TaskReply, TaskSpec, Timestamp, Under, Usage, Want, Which,
};

use crate::random::Random;

/// One agent.
pub struct Agent {
    pub name: AgentName,
    /// What it believes to hold.
    pub holds: Vec<Hold>,
    /// Until when it does nothing.
    pub asleep_until: Timestamp,
    /// What it asked and was not answered: asked again, word for word, until it is.
    pub unanswered: Option<(Command, Option<Keyed>)>,
    /// Tasks that it made and knows of.
    pub made: Vec<TaskId>,
    /// Questions it left with tasks.
    pub asked: Vec<TaskId>,
    /// Locks that it believes to hold.
    pub locks: Vec<(LockId, Fence)>,
    /// The last message that it knows to have got and not to have acknowledged.
    mail: Option<MessageId>,
    /// It knows that it is to stop.
    interrupt: Option<EventSeq>,
    /// The version of the shared key, as it knows it.
    version: Option<StateVersion>,
    requests: u64,
}

impl Agent {
    pub fn new(number: usize) -> Self {
        let name = format!("agent-{number}").parse().expect("a name");
        let asleep_until = Timestamp::from_millis(0);
        Self {
            name,
            holds: vec![],
            asleep_until,
            unanswered: None,
            made: vec![],
            asked: vec![],
            locks: vec![],
            mail: None,
            interrupt: None,
            version: None,
            requests: 0,
        }
    }

    pub fn caller(&self) -> Caller {
        Caller::Agent(self.name.clone())
    }

    /// The first of them may tell others what to do.
    fn is_coordinator(&self) -> bool {
        self.name.as_str() == "agent-0"
    }

    /// What it does next. While the queue is being drained it makes and gives up nothing.
    pub fn next(&mut self, random: &mut Random, now: Timestamp, draining: bool) -> (Command, Option<Keyed>) {
        if let Some(request) = &self.unanswered {
            return request.clone();
        }
        let crew = self.crew_wish(random, now, draining);
        let talk = if draining { None } else { self.talk_wish(random, now) };
        let command = match (crew, talk, self.lock_wish(random, now, draining)) {
            (Some(wish), ..) => Command::Crew(wish),
            (None, Some(wish), _) => Command::Talk(wish),
            (None, None, Some(wish)) => Command::Lock(wish),
            (None, None, None) => Command::Task(self.wish(random, now, draining)),
        };
        self.requests += 1;
        let key = format!("{}-{}", self.name, self.requests).parse().expect("a key");
        // What changes nothing, or may be done twice, needs no key.
        let changes = !matches!(
            command,
            Command::Talk(TalkCommand::Inbox { .. }) | Command::Crew(CrewCommand::Heartbeat(_))
        );
        let keyed = changes.then_some(Keyed { key, hash: self.requests });
        self.unanswered = Some((command.clone(), keyed.clone()));
        (command, keyed)
    }

    /// What it says of itself, or has others do, if anything. It heeds an interrupt sooner or later.
    fn crew_wish(&self, random: &mut Random, now: Timestamp, draining: bool) -> Option<CrewCommand> {
        let heeds = self.interrupt.filter(|_| draining || random.permille(300));
        if let Some(seq) = heeds {
            let beat = Heartbeat { ack_interrupt: Some(seq), ..Heartbeat::default() };
            return Some(CrewCommand::Heartbeat(Box::new(beat)));
        }
        if draining {
            return None;
        }
        let provider = ["north", "south"].get(random.below(2)).and_then(|name| name.parse().ok());
        match random.below(1_000) {
            0..50 => {
                let ttl_ms = random.permille(300).then(|| 10_000 + random.below(50_000) as u64);
                let provider = provider.filter(|_| random.permille(300));
                let beat = Heartbeat { doing: Some("well".into()), ttl_ms, provider, ..Heartbeat::default() };
                Some(CrewCommand::Heartbeat(Box::new(beat)))
            }
            50..70 => {
                let usage = Usage { input_tokens: 10, calls: 1, ..Usage::NOTHING };
                Some(CrewCommand::Spend(usage, Under::TheOnlyLease))
            }
            70..80 => {
                let most_ms = if random.permille(700) { 20_000 } else { 1 };
                let until = now.plus_millis(random.below(most_ms) as u64);
                Some(CrewCommand::Cool { provider, until, reason: "429".into() })
            }
            80..140 if self.is_coordinator() || random.permille(50) => {
                let whom = format!("agent-{}", random.below(8)).parse().expect("a name");
                Some(CrewCommand::Interrupt(whom, "wait".into()))
            }
            140..145 => Some(CrewCommand::Leave("until tomorrow".into())),
            _ => None,
        }
    }

    /// What it wants to say or to read, if anything.
    fn talk_wish(&self, random: &mut Random, now: Timestamp) -> Option<TalkCommand> {
        match (random.below(100), self.mail) {
            (0..4, _) => {
                let first = "agent-0".parse().expect("a name");
                let to = if random.permille(500) || self.name == first {
                    Recipient::Everyone
                } else {
                    Recipient::Agent(first)
                };
                let body = MessageBody::new("news", None).expect("a text");
                let (thread, importance, ack) = (None, Importance::Normal, false);
                Some(TalkCommand::Send(Box::new(NewMessage { to: vec![to], thread, importance, ack, body })))
            }
            (4..8, _) => {
                let wait = random.permille(300);
                let until = wait.then(|| now.plus_millis(random.below(20_000) as u64));
                Some(TalkCommand::Inbox { after: None, which: Which::Unread, until })
            }
            (8..14, Some(mail)) => {
                let extent = if random.permille(800) { Extent::UpTo } else { Extent::One };
                Some(TalkCommand::Ack(mail, extent))
            }
            (14..20, _) => {
                let expected = match self.version {
                    Some(version) => Precondition::Version(version),
                    None if random.permille(300) => Precondition::Any,
                    None => Precondition::Absent,
                };
                Some(TalkCommand::Set("stage".parse().expect("a key"), "1".into(), expected))
            }
            (_, _) => None,
        }
    }

    /// What it wants of locks, if anything.
    fn lock_wish(&self, random: &mut Random, now: Timestamp, draining: bool) -> Option<LockCommand> {
        let held = random.pick(&self.locks).copied();
        match (held, random.below(100)) {
            (Some((lock, fence)), 0..6) if !draining => Some(LockCommand::Renew(lock, fence)),
            (Some((lock, fence)), 6..20) => Some(LockCommand::Release(lock, fence)),
            (_, 20..32) if !draining => {
                let mode = if random.permille(400) { LockMode::Shared } else { LockMode::Exclusive };
                let mut request = LockRequest::new(mode, some_paths(random));
                request.ttl_ms = 10_000 + random.below(20_000) as u64;
                request.task = random.pick(&self.holds).copied().filter(|_| random.permille(500));
                let wait = random.permille(400);
                request.wait_until = wait.then(|| now.plus_millis(random.below(30_000) as u64));
                Some(LockCommand::Take(request))
            }
            (Some(_) | None, _) => None,
        }
    }

    fn wish(&mut self, random: &mut Random, now: Timestamp, draining: bool) -> TaskCommand {
        let held = random.pick(&self.holds).copied();
        let asked = self.asked.last().copied();
        match (held, if draining { 100 } else { random.below(100) }) {
            (_, 0..15) => self.create(random, now),
            (_, 15..18) if !self.made.is_empty() => {
                let task = *random.pick(&self.made).expect("it made some");
                TaskCommand::Cancel(task, "not needed".into())
            }
            (Some(hold), 18..30) => TaskCommand::Renew(hold),
            (Some(hold), 30..38) => TaskCommand::Progress(
                hold,
                Progress { current_step: 1, total_steps: 2, message: "half".into() },
            ),
            (Some(hold), 38..46) => {
                TaskCommand::Fail(Failure { hold, reason: "no luck".into(), again: Again::IfAttemptsAreLeft })
            }
            (Some(hold), 46..50) => TaskCommand::Release(hold, "for another".into()),
            (Some(hold), 50..54) => TaskCommand::Ask(hold, "which one?".into()),
            (Some(hold), 54..75) | (Some(hold), 100) => {
                let next = random.permille(300).then(|| self.claim(random, now));
                TaskCommand::Complete(Completion { hold, result: "done".into(), next })
            }
            (_, 75..82 | 100) if asked.is_some() => {
                let task = asked.expect("it asked");
                TaskCommand::Answer(task, "this one".into())
            }
            (Some(_) | None, _) => TaskCommand::Claim(self.claim(random, now)),
        }
    }

    fn create(&mut self, random: &mut Random, now: Timestamp) -> TaskCommand {
        let count = 1 + random.below(3);
        let mut tasks = Vec::new();
        for index in 0..count {
            let mut spec = TaskSpec { max_attempts: 1 + random.below(3) as u32, ..TaskSpec::default() };
            spec.on_parent_failure = *random
                .pick(&[OnParentFailure::Cancel, OnParentFailure::Run, OnParentFailure::Ignore])
                .expect("three");
            spec.not_before = random.permille(100).then(|| now.plus_millis(random.below(60_000) as u64));
            if random.permille(300) {
                spec.touches = some_paths(random);
            }
            let parents =
                if index > 0 && random.permille(400) { vec![Parent::Sibling(index - 1)] } else { vec![] };
            let body = TaskBody::new("a task", "to be done").expect("a body");
            tasks.push(NewTask { body, spec, parents });
        }
        TaskCommand::Create(tasks)
    }

    fn claim(&self, random: &mut Random, now: Timestamp) -> ClaimRequest {
        let wait = random.permille(300);
        ClaimRequest {
            want: Want::Next(1 + random.below(2) as u32),
            ttl_ms: 10_000 + random.below(20_000) as u64,
            wait_until: wait.then(|| now.plus_millis(random.below(30_000) as u64)),
            ..ClaimRequest::next()
        }
    }

    fn learn_of_talk(&mut self, command: &TalkCommand, reply: &Reply) {
        match (command, reply) {
            (_, Reply::Talk(TalkReply::Mail(facts))) => {
                self.mail = Some(facts.last).filter(|_| facts.unread > 0);
            }
            (TalkCommand::Ack(..), _) => self.mail = None,
            (_, Reply::Talk(TalkReply::Version(version))) => self.version = Some(*version),
            (TalkCommand::Set(..), Reply::Refused(_)) => self.version = None,
            (_, _) => {}
        }
    }

    fn learn_of_lock(&mut self, command: &LockCommand, reply: &Reply) {
        match (command, reply) {
            (_, Reply::Lock(LockReply::Taken(taken))) => self.locks.push((taken.lock, taken.fence)),
            (LockCommand::Release(lock, _), _) | (LockCommand::Renew(lock, _), Reply::Refused(_)) => {
                self.locks.retain(|(held, _)| held != lock);
            }
            (_, _) => {}
        }
    }

    fn learn_of_crew(&mut self, command: &CrewCommand, reply: &Reply) {
        match (command, reply) {
            (CrewCommand::Heartbeat(_), Reply::Crew(CrewReply::Found(found))) => {
                let standing = found.first().and_then(|facts| facts.standing.as_ref());
                self.interrupt = standing.and_then(|standing| Some(standing.interrupt.as_ref()?.seq));
            }
            (CrewCommand::Leave(_), Reply::Done) => {
                self.holds.clear();
                self.locks.clear();
            }
            (_, _) => {}
        }
    }

    /// Takes in the answer to what it asked.
    pub fn learn(&mut self, reply: &Reply) {
        let Some((command, _)) = self.unanswered.take() else { return };
        let command = match command {
            Command::Task(command) => command,
            Command::Lock(command) => return self.learn_of_lock(&command, reply),
            Command::Talk(command) => return self.learn_of_talk(&command, reply),
            Command::Crew(command) => return self.learn_of_crew(&command, reply),
            _ => return,
        };
        match (&command, reply) {
            (_, Reply::Task(TaskReply::Created(created))) => {
                self.made.extend(created.iter().map(|task| task.id))
            }
            (TaskCommand::Answer(task, _), _) => self.asked.retain(|asked| asked != task),
            (TaskCommand::Ask(hold, _), Reply::Task(TaskReply::Stands(_))) => self.asked.push(hold.task),
            (_, _) => {}
        }
        if ends_a_hold(&command, reply)
            && let Some(hold) = proof(&command)
        {
            self.holds.retain(|held| *held != hold);
        }
        if let Reply::Task(TaskReply::Claimed(claimed)) = reply {
            self.holds.extend(claimed.grants.iter().map(longhouse_core::Grant::hold));
            if let Some(Nothing::Interrupted { interrupt }) = &claimed.nothing {
                self.interrupt = Some(interrupt.seq);
            }
        }
    }
}

/// Paths that many want.
fn some_paths(random: &mut Random) -> Vec<PathPattern> {
    const PATHS: [&str; 5] = ["src/**", "src/api/*.rs", "src/api/a.rs", "docs", "*.md"];
    let count = 1 + random.below(2);
    (0..count).map(|_| random.pick(&PATHS).expect("some").parse().expect("a pattern")).collect()
}

fn ends_a_hold(command: &TaskCommand, reply: &Reply) -> bool {
    match reply {
        Reply::Refused(_) => true,
        Reply::Task(TaskReply::Held(_)) => false,
        Reply::Task(_) | Reply::Done => proof(command).is_some(),
        Reply::RunStarted(_)
        | Reply::RunIsLive(_)
        | Reply::RunIsNotLive(_)
        | Reply::Queue(_)
        | Reply::Policies(_)
        | Reply::Lock(_)
        | Reply::Crew(_)
        | Reply::Commit(_)
        | Reply::Talk(_) => false,
    }
}

fn proof(command: &TaskCommand) -> Option<Hold> {
    crate::server::hold_of(&mut command.clone()).copied()
}
