//! What runs change is published when they end, all of it or nothing, and never over what they have not seen.

use std::thread;

use longhouse_tests::{Agent, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

fn write<const N: usize>(agent: &Agent, acts: [&str; N]) -> Value {
    agent.run_with(json!({ "argv": argv(&acts) }))
}

fn argv(acts: &[&str]) -> Vec<String> {
    [&["fixture-write"], acts].concat().into_iter().map(str::to_owned).collect()
}

/// Begins a run, and returns its id when it waits.
fn begin<const N: usize>(agent: &Agent, acts: [&str; N]) -> String {
    let reply = agent.post("/runs", &json!({ "argv": argv(&acts), "wait_ms": 100 })).expect(202);
    reply["id"].as_str().unwrap().to_owned()
}

fn end(agent: &Agent, run: &str) -> Value {
    let reply = agent.get(format!("/runs/{run}?wait_ms=50000")).expect(200);
    assert_eq!(reply["status"], "ended", "{reply}");
    reply
}

/// As an editor does: whatever is there is replaced.
fn put(agent: &Agent, path: &str, content: &str) {
    let seen = agent.get(format!("/files/{path}"));
    let mut request = agent.request(Method::PUT, &format!("/files/{path}")).body(content.to_owned());
    if seen.status == 200 {
        request = request.header("if-match", seen.headers["etag"].to_str().unwrap());
    }
    let answer = agent.send(request);
    assert!([200, 201].contains(&answer.status), "{answer:?}");
}

fn paths(reply: &Value) -> Vec<(&str, &str)> {
    let paths = reply["changes"]["paths"].as_array().unwrap().iter();
    paths.map(|path| (path["change"].as_str().unwrap(), path["path"].as_str().unwrap())).collect()
}

#[test]
fn what_a_run_changes_is_one_commit_of_it() {
    let server = TestServer::builder().file("a.txt", "a").file("d/b.txt", "b").start();
    let worker = server.worker();
    let reply = worker.run(["cp", "-r", "d", "copy"]);
    assert_eq!(
        (&reply["outcome"]["code"], &reply["changes"]["status"]),
        (&json!(0), &json!("committed")),
        "{reply}"
    );
    assert_eq!(paths(&reply), [("put", "copy"), ("put", "copy/b.txt")]);
    assert_eq!(server.read("copy/b.txt"), "b");
    let commit = worker.get(format!("/commits/{}", reply["changes"]["commit"])).expect(200);
    assert_eq!((&commit["run"], &commit["agent"]), (&reply["id"], &reply["agent"]), "{commit}");
    let moved = worker.run(["mv", "d", "copy/d"]);
    assert_eq!(
        moved["changes"]["paths"][0],
        json!({ "path": "copy/d", "change": "move", "from": "d" }),
        "{moved}"
    );
    assert!(server.path("copy/d/b.txt").exists() && !server.path("d").exists());
    let removed = worker.run(["rm", "-r", "copy"]);
    assert_eq!(paths(&removed), [("remove", "copy")], "{removed}");
    let nothing = worker.run(["cat", "a.txt"]);
    assert_eq!(nothing["changes"]["status"], "nothing");
    // It is on record.
    let id = moved["id"].as_str().unwrap().to_owned();
    let token = worker.token().to_owned();
    let server = server.restart();
    assert_eq!(
        server.stranger(Some(&token)).get(format!("/runs/{id}")).expect(200)["changes"],
        moved["changes"]
    );
}

#[test]
fn nothing_is_in_the_project_while_a_run_lasts_nor_after_one_that_was_cut_off() {
    let server = TestServer::builder().file("f", "old").limits("short", "wall = \"1s\"").start();
    let worker = server.worker();
    let run = begin(&worker, ["truncate:f=new", "truncate:other=new", "sleep:"]);
    assert!(server.read("f") == "old" && !server.path("other").exists());
    assert_eq!(worker.post(format!("/runs/{run}/kill"), &json!({})).status, 202);
    assert_eq!(end(&worker, &run)["changes"]["status"], "dropped");
    let short = server.agent("short", "worker", "short");
    for (acts, outcome) in
        [(["truncate:f=new", "trap:"], "trapped"), (["truncate:f=new", "sleep:"], "timed_out")]
    {
        let reply = write(&short, acts);
        assert_eq!(
            (&reply["outcome"]["kind"], &reply["changes"]["status"]),
            (&json!(outcome), &json!("dropped"))
        );
        assert_eq!(paths(&reply), [("put", "f")]);
    }
    assert!(server.read("f") == "old" && !server.path("other").exists());
    // The guest's thread lets go of its files a little after the answer.
    while std::fs::read_dir(server.path(".longhouse/staged")).unwrap().count() > 0 {}
}

#[test]
fn a_run_that_fails_publishes_or_not_as_it_was_asked_to() {
    let server = TestServer::start();
    let worker = server.worker();
    let fails = |publish: &str| {
        worker.run_with(json!({ "argv": argv(&["truncate:f=new", "exit:3"]), "publish": publish }))
    };
    let reply = fails("on_success");
    assert_eq!(
        (&reply["outcome"]["code"], &reply["changes"]["status"]),
        (&json!(3), &json!("dropped")),
        "{reply}"
    );
    assert!(!server.path("f").exists());
    let reply = fails("on_exit");
    assert_eq!((&reply["outcome"]["code"], &reply["changes"]["status"]), (&json!(3), &json!("committed")));
    assert_eq!(server.read("f"), "new");
    let unknown = json!({ "argv": ["true"], "publish": "sometimes" });
    worker.post("/runs", &unknown).problem(422, "invalid_request");
}

#[test]
fn a_dry_run_tells_what_it_would_do_and_can_be_made_true() {
    let server = TestServer::builder().file("f", "old").start();
    let worker = server.worker();
    let dry = || {
        let reply = worker
            .run_with(json!({ "argv": argv(&["append:f=+new", "truncate:g=new"]), "publish": "never" }));
        assert_eq!(reply["changes"]["status"], "dry_run", "{reply}");
        assert_eq!(paths(&reply), [("put", "f"), ("put", "g")]);
        reply["id"].as_str().unwrap().to_owned()
    };
    let (discarded, run) = (dry(), dry());
    assert!(server.read("f") == "old" && !server.path("g").exists());
    let post = |agent: &Agent, run: &str, act: &str| agent.post(format!("/runs/{run}/{act}"), &json!({}));
    let other = server.agent("other", "worker", "full");
    post(&other, &run, "commit").problem(404, "nothing_kept");
    assert_eq!(post(&worker, &discarded, "discard").status, 204);
    post(&worker, &discarded, "commit").problem(404, "nothing_kept");
    let committed = post(&worker, &run, "commit").expect(200);
    assert_eq!(committed["status"], "committed", "{committed}");
    assert_eq!((server.read("f"), server.read("g")), ("old+new".into(), "new".into()));
    post(&worker, &run, "commit").problem(404, "nothing_kept");
    let late = dry();
    put(&other, "f", "theirs");
    let refused = post(&worker, &late, "commit").problem(409, "stale_write");
    assert_eq!(refused["conflicts"][0]["path"], "f", "{refused}");
    assert_eq!(server.read("f"), "theirs");
    assert_eq!(post(&worker, &late, "discard").status, 204);
}

#[test]
fn what_sed_does_in_place_is_never_done_over_what_came_in_between() {
    for act in ["replace:f=mine", "truncate:f=mine", "append:f=+mine", "remove:f"] {
        let server = TestServer::builder().file("f", "old").start();
        let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
        let run = begin(&worker, ["read:f", "wait:go", act]);
        put(&other, "f", "theirs");
        put(&other, "go", "");
        let reply = end(&worker, &run);
        assert_eq!(reply["outcome"]["kind"], "denied", "{act}: {reply}");
        let conflict = &reply["changes"]["conflicts"][0];
        assert_eq!(
            (&conflict["path"], &conflict["agent"], &conflict["commit"]),
            (&json!("f"), &json!("other"), &json!(1))
        );
        let current = other.get("/files/f").headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(format!("{:?}", conflict["current_version"].as_str().unwrap()), current);
        assert_eq!(server.read("f"), "theirs", "{act}");
    }
}

#[test]
fn what_one_run_read_the_next_may_not_write_over_when_it_changed() {
    let server = TestServer::builder().file("f", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    assert_eq!(worker.run(["cat", "f"])["stdout"], "old");
    put(&other, "f", "theirs");
    let tee = json!({ "argv": ["tee", "f"], "stdin": "made from what it was" });
    assert_eq!(worker.run_with(tee.clone())["outcome"]["kind"], "denied");
    assert_eq!(server.read("f"), "theirs");
    assert_eq!(worker.run(["cat", "f"])["stdout"], "theirs");
    let reply = worker.run_with(tee);
    assert_eq!(reply["changes"]["status"], "committed");
    assert!(reply["changes"]["blind_overwrite"].is_null(), "{reply}");
    assert_eq!(server.read("f"), "made from what it was");
    let third = server.agent("third", "worker", "full");
    let reply = third.run_with(json!({ "argv": ["tee", "f"], "stdin": "unseen" }));
    assert_eq!(reply["changes"]["blind_overwrite"], json!(["f"]), "{reply}");
}

#[test]
fn lines_that_many_runs_append_at_once_are_all_there_or_were_refused() {
    let server = TestServer::builder().file("log", "").start();
    let appended: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|n| {
                let agent = server.agent(&format!("w{n}"), "worker", "full");
                scope.spawn(move || {
                    let mut done = 0;
                    for round in 0..10 {
                        let line = format!("append:log=<{n}-{round}>");
                        // Refused, it is tried again.
                        while write(&agent, [&line])["changes"]["status"] != "committed" {}
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let log = server.read("log");
    assert_eq!(appended, 40);
    for n in 0..4 {
        for round in 0..10 {
            assert_eq!(log.matches(&format!("<{n}-{round}>")).count(), 1, "{n}-{round} in {log}");
        }
    }
}

#[test]
fn what_somebody_outside_changes_meanwhile_stays() {
    let server = TestServer::builder().file("f", "old").file("g", "old").start();
    let worker = server.worker();
    let run = begin(&worker, ["append:f=+mine", "append:g=+mine", "wait:go"]);
    std::fs::write(server.path("g"), "theirs").unwrap();
    std::fs::write(server.path("go"), "").unwrap();
    let reply = end(&worker, &run);
    assert_eq!(reply["changes"]["conflicts"][0]["path"], "g", "{reply}");
    assert_eq!((server.read("f"), server.read("g")), ("old".into(), "theirs".into()));
}

#[test]
fn what_another_locked_is_not_changed_by_a_run() {
    let server = TestServer::builder().file("src/f", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let lock = other.post("/locks", &json!({ "paths": ["src/**"] })).expect(201);
    let reply = write(&worker, ["append:src/f=+mine"]);
    assert_eq!(reply["outcome"]["kind"], "denied", "{reply}");
    assert!(reply["outcome"]["reason"].as_str().unwrap().contains("other"), "{reply}");
    assert_eq!(server.read("src/f"), "old");
    let held = json!({ "id": lock["id"], "fence": lock["fence"] });
    let run = json!({ "argv": argv(&["append:src/f=+theirs"]), "locks": [held] });
    assert_eq!(other.run_with(run.clone())["changes"]["status"], "committed");
    let gone = other.delete(format!("/locks/{}?fence={}", lock["id"].as_str().unwrap(), lock["fence"]));
    assert!([200, 204].contains(&gone.status), "{gone:?}");
    assert_eq!(other.run_with(run)["outcome"]["kind"], "denied", "the lock that it names is gone");
    // What was refused is kept, and can be published when nothing is in its way.
    let kept = reply["id"].as_str().unwrap();
    worker.post(format!("/runs/{kept}/commit"), &json!({})).problem(409, "stale_write");
}

#[test]
fn a_directory_is_neither_removed_nor_moved_by_a_run_while_another_locked_something_in_it() {
    let server = TestServer::builder().file("src/f", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    other.post("/locks", &json!({ "paths": ["src/f"] })).expect(201);
    for argv in [&["rm", "-r", "src"][..], &["mv", "src", "moved"]] {
        let reply = worker.run_with(json!({ "argv": argv }));
        assert_eq!(reply["outcome"]["kind"], "denied", "{reply}");
        assert_eq!(server.read("src/f"), "old");
    }
}

#[test]
fn a_zombies_run_publishes_nothing() {
    let server = TestServer::builder().file("f", "old").start();
    let worker = server.worker();
    let task = worker.make(&json!({ "title": "t" }));
    let grant = worker.claim(&json!({ "task": task }));
    let fence = &grant["fence"];
    let body =
        json!({ "argv": argv(&["append:f=+mine", "wait:go"]), "wait_ms": 100, "task": task, "fence": fence });
    let run = worker.post("/runs", &body).expect(202)["id"].as_str().unwrap().to_owned();
    worker.post(format!("/tasks/{task}/release"), &json!({ "fence": fence })).expect(200);
    std::fs::write(server.path("go"), "").unwrap();
    let reply = end(&worker, &run);
    assert_ne!(reply["changes"]["status"], "committed", "{reply}");
    assert_eq!(server.read("f"), "old");
}

#[test]
fn of_two_runs_that_read_what_the_other_writes_one_is_refused_if_that_matters() {
    let server = TestServer::builder().file("a", "1").file("b", "1").start();
    let worker = server.worker();
    let dry = |isolation: &str, acts: [&str; 3]| {
        let body = json!({ "argv": argv(&acts), "publish": "never", "isolation": isolation });
        worker.run_with(body)["id"].as_str().unwrap().to_owned()
    };
    let commit = |run: String| worker.post(format!("/runs/{run}/commit"), &json!({}));
    for isolation in ["writes", "serializable"] {
        let one = dry(isolation, ["read:a", "read:b", "truncate:a=0"]);
        let other = dry(isolation, ["read:a", "read:b", "truncate:b=0"]);
        commit(one).expect(200);
        if isolation == "writes" {
            commit(other).expect(200);
            put(&worker, "a", "1");
            put(&worker, "b", "1");
        } else {
            let refused = commit(other).problem(409, "stale_write");
            assert_eq!(refused["conflicts"][0]["path"], "a", "{refused}");
            assert_eq!((server.read("a"), server.read("b")), ("0".into(), "1".into()));
        }
    }
    let unknown = json!({ "argv": ["true"], "isolation": "total" });
    worker.post("/runs", &unknown).problem(422, "invalid_request");
}

#[test]
fn what_was_refused_is_merged_where_others_changed_other_lines() {
    let server =
        TestServer::builder().file("f", "one\ntwo\nthree\nfour\nfive\nsix\n").file("g", "one\n").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let dry = |acts: &[&str]| {
        let body = json!({ "argv": argv(acts), "publish": "never" });
        worker.run_with(body)["id"].as_str().unwrap().to_owned()
    };
    let post = |run: &str, act: &str| worker.post(format!("/runs/{run}/{act}"), &json!({}));
    let appended = dry(&["append:f=end\n"]);
    let replaced = dry(&["read:f", "replace:f=one\ntwo\nthree\nFOUR\nfive\nsix\n"]);
    let clashing = dry(&["append:f=more\n", "append:g=two\n"]);
    put(&other, "f", "ONE\ntwo\nthree\nfour\nfive\nsix\n");
    put(&other, "f", "ONE\nTWO\nthree\nfour\nfive\nsix\n");
    post(&appended, "commit").problem(409, "stale_write");
    assert_eq!(post(&appended, "rebase").expect(200), json!({ "merged": ["f"] }));
    let diff = worker.get(format!("/runs/{appended}/diff")).expect(200);
    assert_eq!(
        diff["paths"][0]["diff"], "--- a/f\n+++ b/f\n@@ -4,3 +4,4 @@\n four\n five\n six\n+end\n",
        "{diff}"
    );
    post(&appended, "commit").expect(200);
    assert_eq!(post(&replaced, "rebase").expect(200), json!({ "merged": ["f"] }));
    post(&replaced, "commit").expect(200);
    assert_eq!(server.read("f"), "ONE\nTWO\nthree\nFOUR\nfive\nsix\nend\n");
    // The same lines were changed; what could be merged is left as it was, too.
    put(&other, "g", "ONE\n");
    let refused = post(&clashing, "rebase").problem(409, "not_mergeable");
    let paths: Vec<_> = refused["conflicts"].as_array().unwrap().iter().map(|it| &it["path"]).collect();
    assert_eq!(paths, ["f", "g"], "{refused}");
    post(&clashing, "commit").problem(409, "stale_write");
    assert_eq!(post(&clashing, "discard").status, 204);
    post(&clashing, "rebase").problem(404, "nothing_kept");
}
