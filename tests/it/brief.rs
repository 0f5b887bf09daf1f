//! What an agent is told so that it can go on.

use longhouse_tests::{Agent, TestServer};
use serde_json::json;

fn text(agent: &Agent) -> String {
    let request = agent.request(reqwest::Method::GET, "/brief").header("accept", "text/plain");
    let answer = agent.send(request);
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.bytes).unwrap()
}

#[test]
fn a_new_session_goes_on_from_its_brief() {
    let server = TestServer::start();
    let (worker, other) = (server.worker(), server.skilled("other", &[]));
    let task = json!({
        "title": "Write the parser", "description": "For the grammar in docs/grammar.md",
        "verify": ["rg", "fn parse", "src"], "touches": ["src/**"],
    });
    worker.make(&task);
    let grant = other.claim(&json!({}));
    let note = json!({ "fence": grant["fence"], "note": "the lexer is done" });
    other.post("/tasks/t1/release", &note).expect(200);
    assert!(text(&worker).contains("Next: claim a task."));

    let grant = worker.claim(&json!({}));
    let progress =
        json!({ "fence": grant["fence"], "current_step": 1, "total_steps": 3, "message": "expressions" });
    worker.post("/tasks/t1/progress", &progress).expect(200);
    let lock = worker.post("/locks", &json!({ "paths": ["src/parser.rs"] })).expect(201);
    worker.post("/runs", &json!({ "argv": ["sleep", "50"], "wait_ms": 0 })).expect(202);
    let text = text(&worker);
    for expected in [
        "You are worker in",
        "Next: go on with t1;",
        "You hold t1: Write the parser",
        &format!("fence {}, ends in", grant["fence"]),
        "For the grammar in docs/grammar.md",
        "Done when this succeeds: rg fn parse src",
        "Touches: src/**",
        "So far: 1/3 expressions",
        "Handed on: the lexer is done",
        &format!("l1 exclusive src/parser.rs, fence {}", lock["fence"]),
        "sleep 50",
        "Queue: 1 in_progress.",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let json = worker.get("/brief").expect(200);
    assert_eq!((&json["tasks"][0]["id"], &json["locks"][0]["id"]), (&json!("t1"), &json!("l1")), "{json}");
    let news = worker.get(format!("/events?after={}", json["as_of"])).expect(200);
    assert_eq!(news["events"], json!([]));
    let theirs = other.get("/brief").expect(200);
    assert_eq!((&theirs["tasks"], &theirs["locks"], &theirs["runs"]), (&json!([]), &json!([]), &json!([])));
}

#[test]
fn what_others_changed_of_what_was_read_is_told_until_it_is_read_again() {
    let server = TestServer::builder().file("a", "a").file("b", "b").file("c", "c").file("d", "d").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let changed = || worker.get("/brief").expect(200)["changed"].clone();
    worker.post("/fs/read", &json!({ "path": "a" })).expect(200);
    worker.run(["cat", "b", "d"]);
    let write = |agent: &Agent, path: &str| {
        let body = json!({ "path": path, "content": "new", "expected": "*" });
        agent.post("/fs/write", &body).expect(200)["commit"].clone()
    };
    assert_eq!(changed(), json!([]));
    let [a, _, b] = ["a", "c", "b"].map(|path| write(&other, path));
    write(&worker, "d");
    let gone = other.post("/fs/delete", &json!({ "path": "d" })).expect(200)["commit"].clone();
    // What it never read is no news, nor what it changed itself.
    let expected = json!([
        { "path": "d", "agent": "other", "commit": gone },
        { "path": "b", "agent": "other", "commit": b },
        { "path": "a", "agent": "other", "commit": a },
    ]);
    assert_eq!(changed(), expected);
    let text = text(&worker);
    assert!(text.contains(&format!("  b (other, commit {b})\n")), "{text}");
    worker.post("/fs/read", &json!({ "path": "a" })).expect(200);
    worker.run(["cat", "b"]);
    assert_eq!(changed(), json!([expected[0]]));
    assert_eq!(other.get("/brief").expect(200)["changed"], json!([]));
}

#[test]
fn the_next_step_follows_from_where_things_stand() {
    let server = TestServer::start();
    let (boss, worker) = (server.agent("boss", "coordinator", "full"), server.worker());
    let next = |agent: &Agent| agent.get("/brief").expect(200)["next"].as_str().unwrap().to_owned();
    assert!(next(&worker).starts_with("there is nothing to claim"), "{}", next(&worker));
    boss.make(&json!({ "title": "t" }));
    assert_eq!(next(&worker), "claim a task");
    boss.post("/queue/pause", &json!({}));
    assert!(next(&worker).starts_with("the queue is paused"));
    boss.post("/queue/resume", &json!({}));
    let grant = worker.claim(&json!({}));
    worker.post("/tasks/t1/ask", &json!({ "fence": grant["fence"], "question": "which one?" })).expect(200);
    let asked = boss.get("/brief").expect(200);
    assert_eq!(asked["questions"][0]["question"], "which one?", "{asked}");
    assert_eq!(next(&boss), "answer the question about t1");
    boss.post("/tasks/t1/answer", &json!({ "text": "the blue one" })).expect(200);
    worker.claim(&json!({}));
    assert!(text(&worker).contains("You were answered: the blue one"), "{}", text(&worker));
    let mail = json!({ "to": "worker", "text": "the green one, after all", "importance": "high" });
    boss.post("/messages", &mail).expect(201);
    assert!(next(&worker).starts_with("read your mail"), "{}", next(&worker));
    assert!(text(&worker).contains("m1 from boss (high): the green one, after all"), "{}", text(&worker));
    boss.post("/tasks/t1/cancel", &json!({})).expect(200);
    assert_eq!(next(&worker), "t1 is not wanted any more: stop, and release it");
}

#[test]
fn a_brief_is_short_however_much_there_is() {
    let server = TestServer::start();
    let worker = server.worker();
    let description = "wörter ".repeat(5_000);
    for title in 0..12 {
        worker.make(&json!({ "title": format!("task {title}"), "description": description }));
    }
    worker.post("/tasks/claim", &json!({ "count": 12 })).expect(200);
    let text = text(&worker);
    assert!(text.len() <= 6_000, "{} bytes", text.len());
    let json = worker.get("/brief").expect(200).to_string();
    assert!(json.len() <= 6_000, "{} bytes", json.len());
    assert!(text.contains("You hold t1: task 0") && text.contains("You hold t5"), "{text}");
}
