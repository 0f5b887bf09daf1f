//! Claims: who gets a task, who waits for one, and who keeps it.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;

use longhouse_tests::{Agent, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

fn waiting_claims(agent: &Agent) -> u64 {
    agent.get("/queue").expect(200)["waiting_claims"].as_u64().unwrap()
}

fn wait_until_claims_wait(agent: &Agent, count: u64) {
    while waiting_claims(agent) != count {
        thread::yield_now();
    }
}

#[test]
fn of_two_agents_at_fifty_sockets_one_gets_each_task() {
    const TASKS: usize = 1_000;
    let server = TestServer::start();
    let agents = [server.skilled("anna", &[]), server.skilled("ben", &[])];
    let tasks: Vec<Value> = (0..TASKS).map(|n| json!({ "title": format!("task {n}") })).collect();
    let made = agents[0].post("/tasks", &json!({ "tasks": tasks })).expect(201);
    let ids: Vec<&str> =
        made["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    let barrier = Barrier::new(50);
    let won: Vec<Vec<(&str, u64)>> = thread::scope(|scope| {
        let racer = |agent: &Agent| {
            barrier.wait();
            let attempt = |id: &&'_ str| match agent.post("/tasks/claim", &json!({ "task": id })) {
                answer if answer.status == 200 => answer.expect(200)["tasks"][0]["fence"].as_u64(),
                answer => {
                    let problem = answer.problem(409, "already_claimed");
                    assert!(problem["holder"]["agent"].is_string(), "{problem}");
                    None
                }
            };
            ids.iter().filter_map(|id| Some((*id, attempt(id)?))).collect::<Vec<_>>()
        };
        let racers: Vec<_> = (0..50)
            .map(|n| {
                scope.spawn({
                    let agent = agents[n % 2].clone();
                    move || racer(&agent)
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let mut won: Vec<(&str, u64)> = won.into_iter().flatten().collect();
    assert_eq!(won.len(), TASKS, "a task was given twice, or to nobody");
    won.sort_by_key(|(_, fence)| *fence);
    won.dedup_by_key(|(_, fence)| *fence);
    assert_eq!(won.len(), TASKS, "a fence was given twice");
}

#[test]
fn a_claim_that_finds_nothing_says_why() {
    let server = TestServer::start();
    let worker = server.worker();
    assert_eq!(worker.post("/tasks/claim", &json!({})).expect(200), json!({ "tasks": [], "reason": "none" }));
    worker.make(&json!({ "title": "t", "capabilities": ["gpu"] }));
    let nothing = worker.post("/tasks/claim", &json!({})).expect(200);
    assert_eq!(nothing, json!({ "tasks": [], "reason": "blocked" }));
    let gpu = server.skilled("gpu", &["gpu"]);
    assert_eq!(gpu.claim(&json!({}))["id"], "t1");
}

#[test]
fn a_task_for_somebody_else_is_not_to_be_had() {
    let server = TestServer::start();
    let worker = server.worker();
    server.skilled("ben", &[]);
    worker.make(&json!({ "title": "t", "assigned_to": "ben" }));
    worker.make(&json!({ "title": "t", "capabilities": ["gpu"] }));
    worker.make(&json!({ "title": "t", "depends_on": ["t1"] }));
    worker.post("/tasks/claim", &json!({ "task": "t1" })).problem(403, "not_claimable");
    worker.post("/tasks/claim", &json!({ "task": "t2" })).problem(403, "not_claimable");
    worker.post("/tasks/claim", &json!({ "task": "t3" })).problem(409, "not_possible");
}

#[test]
fn a_claim_out_of_range_is_refused_by_its_field() {
    let server = TestServer::start();
    let worker = server.worker();
    for (claim, field) in [
        (json!({ "count": 0 }), "count"),
        (json!({ "count": 101 }), "count"),
        (json!({ "ttl_ms": 999 }), "ttl_ms"),
        (json!({ "max_lease_ms": 1 }), "max_lease_ms"),
        (json!({ "wait_ms": 50_001 }), "wait_ms"),
        (json!({ "task": "t1", "count": 1 }), "count"),
        (json!({ "task": "1" }), "task"),
    ] {
        let problem = worker.post("/tasks/claim", &claim).problem(422, "invalid_request");
        assert_eq!(problem["field"], field, "{problem}");
    }
}

#[test]
fn several_tasks_come_in_one_claim_and_those_in_each_others_way_one_after_the_other() {
    let server = TestServer::start();
    let worker = server.worker();
    let task = |touches: &str| json!({ "title": "t", "touches": [touches] });
    worker
        .post("/tasks", &json!({ "tasks": [task("src/**"), task("src/main.rs"), task("docs/**")] }))
        .expect(201);
    let claimed = worker.post("/tasks/claim", &json!({ "count": 3 })).expect(200);
    let ids: Vec<_> = claimed["tasks"].as_array().unwrap().iter().map(|task| &task["id"]).collect();
    assert_eq!(ids, ["t1", "t3"], "{claimed}");
    let why = worker.get("/tasks/t2/why").expect(200);
    let codes: Vec<_> = why["why"].as_array().unwrap().iter().map(|why| &why["code"]).collect();
    assert_eq!(codes[..2], ["pending", "paths_of_task"], "{why}");
    assert_eq!(why["why"][1]["task"], "t1");
    let why = worker.get("/tasks/t1/why").expect(200);
    assert_eq!(why["why"][1]["holder"]["agent"], "worker", "{why}");
}

#[test]
fn a_claim_waits_for_a_task_to_appear() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| anna.claim(&json!({ "wait_ms": 50_000 })));
        wait_until_claims_wait(&ben, 1);
        let id = ben.make(&json!({ "title": "t" }));
        assert_eq!(waiting.join().unwrap()["id"], *id);
    });
    assert_eq!(waiting_claims(&ben), 0);
}

#[test]
fn whoever_hangs_up_gives_up_its_place() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    let body = r#"{"wait_ms":50000}"#;
    let path = anna.base().trim_start_matches(server.url());
    let request = format!(
        "POST {path}/tasks/claim HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        anna.token(),
        body.len(),
    );
    let mut connection = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    wait_until_claims_wait(&ben, 1);
    drop(connection);
    wait_until_claims_wait(&ben, 0);
    let id = ben.make(&json!({ "title": "t" }));
    assert_eq!(ben.claim(&json!({}))["id"], *id);
}

#[test]
fn completing_and_claiming_is_one_call() {
    let server = TestServer::start();
    let worker = server.worker();
    worker
        .post("/tasks", &json!({ "tasks": [{ "title": "a" }, { "title": "b", "depends_on": [0] }] }))
        .expect(201);
    let first = worker.claim(&json!({}));
    let done = json!({ "fence": first["fence"], "claim": {} });
    let answer = worker.post("/tasks/t1/complete", &done).expect(200);
    assert_eq!(answer["task"], json!({ "id": "t1", "status": "completed" }));
    let second = &answer["claimed"]["tasks"][0];
    assert_eq!((&second["id"], &second["title"]), (&json!("t2"), &json!("b")), "{answer}");
    let done = json!({ "fence": second["fence"], "claim": { "count": 5 } });
    let answer = worker.post("/tasks/t2/complete", &done).expect(200);
    assert_eq!(answer["claimed"], json!({ "tasks": [], "reason": "none" }));
}

#[test]
fn the_session_that_claimed_keeps_its_lease_and_no_other_does() {
    let server = TestServer::start();
    let (worker, watcher) = (server.worker(), server.admin());
    let id = worker.make(&json!({ "title": "t" }));
    let call = |session: &str, method: Method, path: &str, body: &Value| {
        worker.send(worker.request(method, path).header("longhouse-session", session).json(body)).expect(200)
    };
    let claimed = call("mine", Method::POST, "/tasks/claim", &json!({}));
    let begun = claimed["tasks"][0]["expires_at_ms"].as_u64().unwrap();
    let expires = || watcher.task(&id)["lease"]["expires_at_ms"].as_u64().unwrap();
    for n in 0..20 {
        call(&format!("other-{n}"), Method::GET, "/tasks", &Value::Null);
        worker.get("/tasks").expect(200);
    }
    assert_eq!(expires(), begun, "another session kept the lease");
    while expires() == begun {
        call("mine", Method::GET, "/tasks", &Value::Null);
    }
    let bad = worker.request(Method::GET, "/tasks").header("longhouse-session", "a b");
    assert_eq!(worker.send(bad).problem(422, "invalid_request")["field"], "Longhouse-Session");
}
