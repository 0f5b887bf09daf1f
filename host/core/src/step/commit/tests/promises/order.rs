//! Who has which paths, and when.

use super::*;

#[test]
fn a_path_is_one_sets_alone_and_so_is_what_lies_above_and_beneath_it() {
    let mut world = World::new();
    world.reserved(by(1), &["a/b"]);
    for taken in ["a/b", "a", "", "a/b/c"] {
        assert_eq!(world.why_not(by(2), &[taken]), "path_reserved", "{taken:?}");
    }
    world.reserved(by(2), &["a/c", "a-b", "a/bb"]);
}

#[test]
fn a_refusal_says_which_path_and_who_is_at_it() {
    let mut world = World::new();
    world.reserved(by(1), &["a/b"]);
    let refusal = |reply| match reply {
        Some(Reply::Refused(Refusal::Commit(refusal))) => refusal,
        reply => panic!("{reply:?}"),
    };
    let taken = |by| CommitRefusal::PathReserved { path: path("a/b"), by };
    assert_eq!(refusal(world.reserve(by(2), &["c", "a/b"], 0)), taken(Some(name(1))));
    world.reserved(Author::Outside, &["e"]);
    let text = refusal(world.reserve(by(2), &["e"], 0)).to_string();
    assert_eq!(text, "e is being changed by somebody outside; try again in a moment");
}

#[test]
fn whoever_comes_later_waits_behind_those_who_wait_and_others_pass() {
    let mut world = World::new();
    let first = world.reserved(by(1), &["a"]);
    let second = world.waits(by(2), &["a", "e"]);
    let third = world.waits(by(3), &["e/f"]);
    assert_eq!(world.why_not(by(3), &["e"]), "path_reserved");
    world.reserved(by(3), &["g"]);
    let told = world.tells(CommitCommand::Abort(Undo::Reserved(first.reservation), failed()));
    assert!(is_reserved(&told, second), "{told:?}");
    let [(_, Said::Reserved(id, ..))] = told[..] else { panic!() };
    let told = world.tells(CommitCommand::Abort(Undo::Reserved(id), failed()));
    assert!(is_reserved(&told, third), "{told:?}");
}

#[test]
fn a_large_set_is_not_starved_by_small_ones() {
    let mut world = World::new();
    let mut small: Vec<Reserved> =
        ["a", "e", "g"].iter().map(|text| world.reserved(by(1), &[text])).collect();
    let large = world.waits(by(2), &["a", "e", "g"]);
    for n in 0..30 {
        let text = ["a", "e", "g"][n % 3];
        world.waits(by(3), &[text]);
        if n % 10 == 9 {
            let done = small.remove(0);
            let told = world.tells(CommitCommand::Abort(Undo::Reserved(done.reservation), failed()));
            let expected = if small.is_empty() { is_reserved(&told, large) } else { told.is_empty() };
            assert!(expected, "{told:?}");
        }
    }
}

#[test]
fn whoever_prepares_for_too_long_loses_its_paths_unless_it_says_that_it_is_alive() {
    let mut world = World::new();
    let reserved = world.reserved(by(1), &["a"]);
    let waiter = world.waits(by(2), &["a"]);
    assert!(world.pass(29_000).is_empty());
    assert!(world.ask(CommitCommand::Renew(reserved.reservation)).is_some());
    assert!(world.pass(29_000).is_empty());
    let told = world.pass(2_000);
    assert!(is_reserved(&told, waiter), "{told:?}");
    assert_eq!(refused(world.intend(reserved, &["a"])), "no_such_reservation");
    assert_eq!(refused(world.ask(CommitCommand::Renew(reserved.reservation))), "no_such_reservation");
}

#[test]
fn nobody_keeps_paths_for_ever_by_renewing() {
    let mut world = World::new();
    let reserved = world.reserved(by(1), &["a"]);
    let began = world.now;
    let mut renewals = 0;
    while let Some(Reply::Commit(CommitReply::Reserved(again))) =
        world.ask(CommitCommand::Renew(reserved.reservation))
    {
        assert!(again.deadline.as_millis() <= began + 600_000);
        world.pass(20_000);
        renewals += 1;
    }
    assert_eq!(renewals, 30);
    world.reserved(by(2), &["a"]);
}

#[test]
fn nobody_waits_longer_than_it_wanted_to() {
    let mut world = World::new();
    world.in_flight(&["a"]);
    assert_eq!(world.reserve(by(2), &["a"], 5_000), None);
    let waiter = Waiter(world.last_waiter);
    assert!(world.pass(4_998).is_empty());
    assert_eq!(world.pass(1), [(waiter, Said::Refused("path_reserved"))]);
    assert_eq!(world.reserve(by(2), &["a"], u64::MAX / 2), None);
    let waiter = Waiter(world.last_waiter);
    assert_eq!(world.pass(600_000), [(waiter, Said::Refused("path_reserved"))]);
}

#[test]
fn only_so_much_is_under_way() {
    let mut world = World::new();
    let large = |n: usize| {
        let entries = (0..100_000).map(|path| format!("d{n}/{path}").parse().unwrap()).collect();
        let paths = Reservation::new(Changes { entries, subtrees: Vec::new() }).unwrap();
        CommitCommand::Reserve(ReserveRequest { paths, author: by(1), wait_until: None })
    };
    let mut ids = Vec::new();
    for n in 0..10 {
        let Some(Reply::Commit(CommitReply::Reserved(reserved))) = world.ask(large(n)) else { panic!() };
        ids.push(reserved.reservation);
    }
    assert_eq!(world.why_not(by(2), &["x"]), "busy");
    for id in ids {
        world.ask(CommitCommand::Abort(Undo::Reserved(id), failed()));
    }
    for n in 0..10_000 {
        world.reserved(by(1), &[&format!("x{n}")]);
    }
    assert_eq!(world.why_not(by(2), &["x"]), "busy");
}
