//! Policies in force: how one takes over from another, what becomes of those that misbehave, and what each kind decides.

mod components;
mod examples;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use longhouse_tests::{Agent, TestServer, guests};
use reqwest::Method;
use serde_json::{Value, json};

fn component(kind: &str, name: &str) -> Vec<u8> {
    std::fs::read(guests(kind).join(format!("{name}.wasm"))).unwrap()
}

fn set(admin: &Agent, kind: &str, body: Value) -> Value {
    admin.put(format!("/policies/{kind}"), &body).expect(200)
}

fn encoded(kind: &str, name: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(component(kind, name))
}

/// After how long something that should come does not.
const PATIENCE: Duration = Duration::from_secs(50);

/// Waits until the scheduler in force ranks whatever waits.
fn wait_until_it_serves(admin: &Agent, task: &str, version: &Value) {
    let by = || {
        let why = admin.get(format!("/tasks/{task}/why")).expect(200)["why"].clone();
        let ranked = why.as_array().unwrap().iter().find(|why| why["code"] == "ranked").cloned();
        ranked.unwrap_or_else(|| panic!("{why}"))["policy"].clone()
    };
    let begun = Instant::now();
    while by() != *version {
        assert!(begun.elapsed() < PATIENCE, "{version} does not serve; it is still {}", by());
        thread::yield_now();
    }
}

fn order(agent: &Agent, count: usize) -> Vec<String> {
    (0..count).map(|_| agent.claim(&json!({}))["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn another_scheduler_takes_over_and_is_gone_back_from() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let make = |priority| worker.make(&json!({ "title": "a task", "priority": priority }));
    let (low, high) = (make(0), make(50));

    let before = admin.get("/policies").expect(200);
    assert_eq!(before["policies"]["scheduler"]["name"], "host");
    assert!(before["built_in"].as_array().unwrap().contains(&json!("fair-share")), "{before}");

    let fifo = set(&admin, "scheduler", json!({ "policy": "fifo" }))["version"].clone();
    wait_until_it_serves(&admin, &low, &fifo);
    assert_eq!(order(&worker, 1), [&*low], "the first that was made");
    let why = worker.get(format!("/tasks/{low}/why")).expect(200)["why"].clone();
    let granted = why.as_array().unwrap().iter().find(|why| why["code"] == "granted").unwrap().clone();
    assert_eq!((&granted["policy"], &granted["chosen"]), (&fifo, &json!("first")), "{why}");
    let event = worker.wait_for(&low, "task.claimed");
    assert_eq!(event["data"]["policy"], fifo, "{event}");

    // A restart changes nothing about it.
    let server = server.restart();
    let (admin, worker) = (admin_of(&server, &admin), admin_of(&server, &worker));
    let other = worker.make(&json!({ "title": "another", "priority": 90 }));
    wait_until_it_serves(&admin, &other, &fifo);
    let found = admin.get("/policies").expect(200)["policies"]["scheduler"].clone();
    assert_eq!((&found["name"], &found["version"]), (&json!("fifo"), &fifo), "{found}");

    let back = admin.post("/policies/scheduler/rollback", &json!({})).expect(200);
    assert_eq!(back["version"], Value::Null);
    wait_until_it_serves(&admin, &other, &Value::Null);
    assert_eq!(order(&worker, 2), [other, high]);
    admin.post("/policies/scheduler/rollback", &json!({})).problem(409, "no_earlier_policy");
    let again = set(&admin, "scheduler", json!({ "version": fifo }));
    assert_eq!(again["version"], fifo);
}

/// The same agent, of a server that began again.
fn admin_of(server: &TestServer, agent: &Agent) -> Agent {
    server.stranger(Some(agent.token()))
}

#[test]
fn what_cannot_be_put_in_force_changes_nothing() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let put = |kind: &str, body: Value| admin.put(format!("/policies/{kind}"), &body);
    put("scheduler", json!({ "policy": "lottery" })).problem(404, "unknown_policy");
    put("scheduler", json!({ "policy": "open" })).problem(422, "wrong_policy_kind");
    put("scheduler", json!({ "policy": "fifo", "config": { "x": 1 } })).problem(422, "invalid_policy_config");
    put("scheduler", json!({ "version": "abc" })).problem(404, "unknown_policy_version");
    put("scheduler", json!({ "version": "../../x" })).problem(404, "unknown_policy_version");
    put("scheduler", json!({})).problem(422, "invalid_request");
    put("lottery", json!({ "policy": "fifo" })).problem(422, "invalid_request");
    put("scheduler", json!({ "component": "AAAA" })).problem(422, "invalid_policy");
    let hostile = encoded("fixture-policies", "fixture-policy-scheduler");
    let config = json!({ "rank": "random" });
    put("scheduler", json!({ "component": hostile, "config": config })).problem(422, "not_deterministic");
    worker.put("/policies/scheduler", &json!({ "policy": "fifo" })).problem(403, "role_too_low");
    let found = admin.get("/policies").expect(200);
    assert_eq!(found["policies"]["scheduler"]["version"], Value::Null);
}

#[test]
fn a_policy_that_needs_more_fuel_than_most_is_given_it() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let task = worker.make(&json!({ "title": "a task" }));
    let component = encoded("fixture-policies", "fixture-policy-scheduler");
    let put = |fuel_ms: Value| {
        let config = json!({ "select": "dawdle" });
        admin.put(
            "/policies/scheduler",
            &json!({ "component": component, "config": config, "fuel_ms": fuel_ms }),
        )
    };
    let refused = put(json!(null)).problem(422, "invalid_policy");
    assert!(refused["detail"].as_str().unwrap().contains("out of fuel"), "{refused}");
    for fuel_ms in [0, 11] {
        let refused = put(json!(fuel_ms)).problem(422, "invalid_request");
        assert_eq!(refused["field"], "fuel_ms", "{refused}");
    }
    let version = put(json!(9)).expect(200)["version"].clone();
    assert_ne!(put(json!(10)).expect(200)["version"], version, "with more it may decide otherwise");
    admin
        .put("/policies/scheduler", &json!({ "version": version, "fuel_ms": 1 }))
        .problem(422, "invalid_request");
    admin.put("/policies/scheduler", &json!({ "version": version })).expect(200);

    let server = server.restart();
    let admin = admin_of(&server, &admin);
    wait_until_it_serves(&admin, &task, &version);
    assert_eq!(admin.get("/policies").expect(200)["policies"]["scheduler"]["fuel_ms"], 9);
}

