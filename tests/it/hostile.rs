//! Every way to a file, with every trick to reach what may not be reached: none succeeds, and what differs from it in the
//! one thing that the trick is about does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::TryRecvError;

use longhouse_tests::{Agent, Answer, TestServer};
use reqwest::Method;
use rustix::fs::{RenameFlags, renameat_with};
use serde_json::{Value, json};

/// What a guest tries, and with what in a directory.
const VERBS: [(&str, &str); 19] = [
    ("read", "/f"),
    ("stat", "/f"),
    ("lstat", "/f"),
    ("list", ""),
    ("write", "/f"),
    ("append", "/f"),
    ("truncate", "/f"),
    ("create", "/new"),
    ("mkdir", "/new"),
    ("remove", "/f"),
    ("rmdir", "/sub"),
    ("rename-from", "/f"),
    ("rename-from", "/sub"),
    ("rename-to", "/new"),
    ("rename-over", "/f"),
    ("copy-from", "/f"),
    ("link-from", "/f"),
    ("link-to", "/new"),
    ("symlink-to", "/f"),
];

/// A project with things that are out of reach, and others like them that are not. Each directory has a file `f`, which says
/// `SECRET` where nobody may read it, one called `SECRET`, and an empty directory `sub`.
struct Yard {
    server: TestServer,
    guest: Agent,
    outside: tempfile::TempDir,
    /// What it is about, the directory out of reach, and the one like it.
    tricks: Vec<(&'static str, String, &'static str)>,
}

impl Yard {
    fn new() -> Self {
        let outside = tempfile::Builder::new().prefix("outside-").tempdir().unwrap();
        let server = TestServer::builder()
            .file("d/e/x", "")
            .profile(
                "guest",
                "commands = [\"*\"]\n[profiles.guest.files]\nread = [\"**\"]\nwrite = [\"**\"]\ndeny = [\"secrets\"]",
            )
            .start();
        let out = outside.path().to_str().unwrap().to_owned();
        let beside = format!("../{}", outside.path().file_name().unwrap().to_str().unwrap());
        for (link, target) in [
            ("out", beside.clone()),
            ("abs", out.clone()),
            ("d/out", format!("../{beside}")),
            ("chain1", "chain2".into()),
            ("chain2", "d/out".into()),
            ("loop1", "loop2".into()),
            ("loop2", "loop1".into()),
            ("private", ".longhouse/trap".into()),
            ("denied", "secrets".into()),
            ("denied1", "d/denied2".into()),
            ("d/denied2", "../denied".into()),
            ("proc", "/proc/self/root".into()),
            ("in", "twin".into()),
            ("d/in", "../twin".into()),
            ("in1", "in2".into()),
            ("in2", "d/in".into()),
            ("other", ".otherhouse".into()),
        ] {
            symlink(target, server.path(link)).unwrap();
        }
        let tricks = [
            ("up", beside.clone(), "d/../twin"),
            ("up from below", format!("d/e/../../{beside}"), "d/e/../../twin"),
            ("absolute", out.clone(), "/twin"),
            ("link out", "out".into(), "in"),
            ("link out, from below", "d/out".into(), "d/in"),
            ("link out, dotted", "d/../out/.".into(), "d/../in/."),
            ("absolute link", "abs".into(), "in"),
            ("chain", "chain1".into(), "in1"),
            ("loop", "loop1".into(), "in1"),
            ("private", ".longhouse/trap".into(), ".otherhouse"),
            ("private, dotted", "d/.././.longhouse//trap".into(), "d/.././.otherhouse/"),
            ("link to private", "private".into(), "other"),
            ("denied", "secrets".into(), "twin"),
            ("denied, dotted", "d/..//secrets/.".into(), "d/..//twin/."),
            ("link to denied", "denied".into(), "in"),
            ("chain to denied", "denied1".into(), "in1"),
            ("process", format!("proc{out}"), "in"),
        ];
        let guest = server.agent("guest", "worker", "guest");
        let yard = Self { server, guest, outside, tricks: tricks.into() };
        for directory in yard.out_of_reach() {
            fill(&directory, "a word of SECRET");
        }
        yard.refill();
        yard
    }

    fn out_of_reach(&self) -> [PathBuf; 3] {
        [self.outside.path().into(), self.server.path("secrets"), self.server.path(".longhouse/trap")]
    }

