//! The coordinator over a real database file: what it promises about answers and durability.

mod commits;
mod crew;
mod denials;
mod locks;
mod talk;
mod tasks;

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use longhouse_core::*;
use rusqlite::Connection;

use crate::{Coordinator, OpenOptions, RunFilter, SubmitError, SystemClock};

struct Project {
    dir: tempfile::TempDir,
    coordinator: Coordinator,
    effects: Receiver<Effect>,
}

impl Project {
    fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), Box::new(HostOrder))
    }

    fn open_in(dir: tempfile::TempDir, decide: Box<dyn Decide + Send>) -> Self {
        let (sender, effects) = channel();
        let options = OpenOptions {
            database: database(dir.path()),
            profiles: profiles(),
            clock: Arc::new(SystemClock::default()),
            decide,
            effects: Box::new(move |effect| sender.send(effect).unwrap()),
        };
        Self { coordinator: Coordinator::open(options).unwrap(), dir, effects }
    }

    fn reopen(self) -> Self {
        self.coordinator.close();
        Self::open_in(self.dir, Box::new(HostOrder))
    }

    fn ask(&self, caller: Caller, command: Command) -> Result<Reply, SubmitError> {
        self.coordinator.submit_blocking(caller, command)
    }

    fn add_agent(&self, name: &str) -> Result<Reply, SubmitError> {
        self.ask(Caller::Operator, Command::AddAgent(new_agent(name)))
    }

    fn start_run(&self, name: &str) -> RunId {
        let request = RunRequest {
            argv: vec!["ls".into()],
            cwd: ProjectPath::root(),
            limits: LimitsRequest::default(),
            narrow: None,
            under: Under::TheOnlyLease,
        };
        match self.ask(agent(name), Command::StartRun(request)) {
            Ok(Reply::RunStarted(run)) => run.id,
            other => panic!("{other:?}"),
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.coordinator.directory().identify(&new_agent(name).token, Timestamp::from_millis(0)).is_ok()
    }
}

fn database(dir: &Path) -> std::path::PathBuf {
    dir.join("longhouse.db")
}

fn profiles() -> Profiles {
    let profile = Profile { commands: CommandRules { allow: vec!["*".into()] }, ..Profile::default() };
    [("full".parse().unwrap(), profile)].into()
}

fn agent(name: &str) -> Caller {
    Caller::Agent(name.parse().unwrap())
}

fn new_agent(name: &str) -> NewAgent {
    let mut token = [0; 32];
    token[..name.len()].copy_from_slice(name.as_bytes());
    NewAgent {
        name: name.parse().unwrap(),
        role: Role::Worker,
        profile: "full".parse().unwrap(),
        capabilities: vec!["api".parse().unwrap()],
        token: TokenHash(token),
    }
}

fn ended(id: RunId, text: &str) -> RunRecord {
    let chunk = |offset, stream| Chunk { offset, stream, bytes: text.as_bytes().to_vec() };
    RunRecord {
        id,
        agent: "a".parse().unwrap(),
        argv: vec!["ls".into(), "-l".into()],
        cwd: ProjectPath::parse("src").unwrap(),
        started_at: Timestamp::from_millis(5),
        status: RunStatus::Ended {
            outcome: Outcome::Trapped("unreachable".into()),
            consumption: Consumption { peak_memory: 9, bytes_read: 8, ..Consumption::default() },
            at: Timestamp::from_millis(6),
        },
        output: Output {
            chunks: vec![chunk(0, Stream::Stderr), chunk(text.len() as u64, Stream::Stdout)],
            truncated: true,
        },
        changes: None,
    }
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    let project = Project::open();
    assert_eq!(project.add_agent("a"), Ok(Reply::Done));
    assert!(project.knows("a"), "answered before the directory was published");
    let project = project.reopen();
    assert!(project.knows("a"));
    assert_eq!(project.ask(Caller::Operator, Command::RemoveAgent("a".parse().unwrap())), Ok(Reply::Done));
    assert!(!project.reopen().knows("a"));
}