#[test]
fn a_scheduler_is_tried_on_the_tasks_that_wait() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let fifo = set(&admin, "scheduler", json!({ "policy": "fifo" }))["version"].clone();
    let component = encoded("fixture-policies", "fixture-policy-scheduler");
    // So many calls it answers when it is tried at first.
    let put = |misdeed: &str| {
        let config = json!({ "after": 134, "rank": misdeed });
        admin.put("/policies/scheduler", &json!({ "component": component, "config": config }))
    };
    let printed = put("print").expect(200);
    assert_eq!(printed["printed"], "", "nothing waits");
    admin.put("/policies/scheduler", &json!({ "version": fifo })).expect(200);
    let tasks: Vec<Value> = (0..200).map(|_| json!({ "title": "t" })).collect();
    worker.post("/tasks", &json!({ "tasks": tasks })).expect(201);
    let refused = put("spin").problem(422, "invalid_policy");
    assert!(refused["detail"].as_str().unwrap().contains("out of fuel when it was tried"), "{refused}");
    assert_eq!(admin.get("/policies").expect(200)["policies"]["scheduler"]["version"], fifo);
    let printed = put("print").expect(200);
    assert!(printed["printed"].as_str().unwrap().starts_with("words words"), "{printed}");
}

#[test]
fn tasks_with_hundreds_of_labels_do_no_harm_to_a_scheduler() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let labels: Vec<String> = (0..256).map(|label| format!("label:{label}")).collect();
    let touches: Vec<String> = (0..256).map(|path| format!("src/{path}/**")).collect();
    let tasks: Vec<Value> =
        (0..60).map(|_| json!({ "title": "t", "labels": labels, "touches": touches })).collect();
    let first = worker.post("/tasks", &json!({ "tasks": tasks })).expect(201)["tasks"][0]["id"].clone();
    for language in ["javascript", "python"] {
        let component = encoded("example-policies", language);
        let version = set(&admin, "scheduler", json!({ "component": component }))["version"].clone();
        wait_until_it_serves(&admin, first.as_str().unwrap(), &version);
        worker.make(&tasks[0]);
        let found = admin.get("/policies").expect(200)["policies"]["scheduler"].clone();
        assert_eq!((&found["version"], &found["faults"]), (&version, &json!(0)), "{found}");
    }
}

