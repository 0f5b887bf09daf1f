//! The server as a process.

use std::thread;

use longhouse_tests::TestServer;
use serde_json::json;

#[test]
fn it_says_that_it_is_alive_and_ready() {
    let server = TestServer::start();
    assert_eq!(server.anybody().get("/healthz").status, 200);
    let ready = server.anybody().get("/readyz").expect(200);
    assert!(ready.to_string().contains("tools"), "{ready}");
}

#[test]
fn tools_are_listed_with_their_commands_and_hashes() {
    let server = TestServer::start();
    let tools = server.worker().get("/tools").expect(200);
    let tools = tools["tools"].as_array().unwrap();
    let rg = tools.iter().find(|tool| tool["name"] == "rg").unwrap_or_else(|| panic!("{tools:?}"));
    assert_eq!(rg["commands"], json!(["rg"]));
    assert_eq!(rg["hash"].as_str().unwrap().len(), 64);
}

#[test]
fn stopping_lets_a_short_run_end_and_answers_its_caller() {
    let mut server = TestServer::start();
    let worker = server.worker();
    let caller = worker.clone();
    let waiting = thread::spawn(move || caller.run(["sleep", "1"]));
    while worker.get("/runs").expect(200)["runs"].as_array().unwrap().is_empty() {
        thread::yield_now();
    }
    server.terminate();
    assert_eq!(waiting.join().unwrap()["outcome"], json!({ "kind": "exited", "code": 0 }));
}

#[test]
fn many_agents_at_once_each_get_their_own_answer() {
    let server = TestServer::builder().limits("many", "runs = 64").start();
    thread::scope(|scope| {
        for n in 0..8 {
            let agent = server.agent(&format!("agent-{n}"), "worker", "many");
            scope.spawn(move || {
                for m in 0..25 {
                    let said = format!("{n}-{m}");
                    assert_eq!(agent.run(["echo", &said])["stdout"], format!("{said}\n"));
                }
            });
        }
    });
}

#[test]
fn profiles_are_reloaded_on_hangup_and_a_mistake_changes_nothing() {
    let server = TestServer::builder().profile("p", "commands = [\"echo\"]").start();
    let agent = server.agent("a", "worker", "p");
    let status = |argv: &str| agent.post("/runs", &json!({ "argv": [argv] })).status;
    assert_eq!((status("echo"), status("true")), (200, 403));
    server.reload("[profiles.p]\ncommands = [\"true\"]\n", "the configuration was reloaded");
    assert_eq!((status("echo"), status("true")), (403, 200));
    server.reload("[profiles.p]\ncommands = \"everything\"\n", "the configuration was not reloaded");
    assert_eq!((status("echo"), status("true")), (403, 200));
}
