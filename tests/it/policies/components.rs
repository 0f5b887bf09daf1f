//! Components as policies: what is one, what it decides, and what is a fault.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use longhouse_core::{Decide, Placing, Rank, Task, TaskId, TaskSpec, TaskState, Timestamp};
use longhouse_engine::policy::{
    Apart, Fault, PolicyConfig, PolicyDecider, PolicyEngine, PolicyError, PolicyRecords, Shelf, WarmPolicy,
    World, types,
};
use longhouse_tests::longhouse;
use serde_json::{Value, json};

use super::component;

fn engine() -> PolicyEngine {
    PolicyEngine::new(PolicyConfig::default()).unwrap()
}

/// What the scheduler that misbehaves is, configured to do that.
fn hostile(config: &Value) -> WarmPolicy {
    let code = engine().load(&component("fixture-policies", "fixture-policy-scheduler")).unwrap();
    WarmPolicy::new(code, &config.to_string()).unwrap()
}

fn task(id: u64) -> Task {
    let now = Timestamp::from_millis(1_000 * id);
    Task {
        id: TaskId(id),
        spec: Arc::new(TaskSpec { max_attempts: 1, ..TaskSpec::default() }),
        creator: None,
        created_at: now,
        placing: Placing::default(),
        state: TaskState::new(now),
    }
}

#[test]
fn every_policy_that_ships_is_one() {
    let engine = engine();
    let worlds = [
        ("priority", World::Ranker),
        ("fifo", World::Ranker),
        ("deadline", World::Ranker),
        ("fair-share", World::Scheduler),
        ("affinity", World::Scheduler),
        ("exclusive", World::Conflict),
        ("optimistic", World::Conflict),
        ("ownership", World::Conflict),
        ("open", World::Admission),
        ("quota", World::Admission),
    ];
    for (name, world) in worlds {
        let code = engine.load(&component("policies", &format!("policy-{name}"))).unwrap();
        assert_eq!(code.world(), world, "{name}");
        let policy = WarmPolicy::new(code, "{}").unwrap();
        assert_eq!(policy.description().name, name);
        assert!(!policy.description().summary.is_empty(), "{name}");
        assert!(!policy.differs_from_itself().unwrap(), "{name}");
    }
    let sources = longhouse_artifacts::workspace_dir().join("plugins/policies");
    let sources = std::fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().file_name());
    let names = sources.map(|name| name.into_string().unwrap()).collect::<Vec<_>>();
    let untried = |name: &&String| !worlds.iter().any(|(known, _)| *known == **name);
    assert_eq!(names.iter().find(untried), None, "a policy that ships and is not tried");
}

