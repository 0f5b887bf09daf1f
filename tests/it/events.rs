//! What happened, for whoever watches.

use std::io::{BufRead as _, BufReader};
use std::thread;

use longhouse_tests::{Agent, TestServer};
use reqwest::Method;
use reqwest::blocking::Response;
use serde_json::{Value, json};

fn types(page: &Value) -> Vec<&str> {
    page["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// A stream of events, read as a browser reads one.
struct Stream(BufReader<Response>);

impl Stream {
    fn open(agent: &Agent, query: &str, last_id: Option<&str>) -> Self {
        let request =
            agent.request(Method::GET, &format!("/events?{query}")).header("accept", "text/event-stream");
        let request = match last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = request.send().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(BufReader::new(response))
    }

    /// The next event's id and what it says; `None` at the end.
    fn next(&mut self) -> Option<(String, Value)> {
        let (mut id, mut data) = (None, None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                Some(_) | None => {}
            }
            if line == "\n"
                && let (Some(id), Some(data)) = (id.take(), data.take())
            {
                return Some((id, data));
            }
        }
    }
}

#[test]
fn events_are_read_on_from_a_cursor() {
    let server = TestServer::start();
    let worker = server.worker();
    // Its first request brings the worker itself into the events.
    worker.get("/queue").expect(200);
    let before = worker.get("/events?limit=1000").expect(200)["next"].as_u64().unwrap();
    let id = worker.make(&json!({ "title": "t" }));
    let grant = worker.claim(&json!({}));
    worker.post(format!("/tasks/{id}/complete"), &json!({ "fence": grant["fence"] })).expect(200);
    let page = worker.get(format!("/events?after={before}")).expect(200);
    assert_eq!(types(&page), ["task.created", "task.claimed", "task.completed"], "{page}");
    let claimed = &page["events"][1];
    assert_eq!((&claimed["task"], &claimed["agent"]), (&json!(id), &json!("worker")), "{claimed}");
    assert_eq!((&claimed["data"]["fence"], claimed["seq"].as_u64()), (&grant["fence"], Some(before + 2)));
    assert_eq!(page["next"], before + 3);
    let first = worker.get(format!("/events?after={before}&limit=1")).expect(200);
    assert_eq!((types(&first), &first["next"]), (vec!["task.created"], &json!(before + 1)));
    let rest = worker.get(format!("/events?after={}&types=task.completed,run.", before + 1)).expect(200);
    assert_eq!(types(&rest), ["task.completed"]);
    worker.run(["echo"]);
    let of_task = worker.get(format!("/events?task={id}")).expect(200);
    assert_eq!(types(&of_task), ["task.created", "task.claimed", "task.completed"]);
}

#[test]
fn a_cursor_that_nothing_has_reached_is_refused() {
    let server = TestServer::start();
    let worker = server.worker();
    let last = worker.get("/events?limit=1000").expect(200)["next"].as_u64().unwrap();
    let problem = worker.get(format!("/events?after={}", last + 1)).problem(409, "cursor_ahead");
    assert_eq!(problem["last"], last);
    worker.get("/events?after=-1").problem(422, "invalid_request");
    worker.get("/events?wait_ms=50001").problem(422, "invalid_request");
    let request = worker.request(Method::GET, "/events").header("accept", "text/event-stream");
    worker.send(request.header("last-event-id", "x")).problem(422, "invalid_request");
}

#[test]
fn a_reader_waits_for_what_it_asked_for() {
    let server = TestServer::start();
    let (worker, watcher) = (server.worker(), server.admin());
    let after = watcher.get("/events?limit=1000").expect(200)["next"].as_u64().unwrap();
    thread::scope(|scope| {
        let query = format!("/events?after={after}&types=task.claimed&wait_ms=50000");
        let waiting = scope.spawn(move || watcher.get(query).expect(200));
        worker.make(&json!({ "title": "t" }));
        worker.claim(&json!({}));
        let page = waiting.join().unwrap();
        assert_eq!(types(&page), ["task.claimed"], "{page}");
    });
}

#[test]
fn a_stream_is_taken_up_again_where_it_broke_off_even_by_another_server() {
    let server = TestServer::start();
    let worker = server.worker();
    let mut stream = Stream::open(&worker, "types=task.", None);
    let id = worker.make(&json!({ "title": "one" }));
    let (seen, event) = stream.next().unwrap();
    assert_eq!((&event["type"], &event["task"]), (&json!("task.created"), &json!(id)), "{event}");
    assert_eq!(event["seq"].to_string(), seen);
    worker.make(&json!({ "title": "two" }));
    let token = worker.token().to_owned();
    let server = server.crash();
    let worker = server.stranger(Some(&token));
    // The address is the first one's: the id says more.
    let mut stream = Stream::open(&worker, "types=task.&after=0", Some(&seen));
    let titles = |stream: &mut Stream| stream.next().unwrap().1["data"]["title"].clone();
    assert_eq!(titles(&mut stream), "two");
    worker.make(&json!({ "title": "three" }));
    assert_eq!(titles(&mut stream), "three");
}

#[test]
fn a_server_that_stops_keeps_nobody_waiting_and_waits_for_nobody() {
    let mut server = TestServer::start();
    let worker = server.worker();
    let (claimant, watcher) = (worker.clone(), server.agent("watcher", "observer", "full"));
    let mut stream = Stream::open(&worker, "types=none", None);
    let claim = thread::spawn(move || claimant.post("/tasks/claim", &json!({ "wait_ms": 50_000 })));
    let events = thread::spawn(move || watcher.get("/events?types=none&wait_ms=50000").expect(200));
    while worker.get("/queue").expect(200)["waiting_claims"] != 1 {
        thread::yield_now();
    }
    // Who was heard of has been read: its request is not cut off.
    while worker.get("/agents/watcher").expect(200)["status"] != "idle" {
        thread::yield_now();
    }
    server.terminate();
    claim.join().unwrap().problem(503, "stopping");
    assert_eq!(events.join().unwrap()["events"], json!([]));
    assert_eq!(stream.next(), None);
}
