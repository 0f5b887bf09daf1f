//! One test for each promise.

use super::*;
use crate::crew::Presence;

const MINUTE: u64 = 60_000;

fn provider(text: &str) -> ProviderName {
    text.parse().unwrap()
}

fn with_ttl(ttl_ms: u64) -> Heartbeat {
    Heartbeat { ttl_ms: Some(ttl_ms), ..Heartbeat::default() }
}

fn tokens(input_tokens: u64) -> Usage {
    Usage { input_tokens, ..Usage::default() }
}

fn budget(tokens: u64) -> Option<Budget> {
    Some(Budget { tokens: Some(tokens), ..Budget::default() })
}

fn lock(world: &mut World, agent: &str, pattern: &str) {
    let request = LockRequest {
        patterns: vec![pattern.parse().unwrap()],
        mode: LockMode::Exclusive,
        ttl_ms: 60 * MINUTE,
        task: None,
        reason: "".into(),
        wait_until: None,
    };
    let step = world.ask(agent, Command::Lock(LockCommand::Take(request)));
    assert!(matches!(own_reply(&step, world.waiter), Reply::Lock(LockReply::Taken(_))), "{step:?}");
}

fn set_limits(world: &mut World, limits: QueueLimits) -> Step {
    world.ask("ada", Command::Queue(QueueCommand::SetLimits(Box::new(limits))))
}