#[test]
fn a_policy_decides_as_a_component_what_it_decides_as_a_crate() {
    let engine = engine();
    let load = |name: &str, config: &str| {
        let code = engine.load(&component("policies", &format!("policy-{name}"))).unwrap();
        code.set_up(config).unwrap()
    };
    let facts = |id: u64, priority, label: &str| types::TaskFacts {
        id,
        priority,
        created_at_ms: 1_000_000 + id,
        deadline_at_ms: None,
        creator: Some("ann".into()),
        assigned_to: None,
        attempt: 0,
        lost_count: 0,
        labels: vec![label.into()],
        capabilities: vec![],
        touches: vec![],
    };
    let tasks = [facts(1, 0, "tenant:a"), facts(2, 5, "tenant:b"), facts(3, -5, "x")];
    let mut priority = load("priority", r#"{ "point_ms": 1000 }"#);
    let keys: Vec<i64> = priority.rank(&tasks, 0).unwrap().iter().map(|place| place.key).collect();
    assert_eq!(keys, [1_000_001, 995_002, 1_005_003]);
    let mut fair = load("fair-share", "{}");
    let groups: Vec<String> = fair.rank(&tasks, 0).unwrap().into_iter().map(|place| place.group).collect();
    assert_eq!(groups, ["a", "b", "ann"]);
    let refused = engine.load(&component("policies", "policy-priority")).unwrap().set_up(r#"{ "point": 1 }"#);
    assert!(matches!(refused, Err(PolicyError::Configuration(why)) if why.contains("point_ms")));
}

#[test]
fn what_is_no_policy_is_refused_with_what_to_do() {
    let import = |interface: &str| format!(r#"(import "{interface}" (instance $i (export "f" (func))))"#);
    let importing = |interface: &str| format!("(component {})", import(interface));
    let exporting = |interface: &str| {
        let console = import("longhouse:policy/console@0.1.0");
        format!(r#"(component {console} (export "longhouse:policy/{interface}" (instance $i)))"#)
    };
    for (bytes, said) in [
        (b"junk".to_vec(), "no WebAssembly component"),
        (b"(module)".to_vec(), "no WebAssembly component"),
        (b"(component)".to_vec(), "a scheduler exports lifecycle and ranking"),
        (importing("wasi:clocks/wall-clock@0.2.0").into(), "it imports wasi:clocks/wall-clock"),
        (importing("longhouse:policy/selection@0.1.0").into(), "it imports longhouse:policy/selection"),
        (exporting("ranking@0.2.0").into(), "built for longhouse:policy@0.2.0, and this server has 0.1.x"),
        (exporting("ranking").into(), "built for longhouse:policy@(no version)"),
        (exporting("ranking@0.1.7").into(), "a scheduler exports lifecycle and ranking"),
        (vec![0; 33 << 20], "a policy may have 33554432"),
    ] {
        let bytes = wat_or_bytes(bytes);
        let error = engine().load(&bytes).unwrap_err();
        assert!(error.to_string().contains(said), "{error}, and not {said}");
    }
}

fn wat_or_bytes(bytes: Vec<u8>) -> Vec<u8> {
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.starts_with('('));
    text.map_or_else(|| bytes.clone(), |text| wat::parse_str(text).unwrap())
}

#[test]
fn whatever_a_policy_does_wrong_is_a_fault() {
    let places = |config: Value| hostile(&config).ask(|policy| policy.rank(&facts(8), 0)).unwrap().map(drop);
    let candidates: Vec<types::Candidate> = (0..8)
        .map(|task| types::Candidate {
            task,
            key: 0,
            group: 0,
            priority: 0,
            created_at_ms: 0,
            ready_at_ms: 0,
            deadline_at_ms: None,
            near: 0,
        })
        .collect();
    let groups = [types::GroupFacts { name: String::new(), ready: 8, held: 0, served_ms: 0 }];
    let picks = |config: Value| {
        let select = |policy: &mut longhouse_engine::policy::PolicyInstance| {
            policy.select(&candidates, &groups, &agent(), 2, (0, 0))
        };
        hostile(&config).ask(select).unwrap().map(drop)
    };
    let name =
        |answer: Result<(), Fault>| answer.map_or_else(|fault| fault.as_str().to_owned(), |()| "ok".into());
    for (misdeed, ranked, picked) in [
        ("none", "ok", "ok"),
        ("trap", "trapped", "trapped"),
        ("spin", "out_of_fuel", "out_of_fuel"),
        ("allocate", "out_of_memory", "out_of_memory"),
        ("recurse", "trapped", "trapped"),
        ("print", "ok", "ok"),
        ("extreme", "ok", "bad_answer"),
        ("long", "bad_answer", "bad_answer"),
        ("out_of_range", "ok", "bad_answer"),
        ("twice", "ok", "bad_answer"),
        ("too_many", "ok", "bad_answer"),
        ("nothing", "ok", "bad_answer"),
        ("last", "ok", "ok"),
    ] {
        assert_eq!(name(places(json!({ "rank": misdeed }))), ranked, "rank: {misdeed}");
        assert_eq!(name(picks(json!({ "select": misdeed }))), picked, "select: {misdeed}");
    }
    // What it printed before it gave up is told.
    let Err(Fault::Trapped(why)) = places(json!({ "rank": "trap" })) else { panic!() };
    assert!(why.contains("as it was told to"), "{why}");
}

fn facts(count: u64) -> Vec<types::TaskFacts> {
    let facts = |id| types::TaskFacts {
        id,
        priority: 0,
        created_at_ms: 0,
        deadline_at_ms: None,
        creator: None,
        assigned_to: None,
        attempt: 0,
        lost_count: 0,
        labels: vec![],
        capabilities: vec![],
        touches: vec![],
    };
    (0..count).map(facts).collect()
}

fn agent() -> types::AgentFacts {
    types::AgentFacts {
        name: "ann".into(),
        role: "worker".into(),
        profile: "full".into(),
        capabilities: vec![],
        tasks_held: 0,
        live_runs: 0,
        recent_cpu_ms: 0,
    }
}

#[test]
fn a_policy_that_fails_while_it_is_set_up_or_tried_is_none() {
    let code = engine().load(&component("fixture-policies", "fixture-policy-scheduler")).unwrap();
    for misdeed in ["trap", "spin", "allocate", "recurse"] {
        let config = json!({ "configure": misdeed }).to_string();
        assert!(matches!(code.set_up(&config), Err(PolicyError::Setup(_))), "{misdeed}");
        let tried = WarmPolicy::new(code.clone(), &json!({ "rank": misdeed }).to_string()).unwrap();
        assert!(matches!(tried.differs_from_itself(), Err(PolicyError::Tried(_))), "{misdeed}");
    }
    let refusal = code.set_up(r#"{ "configure": "long" }"#).unwrap_err().to_string();
    assert!(refusal.len() < 500, "{} bytes", refusal.len());
    let random = WarmPolicy::new(code, r#"{ "rank": "random" }"#).unwrap();
    assert!(random.differs_from_itself().unwrap(), "it answers otherwise each time");
}

#[test]
fn a_policy_that_fails_three_times_is_not_asked_again() {
    let (shelf, records) = (Arc::<Shelf>::default(), Arc::<PolicyRecords>::default());
    let (sender, ejected) = channel();
    let mut decider = PolicyDecider::new(Arc::clone(&shelf), Arc::clone(&records), sender);
    let policy = hostile(&json!({ "rank": "last", "select": "trap" }));
    let version = policy.version().clone();
    assert!(!decider.offers(&version));
    shelf.put(policy);
    assert!(decider.offers(&version));

    let tasks: Vec<Task> = (1..=3).map(task).collect();
    let tasks: Vec<&Task> = tasks.iter().collect();
    let rank = |decider: &mut PolicyDecider| {
        let places = decider.rank(Some(&version), &tasks, Timestamp::from_millis(0));
        places.map(|places| places.into_iter().map(|(rank, _)| rank).collect::<Vec<_>>())
    };
    assert_eq!(rank(&mut decider), Some(vec![Rank(-1), Rank(-2), Rank(-3)]));
    let choice = || longhouse_core::Choice {
        window: tasks
            .iter()
            .map(|task| longhouse_core::Candidate { task, rank: Rank(0), group: 0, near: 0 })
            .collect(),
        groups: vec![longhouse_core::GroupFacts {
            group: Default::default(),
            ready: 3,
            held: 0,
            served_ms: 0,
        }],
        agent: longhouse_core::AgentFacts {
            agent: longhouse_core::Agent {
                name: "ann".parse().unwrap(),
                role: longhouse_core::Role::Worker,
                profile: "full".parse().unwrap(),
                capabilities: vec![],
            },
            tasks_held: 0,
            live_runs: 0,
            recent_cpu_ms: 0,
        },
        want: 1,
        now: Timestamp::from_millis(0),
        seed: 0,
    };
    // The host decides meanwhile, and also while a fresh instance is set up.
    while decider.offers(&version) {
        assert!(decider.choose(&version, &choice()).is_empty());
    }
    let told = ejected.recv().unwrap();
    assert_eq!(told.version, version);
    assert!(told.reason.contains("as it was told to"), "{told:?}");
    assert_eq!(records.of(&version).faults, 3);
    assert_eq!(rank(&mut decider), None);

    shelf.put(hostile(&json!({ "rank": "last", "select": "trap" })));
    assert!(decider.offers(&version), "whoever puts it in force again means it");
}

#[test]
fn a_policy_is_compiled_by_a_process_with_limits_of_its_own() {
    let component = component("fixture-policies", "fixture-policy-scheduler");
    let load = |apart: Apart| {
        let cache = tempfile::tempdir().unwrap();
        let cache_dir = Some(cache.path().to_owned());
        let config = PolicyConfig { cache_dir, apart: Some(apart), ..PolicyConfig::default() };
        let loaded = PolicyEngine::new(config).unwrap().load(&component);
        (loaded, std::fs::read_dir(cache.path()).unwrap().count())
    };
    let program = PathBuf::from(longhouse().get_program());
    let enough = Apart { program: program.clone(), ..Apart::by_this_program() };
    let (loaded, kept) = load(enough.clone());
    assert_eq!(loaded.unwrap().world(), World::Scheduler);
    assert_eq!(kept, 2, "the code and its digest, made by the other process");
    let (refused, kept) = load(Apart { memory: 48 << 20, ..enough.clone() });
    let refusal = refused.unwrap_err().to_string();
    assert!(refusal.contains("could not be compiled"), "{refusal}");
    assert_eq!(kept, 0);
    let (refused, _) = load(Apart { program: "/nonexistent".into(), ..enough });
    assert!(refused.unwrap_err().to_string().contains("did not start"));
}
