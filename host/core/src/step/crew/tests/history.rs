//! Random histories, and what must hold after each command.

use proptest::prelude::*;

use super::*;
use crate::crew::Presence;

#[derive(Debug, Clone)]
enum What {
    Touch,
    Beat { ttl_s: Option<u64>, provider: Option<u8>, ack: bool },
    Claim { ttl_s: u64, wait_s: u64 },
    Make { budget: Option<u64> },
    Finish,
    Lock,
    Run,
    EndRun,
    Spend { tokens: u64, for_task: bool },
    Cool { provider: Option<u8>, for_s: u64 },
    Leave,
    Interrupt,
    Limits { agent: Option<u64>, project: Option<u64> },
    Remove,
    Restart,
    Tick,
}

fn any_what() -> impl Strategy<Value = What> {
    let tokens = || prop_oneof![1 => Just(0_u64), 4 => 1..2_000_u64];
    prop_oneof![
        4 => Just(What::Touch),
        4 => (prop::option::of(10..120_u64), prop::option::of(0..2_u8), any::<bool>())
            .prop_map(|(ttl_s, provider, ack)| What::Beat { ttl_s, provider, ack }),
        6 => (1..1_000_u64, 0..50_u64).prop_map(|(ttl_s, wait_s)| What::Claim { ttl_s, wait_s }),
        5 => prop::option::of(1..3_000_u64).prop_map(|budget| What::Make { budget }),
        2 => Just(What::Finish),
        2 => Just(What::Lock),
        2 => Just(What::Run),
        2 => Just(What::EndRun),
        4 => (tokens(), any::<bool>()).prop_map(|(tokens, for_task)| What::Spend { tokens, for_task }),
        2 => (prop::option::of(0..2_u8), 0..100_u64).prop_map(|(provider, for_s)| What::Cool { provider, for_s }),
        1 => Just(What::Leave),
        1 => Just(What::Interrupt),
        1 => (prop::option::of(1..10_000_u64), prop::option::of(1..20_000_u64))
            .prop_map(|(agent, project)| What::Limits { agent, project }),
        1 => Just(What::Remove),
        1 => Just(What::Restart),
        3 => Just(What::Tick),
    ]
}

fn budget(tokens: Option<u64>) -> Option<Budget> {
    tokens.map(|tokens| Budget { tokens: Some(tokens), ..Budget::default() })
}

/// What was done from outside, to be held against what the state says.
#[derive(Default)]
struct Seen {
    used: BTreeMap<AgentName, u64>,
    used_together: u64,
    counts: BTreeMap<String, u64>,
}

impl Seen {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }
}

