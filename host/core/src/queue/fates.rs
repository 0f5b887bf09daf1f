//! How tasks ended, for those that depend on them. What else there is to know of them is in the database.

use crate::{TaskId, TaskStatus};

/// The end of every task that ever ended, by its number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fates(Vec<Option<Fate>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Completed,
    Failed,
    Cancelled,
}

impl Fates {
    /// How the task ended; `None` if it has not, or never was.
    pub(crate) fn of(&self, id: TaskId) -> Option<TaskStatus> {
        self.0.get(index(id)?).copied().flatten().map(|fate| match fate {
            Fate::Completed => TaskStatus::Completed,
            Fate::Failed => TaskStatus::Failed,
            Fate::Cancelled => TaskStatus::Cancelled,
        })
    }

    /// Notes where a task stands; one that has not ended has no fate.
    pub(crate) fn set(&mut self, id: TaskId, status: TaskStatus) {
        let fate = match status {
            TaskStatus::Completed => Some(Fate::Completed),
            TaskStatus::Failed => Some(Fate::Failed),
            TaskStatus::Cancelled => Some(Fate::Cancelled),
            TaskStatus::Blocked
            | TaskStatus::Scheduled
            | TaskStatus::Pending
            | TaskStatus::InProgress
            | TaskStatus::Verifying
            | TaskStatus::NeedsInput => None,
        };
        let Some(index) = index(id) else { return };
        if fate.is_some() && self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        if let Some(place) = self.0.get_mut(index) {
            *place = fate;
        }
    }
}

fn index(id: TaskId) -> Option<usize> {
    usize::try_from(id.0).ok()
}