#[test]
fn schedulers_are_swapped_while_agents_claim() {
    const CLIENTS: usize = 64;
    const SWAPS: usize = 100;
    let server = TestServer::start();
    let admin = server.admin();
    let policies = ["fifo", "priority", "fair-share"];
    let versions: Vec<Value> = policies
        .iter()
        .map(|name| set(&admin, "scheduler", json!({ "policy": name }))["version"].clone())
        .collect();
    server.skilled("nobody", &[]);
    let kept = admin.make(&json!({ "title": "never claimed", "assigned_to": "nobody" }));
    let agents: Vec<Agent> = (0..4).map(|n| server.skilled(&format!("agent-{n}"), &[])).collect();
    let tasks = |count: usize| -> Value {
        json!({ "tasks": (0..count).map(|n| json!({ "title": "t", "labels": [format!("tenant:{}", n % 5)] })).collect::<Vec<_>>() })
    };
    agents[0].post("/tasks", &tasks(1_000)).expect(201);
    let (done, slowest) = thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        let stopped = Arc::new(std::sync::Mutex::new(stopped));
        let claiming = |n: usize| {
            let (agent, stopped) = (agents[n % agents.len()].clone(), Arc::clone(&stopped));
            move || {
                let (mut claims, mut slowest) = (0_u64, Duration::ZERO);
                let mut held: Option<(Value, Value)> = None;
                while matches!(stopped.lock().unwrap().try_recv(), Err(std::sync::mpsc::TryRecvError::Empty))
                {
                    let begun = Instant::now();
                    let grant = match held.take() {
                        // Each done task is made again, so that they do not end.
                        Some((id, fence)) => {
                            let body = json!({ "fence": fence, "claim": {} });
                            let id = id.as_str().unwrap();
                            agent.post(format!("/tasks/{id}/complete"), &body).expect(200)["claimed"]["tasks"]
                                [0]
                            .clone()
                        }
                        None => agent.claim(&json!({})),
                    };
                    slowest = slowest.max(begun.elapsed());
                    agent.make(&json!({ "title": "again", "labels": [format!("tenant:{}", claims % 5)] }));
                    claims += 1;
                    held = Some((grant["id"].clone(), grant["fence"].clone()));
                }
                (claims, slowest)
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(claiming(n))).collect();
        for swap in 0..SWAPS {
            let set = set(&admin, "scheduler", json!({ "version": versions[swap % versions.len()] }));
            assert_eq!(set["version"], versions[swap % versions.len()]);
            wait_until_it_serves(&admin, &kept, &set["version"]);
        }
        drop(stop);
        let ended = clients.into_iter().map(|client| client.join().unwrap());
        ended.fold((0, Duration::ZERO), |(sum, slowest), (claims, took)| (sum + claims, slowest.max(took)))
    });
    let mut granted = std::collections::BTreeMap::<String, u64>::new();
    let mut after = 0;
    loop {
        let page = admin.get(format!("/events?types=task.claimed&after={after}&limit=1000")).expect(200);
        let events = page["events"].as_array().unwrap();
        let Some(last) = events.last() else { break };
        after = last["seq"].as_u64().unwrap();
        for event in events {
            let policy = &event["data"]["policy"];
            assert!(policy.is_null() || versions.contains(policy), "{event}");
            *granted.entry(policy.to_string()).or_default() += 1;
        }
    }
    println!("{done} claims, the slowest {slowest:?}; by policy: {:?}", granted.values());
    assert_eq!(granted.values().sum::<u64>(), done);
    assert!(versions.iter().all(|version| granted.contains_key(&version.to_string())), "{granted:?}");
    assert_eq!(admin.get("/policies").expect(200)["policies"]["scheduler"]["faults"], 0);
}

