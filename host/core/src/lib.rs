//! The rules of Longhouse, without a world around them.
//!
//! Everything here is a value or a pure function: no I/O, no clock, no randomness, no async, no SQL and
//! no HTTP. What a project's coordination state is and how each command changes it is [`step`]; the
//! store runs it and makes the outcome durable, the server carries it out.

mod agent;
mod audit;
mod command;
mod commit;
mod crew;
mod decide;
mod directory;
mod event;
mod grant;
mod id;
mod lately;
mod lock;
mod paths;
mod pattern;
mod policy;
mod profile;
mod publication;
mod queue;
mod refusal;
mod remembered;
mod reply;
mod row;
mod run;
mod state;
mod step;
mod suspended;
mod talk;
mod task;
mod time;
mod token;

pub use agent::{Agent, AgentFacts, Role, UnknownRole};
pub use audit::{Act, Denial, Denied, MOST_NAMED, UnknownAct};
pub use command::{Caller, Command, Envelope, NewAgent, Waiter};
pub use commit::{
    Abort, AboutCommit, Author, Authorship, Change, Commit, CommitCommand, CommitEvent, CommitGate,
    CommitNumber, CommitRefusal, CommitReply, CommitRow, CommitSeed, CommitStatus, EntryKind, EntryName,
    GateError, Granted, Journaled, Operation, Reads, RedoList, Reservation, ReservationId, ReserveRequest,
    Reserved, Undo, Unfinished, Version,
};
pub use crew::{
    AboutAgent, AgentStatus, Budget, Cooldown, Cost, Counted, CrewCommand, CrewEvent, CrewRefusal, CrewReply,
    CrewRow, CrewSeed, Gone, Heartbeat, Interrupt, MemberFacts, Presence, Spender, Standing, Usage,
};
pub use decide::{
    Admit, Candidate, Choice, Choosing, Chosen, Decide, Group, GroupFacts, HostOrder, LockAsked, LockHeld,
    LockVerdict, Pick, Rank,
};
pub use directory::{Directory, Identity, Unauthenticated};
pub use event::{Event, EventKind};
pub use grant::{FileGrants, Ruling, Verb};
pub use id::{
    AgentName, BootNumber, Capability, ChannelName, EventSeq, Fence, HookName, InvalidId, Key, Label, LockId,
    MessageId, ProfileName, ProjectName, ProviderName, RunId, Session, StateKey, StateVersion, TaskId,
};
pub use lock::{
    AboutLock, Authority, Changes, Holder, Lock, LockCommand, LockEvent, LockMode, LockRefusal, LockReply,
    LockRequest, LockRow, LockTerms, LockWaiter, LocksFound, ReleaseCause, Taken,
};
pub use paths::{InvalidPath, PRIVATE_DIR, ProjectPath};
pub use pattern::{InvalidPattern, PathPattern, overlap};
pub use policy::{InForce, Policies, PolicyCommand, PolicyEvent, PolicyKind, PolicyVersion};
pub use profile::{CommandRules, Limits, LimitsRequest, Profile, Profiles, SHELLS};
pub use publication::{ChangeKind, Fate, Isolation, PathChange, PathConflict, Publication, Publish};
pub use queue::Placing;
pub use queue::{LabelLimit, QueueCommand, QueueEvent, QueueFacts, QueueLimits, QueueRules, Scope};
pub use refusal::Refusal;
pub use remembered::{KeptReply, Keyed};
pub use reply::{Reply, StartedRun};
pub use row::Row;
pub use run::{
    Access, Chunk, Consumption, LiveRun, Outcome, Output, RunRecord, RunRequest, RunStatus, Stream, Under,
};
pub use state::{Seed, State};
pub use step::{Effect, Step, next_for, step};
pub use suspended::Suspended;
pub use talk::{
    Acked, Extent, Importance, InvalidMessage, MAX_DATA, MAX_MESSAGE, MailFacts, Message, MessageBody,
    NewMessage, Precondition, ProjectProgress, Recipient, Sent, TalkCommand, TalkEvent, TalkRefusal,
    TalkReply, TalkRow, TalkSeed, Which,
};
pub use task::{
    AboutTask, Again, Backoff, ClaimRequest, Claimed, Completion, Created, Failure, Grant, Grounds, Held,
    Hold, InvalidTask, Lease, MAX_TEXT, MAX_TITLE, NewTask, Node, Note, NoteKind, Nothing, OnParentFailure,
    Parent, Preferred, Priority, Progress, Stands, StoredTask, Task, TaskBody, TaskCommand, TaskEvent,
    TaskPatch, TaskRefusal, TaskReply, TaskRow, TaskSpec, TaskState, TaskStatus, Verdict, Verify, Want, Why,
};
pub use time::Timestamp;
pub use token::{Token, TokenHash};
