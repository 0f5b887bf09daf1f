//! The checks of submitted work.

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

/// Makes a task with this check, does nothing for it, and submits.
fn submit(worker: &Agent, verify: impl Into<Value>) -> (String, Value) {
    let verify: Value = verify.into();
    let id = worker.make(&json!({ "title": "t", "verify": verify }));
    let grant = worker.claim(&json!({ "task": id }));
    let submitted =
        worker.post(format!("/tasks/{id}/submit"), &json!({ "fence": grant["fence"] })).expect(200);
    assert_eq!(submitted["task"]["status"], "verifying");
    (id, grant)
}

fn what_the_check_said(worker: &Agent, id: &str) -> String {
    worker.wait_for(id, "task.check_failed");
    let task = worker.task(id);
    assert_eq!(task["status"], "in_progress", "{task}");
    let notes = task["notes"].as_array().unwrap();
    notes.iter().find(|note| note["kind"] == "check").unwrap()["text"].as_str().unwrap().to_owned()
}

#[test]
fn work_that_passes_its_check_is_completed() {
    let server = TestServer::builder().file("done.txt", "all done\n").start();
    let worker = server.worker();
    let (id, _) = submit(&worker, json!(["cat", "done.txt"]));
    worker.wait_for(&id, "task.completed");
    let task = worker.task(&id);
    assert_eq!(task["status"], "completed");
    assert_eq!(task["notes"][0]["text"], "all done\n", "{task}");
}

#[test]
fn a_check_may_be_a_command_line() {
    let server = TestServer::builder().file("a.txt", "TODO\nrest\n").start();
    let worker = server.worker();
    let (id, _) = submit(&worker, "! cat *.txt | rg TODO");
    assert!(what_the_check_said(&worker, &id).contains("exited with 1\nTODO"));
    let refused = json!({ "title": "t", "verify": 7 });
    let problem = worker.post("/tasks", &refused).problem(422, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("a command line"), "{problem}");
}

#[test]
fn work_that_fails_its_check_goes_back_to_its_holder_with_what_the_check_said() {
    let server = TestServer::start();
    let worker = server.worker();
    let (id, grant) = submit(&worker, json!(["cat", "done.txt"]));
    let said = what_the_check_said(&worker, &id);
    assert!(said.contains("exited with 1") && said.contains("done.txt"), "{said}");
    worker.run(["touch", "done.txt"]);
    // The same fence is still good.
    worker.post(format!("/tasks/{id}/complete"), &json!({ "fence": grant["fence"] })).expect(200);
    worker.wait_for(&id, "task.completed");
}

#[test]
fn a_check_changes_nothing() {
    let server = TestServer::builder().file("a.txt", "a").start();
    let worker = server.worker();
    let (id, _) = submit(&worker, json!(["rm", "a.txt"]));
    what_the_check_said(&worker, &id);
    assert_eq!(server.read("a.txt"), "a");
}

#[test]
fn a_check_that_cannot_run_says_why() {
    let server = TestServer::builder()
        .profile("cat-only", "commands = [\"cat\"]\n[profiles.cat-only.files]\nread = [\"**\"]")
        .start();
    let worker = server.worker();
    let (id, _) = submit(&worker, json!(["no-such-command"]));
    assert!(what_the_check_said(&worker, &id).contains("no-such-command"));
    // It runs under the profile of who made the task, not of who works on it.
    let maker = server.agent("maker", "worker", "cat-only");
    let id = maker.make(&json!({ "title": "t", "verify": ["echo", "hi"] }));
    let grant = worker.claim(&json!({ "task": id }));
    worker.post(format!("/tasks/{id}/complete"), &json!({ "fence": grant["fence"] })).expect(200);
    let said = what_the_check_said(&worker, &id);
    assert!(said.contains("cat-only"), "{said}");
}

#[test]
fn a_check_that_a_crash_cut_off_is_run_again() {
    let server = TestServer::start();
    let worker = server.worker();
    let (id, _) = submit(&worker, json!(["sleep", "1"]));
    let token = worker.token().to_owned();
    let server = server.crash();
    let worker = server.stranger(Some(&token));
    worker.wait_for(&id, "task.completed");
}

#[test]
fn a_check_outlives_the_leases_of_who_made_the_task() {
    let server = TestServer::start();
    let (boss, worker) = (server.admin(), server.worker());
    let own = boss.make(&json!({ "title": "own" }));
    let held = boss.claim(&json!({ "task": own }));
    let id = boss.make(&json!({ "title": "t", "verify": ["sleep", "1"] }));
    let grant = worker.claim(&json!({ "task": id }));
    worker.post(format!("/tasks/{id}/submit"), &json!({ "fence": grant["fence"] })).expect(200);
    while boss.get("/runs").expect(200)["runs"].as_array().unwrap().is_empty() {
        std::thread::yield_now();
    }
    boss.post(format!("/tasks/{own}/complete"), &json!({ "fence": held["fence"] })).expect(200);
    worker.wait_for(&id, "task.completed");
    assert_eq!(worker.task(&id)["notes"], json!([]), "it was said to have failed");
}

#[test]
fn a_check_by_an_agent_is_a_task_of_its_own() {
    let server = TestServer::start();
    let (worker, judge) = (server.worker(), server.skilled("judge", &["review"]));
    let id = worker.make(&json!({ "title": "t", "verify_by": "review" }));
    let grant = worker.claim(&json!({}));
    let submit =
        || worker.post(format!("/tasks/{id}/submit"), &json!({ "fence": grant["fence"] })).expect(200);
    submit();
    let check = judge.claim(&json!({}));
    assert_eq!(check["parent"], *id, "{check}");
    let path = format!("/tasks/{}", check["id"].as_str().unwrap());
    let no = json!({ "fence": check["fence"], "reason": "no tests" });
    judge.post(format!("{path}/fail"), &no).expect(200);
    assert_eq!(what_the_check_said(&worker, &id), "no tests");
    submit();
    let check = judge.claim(&json!({}));
    let path = format!("/tasks/{}", check["id"].as_str().unwrap());
    judge.post(format!("{path}/complete"), &json!({ "fence": check["fence"], "result": "good" })).expect(200);
    assert_eq!(worker.task(&id)["status"], "completed");
}
