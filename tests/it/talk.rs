//! Messages, shared state and progress, between agents at real sockets.

use std::thread;

use longhouse_tests::{Agent, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap()).collect()
}

fn inbox(agent: &Agent, query: &str) -> Value {
    agent.get(format!("/inbox?{query}")).expect(200)
}

fn send(agent: &Agent, to: Value, text: &str) -> String {
    let sent = agent.post("/messages", &json!({ "to": to, "text": text })).expect(201);
    sent["id"].as_str().unwrap().to_owned()
}

fn put(agent: &Agent, path: &str, header: (&'static str, &str), body: &str) -> Answer {
    let request = agent.request(Method::PUT, path).header(header.0, header.1).body(body.to_owned());
    agent.send(request)
}

#[test]
fn a_message_comes_to_all_it_names_and_its_sender_sees_who_read_it() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    let boss = server.agent("boss", "coordinator", "full");
    let task = ben.make(&json!({ "title": "t" }));
    ben.claim(&json!({}));
    assert_eq!(boss.put("/channels/build", &json!({})).status, 204);
    assert_eq!(
        boss.get("/channels").expect(200),
        json!({ "channels": [{ "name": "build", "followers": ["boss"] }] })
    );
    let message = json!({
        "to": ["#build", { "task": task }, "@everyone"], "text": "hello", "data": { "n": 1.50 },
        "importance": "urgent", "ack": true,
    });
    let sent = anna.post("/messages", &message).expect(201);
    assert_eq!(sent["to"], json!(["admin", "ben", "boss"]), "{sent}");
    assert_eq!(sent["left_out"], json!([]));
    let page = inbox(&ben, "");
    let got = &page["messages"][0];
    assert_eq!(
        (&got["text"], &got["data"], &got["importance"]),
        (&json!("hello"), &json!({ "n": 1.5 }), &json!("urgent"))
    );
    assert_eq!(got["addressed"], json!(["#build", format!("@task:{task}"), "@everyone"]));
    assert_eq!((&page["unread"], &page["next"], &page["cursor"]), (&json!(1), &json!("m1"), &json!("m0")));

    assert_eq!(
        ben.post("/messages/m1/ack", &json!({})).expect(200),
        json!({ "acked": 1, "unread": 0, "cursor": "m1" })
    );
    assert_eq!(ben.post("/messages/m1/ack", &json!({})).expect(200)["acked"], 0);
    let seen = anna.get("/messages/m1").expect(200);
    let acked: Vec<bool> =
        seen["to"].as_array().unwrap().iter().map(|to| to["acked_at_ms"].is_number()).collect();
    assert_eq!(acked, [false, true, false], "{seen}");
    let events = boss.get("/events?types=message.").expect(200);
    let kinds: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["message.sent", "message.acked"]);
    assert!(!events.to_string().contains("hello"), "a text in an event: {events}");
    assert_eq!(boss.delete("/channels/build").status, 204);
    let to_nobody = json!({ "to": "#build", "text": "hello" });
    anna.post("/messages", &to_nobody).problem(409, "nobody_there");
}

#[test]
fn an_inbox_is_read_by_its_cursor_and_over_a_restart() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    for n in 0..5 {
        send(&anna, json!("ben"), &n.to_string());
    }
    let page = inbox(&ben, "limit=2");
    assert_eq!((ids(&page), &page["next"]), (vec!["m1", "m2"], &json!("m2")));
    assert_eq!(ids(&inbox(&ben, "limit=2")), ["m1", "m2"], "reading acknowledged");
    assert_eq!(ids(&inbox(&ben, "after=m2")), ["m3", "m4", "m5"]);
    ben.post("/messages/m2/ack", &json!({ "up_to": true })).expect(200);
    ben.post("/messages/m4/ack", &json!({})).expect(200);
    let tokens = [&anna, &ben].map(|agent| agent.token().to_owned());
    let server = server.crash();
    let [anna, ben] = tokens.each_ref().map(|token| server.stranger(Some(token)));
    assert_eq!(ids(&inbox(&ben, "")), ["m3", "m4", "m5"]);
    let unread = inbox(&ben, "unread_only=true");
    assert_eq!(
        (ids(&unread), &unread["unread"], &unread["cursor"]),
        (vec!["m3", "m5"], &json!(2), &json!("m2"))
    );
    assert_eq!(send(&anna, json!({ "role": "worker" }), "again"), "m6");
    assert_eq!(ids(&inbox(&ben, "after=m5")), ["m6"]);
}

