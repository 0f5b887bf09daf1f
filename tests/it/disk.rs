//! A server that may write nothing any more: it refuses, says why, can be read, and recovers by itself.

use std::path::Path;
use std::process::Child;

use longhouse_tests::{longhouse, native, serve_without_tools};
use reqwest::blocking::Client;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};

/// A server whose writes fail beyond a limit, and do not end it.
struct Server {
    process: Child,
    base: String,
    http: Client,
    token: String,
}

impl Server {
    fn start(dir: &Path, token: &str) -> Self {
        const IGNORING_SIGXFSZ: &str = "trap '' 25; exec \"$0\" \"$@\"";
        let mut shell = native(Path::new("/bin/sh"));
        shell.args(["-c", IGNORING_SIGXFSZ]).arg(longhouse().get_program());
        let (process, address) = serve_without_tools(shell, dir);
        let base = format!("{address}/v1/projects/disk");
        Self { process, base, http: Client::new(), token: token.to_owned() }
    }

    /// The most bytes that a file which it writes may have; `None` for as many as before.
    fn limit(&self, most: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: most.or(maximum), maximum };
        prlimit(Pid::from_child(&self.process).into(), Resource::Fsize, limit).expect("it may be limited");
    }

    /// Asks for a task; the status, and the code of a refusal.
    fn create(&self, title: &str) -> (u16, Option<String>) {
        let request = self.http.post(format!("{}/tasks", self.base)).bearer_auth(&self.token);
        let answer =
            request.header("Idempotency-Key", title).json(&json!({ "title": title })).send().unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().unwrap()["code"].as_str().map(str::to_owned))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.send().unwrap();
        (answer.status().as_u16(), answer.json().unwrap())
    }

    fn titles(&self) -> Vec<String> {
        let (status, page) = self.get("/tasks");
        assert_eq!(status, 200, "{page}");
        let tasks = page["tasks"].as_array().unwrap();
        tasks.iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect()
    }

    fn kill(mut self) {
        self.process.kill().expect("the server is alive");
        self.process.wait().expect("the server ends");
    }
}

#[test]
fn a_server_that_cannot_write_can_be_read_and_recovers() {
    longhouse::outbound::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("disk");
    std::fs::create_dir(&dir).unwrap();
    let init = longhouse().arg("init").arg(&dir).output().unwrap();
    let token = String::from_utf8(init.stdout).unwrap().trim().to_owned();
    let server = Server::start(&dir, &token);
    assert_eq!(server.create("before"), (201, None));
    server.limit(Some(0));
    let unknown = server.create("during");
    assert_eq!(unknown, (503, Some("commit_unknown".to_owned())));
    let refused = (503, Some("storage_failed".to_owned()));
    assert_eq!(server.create("during"), refused);
    assert_eq!(server.titles(), ["before"]);
    until(|| server.get("/locks").0 == 200);
    assert_eq!(server.create("during"), refused, "what it shows it may not change");
    server.limit(None);
    until(|| {
        let answer = server.create("during");
        assert!(answer == (201, None) || answer == refused, "{answer:?}");
        answer.0 == 201
    });
    assert_eq!(server.titles(), ["before", "during"]);
    server.kill();
    let server = Server::start(&dir, &token);
    assert_eq!(server.titles(), ["before", "during"]);
    server.kill();
}

fn until(mut is_so: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < 30, "it took too long");
        std::thread::yield_now();
    }
}
