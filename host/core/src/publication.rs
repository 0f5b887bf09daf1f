//! What became of the changes that a run made.

use serde::{Deserialize, Serialize};

use crate::{AgentName, CommitNumber, ProjectPath};

/// When a run's changes are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// Whenever it ends by itself, with any exit code.
    #[default]
    OnExit,
    /// When it ends with exit code 0.
    OnSuccess,
    /// Never: it is a dry run.
    Never,
}

/// What of what a run saw must still be so when its changes are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// What it changed.
    #[default]
    Writes,
    /// Everything: what it read, looked at and listed, and what it did not find.
    Serializable,
}

/// The changes that a run made, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// What became of them.
    #[serde(flatten)]
    pub fate: Fate,
    /// The first of them, in the order in which they are made.
    pub paths: Vec<PathChange>,
    /// How many there are.
    pub count: usize,
    /// Files that were replaced though neither the run nor its agent had ever seen what was in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind_overwrite: Vec<ProjectPath>,
}

/// What became of a run's changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Fate {
    /// There are none.
    Nothing,
    /// They are in the project.
    Committed {
        /// By this commit.
        commit: CommitNumber,
    },
    /// They were not to be published; they are kept for a while, and can be.
    DryRun,
    /// The run did not end as it had to for that.
    Dropped,
    /// They could not be published; they are kept for a while, and may be tried again.
    Refused {
        /// Why.
        detail: String,
        /// The paths that others changed, as far as that was it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conflicts: Vec<PathConflict>,
    },
    /// It is not known whether they are in the project; the journal will tell.
    Unknown,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChange {
    /// Where.
    pub path: ProjectPath,
    /// What.
    #[serde(flatten)]
    pub change: ChangeKind,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChangeKind {
    /// A file, a directory or a link comes to lie there.
    Put,
    /// What lies there goes.
    Remove,
    /// What lies elsewhere comes to lie there.
    Move {
        /// Where.
        from: ProjectPath,
    },
}

/// A path that others changed since the run saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathConflict {
    /// Which.
    pub path: ProjectPath,
    /// The version that lies there; `None` if nothing does, or the agent may not read it.
    pub current_version: Option<String>,
    /// The last commit that changed it, if one did.
    pub commit: Option<CommitNumber>,
    /// Who made that.
    pub agent: Option<AgentName>,
}

impl Publication {
    /// The most paths that are told of one run.
    pub const MOST_PATHS: usize = 100;

    /// Of these changes, the first are told.
    pub fn new(fate: Fate, mut paths: Vec<PathChange>, blind_overwrite: Vec<ProjectPath>) -> Self {
        let count = paths.len();
        paths.truncate(Self::MOST_PATHS);
        Self { fate, paths, count, blind_overwrite }
    }
}
