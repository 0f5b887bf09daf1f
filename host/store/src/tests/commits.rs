//! Commits over a real database file.

use super::tasks::runtime;
use super::*;
use crate::{CommitFilter, Ledger};

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

fn version(n: u8) -> Option<Version> {
    Some(Version { kind: EntryKind::Executable, hash: [n; 32] })
}

/// A new file there.
fn put(text: &str) -> Change {
    let operation = Operation::Put { staged: "s/1".parse().unwrap() };
    Change { path: path(text), operation, base: None, new: version(1), history: None }
}

fn set(texts: &[&str]) -> Reservation {
    let subtrees = texts.iter().map(|text| path(text)).collect();
    Reservation::new(Changes { entries: Vec::new(), subtrees }).unwrap()
}

fn list(texts: &[&str]) -> RedoList {
    RedoList::new(texts.iter().map(|text| put(text)).collect()).unwrap()
}

fn by(name: &str) -> Author {
    Author::Agent(Authorship::of(name.parse().unwrap()))
}

fn once(name: &str) -> Author {
    let keyed = Some(Keyed { key: "k".parse().unwrap(), hash: u64::MAX });
    Author::Agent(Authorship { keyed, ..Authorship::of(name.parse().unwrap()) })
}

fn in_a_minute() -> Option<Timestamp> {
    Some(crate::Clock::now(&SystemClock::default()).plus_millis(60_000))
}

fn with_two() -> Project {
    let project = Project::open();
    project.add_agent("a").unwrap();
    project.add_agent("b").unwrap();
    project
}

impl Project {
    fn reserve(&self, author: &Author, texts: &[&str]) -> Result<Granted, GateError> {
        self.coordinator.reserve(&set(texts), author, None)
    }

    fn reserved(&self, author: &Author, texts: &[&str]) -> ReservationId {
        match self.reserve(author, texts) {
            Ok(Granted::Reserved(reserved)) => reserved.reservation,
            other => panic!("{other:?}"),
        }
    }