fn refused(world: &World, step: &Step) -> CrewRefusal {
    match own_reply(step, world.waiter) {
        Reply::Refused(Refusal::Crew(refusal)) => refusal.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_comes_with_its_first_sign_of_life() {
    let mut world = World::new();
    assert_eq!(world.status("wes"), AgentStatus::Left);
    let step = world.touch("wes");
    assert_eq!(crew_events(&step), [("wes", &CrewEvent::Joined { was: None })]);
    assert_eq!(world.status("wes"), AgentStatus::Idle);
    assert!(world.touch("wes").rows.is_empty(), "the next one changes nothing");
    world.make(TaskSpec::default());
    world.claim("wes", 10 * MINUTE);
    assert_eq!(world.status("wes"), AgentStatus::Active);
}

#[test]
fn who_is_silent_becomes_suspect_and_then_leaves_without_alarm() {
    let mut world = World::new();
    world.touch("wes");
    world.after(5 * MINUTE);
    assert_eq!(world.status("wes"), AgentStatus::Idle);
    world.after(1);
    assert_eq!(world.status("wes"), AgentStatus::Suspect);
    let step = world.after(5 * MINUTE);
    let left = CrewEvent::Left { why: Gone::Silent, note: "".into() };
    assert_eq!(crew_events(&step), [("wes", &left)]);
    assert_eq!(world.status("wes"), AgentStatus::Left);
    let step = world.touch("wes");
    assert_eq!(crew_events(&step), [("wes", &CrewEvent::Joined { was: Some(Presence::Left) })]);
}

#[test]
fn who_promised_a_heartbeat_and_is_silent_is_lost_with_all_it_holds() {
    let mut world = World::new();
    let task = world.make(TaskSpec::default());
    world.beat("wes", with_ttl(30_000));
    world.claim("wes", 60 * MINUTE);
    lock(&mut world, "wes", "src/**");
    world.after(29_999);
    assert_eq!(world.stands(task), TaskStatus::InProgress);
    let step = world.after(1);
    let lost =
        CrewEvent::Lost { last_seen_ms: Timestamp::from_millis(world.now - 30_000), tasks: 1, locks: 1 };
    assert_eq!(crew_events(&step), [("wes", &lost)]);
    assert_eq!(world.status("wes"), AgentStatus::Lost);
    assert_eq!(world.stands(task), TaskStatus::Pending, "its task goes to others at once");
    let lock = world.state.locks.all().next().cloned().unwrap();
    let again = Command::Lock(LockCommand::Renew(lock.id, lock.fence));
    let step = world.ask("wes", again);
    let Reply::Refused(Refusal::Lock(refusal)) = own_reply(&step, world.waiter) else { panic!("{step:?}") };
    let left_ms = Lock::ORPHANED_MS;
    assert_eq!(
        *refusal,
        LockRefusal::Orphaned { lock: lock.id, hold: None, left_ms },
        "it stays for a while"
    );
    world.after(Lock::ORPHANED_MS);
    assert_eq!(world.state.locks.all().count(), 0);
}

#[test]
fn a_heartbeat_or_any_other_call_keeps_an_agent() {
    let mut world = World::new();
    world.beat("wes", with_ttl(30_000));
    for _ in 0..10 {
        world.after(20_000);
        world.touch("wes");
    }
    world.after(20_000);
    assert_eq!(world.status("wes"), AgentStatus::Suspect);
    assert!(
        crew_events(&world.after(10_000)).iter().any(|(_, event)| matches!(event, CrewEvent::Lost { .. }))
    );
}

#[test]
fn a_run_or_a_call_that_waits_speaks_for_its_agent() {
    let mut world = World::new();
    world.beat("wes", with_ttl(10_000));
    let waits = world.claim_for("wes", 10 * MINUTE, 50_000);
    assert!(waits.replies.is_empty());
    world.after(49_999);
    assert_ne!(world.status("wes"), AgentStatus::Lost);
    world.after(1);
    let request = RunRequest {
        argv: vec!["ls".to_owned()],
        cwd: ProjectPath::root(),
        limits: LimitsRequest::default(),
        narrow: None,
        under: Under::NoLease,
    };
    world.ask("wes", Command::StartRun(request));
    world.after(60 * MINUTE);
    assert_eq!(world.status("wes"), AgentStatus::Active);
}

#[test]
fn who_never_promised_anything_is_lost_with_its_last_lease() {
    let mut world = World::new();
    let first = world.make(TaskSpec::default());
    let second = world.make(TaskSpec::default());
    world.touch("wes");
    world.claim("wes", 5 * MINUTE);
    world.claim("wes", 30 * MINUTE);
    let step = world.after(5 * MINUTE);
    assert_eq!((world.stands(first), crew_events(&step)), (TaskStatus::Pending, vec![]));
    let step = world.after(25 * MINUTE);
    assert_eq!(world.stands(second), TaskStatus::Pending);
    assert!(matches!(crew_events(&step)[..], [("wes", CrewEvent::Lost { tasks: 0, .. })]), "{step:?}");
}

#[test]
fn a_lease_that_ends_at_its_hard_end_loses_nobody_who_is_there() {
    let mut world = World::new();
    world.make(TaskSpec::default());
    world.touch("wes");
    world.claim("wes", 50 * MINUTE);
    for _ in 0..12 {
        world.after(5 * MINUTE);
        world.touch("wes");
    }
    assert_eq!(world.status("wes"), AgentStatus::Idle);
}

#[test]
fn a_new_start_gives_everybody_time() {
    let mut world = World::new();
    world.beat("wes", with_ttl(10_000));
    world.now += 60 * MINUTE;
    world.state = world.stored.rebuild(world.now);
    world.after(9_999);
    assert_eq!(world.status("wes"), AgentStatus::Suspect);
    world.after(1);
    assert_eq!(world.status("wes"), AgentStatus::Lost, "its promise outlives the server");
}

#[test]
fn who_leaves_gives_everything_back() {
    let mut world = World::new();
    let task = world.make(TaskSpec::default());
    world.touch("wes");
    world.claim("wes", 10 * MINUTE);
    lock(&mut world, "wes", "src/**");
    let waits = world.claim_for("wes", 10 * MINUTE, 50_000);
    assert!(waits.replies.is_empty());
    let waiter = world.waiter;
    let step = world.tell("wes", CrewCommand::Leave("half done".into()));
    assert_eq!(world.stands(task), TaskStatus::Pending);
    assert_eq!(world.state.locks.all().count(), 0, "at once: it says itself that it does nothing more");
    assert_eq!(own_reply(&step, waiter), &Reply::Refused(CrewRefusal::Left(name("wes")).into()));
    let left = CrewEvent::Left { why: Gone::Said, note: "half done".into() };
    assert_eq!(crew_events(&step), [("wes", &left)]);
    let handed_on = step.rows.iter().any(
        |row| matches!(row, Row::Task(TaskRow::AddNote(id, note)) if *id == task && &*note.text == "half done"),
    );
    assert!(handed_on, "{step:?}");
    assert!(crew_events(&world.tell("wes", CrewCommand::Leave("".into()))).is_empty(), "once is enough");
}

#[test]
fn who_is_interrupted_gets_nothing_until_it_says_that_it_knows() {
    let mut world = World::new();
    world.touch("wes");
    let waits = world.claim_for("wes", 10 * MINUTE, 50_000);
    assert!(waits.replies.is_empty());
    let waiter = world.waiter;
    let step = world.tell("ada", CrewCommand::Interrupt(name("wes"), "wrong branch".into()));
    let Some(Nothing::Interrupted { interrupt }) = claimed(own_reply(&step, waiter)).nothing else {
        panic!("whoever waits is told: {step:?}")
    };
    assert_eq!((&*interrupt.reason, interrupt.by), ("wrong branch", Some(name("ada"))));
    world.make(TaskSpec::default());
    let nothing = world.claim("wes", 10 * MINUTE);
    assert!(matches!(nothing.nothing, Some(Nothing::Interrupted { .. })), "{nothing:?}");
    let request = RunRequest {
        argv: vec!["ls".to_owned()],
        cwd: ProjectPath::root(),
        limits: LimitsRequest::default(),
        narrow: None,
        under: Under::NoLease,
    };
    let step = world.ask("wes", Command::StartRun(request));
    assert!(matches!(refused(&world, &step), CrewRefusal::Interrupted { .. }));

    let other = Heartbeat { ack_interrupt: Some(EventSeq(interrupt.seq.0 - 1)), ..Heartbeat::default() };
    assert!(world.beat("wes", other).standing.unwrap().interrupt.is_some(), "another one is not this one");
    let waits = world.claim_for("wes", 10 * MINUTE, 50_000);
    assert!(waits.replies.is_empty(), "no use in asking again at once");
    let waiter = world.waiter;
    let beat = Heartbeat { ack_interrupt: Some(interrupt.seq), ..Heartbeat::default() };
    let step = world.tell("wes", CrewCommand::Heartbeat(Box::new(beat)));
    assert_eq!(claimed(own_reply(&step, waiter)).grants.len(), 1, "then it goes on");
}

#[test]
fn an_interrupt_outlives_the_server_and_only_coordinators_may() {
    let mut world = World::new();
    let step = world.tell("wyn", CrewCommand::Interrupt(name("wes"), "".into()));
    assert!(matches!(own_reply(&step, world.waiter), Reply::Refused(Refusal::RoleTooLow { .. })));
    world.tell("ada", CrewCommand::Interrupt(name("wes"), "".into()));
    world.state = world.stored.rebuild(world.now);
    assert!(world.facts("wes").standing.unwrap().interrupt.is_some());
}

#[test]
fn agents_of_one_provider_wait_together() {
    let mut world = World::new();
    let theirs = |text| Heartbeat { provider: Some(provider(text)), ..Heartbeat::default() };
    world.beat("wes", theirs("north"));
    world.beat("wyn", theirs("north"));
    world.beat("wim", theirs("south"));
    let until = Timestamp::from_millis(world.now + 30_000);
    world.tell("wes", CrewCommand::Cool { provider: None, until, reason: "429".into() });
    // What another was told is shorter, and changes nothing.
    let earlier = Timestamp::from_millis(world.now + 1_000);
    world.tell("wyn", CrewCommand::Cool { provider: None, until: earlier, reason: "429".into() });
    world.make(TaskSpec::default());
    world.make(TaskSpec::default());
    let rate_limited = Nothing::RateLimited { provider: provider("north"), until_ms: until };
    assert_eq!(world.claim("wes", MINUTE).nothing, Some(rate_limited.clone()));
    assert_eq!(world.claim("wyn", MINUTE).nothing, Some(rate_limited));
    assert_eq!(world.claim("wim", MINUTE).grants.len(), 1, "others go on");
    world.claim_for("wyn", MINUTE, 50_000);
    let waiter = world.waiter;
    let step = world.after(30_000);
    assert_eq!(claimed(own_reply(&step, waiter)).grants.len(), 1, "whoever waits has it when that is over");
}

#[test]
fn a_provider_is_let_alone_over_a_restart_and_no_longer_than_its_time() {
    let mut world = World::new();
    let until = Timestamp::from_millis(world.now + 30_000);
    world.tell("wes", CrewCommand::Cool { provider: Some(provider("north")), until, reason: "".into() });
    world.state = world.stored.rebuild(world.now);
    assert_eq!(world.facts("wes").cooldown.unwrap().until_ms, until, "and whose model it is, is known");
    let now = Timestamp::from_millis(world.now);
    let lift = CrewCommand::Cool { provider: Some(provider("north")), until: now, reason: "".into() };
    let step = world.tell("wyn", lift.clone());
    assert!(matches!(refused(&world, &step), CrewRefusal::NotYours { .. }));
    world.tell("ada", lift);
    assert_eq!(world.facts("wes").cooldown, None);
}

#[test]
fn a_task_that_used_its_budget_waits_for_a_decision() {
    let mut world = World::new();
    let task = world.make(TaskSpec { budget: budget(1_000), ..TaskSpec::default() });
    let hold = world.claim("wes", MINUTE).grants[0].hold();
    world.tell("wes", CrewCommand::Spend(tokens(999), Under::Lease(hold)));
    assert_eq!(world.stands(task), TaskStatus::InProgress);
    let step = world.tell("wyn", CrewCommand::Spend(tokens(5_000), Under::Lease(hold)));
    let Reply::Crew(CrewReply::Counted(counted)) = own_reply(&step, world.waiter) else { panic!("{step:?}") };
    assert_eq!((counted.task, counted.agent), (None, tokens(5_000)), "nobody spends what is somebody else's");
    let step = world.tell("wes", CrewCommand::Spend(tokens(1), Under::TheOnlyLease));
    let Reply::Crew(CrewReply::Counted(counted)) = own_reply(&step, world.waiter) else { panic!("{step:?}") };
    assert_eq!((counted.task, counted.task_spent), (Some((task, tokens(1_000))), true));
    assert_eq!(counted.project, tokens(6_000));
    assert_eq!(world.stands(task), TaskStatus::NeedsInput);
    let step = world.ask("wes", Command::Task(TaskCommand::Renew(hold)));
    assert!(matches!(
        own_reply(&step, world.waiter),
        Reply::Refused(Refusal::Task(TaskRefusal::StaleLease { .. }))
    ));

    world.ask("ada", Command::Task(TaskCommand::Answer(task, "go on".into())));
    let hold = world.claim("wes", MINUTE).grants[0].hold();
    world.tell("wes", CrewCommand::Spend(tokens(999), Under::Lease(hold)));
    assert_eq!(world.stands(task), TaskStatus::InProgress, "an answer lets it go on with as much again");
    world.tell("wes", CrewCommand::Spend(tokens(1), Under::Lease(hold)));
    assert_eq!(world.stands(task), TaskStatus::NeedsInput);
}

#[test]
fn who_used_its_budget_gets_no_more_until_it_is_raised() {
    let mut world = World::new();
    let (agents, wes) = (budget(1_000), (name("wes"), budget(100).unwrap()));
    set_limits(
        &mut world,
        QueueLimits { budget_per_agent: agents, agent_budgets: [wes].into(), ..QueueLimits::default() },
    );
    let step = world.tell("wes", CrewCommand::Spend(tokens(100), Under::NoLease));
    let spent = CrewEvent::BudgetSpent { of: Spender::Agent, spent: "100 of 100 tokens".to_owned() };
    assert_eq!(crew_events(&step), [("wes", &spent)]);
    let step = world.tell("wes", CrewCommand::Spend(tokens(1), Under::NoLease));
    assert!(crew_events(&step).is_empty(), "it is told once");
    world.tell("wyn", CrewCommand::Spend(tokens(999), Under::NoLease));
    world.make(TaskSpec::default());
    world.make(TaskSpec::default());
    assert!(matches!(world.claim("wes", MINUTE).nothing, Some(Nothing::Budget { of: Spender::Agent, .. })));
    assert_eq!(world.claim("wyn", MINUTE).grants.len(), 1);
    world.claim_for("wes", MINUTE, 50_000);
    let waiter = world.waiter;
    let step =
        set_limits(&mut world, QueueLimits { budget_per_agent: budget(200), ..QueueLimits::default() });
    assert_eq!(claimed(own_reply(&step, waiter)).grants.len(), 1, "whoever waits has it when it is raised");
}

#[test]
fn the_projects_budget_binds_all() {
    let mut world = World::new();
    set_limits(&mut world, QueueLimits { budget: budget(100), ..QueueLimits::default() });
    world.tell("wes", CrewCommand::Spend(tokens(60), Under::NoLease));
    world.tell("wyn", CrewCommand::Spend(tokens(40), Under::NoLease));
    world.make(TaskSpec::default());
    let nothing = world.claim("wim", MINUTE).nothing;
    assert!(matches!(nothing, Some(Nothing::Budget { of: Spender::Project, .. })), "{nothing:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = World::new();
    for (ttl_ms, doing) in
        [(Some(9_999), None), (Some(86_400_001), None), (None, Some("x".repeat(301).into()))]
    {
        let beat = Heartbeat { ttl_ms, doing, ..Heartbeat::default() };
        let before = world.state.clone();
        let step = world.tell("wes", CrewCommand::Heartbeat(Box::new(beat)));
        refused(&world, &step);
        assert_eq!(world.state, before);
    }
    let until = Timestamp::from_millis(world.now + 1_000);
    let step = world.tell("wes", CrewCommand::Cool { provider: None, until, reason: "".into() });
    assert_eq!(refused(&world, &step), CrewRefusal::NoProvider(name("wes")));
}
