//! What somebody changes who does not ask the server is on record, and not written over.

use std::fs;

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

/// Looks at the whole project; returns what is found.
fn rescan(agent: &Agent) -> Value {
    agent.post("/fs/rescan", &json!({})).expect(200)
}

#[test]
fn what_is_changed_outside_comes_into_the_journal_once() {
    let server = TestServer::builder().file("f", "old").file("d/g", "old").start();
    let worker = server.worker();
    assert_eq!(rescan(&worker)["count"], 0);
    fs::write(server.path("f"), "theirs").unwrap();
    fs::remove_file(server.path("d/g")).unwrap();
    fs::write(server.path("d/new"), "theirs").unwrap();
    let scanned = rescan(&worker);
    assert_eq!((&scanned["count"], &scanned["commits"]), (&json!(3), &json!([1])), "{scanned}");
    let commit = worker.get("/commits/1").expect(200);
    assert_eq!(commit["agent"], Value::Null, "{commit}");
    let mut changes: Vec<_> = commit["changes"].as_array().unwrap().iter().collect();
    changes.sort_by_key(|change| change["path"].as_str().unwrap());
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change["path"].as_str().unwrap(), change["base"].is_null(), change["new"].is_null()))
        .collect();
    assert_eq!(told, [("d/g", false, true), ("d/new", true, false), ("f", false, false)]);
    assert!(changes.iter().all(|change| change["operation"] == "found"), "{commit}");
    assert_eq!(rescan(&worker)["count"], 0);
    // Only those who may read it learn of it.
    let profile = "commands = []\n[profiles.narrow.files]\nwrite = [\"d/**\"]";
    let server = TestServer::builder().profile("narrow", profile).start();
    let narrow = server.agent("narrow", "worker", "narrow");
    rescan(&narrow);
    fs::write(server.path("f"), "theirs").unwrap();
    let scanned = rescan(&narrow);
    assert_eq!((&scanned["count"], &scanned["found"]), (&json!(1), &json!([])));
}

#[test]
fn what_is_changed_while_nobody_serves_is_found_by_the_next() {
    let server = TestServer::builder().file("f", "old").start();
    let worker = server.worker();
    rescan(&worker);
    let token = worker.token().to_owned();
    let mut server = server;
    server.kill();
    fs::write(server.path("f"), "theirs").unwrap();
    let server = server.start_again();
    let worker = server.stranger(Some(&token));
    let page = worker.get("/events?types=commit.published&wait_ms=50000").expect(200);
    let [event] = page["events"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&event["agent"], &event["data"]["paths"]), (&Value::Null, &json!(["f"])), "{event}");
}

#[test]
fn who_is_refused_because_of_somebody_outside_is_told_so() {
    let server = TestServer::builder().file("f", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    rescan(&worker);
    let write = |agent: &Agent, expected: &Value, content: &str| {
        agent.post("/fs/write", &json!({ "path": "f", "content": content, "expected": expected }))
    };
    let first = write(&other, &json!("*"), "other's").expect(200);
    fs::write(server.path("f"), "somebody's").unwrap();
    let stale = write(&worker, &first["version"], "mine").problem(412, "stale_write");
    assert_eq!((&stale["agent"], &stale["commit"]), (&Value::Null, &json!(2)), "{stale}");
    assert_eq!(server.read("f"), "somebody's");
    write(&worker, &stale["current_version"], "mine").expect(200);
    // It is the same for a run.
    let run = worker.run_with(json!({ "argv": ["fixture-write", "append:f=+"], "publish": "never" }));
    fs::write(server.path("f"), "again").unwrap();
    let path = format!("/runs/{}/commit", run["id"].as_str().unwrap());
    worker.post(&path, &json!({})).problem(409, "stale_write");
    assert_eq!(rescan(&worker)["count"], 0, "it was found already");
    assert_eq!(worker.get("/commits?limit=1").expect(200)["commits"][0]["agent"], Value::Null);
}
