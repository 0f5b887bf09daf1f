//! Tasks, from the wish to the end.

use longhouse_tests::TestServer;
use serde_json::{Value, json};

/// What shows a grant.
fn fence(grant: &Value) -> Value {
    json!({ "fence": grant["fence"] })
}

fn note<'a>(task: &'a Value, kind: &str) -> &'a str {
    let notes = task["notes"].as_array().unwrap();
    let note = notes.iter().rev().find(|note| note["kind"] == kind);
    note.unwrap_or_else(|| panic!("no {kind} in {task}"))["text"].as_str().unwrap()
}

#[test]
fn a_task_lives_from_wish_to_result() {
    let server = TestServer::start();
    let worker = server.worker();
    let new = json!({
        "title": "Write the parser", "description": "All of it.", "priority": 7, "labels": ["area:core"],
        "touches": ["src/parser/**"], "key": "parser", "backoff": { "base_ms": 10, "max_ms": 20 },
    });
    let id = worker.make(&new);
    let made = worker.task(&id);
    assert_eq!((&made["status"], &made["created_by"]), (&json!("pending"), &json!("worker")), "{made}");

    let grant = worker.claim(&json!({}));
    assert_eq!(grant["id"], *id);
    assert_eq!((&grant["title"], &grant["description"]), (&new["title"], &new["description"]), "{grant}");
    assert_eq!((&grant["attempt"], &grant["priority"]), (&json!(1), &json!(7)), "{grant}");
    assert_eq!((&grant["labels"], &grant["touches"]), (&new["labels"], &new["touches"]), "{grant}");

    let renewed = worker.post(format!("/tasks/{id}/renew"), &fence(&grant)).expect(200);
    assert!(renewed["expires_at_ms"].as_u64() >= grant["expires_at_ms"].as_u64(), "{renewed}");
    assert_eq!(renewed["cancel_requested"], false);
    let told = json!({ "fence": grant["fence"], "current_step": 1, "total_steps": 3, "message": "lexing" });
    worker.post(format!("/tasks/{id}/progress"), &told).expect(200);
    let held = worker.task(&id);
    assert_eq!(held["status"], "in_progress");
    assert_eq!((&held["lease"]["holder"], &held["lease"]["fence"]), (&json!("worker"), &grant["fence"]));
    assert!(held["lease"]["expires_at_ms"].as_u64() >= renewed["expires_at_ms"].as_u64(), "{held}");
    assert_eq!(held["progress"], json!({ "current_step": 1, "total_steps": 3, "message": "lexing" }));

    let done = json!({ "fence": grant["fence"], "result": "It parses." });
    let ended = worker.post(format!("/tasks/{id}/complete"), &done).expect(200);
    assert_eq!(ended, json!({ "task": { "id": id, "status": "completed" } }));
    let task = worker.task(&id);
    assert_eq!((&task["status"], &task["lease"]), (&json!("completed"), &Value::Null), "{task}");
    assert_eq!(note(&task, "result"), "It parses.");
    worker.post(format!("/tasks/{id}/complete"), &done).problem(409, "stale_lease");
    worker.post("/tasks/claim", &json!({ "task": id })).problem(409, "not_possible");
}

#[test]
fn a_fence_that_was_given_back_is_good_for_nothing() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    let id = anna.make(&json!({ "title": "t" }));
    let old = anna.claim(&json!({}));
    let note = json!({ "fence": old["fence"], "note": "the tests are missing" });
    let released = anna.post(format!("/tasks/{id}/release"), &note).expect(200);
    assert_eq!(released["task"]["status"], "pending");
    let new = ben.claim(&json!({ "task": id }));
    assert!(new["fence"].as_u64() > old["fence"].as_u64(), "{new}");
    assert_eq!(new["notes"][0]["text"], "the tests are missing", "{new}");

    for (verb, more) in [
        ("renew", json!({})),
        ("progress", json!({ "current_step": 1 })),
        ("complete", json!({})),
        ("submit", json!({})),
        ("fail", json!({ "reason": "r" })),
        ("release", json!({})),
        ("ask", json!({ "question": "q" })),
    ] {
        let mut body = more;
        body["fence"] = old["fence"].clone();
        let problem = anna.post(format!("/tasks/{id}/{verb}"), &body).problem(409, "stale_lease");
        assert_eq!(problem["holder"], json!({ "agent": "ben", "fence": new["fence"] }), "{verb}: {problem}");
        assert_eq!(problem["task_status"], "in_progress", "{verb}: {problem}");
    }
    // Nor is another's fence good for anything in her hands.
    anna.post(format!("/tasks/{id}/complete"), &fence(&new)).problem(409, "stale_lease");
    let run = json!({ "argv": ["echo"], "task": id, "fence": old["fence"] });
    anna.post("/runs", &run).problem(409, "stale_lease");
    anna.post("/runs", &json!({ "argv": ["echo"], "task": id })).problem(422, "invalid_request");
    ben.post("/runs", &json!({ "argv": ["echo"], "task": id, "fence": new["fence"] })).expect(200);
    ben.post(format!("/tasks/{id}/complete"), &fence(&new)).expect(200);
}

