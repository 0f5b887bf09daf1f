//! Numbers, restarts and ends.

use super::*;

#[test]
fn only_what_was_reserved_is_changed() {
    let mut world = World::new();
    let reserved = world.reserved(by(1), &["a"]);
    assert_eq!(refused(world.intend(reserved, &["a", "e"])), "not_reserved");
    assert_eq!(refused(world.intend(reserved, &["a/b"])), "not_reserved");
    let changes = Changes { entries: Vec::new(), subtrees: vec![path("e")] };
    let request =
        ReserveRequest { paths: Reservation::new(changes).unwrap(), author: by(1), wait_until: None };
    let Some(Reply::Commit(CommitReply::Reserved(subtree))) = world.ask(CommitCommand::Reserve(request))
    else {
        panic!()
    };
    world.intended(subtree, &["e", "e/f/g"]);
    let operation = Operation::Move { from: path("g") };
    let moved = Change { operation, history: Some("h".parse().unwrap()), ..change("a", false) };
    let redo = RedoList::new(vec![moved]).unwrap();
    let reply = world.ask(CommitCommand::Intend(reserved.reservation, redo));
    assert_eq!(refused(reply), "not_reserved", "where it comes from was not reserved");
}

#[test]
fn numbers_have_no_gap_whatever_is_refused_or_aborted() {
    let mut world = World::new();
    let one = world.reserved(by(1), &["a"]);
    let two = world.reserved(by(2), &["e"]);
    assert_eq!(refused(world.intend(one, &["g"])), "not_reserved");
    assert_eq!(world.intended(two, &["e"]), CommitNumber(1));
    world.ask(CommitCommand::Abort(Undo::Intended(CommitNumber(1)), failed()));
    assert_eq!(world.intended(one, &["a"]), CommitNumber(2));
    world.starts_again();
    world.ask(CommitCommand::Publish(CommitNumber(2)));
    world.ask(CommitCommand::Retire(vec![CommitNumber(2)]));
    world.starts_again();
    assert_eq!(world.in_flight(&["a"]), CommitNumber(3));
}

#[test]
fn a_start_knows_what_is_unfinished_and_lets_nobody_else_at_it() {
    let mut world = World::new();
    let first = world.in_flight(&["a", "e"]);
    world.ask(CommitCommand::Publish(first));
    let second = world.in_flight(&["a"]);
    let third = world.in_flight(&["g"]);
    world.ask(CommitCommand::Abort(Undo::Intended(third), failed()));
    world.reserved(by(1), &["x"]);
    world.starts_again();
    let unfinished = world.ask(CommitCommand::Unfinished).unwrap();
    assert_eq!(said(&unfinished), Said::Unfinished(vec![(1, true), (2, false)]));
    let Reply::Commit(CommitReply::Unfinished(unfinished)) = unfinished else { panic!() };
    assert_eq!(unfinished[0].commit.redo.changes(), [change("a", false), change("e", false)]);
    world.reserved(by(2), &["x", "g"]);
    assert_eq!(world.why_not(by(2), &["e"]), "path_reserved");
    let waiter = world.waits(by(2), &["a"]);
    assert!(world.tells(CommitCommand::Publish(first)).is_empty(), "the second has it still");
    world.reserved(by(2), &["e"]);
    let told = world.tells(CommitCommand::Publish(second));
    assert!(is_reserved(&told, waiter), "{told:?}");
    assert_eq!(said(&world.ask(CommitCommand::Unfinished).unwrap()), Said::Unfinished(Vec::new()));
}

#[test]
fn a_commit_is_finished_only_after_all_before_it() {
    let mut world = World::new();
    let numbers = [world.in_flight(&["a"]), world.in_flight(&["e"]), world.in_flight(&["g"])];
    let [first, second, third] = numbers;
    world.ask(CommitCommand::Publish(second));
    world.ask(CommitCommand::Publish(third));
    world.ask(CommitCommand::Retire(vec![third, second]));
    let status = |world: &World, number| world.stored.commits[&number].1;
    assert_eq!(status(&world, second), CommitStatus::Published);
    assert_eq!(refused(world.ask(CommitCommand::Retire(vec![second, first]))), "wrong_status");
    world.ask(CommitCommand::Abort(Undo::Intended(first), failed()));
    assert_eq!(status(&world, second), CommitStatus::Retired);
    assert_eq!(status(&world, third), CommitStatus::Retired);
    assert_eq!(status(&world, first), CommitStatus::Aborted);
    assert_eq!(world.ask(CommitCommand::Retire(vec![third])), Some(Reply::Done), "again, it changes nothing");
}

#[test]
fn what_is_published_is_not_aborted_and_what_is_aborted_is_not_published() {
    let mut world = World::new();
    let (one, two) = (world.in_flight(&["a"]), world.in_flight(&["e"]));
    world.ask(CommitCommand::Publish(one));
    assert_eq!(refused(world.ask(CommitCommand::Abort(Undo::Intended(one), failed()))), "wrong_status");
    world.ask(CommitCommand::Abort(Undo::Intended(two), failed()));
    assert_eq!(refused(world.ask(CommitCommand::Publish(two))), "no_such_commit");
}

#[test]
fn an_event_names_who_and_the_first_paths_and_how_many() {
    let mut world = World::new();
    let hold = world.claim(1);
    let texts: Vec<String> = (0..30).map(|n| format!("f{n:02}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let run = RunId { boot: BootNumber(1), number: 3 };
    let author = Author::Agent(Authorship { run: Some(run), ..Authorship::of(name(1)) });
    let reserved = world.reserved(author, &texts);
    let number = world.intended(reserved, &texts);
    let step = world.step(Caller::Server, Command::Commit(CommitCommand::Publish(number)), None);
    let [event] = step.events.as_slice() else { panic!() };
    let EventKind::Commit(about) = &event.kind else { panic!() };
    let CommitEvent::Published { paths, count } = &about.event else { panic!() };
    assert_eq!((paths.len(), *count, about.commit), (20, 30, number));
    assert_eq!(
        (&event.agent, event.kind.task(), event.kind.run()),
        (&Some(name(1)), Some(hold.task), Some(run))
    );
}

#[test]
fn a_reservation_is_answered_before_anything_is_durable_and_a_number_is_not() {
    let mut world = World::new();
    let reserved = world.reserved(by(1), &["a"]);
    assert!(Reply::Commit(CommitReply::Reserved(reserved)).precedes_commit());
    for reply in [CommitReply::Intended(CommitNumber(1)), CommitReply::Committed(CommitNumber(1))] {
        assert!(!Reply::Commit(reply).precedes_commit());
    }
}
