//! Why something that was asked for was not done.

use std::sync::Arc;

use longhouse_core::{AgentName, CommitNumber, PathConflict, ProjectPath, Refusal, RunId, TalkRefusal};
use longhouse_engine::EngineError;
use longhouse_store::{SharedValue, StoreError, SubmitError};
use longhouse_workspace::{CommitError, WorkspaceError};

use super::history::Stale;
use super::policies::PolicyRefusal;

/// A refusal or a failure, in the words of its origin.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The coordinator said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The coordinator did not answer.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The engine could not start it.
    #[error("{0}")]
    NotStarted(Arc<EngineError>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A path could not be used.
    #[error("{path}")]
    Path {
        /// Which.
        path: ProjectPath,
        /// Why.
        #[source]
        source: WorkspaceError,
    },
    /// The text that is to be edited is not there, or in several places.
    #[error("{}", no_such_text(path, *count))]
    NoSuchText {
        /// In which file.
        path: ProjectPath,
        /// In how many places it is.
        count: usize,
    },
    /// The file is no text.
    #[error("{0} is not UTF-8; write it as a whole")]
    NoText(ProjectPath),
    /// Files were not changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Something else lies at a path than was expected.
    #[error("{} is not what it was expected to be", .0.conflict.path)]
    Stale(Box<Stale>),
    /// A file is longer than is read at once.
    #[error("{path} is longer than {most} bytes; GET /files/{path} with a Range reads parts of it")]
    TooLong {
        /// Which.
        path: ProjectPath,
        /// How long it may be.
        most: usize,
    },
    /// No tool provides the command.
    #[error("no tool provides the command {command:?}{}; GET /tools lists all", meant(nearest.as_deref()))]
    UnknownCommand {
        /// Its name.
        command: String,
        /// One that may have been meant.
        nearest: Option<String>,
    },
    /// The directory to start in is none.
    #[error("cwd {0} is not a directory of the project")]
    NoSuchDirectory(ProjectPath),
    /// No run that the caller may see has this id.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// There are no changes of the run to be published or dropped.
    #[error(
        "no changes of run {0} are kept for you: they are published or dropped, or just being so, or there were none"
    )]
    NothingKept(RunId),
    /// No commit has this number.
    #[error("there is no commit {}; GET /commits lists those there are", .0.0)]
    UnknownCommit(CommitNumber),
    /// What a run's changes were made in the belief of is no longer so.
    #[error(
        "others changed {} of its paths since the run saw them; rebase it, or run it again, and it sees what is there now",
        .0.len()
    )]
    Overtaken(Vec<PathConflict>),
    /// What a run changed cannot be merged with what others did.
    #[error(
        "{} of the paths cannot be merged with what others made of them; run it again, and it sees what is there now",
        .0.len()
    )]
    NotMergeable(Vec<PathConflict>),
    /// Somebody built on what was to be taken back.
    #[error(
        "others changed {} of the paths since; nothing was taken back. Look at them, and change by hand what has to go",
        .0.len()
    )]
    BuiltOn(Vec<PathConflict>),
    /// Commits of somebody else.
    #[error("commit {number} is {}'s; a coordinator can take it back", .by.as_ref().map_or("nobody", AgentName::as_str))]
    NotYourCommit {
        /// Which.
        number: CommitNumber,
        /// Who made it; `None` if the server found it.
        by: Option<AgentName>,
    },
    /// A commit changed what its reader may not know of.
    #[error(
        "commit {0} changed paths that you may not read; a coordinator whose profile can may take it back"
    )]
    HiddenPaths(CommitNumber),
    /// Too much is to be taken back at once.
    #[error("more than {most} commits at once; take back fewer, the latest first")]
    TooManyCommits {
        /// How many are possible.
        most: usize,
    },
    /// The content of a file at some time is not kept any more.
    #[error(
        "what {path} held then is not kept; GET /commits?path={path} lists other commits that changed it"
    )]
    NotKept {
        /// Which.
        path: ProjectPath,
    },
    /// A cursor that no event has reached: of another project, or of one that was restored from a back-up.
    #[error(
        "event {after} has not happened; the last one is {last}. Read the state anew, and go on from its `as_of`"
    )]
    CursorAhead {
        /// The cursor.
        after: u64,
        /// The last event.
        last: u64,
    },
    /// A key of the shared state does not stand as expected.
    #[error("{refusal}")]
    StaleState {
        /// How it does.
        refusal: TalkRefusal,
        /// What is there now.
        current: Option<SharedValue>,
    },
    /// A policy was not put in force.
    #[error(transparent)]
    Policy(#[from] PolicyRefusal),
    /// A check whose task's creator is gone.
    #[error("nobody is there any more under whose profile it could run")]
    NobodyToCheck,
    /// An answer that the coordinator never gives to what was asked.
    #[error("the coordinator gave an answer that does not fit")]
    Confused,
    /// The operating system has no randomness.
    #[error("the operating system has no randomness")]
    NoRandomness,
    /// A thread of ours ended before its work was done.
    #[error("work was cut off")]
    CutOff,
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!(" (did you mean {nearest}?)")).unwrap_or_default()
}

fn no_such_text(path: &ProjectPath, count: usize) -> String {
    if count == 0 {
        format!("old_string is not in {path}; read the file again")
    } else {
        format!("old_string is in {count} places of {path}; say more of what is around it, or replace_all")
    }
}
