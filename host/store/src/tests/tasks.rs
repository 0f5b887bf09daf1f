//! Tasks over a real database file.

use std::time::Duration;

use super::*;
use crate::{EventFilter, TaskFilter};

pub(super) fn task(title: &str) -> NewTask {
    NewTask {
        body: TaskBody::new(title, "what is to be done").unwrap(),
        spec: TaskSpec { max_attempts: 3, ..TaskSpec::default() },
        parents: Vec::new(),
    }
}

fn keyed(key: &str, hash: u64) -> Option<Keyed> {
    Some(Keyed { key: key.parse().unwrap(), hash })
}

fn in_ten_minutes() -> Option<Timestamp> {
    let now = crate::Clock::now(&SystemClock::default());
    Some(now.plus(Duration::from_secs(600)))
}

fn with_worker() -> Project {
    let project = Project::open();
    project.add_agent("a").unwrap();
    project
}

impl Project {
    fn ask_task(&self, command: TaskCommand) -> Result<TaskReply, Refusal> {
        match self.ask(agent("a"), Command::Task(command)) {
            Ok(Reply::Task(reply)) => Ok(reply),
            Ok(Reply::Refused(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn create(&self, tasks: Vec<NewTask>) -> Vec<TaskId> {
        match self.ask_task(TaskCommand::Create(tasks)) {
            Ok(TaskReply::Created(created)) => created.iter().map(|created| created.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn claim(&self) -> Option<Hold> {
        match self.ask_task(TaskCommand::Claim(ClaimRequest::next())) {
            Ok(TaskReply::Claimed(claimed)) => claimed.grants.first().map(Grant::hold),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn complete(&self, hold: Hold) -> Result<TaskReply, Refusal> {
        self.ask_task(TaskCommand::Complete(Completion { hold, result: "done".into(), next: None }))
    }
}

fn granted(reply: Result<Reply, SubmitError>) -> Vec<Hold> {
    match reply {
        Ok(Reply::Task(TaskReply::Claimed(claimed))) => claimed.grants.iter().map(Grant::hold).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_outlives_the_process_and_fences_go_on() {
    let project = with_worker();
    let ids = project.create(vec![task("first"), task("second")]);
    let first = project.claim().unwrap();
    assert_eq!(first.task, ids[0]);
    let project = project.reopen();
    let second = project.claim().unwrap();
    assert!(second.task == ids[1] && second.fence > first.fence, "{first:?} {second:?}");
    assert!(project.complete(first).is_ok(), "the lease was lost");
    assert!(matches!(
        project.complete(first),
        Err(Refusal::Task(TaskRefusal::StaleLease { status: TaskStatus::Completed, .. }))
    ));
    let record = project.reopen().coordinator.reads().task(ids[0]).unwrap().unwrap();
    assert_eq!(record.stored.task.state.status, TaskStatus::Completed);
    assert_eq!(record.stored.body, task("first").body);
    assert_eq!(record.notes.iter().map(|note| &*note.text).collect::<Vec<_>>(), ["done"]);
}

#[test]
fn an_answer_with_a_key_is_given_again_even_by_the_next_process() {
    let project = with_worker();
    project.create(vec![task("one"), task("two")]);
    let claim = || Command::Task(TaskCommand::Claim(ClaimRequest::next()));
    let runtime = runtime();
    let ask = |project: &Project, keyed| {
        runtime.block_on(project.coordinator.submit_keyed(agent("a"), claim(), keyed))
    };
    let first = granted(ask(&project, keyed("k", 1)));
    assert_eq!(granted(ask(&project, keyed("k", 1))), first);
    let project = project.reopen();
    assert_eq!(granted(ask(&project, keyed("k", 1))), first);
    assert_eq!(ask(&project, keyed("k", 2)), Ok(Reply::Refused(Refusal::KeyReused)));
    assert_ne!(granted(ask(&project, keyed("other", 1))), first);
    assert_eq!(project.ask(Caller::Operator, Command::RemoveAgent("a".parse().unwrap())), Ok(Reply::Done));
    project.reopen();
}

#[test]
fn a_claim_that_waits_is_served_by_the_task_that_comes() {
    let project = with_worker();
    let waiting = ClaimRequest { wait_until: in_ten_minutes(), ..ClaimRequest::next() };
    let coordinator = project.coordinator.clone();
    let claim = std::thread::spawn(move || {
        coordinator.submit_blocking(agent("a"), Command::Task(TaskCommand::Claim(waiting)))
    });
    until_claims_wait(&project, 1);
    let ids = project.create(vec![task("late")]);
    assert_eq!(granted(claim.join().unwrap())[0].task, ids[0]);
}

#[test]
fn a_claim_whose_caller_went_away_waits_no_more() {
    let project = with_worker();
    let waiting = ClaimRequest { wait_until: in_ten_minutes(), ..ClaimRequest::next() };
    let runtime = runtime();
    runtime.block_on(async {
        let claim = project.coordinator.submit(agent("a"), Command::Task(TaskCommand::Claim(waiting)));
        let mut claim = Box::pin(claim);
        // Polled once, so that it is on its way, and dropped.
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(claim.as_mut().poll(context).is_pending()));
        assert!(waits.await);
    });
    until_claims_wait(&project, 0);
    project.create(vec![task("for somebody else")]);
    assert!(project.claim().is_some(), "the task went to a caller who is gone");
}

#[test]
fn a_claim_that_waited_long_enough_is_answered() {
    let project = with_worker();
    let now = crate::Clock::now(&SystemClock::default());
    let soon = Some(now.plus(Duration::from_millis(30)));
    let waiting = ClaimRequest { wait_until: soon, ..ClaimRequest::next() };
    let reply = project.ask_task(TaskCommand::Claim(waiting));
    let Ok(TaskReply::Claimed(claimed)) = reply else { panic!("{reply:?}") };
    assert!(claimed.grants.is_empty() && claimed.nothing == Some(Nothing::None));
}

#[test]
fn a_lease_that_is_not_renewed_ends_by_itself() {
    let project = with_worker();
    project.create(vec![task("abandoned")]);
    let short = ClaimRequest { ttl_ms: 1_000, ..ClaimRequest::next() };
    let hold = granted(project.ask(agent("a"), Command::Task(TaskCommand::Claim(short))))[0];
    let again = ClaimRequest { wait_until: in_ten_minutes(), ..ClaimRequest::next() };
    let next = granted(project.ask(agent("a"), Command::Task(TaskCommand::Claim(again))))[0];
    assert!(next.task == hold.task && next.fence > hold.fence);
    assert!(project.complete(hold).is_err(), "a zombie completed");
    assert!(project.complete(next).is_ok());
}

#[test]
fn events_are_read_by_cursor_type_and_task() {
    let project = with_worker();
    let ids = project.create(vec![task("one"), task("two")]);
    let hold = project.claim().unwrap();
    project.complete(hold).unwrap();
    let last = *project.coordinator.last_event().borrow();
    let read = |filter: EventFilter| {
        let events = project.coordinator.reads().events(&EventFilter { limit: 100, ..filter }).unwrap();
        events.into_iter().map(|event| (event.seq.0, event.kind)).collect::<Vec<_>>()
    };
    let all = read(EventFilter::default());
    assert_eq!(all.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=last.0).collect::<Vec<_>>());
    let kinds = |events: Vec<(u64, String)>| events.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>();
    let of_task = EventFilter { task: Some(ids[0]), ..EventFilter::default() };
    assert_eq!(kinds(read(of_task)), ["task.created", "task.claimed", "task.completed"]);
    let of_type = |name: &str| EventFilter { types: vec![name.to_owned()], ..EventFilter::default() };
    assert_eq!(read(of_type("task.created")).len(), 2);
    assert_eq!(read(of_type("task.")).len(), 4);
    assert!(read(EventFilter { after: last.0, ..EventFilter::default() }).is_empty());
}

#[test]
fn tasks_are_listed_by_what_is_asked_for() {
    let project = with_worker();
    let labelled = |title, label: &str| {
        let mut task = task(title);
        task.spec.labels = Box::new([label.parse().unwrap()]);
        task
    };
    let mut assigned = task("assigned");
    assigned.spec.assigned_to = Some("a".parse().unwrap());
    let ids = project.create(vec![labelled("x", "area:x"), labelled("y", "area:y"), assigned]);
    let hold = project.claim().unwrap();
    let list = |filter: TaskFilter| {
        let tasks = project.coordinator.reads().tasks(&TaskFilter { limit: 10, ..filter }).unwrap();
        tasks.into_iter().map(|stored| stored.task.id).collect::<Vec<_>>()
    };
    assert_eq!(list(TaskFilter::default()), ids);
    assert_eq!(list(TaskFilter { after: Some(ids[0]), ..TaskFilter::default() }), ids[1..]);
    assert_eq!(
        list(TaskFilter { label: Some("area:y".parse().unwrap()), ..TaskFilter::default() }),
        [ids[1]]
    );
    let a: AgentName = "a".parse().unwrap();
    assert_eq!(list(TaskFilter { assigned_to: Some(a.clone()), ..TaskFilter::default() }), [ids[2]]);
    assert_eq!(list(TaskFilter { holder: Some(a), ..TaskFilter::default() }), [hold.task]);
    assert_eq!(
        list(TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() }),
        [hold.task]
    );
}

#[test]
fn rules_of_the_queue_outlive_the_process() {
    let project = with_worker();
    project.create(vec![task("one")]);
    let pause = Command::Queue(QueueCommand::Pause(Scope { label: None }));
    assert_eq!(project.ask(Caller::Operator, pause), Ok(Reply::Done));
    let project = project.reopen();
    assert_eq!(project.claim(), None);
    let resume = Command::Queue(QueueCommand::Resume(Scope { label: None }));
    assert_eq!(project.ask(Caller::Operator, resume), Ok(Reply::Done));
    assert!(project.claim().is_some());
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Asks until so many claims wait.
fn until_claims_wait(project: &Project, expected: u64) {
    loop {
        let reply = project.ask(Caller::Operator, Command::Queue(QueueCommand::Find));
        let Ok(Reply::Queue(facts)) = reply else { panic!("{reply:?}") };
        if facts.waiting_claims == expected {
            return;
        }
        std::thread::yield_now();
    }
}
