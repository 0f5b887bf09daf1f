//! Running commands: what goes in, what comes out, how long one waits.

use std::io::Write as _;
use std::net::TcpStream;

use longhouse_tests::TestServer;
use serde_json::{Value, json};

#[test]
fn a_run_answers_with_its_outcome_its_output_and_its_cost() {
    let server = TestServer::builder().file("sub/a.txt", "x").start();
    let reply = server.worker().run(["cat", "sub/a.txt", "none.txt"]);
    assert_eq!(reply["status"], "ended");
    assert_eq!(reply["stdout"], "x");
    assert!(reply["stderr"].as_str().unwrap().contains("none.txt"), "{reply}");
    assert_eq!(reply["outcome"]["kind"], "exited");
    assert_ne!(reply["outcome"]["code"], 0);
    assert_eq!(reply["truncated"], false);
    let consumption = &reply["consumption"];
    assert!(consumption["peak_memory_bytes"].as_u64().unwrap() >= 65_536, "{consumption}");
    assert!(consumption["files_opened"].as_u64().unwrap() >= 1, "{consumption}");
    assert!(consumption["wall_ms"].is_number() && consumption["cpu_ms"].is_number(), "{consumption}");
}

#[test]
fn stdin_environment_and_directory_are_the_requests_own() {
    let server = TestServer::builder().file("sub/here.txt", "x").profile(
        "tz",
        "commands = [\"*\"]\n[profiles.tz.files]\nread = [\"**\"]\n[profiles.tz.env]\nset = { TZ = \"UTC\" }",
    );
    let server = server.start();
    let worker = server.agent("tim", "worker", "tz");
    let reply = worker.run_with(json!({ "argv": ["cat"], "stdin": "in\n" }));
    assert_eq!(reply["stdout"], "in\n");
    let reply = worker.run_with(json!({ "argv": ["ls"], "cwd": "sub" }));
    assert_eq!(reply["stdout"], "here.txt\n");
    let reply = worker.run_with(json!({ "argv": ["pwd"], "cwd": "sub" }));
    assert_eq!(reply["stdout"], "/sub\n");
}

#[test]
fn output_is_one_list_in_the_order_it_was_written() {
    let server = TestServer::builder().file("a.txt", "A\n").start();
    let reply = server.worker().run(["cat", "a.txt", "none.txt"]);
    let chunks = reply["output"].as_array().unwrap();
    let streams: Vec<_> = chunks.iter().map(|chunk| chunk["stream"].as_str().unwrap()).collect();
    let mut collapsed = streams.clone();
    collapsed.dedup();
    assert_eq!(collapsed, ["stdout", "stderr"], "{reply}");
    let mut expected = 0;
    for chunk in chunks {
        assert_eq!(chunk["offset"], expected);
        expected += chunk["text"].as_str().unwrap().len();
    }
}

#[test]
fn bytes_that_are_no_text_come_as_base64() {
    let server = TestServer::builder().file("a.bin", [0xff, 0xfe, 0]).start();
    let reply = server.worker().run(["cat", "a.bin"]);
    assert_eq!(reply["output"][0]["base64"], "//4A", "{reply}");
}

#[test]
fn a_run_that_outlives_its_call_is_a_job_and_can_be_killed() {
    let server = TestServer::start();
    let worker = server.worker();
    let job = worker.post("/runs", &json!({ "argv": ["fixture-spin"], "wait_ms": 0 })).expect(202);
    assert_eq!(job["status"], "running");
    let id = job["id"].as_str().unwrap();
    assert_eq!(worker.get(format!("/runs/{id}")).expect(200)["status"], "running");
    let other = server.agent("other", "worker", "full");
    other.get(format!("/runs/{id}")).problem(404, "unknown_run");
    other.post(format!("/runs/{id}/kill"), &json!({})).problem(404, "unknown_run");
    assert!(worker.post(format!("/runs/{id}/kill"), &json!({})).status < 300);
    let ended = worker.get(format!("/runs/{id}?wait_ms=20000")).expect(200);
    assert_eq!(ended["outcome"]["kind"], "killed", "{ended}");
    assert!(ended["outcome"]["reason"].as_str().unwrap().contains("worker"), "{ended}");
}

