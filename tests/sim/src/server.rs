//! The server: the real rules over a real database, one command after another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use longhouse_core::{
    Caller, Command, CommandRules, Envelope, Event, Fence, Hold, Keyed, Profile, Profiles, Reply, Row, State,
    TaskCommand, TaskReply, Timestamp, Waiter, step,
};
use longhouse_store::Ledger;

use crate::adversary::Adversary;
use crate::variant::Variant;

/// A request on its way, and who waits for its reply.
#[derive(Debug, Clone)]
pub struct Request {
    pub waiter: Waiter,
    pub caller: Caller,
    pub command: Command,
    pub keyed: Option<Keyed>,
}

/// How a batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// It is durable, and the server knows.
    Durable,
    /// The disk failed before anything was written.
    Failed,
    /// It is durable, and the server was told that it is not.
    Unknown,
}

/// A request that was answered: what it was, when, and with what.
#[derive(Debug, Clone)]
pub struct Answered {
    pub request: Request,
    pub reply: Reply,
    pub at: Timestamp,
}

/// What came of a commit.
pub struct Committed {
    /// What is durable now.
    pub answered: Vec<Answered>,
    /// The replies that may be sent; `None` if the server does not know, and has started again.
    pub replies: Option<Vec<(Waiter, Reply)>>,
}

pub struct Server {
    database: PathBuf,
    ledger: Ledger,
    state: State,
    variant: Variant,
    rows: Vec<Row>,
    events: Vec<Event>,
    replies: Vec<(Waiter, Reply)>,
    /// Requests that are not answered yet, as they came.
    open: BTreeMap<Waiter, Request>,
    /// What was answered since the last commit, in order.
    answered: Vec<Answered>,
    /// By task: the last grant, for the variants that need to know.
    granted: BTreeMap<longhouse_core::TaskId, (Caller, Fence, Timestamp)>,
}

impl Server {
    /// Starts as a process does, on whatever the database holds.
    pub fn start(database: PathBuf, variant: Variant, now: Timestamp) -> anyhow::Result<Self> {
        let (ledger, state) =
            Ledger::open(&database, profiles(), now).context("the database does not open")?;
        let granted = BTreeMap::new();
        Ok(Self {
            database,
            ledger,
            state,
            variant,
            rows: vec![],
            events: vec![],
            replies: vec![],
            open: BTreeMap::new(),
            answered: vec![],
            granted,
        })
    }

    /// The process dies: what was not committed is gone. Another one starts.
    pub fn crash(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let granted = std::mem::take(&mut self.granted);
        *self = Self { granted, ..Self::start(self.database.clone(), self.variant, now)? };
        Ok(())
    }

