//! The examples for whoever writes a policy do what their READMEs say.

use std::time::SystemTime;

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

use super::{encoded, order, set, wait_until_it_serves};

/// An example, to be put in force.
fn example(language: &str, config: &Value) -> Value {
    json!({ "component": encoded("example-policies", language), "config": config })
}

/// Puts an example in force, and waits until it ranks `waiting`: its version.
fn begin(admin: &Agent, language: &str, config: &Value, waiting: &str) -> Value {
    let version = set(admin, "scheduler", example(language, config))["version"].clone();
    wait_until_it_serves(admin, waiting, &version);
    version
}

fn make(worker: &Agent, labels: &[&str]) -> String {
    worker.make(&json!({ "title": "a task", "labels": labels }))
}

/// Checks what is told of a task that was handed out, and that nothing went wrong meanwhile.
fn assert_granted(admin: &Agent, task: &str, version: &Value, chosen: &Value) {
    let event = admin.wait_for(task, "task.claimed");
    assert_eq!((&event["data"]["policy"], &event["data"]["chosen"]), (version, chosen), "{event}");
    let why = admin.get(format!("/tasks/{task}/why")).expect(200)["why"].clone();
    let granted = why.as_array().unwrap().iter().find(|why| why["code"] == "granted").unwrap();
    assert_eq!((&granted["policy"], &granted["chosen"]), (version, chosen), "{why}");
    let found = admin.get("/policies").expect(200)["policies"]["scheduler"].clone();
    assert_eq!((&found["version"], &found["faults"]), (version, &json!(0)), "{found}");
}

/// Checks that an example refuses a configuration with this sentence.
fn assert_refuses(admin: &Agent, language: &str, config: &Value, sentence: &str) {
    let refused = admin.put("/policies/scheduler", &example(language, config));
    let refused = refused.problem(422, "invalid_policy_config");
    assert!(refused["detail"].as_str().unwrap().contains(sentence), "{refused}");
}

#[test]
fn an_epic_is_finished_before_the_next_is_begun_by_the_one_in_rust() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let [a, b, a_too, b_too] = ["a", "b", "a", "b"].map(|epic| make(&worker, &[&format!("epic:{epic}")]));
    let version = begin(&admin, "rust", &json!({}), &a);
    assert_eq!(order(&worker, 4), [&*a, &*a_too, &*b, &*b_too]);
    assert_granted(&admin, &a, &version, &json!({ "picked": "nothing that is in progress has room" }));
    assert_granted(&admin, &a_too, &version, &json!({ "picked": "a is in progress, with 1 of 4" }));
    assert_refuses(&admin, "rust", &json!({ "workers": 0 }), "how many may be at an epic at once, from 1");
}

#[test]
fn what_is_for_the_night_is_last_by_day_and_first_at_night_by_the_one_in_javascript() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let [night, day, night_too, day_too] =
        [&["night"][..], &[], &["night"], &[]].map(|labels| make(&worker, labels));
    // Several at once, so that it is asked once: on a slow machine policies have soon had their share of the time.
    let claim = |count: usize| -> Vec<String> {
        let claimed = worker.post("/tasks/claim", &json!({ "count": count })).expect(200);
        claimed["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().into()).collect()
    };

    let noon = begin(&admin, "javascript", &it_is(12), &night);
    assert_eq!(claim(1), [&*day]);
    assert_granted(&admin, &day, &noon, &json!({ "picked": "it is day" }));

    let midnight = begin(&admin, "javascript", &it_is(0), &night);
    assert_eq!(claim(3), [&*night, &*night_too, &*day_too]);
    assert_granted(&admin, &night, &midnight, &json!({ "picked": "it is night" }));
    let last = json!({ "picked": "it is night, and nothing is left for it" });
    assert_granted(&admin, &day_too, &midnight, &last);

    let wrong = json!({ "from": "25:00" });
    assert_refuses(&admin, "javascript", &wrong, "`from` is a time of day from 00:00 to 24:00");
    assert_refuses(&admin, "javascript", &json!({ "form": "21:00" }), "there is no setting form; there are");
}

/// A place where it is this hour now.
fn it_is(hour: i64) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let minutes = i64::try_from(now.as_secs() / 60 % (24 * 60)).unwrap();
    json!({ "utc_offset_min": hour * 60 - minutes })
}

#[test]
fn what_takes_the_least_time_is_next_by_the_one_in_python() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let [long, unknown, short] =
        [&["estimate:2h"][..], &[], &["estimate:5m"]].map(|labels| make(&worker, labels));
    let by_estimate = begin(&admin, "python", &json!({}), &long);
    // Each minute that it takes is worth ten of waiting: so nothing starves.
    for (task, minutes) in [(&long, 120), (&unknown, 60), (&short, 5)] {
        let made = worker.task(task)["created_at_ms"].as_i64().unwrap();
        let why = admin.get(format!("/tasks/{task}/why")).expect(200)["why"].clone();
        let ranked = why.as_array().unwrap().iter().find(|why| why["code"] == "ranked").unwrap();
        assert_eq!(ranked["rank"], made + 10 * minutes * 60_000, "{why}");
    }
    assert_eq!(order(&worker, 2), [&*short, &*unknown]);
    assert_granted(&admin, &short, &by_estimate, &json!("first"));

    let shorter = make(&worker, &["estimate:1s"]);
    let by_age = begin(&admin, "python", &json!({ "weight": 0 }), &long);
    assert_eq!(order(&worker, 2), [&*long, &*shorter]);
    assert_granted(&admin, &long, &by_age, &json!("first"));

    let wrong = json!({ "unknown": "soon" });
    assert_refuses(&admin, "python", &wrong, "`unknown` is how long a task without an estimate may take");
    assert_refuses(&admin, "python", &json!({ "wait": 1 }), "there is no setting wait; there are label");
}
