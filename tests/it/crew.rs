//! Agents that come and go, spend, and make each other wait.

use std::thread;

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

struct Team {
    boss: Agent,
    anna: Agent,
    ben: Agent,
    server: TestServer,
}

fn team() -> Team {
    let server = TestServer::start();
    let boss = server.agent("boss", "coordinator", "full");
    let (anna, ben) = (server.skilled("anna", &["rust"]), server.skilled("ben", &[]));
    Team { boss, anna, ben, server }
}

fn beat(agent: &Agent, body: Value) -> Value {
    agent.post("/agents/me/heartbeat", &body).expect(200)
}

fn nothing(agent: &Agent) -> Value {
    let claimed = agent.post("/tasks/claim", &json!({})).expect(200);
    assert_eq!(claimed["tasks"], json!([]), "{claimed}");
    claimed
}

/// Waits for an event of this type, and returns it.
fn event(agent: &Agent, kind: &str) -> Value {
    let page = agent.get(format!("/events?types={kind}&wait_ms=50000")).expect(200);
    page["events"][0].clone()
}

#[test]
fn everybody_sees_who_is_there_and_at_what() {
    let Team { boss, anna, server: _server, .. } = team();
    let gone = boss.get("/agents/anna").expect(200);
    assert_eq!((&gone["status"], &gone["last_seen_ms"]), (&json!("left"), &json!(null)), "{gone}");
    let idle = beat(&anna, json!({ "provider": "north", "ttl_ms": 60_000 }));
    assert_eq!(
        (&idle["status"], &idle["ttl_ms"], &idle["name"]),
        (&json!("idle"), &json!(60_000), &json!("anna"))
    );
    let id = boss.make(&json!({ "title": "t" }));
    let grant = anna.claim(&json!({}));
    let busy = beat(&anna, json!({ "status": "reading", "task": id }));
    let expected = json!([{ "id": id, "fence": grant["fence"] }]);
    assert_eq!(
        (&busy["status"], &busy["doing"], &busy["tasks"]),
        (&json!("active"), &json!("reading"), &expected)
    );
    let all = boss.get("/agents").expect(200);
    let names: Vec<&str> =
        all["agents"].as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "anna", "ben", "boss"]);
    assert_eq!(boss.get("/agents/me").expect(200)["name"], "boss");
    boss.get("/agents/nobody").problem(404, "unknown_agent");
}

#[test]
fn the_classic_file_tells_the_same() {
    let Team { boss, anna, server: _server, .. } = team();
    let id = boss.make(&json!({ "title": "t" }));
    let grant = anna.claim(&json!({}));
    anna.post(format!("/tasks/{id}/complete"), &json!({ "fence": grant["fence"] })).expect(200);
    let classic = boss.get("/classic/worker-status.json").expect(200);
    let anna = &classic["anna"];
    assert_eq!((&anna["status"], &anna["last_task_completed"]), (&json!("idle"), &json!(1)), "{classic}");
    assert_eq!(anna["capabilities"], json!(["rust"]));
    assert!(anna["last_heartbeat"].as_str().unwrap().ends_with('Z'), "{classic}");
    assert_eq!(classic["ben"]["last_task_completed"], json!(null));
}

#[test]
fn who_breaks_its_promise_is_lost_and_its_work_goes_to_others() {
    let Team { boss, anna, ben, server: _server } = team();
    let id = boss.make(&json!({ "title": "t" }));
    beat(&anna, json!({ "ttl_ms": 10_000 }));
    let grant = anna.claim(&json!({ "ttl_ms": 3_600_000 }));
    anna.post("/locks", &json!({ "paths": ["src/**"], "ttl_ms": 3_600_000 })).expect(201);
    // It is heard of no more.
    let next = ben.claim(&json!({ "wait_ms": 50_000 }));
    assert_eq!(next["id"], id.as_str());
    let lost = event(&boss, "agent.lost");
    assert_eq!(
        (&lost["data"]["name"], &lost["data"]["tasks"], &lost["data"]["locks"]),
        (&json!("anna"), &json!(1), &json!(1)),
        "{lost}"
    );
    assert_eq!(boss.get("/agents/anna").expect(200)["status"], "lost");
    let refused = ben.post("/locks", &json!({ "paths": ["src/x"] })).problem(409, "locked");
    assert!(refused["retry_after_s"].as_u64().unwrap() <= 30, "its lock ends soon: {refused}");
    let renew = anna.post(format!("/tasks/{id}/renew"), &json!({ "fence": grant["fence"] }));
    renew.problem(409, "stale_lease");
    assert_eq!(boss.get("/agents/anna").expect(200)["status"], "idle", "it came back");
}

