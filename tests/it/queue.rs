//! The queue as a whole: pauses and limits.

use longhouse_tests::TestServer;
use serde_json::{Value, json};

#[test]
fn a_paused_queue_hands_out_nothing_until_it_is_resumed() {
    let server = TestServer::start();
    let (boss, worker) = (server.agent("boss", "coordinator", "full"), server.worker());
    worker.make(&json!({ "title": "t" }));
    assert_eq!(boss.post("/queue/pause", &json!({})).status, 204);
    let nothing = worker.post("/tasks/claim", &json!({})).expect(200);
    assert_eq!(nothing, json!({ "tasks": [], "reason": "paused" }));
    let why = worker.get("/tasks/t1/why").expect(200);
    assert_eq!(why["why"][1]["code"], "queue_paused", "{why}");
    let queue = worker.get("/queue").expect(200);
    assert_eq!((&queue["paused"], &queue["counts"]), (&json!(true), &json!({ "pending": 1 })), "{queue}");
    assert_eq!(boss.post("/queue/resume", &json!({})).status, 204);
    assert_eq!(worker.claim(&json!({}))["id"], "t1");
}

#[test]
fn a_label_is_paused_and_limited_by_itself() {
    let server = TestServer::start();
    let (boss, worker) = (server.agent("boss", "coordinator", "full"), server.worker());
    let task = |label: &str| json!({ "title": "t", "labels": [label] });
    let tasks = json!({ "tasks": [task("db"), task("db"), task("ui")] });
    worker.post("/tasks", &tasks).expect(201);
    assert_eq!(boss.post("/queue/pause", &json!({ "label": "db" })).status, 204);
    assert_eq!(worker.claim(&json!({}))["id"], "t3");
    assert_eq!(worker.get("/tasks/t1/why").expect(200)["why"][1]["label"], "db");
    assert_eq!(boss.post("/queue/resume", &json!({ "label": "db" })).status, 204);

    let limits = json!({ "labels": { "db": { "concurrent": 1 } }, "per_agent": 2 });
    assert_eq!(boss.put("/queue/limits", &limits).status, 204);
    let stored = worker.get("/queue/limits").expect(200);
    assert_eq!((&stored["per_agent"], &stored["labels"]["db"]["concurrent"]), (&json!(2), &json!(1)));
    assert_eq!(worker.claim(&json!({}))["id"], "t1");
    let nothing = worker.post("/tasks/claim", &json!({})).expect(200);
    assert_eq!(nothing, json!({ "tasks": [], "reason": "limit", "limit": 2 }));
    let other = server.skilled("other", &[]);
    assert_eq!(other.post("/tasks/claim", &json!({})).expect(200)["reason"], "blocked");
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    let server = TestServer::start();
    let boss = server.admin();
    let field = |limits: Value| {
        let problem = boss.put("/queue/limits", &limits).problem(422, "invalid_request");
        problem["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(field(json!({ "per_agent": -1 })), "per_agent");
    assert_eq!(field(json!({ "labels": { "db": { "at_once": 1 } } })), "labels.db.at_once");
    boss.post("/queue/pause", &json!({ "label": "no label" })).problem(422, "invalid_request");
}
