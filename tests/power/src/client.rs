//! Clients of a coordinator, which say what they were told.

use longhouse_core::{
    AgentName, Caller, ClaimRequest, Command, CommandRules, Completion, Grant, Hold, HostOrder, Importance,
    Keyed, LockCommand, LockMode, LockReply, LockRequest, MessageBody, NewAgent, NewMessage, NewTask,
    Precondition, Profile, Refusal, Reply, Role, Taken, TalkCommand, TalkReply, TaskBody, TaskCommand,
    TaskReply, TaskSpec, TokenHash,
};
use longhouse_store::{Coordinator, OpenOptions, StoreError, SubmitError, SystemClock};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// How many tasks are made by one request: all of them, or none.
pub(crate) const PARTS: usize = 3;

/// What a client was told is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    Created(Vec<u64>),
    Claimed {
        task: u64,
        fence: u64,
    },
    Completed(u64),
    Sent(u64),
    /// A key's value, which only ever grows.
    Set(String, u64),
    Locked {
        lock: u64,
        fence: u64,
    },
    /// It asks for a lock's end, and is not told yet.
    Releasing(u64),
    Released(u64),
}

/// Opens the database in a directory, as the server does.
///
/// # Errors
/// When the store fails.
pub fn open(dir: &Path) -> Result<Coordinator, StoreError> {
    let profile = Profile { commands: CommandRules { allow: vec!["*".into()] }, ..Profile::default() };
    Coordinator::open(OpenOptions {
        database: dir.join("longhouse.db"),
        profiles: [("full".parse().expect("a name"), profile)].into(),
        clock: Arc::new(SystemClock::default()),
        decide: Box::new(HostOrder),
        effects: Box::new(|_| ()),
    })
}

/// An agent that works and talks. A request that was not answered is sent again, under the same key, until it is.
pub struct Client {
    name: AgentName,
    neighbour: AgentName,
    /// Numbers its requests; higher than those of all that had its name before.
    number: u64,
    unanswered: Option<Command>,
    hold: Option<Hold>,
    lock: Option<Taken>,
    runtime: Runtime,
}

impl Client {
    /// One of so many. It begins to number its requests from `first`.
    #[must_use]
    pub fn new(nth: usize, of: usize, first: u64) -> Self {
        let name = |nth: usize| format!("w{}", nth % of).parse().expect("a name");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (name, neighbour) = (name(nth), name(nth + 1));
        Self { name, neighbour, number: first, unanswered: None, hold: None, lock: None, runtime }
    }

    /// Makes its agent, unless it is there.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn join(&self, coordinator: &Coordinator) -> Result<(), SubmitError> {
        let mut token = [0; 32];
        token[..self.name.as_str().len()].copy_from_slice(self.name.as_str().as_bytes());
        let agent = NewAgent {
            name: self.name.clone(),
            role: Role::Worker,
            profile: "full".parse().expect("a name"),
            capabilities: Vec::new(),
            token: TokenHash(token),
        };
        let reply = coordinator.submit_blocking(Caller::Operator, Command::AddAgent(agent))?;
        assert!(matches!(reply, Reply::Done | Reply::Refused(Refusal::AgentExists(_))), "{reply:?}");
        Ok(())
    }

    /// One request, and what it teaches.
    ///
    /// # Errors
    /// When there is no answer; the next call asks the same again.
    pub fn act(&mut self, coordinator: &Coordinator, say: &impl Fn(Said)) -> Result<(), SubmitError> {
        let command = self.unanswered.take().unwrap_or_else(|| {
            self.number += 1;
            self.next()
        });
        if let Command::Lock(LockCommand::Release(lock, _)) = &command {
            say(Said::Releasing(lock.0));
        }
        let key = self.title().parse().expect("a key");
        let keyed = Some(Keyed { key, hash: self.number });
        let caller = Caller::Agent(self.name.clone());
        let reply = self.runtime.block_on(coordinator.submit_keyed(caller, command.clone(), keyed));
        match reply {
            Ok(reply) => self.learn(&command, reply, say),
            Err(error) => {
                self.unanswered = Some(command);
                return Err(error);
            }
        }
        Ok(())
    }

    /// As many tasks are made as are claimed.
    fn next(&self) -> Command {
        match (self.hold, self.number % 8) {
            (Some(hold), _) => {
                Command::Task(TaskCommand::Complete(Completion { hold, result: "done".into(), next: None }))
            }
            (None, 1) => self.create(),
            (None, 3) => Command::Talk(TalkCommand::Send(Box::new(NewMessage {
                to: vec![self.neighbour.as_str().parse().expect("a recipient")],
                thread: None,
                importance: Importance::Normal,
                ack: false,
                body: MessageBody::new(&self.title(), None).expect("a short text"),
            }))),
            (None, 5) => {
                let key = format!("w/{}", self.name.as_str()).parse().expect("a key");
                Command::Talk(TalkCommand::Set(key, self.number.to_string().into(), Precondition::Any))
            }
            (None, 7) => match self.lock {
                Some(taken) => Command::Lock(LockCommand::Release(taken.lock, taken.fence)),
                None => {
                    let pattern = format!("{}/{}", self.name.as_str(), self.number).parse().expect("a path");
                    Command::Lock(LockCommand::Take(LockRequest::new(LockMode::Exclusive, vec![pattern])))
                }
            },
            (None, _) => Command::Task(TaskCommand::Claim(ClaimRequest::next())),
        }
    }

    /// No other request has it.
    fn title(&self) -> String {
        format!("{}-{}", self.name.as_str(), self.number)
    }

    fn create(&self) -> Command {
        let task = || NewTask {
            body: TaskBody::new(&self.title(), "one of several").expect("a short text"),
            spec: TaskSpec { max_attempts: 3, ..TaskSpec::default() },
            parents: Vec::new(),
        };
        Command::Task(TaskCommand::Create((0..PARTS).map(|_| task()).collect()))
    }

    fn learn(&mut self, command: &Command, reply: Reply, say: &impl Fn(Said)) {
        match (command, reply) {
            (_, Reply::Task(TaskReply::Created(created))) => {
                say(Said::Created(created.iter().map(|created| created.id.0).collect()));
            }
            (_, Reply::Task(TaskReply::Claimed(claimed))) => {
                self.hold = claimed.grants.first().map(Grant::hold);
                if let Some(hold) = self.hold {
                    say(Said::Claimed { task: hold.task.0, fence: hold.fence.0 });
                }
            }
            (_, Reply::Task(TaskReply::Stands(stands))) => {
                self.hold = None;
                say(Said::Completed(stands.id.0));
            }
            (_, Reply::Talk(TalkReply::Sent(sent))) => say(Said::Sent(sent.id.0)),
            (Command::Talk(TalkCommand::Set(key, value, _)), Reply::Talk(TalkReply::Version(_))) => {
                say(Said::Set(key.as_str().to_owned(), value.parse().expect("a number")));
            }
            (_, Reply::Lock(LockReply::Taken(taken))) => {
                self.lock = Some(taken);
                say(Said::Locked { lock: taken.lock.0, fence: taken.fence.0 });
            }
            (Command::Lock(LockCommand::Release(lock, _)), Reply::Done) => {
                self.lock = None;
                say(Said::Released(lock.0));
            }
            // A neighbour may not have joined yet.
            (_, Reply::Refused(Refusal::Talk(_))) => {}
            (command, reply) => panic!("{command:?} was answered {reply:?}"),
        }
    }
}