#[test]
fn a_reply_comes_after_its_commit() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let other = Connection::open(database(project.dir.path())).unwrap();
    for n in 0..50 {
        project.add_agent(&format!("n{n}")).unwrap();
        let stored: i64 = other.query_row("SELECT count(*) FROM agents", [], |row| row.get(0)).unwrap();
        assert_eq!(stored, n + 2, "answered before another connection could see it");
    }
}

#[test]
fn a_runs_start_is_answered_while_the_writer_is_stuck_and_nothing_else_is() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let other = Connection::open(database(project.dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let coordinator = project.coordinator.clone();
    let adding = std::thread::spawn(move || {
        coordinator.submit_blocking(Caller::Operator, Command::AddAgent(new_agent("b")))
    });
    let run = project.start_run("a");
    assert_eq!(run.number, 1);
    assert!(!adding.is_finished(), "acknowledged without a commit");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(adding.join().unwrap(), Ok(Reply::Done));
}

#[test]
fn a_runs_record_reads_back_as_it_was_told() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let id = project.start_run("a");
    let record = ended(id, "hello\n");
    project.coordinator.tell(Caller::Server, Command::EndRun(Box::new(record.clone())));
    assert_eq!(project.ask(agent("a"), Command::FindRun(id)), Ok(Reply::RunIsNotLive(id)));
    assert_eq!(project.coordinator.reads().run(id).unwrap(), Some(record.clone()));
    let filter = RunFilter { agent: Some("a".parse().unwrap()), before: None, limit: 10 };
    assert_eq!(project.coordinator.reads().runs(&filter).unwrap(), vec![record]);
    let before = RunFilter { before: Some(id), ..filter };
    assert_eq!(project.coordinator.reads().runs(&before).unwrap(), vec![]);
}

#[test]
fn a_job_left_behind_is_killed_at_the_next_start_and_ids_go_on() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let job = project.start_run("a");
    let forgotten = project.start_run("a");
    assert_eq!(project.ask(Caller::Server, Command::BecomeJob(job)), Ok(Reply::Done));
    let project = project.reopen();
    assert!(matches!(project.ask(agent("a"), Command::FindRun(job)), Ok(Reply::RunIsNotLive(_))));
    let record = project.coordinator.reads().run(job).unwrap().unwrap();
    assert!(matches!(record.status, RunStatus::Ended { outcome: Outcome::Killed(_), .. }));
    assert_eq!(project.coordinator.reads().run(forgotten).unwrap(), None);
    assert!(project.start_run("a") > forgotten, "an id was given twice");
}

#[test]
fn an_effect_is_handed_out_once_its_step_is_durable() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let run = project.start_run("a");
    assert_eq!(project.ask(agent("a"), Command::KillRun(run)), Ok(Reply::Done));
    let reason = "killed by a".to_owned();
    assert_eq!(project.effects.recv().unwrap(), Effect::KillRun { run, reason });
}

#[test]
fn a_step_that_panics_is_answered_and_the_state_comes_back_from_the_database() {
    struct PanicOnce(Arc<Mutex<bool>>);
    impl Decide for PanicOnce {
        fn review(&mut self, _: Option<&PolicyVersion>, _: &RunRequest, _: &Limits, _: &AgentFacts) -> Admit {
            assert!(!std::mem::take(&mut *self.0.lock().unwrap()), "planned");
            Admit::Allow
        }
    }
    let armed = Arc::new(Mutex::new(true));
    let project = Project::open_in(tempfile::tempdir().unwrap(), Box::new(PanicOnce(Arc::clone(&armed))));
    project.add_agent("a").unwrap();
    let request = RunRequest {
        argv: vec!["ls".into()],
        cwd: ProjectPath::root(),
        limits: LimitsRequest::default(),
        narrow: None,
        under: Under::TheOnlyLease,
    };
    let first = project.ask(agent("a"), Command::StartRun(request));
    // A poisoned lock would panic for ever.
    armed.clear_poison();
    assert_eq!(first, Err(SubmitError::Suspended(Suspended::Restarting)));
    until_it_works_again(&project, "b");
    assert!(project.knows("a") && project.knows("b"));
}

