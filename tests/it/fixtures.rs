//! Guests that misbehave, one test each: none takes the server with it, none gets what it should not have.

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

/// A fixture without a test of its name does not compile.
macro_rules! assert_test_exists {
    ($($name:ident)*) => { $(const _: fn() = $name;)* };
}
longhouse_artifacts::foreach_fixture!(assert_test_exists);

const LIMITS: &str = "wall = \"1s\"\ncpu = \"10s\"\nmemory = \"64MiB\"\noutput = \"64KiB\"\nfiles = 50";

fn server() -> TestServer {
    TestServer::builder().limits("tight", LIMITS).file("a/in.txt", "inside\n").start()
}

fn tight(server: &TestServer) -> Agent {
    server.agent("tight", "worker", "tight")
}

fn still_works(agent: &Agent) {
    assert_eq!(agent.run(["echo", "well"])["stdout"], "well\n");
}

fn outcome(reply: &Value) -> &str {
    reply["outcome"]["kind"].as_str().unwrap()
}

#[test]
fn echo() {
    assert_eq!(tight(&server()).run(["fixture-echo", "a", "b c"])["stdout"], "a b c\n");
}

#[test]
fn attempt() {
    // What it tries where it may not is in `hostile.rs`.
    let server = server();
    let agent = tight(&server);
    assert_eq!(agent.run(["fixture-attempt", "read", "a/in.txt"])["stdout"], "ok inside\n\n");
    let refused = agent.run(["fixture-attempt", "read", "../a"]);
    assert_eq!(refused["outcome"], json!({ "kind": "exited", "code": 1 }), "{refused}");
}

#[test]
fn cat() {
    let server = server();
    let reply = tight(&server).run_with(json!({ "argv": ["fixture-cat"], "stdin": "x".repeat(10_000) }));
    assert_eq!(reply["stdout"].as_str().unwrap().len(), 10_000);
}

#[test]
fn exit_code() {
    let reply = tight(&server()).run(["fixture-exit-code", "7"]);
    assert_eq!(reply["outcome"], json!({ "kind": "exited", "code": 7 }));
}

#[test]
fn spin() {
    let server = server();
    let agent = tight(&server);
    let reply = agent.run(["fixture-spin"]);
    assert_eq!(outcome(&reply), "timed_out");
    assert!(reply["consumption"]["cpu_ms"].as_f64().unwrap() > 100.0, "it did spin: {reply}");
    still_works(&agent);
}

#[test]
fn spin_on_cpu_limit() {
    let server = TestServer::builder().limits("cpu", "wall = \"60s\"\ncpu = \"300ms\"").start();
    let agent = server.agent("a", "worker", "cpu");
    let reply = agent.run(["fixture-spin"]);
    assert_eq!(outcome(&reply), "timed_out");
    assert!(reply["consumption"]["wall_ms"].as_f64().unwrap() < 30_000.0, "{reply}");
}

#[test]
fn allocate() {
    let server = server();
    let agent = tight(&server);
    let reply = agent.run_with(json!({ "argv": ["fixture-allocate"] }));
    assert_eq!(outcome(&reply), "out_of_memory", "{reply}");
    let peak = reply["consumption"]["peak_memory_bytes"].as_u64().unwrap();
    assert!((32 << 20..=64 << 20).contains(&peak), "{reply}");
    still_works(&agent);
}

#[test]
fn flood() {
    let server = server();
    let agent = tight(&server);
    let reply = agent.run(["fixture-flood"]);
    assert_eq!(reply["truncated"], true);
    assert_eq!(reply["stdout"].as_str().unwrap().len(), 64 << 10, "what fits is kept");
    assert_eq!(outcome(&reply), "timed_out", "a flood is discarded, not a trap");
    still_works(&agent);
}

#[test]
fn trap() {
    let server = server();
    let agent = tight(&server);
    let reply = agent.run(["fixture-trap"]);
    assert_eq!(outcome(&reply), "trapped");
    assert!(reply["outcome"]["reason"].as_str().unwrap().contains("unreachable"), "{reply}");
    still_works(&agent);
}

#[test]
fn sleep() {
    let server = server();
    let agent = tight(&server);
    let reply = agent.run(["fixture-sleep", "600000"]);
    assert_eq!(outcome(&reply), "timed_out", "{reply}");
    assert!(reply["consumption"]["cpu_ms"].as_f64().unwrap() < 500.0, "it was blocked, not busy: {reply}");
    still_works(&agent);
}

#[test]
fn escape() {
    let server = server();
    for (link, target) in
        [("abs", "/etc"), ("up", ".."), ("file", "/etc/passwd"), ("chain", "up"), ("a/deep", "../../..")]
    {
        std::os::unix::fs::symlink(target, server.path(link)).unwrap();
    }
    let reply = tight(&server).run(["fixture-escape", "abs", "up", "file", "chain", "a/deep"]);
    refused_every_time(&reply, 10);
    assert!(!reply["stdout"].as_str().unwrap().contains("root:"), "{reply}");
}

#[test]
fn open_many() {
    let server = server();
    let agent = tight(&server);
    let reply = agent.run(["fixture-open-many"]);
    assert_eq!(outcome(&reply), "exited", "{reply}");
    let opened = reply["consumption"]["files_opened"].as_u64().unwrap();
    assert!((40..=60).contains(&opened), "{reply}");
    still_works(&agent);
}

#[test]
fn hidden() {
    let server = server();
    for (link, target) in [("l", ".longhouse"), ("a/l", "../.longhouse"), ("t", ".longhouse/admin.token")] {
        std::os::unix::fs::symlink(target, server.path(link)).unwrap();
    }
    let before = std::fs::read_to_string(server.path(".longhouse/longhouse.toml")).unwrap();
    let reply = tight(&server).run(["fixture-hidden", "l", "a/l", "t"]);
    refused_every_time(&reply, 20);
    assert_eq!(std::fs::read_to_string(server.path(".longhouse/longhouse.toml")).unwrap(), before);
    server.worker().run(["echo"]);
}

#[test]
fn write() {
    let server = server();
    let agent = tight(&server);
    let acts =
        ["truncate:new=1", "append:new=2", "read:new", "replace:new=3", "read:new", "remove:new", "exit:7"];
    let argv = [&["fixture-write"][..], &acts].concat();
    let reply = agent.run_with(serde_json::json!({ "argv": argv }));
    assert_eq!((&reply["outcome"]["code"], &reply["stdout"]), (&7.into(), &"12\n3\n".into()), "{reply}");
    assert_eq!(reply["changes"]["status"], "nothing", "{reply}");
}

/// A fixture that prints `OP PATH -> ok|ERROR` for each attempt was refused each of at least `least` times.
fn refused_every_time(reply: &Value, least: usize) {
    assert_eq!(outcome(reply), "exited", "{reply}");
    let attempts: Vec<_> =
        reply["stdout"].as_str().unwrap().lines().filter(|line| line.contains(" -> ")).collect();
    assert!(attempts.len() >= least, "only {} attempts: {reply}", attempts.len());
    let successes: Vec<_> = attempts.iter().filter(|line| line.ends_with("-> ok")).collect();
    assert!(successes.is_empty(), "{successes:#?}");
}
