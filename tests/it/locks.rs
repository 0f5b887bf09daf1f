//! Locks on paths: who may hold what beside whom, who waits, and what ends a lock.

use std::thread;

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

struct Team {
    server: TestServer,
    boss: Agent,
    anna: Agent,
    ben: Agent,
}

fn team() -> Team {
    let server = TestServer::start();
    let boss = server.agent("boss", "coordinator", "full");
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    Team { server, boss, anna, ben }
}

fn lock(agent: &Agent, paths: &[&str]) -> Value {
    agent.post("/locks", &json!({ "paths": paths })).expect(201)
}

fn release(agent: &Agent, lock: &Value) -> u16 {
    let (id, fence) = (lock["id"].as_str().unwrap(), &lock["fence"]);
    agent.delete(format!("/locks/{id}?fence={fence}")).status
}

fn ids(agent: &Agent, query: &str) -> Vec<String> {
    let found = agent.get(format!("/locks{query}")).expect(200);
    found["locks"].as_array().unwrap().iter().map(|lock| lock["id"].as_str().unwrap().to_owned()).collect()
}

fn until_somebody_waits(agent: &Agent) {
    while agent.get("/locks").expect(200)["waiting"].as_array().unwrap().is_empty() {
        thread::yield_now();
    }
}

#[test]
fn who_finds_a_path_locked_learns_by_whom_and_for_how_long() {
    let Team { anna, ben, server: _server, .. } = team();
    let held = lock(&anna, &["src/**", "docs/{a,b}.md"]);
    let problem = ben.post("/locks", &json!({ "paths": ["web/**", "src/api/*.rs"] })).problem(409, "locked");
    assert_eq!((&problem["lock"], &problem["holder"]["agent"]), (&held["id"], &json!("anna")), "{problem}");
    assert_eq!(problem["path"], "src/api/*.rs", "{problem}");
    assert!((590..=600).contains(&problem["retry_after_s"].as_u64().unwrap()), "{problem}");
    assert_eq!(ids(&ben, "?path=docs/b.md"), ["l1"]);
    assert!(ids(&ben, "?path=web/x").is_empty(), "a refused set locked a part of itself");
    assert_eq!(release(&ben, &held), 409, "another's lock was released");
    assert_eq!(release(&anna, &held), 204);
    assert_eq!(release(&anna, &held), 409, "released twice");
    assert_eq!(lock(&ben, &["src/api/*.rs"])["id"], "l2");
}

#[test]
fn readers_lock_beside_each_other_and_a_writer_waits_for_all() {
    let Team { anna, ben, boss, server: _server } = team();
    let shared = json!({ "paths": ["src"], "mode": "shared" });
    let (one, other) = (anna.post("/locks", &shared).expect(201), ben.post("/locks", &shared).expect(201));
    let writer = thread::spawn({
        let boss = boss.clone();
        move || boss.post("/locks", &json!({ "paths": ["src/main.rs"], "wait_ms": 50_000 })).expect(201)
    });
    until_somebody_waits(&anna);
    let late = refused(&anna, "src/lib.rs");
    assert_eq!(late["lock"], "l2", "{late}");
    let behind = anna.post("/locks", &json!({ "paths": ["src/main.rs"], "mode": "shared" }));
    let behind = behind.problem(409, "lock_awaited");
    assert_eq!(behind["earlier"]["agent"], "boss", "the writer was overtaken: {behind}");
    assert_eq!((release(&anna, &one), release(&ben, &other)), (204, 204));
    let taken = writer.join().unwrap();
    assert_eq!(ids(&boss, ""), [taken["id"].as_str().unwrap()]);
}

/// The refusal of an exclusive lock.
fn refused(agent: &Agent, path: &str) -> Value {
    agent.post("/locks", &json!({ "paths": [path] })).problem(409, "locked")
}

#[test]
fn whoever_waits_for_each_other_is_told_so() {
    let Team { anna, ben, server: _server, .. } = team();
    let (a, b) = (lock(&anna, &["a"]), lock(&ben, &["b"]));
    let waits = thread::spawn({
        let anna = anna.clone();
        move || anna.post("/locks", &json!({ "paths": ["b"], "wait_ms": 50_000 })).expect(201)
    });
    until_somebody_waits(&ben);
    let problem = ben.post("/locks", &json!({ "paths": ["a"], "wait_ms": 50_000 })).problem(409, "deadlock");
    assert_eq!(problem["chain"], json!(["anna", "ben"]), "{problem}");
    assert_eq!(release(&ben, &b), 204);
    waits.join().unwrap();
    assert_eq!(release(&anna, &a), 204);
}

#[test]
fn a_broken_lock_is_nobodys_and_its_holder_is_told() {
    let Team { anna, ben, boss, server: _server } = team();
    let held = lock(&anna, &["src"]);
    assert_eq!(ben.post("/locks/l1/break", &json!({})).status, 403, "a worker broke a lock");
    assert_eq!(boss.post("/locks/l1/break", &json!({ "reason": "lunch" })).status, 204);
    let problem = anna.post("/locks/l1/renew", &json!({ "fence": held["fence"] })).problem(409, "stale_lock");
    assert_eq!(problem["holder"], Value::Null, "{problem}");
    let events = anna.get("/events?types=lock.broken").expect(200);
    let broken = &events["events"][0]["data"];
    assert_eq!((&broken["lock"], &broken["reason"]), (&json!("l1"), &json!("lunch")), "{events}");
    assert!(broken["raised_to"].as_u64() > held["fence"].as_u64(), "{events}");
    boss.post("/locks/l1/break", &json!({})).problem(404, "unknown_lock");
}

