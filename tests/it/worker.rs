//! `longhouse worker`: programs that work on tasks, and what becomes of the tasks.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use longhouse_tests::{Agent, TestServer, longhouse};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A supervisor that runs a shell script for each task, in a directory of the test's own.
fn worker(agent: &Agent, dir: &Path, options: &[&str], script: &str) -> Command {
    let mut command = longhouse();
    command.arg("worker").args(options).args(["--run", "/bin/sh", "--", "-c", script]).current_dir(dir);
    command
        .env("LONGHOUSE_URL", agent.base())
        .env("LONGHOUSE_TOKEN", agent.token())
        .env("PATH", "/usr/bin:/bin");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Lets it work until there is nothing to claim.
fn work(agent: &Agent, dir: &Path, options: &[&str], script: &str) -> Output {
    worker(agent, dir, &[options, &["--until-idle"]].concat(), script).output().unwrap()
}

/// A supervisor that goes on; killed when the test ends before it does.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn ended_well(mut self) {
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Mostly it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the program of the first task has said `begun`.
fn until_begun(agent: &Agent) {
    while agent.task("t1")["progress"]["message"] != "begun" {
        std::thread::yield_now();
    }
}

fn notes(agent: &Agent, id: &str) -> Vec<(String, String)> {
    let task = agent.task(id);
    let text = |note: &Value, field: &str| note[field].as_str().unwrap().to_owned();
    task["notes"].as_array().unwrap().iter().map(|note| (text(note, "kind"), text(note, "text"))).collect()
}

#[test]
fn a_program_is_told_its_task_and_its_output_is_the_result() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "build it", "description": "with care" }));
    let script = "cat > told.json; env > env.txt; echo '[1/2] half'; echo whole";
    let output = work(&agent, dir.path(), &[], script);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("t1 | [1/2] half\nt1 | whole\n"), "{shown}");

    let task = agent.task("t1");
    assert_eq!(task["status"], "completed", "{task}");
    assert_eq!(notes(&agent, "t1"), [("result".to_owned(), "[1/2] half\nwhole".to_owned())]);
    let told: Value = serde_json::from_slice(&std::fs::read(dir.path().join("told.json")).unwrap()).unwrap();
    assert_eq!((&told["title"], &told["description"]), (&json!("build it"), &json!("with care")), "{told}");
    let env = std::fs::read_to_string(dir.path().join("env.txt")).unwrap();
    for expected in [
        format!("LONGHOUSE_URL={}", agent.base()),
        "LONGHOUSE_TASK=t1".to_owned(),
        format!("LONGHOUSE_FENCE={}", told["fence"]),
    ] {
        assert!(env.lines().any(|line| line == expected), "{expected} is not in\n{env}");
    }
}

#[test]
fn the_exit_code_says_what_becomes_of_the_task() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    for title in ["well", "badly", "later"] {
        agent.make(&json!({ "title": title, "max_attempts": 1 }));
    }
    let script = "case $LONGHOUSE_TITLE in
        badly) echo 'no such luck' >&2; exit 3;;
        later) [ -e again ] || { touch again; echo 'not yet'; exit 75; };;
    esac";
    assert!(work(&agent, dir.path(), &[], script).status.success());
    assert_eq!(agent.task("t1")["status"], "completed");
    assert_eq!(agent.task("t2")["status"], "failed");
    let failure = notes(&agent, "t2").pop().unwrap();
    assert_eq!(failure, ("failure".to_owned(), "exit status: 3\nno such luck".to_owned()));
    assert_eq!(agent.task("t3")["status"], "completed");
    let handed_on = notes(&agent, "t3");
    assert_eq!(handed_on[0], ("hand_off".to_owned(), "not yet".to_owned()), "{handed_on:?}");
}

