//! What a profile grants of the files: over HTTP and to commands alike.

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

/// `beth` works on the backend, may look at the docs, and shall know nothing of the rest.
fn backend() -> (TestServer, Agent) {
    let server = TestServer::builder()
        .file("backend/main.rs", "main")
        .file("backend/.env", "TOKEN=1")
        .file("backend/secrets/key", "key")
        .file("docs/guide.md", "guide")
        .file("docs/draft/next.md", "next")
        .file("frontend/app.js", "app")
        .profile(
            "backend",
            "commands = [\"*\"]\n[profiles.backend.files]\n\
             read = [\"backend/**\", \"docs/*.md\"]\nwrite = [\"backend/**\"]\ndelete = [\"backend/tmp/**\"]\n\
             deny = [\"**/.env*\", \"backend/secrets\"]",
        )
        .profile("narrow", "commands = [\"*\"]\n[profiles.narrow.files]\nread = [\"docs/**\"]")
        .start();
    let beth = server.agent("beth", "worker", "backend");
    (server, beth)
}

const HIDDEN: [&str; 5] =
    ["backend/.env", "backend/secrets", "backend/secrets/key", "frontend/app.js", "docs/draft/next.md"];

fn paths(listing: &Value) -> Vec<&str> {
    listing["entries"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

#[test]
fn over_http_only_what_is_granted_exists() {
    let (server, beth) = backend();
    let listing = beth.get("/fs/list?depth=9").expect(200);
    assert_eq!(paths(&listing), ["backend", "backend/main.rs", "docs", "docs/guide.md"]);
    assert_eq!(beth.get("/files/docs/guide.md").bytes, b"guide");
    let worker = server.worker();
    for path in HIDDEN {
        beth.get(format!("/files/{path}")).problem(404, "not_found");
        beth.get(format!("/fs/stat?path={path}")).problem(404, "not_found");
        beth.get(format!("/fs/list?path={path}")).problem(404, "not_found");
        assert!(worker.get(format!("/fs/stat?path={path}")).status != 404 || path.contains(".env"));
    }
}

#[test]
fn what_exists_and_may_not_be_read_says_so() {
    let server = TestServer::builder()
        .file("log.txt", "old")
        .profile("writer", "commands = [\"*\"]\n[profiles.writer.files]\nwrite = [\"log.txt\"]")
        .start();
    let wes = server.agent("wes", "worker", "writer");
    let problem = wes.get("/files/log.txt").problem(403, "not_granted");
    assert_eq!((&problem["verb"], &problem["path"]), (&json!("read"), &json!("log.txt")), "{problem}");
    assert_eq!(wes.run_with(json!({ "argv": ["tee", "log.txt"], "stdin": "new" }))["outcome"]["code"], 0);
    assert_eq!(server.read("log.txt"), "new");
}

#[test]
fn a_command_sees_and_changes_no_more_than_its_agent_may() {
    let (server, beth) = backend();
    assert_eq!(beth.run(["ls", "-A", "backend"])["stdout"], "main.rs\n");
    assert_eq!(
        beth.run(["rg", "--files", "--hidden", "--sort", "path"])["stdout"],
        "backend/main.rs\ndocs/guide.md\n"
    );
    for path in HIDDEN {
        let said = beth.run(["cat", path]);
        assert!(said["stderr"].as_str().unwrap().contains("No such file"), "{path}: {said}");
    }
    for (argv, what) in [
        (&["touch", "docs/guide.md"][..], "changed"),
        (&["tee", "docs/new.md"], "created"),
        (&["tee", "backend/.env.local"], "created though denied"),
        (&["mkdir", "backend/secrets2/../secrets"], "made in the way of what is hidden"),
        (&["rm", "backend/main.rs"], "deleted"),
        (&["mv", "backend/main.rs", "backend/other.rs"], "moved away"),
        (&["cp", "backend/main.rs", "docs/guide.md"], "overwritten"),
        (&["tee", "frontend/app.js"], "overwritten unseen"),
        (&["mv", "backend", "elsewhere"], "moved with what is hidden in it"),
    ] {
        let ended = beth.run_with(json!({ "argv": argv }));
        assert_ne!(ended["outcome"]["code"], 0, "{argv:?} {what}: {ended}");
    }
    assert_eq!(beth.run(["mkdir", "backend/tmp"])["outcome"]["code"], 0);
    assert_eq!(beth.run(["cp", "docs/guide.md", "backend/tmp/a"])["outcome"]["code"], 0);
    assert_eq!(beth.run(["rm", "backend/tmp/a"])["outcome"]["code"], 0);
    for (path, content) in [
        ("backend/main.rs", "main"),
        ("backend/.env", "TOKEN=1"),
        ("backend/secrets/key", "key"),
        ("docs/guide.md", "guide"),
        ("frontend/app.js", "app"),
    ] {
        assert_eq!(server.read(path), content, "{path}");
    }
    for path in ["docs/new.md", "backend/.env.local", "backend/other.rs", "elsewhere"] {
        assert!(!server.path(path).exists(), "{path}");
    }
}

#[test]
fn a_guest_that_tries_every_way_reaches_nothing_hidden() {
    let (server, beth) = backend();
    std::os::unix::fs::symlink("../backend/secrets", server.path("docs/way.md")).unwrap();
    std::os::unix::fs::symlink("secrets/key", server.path("backend/way")).unwrap();
    let hidden =
        ["fixture-escape", "backend/secrets", "frontend", "docs/draft", "docs/way.md", "backend/way"];
    let said = beth.run(hidden);
    let lines: Vec<&str> = said["stdout"].as_str().unwrap().lines().collect();
    assert!(lines.len() > 150, "{said}");
    // Upwards from the root there is the root, and its listing shows what every listing does.
    let reached = |line: &&&str| line.ends_with("-> ok") && !line.contains(" .. ") && !line.contains("/..");
    assert_eq!(lines.iter().filter(reached).collect::<Vec<_>>(), [&""; 0]);
    assert_eq!(server.read("backend/secrets/key"), "key");
}

#[test]
fn a_profile_that_changes_is_in_force_at_once() {
    let server = TestServer::builder()
        .file("a.txt", "a")
        .profile("some", "commands = [\"*\"]\n[profiles.some.files]\nread = [\"**\"]")
        .start();
    let sam = server.agent("sam", "worker", "some");
    assert_eq!(sam.get("/files/a.txt").bytes, b"a");
    let narrower = "[profiles.some]\ncommands = [\"*\"]\n[profiles.some.files]\nread = [\"b\"]\n";
    server.reload(narrower, "the configuration was reloaded");
    sam.get("/files/a.txt").problem(404, "not_found");
    assert_ne!(sam.run(["cat", "a.txt"])["outcome"]["code"], 0);
}

#[test]
fn a_run_is_narrowed_and_never_widened() {
    let (server, beth) = backend();
    let narrowed = |argv: &[&str], narrow: Value| {
        let reply = beth.run_with(json!({ "argv": argv, "narrow": narrow }));
        (reply["outcome"]["code"].as_u64().unwrap(), reply["changes"]["status"].clone())
    };
    let only_a = json!({ "write": ["backend/a/**"], "deny": ["backend/main.rs"] });
    let made = narrowed(&["mkdir", "-p", "backend/a/b"], only_a.clone());
    assert_eq!(made, (0, json!("committed")));
    for argv in [&["mkdir", "backend/other"][..], &["cat", "backend/main.rs"], &["ls", "backend/main.rs"]] {
        assert_ne!(narrowed(argv, only_a.clone()).0, 0, "{argv:?}");
    }
    assert_eq!(narrowed(&["cat", "docs/guide.md"], only_a).0, 0);
    let everything = json!({ "read": ["**"], "write": ["**"], "create": ["**"], "delete": ["**"] });
    for argv in [&["cat", "frontend/app.js"][..], &["cat", "backend/.env"], &["rm", "backend/main.rs"]] {
        assert_ne!(narrowed(argv, everything.clone()).0, 0, "{argv:?}");
    }
    let nothing = json!({ "write": [] });
    assert_ne!(narrowed(&["mkdir", "backend/c"], nothing).0, 0);
    assert!(!server.path("backend/other").exists() && !server.path("backend/c").exists());
    for wrong in [json!({ "write": ["a["] }), json!({ "writes": [] })] {
        let body = json!({ "argv": ["true"], "narrow": wrong });
        beth.post("/runs", &body).problem(422, "invalid_request");
    }
}

#[test]
fn events_name_the_paths_that_their_reader_may_read() {
    let (server, beth) = backend();
    let body = json!({ "files": [
        { "path": "frontend/new.js", "content": "x" },
        { "path": "backend/new.rs", "content": "x" },
    ] });
    server.worker().post("/fs/write", &body).expect(200);
    let paths = |agent: &Agent| {
        let page = agent.get("/events?types=commit.published&wait_ms=50000").expect(200);
        let data = page["events"][0]["data"].clone();
        assert_eq!((&data["count"], &data["commit"]), (&json!(2), &json!(1)), "{page}");
        data["paths"].clone()
    };
    assert_eq!(paths(&server.admin()), json!(["frontend/new.js", "backend/new.rs"]));
    assert_eq!(paths(&beth), json!(["backend/new.rs"]));
}

#[test]
fn what_a_run_says_is_for_those_who_may_read_what_it_read() {
    let (server, beth) = backend();
    let coordinators = [
        server.agent("wide", "coordinator", "full"),
        server.agent("peer", "coordinator", "backend"),
        server.agent("narrow", "coordinator", "narrow"),
        server.agent("boss", "admin", "narrow"),
    ];
    let run = beth.run(["cat", "backend/main.rs"]);
    let id = run["id"].as_str().unwrap();
    let whole = coordinators.each_ref().map(|agent| {
        let (found, listed) = (agent.get(format!("/runs/{id}")).expect(200), agent.get("/runs").expect(200));
        let output = agent.get(format!("/runs/{id}/output")).expect(200);
        let listed = &listed["runs"][0];
        assert_eq!((&found["agent"], &listed["id"], &output["id"]), (&json!("beth"), &run["id"], &run["id"]));
        assert_eq!(found["outcome"]["code"], 0, "{found}");
        let is_whole = found["stdout"] == "main";
        for told in [&found, listed, &output] {
            assert_eq!(told["argv"] == run["argv"], is_whole, "{told}");
            assert_eq!(told.get("changes").is_some(), is_whole, "{told}");
            assert_eq!(told["hidden"] == true, !is_whole, "{told}");
        }
        assert_eq!(output["output"][0]["text"] == "main", is_whole, "{output}");
        is_whole
    });
    assert_eq!(whole, [true, true, false, true]);
}
