//! Requests that are carried out once.

use super::*;

#[test]
fn a_repeated_request_is_one_commit() {
    let mut world = World::new();
    let reserved = world.reserved(once(1, 7), &["a"]);
    assert_eq!(world.why_not(once(1, 7), &["a"]), "still_running");
    assert_eq!(world.why_not(once(1, 8), &["e"]), "key_reused");
    let before = world.waits(once(1, 7), &["a"]);
    let waiter = Waiter(before.0 + 1);
    let request = ReserveRequest {
        paths: set(&["a"]),
        author: once(1, 7),
        wait_until: Some(Timestamp::from_millis(9_999)),
    };
    assert_eq!(world.tells(CommitCommand::Reserve(request)), [(before, Said::Refused("superseded"))]);
    let number = world.intended(reserved, &["a"]);
    assert_eq!(world.tells(CommitCommand::Publish(number)), [(waiter, Said::Committed(number.0))]);
    assert_eq!(world.reserve(once(1, 7), &["a"], 0).map(|reply| said(&reply)), Some(Said::Committed(1)));
    assert_eq!(world.why_not(once(1, 8), &["a"]), "key_reused");
    world.reserved(once(2, 7), &["a"]);
    world.starts_again();
    assert_eq!(world.reserve(once(1, 7), &["a"], 0).map(|reply| said(&reply)), Some(Said::Committed(1)));
}

#[test]
fn a_request_that_a_crash_left_is_answered_by_its_commit() {
    let mut world = World::new();
    let reserved = world.reserved(once(1, 7), &["a"]);
    let number = world.intended(reserved, &["a"]);
    world.starts_again();
    let waiter = world.waits(once(1, 7), &["a"]);
    assert_eq!(world.tells(CommitCommand::Publish(number)), [(waiter, Said::Committed(number.0))]);
    assert_eq!(world.reserve(once(1, 7), &["a"], 0).map(|reply| said(&reply)), Some(Said::Committed(1)));
}

#[test]
fn a_request_that_came_to_nothing_is_carried_out_when_it_comes_again() {
    let mut world = World::new();
    let reserved = world.reserved(once(1, 7), &["a"]);
    let number = world.intended(reserved, &["a"]);
    let waiter = world.waits(once(1, 7), &["a"]);
    let told = world.tells(CommitCommand::Abort(Undo::Intended(number), failed()));
    assert!(is_reserved(&told, waiter), "{told:?}");
    // The second hangs, and a third takes over.
    let waiter = world.waits(once(1, 7), &["a"]);
    let told = world.pass(30_000);
    assert!(is_reserved(&told, waiter), "{told:?}");
}

#[test]
fn a_key_is_one_requests_whatever_the_request_is_about() {
    let mut world = World::new();
    let keyed = Keyed { key: "k".parse().unwrap(), hash: 9 };
    world.reserved(once(1, 7), &["a"]);
    let command = Command::Task(TaskCommand::Claim(ClaimRequest::next()));
    let step = world.step(Caller::Agent(name(1)), command, Some(keyed.clone()));
    assert_eq!(said(&step.replies[0].1), Said::Refused("key_reused"));
    world.lock(3, "e");
    let wait_until = Some(Timestamp::from_millis(50_000));
    let request = LockRequest {
        wait_until,
        ..LockRequest::new(LockMode::Exclusive, vec![PathPattern::of(&path("e"))])
    };
    let step = world.step(Caller::Agent(name(2)), Command::Lock(LockCommand::Take(request)), Some(keyed));
    assert_eq!(step.replies, []);
    assert_eq!(world.why_not(once(2, 7), &["g"]), "key_reused");
}
