//! How far the project is: by its tasks, and by what a coordinator says.

use std::collections::BTreeMap;
use std::sync::Arc;

use longhouse_core::{Command, EventSeq, ProjectProgress, TalkCommand, TaskStatus};

use super::{AppError, By, Project};

/// How far it is.
#[derive(Debug)]
pub struct Progress {
    /// How many tasks stand where.
    pub counts: BTreeMap<TaskStatus, u64>,
    /// What a coordinator said.
    pub set: Option<ProjectProgress>,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

impl Progress {
    /// How many tasks stand there.
    pub fn count(&self, status: TaskStatus) -> u64 {
        self.counts.get(&status).copied().unwrap_or(0)
    }

    /// How many there are, without those that were cancelled.
    pub fn total(&self) -> u64 {
        self.counts.values().sum::<u64>() - self.count(TaskStatus::Cancelled)
    }

    /// How many of a hundred are completed, rounded down; 0 if there are none.
    pub fn percent(&self) -> u64 {
        (self.count(TaskStatus::Completed) * 100).checked_div(self.total()).unwrap_or(0)
    }
}

/// How far the project is.
///
/// # Errors
/// When the database fails.
pub async fn find(project: &Arc<Project>) -> Result<Progress, AppError> {
    let as_of = *project.coordinator.last_event().borrow();
    let (counts, set) = project.read(|reads| Ok((reads.task_counts()?, reads.progress()?))).await?;
    Ok(Progress { counts, set, as_of })
}

/// Says how far it is.
///
/// # Errors
/// When the caller may not.
pub async fn set(project: &Project, by: By, progress: ProjectProgress) -> Result<(), AppError> {
    let command = TalkCommand::SetProgress(Box::new(progress));
    project.ask_by(by, Command::Talk(command)).await.map(drop)
}