#[test]
fn who_leaves_hands_on_and_what_waits_for_it_is_answered() {
    let Team { boss, anna, ben, server: _server } = team();
    let id = boss.make(&json!({ "title": "t" }));
    anna.claim(&json!({}));
    let waiting = thread::spawn({
        let anna = anna.clone();
        move || anna.get("/inbox?wait_ms=50000")
    });
    // The inbox is waited on once nothing else can wake it: it is asked for by a session that is counted.
    let claim = thread::spawn({
        let anna = anna.clone();
        move || anna.post("/tasks/claim", &json!({ "wait_ms": 50_000 }))
    });
    while boss.get("/queue").expect(200)["waiting_claims"] != 1 {
        thread::yield_now();
    }
    assert_eq!(anna.post("/agents/me/leave", &json!({ "note": "see branch x" })).status, 204);
    claim.join().unwrap().problem(409, "left");
    boss.post("/messages", &json!({ "to": "anna", "text": "bye" })).expect(201);
    let inbox = waiting.join().unwrap();
    assert!(matches!(inbox.status, 200 | 409), "it is answered, whichever came first");
    let grant = ben.claim(&json!({}));
    assert_eq!((&grant["id"], &grant["notes"][0]["text"]), (&json!(id), &json!("see branch x")), "{grant}");
    assert_eq!(
        event(&boss, "agent.left")["data"],
        json!({ "name": "anna", "why": "said", "note": "see branch x" })
    );
}

#[test]
fn an_interrupt_ends_runs_and_keeps_tasks_back_until_it_is_acknowledged() {
    let Team { boss, anna, server: _server, .. } = team();
    let started = anna.post("/runs", &json!({ "argv": ["sleep", "50"], "wait_ms": 0 })).expect(202);
    anna.post("/agents/boss/interrupt", &json!({})).problem(403, "role_too_low");
    let interrupt = boss.post("/agents/anna/interrupt", &json!({ "reason": "wrong branch" }));
    assert_eq!(interrupt.status, 204);
    let run = anna.get(format!("/runs/{}?wait_ms=50000", started["id"].as_str().unwrap())).expect(200);
    let outcome = &run["outcome"];
    assert_eq!(outcome["kind"], "killed", "{run}");
    assert!(outcome["reason"].as_str().unwrap().contains("wrong branch"), "{run}");
    boss.make(&json!({ "title": "t" }));
    let told = nothing(&anna);
    assert_eq!(
        (&told["reason"], &told["interrupt"]["by"]),
        (&json!("interrupted"), &json!("boss")),
        "{told}"
    );
    let refused = anna.post("/runs", &json!({ "argv": ["echo"] })).problem(409, "interrupted");
    let seq = &refused["interrupt"]["seq"];
    let brief = anna.get("/brief").expect(200);
    assert!(brief["next"].as_str().unwrap().contains(&seq.to_string()), "{brief}");
    assert_eq!(beat(&anna, json!({ "ack_interrupt": seq }))["interrupt"], json!(null));
    anna.claim(&json!({}));
}

#[test]
fn agents_of_one_provider_share_its_rate_limit() {
    let Team { boss, anna, ben, server } = team();
    for agent in [&anna, &ben] {
        beat(agent, json!({ "provider": "north" }));
    }
    let cooled =
        anna.post("/agents/me/backoff", &json!({ "retry_after_s": 60, "reason": "429" })).expect(200);
    assert_eq!(cooled["rate_limited"]["provider"], "north", "{cooled}");
    boss.make(&json!({ "title": "t" }));
    let told = nothing(&ben);
    assert_eq!((&told["reason"], &told["provider"]), (&json!("rate_limited"), &json!("north")), "{told}");
    assert!((50..=60).contains(&told["retry_after_s"].as_u64().unwrap()), "{told}");
    let server = server.crash();
    let ben = server.stranger(Some(ben.token()));
    assert_eq!(nothing(&ben)["reason"], "rate_limited", "a crash forgets no rate limit");
    let end = json!({ "retry_after_s": 0, "provider": "north" });
    ben.post("/agents/me/backoff", &end).problem(403, "not_yours");
    let anna = server.stranger(Some(anna.token()));
    anna.post("/agents/me/backoff", &end).expect(200);
    ben.claim(&json!({}));
}