#[test]
fn a_thread_goes_on_and_only_those_in_it_see_it() {
    let server = TestServer::start();
    let [anna, ben, cleo] = ["anna", "ben", "cleo"].map(|name| server.skilled(name, &[]));
    let first = send(&anna, json!("ben"), "question");
    send(&anna, json!("cleo"), "something else");
    let reply = json!({ "to": "anna", "text": "answer", "thread": first });
    assert_eq!(ben.post("/messages", &reply).expect(201)["thread"], first);
    let again = json!({ "to": "ben", "text": "thanks", "thread": "m3" });
    assert_eq!(anna.post("/messages", &again).expect(201)["thread"], first);
    assert_eq!(ids(&ben.get("/messages?thread=m1").expect(200)), ["m1", "m3", "m4"]);
    assert_eq!(ids(&cleo.get("/messages").expect(200)), ["m2"]);
    assert_eq!(ids(&server.admin().get("/messages?from=anna&to=ben").expect(200)), ["m1", "m4"]);
    cleo.get("/messages/m1").problem(404, "unknown_message");
    cleo.post("/messages", &reply).problem(404, "unknown_message");
}

#[test]
fn a_read_waits_for_a_message() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    thread::scope(|scope| {
        for n in 1..=20 {
            let after = n - 1;
            let waiting = scope.spawn({
                let ben = &ben;
                move || inbox(ben, &format!("after=m{after}&wait_ms=50000"))
            });
            let id = send(&anna, json!("ben"), "wake up");
            assert_eq!(ids(&waiting.join().unwrap()), [&id]);
        }
    });
    let nothing = inbox(&ben, "after=m20&wait_ms=1");
    assert_eq!((ids(&nothing), &nothing["next"]), (vec![], &json!("m20")));
}

#[test]
fn one_key_counts_what_sixteen_clients_add() {
    const EACH: u64 = 25;
    let server = TestServer::start();
    let agents = [server.skilled("anna", &[]), server.skilled("ben", &[])];
    let first = put(&agents[0], "/state/count", ("if-none-match", "*"), "0").expect(200);
    assert_eq!(first, json!({ "key": "count", "version": 1 }));
    put(&agents[0], "/state/count", ("if-none-match", "*"), "0").problem(412, "stale_state");
    thread::scope(|scope| {
        for n in 0..16 {
            let agent = agents[n % 2].clone();
            scope.spawn(move || {
                let mut current = agent.get("/state/count").expect(200);
                let mut added = 0;
                while added < EACH {
                    let (value, version) = (current["value"].as_u64().unwrap(), &current["version"]);
                    let more = (value + 1).to_string();
                    let answer = put(&agent, "/state/count", ("if-match", &format!("\"{version}\"")), &more);
                    if answer.status == 200 {
                        added += 1;
                        current = json!({ "value": value + 1, "version": answer.expect(200)["version"] });
                    } else {
                        let stale = answer.problem(412, "stale_state");
                        current = json!({ "value": stale["value"], "version": stale["current_version"] });
                    }
                }
            });
        }
    });
    let end = agents[0].get("/state/count").expect(200);
    assert_eq!((&end["value"], &end["version"]), (&json!(16 * EACH), &json!(16 * EACH + 1)));
}

#[test]
fn a_read_waits_for_a_key_to_change() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    let wait = |after: u64| ben.get(format!("/state/a/b?after={after}&wait_ms=50000"));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(0));
        assert_eq!(anna.put("/state/a/b", &json!({ "x": [1, 2] })).expect(200)["version"], 1);
        let answer = waiting.join().unwrap();
        assert_eq!(answer.headers["etag"], "\"1\"");
        assert_eq!(answer.expect(200)["value"], json!({ "x": [1, 2] }));
        let waiting = scope.spawn(|| wait(1));
        assert_eq!(anna.delete("/state/a/b").status, 204);
        waiting.join().unwrap().problem(404, "unknown_key");
    });
    assert_eq!(anna.put("/state/a/b", &json!(2)).expect(200)["version"], 2, "a version came again");
    let unchanged = ben.get("/state/a/b?after=2&wait_ms=1").expect(200);
    assert_eq!(unchanged["version"], 2);
    anna.put("/state/a/c", &json!("é")).expect(200);
    anna.put("/state/b", &json!(null)).expect(200);
    let keys = |query: &str| {
        let page = ben.get(format!("/state?{query}")).expect(200);
        let keys = page["keys"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap().to_owned());
        (keys.collect::<Vec<_>>(), page["next"].clone())
    };
    assert_eq!(keys("prefix=a/&limit=1"), (vec!["a/b".to_owned()], json!("a/b")));
    assert_eq!(keys("prefix=a/&after=a/b"), (vec!["a/c".to_owned()], json!(null)));
}