#[test]
fn a_commit_that_fails_is_never_acknowledged_and_what_was_told_meanwhile_is_kept() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let run = project.start_run("a");
    let other = Connection::open(database(project.dir.path())).unwrap();
    other.execute_batch("ALTER TABLE agents RENAME TO elsewhere").unwrap();
    assert_eq!(project.add_agent("b"), Err(SubmitError::CommitUnknown));
    let suspended = Err(SubmitError::Suspended(Suspended::StorageFailed));
    assert_eq!(project.add_agent("c"), suspended, "accepted while broken");
    let record = ended(run, "late");
    project.coordinator.tell(Caller::Server, Command::EndRun(Box::new(record.clone())));
    other.execute_batch("ALTER TABLE elsewhere RENAME TO agents").unwrap();
    until_it_works_again(&project, "d");
    assert!(project.knows("a") && !project.knows("b") && project.knows("d"));
    assert_eq!(project.coordinator.reads().run(run).unwrap(), Some(record));
}

#[test]
fn the_end_of_a_job_is_not_lost_with_its_batch() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let job = project.start_run("a");
    assert_eq!(project.ask(Caller::Server, Command::BecomeJob(job)), Ok(Reply::Done));
    let other = Connection::open(database(project.dir.path())).unwrap();
    other.execute_batch("ALTER TABLE runs RENAME TO elsewhere").unwrap();
    let record = ended(job, "done");
    project.coordinator.tell(Caller::Server, Command::EndRun(Box::new(record.clone())));
    assert!(project.add_agent("b").is_err(), "the batch of the end, or refused after it");
    other.execute_batch("ALTER TABLE elsewhere RENAME TO runs").unwrap();
    until_it_works_again(&project, "c");
    assert_eq!(
        project.ask(agent("a"), Command::FindRun(job)),
        Ok(Reply::RunIsNotLive(job)),
        "it runs for ever"
    );
    assert_eq!(project.coordinator.reads().run(job).unwrap(), Some(record));
}

#[test]
fn what_only_looks_is_answered_while_nothing_can_be_changed() {
    let project = Project::open();
    project.add_agent("a").unwrap();
    let other = Connection::open(database(project.dir.path())).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON agents BEGIN SELECT raise(ABORT, 'planned'); END;
        CREATE TRIGGER closed BEFORE UPDATE ON counters BEGIN SELECT raise(ABORT, 'planned'); END",
        )
        .unwrap();
    assert_eq!(project.add_agent("b"), Err(SubmitError::CommitUnknown));
    let suspended = Err(SubmitError::Suspended(Suspended::StorageFailed));
    let look = || project.ask(agent("a"), Command::Lock(LockCommand::Find));
    let started = std::time::Instant::now();
    while let Err(error) = look() {
        assert_eq!(Err(error), suspended);
        assert!(started.elapsed().as_secs() < 30, "it could never be looked at");
        std::thread::yield_now();
    }
    let mail = |until| Command::Talk(TalkCommand::Inbox { after: None, which: Which::All, until });
    assert!(project.ask(agent("a"), mail(None)).is_ok());
    let tomorrow = Timestamp::from_millis(u64::MAX);
    assert_eq!(project.ask(agent("a"), mail(Some(tomorrow))), suspended, "it would wait for ever");
    assert_eq!(
        project.ask(agent("b"), mail(None)),
        Ok(Reply::Refused(Refusal::CallerGone("b".parse().unwrap())))
    );
    assert_eq!(project.add_agent("c"), suspended);
    other.execute_batch("DROP TRIGGER full; DROP TRIGGER closed").unwrap();
    until_it_works_again(&project, "d");
    assert!(project.knows("a") && !project.knows("b") && !project.knows("c") && project.knows("d"));
}

#[test]
fn a_closed_coordinator_says_so() {
    let project = Project::open();
    project.coordinator.close();
    assert_eq!(project.add_agent("a"), Err(SubmitError::Closed));
}

/// Asks until the coordinator has opened its database again; every refusal on the way must be the honest one.
fn until_it_works_again(project: &Project, name: &str) {
    let started = std::time::Instant::now();
    while started.elapsed().as_secs() < 30 {
        match project.add_agent(name) {
            Ok(reply) => return assert_eq!(reply, Reply::Done),
            Err(error) => assert!(matches!(error, SubmitError::Suspended(_)), "{error:?}"),
        }
        std::thread::yield_now();
    }
    panic!("it never worked again");
}