#[test]
fn a_spent_budget_stops_a_task_until_somebody_decides() {
    let Team { boss, anna, server: _server, .. } = team();
    let id = boss.make(&json!({ "title": "t", "budget": { "cost_usd": 0.5, "tokens": 1_000_000 } }));
    let grant = anna.claim(&json!({}));
    let spend = |body: Value| anna.post("/agents/me/usage", &body).expect(200);
    let counted = spend(json!({ "input_tokens": 1_000, "cost_usd": 0.25 }));
    assert_eq!((&counted["task"]["id"], &counted["task_spent"]), (&json!(id), &json!(false)), "{counted}");
    let body = json!({ "cost_usd": 0.25, "task": id, "fence": grant["fence"] });
    let counted = anna.post_keyed("k", "/agents/me/usage", &body).expect(200);
    assert_eq!(counted["task_spent"], true, "{counted}");
    assert_eq!(anna.post_keyed("k", "/agents/me/usage", &body).expect(200), counted, "it is counted once");
    let task = anna.task(&id);
    assert_eq!((&task["status"], &task["usage"]["cost_usd"]), (&json!("needs_input"), &json!(0.5)), "{task}");
    assert!(task["notes"][0]["text"].as_str().unwrap().contains("$0.50 of $0.50"), "{task}");
    boss.patch(format!("/tasks/{id}"), &json!({ "budget": null })).expect(200);
    boss.post(format!("/tasks/{id}/answer"), &json!({ "text": "go on" })).expect(200);
    anna.claim(&json!({}));
    assert_eq!(spend(json!({ "cost_usd": 100 }))["task_spent"], false);
}

#[test]
fn who_has_spent_its_own_budget_gets_no_more_tasks() {
    let Team { boss, anna, ben, server: _server } = team();
    boss.make(&json!({ "title": "t" }));
    let limits = json!({ "agent_budgets": { "anna": { "calls": 10 } }, "budget": { "calls": 100 } });
    assert_eq!(boss.put("/queue/limits", &limits).status, 204);
    let told = beat(&anna, json!({ "usage": { "calls": 10 } }));
    assert_eq!((&told["usage"]["calls"], &told["budget"]["calls"]), (&json!(10), &json!(10)), "{told}");
    let told = nothing(&anna);
    assert_eq!((&told["reason"], &told["of"]), (&json!("budget"), &json!("agent")), "{told}");
    assert_eq!(event(&boss, "agent.budget_spent")["data"]["spent"], "10 of 10 calls");
    beat(&ben, json!({ "usage": { "calls": 90 } }));
    assert_eq!(nothing(&ben)["of"], "project");
}

#[test]
fn a_heartbeat_may_be_sent_again_and_what_makes_no_sense_is_refused() {
    let Team { anna, server, .. } = team();
    let body = json!({ "status": "x", "usage": { "calls": 1 } });
    for _ in 0..2 {
        let told = anna.post_keyed("k", "/agents/me/heartbeat", &body).expect(200);
        assert_eq!(told["usage"]["calls"], 1, "{told}");
    }
    for (body, field) in [
        (json!({ "ttl_ms": 1 }), "ttl_ms"),
        (json!({ "status": "x".repeat(301) }), "status"),
        (json!({ "task": "t1" }), "status"),
        (json!({ "usage": { "cost_usd": -1 } }), "usage.cost_usd"),
        (json!({ "usage": { "task": "t1" } }), "fence"),
        (json!({ "provider": "a b" }), "provider"),
    ] {
        let problem = anna.post("/agents/me/heartbeat", &body).problem(422, "invalid_request");
        assert_eq!(problem["field"], field, "{problem}");
    }
    let backoff = anna.post("/agents/me/backoff", &json!({ "retry_after_s": 5 }));
    assert_eq!(backoff.problem(422, "invalid_request")["field"], "provider");
    let new = json!({ "name": "me", "role": "worker", "profile": "full" });
    server.admin().post("/admin/agents", &new).problem(422, "invalid_request");
}