#[test]
fn a_lease_that_ends_takes_its_runs_along() {
    let server = TestServer::start();
    let worker = server.worker();
    let id = worker.make(&json!({ "title": "t" }));
    let grant = worker.claim(&json!({}));
    let spin = json!({ "argv": ["fixture-spin"], "wait_ms": 0, "task": id, "fence": grant["fence"] });
    let job = worker.post("/runs", &spin).expect(202);
    worker.post(format!("/tasks/{id}/release"), &fence(&grant)).expect(200);
    let ended = worker.get(format!("/runs/{}?wait_ms=20000", job["id"].as_str().unwrap())).expect(200);
    assert_eq!(ended["outcome"]["kind"], "killed", "{ended}");
}

#[test]
fn a_failed_attempt_is_tried_again_until_none_is_left() {
    let server = TestServer::start();
    let worker = server.worker();
    let id = worker
        .make(&json!({ "title": "t", "max_attempts": 2, "backoff": { "base_ms": 100, "max_ms": 100 } }));
    let attempt = |expected: &str| {
        let grant = worker.claim(&json!({ "task": id, "wait_ms": 20_000 }));
        let failed = json!({ "fence": grant["fence"], "reason": "it rained" });
        let stands = worker.post(format!("/tasks/{id}/fail"), &failed).expect(200);
        assert_eq!(stands["task"]["status"], expected);
        grant["attempt"].clone()
    };
    assert_eq!((attempt("scheduled"), attempt("failed")), (json!(1), json!(2)));
    assert_eq!(note(&worker.task(&id), "failure"), "it rained");

    let retry = format!("/tasks/{id}/retry");
    assert_eq!(worker.post(&retry, &json!({})).expect(200)["task"]["status"], "pending");
    worker.post(&retry, &json!({})).problem(409, "retried");
    let task = worker.task(&id);
    assert_eq!((&task["incarnation"], &task["failures"]), (&json!(2), &json!(0)), "{task}");
    let grant = worker.claim(&json!({}));
    let hopeless = json!({ "fence": grant["fence"], "reason": "it cannot be", "retry": false });
    let stands = worker.post(format!("/tasks/{id}/fail"), &hopeless).expect(200);
    assert_eq!(stands["task"]["status"], "failed");
}

#[test]
fn a_question_stops_a_task_and_an_answer_brings_it_back_to_who_asked() {
    let server = TestServer::start();
    let (boss, anna) = (server.admin(), server.skilled("anna", &[]));
    let id = boss.make(&json!({ "title": "t" }));
    let grant = anna.claim(&json!({}));
    let question = json!({ "fence": grant["fence"], "question": "Which port?" });
    assert_eq!(anna.post(format!("/tasks/{id}/ask"), &question).expect(200)["task"]["status"], "needs_input");
    let answer = json!({ "text": "7420" });
    anna.post(format!("/tasks/{id}/answer"), &answer).problem(403, "not_yours");
    assert_eq!(boss.post(format!("/tasks/{id}/answer"), &answer).expect(200)["task"]["status"], "pending");
    boss.post(format!("/tasks/{id}/answer"), &answer).problem(409, "not_possible");
    let grant = anna.claim(&json!({}));
    let kinds: Vec<_> = grant["notes"].as_array().unwrap().iter().map(|note| &note["kind"]).collect();
    assert_eq!(kinds, ["question", "answer"], "{grant}");
}