#[test]
fn work_that_fails_its_check_is_done_again_by_who_was_told_why() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "t", "verify": ["cat", "done.txt"] }));
    let script = format!(
        "if grep -q 'done.txt' told 2>/dev/null; then exit 9; fi; cat > told; \
         if grep -q '\"check\"' told; then echo yes > {}; fi; rm told",
        server.path("done.txt").display()
    );
    assert!(work(&agent, dir.path(), &[], &script).status.success());
    assert_eq!(agent.task("t1")["status"], "completed", "{:?}", notes(&agent, "t1"));

    agent.make(&json!({ "title": "hopeless", "verify": ["cat", "never.txt"], "max_attempts": 1 }));
    assert!(work(&agent, dir.path(), &["--corrections", "1"], "true").status.success());
    assert_eq!(agent.task("t2")["status"], "failed");
    let failure = notes(&agent, "t2").pop().unwrap();
    assert_eq!(failure.1, "its check failed 2 times in a row");
}

#[test]
fn told_to_stop_it_finishes_what_runs_and_claims_no_more() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "first" }));
    agent.make(&json!({ "title": "second" }));
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        dir.path().join("go"),
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let child = Running::start(worker(&agent, dir.path(), &[], "echo begun; cat go"));
    until_begun(&agent);
    child.signal(Signal::TERM);
    std::fs::write(dir.path().join("go"), "done\n").unwrap();
    child.ended_well();
    assert_eq!(agent.task("t1")["status"], "completed");
    assert_eq!(agent.task("t2")["status"], "pending");
}

#[test]
fn told_twice_it_stops_what_runs_and_gives_the_task_back() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "endless" }));
    let child = Running::start(worker(&agent, dir.path(), &[], "echo begun; sleep 1000"));
    until_begun(&agent);
    child.signal(Signal::TERM);
    child.signal(Signal::INT);
    child.ended_well();
    let task = agent.task("t1");
    assert_eq!((&task["status"], &task["lost_count"]), (&json!("pending"), &json!(0)), "{task}");
    assert_eq!(notes(&agent, "t1"), [("hand_off".to_owned(), "its worker was told to stop".to_owned())]);
}

#[test]
fn a_cancelled_tasks_program_is_stopped() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "not wanted" }));
    let child = Running::start(worker(&agent, dir.path(), &["--ttl", "3s"], "sleep 1000"));
    agent.wait_for("t1", "task.claimed");
    agent.post("/tasks/t1/cancel", &json!({})).expect(200);
    agent.wait_for("t1", "task.cancelled");
    child.signal(Signal::TERM);
    child.ended_well();
}

#[test]
fn the_task_of_a_worker_that_vanishes_goes_to_the_next() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "t" }));
    let child = Running::start(worker(&agent, dir.path(), &["--ttl", "1s"], "echo begun; exec sleep 20"));
    until_begun(&agent);
    drop(child);
    let other = server.skilled("other", &[]);
    let child = Running::start(worker(&other, dir.path(), &[], "true"));
    agent.wait_for("t1", "task.completed");
    child.signal(Signal::TERM);
    child.ended_well();
    assert_eq!(agent.task("t1")["lost_count"], 1);
}

#[test]
fn a_program_that_cannot_be_started_ends_the_worker_and_not_the_task() {
    let server = TestServer::start();
    let (agent, dir) = (server.worker(), tempfile::tempdir().unwrap());
    agent.make(&json!({ "title": "t" }));
    let mut command = longhouse();
    command.args(["worker", "--run", "/no/such/program"]).current_dir(dir.path());
    command.env("LONGHOUSE_URL", agent.base()).env("LONGHOUSE_TOKEN", agent.token());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot start /no/such/program"), "{said}");
    assert_eq!(agent.task("t1")["status"], "pending");
}

#[test]
fn a_worker_without_rights_says_so() {
    let server = TestServer::start();
    let (stranger, dir) = (server.stranger(Some("lh_nobody")), tempfile::tempdir().unwrap());
    let output = work(&stranger, dir.path(), &[], "true");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ask the server's admin"), "{said}");
}