#[test]
fn a_lock_of_a_lease_ends_with_it() {
    let Team { anna, ben, server: _server, .. } = team();
    anna.make(&json!({ "title": "t" }));
    let grant = anna.claim(&json!({}));
    let (task, fence) = (&grant["id"], &grant["fence"]);
    let form = json!({ "paths": ["src"], "task": task, "fence": fence });
    ben.post("/locks", &form).problem(409, "stale_lease");
    anna.post("/locks", &form).expect(201);
    anna.post("/tasks/t1/complete", &json!({ "fence": fence })).expect(200);
    assert!(ids(&anna, "").is_empty(), "the lock outlived its lease");
    let released = anna.get("/events?types=lock.released").expect(200);
    assert_eq!(released["events"][0]["data"]["cause"], "lease_ended", "{released}");
}

#[test]
fn a_task_that_touches_a_locked_path_is_not_offered_to_others() {
    let Team { anna, ben, server: _server, .. } = team();
    let held = lock(&anna, &["src/api"]);
    ben.make(&json!({ "title": "t", "touches": ["src/**"] }));
    assert_eq!(ben.post("/tasks/claim", &json!({})).expect(200)["tasks"], json!([]));
    let why = ben.get("/tasks/t1/why").expect(200)["why"].clone();
    assert!(why.as_array().unwrap().iter().any(|why| why["lock"] == held["id"]), "{why}");
    let waits = thread::spawn({
        let ben = ben.clone();
        move || ben.claim(&json!({ "wait_ms": 50_000 }))
    });
    while ben.get("/queue").expect(200)["waiting_claims"] != 1 {
        thread::yield_now();
    }
    assert_eq!(release(&anna, &held), 204);
    assert_eq!(waits.join().unwrap()["id"], "t1");
}

#[test]
fn a_lock_that_is_not_renewed_ends_and_the_next_in_line_has_it() {
    let Team { anna, ben, server: _server, .. } = team();
    let held = anna.post("/locks", &json!({ "paths": ["src"], "ttl_ms": 1_000 })).expect(201);
    let next = ben.post("/locks", &json!({ "paths": ["src"], "wait_ms": 50_000 })).expect(201);
    assert!(next["fence"].as_u64() > held["fence"].as_u64(), "{next}");
    anna.post("/locks/l1/renew", &json!({ "fence": held["fence"] })).problem(409, "stale_lock");
}

#[test]
fn a_lock_and_its_key_outlive_the_server() {
    let Team { anna, ben, server, .. } = team();
    let form = json!({ "paths": ["src"] });
    let held = anna.post_keyed("k", "/locks", &form).expect(201);
    let server = server.restart();
    let again = |agent: &Agent| server.stranger(Some(agent.token()));
    let (anna, ben) = (again(&anna), again(&ben));
    assert_eq!(anna.post_keyed("k", "/locks", &form).expect(201), held, "locked twice");
    ben.post("/locks", &form).problem(409, "locked");
    anna.post("/locks/l1/renew", &json!({ "fence": held["fence"] })).expect(200);
}

#[test]
fn what_cannot_be_locked_is_refused() {
    let Team { anna, server: _server, .. } = team();
    let field = |form: &Value| {
        let problem = anna.post("/locks", form).problem(422, "invalid_request");
        problem["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(field(&json!({ "paths": [] })), "paths");
    assert_eq!(field(&json!({ "paths": vec!["a"; 65] })), "paths");
    assert_eq!(field(&json!({ "paths": ["../a"] })), "paths[0]");
    assert_eq!(field(&json!({ "paths": ["a"], "ttl_ms": 10 })), "ttl_ms");
    assert_eq!(field(&json!({ "paths": ["a"], "wait_ms": 50_001 })), "wait_ms");
    assert_eq!(field(&json!({ "paths": ["a"], "task": "t1" })), "fence");
    assert_eq!(field(&json!({ "paths": ["a"], "mode": "rw" })), "mode");
    anna.post("/locks/l9/renew", &json!({ "fence": 1 })).problem(404, "unknown_lock");
    assert_eq!(anna.get("/locks?path=../x").status, 403);
    assert!(ids(&anna, "").is_empty());
}

#[test]
fn a_list_of_locks_has_pages() {
    let Team { anna, server: _server, .. } = team();
    for path in ["a", "b", "c"] {
        lock(&anna, &[path]);
    }
    let page = anna.get("/locks?limit=2").expect(200);
    assert_eq!((page["locks"].as_array().unwrap().len(), &page["next"]), (2, &json!("l2")), "{page}");
    let rest = anna.get("/locks?limit=2&after=l2").expect(200);
    assert_eq!((&rest["locks"][0]["id"], &rest["next"]), (&json!("l3"), &Value::Null), "{rest}");
}