#[test]
fn the_holder_of_a_cancelled_task_is_told_with_its_next_call() {
    let server = TestServer::start();
    let (boss, anna) = (server.admin(), server.skilled("anna", &[]));
    let id = boss.make(&json!({ "title": "t" }));
    let grant = anna.claim(&json!({}));
    anna.post(format!("/tasks/{id}/cancel"), &json!({})).problem(403, "not_yours");
    let asked = boss.post(format!("/tasks/{id}/cancel"), &json!({ "reason": "not wanted" })).expect(200);
    assert_eq!(asked["task"]["status"], "in_progress");
    let renewed = anna.post(format!("/tasks/{id}/renew"), &fence(&grant)).expect(200);
    assert_eq!(renewed["cancel_requested"], true);
    let released = anna.post(format!("/tasks/{id}/release"), &fence(&grant)).expect(200);
    assert_eq!(released["task"]["status"], "cancelled");
    boss.post(format!("/tasks/{id}/cancel"), &json!({})).problem(409, "not_possible");
    // One that nobody holds ends at once.
    let idle = boss.make(&json!({ "title": "t" }));
    let cancelled =
        boss.send(boss.request(reqwest::Method::POST, &format!("/tasks/{idle}/cancel"))).expect(200);
    assert_eq!(cancelled["task"]["status"], "cancelled");
}

#[test]
fn what_is_asked_for_changes_by_whom_it_may() {
    let server = TestServer::start();
    let (boss, anna) = (server.admin(), server.skilled("anna", &[]));
    let id = boss.make(&json!({ "title": "old", "description": "kept", "assigned_to": "anna" }));
    let path = format!("/tasks/{id}");
    server.worker().patch(&path, &json!({ "priority": 1 })).problem(403, "not_yours");
    boss.patch(&path, &json!({ "title": "new", "priority": 5, "assigned_to": null })).expect(200);
    let task = boss.task(&id);
    assert_eq!((&task["title"], &task["description"]), (&json!("new"), &json!("kept")), "{task}");
    assert_eq!((&task["priority"], &task["assigned_to"]), (&json!(5), &Value::Null), "{task}");

    let grant = anna.claim(&json!({}));
    anna.patch(&path, &json!({ "labels": ["mine"] })).expect(200);
    anna.patch(&path, &json!({ "verify": null })).problem(403, "not_yours");
    boss.patch(&path, &json!({ "depends_on": [id] })).problem(422, "cycle");
    boss.patch(&path, &json!({ "title": " " })).problem(422, "invalid_request");
    boss.patch(&path, &json!({ "assigned_to": "nobody" })).problem(404, "unknown_agent");
    boss.patch("/tasks/t99", &json!({ "priority": 1 })).problem(404, "unknown_task");
    anna.post(format!("{path}/complete"), &fence(&grant)).expect(200);
    boss.patch(&path, &json!({ "priority": 1 })).problem(409, "not_possible");
}

#[test]
fn a_batch_is_made_in_its_order_of_dependence_or_not_at_all() {
    let server = TestServer::start();
    let worker = server.worker();
    let batch = json!({ "tasks": [
        { "title": "ship", "depends_on": [1, 2] },
        { "title": "build" },
        { "title": "test", "depends_on": [1] },
    ] });
    let made = worker.post("/tasks", &batch).expect(201);
    let status: Vec<_> = made["tasks"].as_array().unwrap().iter().map(|task| &task["status"]).collect();
    assert_eq!(status, ["blocked", "pending", "blocked"], "{made}");
    for title in ["build", "test", "ship"] {
        let grant = worker.claim(&json!({}));
        assert_eq!(grant["title"], title);
        let path = format!("/tasks/{}/complete", grant["id"].as_str().unwrap());
        worker.post(path, &fence(&grant)).expect(200);
    }

    let refuse = |tasks: Value, status, code: &str| {
        worker.post("/tasks", &json!({ "tasks": tasks })).problem(status, code)
    };
    let cycle = json!([{ "title": "a", "depends_on": [1] }, { "title": "b", "depends_on": [0] }]);
    refuse(cycle, 422, "cycle");
    let problem = refuse(json!([{ "title": "a", "depends_on": [7] }]), 422, "invalid_request");
    assert_eq!(problem["field"], "depends_on", "{problem}");
    refuse(json!([{ "title": "a" }, { "title": "b", "depends_on": ["t99"] }]), 404, "unknown_task");
    refuse(json!([{ "title": "a", "assigned_to": "nobody" }]), 404, "unknown_agent");
    refuse(json!([{ "title": "a", "deadline_ms": 1 }]), 422, "invalid_request");
    refuse(json!([]), 422, "invalid_request");
    let all = worker.get("/tasks").expect(200);
    assert_eq!(all["tasks"].as_array().unwrap().len(), 3, "a refused call made something: {all}");
}