    /// What is within reach is again as it was.
    fn refill(&self) {
        for directory in ["twin", ".otherhouse"] {
            let directory = self.server.path(directory);
            let _ = fs::remove_dir_all(&directory);
            fill(&directory, "a word");
        }
        let taken = self.server.path("taken");
        let _ = fs::remove_file(&taken).or_else(|_| fs::remove_dir_all(&taken));
        fs::write(self.server.path("mine"), "mine").unwrap();
    }

    /// Nothing that is out of reach was changed, and nothing was taken from it.
    fn assert_unharmed(&self, attempt: &str) {
        for directory in self.out_of_reach() {
            let mut names: Vec<_> =
                fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["SECRET", "f", "sub"], "{attempt}: {}", directory.display());
            assert_eq!(fs::read_to_string(directory.join("f")).unwrap(), "a word of SECRET", "{attempt}");
        }
        assert!(fs::symlink_metadata(self.server.path("taken")).is_err(), "{attempt}: something was taken");
        assert_eq!(self.server.read("mine"), "mine", "{attempt}");
    }
}

fn fill(directory: &Path, content: &str) {
    fs::create_dir_all(directory.join("sub")).unwrap();
    fs::write(directory.join("f"), content).unwrap();
    fs::write(directory.join("SECRET"), "").unwrap();
}

#[test]
fn no_guest_reaches_what_it_may_not() {
    let yard = Yard::new();
    let run = |verb: &str, path: String, publish: &str| {
        yard.guest.run_with(json!({ "argv": ["fixture-attempt", verb, path], "publish": publish }))
    };
    let mut attempts = 0;
    for (trick, hostile, harmless) in &yard.tricks {
        for (verb, name) in VERBS {
            let attempt = format!("{verb} {hostile}{name} ({trick})");
            let reply = run(verb, format!("{hostile}{name}"), "on_success");
            assert_eq!(reply["outcome"], json!({ "kind": "exited", "code": 1 }), "{attempt}: {reply}");
            assert!(!reply.to_string().contains("SECRET"), "{attempt}: {reply}");
            attempts += 1;
            // No link may be absolute.
            if (*trick, verb) == ("absolute", "symlink-to") {
                continue;
            }
            let reply = run(verb, format!("{harmless}{name}"), "never");
            assert_eq!(reply["outcome"]["code"], 0, "{verb} {harmless}{name} ({trick}): {reply}");
        }
        yard.assert_unharmed(trick);
    }
    println!("{attempts} attempts");
    let listed = run("list", ".".into(), "never")["stdout"].as_str().unwrap().to_owned();
    assert!(
        listed.contains("twin") && !listed.contains("secrets") && !listed.contains(".longhouse"),
        "{listed}"
    );
}

