//! What was committed can be looked at, compared, and taken back.

use std::sync::mpsc::TryRecvError;

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

/// Replaces whatever is there; returns the number of the commit.
fn write(agent: &Agent, path: &str, content: &str) -> u64 {
    let body = json!({ "path": path, "content": content, "expected": "*" });
    agent.post("/fs/write", &body).expect(200)["commit"].as_u64().unwrap()
}

fn revert(agent: &Agent, commit: u64) -> Value {
    agent.post(format!("/commits/{commit}/revert"), &json!({})).expect(200)
}

/// What a file held when a commit had been made, or before.
fn held(agent: &Agent, commit: u64, path: &str, side: &str) -> String {
    let answer = agent.get(format!("/commits/{commit}/files/{path}?side={side}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.bytes).unwrap()
}

#[test]
fn a_commit_tells_what_it_changed_and_keeps_what_was_before() {
    let server = TestServer::builder().file("f", "one\ntwo\n").start();
    let worker = server.worker();
    let first = write(&worker, "f", "one\nTWO\n");
    let second = write(&worker, "f", "three\n");
    let told = worker.get(format!("/commits/{first}?diff=true")).expect(200);
    assert_eq!(told["changes"][0]["diff"], "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n", "{told}");
    assert_eq!(worker.get(format!("/commits/{first}")).expect(200)["changes"][0].get("diff"), None);
    // It is found again wherever it went since.
    assert_eq!(worker.post("/fs/move", &json!({ "from": "f", "to": "d/g" })).status, 200);
    let moved = worker.post("/fs/move", &json!({ "from": "d/g", "to": "d/h" })).expect(200)["commit"].clone();
    let told = worker.get(format!("/commits/{moved}?diff=true")).expect(200);
    assert_eq!(told["changes"][0]["diff"], "", "what is moved is as it was: {told}");
    assert_eq!(worker.post("/fs/move", &json!({ "from": "d", "to": "e" })).status, 200);
    assert_eq!(held(&worker, second, "f", "new"), "three\n");
    assert_eq!(worker.post("/fs/delete", &json!({ "path": "e" })).status, 200);
    assert_eq!(held(&worker, first, "f", "base"), "one\ntwo\n");
    assert_eq!(held(&worker, first, "f", "new"), "one\nTWO\n");
    assert_eq!(held(&worker, second, "f", "new"), "three\n");
    worker.get(format!("/commits/{second}/files/other")).problem(404, "unknown_commit");
    // What is no text is not compared.
    let body = json!({ "path": "raw", "base64": "AAEC" });
    let raw = worker.post("/fs/write", &body).expect(200)["commit"].clone();
    let told = worker.get(format!("/commits/{raw}?diff=true")).expect(200);
    assert_eq!(told["changes"][0]["diff_omitted"], "binary", "{told}");
}

#[test]
fn history_shows_what_its_reader_may_read_now() {
    let server = TestServer::builder()
        .profile(
            "public",
            "commands = [\"*\"]\n[profiles.public.files]\nread = [\"public/**\"]\nwrite = [\"public/**\"]",
        )
        .file("secret", "secret")
        .start();
    let (worker, public) = (server.worker(), server.agent("public", "coordinator", "public"));
    let commit = write(&worker, "secret", "changed");
    public.get(format!("/commits/{commit}/files/secret")).problem(404, "unknown_commit");
    let told = public.get(format!("/commits/{commit}?diff=true")).expect(200);
    assert_eq!((&told["changes"], &told["hidden"]), (&json!([]), &json!(1)), "{told}");
    public.post(format!("/commits/{commit}/revert"), &json!({})).problem(403, "hidden_paths");
    assert_eq!(server.read("secret"), "changed");
}

#[test]
fn what_was_kept_long_enough_is_forgotten_and_nothing_else_is() {
    let server = TestServer::builder().file("f", "one").file("d/e/g", "kept").file("m", "moved").start();
    let worker = server.worker();
    let replaced = write(&worker, "f", "two");
    let moved = worker.post("/fs/move", &json!({ "from": "m", "to": "n" })).expect(200)["commit"].clone();
    let removed = worker.post("/fs/delete", &json!({ "path": "d" })).expect(200)["commit"].clone();
    let kept = || std::fs::read_dir(server.path(".longhouse/history")).unwrap().count();
    assert!(kept() >= 3);
    assert_eq!(held(&worker, replaced, "f", "base"), "one");

    let config = server.path(".longhouse/longhouse.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let server = {
        std::fs::write(&config, format!("{text}\n[history]\nkeep = \"0s\"\n")).unwrap();
        server.restart()
    };
    server.wait_until_it_said("the history was cut");
    assert_eq!(std::fs::read_dir(server.path(".longhouse/history")).unwrap().count(), 0);
    let worker = server.stranger(Some(worker.token()));
    worker.get(format!("/commits/{replaced}/files/f?side=base")).problem(410, "not_kept");
    worker.post(format!("/commits/{replaced}/revert"), &json!({})).problem(410, "not_kept");
    worker.post(format!("/commits/{removed}/revert"), &json!({})).problem(410, "not_kept");
    let told = worker.get(format!("/commits/{replaced}?diff=true")).expect(200);
    assert_eq!(told["changes"][0]["diff_omitted"], "not_kept", "{told}");
    // What is in the project still is there, and can be moved back.
    assert_eq!((server.read("f"), server.read("n")), ("two".into(), "moved".into()));
    worker.post(format!("/commits/{moved}/revert"), &json!({})).expect(200);
    assert_eq!(server.read("m"), "moved");
}

#[test]
fn a_stale_write_is_told_what_changed_and_by_whom() {
    let server = TestServer::builder().file("f", "one\ntwo\n").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let seen = worker.post("/fs/read", &json!({ "path": "f" })).expect(200)["version"].clone();
    let commit = write(&other, "f", "one\n2\n");
    let body = json!({ "path": "f", "content": "mine", "expected": seen });
    let stale = worker.post("/fs/write", &body).problem(412, "stale_write");
    assert_eq!((&stale["agent"], &stale["commit"]), (&json!("other"), &json!(commit)), "{stale}");
    assert_eq!(stale["diff"], "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n", "{stale}");
    let never = json!({ "path": "f", "content": "mine", "expected": format!("f{}", "0".repeat(64)) });
    let stale = worker.post("/fs/write", &never).problem(412, "stale_write");
    assert_eq!(stale["diff_omitted"], "not_kept", "{stale}");
}

#[test]
fn a_commit_is_taken_back_by_its_author_or_a_coordinator() {
    let server = TestServer::builder().file("f", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let lead = server.agent("lead", "coordinator", "full");
    let commit = write(&worker, "f", "new");
    let refused = other.post(format!("/commits/{commit}/revert"), &json!({})).problem(403, "not_yours");
    assert_eq!(refused["holder"]["agent"], "worker", "{refused}");
    let tried = worker.post(format!("/commits/{commit}/revert"), &json!({ "dry_run": true })).expect(200);
    assert_eq!(
        (&tried["commit"], &tried["paths"]),
        (&Value::Null, &json!([{ "path": "f", "change": "put" }])),
        "{tried}"
    );
    assert_eq!(server.read("f"), "new");
    let undone = revert(&worker, commit);
    assert_eq!((&undone["reverted"], server.read("f").as_str()), (&json!([commit]), "old"), "{undone}");
    // Taking back what took it back does it again, and a lock is heeded.
    let lock = lead.post("/locks", &json!({ "paths": ["f"] })).expect(201);
    let again = undone["commit"].as_u64().unwrap();
    worker.post(format!("/commits/{again}/revert"), &json!({})).problem(409, "locked");
    assert_eq!(server.read("f"), "old");
    let shown = json!({ "locks": [{ "id": lock["id"], "fence": lock["fence"] }] });
    lead.post(format!("/commits/{again}/revert"), &shown).expect(200);
    assert_eq!(server.read("f"), "new");
    worker.post("/commits/99/revert", &json!({})).problem(404, "unknown_commit");
    for nothing in [json!({}), json!({ "of": {} }), json!({ "of": { "commits": [] } })] {
        worker.post("/revert", &nothing).problem(422, "invalid_request");
    }
}

#[test]
fn the_same_request_takes_back_once() {
    let server = TestServer::builder().file("d/f", "old").start();
    let worker = server.worker();
    let moved = worker.post("/fs/move", &json!({ "from": "d", "to": "e" })).expect(200)["commit"].clone();
    let path = format!("/commits/{moved}/revert");
    let undone = worker.post_keyed("k", &path, &json!({})).expect(200);
    let again = worker.post_keyed("k", &path, &json!({})).expect(200);
    assert_eq!((&again["commit"], server.read("d/f").as_str()), (&undone["commit"], "old"), "{again}");
    worker.post_keyed("k", &path, &json!({ "locks": [] })).problem(422, "key_reused");
}

#[test]
fn what_others_built_on_is_told_and_not_forced() {
    let server = TestServer::builder().file("f", "old").file("g", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let body = json!({ "files": [
        { "path": "f", "content": "new", "expected": "*" },
        { "path": "g", "content": "new", "expected": "*" },
    ] });
    let commit = worker.post("/fs/write", &body).expect(200)["commit"].as_u64().unwrap();
    let theirs = write(&other, "f", "theirs");
    let refused = worker.post(format!("/commits/{commit}/revert"), &json!({})).problem(409, "built_on");
    assert_eq!(refused["conflicts"].as_array().unwrap().len(), 1, "{refused}");
    let conflict = &refused["conflicts"][0];
    assert_eq!(
        (&conflict["path"], &conflict["agent"], &conflict["commit"]),
        (&json!("f"), &json!("other"), &json!(theirs))
    );
    assert_eq!((server.read("f"), server.read("g")), ("theirs".into(), "new".into()));
}

#[test]
fn everything_an_agent_did_in_a_task_is_taken_back_while_others_work() {
    let server = TestServer::builder().file("shared/0", "old").start();
    let (worker, other) = (server.worker(), server.agent("other", "worker", "full"));
    let task = worker.make(&json!({ "title": "t" }));
    worker.claim(&json!({ "task": task }));
    let before = tree(&server, "shared");
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let busy = scope.spawn({
            let other = other.clone();
            move || {
                let mut count = 0;
                // Until the other end is gone.
                while stopped.try_recv() == Err(TryRecvError::Empty) {
                    write(&other, &format!("theirs/{}", count % 7), &count.to_string());
                    count += 1;
                }
                count
            }
        });
        for n in 0..50_u32 {
            match n % 5 {
                0 => drop(worker.run_with(json!({ "argv": ["cp", "shared/0", format!("shared/copy{n}")] }))),
                1 => drop(write(&worker, &format!("shared/new/{n}"), &n.to_string())),
                2 => drop(write(&worker, "shared/0", &n.to_string())),
                3 => {
                    let (from, to) = (format!("shared/copy{}", n - 3), format!("shared/m/{n}"));
                    worker.post("/fs/move", &json!({ "from": from, "to": to })).expect(200);
                }
                _ => {
                    let path = format!("shared/new/{}", n - 3);
                    worker.post("/fs/delete", &json!({ "path": path })).expect(200);
                }
            }
        }
        let commits = worker.get(format!("/commits?task={task}&limit=1000")).expect(200);
        assert_eq!(commits["commits"].as_array().unwrap().len(), 50);
        assert_ne!(tree(&server, "shared"), before);
        let undone =
            worker.post("/revert", &json!({ "of": { "task": task, "agent": "worker" } })).expect(200);
        assert_eq!(undone["reverted"].as_array().unwrap().len(), 50, "{undone}");
        assert_eq!(tree(&server, "shared"), before);
        drop(stop);
        assert!(busy.join().unwrap() > 0);
    });
    // It is one commit, and once more does it all again.
    let last =
        worker.get(format!("/commits?task={task}&limit=1")).expect(200)["commits"][0]["commit"].clone();
    revert(&worker, last.as_u64().unwrap());
    assert_eq!(server.read("shared/0"), "47");
    // Of what somebody else changed since, nothing is forced.
    write(&other, "shared/0", "theirs");
    let of = json!({ "of": { "task": task } });
    let refused = worker.post("/revert", &of).problem(409, "built_on");
    assert!(refused["conflicts"].as_array().unwrap().iter().any(|it| it["path"] == "shared/0"), "{refused}");
    assert_eq!(server.read("shared/0"), "theirs");
}

#[test]
fn a_dry_run_shows_what_it_would_change() {
    let server = TestServer::builder().file("f", "one\n").file("g", "old\n").start();
    let worker = server.worker();
    let argv = ["fixture-write", "append:f=two\n", "truncate:new=new\n", "remove:g"];
    let run = worker.run_with(json!({ "argv": argv, "publish": "never" }))["id"].as_str().unwrap().to_owned();
    let told = worker.get(format!("/runs/{run}/diff")).expect(200);
    let diffs: Vec<_> =
        told["paths"].as_array().unwrap().iter().map(|path| path["diff"].as_str().unwrap()).collect();
    assert_eq!(
        diffs,
        [
            "--- a/f\n+++ b/f\n@@ -1 +1,2 @@\n one\n+two\n",
            "--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n",
            "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n",
        ],
        "{told}"
    );
    server.agent("other", "worker", "full").get(format!("/runs/{run}/diff")).problem(404, "nothing_kept");
}

/// The files beneath a directory, and what they hold.
fn tree(server: &TestServer, directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left = vec![server.path(directory)];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.push((path.display().to_string(), "/".into()));
                left.push(path);
            } else {
                let content = std::fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), content));
            }
        }
    }
    found.sort();
    found
}
