//! What a change stands on.

use super::*;

#[test]
fn an_intent_is_refused_once_its_lease_is_lost() {
    let mut world = World::new();
    let hold = world.claim(1);
    let reserved = world.reserved(by(1), &["a"]);
    assert_eq!(reserved.task, Some(hold));
    world.pass(20_000);
    assert_eq!(refused(world.intend(reserved, &["a"])), "stale_lease");
    assert_eq!(world.state.commits.last, CommitNumber(0), "a refusal took a number");
    // It goes on with another, but this change was not made under that.
    world.claim(1);
    assert_eq!(refused(world.intend(reserved, &["a"])), "stale_lease");
}

#[test]
fn an_intent_is_refused_once_a_lock_is_broken_or_somebody_else_has_one() {
    let mut world = World::new();
    let lock = world.lock(1, "a");
    let reserved = world.reserved(with(1, lock), &["a"]);
    world.by(Caller::Operator, Command::Lock(LockCommand::Break(lock.lock, "why".into())));
    assert_eq!(refused(world.intend(reserved, &["a"])), "stale_lock");
    let reserved = world.reserved(by(1), &["e/f"]);
    let lock = world.lock(2, "e");
    assert_eq!(refused(world.intend(reserved, &["e/f"])), "path_locked");
    assert_eq!(world.why_not(by(3), &["e/g"]), "path_locked");
    world.by(Caller::Agent(name(2)), Command::Lock(LockCommand::Release(lock.lock, lock.fence)));
    world.intended(reserved, &["e/f"]);
}

#[test]
fn an_agent_that_was_removed_intends_nothing_even_if_another_has_its_name() {
    let mut world = World::new();
    let reserved = world.reserved(by(1), &["a"]);
    let waiter = world.waits(by(1), &["a"]);
    world.now += 1;
    let step = world.step(Caller::Operator, Command::RemoveAgent(name(1)), None);
    assert!(
        step.replies.iter().any(|(to, reply)| *to == waiter && said(reply) == Said::Refused("caller_gone"))
    );
    assert_eq!(world.why_not(by(1), &["e"]), "caller_gone");
    world.by(Caller::Operator, Command::AddAgent(new_agent(1)));
    assert_eq!(refused(world.intend(reserved, &["a"])), "no_such_reservation");
    world.reserved(by(2), &["a"]);
}

#[test]
fn a_commit_that_has_its_number_goes_on_whatever_ends() {
    let mut world = World::new();
    world.claim(1);
    let lock = world.lock(1, "a");
    let reserved = world.reserved(with(1, lock), &["a"]);
    let number = world.intended(reserved, &["a"]);
    world.by(Caller::Operator, Command::Lock(LockCommand::Break(lock.lock, "why".into())));
    world.pass(20_000);
    world.by(Caller::Operator, Command::RemoveAgent(name(1)));
    assert_eq!(world.why_not(by(2), &["a"]), "path_reserved");
    assert_eq!(world.ask(CommitCommand::Publish(number)), Some(Reply::Done));
    world.reserved(by(2), &["a"]);
}

#[test]
fn a_change_belongs_to_the_only_lease_or_to_the_one_that_is_named() {
    let mut world = World::new();
    assert_eq!(world.reserved(by(1), &["a"]).task, None, "none held");
    let first = world.claim(1);
    assert_eq!(world.reserved(by(1), &["e"]).task, Some(first));
    assert_eq!(world.reserved(under(1, Under::NoLease), &["g"]).task, None);
}

#[test]
fn of_several_leases_none_is_guessed() {
    let mut world = World::new();
    let (first, second) = (world.claim(1), world.claim(1));
    assert_eq!(world.reserved(by(1), &["a"]).task, None);
    assert_eq!(world.reserved(under(1, Under::Lease(second)), &["e"]).task, Some(second));
    assert_eq!(world.why_not(under(2, Under::Lease(first)), &["g"]), "stale_lease");
}

#[test]
fn whoever_lost_a_lease_changes_nothing_until_it_claims_or_asks() {
    let lost = || {
        let mut world = World::new();
        world.claim(1);
        world.claim(1);
        let reserved = world.reserved(by(1), &["x"]);
        world.pass(20_000);
        assert_eq!(
            refused(world.intend(reserved, &["x"])),
            "stale_lease",
            "made for no task, and it does not know"
        );
        (world, reserved)
    };
    let (mut world, _) = lost();
    assert_eq!(world.why_not(by(1), &["a"]), "stale_lease");
    assert_eq!(world.why_not(under(1, Under::NoLease), &["a"]), "stale_lease");
    world.starts_again();
    assert_eq!(world.why_not(by(1), &["a"]), "stale_lease", "a restart tells it nothing");
    let hold = world.claim(1);
    assert_eq!(world.reserved(by(1), &["a"]).task, Some(hold));

    let (mut world, reserved) = lost();
    world.ask(CommitCommand::Brief(name(1)));
    world.intended(reserved, &["x"]);
    world.starts_again();
    assert_eq!(world.reserved(by(1), &["a"]).task, None);
}

#[test]
fn a_run_of_somebody_who_lost_a_lease_works_under_that_one() {
    let mut world = World::new();
    let hold = world.claim(1);
    world.pass(20_000);
    let request = RunRequest {
        argv: vec!["ls".into()],
        cwd: ProjectPath::root(),
        limits: LimitsRequest::default(),
        narrow: None,
        under: Under::TheOnlyLease,
    };
    world.state.profiles.values_mut().for_each(|profile| profile.commands.allow = vec!["*".into()]);
    let Some(Reply::RunStarted(run)) = world.by(Caller::Agent(name(1)), Command::StartRun(request)) else {
        panic!()
    };
    assert_eq!(run.hold, Some(hold), "reading goes on, publishing will be refused");
    world.claim(1);
    assert_eq!(world.why_not(under(1, Under::Lease(hold)), &["a"]), "stale_lease");
}

#[test]
fn what_came_from_outside_is_put_on_record_whoever_has_a_lock() {
    let mut world = World::new();
    world.lock(1, "a");
    let reserved = world.reserved(Author::Outside, &["a"]);
    assert_eq!(refused(world.intend(reserved, &["a"])), "mixed_origin");
    let redo = RedoList::new(vec![change("a", true)]).unwrap();
    let intend = CommitCommand::Intend(reserved.reservation, redo.clone());
    assert_eq!(world.ask(intend).map(|reply| said(&reply)), Some(Said::Intended(1)));
    let reserved = world.reserved(by(2), &["e"]);
    let redo = RedoList::new(vec![change("e", true)]).unwrap();
    assert_eq!(refused(world.ask(CommitCommand::Intend(reserved.reservation, redo))), "mixed_origin");
}