#[test]
fn output_is_read_on_from_a_cursor_while_the_run_goes_on() {
    let server = TestServer::start();
    let worker = server.worker();
    let job = worker.post("/runs", &json!({ "argv": ["fixture-flood"], "wait_ms": 0 })).expect(202);
    let id = job["id"].as_str().unwrap();
    let first = worker.get(format!("/runs/{id}/output?after=0&wait_ms=20000")).expect(200);
    let next = first["next"].as_u64().unwrap();
    assert!(next > 0, "{first}");
    worker.post(format!("/runs/{id}/kill"), &json!({}));
    worker.get(format!("/runs/{id}?wait_ms=20000")).expect(200);
    let rest = worker.get(format!("/runs/{id}/output?after={next}")).expect(200);
    let offset = rest["output"][0]["offset"].as_u64();
    assert!(offset.is_none_or(|offset| offset == next), "a gap or a repeat: {rest}");
}

#[test]
fn a_finished_run_is_found_after_a_restart_and_an_interrupted_job_is_killed() {
    let server = TestServer::start();
    let worker = server.worker();
    let done = worker.run(["echo", "kept"]);
    let job = worker.post("/runs", &json!({ "argv": ["fixture-spin"], "wait_ms": 0 })).expect(202);
    let token = worker.token().to_owned();
    // Whoever is told of a job may rely on it; the record of the run before it is in the same history.
    let server = server.crash();
    let worker = server.stranger(Some(&token));
    let killed = worker.get(format!("/runs/{}", job["id"].as_str().unwrap())).expect(200);
    assert_eq!(killed["outcome"]["kind"], "killed", "{killed}");
    let kept = worker.get(format!("/runs/{}", done["id"].as_str().unwrap())).expect(200);
    assert_eq!(kept["stdout"], "kept\n");
    assert_ne!(worker.run(["echo"])["id"], done["id"], "an id was given twice");
}

#[test]
fn a_client_that_goes_away_does_not_end_its_run() {
    let server = TestServer::start();
    let worker = server.worker();
    let request = worker.request(reqwest::Method::POST, "/runs").json(&json!({ "argv": ["sleep", "1.5"] }));
    assert!(
        request.timeout(std::time::Duration::from_millis(300)).send().is_err(),
        "it should time out here"
    );
    let runs = worker.get("/runs").expect(200);
    let id = runs["runs"][0]["id"].as_str().unwrap_or_else(|| panic!("{runs}")).to_owned();
    let ended = worker.get(format!("/runs/{id}?wait_ms=20000")).expect(200);
    assert_eq!(ended["outcome"], json!({ "kind": "exited", "code": 0 }), "{ended}");
}

#[test]
fn callers_that_hang_up_leave_nothing_behind() {
    let server = TestServer::builder().limits("one", "runs = 1").start();
    let worker = server.agent("w", "worker", "one");
    let body = r#"{"argv":["fixture-echo"]}"#;
    let path = worker.base().trim_start_matches(server.url());
    let request = format!(
        "POST {path}/runs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        worker.token(),
        body.len(),
    );
    for _ in 0..300 {
        let mut connection = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
    }
    let live = |runs: &Value| runs["runs"].as_array().unwrap().iter().any(|run| run["status"] == "running");
    while live(&worker.get("/runs?limit=500").expect(200)) {
        std::thread::yield_now();
    }
    // Its one place is free again: none of those that were admitted holds it for ever.
    let began = std::time::Instant::now();
    while worker.post("/runs", &json!({ "argv": ["fixture-echo"] })).status != 200 {
        assert!(began.elapsed().as_secs() < 20, "a run that nobody waited for was never ended");
    }
}

#[test]
fn runs_at_the_same_time_are_bounded_by_the_profile() {
    let server = TestServer::builder().limits("two", "runs = 2").start();
    let worker = server.agent("w", "worker", "two");
    let spin = json!({ "argv": ["fixture-spin"], "wait_ms": 0 });
    worker.post("/runs", &spin).expect(202);
    worker.post("/runs", &spin).expect(202);
    let problem = worker.post("/runs", &spin).problem(429, "too_many_runs");
    assert!(problem["retry_after_s"].is_number(), "{problem}");
}

#[test]
fn a_read_only_profile_changes_nothing() {
    let server = TestServer::builder().file("a.txt", "a").start();
    let reader = server.agent("rita", "worker", "read-only");
    assert_eq!(reader.run(["cat", "a.txt"])["stdout"], "a");
    for argv in [["rm", "a.txt"], ["touch", "b.txt"], ["mkdir", "d"]] {
        let reply = reader.run(argv);
        assert_ne!(reply["outcome"]["code"], 0, "{argv:?}: {reply}");
    }
    assert_eq!(server.read("a.txt"), "a");
    assert!(!server.path("b.txt").exists() && !server.path("d").exists());
}