#[test]
fn a_request_that_comes_again_has_its_effect_once() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    let message = json!({ "to": "ben", "text": "once" });
    let sent = anna.post_keyed("k1", "/messages", &message).expect(201);
    assert_eq!(anna.post_keyed("k1", "/messages", &message).expect(201), sent);
    assert_eq!(ids(&inbox(&ben, "")).len(), 1);
    let ack = ben.post_keyed("k1", "/messages/m1/ack", &json!({})).expect(200);
    assert_eq!(ack["acked"], 1);
    assert_eq!(ben.post_keyed("k1", "/messages/m1/ack", &json!({})).expect(200), ack);
    let set = |tag: &str| {
        let request = anna.request(Method::PUT, "/state/k").header("idempotency-key", "k2");
        anna.send(request.header("if-match", tag).body("7"))
    };
    anna.put("/state/k", &json!(1)).expect(200);
    let first = set("\"1\"").expect(200);
    assert_eq!(set("\"1\"").expect(200), first, "it was stale the second time");
    set("\"2\"").problem(422, "key_reused");
}

#[test]
fn a_full_inbox_takes_no_more_and_a_group_goes_on_without_it() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..125).for_each(|_| drop(send(&anna, json!("ben"), "flood"))));
        }
    });
    let problem =
        anna.post("/messages", &json!({ "to": ["admin", "ben"], "text": "x" })).problem(429, "inbox_full");
    assert_eq!((&problem["agent"], &problem["retry_after_s"]), (&json!("ben"), &json!(30)));
    assert_eq!(inbox(&server.admin(), "")["unread"], 0, "it was sent to some");
    let sent = anna.post("/messages", &json!({ "to": "@everyone", "text": "x" })).expect(201);
    assert_eq!((&sent["to"], &sent["left_out"]), (&json!(["admin"]), &json!(["ben"])));
    ben.post("/messages/m1/ack", &json!({})).expect(200);
    send(&anna, json!("ben"), "there is room again");
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    anna.post("/messages", &json!({ "to": ["ben", "nobody"], "text": "x" })).problem(404, "unknown_agent");
    anna.post("/messages", &json!({ "to": { "task": "t9" }, "text": "x" })).problem(404, "unknown_task");
    anna.make(&json!({ "title": "t" }));
    anna.post("/messages", &json!({ "to": "@task:t1", "text": "x" })).problem(409, "nobody_there");
    let long = "x".repeat(1 << 20);
    for (message, field) in [
        (json!({ "to": "ben", "text": "" }), "text"),
        (json!({ "to": "ben", "text": long }), "text"),
        (json!({ "to": "ben", "text": "x", "data": "x".repeat(5_000) }), "data"),
        (json!({ "to": [], "text": "x" }), "to"),
        (json!({ "to": 7, "text": "x" }), "to"),
        (json!({ "to": "@all", "text": "x" }), "to"),
        (json!({ "to": { "role": "king" }, "text": "x" }), "to"),
        (json!({ "to": "ben", "text": "x", "importance": "asap" }), "importance"),
        (json!({ "to": "ben", "text": "x", "thread": "1" }), "thread"),
        (json!({ "to": "ben", "text": "x", "cc": "anna" }), "cc"),
    ] {
        let problem = anna.post("/messages", &message).problem(422, "invalid_request");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(ids(&inbox(&ben, "")), [] as [&str; 0], "something was sent");
    send(&anna, json!("ben"), "the first");
    assert_eq!(ben.get("/inbox?after=m2").problem(409, "cursor_ahead")["last"], "m1");
    ben.post("/messages/m2/ack", &json!({ "up_to": true })).problem(409, "cursor_ahead");
    ben.get("/inbox?wait_ms=50001").problem(422, "invalid_request");
    ben.get("/inbox?after=1").problem(422, "invalid_request");

    let value = json!(long);
    assert_eq!(anna.put("/state/k", &value).problem(413, "body_too_large")["limit"], 64 << 10);
    for key in ["a//b", "a@b", "a%20b", "%C3%A4", &"k".repeat(257)] {
        let answer = anna.put(format!("/state/{key}"), &json!(1));
        assert!(answer.status == 422 || answer.status == 404, "{key}: {}", answer.status);
    }
    put(&anna, "/state/k", ("if-match", "7"), "1").problem(422, "invalid_request");
    put(&anna, "/state/k", ("if-none-match", "\"7\""), "1").problem(422, "invalid_request");
    put(&anna, "/state/k", ("if-match", "\"7\""), "1").problem(412, "stale_state");
    put(&anna, "/state/k", ("if-match", "*"), "{").problem(400, "malformed_json");
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    put(&anna, "/state/k", ("accept", "*/*"), &deep).problem(400, "malformed_json");
    anna.delete("/state/k").problem(404, "unknown_key");
    assert_eq!(ben.get("/state").expect(200)["keys"], json!([]));
}

