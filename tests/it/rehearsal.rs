//! What a policy would do, before it decides: replays, shadows, and the command line for both.

use std::process::Output;
use std::time::{Duration, Instant};

use base64::Engine as _;
use longhouse_tests::{Agent, TestServer, guests, longhouse};
use serde_json::{Value, json};

/// After how long something that should come does not.
const PATIENCE: Duration = Duration::from_secs(50);

/// Three tasks that are not urgent and then three that are, which the host hands out first; in the order in which they were
/// made.
fn a_day(server: &TestServer) -> Vec<String> {
    let worker = server.worker();
    let kinds = [(0, "plain"), (100, "urgent")].into_iter().flat_map(|kind| [kind; 3]);
    let made = kinds.map(|(priority, label)| {
        worker.make(&json!({ "title": "t", "priority": priority, "labels": [label] }))
    });
    let made = made.collect();
    work(&worker);
    made
}

fn work(worker: &Agent) {
    for _ in 0..6 {
        let task = worker.claim(&json!({}));
        let body = json!({ "fence": task["fence"] });
        worker.post(format!("/tasks/{}/complete", task["id"].as_str().unwrap()), &body).expect(200);
    }
}

#[test]
fn what_happened_is_replayed_with_another_policy() {
    let server = TestServer::start();
    let admin = server.admin();
    let made = a_day(&server);
    let replayed = admin.post("/policies/scheduler/replay", &json!({ "policy": "fifo" })).expect(200);
    assert_eq!((&replayed["tasks"], &replayed["guessed"]), (&json!(6), &json!(0)), "{replayed}");
    let names = [&replayed["in_force"]["name"], &replayed["candidate"]["name"]];
    assert_eq!(names, [&json!("host"), &json!("fifo")]);
    for column in ["recorded", "in_force", "candidate"] {
        let column = &replayed[column];
        assert_eq!((&column["claims"], &column["left"]), (&json!(6), &json!(0)), "{column}");
        assert_eq!(column["waits_by_label"]["plain"]["claims"], 3, "{column}");
        assert!((column["fairness"]["of_work"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{column}");
    }
    // The first three claims got what was urgent, and would have got what was older.
    let picks = &replayed["picks"];
    assert_eq!((&picks["claims"], &picks["differ"], &picks["skipped"]), (&json!(6), &json!(3), &json!(0)));
    let place = |id: &Value| made.iter().position(|made| *id == **made);
    let latest = picks["latest"].as_array().unwrap();
    let differ: Vec<_> = latest.iter().map(|it| (place(&it["given"]), place(&it["instead"]))).collect();
    assert_eq!(differ, [(Some(3), Some(0)), (Some(4), Some(0)), (Some(5), Some(0))], "{picks}");
    let record = &replayed["record"];
    assert!(record["calls"].as_u64().unwrap() >= 12 && record["faults"] == 0, "{record}");
    // It decided nothing.
    let found = admin.get("/policies").expect(200);
    assert_eq!(found["policies"]["scheduler"]["version"], Value::Null);
    assert_eq!(std::fs::read_dir(server.path(".longhouse/policies")).map_or(0, Iterator::count), 0);

    let again = admin.post("/policies/scheduler/replay", &json!({ "policy": "host" })).expect(200);
    assert_eq!((&again["picks"]["differ"], &again["record"]["calls"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(again["in_force"]["waits"], again["candidate"]["waits"]);
    let now = server_time(&admin);
    let nothing = json!({ "policy": "fifo", "since_ms": now });
    let nothing = admin.post("/policies/scheduler/replay", &nothing).expect(200);
    assert_eq!((&nothing["tasks"], &nothing["recorded"]["claims"]), (&json!(0), &json!(0)), "{nothing}");
}

/// By the server's clock: no earlier than the last thing that happened.
fn server_time(agent: &Agent) -> u64 {
    let events = agent.get("/events?limit=1000").expect(200);
    events["events"].as_array().unwrap().last().unwrap()["at_ms"].as_u64().unwrap() + 1
}

#[test]
fn a_policy_that_breaks_breaks_only_its_replay() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let tasks: Vec<Value> = (0..80).map(|_| json!({ "title": "t" })).collect();
    worker.post("/tasks", &json!({ "tasks": tasks })).expect(201);
    let task = worker.claim(&json!({}));
    let body = json!({ "fence": task["fence"] });
    worker.post(format!("/tasks/{}/complete", task["id"].as_str().unwrap()), &body).expect(200);
    let component = guests("fixture-policies").join("fixture-policy-scheduler.wasm");
    let component = base64::engine::general_purpose::STANDARD.encode(std::fs::read(component).unwrap());
    for (misdeed, fault) in [("spin", "out of fuel"), ("trap", "trapped"), ("twice", "broke the rules")] {
        // Once it was tried, and before it has handed out all of them.
        let config = json!({ "after": 135, "select": misdeed });
        let body = json!({ "component": component, "config": config });
        let replayed = admin.post("/policies/scheduler/replay", &body).expect(200);
        assert_eq!(
            (&replayed["candidate"]["claims"], &replayed["guessed"]),
            (&json!(80), &json!(79)),
            "{misdeed}"
        );
        let record = &replayed["record"];
        assert!(record["faults"].as_u64().unwrap() > 0, "{misdeed}: {record}");
        assert!(record["last_fault"].as_str().unwrap().contains(fault), "{misdeed}: {record}");
    }
    worker.claim(&json!({}));
    assert_eq!(admin.get("/policies").expect(200)["policies"]["scheduler"]["faults"], 0);
}

#[test]
fn a_conflict_policy_is_replayed_with_the_overlaps_that_it_allows() {
    let server = TestServer::start();
    let (admin, one, other) = (server.admin(), server.skilled("one", &[]), server.skilled("other", &[]));
    admin.put("/policies/conflict", &json!({ "policy": "optimistic" })).expect(200);
    for _ in 0..2 {
        one.make(&json!({ "title": "t", "touches": ["src/**"] }));
    }
    let grants = [&one, &other].map(|agent| agent.claim(&json!({})));
    for (agent, grant) in [&one, &other].into_iter().zip(&grants) {
        let body = json!({ "fence": grant["fence"] });
        agent.post(format!("/tasks/{}/complete", grant["id"].as_str().unwrap()), &body).expect(200);
    }
    let replayed = admin.post("/policies/conflict/replay", &json!({ "policy": "exclusive" })).expect(200);
    let overlaps = ["recorded", "in_force", "candidate"].map(|column| replayed[column]["overlaps"].clone());
    assert_eq!(overlaps, [json!(1), json!(1), json!(0)], "{replayed}");
    assert_eq!(
        (&replayed["picks"]["differ"], &replayed["picks"]["latest"][0]["instead"]),
        (&json!(1), &Value::Null)
    );
}

#[test]
fn a_shadow_says_what_it_would_have_done() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    // This one was there before it.
    worker.make(&json!({ "title": "t", "labels": ["plain"] }));
    let begun = admin.post("/policies/scheduler/shadow", &json!({ "policy": "fifo" })).expect(200);
    assert_eq!((&begun["name"], &begun["picks"]["claims"]), (&json!("fifo"), &json!(0)), "{begun}");
    for (priority, count) in [(0, 2), (100, 3)] {
        for _ in 0..count {
            worker.make(&json!({ "title": "t", "priority": priority }));
        }
    }
    work(&worker);
    let begun = Instant::now();
    let followed = loop {
        let facts = admin.get("/policies/scheduler/shadow").expect(200);
        if facts["picks"]["claims"] == 6 {
            break facts;
        }
        assert!(begun.elapsed() < PATIENCE, "{facts}");
        std::thread::yield_now();
    };
    assert_eq!(
        (&followed["picks"]["differ"], &followed["picks"]["skipped"]),
        (&json!(3), &json!(0)),
        "{followed}"
    );
    assert!(followed["record"]["calls"].as_u64().unwrap() >= 6, "{followed}");
    assert_eq!(admin.get("/policies").expect(200)["policies"]["scheduler"]["version"], Value::Null);
    let ended = admin.delete("/policies/scheduler/shadow").expect(200);
    assert_eq!(ended["version"], followed["version"]);
    admin.get("/policies/scheduler/shadow").problem(404, "no_shadow");
    admin.delete("/policies/scheduler/shadow").problem(404, "no_shadow");
}

#[test]
fn a_shadow_says_what_it_would_have_decided_about_runs_and_locks() {
    let server = TestServer::start();
    let (admin, worker) = (server.admin(), server.worker());
    let rules = json!({ "rules": [{ "commands": ["fixture-spin"], "wall_ms": 50 }, { "commands": ["rg"], "deny": "no" }] });
    let rules = json!({ "policy": "quota", "config": rules });
    let owners = json!({ "policy": "ownership", "config": { "owners": { "src/**": ["nobody"] } } });
    for (kind, policy) in [("admission", &rules), ("conflict", &owners)] {
        let begun = admin.post(format!("/policies/{kind}/shadow"), policy).expect(200);
        assert_eq!(begun["decisions"]["asked"], 0, "{begun}");
        assert_eq!(begun["picks"].is_null(), kind == "admission", "{begun}");
    }
    // It decides nothing: what it would refuse is done.
    worker.run(["fixture-echo", "x"]);
    assert_eq!(worker.run(["rg", "--version"])["outcome"]["code"], 0);
    for paths in ["docs/**", "src/**"] {
        worker.post("/locks", &json!({ "paths": [paths] })).expect(201);
    }
    let followed = |kind: &str, count: u64| -> Value {
        let begun = Instant::now();
        loop {
            let facts = admin.get(format!("/policies/{kind}/shadow")).expect(200);
            if facts["decisions"]["asked"] == count {
                return facts;
            }
            assert!(begun.elapsed() < PATIENCE, "{facts}");
            std::thread::yield_now();
        }
    };
    let runs = followed("admission", 2);
    assert_eq!(runs["decisions"]["differ"], 1, "{runs}");
    let otherwise = &runs["decisions"]["latest"][0];
    assert_eq!((&otherwise["about"], &otherwise["decided"]), (&json!("rg --version"), &json!("allowed")));
    assert_eq!(otherwise["instead"], "denied: no");
    let locks = followed("conflict", 2);
    assert_eq!(
        (&locks["decisions"]["differ"], &locks["record"]["faults"]),
        (&json!(1), &json!(0)),
        "{locks}"
    );
    assert_eq!(locks["decisions"]["latest"][0]["about"], "src/**");

    worker.get("/policies/admission/shadow").problem(403, "role_too_low");
    admin.delete("/policies/admission/shadow").expect(200);
    worker.run(["fixture-echo", "x"]);
    admin.get("/policies/admission/shadow").problem(404, "no_shadow");
}

#[test]
fn what_cannot_be_rehearsed_is_refused() {
    let server = TestServer::start();
    let admin = server.admin();
    let replay = admin.post("/policies/admission/replay", &json!({ "policy": "quota" }));
    assert_eq!(replay.problem(422, "invalid_request")["field"], "kind");
    admin.post("/policies/scheduler/shadow", &json!({ "policy": "host" })).problem(422, "invalid_request");
    admin
        .post("/policies/scheduler/replay", &json!({ "policy": "exclusive" }))
        .problem(422, "wrong_policy_kind");
    admin.post("/policies/scheduler/replay", &json!({ "policy": "nonsense" })).problem(404, "unknown_policy");
    let unset = admin.post("/policies/scheduler/replay", &json!({ "policy": "fifo", "config": { "x": 1 } }));
    unset.problem(422, "invalid_policy_config");
    let future = json!({ "policy": "fifo", "since_ms": u64::MAX });
    assert_eq!(
        admin.post("/policies/scheduler/replay", &future).problem(422, "invalid_request")["field"],
        "since_ms"
    );
}

#[test]
fn the_command_line_does_all_of_it() {
    let server = TestServer::start();
    let admin = server.admin();
    a_day(&server);
    let policy = |arguments: &[&str]| -> Output {
        let mut command = longhouse();
        command.arg("policy").args(arguments);
        command.env("LONGHOUSE_URL", admin.base()).env("LONGHOUSE_TOKEN", admin.token());
        command.output().unwrap()
    };
    let said = |arguments: &[&str]| -> String {
        let output = policy(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = said(&["replay", "scheduler", "fifo", "--since", "1h"]);
    for part in [
        "scheduler over the last 1h: 6 tasks",
        "host again",
        "fifo ",
        "  urgent",
        "fairness of work",
        "at 3 of 6 claims",
    ] {
        assert!(table.contains(part), "{part:?} is not in\n{table}");
    }
    let json: Value = serde_json::from_str(&said(&["replay", "scheduler", "fifo", "--json"])).unwrap();
    assert_eq!(json["picks"]["differ"], 3);

    let set = said(&["set", "scheduler", "fair-share", "--config", r#"{"weights": {"acme": 20}}"#]);
    let version = set.strip_prefix("scheduler: ").and_then(|rest| rest.strip_suffix(" decides\n")).unwrap();
    assert_eq!(admin.get("/policies").expect(200)["policies"]["scheduler"]["version"], version);
    let listed = said(&["list"]);
    assert!(
        listed.contains(&version[..12]) && listed.contains("fair-share") && listed.contains("admission"),
        "{listed}"
    );
    assert_eq!(said(&["rollback", "scheduler"]), "scheduler: the host decides\n");
    assert_eq!(said(&["set", "scheduler", version]), set, "a version that was in force before");
    assert_eq!(said(&["set", "scheduler", "host"]), "scheduler: the host decides\n");

    assert!(said(&["shadow", "scheduler", "fifo"]).starts_with("fifo "));
    assert!(said(&["shadow", "scheduler"]).contains("at 0 of 0 claims"));
    assert!(said(&["shadow", "scheduler", "--stop"]).starts_with("fifo "));

    let refused = policy(&["shadow", "scheduler"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no policy follows"), "{refused:?}");
    assert_eq!(policy(&["set", "scheduler", "fifo", "--config", "3"]).status.code(), Some(2));
    assert_eq!(policy(&["set", "tasks", "fifo"]).status.code(), Some(2));
    assert_eq!(policy(&["set", "scheduler", "missing.wasm"]).status.code(), Some(1));
}
