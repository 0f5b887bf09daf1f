//! Who gets in, and as what.

use longhouse::http::{Needs, public_routes};
use longhouse_core::Role;
use longhouse_tests::TestServer;
use serde_json::{Value, json};

#[test]
fn without_a_good_token_nothing_is_answered() {
    let server = TestServer::start();
    for token in [None, Some(""), Some("nonsense"), Some("lh_0000000000000000000000000000000000000000000")] {
        let stranger = server.stranger(token);
        stranger.get("/runs").problem(401, "unauthenticated");
        stranger.post("/runs", &json!({ "argv": ["echo"] })).problem(401, "unauthenticated");
        stranger.get("/files/README.md").problem(401, "unauthenticated");
        stranger.get("/no/such/route").problem(401, "unauthenticated");
    }
}

#[test]
fn a_token_that_was_never_filled_in_is_told_so() {
    let server = TestServer::start();
    let problem = server.stranger(Some("${LONGHOUSE_TOKEN}")).get("/runs").problem(401, "unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("${LONGHOUSE_TOKEN}"), "{problem}");
}

#[test]
fn an_observer_reads_and_does_not_run() {
    let server = TestServer::builder().file("a.txt", "a").start();
    let observer = server.agent("eve", "observer", "full");
    assert_eq!(observer.get("/files/a.txt").bytes, b"a");
    observer.post("/runs", &json!({ "argv": ["echo"] })).problem(403, "role_too_low");
}

#[test]
fn a_worker_cannot_make_agents_and_an_admin_can() {
    let server = TestServer::start();
    let new = json!({ "name": "bob", "role": "worker", "profile": "full" });
    server.worker().post("/admin/agents", &new).problem(403, "role_too_low");
    let made = server.admin().post("/admin/agents", &new).expect(201);
    let bob = server.stranger(made["token"].as_str());
    assert_eq!(bob.run(["echo", "hi"])["stdout"], "hi\n");
    server.admin().post("/admin/agents", &new).problem(409, "agent_exists");
}

#[test]
fn a_revoked_agent_is_out_at_once() {
    let server = TestServer::start();
    let worker = server.worker();
    worker.run(["echo"]);
    assert_eq!(server.admin().delete("/admin/agents/worker").status, 204);
    worker.post("/runs", &json!({ "argv": ["echo"] })).problem(401, "unauthenticated");
}

#[test]
fn tokens_and_agents_outlive_the_server_and_a_crash() {
    let server = TestServer::start();
    let token = server.worker().token().to_owned();
    let server = server.restart();
    server.stranger(Some(&token)).run(["echo"]);
    let server = server.crash();
    server.stranger(Some(&token)).run(["echo"]);
}

#[test]
fn a_profile_decides_which_commands_run() {
    let profile = "commands = [\"echo\"]\n[profiles.talker.files]\nread = [\"**\"]";
    let server = TestServer::builder().profile("talker", profile).start();
    let talker = server.agent("tom", "worker", "talker");
    talker.run(["echo"]);
    let problem = talker.post("/runs", &json!({ "argv": ["ls"] })).problem(403, "command_denied");
    assert!(problem["detail"].as_str().unwrap().contains("echo"), "says what is allowed: {problem}");
}

#[test]
fn every_route_lets_in_the_roles_it_names_and_no_others() {
    let server = TestServer::start();
    let agents = Role::ALL.map(|role| (role, server.agent(&format!("a-{role}"), role.as_str(), "full")));
    for (method, path, needs) in public_routes() {
        let Needs::Role(needs) = needs else { continue };
        let path = path.strip_prefix("/v1/projects/{project}").expect("a route with a role is a project's");
        let path = path.replace("{id}", "r9-9").replace("{name}", "nobody").replace("{*path}", "none");
        for (role, agent) in &agents {
            let answer = agent.send(agent.request(method.clone(), &path));
            let problem: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
            let refused = answer.status == 403 && problem["code"] == "role_too_low";
            assert_eq!(refused, *role < needs, "{role} on {method} {path}: {}", answer.status);
            assert_ne!(answer.status, 401, "{role} on {method} {path}");
        }
        let stranger = server.stranger(None);
        stranger.send(stranger.request(method.clone(), &path)).problem(401, "unauthenticated");
    }
}