fn command(world: &World, agent: &AgentName, what: &What) -> Option<Command> {
    let at = |s: u64| Timestamp::from_millis(world.now + s * 1_000);
    let provider = |n: &u8| format!("provider-{n}").parse().unwrap();
    let held = world.state.queue.running.held_by(agent).first().and_then(|id| world.state.queue.hold_on(*id));
    Some(match what {
        What::Beat { ttl_s, provider: named, ack } => {
            let known = world.state.crew.get(agent).and_then(|member| member.standing.interrupt.as_ref());
            Command::Crew(CrewCommand::Heartbeat(Box::new(Heartbeat {
                doing: Some("something".into()),
                task: None,
                ttl_ms: ttl_s.map(|s| s * 1_000),
                provider: named.as_ref().map(provider),
                usage: None,
                ack_interrupt: known.filter(|_| *ack).map(|interrupt| interrupt.seq),
            })))
        }
        What::Claim { ttl_s, wait_s } => Command::Task(TaskCommand::Claim(ClaimRequest {
            want: Want::Next(1),
            ttl_ms: ttl_s * 1_000,
            max_lease_ms: 3_600_000,
            session: None,
            wait_until: (*wait_s > 0).then(|| at(*wait_s)),
        })),
        What::Make { budget: tokens } => {
            let spec = TaskSpec { max_attempts: 3, budget: budget(*tokens), ..TaskSpec::default() };
            let new = NewTask { body: TaskBody::new("t", "").unwrap(), spec, parents: Vec::new() };
            Command::Task(TaskCommand::Create(vec![new]))
        }
        What::Finish => {
            let completion = Completion { hold: held?, result: "".into(), next: None };
            Command::Task(TaskCommand::Complete(completion))
        }
        What::Lock => Command::Lock(LockCommand::Take(LockRequest {
            patterns: vec![format!("{agent}/**").parse().unwrap()],
            mode: LockMode::Exclusive,
            ttl_ms: 600_000,
            task: None,
            reason: "".into(),
            wait_until: None,
        })),
        What::Run => Command::StartRun(RunRequest {
            argv: vec!["ls".to_owned()],
            cwd: ProjectPath::root(),
            limits: LimitsRequest::default(),
            narrow: None,
            under: Under::TheOnlyLease,
        }),
        What::Spend { tokens, for_task } => {
            let usage = Usage { input_tokens: *tokens, ..Usage::default() };
            let under = held.filter(|_| *for_task).map_or(Under::NoLease, Under::Lease);
            Command::Crew(CrewCommand::Spend(usage, under))
        }
        What::Cool { provider: named, for_s } => Command::Crew(CrewCommand::Cool {
            provider: named.as_ref().map(provider),
            until: at(*for_s),
            reason: "429".into(),
        }),
        What::Leave => Command::Crew(CrewCommand::Leave("bye".into())),
        What::Limits { agent, project } => {
            let (budget_per_agent, budget) = (budget(*agent), budget(*project));
            Command::Queue(QueueCommand::SetLimits(Box::new(QueueLimits {
                budget,
                budget_per_agent,
                ..QueueLimits::default()
            })))
        }
        What::Interrupt => Command::Crew(CrewCommand::Interrupt(agent.clone(), "stop".into())),
        What::Touch | What::EndRun | What::Remove | What::Restart | What::Tick => return None,
    })
}

fn end_a_run(world: &mut World) -> Option<Step> {
    let run = world.state.runs.values().next()?.clone();
    let record = RunRecord {
        id: run.id,
        agent: run.agent.clone(),
        argv: run.argv.clone(),
        cwd: run.cwd.clone(),
        started_at: run.started_at,
        status: RunStatus::Ended {
            outcome: Outcome::Exited(0),
            consumption: Consumption::default(),
            at: Timestamp::from_millis(world.now),
        },
        output: Output::default(),
        changes: None,
    };
    Some(world.take(Caller::Server, Command::EndRun(Box::new(record))))
}

fn act(world: &mut World, seen: &mut Seen, agent: &str, what: &What) {
    let who = name(agent);
    let before = world.state.clone();
    let step = match what {
        What::Touch => world.touch(agent),
        What::Tick => world.after(0),
        What::EndRun => end_a_run(world).unwrap_or_else(|| world.after(0)),
        What::Remove => {
            seen.used.remove(&who);
            let step = world.take(Caller::Operator, Command::RemoveAgent(who.clone()));
            assert!(world.state.crew.get(&who).is_none());
            step
        }
        What::Restart => {
            // Runs end with the process, and whoever waits goes away.
            world.state = world.stored.rebuild(world.now);
            seen.count("restart");
            world.after(0)
        }
        What::Interrupt | What::Limits { .. } => {
            let command = command(world, &who, what).unwrap();
            world.ask("ada", command)
        }
        _ => match command(world, &who, what) {
            Some(command) => world.ask(agent, command),
            None => world.after(0),
        },
    };
    let mine = step.replies.iter().find(|(to, _)| to.0 == world.waiter).map(|(_, reply)| reply);
    if let Some(Reply::Refused(refusal)) = mine {
        refusal_changed_nothing(world, before.clone(), &step);
        seen.count(&format!("refused: {}", format!("{refusal:?}").split([' ', '(', '{']).next().unwrap()));
    } else if let (What::Spend { tokens, .. }, Some(_)) = (what, mine) {
        *seen.used.entry(who).or_default() += tokens;
        seen.used_together += tokens;
    }
    for (_, event) in crew_events(&step) {
        seen.count(event.type_name());
    }
    for (_, reply) in &step.replies {
        if let Reply::Task(TaskReply::Claimed(claimed)) = reply {
            let nothing = claimed.nothing.as_ref().map(|nothing| format!("{nothing:?}"));
            seen.count(
                nothing.as_deref().and_then(|text| text.split([' ', '(', '{']).next()).unwrap_or("granted"),
            );
        }
    }
    grants_are_for_those_who_may(world, &before, &step);
}