#[test]
fn what_depends_on_a_failure_is_refused_unless_it_says_otherwise() {
    let server = TestServer::start();
    let worker = server.worker();
    let gone = worker.make(&json!({ "title": "t" }));
    let waits = worker.make(&json!({ "title": "waits", "depends_on": [gone] }));
    worker.post(format!("/tasks/{gone}/cancel"), &json!({})).expect(200);
    assert_eq!(worker.task(&waits)["status"], "cancelled");
    let new = json!({ "title": "late", "depends_on": [gone] });
    assert_eq!(worker.post("/tasks", &new).problem(409, "parent_ended")["task_status"], "cancelled");
    worker.make(&json!({ "title": "late", "depends_on": [gone], "on_parent_failure": "run" }));
    assert_eq!(worker.claim(&json!({}))["failed_parents"], json!([gone]));
}

#[test]
fn too_much_is_refused_and_says_what() {
    let server = TestServer::start();
    let worker = server.worker();
    let tasks: Vec<Value> = (0..10_000).map(|n| json!({ "title": format!("task {n}") })).collect();
    let problem = worker.post("/tasks", &json!({ "tasks": tasks })).problem(422, "invalid_request");
    assert_eq!(problem["field"], "tasks");
    assert!(problem["detail"].as_str().unwrap().contains("1000"), "{problem}");
    let field = |task: Value| {
        let problem = worker.post("/tasks", &json!({ "tasks": [{ "title": "t" }, task] }));
        problem.problem(422, "invalid_request")["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(field(json!({ "title": "t", "description": "x".repeat(1 << 20) })), "tasks[1].description");
    assert_eq!(field(json!({ "title": "" })), "tasks[1].title");
    assert_eq!(field(json!({ "title": "t", "priority": 101 })), "tasks[1].priority");
    assert_eq!(field(json!({ "title": "t", "max_attempts": 0 })), "tasks[1].max_attempts");
    assert_eq!(field(json!({ "title": "t", "verify": [] })), "tasks[1].verify");
    assert_eq!(field(json!({ "title": "t", "labels": ["a", "b c"] })), "tasks[1].labels[1]");
    assert_eq!(field(json!({ "title": "t", "touches": ["../x"] })), "tasks[1].touches[0]");
    assert_eq!(field(json!({ "title": "t", "depends_on": [-1] })), "tasks[1].depends_on[0]");
    assert_eq!(field(json!({ "title": "t", "depends_on": vec![0; 300] })), "tasks[1].depends_on");
    assert_eq!(
        field(json!({ "title": "t", "verify": ["true"], "verify_by": "review" })),
        "tasks[1].verify_by"
    );

    let id = worker.make(&json!({ "title": "t" }));
    let grant = worker.claim(&json!({}));
    let long = json!({ "fence": grant["fence"], "result": "x".repeat(70_000) });
    worker.post(format!("/tasks/{id}/complete"), &long).problem(422, "invalid_request");
    let silent = json!({ "fence": grant["fence"], "reason": "" });
    worker.post(format!("/tasks/{id}/fail"), &silent).problem(422, "invalid_request");
    worker.post(format!("/tasks/{id}/complete"), &fence(&grant)).expect(200);
}

#[test]
fn a_task_that_is_not_there_is_said_to_be_unknown() {
    let server = TestServer::start();
    let worker = server.worker();
    worker.get("/tasks/t1").problem(404, "unknown_task");
    worker.get("/tasks/1").problem(422, "invalid_request");
    worker.get("/tasks/t1/why").problem(404, "unknown_task");
    worker.post("/tasks/t1/retry", &json!({})).problem(404, "unknown_task");
    worker.post("/tasks/t1/renew", &json!({ "fence": 1 })).problem(404, "unknown_task");
    worker.post("/tasks/claim", &json!({ "task": "t1" })).problem(404, "unknown_task");
}

#[test]
fn a_key_stands_for_one_task() {
    let server = TestServer::start();
    let worker = server.worker();
    let new = json!({ "title": "t", "key": "nightly" });
    let id = worker.make(&new);
    let again = worker.post("/tasks", &new).expect(201);
    assert_eq!(again, json!({ "tasks": [{ "id": id, "status": "pending", "existed": true }] }));
}

#[test]
fn lists_are_filtered_and_come_in_pages() {
    let server = TestServer::start();
    let worker = server.worker();
    let tasks: Vec<Value> =
        (0..7).map(|n| json!({ "title": "t", "labels": [format!("mod:{}", n % 2)] })).collect();
    worker.post("/tasks", &json!({ "tasks": tasks })).expect(201);
    let part = worker.make(&json!({ "title": "part", "parent": "t1", "assigned_to": "worker" }));
    worker.claim(&json!({ "task": "t3" }));
    let ids = |query: &str| {
        let page = worker.get(format!("/tasks?{query}")).expect(200);
        let tasks = page["tasks"].as_array().unwrap();
        (tasks.iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), page)
    };
    assert_eq!(ids("status=in_progress").0, ["t3"]);
    assert_eq!(ids("holder=worker").0, ["t3"]);
    assert_eq!(ids("label=mod:1").0, ["t2", "t4", "t6"]);
    assert_eq!(ids("parent=t1").0, [part.as_str()]);
    assert_eq!(ids("assigned_to=worker").0, [part]);
    let (first, page) = ids("limit=5");
    assert_eq!((first.len(), page["next"].as_str()), (5, Some("t5")));
    let (rest, page) = ids("limit=5&after=t5");
    assert_eq!((rest, &page["next"]), (vec!["t6".into(), "t7".into(), "t8".into()], &Value::Null));
    let after = page["as_of"].as_u64().unwrap();
    let events = worker.get(format!("/events?after={after}")).expect(200);
    assert_eq!(events["events"], json!([]), "the list is older than it says");
    worker.get("/tasks?status=nowhere").problem(422, "invalid_request");
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let server = TestServer::start();
    let worker = server.worker();
    let (held, done) = (worker.make(&json!({ "title": "held" })), worker.make(&json!({ "title": "done" })));
    let grant = worker.claim(&json!({ "task": held }));
    let other = worker.claim(&json!({ "task": done }));
    worker.post(format!("/tasks/{done}/complete"), &fence(&other)).expect(200);
    let token = worker.token().to_owned();
    let server = server.crash();
    let worker = server.stranger(Some(&token));
    assert_eq!(worker.task(&done)["status"], "completed");
    worker.post(format!("/tasks/{held}/renew"), &fence(&grant)).expect(200);
    let next = worker.make(&json!({ "title": "next" }));
    let later = worker.claim(&json!({ "task": next }));
    assert!(later["fence"].as_u64() > other["fence"].as_u64(), "a fence was given twice: {later}");
    worker.post(format!("/tasks/{held}/complete"), &fence(&grant)).expect(200);
}

#[test]
fn the_classic_file_lists_what_teams_keep_by_hand() {
    let server = TestServer::start();
    let worker = server.worker();
    worker.make(&json!({ "title": "t", "description": "d", "assigned_to": "worker" }));
    worker.make(&json!({ "title": "u" }));
    let grant = worker.claim(&json!({ "task": "t1" }));
    let done = json!({ "fence": grant["fence"], "result": "r" });
    worker.post("/tasks/t1/complete", &done).expect(200);
    worker.claim(&json!({}));
    assert_eq!(
        worker.get("/classic/task-queue.json").expect(200),
        json!([
            { "id": 1, "description": "t\n\nd", "status": "completed", "assigned_to": "worker",
              "claimed_by": null, "result": "r" },
            { "id": 2, "description": "u", "status": "in_progress", "assigned_to": null,
              "claimed_by": "worker", "result": null },
        ])
    );
}
