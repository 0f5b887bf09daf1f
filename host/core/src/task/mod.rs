//! Tasks: what is asked for, where each stands, and what is asked of them.

mod command;
mod event;
mod refusal;
mod reply;
mod row;
mod spec;
mod state;

pub use command::{
    Again, ClaimRequest, Completion, Failure, NewTask, Parent, TaskCommand, TaskPatch, Verdict, Want,
};
pub use event::{AboutTask, Grounds, TaskEvent};
pub use refusal::{Node, TaskRefusal};
pub use reply::{Claimed, Created, Grant, Held, Nothing, Stands, TaskReply, Why};
pub use row::TaskRow;
pub use spec::{
    Backoff, InvalidTask, MAX_TEXT, MAX_TITLE, OnParentFailure, Priority, TaskBody, TaskSpec, Verify,
};
pub use state::{Hold, Lease, Note, NoteKind, Preferred, Progress, StoredTask, Task, TaskState, TaskStatus};