#[test]
fn progress_is_counted_and_may_be_told() {
    let server = TestServer::start();
    let worker = server.worker();
    let classic = |agent: &Agent| {
        let mut progress = agent.get("/classic/progress.json").expect(200);
        let at = progress["last_updated"].take();
        assert!(at.as_str().is_some_and(|at| at.ends_with('Z') && at.contains('T')), "{at}");
        (progress["current_step"].take(), progress["total_steps"].take(), progress["status"].take())
    };
    assert_eq!(classic(&worker), (json!(0), json!(0), json!("not_started")));
    worker
        .post("/tasks", &json!({ "tasks": [{ "title": "a" }, { "title": "b" }, { "title": "c" }] }))
        .expect(201);
    let grant = worker.claim(&json!({}));
    worker.post("/tasks/t1/complete", &json!({ "fence": grant["fence"] })).expect(200);
    worker.claim(&json!({}));
    let progress = worker.get("/progress").expect(200);
    for (field, expected) in [("total", 3), ("done", 1), ("failed", 0), ("in_progress", 1), ("percent", 33)] {
        assert_eq!(progress[field], expected, "{field} of {progress}");
    }
    assert_eq!(progress["set"], json!(null));
    assert_eq!(classic(&worker), (json!(1), json!(3), json!("in_progress")));
    let told = json!({ "current_step": 2, "total_steps": 5, "status": "testing", "message": "half way" });
    worker.put("/progress", &told).problem(403, "role_too_low");
    let boss = server.agent("boss", "coordinator", "full");
    assert_eq!(boss.put("/progress", &told).status, 204);
    let server = {
        let tokens = [worker.token().to_owned(), boss.token().to_owned()];
        let server = server.restart();
        let [worker, boss] = tokens.each_ref().map(|token| server.stranger(Some(token)));
        let set = worker.get("/progress").expect(200)["set"].clone();
        assert_eq!((&set["message"], &set["set_by"]), (&json!("half way"), &json!("boss")));
        assert_eq!(classic(&worker), (json!(2), json!(5), json!("testing")));
        boss.put("/progress", &json!({ "current_step": 6, "total_steps": 5 }))
            .problem(422, "invalid_request");
        server
    };
    assert_eq!(
        server.admin().get("/events?types=progress.").expect(200)["events"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn the_classic_file_of_messages_has_what_its_reader_may_see() {
    let server = TestServer::start();
    let [anna, ben, cleo] = ["anna", "ben", "cleo"].map(|name| server.skilled(name, &[]));
    send(&anna, json!("ben"), "two\nlines");
    send(&ben, json!("cleo"), "for cleo");
    let lines = |agent: &Agent| {
        let answer = agent.get("/classic/agent-comms.jsonl");
        let text = String::from_utf8(answer.bytes).unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
            format!("{}: {}", line["agent"].as_str().unwrap(), line["message"].as_str().unwrap())
        };
        text.lines().map(line).collect::<Vec<_>>()
    };
    assert_eq!(lines(&anna), ["anna: two\nlines"]);
    assert_eq!(lines(&cleo), ["ben: for cleo"]);
    assert_eq!(lines(&server.admin()), ["anna: two\nlines", "ben: for cleo"]);
}
