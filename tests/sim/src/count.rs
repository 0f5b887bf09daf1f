//! What happened how often: what never happened was not tested.

use std::collections::BTreeMap;
use std::fmt;

use longhouse_core::{Command, CommitCommand, CrewCommand, LockCommand, Reply, TalkCommand, TaskCommand};

/// What goes wrong around the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    LostRequest,
    RepeatedRequest,
    LostReply,
    SleepingAgent,
    LongPause,
    Crash,
    DiskError,
    UnknownCommit,
    OtherPolicies,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::LostRequest,
        Self::RepeatedRequest,
        Self::LostReply,
        Self::SleepingAgent,
        Self::LongPause,
        Self::Crash,
        Self::DiskError,
        Self::UnknownCommit,
        Self::OtherPolicies,
    ];
}

/// The kinds of requests that agents make.
pub const KINDS: [&str; 28] = [
    "create",
    "claim",
    "renew",
    "progress",
    "complete",
    "fail",
    "release",
    "ask",
    "answer",
    "cancel",
    "lock",
    "renew lock",
    "unlock",
    "send",
    "inbox",
    "ack",
    "set",
    "heartbeat",
    "spend",
    "cool",
    "interrupt",
    "leave",
    "reserve",
    "keep",
    "intend",
    "publish",
    "retire",
    "abort",
];

/// Requests that are never refused here: agents make only sensible ones.
const NEVER_REFUSED: [&str; 10] =
    ["create", "claim", "send", "inbox", "ack", "heartbeat", "spend", "leave", "publish", "retire"];

#[derive(Debug, Clone, Default)]
pub struct Counts {
    requests: u64,
    answers: BTreeMap<(&'static str, &'static str), u64>,
    faults: BTreeMap<Fault, u64>,
}

impl Counts {
    pub fn request(&mut self) {
        self.requests += 1;
    }

    pub fn requests(&self) -> u64 {
        self.requests
    }

    pub fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or_default()
    }

    pub fn answer(&mut self, command: &Command, reply: &Reply) {
        let answer = if matches!(reply, Reply::Refused(_)) { "refused" } else { "done" };
        *self.answers.entry((kind(command), answer)).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        for (key, count) in &other.answers {
            *self.answers.entry(*key).or_default() += count;
        }
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }

    /// Whatever should have happened and did not.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for kind in KINDS {
            for answer in ["done", "refused"] {
                let expected = answer == "done" || !NEVER_REFUSED.contains(&kind);
                if expected && !self.answers.contains_key(&(kind, answer)) {
                    missing.push(format!("{kind} {answer}"));
                }
            }
        }
        missing.extend(
            Fault::ALL.into_iter().filter(|fault| self.of(*fault) == 0).map(|fault| format!("{fault:?}")),
        );
        missing
    }
}

fn kind(command: &Command) -> &'static str {
    let command = match command {
        Command::Task(command) => command,
        Command::Lock(LockCommand::Take(_)) => return "lock",
        Command::Lock(LockCommand::Renew(..)) => return "renew lock",
        Command::Lock(LockCommand::Release(..)) => return "unlock",
        Command::Talk(TalkCommand::Send(_)) => return "send",
        Command::Talk(TalkCommand::Inbox { .. }) => return "inbox",
        Command::Talk(TalkCommand::Ack(..)) => return "ack",
        Command::Talk(TalkCommand::Set(..)) => return "set",
        Command::Crew(CrewCommand::Heartbeat(_)) => return "heartbeat",
        Command::Crew(CrewCommand::Spend(..)) => return "spend",
        Command::Crew(CrewCommand::Cool { .. }) => return "cool",
        Command::Crew(CrewCommand::Interrupt(..)) => return "interrupt",
        Command::Crew(CrewCommand::Leave(_)) => return "leave",
        Command::Commit(CommitCommand::Reserve(_)) => return "reserve",
        Command::Commit(CommitCommand::Renew(_)) => return "keep",
        Command::Commit(CommitCommand::Intend(..)) => return "intend",
        Command::Commit(CommitCommand::Publish(_)) => return "publish",
        Command::Commit(CommitCommand::Retire(_)) => return "retire",
        Command::Commit(CommitCommand::Abort(..)) => return "abort",
        _ => return "other",
    };
    match command {
        TaskCommand::Create(_) => "create",
        TaskCommand::Claim(_) => "claim",
        TaskCommand::Renew(_) => "renew",
        TaskCommand::Progress(..) => "progress",
        TaskCommand::Complete(_) => "complete",
        TaskCommand::Fail(_) => "fail",
        TaskCommand::Release(..) => "release",
        TaskCommand::Ask(..) => "ask",
        TaskCommand::Answer(..) => "answer",
        TaskCommand::Cancel(..) => "cancel",
        TaskCommand::Retry(_)
        | TaskCommand::Patch(..)
        | TaskCommand::Checked(_)
        | TaskCommand::Find(_)
        | TaskCommand::Why(_)
        | TaskCommand::TakeBack(..) => "other",
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:>10} {:>10}", "request", "done", "refused")?;
        for kind in KINDS {
            let of = |answer| self.answers.get(&(kind, answer)).copied().unwrap_or_default();
            writeln!(f, "{kind:<10} {:>10} {:>10}", of("done"), of("refused"))?;
        }
        writeln!(f, "{:<21} {:>10}", "requests sent", self.requests)?;
        for fault in Fault::ALL {
            writeln!(f, "{:<21} {:>10}", format!("{fault:?}"), self.of(fault))?;
        }
        Ok(())
    }
}
