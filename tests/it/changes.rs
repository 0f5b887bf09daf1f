//! Changing files over HTTP: at once or not at all, by who may, and never over what one has not seen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use longhouse_tests::{Agent, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

fn put(agent: &Agent, path: &str, content: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = agent.request(Method::PUT, &format!("/files/{path}")).body(content.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    agent.send(request)
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_put_only_over_what_its_author_has_seen() {
    let server = TestServer::builder().file("old.txt", "old").start();
    let worker = server.worker();
    let made = put(&worker, "a/b/new.txt", "one", &[]);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(server.read("a/b/new.txt"), "one");
    let required = put(&worker, "old.txt", "mine", &[]).problem(428, "version_required");
    let seen = tag(&worker.get("/files/old.txt"));
    assert_eq!(format!("{:?}", required["current_version"].as_str().unwrap()), seen);
    std::fs::write(server.path("old.txt"), "theirs").unwrap();
    let stale = put(&worker, "old.txt", "mine", &[("if-match", &seen)]).problem(412, "stale_write");
    assert_eq!(stale["path"], "old.txt");
    assert_eq!(server.read("old.txt"), "theirs");
    let seen = tag(&worker.get("/files/old.txt"));
    let done = put(&worker, "old.txt", "mine", &[("if-match", &seen)]);
    assert_eq!((done.status, server.read("old.txt").as_str()), (200, "mine"));
    assert_eq!(tag(&done), tag(&worker.get("/files/old.txt")));
    assert_eq!(put(&worker, "old.txt", "x", &[("if-none-match", "*")]).status, 412);
    put(&worker, "old.txt", "x", &[("if-match", "nonsense")]).problem(422, "invalid_request");
    let delete = |headers: &[(&str, &str)]| {
        let request = worker.request(Method::DELETE, "/files/old.txt");
        worker.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    delete(&[]).problem(428, "version_required");
    delete(&[("if-match", &seen)]).problem(412, "stale_write");
    delete(&[("if-match", &tag(&done))]).expect(200);
    assert!(!server.path("old.txt").exists());
    // The last event may come a little after the answer.
    let mut after = 0;
    for commit in 1..=3 {
        let page =
            worker.get(format!("/events?types=commit.published&after={after}&wait_ms=50000")).expect(200);
        assert_eq!(page["events"][0]["data"]["commit"], commit, "{page}");
        after = page["events"][0]["seq"].as_u64().unwrap();
    }
}

#[test]
fn several_changes_are_made_at_once_or_not_at_all() {
    let server = TestServer::builder().file("a.txt", "a").file("d/b.txt", "b").start();
    let worker = server.worker();
    let both =
        json!({ "files": [{ "path": "x.txt", "content": "x" }, { "path": "a.txt", "content": "new" }] });
    worker.post("/fs/write", &both).problem(428, "version_required");
    assert!(!server.path("x.txt").exists());
    let both = json!({ "files": [
        { "path": "x.txt", "content": "x", "expected": "absent" },
        { "path": "a.txt", "base64": "bmV3", "expected": "*", "executable": true },
    ] });
    let done = worker.post("/fs/write", &both).expect(200);
    assert_eq!((&done["commit"], done["files"].as_array().unwrap().len()), (&json!(1), 2));
    assert_eq!((server.read("x.txt").as_str(), server.read("a.txt").as_str()), ("x", "new"));
    assert!(done["files"][1]["version"].as_str().unwrap().starts_with('x'), "it can be executed: {done}");
    let again =
        worker.post("/fs/write", &json!({ "path": "x.txt", "content": "x", "expected": "*" })).expect(200);
    assert_eq!(again["commit"], Value::Null, "it was so already");
    let moves = json!({ "moves": [{ "from": "d", "to": "e" }, { "from": "x.txt", "to": "f/y.txt" }] });
    worker.post("/fs/move", &moves).expect(200);
    assert_eq!((server.read("e/b.txt").as_str(), server.read("f/y.txt").as_str()), ("b", "x"));
    worker.post("/fs/mkdir", &json!({ "path": "g/h" })).expect(200);
    worker.post("/fs/delete", &json!({ "files": [{ "path": "e" }, { "path": "f" }] })).expect(200);
    assert!(server.path("g/h").is_dir() && !server.path("e").exists() && !server.path("f").exists());
    worker.post("/fs/delete", &json!({ "path": "none" })).problem(404, "not_found");
    for form in [
        json!({ "path": "a" }),
        json!({ "path": "a", "content": "a", "files": [] }),
        json!({ "path": "a", "content": "a", "expected": "newest" }),
        json!({ "path": "a", "content": "a", "task": "t1" }),
        json!({ "path": "a", "content": "a", "mode": 7 }),
        json!({ "files": [{ "path": "a", "content": "1" }, { "path": "a", "content": "2" }] }),
    ] {
        worker.post("/fs/write", &form).problem(422, "invalid_request");
    }
    worker.post("/fs/write", &json!({ "path": ".longhouse/x", "content": "" })).problem(404, "not_found");
    worker.post("/fs/write", &json!({ "path": "../x", "content": "" })).problem(403, "path_outside_project");
}

#[test]
fn text_is_edited_where_it_is_found_once() {
    let server = TestServer::builder().file("a.rs", "one\ntwo\nthree\nfour\nfive\nsix\none\n").start();
    let worker = server.worker();
    let edit = |form: Value| worker.post("/fs/edit", &form);
    let done = edit(json!({ "path": "a.rs", "old_string": "four\n", "new_string": "4\n" })).expect(200);
    assert_eq!(server.read("a.rs"), "one\ntwo\nthree\n4\nfive\nsix\none\n");
    assert_eq!((&done["first_line"], &done["replaced"]), (&json!(1), &json!(1)));
    assert!(done["text"].as_str().unwrap().contains("three\n4\nfive\n"), "{done}");
    assert_eq!(format!("{:?}", done["version"].as_str().unwrap()), tag(&worker.get("/files/a.rs")));
    let twice = edit(json!({ "path": "a.rs", "old_string": "one", "new_string": "1" }));
    assert_eq!(twice.problem(409, "ambiguous_match")["count"], 2);
    edit(json!({ "path": "a.rs", "old_string": "one", "new_string": "1", "replace_all": true })).expect(200);
    edit(json!({ "path": "a.rs", "old_string": "one", "new_string": "2" })).problem(409, "no_match");
    let several = json!({ "edits": [
        { "path": "a.rs", "old_string": "two", "new_string": "2" },
        { "path": "a.rs", "old_string": "2\nthree", "new_string": "2\n3" },
    ] });
    edit(several).expect(200);
    assert_eq!(server.read("a.rs"), "1\n2\n3\n4\nfive\nsix\n1\n");
    let half = json!({ "edits": [
        { "path": "a.rs", "old_string": "five", "new_string": "5" },
        { "path": "a.rs", "old_string": "seven", "new_string": "7" },
    ] });
    edit(half).problem(409, "no_match");
    assert!(server.read("a.rs").contains("five"), "the first of them was not made");
    let stale = json!({ "path": "a.rs", "old_string": "five", "new_string": "5", "expected": format!("f{}", "0".repeat(64)) });
    edit(stale).problem(412, "stale_write");
}

#[test]
fn leases_and_locks_guard_files() {
    let server = TestServer::builder().file("src/a.rs", "a").start();
    let boss = server.agent("boss", "coordinator", "full");
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    let lock = anna.post("/locks", &json!({ "paths": ["src/**"] })).expect(201);
    let form = json!({ "path": "src/b.rs", "content": "b" });
    let refused = ben.post("/fs/write", &form).problem(409, "locked");
    assert_eq!(refused["holder"]["agent"], "anna");
    anna.post("/fs/write", &form).expect(200);
    let named = |fence: &Value| json!({ "path": "c.rs", "content": "c", "locks": [{ "id": lock["id"], "fence": fence }] });
    anna.post("/fs/write", &named(&json!(99_999))).problem(409, "stale_lock");
    anna.post("/fs/write", &named(&lock["fence"])).expect(200);
    anna.delete(format!("/locks/{}?fence={}", lock["id"].as_str().unwrap(), lock["fence"]));
    let id = boss.make(&json!({ "title": "t" }));
    let grant = ben.claim(&json!({}));
    let under = |fence: &Value| json!({ "path": "d.rs", "content": "d", "task": id, "fence": fence });
    anna.post("/fs/write", &under(&grant["fence"])).problem(409, "stale_lease");
    ben.post("/fs/write", &under(&json!(99_999))).problem(409, "stale_lease");
    let request = ben.request(Method::PUT, "/files/e.rs").body("e");
    ben.send(request.header("longhouse-fence", format!("{id}:99999"))).problem(409, "stale_lease");
    ben.post("/fs/write", &under(&grant["fence"])).expect(200);
    assert!(!server.path("e.rs").exists());
}

#[test]
fn whoever_lost_a_lease_changes_nothing_until_it_knows() {
    let server = TestServer::start();
    let boss = server.agent("boss", "coordinator", "full");
    let (anna, ben) = (server.skilled("anna", &[]), server.skilled("ben", &[]));
    boss.make(&json!({ "title": "t" }));
    anna.post("/agents/me/heartbeat", &json!({ "ttl_ms": 10_000 })).expect(200);
    anna.claim(&json!({ "ttl_ms": 3_600_000 }));
    ben.claim(&json!({ "wait_ms": 50_000 }));
    let form = json!({ "path": "a.txt", "content": "as if nothing had happened" });
    anna.post("/fs/write", &form).problem(409, "stale_lease");
    anna.get("/brief").expect(200);
    anna.post("/fs/write", &form).expect(200);
}

#[test]
fn a_key_makes_it_one_change() {
    let server = TestServer::start();
    let worker = server.worker();
    let form = json!({ "path": "a.txt", "content": "a" });
    let first = worker.post_keyed("k1", "/fs/write", &form).expect(200);
    let again = worker.post_keyed("k1", "/fs/write", &form).expect(200);
    assert_eq!((&first["commit"], &again["commit"]), (&json!(1), &json!(1)), "{again}");
    worker
        .post_keyed("k1", "/fs/write", &json!({ "path": "b.txt", "content": "b" }))
        .problem(422, "key_reused");
    assert!(!server.path("b.txt").exists());
}

#[test]
fn grants_bound_what_is_changed() {
    let server = TestServer::builder()
        .file("docs/a.md", "a")
        .file("secrets/key", "key")
        .profile(
            "docs",
            "commands = [\"*\"]\n[profiles.docs.files]\nread = [\"**\"]\nwrite = [\"docs/**\"]\ndeny = [\"secrets\"]",
        )
        .start();
    let dora = server.agent("dora", "worker", "docs");
    dora.post("/fs/write", &json!({ "path": "docs/b.md", "content": "b" })).expect(200);
    let refused =
        dora.post("/fs/write", &json!({ "path": "b.md", "content": "b" })).problem(403, "not_granted");
    assert_eq!(refused["verb"], "create");
    for path in ["secrets/key", "secrets/new"] {
        let answer = dora.post("/fs/write", &json!({ "path": path, "content": "x", "expected": "*" }));
        assert!(matches!(answer.status, 403 | 404), "{path}: {answer:?}");
    }
    let moved = dora.post("/fs/move", &json!({ "from": "docs/a.md", "to": "a.md" }));
    moved.problem(403, "not_granted");
    assert_eq!((server.read("secrets/key").as_str(), server.read("docs/a.md").as_str()), ("key", "a"));
    assert!(!server.path("secrets/new").exists());
}

#[test]
fn who_changed_what_is_told_to_those_who_may_read_it() {
    let server = TestServer::builder()
        .profile("docs", "commands = [\"*\"]\n[profiles.docs.files]\nread = [\"docs/**\"]")
        .start();
    let worker = server.worker();
    let dora = server.agent("dora", "observer", "docs");
    let both =
        json!({ "files": [{ "path": "docs/a.md", "content": "a" }, { "path": "src/a.rs", "content": "a" }] });
    worker.post("/fs/write", &both).expect(200);
    worker.post("/fs/move", &json!({ "from": "docs/a.md", "to": "docs/b.md" })).expect(200);
    // A commit is listed as soon as its event is there, which may be a little after the answer.
    let first = worker.get("/events?types=commit.published&wait_ms=50000").expect(200);
    let after = &first["events"][0]["seq"];
    worker.get(format!("/events?types=commit.published&after={after}&wait_ms=50000")).expect(200);
    let listed = worker.get("/commits").expect(200);
    let numbers: Vec<_> =
        listed["commits"].as_array().unwrap().iter().map(|commit| &commit["commit"]).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!((&listed["commits"][0]["agent"], &listed["next"]), (&json!("worker"), &Value::Null));
    let first = worker.get("/commits?limit=1").expect(200);
    assert_eq!((&first["commits"][0]["commit"], &first["next"]), (&json!(2), &json!(2)));
    assert_eq!(worker.get("/commits?before=2").expect(200)["commits"][0]["commit"], 1);
    assert_eq!(worker.get("/commits?path=src/a.rs").expect(200)["commits"][0]["commit"], 1);
    let moved = &worker.get("/commits/2").expect(200)["changes"][0];
    assert_eq!((&moved["operation"], &moved["from"]), (&json!("move"), &json!("docs/a.md")));
    // The directories that were made are changes, too.
    let whole = worker.get("/commits/1").expect(200);
    assert_eq!((whole["changes"].as_array().unwrap().len(), &whole["hidden"]), (4, &json!(0)), "{whole}");
    let some = dora.get("/commits/1").expect(200);
    let paths: Vec<_> =
        some["changes"].as_array().unwrap().iter().map(|change| change["path"].clone()).collect();
    assert_eq!((paths, &some["hidden"]), (vec![json!("docs"), json!("docs/a.md")], &json!(2)));
    assert_eq!(dora.get("/commits?path=src/a.rs").expect(200)["commits"], json!([]));
    worker.get("/commits/3").problem(404, "unknown_commit");
    worker.get("/commits/x").problem(422, "invalid_request");
}

/// Eight agents count in three files, each time adding one to what they saw.
#[test]
fn no_change_is_made_over_one_that_its_author_had_not_seen() {
    let server = TestServer::builder().file("0", "0").file("1", "0").file("2", "0").start();
    let agents: Vec<Agent> = (0..8).map(|n| server.agent(&format!("a{n}"), "worker", "full")).collect();
    let accepted: [AtomicU64; 3] = Default::default();
    thread::scope(|scope| {
        for (nth, agent) in agents.iter().enumerate() {
            let accepted = &accepted;
            scope.spawn(move || {
                for round in 0..60 {
                    let file = (nth + round) % 3;
                    let seen = agent.get(format!("/files/{file}"));
                    let count: u64 = String::from_utf8(seen.bytes.clone()).unwrap().parse().unwrap();
                    let answer =
                        put(agent, &file.to_string(), &(count + 1).to_string(), &[("if-match", &tag(&seen))]);
                    match answer.status {
                        200 => drop(accepted[file].fetch_add(1, Ordering::Relaxed)),
                        412 => {}
                        status => panic!("{status}: {answer:?}"),
                    }
                }
            });
        }
    });
    for (file, accepted) in accepted.iter().enumerate() {
        assert_eq!(server.read(&file.to_string()), accepted.load(Ordering::Relaxed).to_string());
    }
    assert!(accepted.iter().all(|accepted| accepted.load(Ordering::Relaxed) > 20), "{accepted:?}");
}

/// The server is killed while eight agents write: what was acknowledged is there, whole.
#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let mut server = TestServer::start();
    let names: Vec<String> = (0..8).map(|n| format!("a{n}")).collect();
    let mut agents: Vec<Agent> = names.iter().map(|name| server.agent(name, "worker", "full")).collect();
    let mut written = [0_u64; 8];
    for round in 0..6 {
        let stop = AtomicU64::new(0);
        thread::scope(|scope| {
            for (nth, (agent, written)) in agents.iter().zip(&mut written).enumerate() {
                let stop = &stop;
                scope.spawn(move || {
                    loop {
                        let content = format!("{} {}", *written + 1, "x".repeat(5_000 * (nth % 3)));
                        let form =
                            json!({ "path": format!("d{nth}/f"), "content": content, "expected": "*" });
                        match agent.try_post("/fs/write", &form) {
                            Some(200) => *written += 1,
                            Some(status) => panic!("{status}"),
                            None => break,
                        }
                        stop.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while stop.load(Ordering::Relaxed) < 150 {
                thread::yield_now();
            }
            server.kill();
        });
        server = server.start_again();
        agents = agents.iter().map(|agent| server.stranger(Some(agent.token()))).collect();
        for (nth, written) in written.iter_mut().enumerate() {
            let content = server.read(&format!("d{nth}/f"));
            let (count, rest) = content.split_once(' ').unwrap();
            let count: u64 = count.parse().unwrap();
            assert!(count == *written || count == *written + 1, "round {round}: {count} after {written}");
            assert_eq!(rest.len(), 5_000 * (nth % 3), "it is whole");
            *written = count;
        }
    }
    let server = server.restart();
    assert_eq!(
        std::fs::read_dir(server.path(".longhouse/staged")).unwrap().count(),
        0,
        "nothing is left over"
    );
}

#[test]
fn several_files_are_read_as_one_commit_left_them() {
    let server = TestServer::builder().file("a", "0").file("d/b", "0").start();
    let (worker, reader) = (server.worker(), server.agent("reader", "observer", "read-only"));
    let file = |path: &str, n: usize| json!({ "path": path, "content": n.to_string(), "expected": "*" });
    thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let mut n = 1;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                worker.post("/fs/write", &json!({ "files": [file("a", n), file("d/b", n)] })).expect(200);
                n += 1;
            }
        });
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 20 {
            let read = reader.post("/fs/read", &json!({ "files": [{ "path": "a" }, { "path": "d/b" }] }));
            let read = read.expect(200);
            assert_eq!(read["files"][0]["text"], read["files"][1]["text"], "{read}");
            let found = reader.post("/fs/grep", &json!({ "pattern": "." })).expect(200);
            let text = |file: usize| &found["files"][file]["lines"][0]["text"];
            assert_eq!(text(0), text(1), "{found}");
            seen.insert(text(0).as_str().unwrap().to_owned());
        }
        drop(stop);
    });
}
