//! The checks of submitted work: a task's `verify`, run without changing anything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longhouse_core::{
    Access, Agent, AgentName, Caller, Command, Hold, Isolation, Outcome, Output, ProjectPath, Publish,
    Refusal, Role, RunRecord, RunStatus, TaskCommand, Under, Verdict,
};
use longhouse_engine::EngineError;
use longhouse_store::SubmitError;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::runs::{self, NewRun, RunView};
use super::{App, AppError, Project};

/// How many checks run at once; the others wait.
const AT_ONCE: usize = 4;

/// How much of what a check printed is kept, from its end: 16 KiB.
const KEPT: usize = 16 << 10;

/// How long to wait before a check that found no room is begun again.
const PAUSE: Duration = Duration::from_secs(1);

/// A check that is to be carried out.
#[derive(Debug)]
pub struct Check {
    /// Of which work.
    pub hold: Hold,
    /// What to run.
    pub argv: Vec<String>,
    /// Whose profile bounds it; an admin's if `None`.
    pub creator: Option<AgentName>,
}

/// The checks of a project that wait to be carried out. There are no more than tasks being verified.
pub struct Checks {
    waiting: Mutex<Option<UnboundedReceiver<Check>>>,
    stopped: AtomicBool,
}

impl Checks {
    /// None yet, and where they come in.
    pub fn new() -> (UnboundedSender<Check>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self { waiting: Mutex::new(Some(receiver)), stopped: AtomicBool::new(false) })
    }

    /// From now on the end of a check says nothing about the work: it is the server that ends. It is run again when
    /// the project is opened again.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Carries out checks as they come, until the project is closed.
pub async fn carry_out_all(app: Arc<App>, project: Arc<Project>) {
    let waiting = project.checks.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut waiting) = waiting else { return };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(check) = waiting.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (app, project) = (Arc::clone(&app), Arc::clone(&project));
        tokio::spawn(async move {
            carry_out(&app, &project, check).await;
            drop(place);
        });
    }
}

async fn carry_out(app: &App, project: &Arc<Project>, check: Check) {
    let (passed, output) = match run(app, project, &check).await {
        Ok(RunView { record, .. }) => judged(&record),
        Err(AppError::Submit(SubmitError::Closed)) => return,
        Err(error) => (false, format!("the check could not be run: {error}")),
    };
    if project.checks.is_stopped() {
        return;
    }
    let verdict = Verdict { hold: check.hold, passed, output: output.into() };
    project.coordinator.tell(Caller::Server, Command::Task(TaskCommand::Checked(verdict)));
}

/// Runs it to its end, as soon as there is room for it.
async fn run(app: &App, project: &Arc<Project>, check: &Check) -> Result<RunView, AppError> {
    loop {
        let agent = runner(project, check.creator.as_ref())?;
        match runs::start(app, project, &agent, new_run(check)).await {
            Err(error) if passes(&error) => project.live.one_less(PAUSE).await,
            ended => return ended,
        }
    }
}

/// As whom: the task's creator, else the first of the admins.
fn runner(project: &Project, creator: Option<&AgentName>) -> Result<Agent, AppError> {
    let directory = project.coordinator.directory();
    let fits = |agent: &&Agent| match creator {
        Some(creator) => agent.name == *creator,
        None => agent.role == Role::Admin,
    };
    let runner = directory.agents().filter(fits).min_by(|a, b| a.name.cmp(&b.name));
    runner.cloned().ok_or(AppError::NobodyToCheck)
}

fn new_run(check: &Check) -> NewRun {
    NewRun {
        argv: check.argv.clone(),
        cwd: ProjectPath::root(),
        env: Vec::new(),
        stdin: None,
        timeout: None,
        // Its profile's wall-clock limit ends it.
        wait: Duration::MAX,
        under: Under::NoLease,
        narrow: None,
        access: Access::ReadOnly,
        publish: Publish::Never,
        isolation: Isolation::Writes,
        locks: Vec::new(),
    }
}

/// Whether the same may succeed a little later.
fn passes(error: &AppError) -> bool {
    match error {
        AppError::Refused(refusal) => matches!(refusal, Refusal::TooManyRuns { .. }),
        AppError::Submit(error) => match error {
            SubmitError::Busy | SubmitError::CommitUnknown | SubmitError::Suspended(_) => true,
            SubmitError::Closed => false,
        },
        AppError::NotStarted(error) => matches!(**error, EngineError::Busy { .. }),
        AppError::Store(_)
        | AppError::Path { .. }
        | AppError::TooLong { .. }
        | AppError::Commit(_)
        | AppError::Stale(_)
        | AppError::BuiltOn(_)
        | AppError::Overtaken(_)
        | AppError::NotMergeable(_)
        | AppError::NotYourCommit { .. }
        | AppError::HiddenPaths(_)
        | AppError::TooManyCommits { .. }
        | AppError::NotKept { .. }
        | AppError::NoSuchText { .. }
        | AppError::NoText(_)
        | AppError::UnknownCommand { .. }
        | AppError::NoSuchDirectory(_)
        | AppError::UnknownRun(_)
        | AppError::NothingKept(_)
        | AppError::UnknownCommit(_)
        | AppError::CursorAhead { .. }
        | AppError::StaleState { .. }
        | AppError::Policy(_)
        | AppError::NobodyToCheck
        | AppError::Confused
        | AppError::NoRandomness
        | AppError::CutOff => false,
    }
}

fn judged(record: &RunRecord) -> (bool, String) {
    let said = tail(&record.output);
    match &record.status {
        RunStatus::Ended { outcome: Outcome::Exited(0), .. } => (true, said),
        RunStatus::Ended { outcome, .. } => (false, format!("{}\n{said}", ending(outcome))),
        RunStatus::Running => (false, "the check did not end".to_owned()),
    }
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(code) => format!("the check exited with {code}"),
        Outcome::Trapped(why) | Outcome::Killed(why) | Outcome::Denied(why) => {
            format!("the check was {}: {why}", outcome.as_str())
        }
        Outcome::TimedOut => "the check timed out".to_owned(),
        Outcome::OutOfMemory => "the check ran out of memory".to_owned(),
    }
}

/// The last of what it wrote, to both streams, as text.
fn tail(output: &Output) -> String {
    let bytes: Vec<u8> = output.chunks.iter().flat_map(|chunk| &chunk.bytes).copied().collect();
    let from = bytes.len().saturating_sub(KEPT);
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use longhouse_core::{Chunk, Stream};

    use super::*;

    #[test]
    fn the_end_of_what_a_check_said_is_kept() {
        let chunk = |offset, bytes: Vec<u8>| Chunk { offset, stream: Stream::Stdout, bytes };
        let chunks = vec![chunk(0, vec![b'a'; KEPT]), chunk(16_384, b"the end".to_vec())];
        let kept = tail(&Output { chunks, truncated: false });
        assert_eq!(kept.len(), KEPT);
        assert!(kept.ends_with("athe end"));
    }
}
