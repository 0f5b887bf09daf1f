//! One test for each promise that is easily broken by hand.

use super::model::{PATTERNS, covered};
use super::*;

#[test]
fn the_paths_show_every_overlap_of_the_patterns() {
    for (one, other) in PATTERNS.iter().flat_map(|one| PATTERNS.map(|other| (*one, other))) {
        let apart = covered(&[pattern(one)]).is_disjoint(&covered(&[pattern(other)]));
        assert_eq!(pattern(one).overlaps(&pattern(other)), !apart, "{one} and {other}");
    }
}

/// What agent `n` is answered at once, if anything.
fn ask(world: &mut World, n: u8, command: Command) -> Option<Reply> {
    world.now += 1;
    let replies = world.step(Caller::Agent(name(n)), command, None).replies;
    replies.into_iter().find(|(to, _)| to.0 == world.last_waiter).map(|(_, reply)| reply)
}

fn refusal(reply: Option<Reply>) -> LockRefusal {
    match reply {
        Some(Reply::Refused(Refusal::Lock(refusal))) => refusal,
        reply => panic!("{reply:?}"),
    }
}

fn request(mode: LockMode, patterns: &[&str]) -> LockRequest {
    LockRequest::new(mode, patterns.iter().map(|text| pattern(text)).collect())
}

fn take(world: &mut World, n: u8, request: LockRequest) -> Taken {
    match ask(world, n, Command::Lock(LockCommand::Take(request))) {
        Some(Reply::Lock(LockReply::Taken(taken))) => taken,
        reply => panic!("{reply:?}"),
    }
}

fn wait(world: &mut World, n: u8, text: &str) -> Option<Reply> {
    let wait_until = Some(Timestamp::from_millis(world.now + 50_000));
    let request = LockRequest { wait_until, ..request(LockMode::Exclusive, &[text]) };
    ask(world, n, Command::Lock(LockCommand::Take(request)))
}

fn claim(world: &mut World, n: u8, want: Want, wait_until: Option<Timestamp>) -> Option<Hold> {
    let request = ClaimRequest { want, wait_until, ..ClaimRequest::next() };
    match ask(world, n, Command::Task(TaskCommand::Claim(request))) {
        Some(Reply::Task(TaskReply::Claimed(claimed))) => claimed.grants.first().map(Grant::hold),
        None => None,
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn a_lock_that_makes_no_sense_is_refused() {
    let mut world = World::new();
    let mut refused = |request| refusal(ask(&mut world, 1, Command::Lock(LockCommand::Take(request))));
    let exclusive = |patterns: &[&str]| request(LockMode::Exclusive, patterns);
    assert_eq!(refused(exclusive(&[])), LockRefusal::Count(0));
    assert_eq!(refused(exclusive(&["a"; 65])), LockRefusal::Count(65));
    for ttl_ms in [999, 24 * 3_600 * 1_000 + 1] {
        assert_eq!(refused(LockRequest { ttl_ms, ..exclusive(&["a"]) }), LockRefusal::TtlOutOfRange(ttl_ms));
    }
}

#[test]
fn an_agent_has_no_more_than_so_many_locks() {
    let mut world = World::new();
    for _ in 0..256 {
        take(&mut world, 1, request(LockMode::Shared, &["a"]));
    }
    let one_more = Command::Lock(LockCommand::Take(request(LockMode::Shared, &["a"])));
    assert_eq!(refusal(ask(&mut world, 1, one_more)), LockRefusal::TooMany(256));
    take(&mut world, 2, request(LockMode::Shared, &["a"]));
}

#[test]
fn a_deadlock_names_those_who_would_wait_for_each_other() {
    let mut world = World::new();
    for (n, text) in [(0, "a"), (1, "b"), (2, "c")] {
        take(&mut world, n, request(LockMode::Exclusive, &[text]));
    }
    assert_eq!(wait(&mut world, 0, "b"), None);
    assert_eq!(wait(&mut world, 1, "c"), None);
    let chain = vec![name(0), name(1), name(2)];
    assert_eq!(refusal(wait(&mut world, 2, "a")), LockRefusal::Deadlock { chain });
}

#[test]
fn a_lock_of_a_task_stays_while_its_work_is_checked_and_ends_with_it() {
    for passed in [true, false] {
        let mut world = World::new();
        let verify = Some(Some(Verify::Run(vec!["true".to_owned()])));
        let patch = Box::new(TaskPatch { verify, ..TaskPatch::default() });
        ask(&mut world, 0, Command::Task(TaskCommand::Patch(TaskId(1), patch)));
        let hold = claim(&mut world, 1, Want::Task(TaskId(1)), None).unwrap();
        let bound = LockRequest { task: Some(hold), ..request(LockMode::Exclusive, &["a"]) };
        take(&mut world, 1, bound);
        let completion = Completion { hold, result: "".into(), next: None };
        ask(&mut world, 1, Command::Task(TaskCommand::Complete(completion)));
        assert_eq!(world.state.locks.all().count(), 1);
        let end = if passed {
            TaskCommand::Checked(Verdict { hold, passed, output: "".into() })
        } else {
            TaskCommand::Cancel(TaskId(1), "".into())
        };
        let step = world.step(Caller::Server, Command::Task(end), None);
        let causes: Vec<_> = step.events.iter().filter_map(|event| released(&event.kind)).collect();
        assert_eq!(causes, [ReleaseCause::LeaseEnded]);
    }
}

fn released(kind: &EventKind) -> Option<ReleaseCause> {
    let EventKind::Lock(AboutLock { event: LockEvent::Released { cause, .. }, .. }) = kind else {
        return None;
    };
    Some(*cause)
}

#[test]
fn a_task_says_which_lock_it_waits_for() {
    let mut world = World::new();
    let lock = take(&mut world, 1, request(LockMode::Exclusive, &["a"])).lock;
    assert_eq!(claim(&mut world, 2, Want::Task(TaskId(1)), None), None);
    let Some(Reply::Task(TaskReply::Why(why))) =
        ask(&mut world, 2, Command::Task(TaskCommand::Why(TaskId(1))))
    else {
        panic!("no answer")
    };
    assert!(why.contains(&Why::PathsLocked(lock)), "{why:?}");
    assert!(claim(&mut world, 1, Want::Task(TaskId(1)), None).is_some());
}

/// Guards against a claim that waits for ever: its task lies behind the claimant's own lock, and what kept it from
/// the task was another.
#[test]
fn a_task_behind_two_locks_goes_to_the_holder_of_the_one_that_is_left() {
    let mut world = World::new();
    take(&mut world, 1, request(LockMode::Shared, &["a"]));
    let other = take(&mut world, 2, request(LockMode::Shared, &["a"]));
    let until = Some(Timestamp::from_millis(50_000));
    for n in [1, 2] {
        assert_eq!(claim(&mut world, n, Want::Task(TaskId(1)), until), None);
    }
    ask(&mut world, 2, Command::Lock(LockCommand::Release(other.lock, other.fence)));
    assert_eq!(leases_of(&world.state, &name(1)).len(), 1);
}
