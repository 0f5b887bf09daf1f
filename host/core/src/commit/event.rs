//! What happened to commits.

use serde::Serialize;

use super::{Abort, CommitNumber, RedoList};
use crate::{ProjectPath, RunId, TaskId};

/// Something that happened to a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CommitEvent {
    /// Its changes are what everybody reads. By nobody if the server found them.
    Published {
        /// The first of the paths it changed, in the order in which it did.
        paths: Vec<ProjectPath>,
        /// How many it changed.
        count: usize,
    },
    /// It came to nothing, though it had a number.
    Aborted {
        /// What came in between.
        why: Abort,
    },
}

impl CommitEvent {
    /// The most paths that an event names.
    pub const MAX_PATHS: usize = 20;

    pub(crate) fn published(redo: &RedoList) -> Self {
        let paths = redo.paths().take(Self::MAX_PATHS).cloned().collect();
        Self::Published { paths, count: redo.paths().count() }
    }

    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Published { .. } => "commit.published",
            Self::Aborted { .. } => "commit.aborted",
        }
    }
}

/// An event and the commit it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AboutCommit {
    /// Which.
    pub commit: CommitNumber,
    /// The task it belongs to.
    #[serde(skip)]
    pub task: Option<TaskId>,
    /// The run that made it.
    #[serde(skip)]
    pub run: Option<RunId>,
    /// What happened to it.
    #[serde(flatten)]
    pub event: CommitEvent,
}