/// Nothing but what time alone would have brought.
fn refusal_changed_nothing(world: &World, mut before: State, step: &Step) {
    let now = Timestamp::from_millis(world.now);
    let (waiter, caller) = (Waiter(world.waiter), Caller::Server);
    let tick = Envelope { waiter, caller, now, seed: 0, command: Command::Tick, keyed: None };
    let ticked = crate::step(&mut before, tick, &mut HostOrder);
    assert_eq!(before, world.state, "a refusal changed the state");
    assert_eq!((&ticked.rows, &ticked.events), (&step.rows, &step.events), "a refusal left traces");
}

/// Whoever got a task was not interrupted, had not left, and its provider could be asked.
fn grants_are_for_those_who_may(world: &World, before: &State, step: &Step) {
    let now = Timestamp::from_millis(world.now);
    for event in &step.events {
        let EventKind::Task(AboutTask { event: TaskEvent::Claimed { .. }, .. }) = &event.kind else {
            continue;
        };
        let agent = event.agent.as_ref().unwrap();
        let stopped =
            |state: &State| state.crew.get(agent).is_some_and(|member| member.standing.interrupt.is_some());
        assert!(!(stopped(before) && stopped(&world.state)), "{agent} was interrupted");
        let cooled = |state: &State| state.crew.cooldown_of(agent, now).is_some();
        assert!(!(cooled(before) && cooled(&world.state)), "{agent}'s provider was to be left alone");
    }
}

fn check(world: &World, seen: &Seen) {
    let (state, now) = (&world.state, Timestamp::from_millis(world.now));
    assert!(state.next_due().is_none_or(|at| at > now), "something is left due");
    let crew = &state.crew;
    assert_eq!(crew.usage.input_tokens, seen.used_together, "what the project used");
    for agent in state.agents.keys() {
        let Some(member) = crew.get(agent) else { continue };
        let used = seen.used.get(agent).copied().unwrap_or_default();
        assert_eq!(member.standing.usage.input_tokens, used, "what {agent} used");
        if member.standing.presence == Presence::Here {
            let promised = member.standing.ttl_ms.is_some();
            assert!(!promised || member.missed_at() > now, "{agent} is missed and not lost");
        } else {
            let held = state.queue.running.held_by(agent);
            let mut locks = state.locks.all().filter(|lock| lock.terms.holder.agent == *agent);
            assert!(held.is_empty() && locks.all(|lock| lock.orphaned), "{agent} is gone and holds {held:?}");
        }
    }
    for task in state.queue.tasks().filter(|task| task.state.status == TaskStatus::InProgress) {
        assert_eq!(task.spent(), None, "{} goes on without a budget", task.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_agents_do_the_promises_hold(history in prop::collection::vec((0..3_usize, 0..40_000_u64, any_what()), 1..120)) {
        let mut world = World::new();
        let mut seen = Seen::default();
        for (agent, after_ms, what) in history {
            world.now += after_ms;
            act(&mut world, &mut seen, ["wes", "wyn", "wim"][agent], &what);
            check(&world, &seen);
        }
    }
}

/// A history in which something never happens says nothing about it.
#[test]
fn everything_happens_in_such_histories() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = Seen::default();
    for _ in 0..150 {
        let any = prop::collection::vec((0..3_usize, 0..40_000_u64, any_what()), 100..101);
        let history = any.new_tree(&mut runner).unwrap().current();
        let mut world = World::new();
        seen.used.clear();
        seen.used_together = 0;
        for (agent, after_ms, what) in history {
            world.now += after_ms;
            act(&mut world, &mut seen, ["wes", "wyn", "wim"][agent], &what);
            check(&world, &seen);
        }
    }
    println!("{:#?}", seen.counts);
    for what in [
        "agent.joined",
        "agent.left",
        "agent.lost",
        "agent.interrupted",
        "agent.interrupt_acked",
        "agent.cooled",
        "agent.budget_spent",
        "granted",
        "RateLimited",
        "Interrupted",
        "Budget",
        "refused: Crew",
        "restart",
    ] {
        assert!(seen.counts.contains_key(what), "{what} never happened");
    }
}