    /// When something is due though nobody asks.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.next_due()
    }

    /// Carries out a request. Its reply waits for [`Server::commit`].
    pub fn take(&mut self, mut request: Request, mut now: Timestamp, seed: u64) -> Vec<(Waiter, Reply)> {
        let at = now;
        self.open.insert(request.waiter, request.clone());
        self.deceive(&mut request, &mut now);
        let Request { waiter, caller, command, keyed } = request;
        let envelope = Envelope { waiter, caller: caller.clone(), now, seed, command, keyed };
        let step = step(&mut self.state, envelope, &mut Adversary::new(seed));
        for (waiter, reply) in &step.replies {
            if let Some(request) = self.open.remove(waiter) {
                self.answered.push(Answered { request, reply: reply.clone(), at });
            }
            if let Reply::Task(TaskReply::Claimed(claimed)) = reply {
                for grant in &claimed.grants {
                    self.granted.insert(grant.task, (caller.clone(), grant.fence, grant.expires_at));
                }
            }
        }
        self.rows.extend(step.rows);
        self.events.extend(step.events);
        match self.variant {
            Variant::ReplyBeforeCommit => step.replies,
            Variant::Sound | Variant::NoFenceCheck | Variant::ExtendAfterExpiry => {
                let (early, later) = step.replies.into_iter().partition(|(_, reply)| reply.precedes_commit());
                self.replies.extend::<Vec<_>>(later);
                early
            }
        }
    }

    /// Writes what was carried out.
    pub fn commit(&mut self, fate: CommitFate, now: Timestamp) -> anyhow::Result<Committed> {
        let (rows, events) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.events));
        let (answered, replies) = (std::mem::take(&mut self.answered), std::mem::take(&mut self.replies));
        let written = fate != CommitFate::Failed;
        if written {
            self.ledger.write(&rows, &events).context("a batch was refused by the database")?;
        }
        let answered = if written { answered } else { vec![] };
        if fate == CommitFate::Durable {
            return Ok(Committed { answered, replies: Some(replies) });
        }
        self.crash(now)?;
        Ok(Committed { answered, replies: None })
    }

    /// Carries out what the operator asks about tasks, outside the simulated network. What it changes waits for the
    /// next commit.
    pub fn tell(&mut self, command: TaskCommand, now: Timestamp) -> anyhow::Result<Reply> {
        self.ask(Command::Task(command), now)
    }

    /// As [`Server::tell`], for any command.
    pub fn ask(&mut self, command: Command, now: Timestamp) -> anyhow::Result<Reply> {
        self.ask_as(Caller::Operator, command, now)
    }

    /// As [`Server::ask`], in somebody else's name.
    pub fn ask_as(&mut self, caller: Caller, command: Command, now: Timestamp) -> anyhow::Result<Reply> {
        const OPERATOR: Waiter = Waiter(0);
        let early = self.take(Request { waiter: OPERATOR, caller, command, keyed: None }, now, 0);
        self.replies.extend(early);
        let index = self.replies.iter().position(|(waiter, _)| *waiter == OPERATOR).context("no reply")?;
        Ok(self.replies.remove(index).1)
    }

    pub fn has_uncommitted(&self) -> bool {
        !self.rows.is_empty() || !self.events.is_empty() || !self.replies.is_empty()
    }

    /// Makes the request what a broken server would take it for.
    fn deceive(&self, request: &mut Request, now: &mut Timestamp) {
        let Command::Task(command) = &mut request.command else { return };
        let Some(hold) = hold_of(command) else { return };
        let Some((holder, fence, expires_at)) = self.granted.get(&hold.task) else { return };
        match self.variant {
            Variant::Sound | Variant::ReplyBeforeCommit => {}
            Variant::NoFenceCheck => {
                hold.fence = *fence;
                request.caller = holder.clone();
            }
            Variant::ExtendAfterExpiry if hold.fence == *fence => {
                *now = (*now).min(Timestamp::from_millis(expires_at.as_millis().saturating_sub(1)));
            }
            Variant::ExtendAfterExpiry => {}
        }
    }
}

/// The proof that a command shows.
pub fn hold_of(command: &mut TaskCommand) -> Option<&mut Hold> {
    match command {
        TaskCommand::Renew(hold)
        | TaskCommand::Progress(hold, _)
        | TaskCommand::Release(hold, _)
        | TaskCommand::Ask(hold, _) => Some(hold),
        TaskCommand::Complete(completion) => Some(&mut completion.hold),
        TaskCommand::Fail(failure) => Some(&mut failure.hold),
        TaskCommand::Create(_)
        | TaskCommand::Claim(_)
        | TaskCommand::Answer(..)
        | TaskCommand::Cancel(..)
        | TaskCommand::Retry(_)
        | TaskCommand::Patch(..)
        | TaskCommand::Checked(_)
        | TaskCommand::Find(_)
        | TaskCommand::Why(_)
        | TaskCommand::TakeBack(..) => None,
    }
}

fn profiles() -> Profiles {
    let profile = Profile { commands: CommandRules { allow: vec!["*".into()] }, ..Profile::default() };
    [("full".parse().expect("a name"), profile)].into()
}
