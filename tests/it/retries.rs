//! A request that comes again has its effect once.

use std::thread;

use longhouse_tests::TestServer;
use serde_json::json;

#[test]
fn the_same_request_under_the_same_key_has_the_same_answer() {
    let server = TestServer::start();
    let worker = server.worker();
    let new = json!({ "tasks": [{ "title": "a" }, { "title": "b" }] });
    let made = worker.post_keyed("k1", "/tasks", &new).expect(201);
    assert_eq!(worker.post_keyed("k1", "/tasks", &new).expect(201), made);
    assert_eq!(worker.get("/tasks").expect(200)["tasks"].as_array().unwrap().len(), 2);

    let first = worker.post_keyed("k2", "/tasks/claim", &json!({})).expect(200);
    let again = worker.post_keyed("k2", "/tasks/claim", &json!({})).expect(200);
    assert_eq!(
        (&again["tasks"][0]["id"], &again["tasks"][0]["fence"]),
        (&json!("t1"), &first["tasks"][0]["fence"])
    );
    let other = worker.post_keyed("k3", "/tasks/claim", &json!({})).expect(200);
    assert_eq!(other["tasks"][0]["id"], "t2");

    let done = json!({ "fence": first["tasks"][0]["fence"] });
    let ended = worker.post_keyed("k4", "/tasks/t1/complete", &done).expect(200);
    assert_eq!(worker.post_keyed("k4", "/tasks/t1/complete", &done).expect(200), ended);
    worker.post("/tasks/t1/complete", &done).problem(409, "stale_lease");
}

#[test]
fn an_answer_is_kept_over_a_crash() {
    let server = TestServer::start();
    let worker = server.worker();
    worker.make(&json!({ "title": "t" }));
    let claimed = worker.post_keyed("k", "/tasks/claim", &json!({})).expect(200);
    let token = worker.token().to_owned();
    let server = server.crash();
    let worker = server.stranger(Some(&token));
    let again = worker.post_keyed("k", "/tasks/claim", &json!({})).expect(200);
    assert_eq!(again["tasks"][0]["fence"], claimed["tasks"][0]["fence"]);
}

#[test]
fn a_key_stands_for_one_request_of_one_agent() {
    let server = TestServer::start();
    let worker = server.worker();
    worker.post_keyed("k", "/tasks", &json!({ "title": "a" })).expect(201);
    worker.post_keyed("k", "/tasks", &json!({ "title": "b" })).problem(422, "key_reused");
    worker.post_keyed("k", "/tasks/claim", &json!({ "title": "a" })).problem(422, "invalid_request");
    worker.post_keyed("k", "/tasks/claim", &json!({})).problem(422, "key_reused");
    let other = server.skilled("other", &[]);
    assert_eq!(other.post_keyed("k", "/tasks", &json!({ "title": "b" })).expect(201)["tasks"][0]["id"], "t2");
    for key in ["", "a b", &"k".repeat(129)] {
        let problem =
            worker.post_keyed(key, "/tasks", &json!({ "title": "a" })).problem(422, "invalid_request");
        assert_eq!(problem["field"], "Idempotency-Key");
    }
}

#[test]
fn a_claim_that_is_sent_again_waits_in_place_of_the_first() {
    let server = TestServer::start();
    let (worker, watcher) = (server.worker(), server.admin());
    let claim = json!({ "wait_ms": 50_000 });
    let place = || watcher.get("/queue").expect(200)["waiting_claims"] == 1;
    thread::scope(|scope| {
        let first = scope.spawn(|| worker.post_keyed("k", "/tasks/claim", &claim));
        while !place() {
            thread::yield_now();
        }
        let second = scope.spawn(|| worker.post_keyed("k", "/tasks/claim", &claim));
        first.join().unwrap().problem(409, "superseded");
        worker.post_keyed("k", "/tasks/claim", &json!({})).problem(422, "key_reused");
        watcher.make(&json!({ "title": "t" }));
        assert_eq!(second.join().unwrap().expect(200)["tasks"][0]["id"], "t1");
    });
}