    fn intended(&self, author: &Author, redo: &RedoList) -> CommitNumber {
        let texts: Vec<&str> = redo.paths().map(ProjectPath::as_str).collect();
        let reserved = self.reserved(author, &texts);
        self.coordinator.intent(reserved, redo).unwrap()
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, GateError>) -> CommitRefusal {
    match result {
        Err(GateError::Refused(Refusal::Commit(refusal))) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_number_comes_after_its_list_is_durable() {
    let project = with_two();
    let other = Connection::open(database(project.dir.path())).unwrap();
    for n in 1..30 {
        let number = project.intended(&by("a"), &list(&[&format!("f{n}"), &format!("g{n}")]));
        assert_eq!(number, CommitNumber(n));
        let stored = "SELECT count(*) FROM commit_changes JOIN commits USING (number) WHERE number = ?1";
        let stored: i64 = other.query_row(stored, [number.0.cast_signed()], |row| row.get(0)).unwrap();
        assert_eq!(stored, 2, "answered before another connection could see it");
    }
}

#[test]
fn a_reservation_is_answered_while_the_writer_is_stuck_and_a_number_is_not() {
    let project = with_two();
    let early = project.reserved(&by("a"), &["early"]);
    let other = Connection::open(database(project.dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let coordinator = project.coordinator.clone();
    let intending = std::thread::spawn(move || coordinator.intent(early, &list(&["early"])));
    project.reserved(&by("a"), &["src"]);
    assert!(!intending.is_finished(), "acknowledged without a commit");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(intending.join().unwrap(), Ok(CommitNumber(1)));
}

#[test]
fn whoever_waits_goes_on_when_the_one_before_is_published() {
    let project = with_two();
    let number = project.intended(&by("a"), &list(&["src"]));
    let coordinator = project.coordinator.clone();
    let waiting =
        std::thread::spawn(move || coordinator.reserve(&set(&["src/main.rs"]), &by("b"), in_a_minute()));
    assert!(matches!(refusal(project.reserve(&by("b"), &["src"])), CommitRefusal::PathReserved { .. }));
    project.coordinator.published(number);
    assert!(matches!(waiting.join().unwrap(), Ok(Granted::Reserved(_))));
}

/// One change of every kind.
fn every_kind() -> RedoList {
    let history = Some("h/2".parse().unwrap());
    let changes = vec![
        put("new"),
        Change { base: version(2), history: history.clone(), ..put("old") },
        Change {
            path: path("gone"),
            operation: Operation::Remove,
            base: version(3),
            new: None,
            history: history.clone(),
        },
        Change {
            path: path("there"),
            operation: Operation::Move { from: path("here") },
            base: version(4),
            new: version(5),
            history,
        },
    ];
    RedoList::new(changes).unwrap()
}

#[test]
fn what_was_intended_and_not_finished_is_found_by_the_next_process() {
    let project = with_two();
    let keyed = once("a");
    let finished = project.intended(&by("b"), &list(&["finished"]));
    project.coordinator.published(finished);
    project.coordinator.retired(&[finished]);
    let published = project.intended(&by("b"), &list(&["published"]));
    project.coordinator.published(published);
    let aborted = project.intended(&by("b"), &list(&["aborted"]));
    project.coordinator.abort(Undo::Intended(aborted), Abort::Conflict { path: path("aborted") });
    let reservation = project.reserved(&keyed, &["new", "old", "gone", "here", "there"]);
    let intended = project.coordinator.intent(reservation, &every_kind()).unwrap();
    project.reserved(&by("b"), &["reserved"]);

    let project = project.reopen();
    assert_eq!(project.effects.recv().unwrap(), Effect::RecoverCommits);
    let unfinished = project.coordinator.unfinished().unwrap();
    let [first, second] = unfinished.as_slice() else { panic!("{unfinished:?}") };
    assert_eq!((first.commit.number, first.is_published), (published, true));
    let Commit { number, reservation: from, agent, task, run, keyed: key, at: _, redo } = &*second.commit;
    assert_eq!((*number, *from, second.is_published), (intended, reservation, false));
    assert_eq!((agent, *task, *run), (&Some("a".parse().unwrap()), None, None));
    let Author::Agent(Authorship { keyed: given, .. }) = &keyed else { panic!() };
    assert_eq!((key, redo), (given, &every_kind()));

    project.reserved(&by("b"), &["reserved", "aborted", "finished"]);
    for taken in ["published", "new", "here", "there"] {
        let refused = refusal(project.reserve(&by("b"), &[taken]));
        assert!(matches!(refused, CommitRefusal::PathReserved { .. }), "{taken}: {refused:?}");
    }
    assert_eq!(refusal(project.reserve(&keyed, &["new"])), CommitRefusal::StillRunning);
    project.coordinator.published(published);
    project.coordinator.published(intended);
    project.coordinator.retired(&[intended, published]);
    assert_eq!(project.reserve(&keyed, &["new"]), Ok(Granted::Committed(intended)));

    let project = project.reopen();
    assert_eq!(project.coordinator.unfinished(), Ok(Vec::new()));
    assert_eq!(project.reserve(&keyed, &["new"]), Ok(Granted::Committed(intended)));
    assert_eq!(project.intended(&by("b"), &list(&["new"])), CommitNumber(intended.0 + 1));
}

#[test]
fn after_a_failed_commit_every_reservation_has_ended_and_nothing_is_half_done() {
    let project = with_two();
    let first = project.intended(&by("a"), &list(&["first"]));
    let failing = project.reserved(&by("a"), &["failing"]);
    let bystander = project.reserved(&by("b"), &["bystander"]);
    let other = Connection::open(database(project.dir.path())).unwrap();
    other.execute_batch("ALTER TABLE commit_changes RENAME TO elsewhere").unwrap();
    assert_eq!(project.coordinator.intent(failing, &list(&["failing"])), Err(GateError::CommitUnknown));
    // What was under way is told all the same, and kept.
    project.coordinator.published(first);
    other.execute_batch("ALTER TABLE elsewhere RENAME TO commit_changes").unwrap();
    until_it_works_again(&project, "c");

    assert_eq!(project.effects.recv().unwrap(), Effect::RecoverCommits);
    assert_eq!(project.coordinator.unfinished(), Ok(Vec::new()), "the first was told to be published");
    for (reservation, text) in [(failing, "failing"), (bystander, "bystander")] {
        let refused = refusal(project.coordinator.intent(reservation, &list(&[text])));
        assert_eq!(refused, CommitRefusal::NoSuchReservation(reservation));
    }
    let again = project.reserved(&by("b"), &["failing", "bystander", "first"]);
    assert!(again > bystander, "{again} was given again");
    assert_eq!(project.coordinator.intent(again, &list(&["failing"])), Ok(CommitNumber(2)));
    let record = project.coordinator.reads().commit(CommitNumber(1)).unwrap().unwrap();
    assert_eq!(record.status, CommitStatus::Published);
}

#[test]
fn the_journal_is_found_by_number_path_agent_and_task() {
    let project = with_two();
    let numbers: Vec<CommitNumber> = (0..5)
        .map(|n| {
            let number = project.intended(&by(["a", "b"][n % 2]), &list(&[&format!("f{n}"), "all"]));
            project.coordinator.published(number);
            number
        })
        .collect();
    let moved = project.intended(&by("a"), &every_kind());
    project.coordinator.published(moved);
    project.coordinator.retired(&numbers);
    let aborted = project.intended(&by("a"), &list(&["all"]));
    project.coordinator.abort(Undo::Intended(aborted), Abort::Failed { detail: "full".into() });
    let on_its_way = project.intended(&by("a"), &list(&["all"]));
    assert_eq!(on_its_way.0, 8);

    let reads = project.coordinator.reads();
    let found = |filter: CommitFilter| -> Vec<u64> {
        let filter = CommitFilter { limit: if filter.limit == 0 { 100 } else { filter.limit }, ..filter };
        reads.commits(&filter).unwrap().iter().map(|record| record.number.0).collect()
    };
    let all = CommitFilter::default;
    assert_eq!(
        found(all()),
        [6, 5, 4, 3, 2, 1],
        "what came to nothing or is on its way is not of the journal"
    );
    assert_eq!(found(CommitFilter { limit: 2, before: Some(CommitNumber(5)), ..all() }), [4, 3]);
    assert_eq!(found(CommitFilter { agent: Some("b".parse().unwrap()), ..all() }), [4, 2]);
    assert_eq!(found(CommitFilter { path: Some(path("all")), ..all() }), [5, 4, 3, 2, 1]);
    assert_eq!(found(CommitFilter { path: Some(path("f3")), ..all() }), [4]);
    assert_eq!(found(CommitFilter { path: Some(path("here")), ..all() }), [6]);
    assert_eq!(found(CommitFilter { task: Some(TaskId(1)), ..all() }), [0_u64; 0]);
    let record = reads.commit(aborted).unwrap().unwrap();
    assert_eq!((record.status, record.changes), (CommitStatus::Aborted, 1));
    assert_eq!(record.why, Some(Abort::Failed { detail: "full".into() }));
    assert_eq!(reads.commit(moved).unwrap().unwrap().status, CommitStatus::Published);
    assert_eq!(reads.commit(numbers[4]).unwrap().unwrap().status, CommitStatus::Retired);
    assert_eq!(reads.commit(CommitNumber(99)).unwrap(), None);
    assert_eq!(reads.changes(moved, 0, 100).unwrap(), every_kind().changes());
    assert_eq!(reads.changes(moved, 1, 2).unwrap(), every_kind().changes()[1..3]);
}

#[test]
fn the_journal_and_a_start_use_their_indexes() {
    let project = with_two();
    let other = Connection::open(database(project.dir.path())).unwrap();
    let plan = |sql: &str| -> String {
        let mut statement = other.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let unfinished = "status IN ('intended', 'published')";
    assert!(plan(&format!("SELECT * FROM commits WHERE {unfinished}")).contains("commits_unfinished"));
    let retire = format!(
        "UPDATE commits SET status = 'retired' WHERE {unfinished} AND status = 'published' AND number <= 5"
    );
    assert!(plan(&retire).contains("commits_unfinished"), "{}", plan(&retire));
}

#[test]
fn a_reservation_that_nobody_learns_of_is_dropped() {
    let project = with_two();
    let number = project.intended(&by("a"), &list(&["src"]));
    runtime().block_on(async {
        let request = ReserveRequest { paths: set(&["src"]), author: by("b"), wait_until: in_a_minute() };
        let command = Command::Commit(CommitCommand::Reserve(request));
        let mut asked = Box::pin(project.coordinator.submit(Caller::Server, command));
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(asked.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        project.coordinator.published(number);
        // Answered after the one before it was served, so that the reply lies there when it is dropped.
        let find = Command::Commit(CommitCommand::Unfinished);
        assert!(project.coordinator.submit(Caller::Server, find).await.is_ok());
    });
    project.reserved(&by("a"), &["src"]);
}

#[test]
fn whoever_waits_is_let_go_when_the_project_is_closed() {
    let project = with_two();
    project.intended(&by("a"), &list(&["src"]));
    let coordinator = project.coordinator.clone();
    let (ready, is_ready) = channel();
    let waiting = std::thread::spawn(move || {
        ready.send(()).unwrap();
        coordinator.reserve(&set(&["src"]), &by("b"), in_a_minute())
    });
    is_ready.recv().unwrap();
    project.coordinator.close();
    assert_eq!(waiting.join().unwrap(), Err(GateError::Closed));
}

/// A coordinator without threads, so that time is what the test says.
struct Stepped {
    dir: tempfile::TempDir,
    ledger: Ledger,
    state: State,
    now: u64,
}

impl Stepped {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, state) =
            Ledger::open(&database(dir.path()), profiles(), Timestamp::from_millis(0)).unwrap();
        Self { dir, ledger, state, now: 0 }
    }

    fn ask(&mut self, caller: Caller, command: Command) -> Reply {
        self.now += 1;
        let now = Timestamp::from_millis(self.now);
        let envelope = Envelope { waiter: Waiter(1), caller, now, seed: 0, command, keyed: None };
        let mut step = step(&mut self.state, envelope, &mut HostOrder);
        self.ledger.write(&step.rows, &step.events).unwrap();
        step.replies.remove(0).1
    }

    fn reserve(&mut self) -> Reply {
        let request = ReserveRequest { paths: set(&["src"]), author: by("a"), wait_until: None };
        self.ask(Caller::Server, Command::Commit(CommitCommand::Reserve(request)))
    }

    fn reopen(&mut self) {
        let opened = Ledger::open(&database(self.dir.path()), profiles(), Timestamp::from_millis(self.now));
        (self.ledger, self.state) = opened.unwrap();
    }
}

#[test]
fn whoever_lost_a_lease_is_not_forgotten_by_a_restart() {
    let mut stepped = Stepped::open();
    stepped.ask(Caller::Operator, Command::AddAgent(new_agent("a")));
    let task = NewTask {
        body: TaskBody { title: "t".into(), description: "".into() },
        spec: TaskSpec::default(),
        parents: Vec::new(),
    };
    stepped.ask(agent("a"), Command::Task(TaskCommand::Create(vec![task])));
    let claim = || Command::Task(TaskCommand::Claim(ClaimRequest { ttl_ms: 1_000, ..ClaimRequest::next() }));
    stepped.ask(agent("a"), claim());
    stepped.now += 1_000;
    let stale = |reply: Reply| {
        matches!(reply, Reply::Refused(Refusal::Task(TaskRefusal::StaleLease { task: TaskId(1), .. })))
    };
    assert!(stale(stepped.reserve()));
    stepped.reopen();
    assert!(stale(stepped.reserve()), "a restart told it");
    stepped.ask(agent("a"), claim());
    stepped.reopen();
    let reply = stepped.reserve();
    let Reply::Commit(CommitReply::Reserved(reserved)) = reply else { panic!("{reply:?}") };
    assert_eq!(reserved.task.map(|hold| hold.task), Some(TaskId(1)));
    let intend = Command::Commit(CommitCommand::Intend(reserved.reservation, list(&["src"])));
    stepped.ask(Caller::Server, intend);
    stepped.ask(Caller::Server, Command::Commit(CommitCommand::Publish(CommitNumber(1))));
    stepped.reopen();
    let [unfinished] = stepped.state.unfinished_commits().try_into().unwrap();
    assert_eq!((unfinished.is_published, unfinished.commit.task), (true, reserved.task));
}

#[test]
fn an_event_of_a_commit_reads_back_with_its_paths() {
    let project = with_two();
    let number = project.intended(&by("a"), &list(&["x", "y"]));
    project.coordinator.published(number);
    project.add_agent("c").unwrap();
    let filter = crate::EventFilter { types: vec!["commit.".into()], limit: 10, ..Default::default() };
    let [event] = project.coordinator.reads().events(&filter).unwrap().try_into().unwrap();
    assert_eq!((event.kind.as_str(), event.agent), ("commit.published", Some("a".parse().unwrap())));
    assert_eq!(event.data.get(), r#"{"commit":1,"paths":["x","y"],"count":2}"#);
}