#[test]
fn a_scheduler_that_breaks_is_ejected_and_claims_go_on() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    // After the trial, and three times as often: each fresh instance begins anew.
    let config = json!({ "after": 140, "select": "spin" });
    let component = encoded("fixture-policies", "fixture-policy-scheduler");
    let version =
        set(&admin, "scheduler", json!({ "component": component, "config": config }))["version"].clone();
    let tasks: Vec<Value> = (0..500).map(|_| json!({ "title": "t" })).collect();
    let made = worker.post("/tasks", &json!({ "tasks": tasks })).expect(201);
    wait_until_it_serves(&admin, made["tasks"][0]["id"].as_str().unwrap(), &version);
    let mut claimed = order(&worker, 500);
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 500, "a task was handed out twice");
    let ejected = admin.get("/events?types=policy.ejected&wait_ms=50000").expect(200);
    let event = &ejected["events"][0];
    assert_eq!(event["data"]["version"], version, "{event}");
    assert!(event["data"]["reason"].as_str().unwrap().contains("out of fuel"), "{event}");
    let found = admin.get("/policies").expect(200)["policies"]["scheduler"].clone();
    assert_eq!((&found["name"], &found["before"][1]), (&json!("host"), &version), "{found}");
}

#[test]
fn a_large_tenant_does_not_keep_others_waiting_under_fair_share() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let labelled = |tenant: &str, count: usize| -> Value {
        let task = json!({ "title": "t", "labels": [format!("tenant:{tenant}")] });
        json!({ "tasks": vec![task; count] })
    };
    worker.post("/tasks", &labelled("large", 200)).expect(201);
    let small = worker.post("/tasks", &labelled("small", 20)).expect(201);
    let version = set(&admin, "scheduler", json!({ "policy": "fair-share" }))["version"].clone();
    wait_until_it_serves(&admin, small["tasks"][0]["id"].as_str().unwrap(), &version);
    let claimed = order(&worker, 40);
    let is_small = |id: &String| small["tasks"].as_array().unwrap().iter().any(|task| task["id"] == **id);
    let count = claimed.iter().filter(|id| is_small(id)).count();
    // Every sixteenth is the oldest, whatever the policy says.
    assert!((16..=20).contains(&count), "{count} of 40");
    let why = worker.get(format!("/tasks/{}/why", claimed[1])).expect(200);
    assert!(why.to_string().contains("of late"), "{why}");
}

/// More comes than can be done, and nine of ten are urgent.
#[test]
fn what_is_not_urgent_has_its_turn_under_a_flood_of_what_is_because_it_waited() {
    const ROUNDS: usize = 200;
    let flood = |point_ms: u32| -> (usize, usize, usize) {
        let server = TestServer::start();
        let (admin, worker) = (server.admin(), server.worker());
        let plain = worker.make(&json!({ "title": "the first", "priority": -1 }));
        let config = json!({ "policy": "priority", "config": { "point_ms": point_ms } });
        let version = set(&admin, "scheduler", config)["version"].clone();
        wait_until_it_serves(&admin, &plain, &version);
        let round: Vec<Value> =
            (0..10).map(|n| json!({ "title": "t", "priority": i32::from(n > 0) })).collect();
        let mut plain = Vec::new();
        for _ in 0..ROUNDS {
            let made = worker.post("/tasks", &json!({ "tasks": round })).expect(201);
            plain.push(made["tasks"][0]["id"].clone());
            for _ in 0..8 {
                let task = worker.claim(&json!({}));
                let body = json!({ "fence": task["fence"] });
                worker.post(format!("/tasks/{}/complete", task["id"].as_str().unwrap()), &body).expect(200);
            }
        }
        let (mut first, mut oldest, mut after) = (0, 0, 0);
        loop {
            let page = admin.get(format!("/events?types=task.claimed&after={after}&limit=1000")).expect(200);
            let events = page["events"].as_array().unwrap();
            let Some(last) = events.last() else { break };
            after = last["seq"].as_u64().unwrap();
            for event in events.iter().filter(|event| plain.contains(&event["task"])) {
                match event["data"]["chosen"].as_str().unwrap() {
                    "first" => first += 1,
                    _ => oldest += 1,
                }
            }
        }
        (first, oldest, plain.len())
    };
    // A point is worth so little that everything has waited for long enough soon; or as much as nobody waits for here.
    let (first, oldest, all) = flood(5);
    println!("of {all} that are not urgent, {first} had their turn by waiting, {oldest} as the oldest");
    // Eight tenths of what came was done, of this as of what is urgent; and the oldest are not all of it.
    assert!(first + oldest > all * 7 / 10 && first > all / 10, "{first} and {oldest} of {all}");
    let (first, oldest, all) = flood(u32::MAX);
    println!("without waiting that counts: {first}, {oldest} of {all}");
    assert!(first == 0 && oldest > 0, "{first} and {oldest} of {all}");
}

