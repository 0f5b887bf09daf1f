//! What is stored of tasks.

use std::sync::Arc;

use super::{Note, StoredTask, TaskBody, TaskSpec, TaskState};
use crate::TaskId;

/// A change to what is stored of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskRow {
    /// This task exists now.
    Insert(Box<StoredTask>),
    /// It stands like this now.
    SetState(TaskId, Box<TaskState>),
    /// This is asked for now.
    SetSpec(TaskId, Arc<TaskSpec>),
    /// This is read of it now.
    SetBody(TaskId, TaskBody),
    /// Somebody left a note.
    AddNote(TaskId, Note),
}
