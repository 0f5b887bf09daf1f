//! Bad input: each kind has its own code, and nothing changes.

use longhouse_tests::TestServer;
use reqwest::Method;
use serde_json::json;

#[test]
fn each_mistake_has_its_own_code() {
    let server = TestServer::start();
    let worker = server.worker();
    let raw = |body: &'static str| {
        let request = worker.request(Method::POST, "/runs").header("content-type", "application/json");
        worker.send(request.body(body))
    };

    worker.post("/runs", &json!({ "argv": ["no-such-command"] })).problem(404, "unknown_command");
    raw("{").problem(400, "malformed_json");
    raw("{\"argv\": [\"echo\"]} x").problem(400, "malformed_json");
    raw("{\"argv\": \"echo\"}").problem(422, "invalid_request");
    raw("{\"argv\": []}").problem(422, "invalid_request");
    raw("{\"argv\": [\"echo\"], \"wiat_ms\": 1}").problem(422, "invalid_request");
    raw("{\"argv\": [\"echo\"], \"wait_ms\": -1}").problem(422, "invalid_request");
    worker.post("/runs", &json!({ "argv": ["echo"], "cwd": "../.." })).problem(403, "path_outside_project");
    worker.get("/no/such/route").problem(404, "not_found");
    worker.delete("/runs").problem(405, "method_not_allowed");
    worker.get("/runs/r9-9").problem(404, "unknown_run");
    worker.get("/runs/nine").problem(422, "invalid_request");
    server.stranger(Some(worker.token())).get("/files/none.txt").problem(404, "not_found");
}

#[test]
fn an_unknown_project_is_said_to_be_unknown() {
    let server = TestServer::start();
    let token = server.worker().token().to_owned();
    let anybody = server.anybody();
    let request = anybody.request(Method::GET, "/v1/projects/nowhere/runs").bearer_auth(token);
    anybody.send(request).problem(404, "unknown_project");
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = TestServer::start();
    let worker = server.worker();
    let body = json!({ "argv": ["echo", "x".repeat(40 << 20)] });
    worker.post("/runs", &body).problem(413, "body_too_large");
}

#[test]
fn a_problem_names_the_request_that_the_log_names() {
    let server = TestServer::start();
    let worker = server.worker();
    let request = worker.request(Method::GET, "/runs/r9-9").header("x-request-id", "my-own-id-7");
    let answer = worker.send(request);
    assert_eq!(answer.headers["x-request-id"], "my-own-id-7");
    assert_eq!(answer.problem(404, "unknown_run")["request_id"], "my-own-id-7");
}