#[test]
fn an_agent_is_given_what_is_near_the_files_that_it_changed() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let put = worker.request(Method::PUT, "/files/src/near.rs").body("x");
    assert_eq!(worker.send(put).status, 201);
    let far = worker.make(&json!({ "title": "far", "touches": ["docs/**"] }));
    let near = worker.make(&json!({ "title": "near", "touches": ["src/**"] }));
    let version = set(&admin, "scheduler", json!({ "policy": "affinity" }))["version"].clone();
    wait_until_it_serves(&admin, &far, &version);
    assert_eq!(order(&worker, 2), [near, far]);
}

#[test]
fn a_conflict_policy_refuses_locks_and_cannot_grant_what_is_held() {
    let server = TestServer::start();
    let admin = server.admin();
    let [ann, bob] = ["ann", "bob"].map(|name| server.skilled(name, &[]));
    let lock = |agent: &Agent, glob: &str| agent.post("/locks", &json!({ "paths": [glob] }));
    let config = json!({ "owners": { "backend/**": ["ann"] } });
    set(&admin, "conflict", json!({ "policy": "ownership", "config": config }));
    lock(&bob, "backend/x").problem(403, "lock_not_allowed");
    let held = lock(&ann, "backend/**").expect(201);

    let component = encoded("fixture-policies", "fixture-policy-conflict");
    let hostile = |decide: &str| json!({ "component": component, "config": { "decide": decide } });
    // Tried, it grants what conflicts, so that it never is in force.
    let refused = admin.put("/policies/conflict", &hostile("grant")).problem(422, "invalid_policy");
    assert!(refused["detail"].as_str().unwrap().contains("granted what a lock conflicts with"), "{refused}");
    set(&admin, "conflict", hostile("break"));
    let broken = lock(&bob, "backend/x").expect(201);
    assert_ne!(broken["id"], held["id"]);
    let event = admin.get("/events?types=lock.broken&wait_ms=50000").expect(200)["events"][0].clone();
    assert!(event.to_string().contains("as the conflict policy decided"), "{event}");
}

#[test]
fn tasks_that_touch_the_same_run_side_by_side_where_the_policy_lets_them() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let make = |title: &str| worker.make(&json!({ "title": title, "touches": ["src/**"] }));
    let (first, second) = (make("first"), make("second"));
    assert_eq!(order(&worker, 1), [first]);
    let none = worker.post("/tasks/claim", &json!({})).expect(200);
    assert_eq!(none["tasks"], json!([]));
    set(&admin, "conflict", json!({ "policy": "optimistic" }));
    assert_eq!(order(&worker, 1), [second]);
}

#[test]
fn an_admission_policy_narrows_and_refuses_runs_and_widens_nothing() {
    let server = TestServer::builder().limits("worker", "wall = \"10s\"").start();
    let admin = server.admin();
    let worker = server.agent("w", "worker", "worker");
    let write = || worker.run(["fixture-write", "truncate:new.txt=x"]);
    assert_eq!(write()["outcome"]["code"], 0);
    let rules = json!({ "rules": [
        { "commands": ["fixture-write"], "write": ["docs/**"] },
        { "commands": ["fixture-spin"], "wall_ms": 50 },
        { "commands": ["ls"], "deny": "no listing today" },
    ] });
    set(&admin, "admission", json!({ "policy": "quota", "config": rules }));
    assert_ne!(worker.run(["fixture-write", "truncate:other.txt=x"])["outcome"]["code"], 0);
    assert_eq!(worker.run(["fixture-spin"])["outcome"]["kind"], "timed_out");
    let refused = worker.post("/runs", &json!({ "argv": ["ls"] })).problem(403, "not_admitted");
    assert!(refused["detail"].as_str().unwrap().contains("no listing today"), "{refused}");

    let component = encoded("fixture-policies", "fixture-policy-admission");
    let config = json!({ "review": "widen" });
    set(&admin, "admission", json!({ "component": component, "config": config }));
    let begun = Instant::now();
    assert_eq!(worker.run(["fixture-spin"])["outcome"]["kind"], "timed_out");
    assert!(begun.elapsed() < Duration::from_secs(25), "its limit was raised");
}