/// Something that is tried over HTTP with a directory; whether it succeeded.
type Request = (&'static str, fn(&Agent, &str) -> bool);

const REQUESTS: [Request; 22] = [
    ("GET file", |agent, at| ok(agent.get(file(at, "/f")))),
    ("HEAD file", |agent, at| ok(agent.send(agent.request(Method::HEAD, &file(at, "/f"))))),
    ("GET part", |agent, at| {
        ok(agent.send(agent.request(Method::GET, &file(at, "/f")).header("range", "bytes=0-3")))
    }),
    ("stat", |agent, at| ok(agent.get(format!("/fs/stat?path={}", encoded(at, "/f"))))),
    ("stat directory", |agent, at| ok(agent.get(format!("/fs/stat?path={}", encoded(at, "/sub"))))),
    ("list", |agent, at| ok(agent.get(format!("/fs/list?path={}", encoded(at, ""))))),
    ("read", |agent, at| ok(agent.post("/fs/read", &json!({ "path": format!("{at}/f") })))),
    ("read several", |agent, at| {
        let read = agent.post("/fs/read", &json!({ "files": [{ "path": format!("{at}/f") }] })).expect(200);
        read["files"][0]["text"].is_string()
    }),
    ("glob", |agent, at| found(agent.post("/fs/glob", &json!({ "pattern": "f", "path": at })), "entries")),
    ("grep", |agent, at| found(agent.post("/fs/grep", &json!({ "pattern": "word", "path": at })), "files")),
    ("PUT new", |agent, at| put(agent, at, "/new", None)),
    ("PUT over", |agent, at| put(agent, at, "/f", Some("*"))),
    ("DELETE", |agent, at| {
        ok(agent.send(agent.request(Method::DELETE, &file(at, "/f")).header("if-match", "*")))
    }),
    ("write new", |agent, at| post(agent, "write", json!({ "path": format!("{at}/new"), "content": "x" }))),
    ("write over", |agent, at| {
        post(agent, "write", json!({ "path": format!("{at}/f"), "content": "x", "expected": "*" }))
    }),
    ("edit", |agent, at| {
        let path = format!("{at}/f");
        post(agent, "edit", json!({ "path": path, "old_string": "word", "new_string": "x" }))
    }),
    ("move from", |agent, at| post(agent, "move", json!({ "from": format!("{at}/f"), "to": "taken" }))),
    ("move to", |agent, at| post(agent, "move", json!({ "from": "mine", "to": format!("{at}/new") }))),
    ("move over", |agent, at| {
        post(agent, "move", json!({ "from": "mine", "to": format!("{at}/f"), "expected": "*" }))
    }),
    ("delete", |agent, at| post(agent, "delete", json!({ "path": format!("{at}/sub") }))),
    ("mkdir", |agent, at| post(agent, "mkdir", json!({ "path": format!("{at}/new") }))),
    ("run there", |agent, at| ok(agent.post("/runs", &json!({ "argv": ["true"], "cwd": at })))),
];

/// A path as one component of an address, so that no client makes it shorter.
fn encoded(at: &str, name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let encode = |c: char| if plain(c) { c.to_string() } else { format!("%{:02X}", u32::from(c)) };
    format!("{at}{name}").chars().map(encode).collect()
}

fn file(at: &str, name: &str) -> String {
    format!("/files/{}", encoded(at, name))
}

fn ok(answer: Answer) -> bool {
    assert!(answer.status < 500, "{answer:?}");
    answer.status < 300
}

fn found(answer: Answer, what: &str) -> bool {
    answer.status == 200 && answer.expect(200)[what].as_array().is_some_and(|found| !found.is_empty())
}

fn post(agent: &Agent, what: &str, body: Value) -> bool {
    ok(agent.post(format!("/fs/{what}"), &body))
}

fn put(agent: &Agent, at: &str, name: &str, over: Option<&str>) -> bool {
    let request = agent.request(Method::PUT, &file(at, name)).body("x");
    ok(agent.send(match over {
        Some(over) => request.header("if-match", over),
        None => request,
    }))
}

#[test]
fn no_request_reaches_what_its_agent_may_not() {
    let yard = Yard::new();
    let mut attempts = 0;
    // To a request, an absolute path is one from the project's root, where it may make what is missing.
    for (trick, hostile, harmless) in yard.tricks.iter().filter(|(trick, ..)| *trick != "absolute") {
        for (verb, request) in REQUESTS {
            let attempt = format!("{verb} {hostile} ({trick})");
            assert!(!request(&yard.guest, hostile), "{attempt}");
            yard.assert_unharmed(&attempt);
            attempts += 1;
            assert!(request(&yard.guest, harmless), "{verb} {harmless} ({trick}) is refused");
            yard.refill();
        }
    }
    println!("{attempts} attempts");
}

/// Has a guest at work in `real` for that long, while another exchanges it with a link again and again.
fn race(yard: &Yard, target: &str, milliseconds: u64) -> Value {
    let root = fs::File::open(yard.server.dir()).unwrap();
    for name in ["real", "evil"] {
        let path = yard.server.path(name);
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
    fs::create_dir(yard.server.path("real")).unwrap();
    fs::write(yard.server.path("real/f"), "mine").unwrap();
    symlink(target, yard.server.path("evil")).unwrap();
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                renameat_with(&root, "real", &root, "evil", RenameFlags::EXCHANGE).unwrap();
            }
        });
        let argv = ["fixture-attempt", "race", "real", "SECRET", &milliseconds.to_string()];
        let reply = yard.guest.run_with(json!({ "argv": argv, "wait_ms": 50_000 }));
        drop(stop);
        reply
    })
}

#[test]
fn no_race_leads_to_what_may_not_be_reached() {
    let yard = Yard::new();
    // Where nothing forbids it, it is reached at once.
    fill(&yard.server.path("open"), "a word of SECRET");
    let reply = race(&yard, "open", 5_000);
    assert!(reply["stdout"].as_str().unwrap().starts_with("leaked"), "{reply}");
    let outside = yard.tricks[0].1.clone();
    for target in [&*outside, ".longhouse/trap", "secrets"] {
        let reply = race(&yard, target, 10_000);
        let said = reply["stdout"].as_str().unwrap();
        println!("{target}: {said}");
        assert!(said.starts_with("ok "), "{target}: {reply}");
        yard.assert_unharmed(target);
    }
}
