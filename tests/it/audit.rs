//! What was refused for want of a right is on record.

use std::os::unix::fs::symlink;

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

fn server() -> TestServer {
    TestServer::builder()
        .file("secrets/key", "key")
        .file("shown", "shown")
        .profile(
            "narrow",
            "commands = [\"cat\", \"stat\", \"ls\", \"touch\"]\n[profiles.narrow.files]\nread = [\"**\"]\n\
             write = [\"mine/**\"]\ndeny = [\"secrets\"]",
        )
        .start()
}

fn refusals(admin: &Agent, query: &str) -> Vec<Value> {
    admin.get(format!("/audit{query}")).expect(200)["refusals"].as_array().unwrap().clone()
}

/// The one refusal of this, by this rule.
fn only<'a>(refusals: &'a [Value], act: &str, rule: &str) -> &'a Value {
    let mut found = refusals.iter().filter(|refusal| refusal["act"] == act && refusal["rule"] == rule);
    let first = found.next().unwrap_or_else(|| panic!("no {act} by {rule} in {refusals:#?}"));
    assert!(found.next().is_none(), "{act} by {rule} twice in {refusals:#?}");
    first
}

#[test]
fn what_a_run_was_refused_is_added_up_by_rule() {
    let server = server();
    symlink("/etc", server.path("etc")).unwrap();
    symlink("secrets", server.path("way")).unwrap();
    let (ann, admin) = (server.agent("ann", "worker", "narrow"), server.admin());
    let run = ann.run(["cat", "secrets/key", "secrets/none", "way/key", "etc/passwd", "../up", "shown"]);
    assert_eq!(run["outcome"]["code"], 1, "{run}");
    let id = run["id"].as_str().unwrap();
    let of_run = refusals(&admin, &format!("?run={id}"));
    let denied = only(&of_run, "read", "files.deny: secrets");
    // What is there and what is not are refused alike; the way to it is told as it is without links.
    assert_eq!((&denied["agent"], &denied["run"], &denied["count"]), (&json!("ann"), &json!(id), &json!(3)));
    assert_eq!(denied["named"], json!(["secrets/key", "secrets/none", "secrets"]), "{denied}");
    let outside = only(&of_run, "read", "outside the project");
    assert_eq!(outside["named"], json!(["etc", "../up"]), "{outside}");
    assert_eq!(of_run.len(), 2, "{of_run:#?}");

    // What is listed without it is no refusal.
    let listed = ann.run(["ls", "/"]);
    let listed = refusals(&admin, &format!("?run={}", listed["id"].as_str().unwrap()));
    assert!(listed.is_empty(), "{listed:#?}");
    let made = ann.run(["touch", "elsewhere"]);
    let made = refusals(&admin, &format!("?run={}", made["id"].as_str().unwrap()));
    assert_eq!(only(&made, "create", "files.write")["named"], json!(["elsewhere"]), "{made:?}");
}

#[test]
fn calls_are_on_record_too_and_outlive_the_server() {
    let server = server();
    let ann = server.agent("ann", "worker", "narrow");
    for n in 0..30 {
        ann.get(format!("/files/secrets/{n}")).problem(404, "not_found");
    }
    ann.get("/files/.longhouse/longhouse.db").problem(404, "not_found");
    ann.get("/fs/stat?path=../x").problem(403, "path_outside_project");
    ann.put("/files/shown", &json!({})).problem(428, "version_required");
    let body = json!({ "path": "shown", "content": "", "expected": "*" });
    ann.post("/fs/write", &body).problem(403, "not_granted");
    ann.post("/runs", &json!({ "argv": ["rm", "shown"] })).problem(403, "command_denied");
    ann.post("/queue/pause", &json!({})).problem(403, "role_too_low");
    ann.get("/audit").problem(403, "role_too_low");

    let server = server.restart();
    let all = refusals(&server.admin(), "?agent=ann");
    let denied = only(&all, "read", "files.deny: secrets");
    assert_eq!((&denied["run"], &denied["count"]), (&Value::Null, &json!(30)));
    assert_eq!(denied["named"].as_array().unwrap().len(), 20, "{denied}");
    assert_eq!(only(&all, "read", "the server's own")["count"], 1);
    assert_eq!(only(&all, "read", "outside the project")["named"], json!(["../x"]));
    assert_eq!(only(&all, "write", "files.write")["named"], json!(["shown"]));
    assert_eq!(only(&all, "run", "commands")["named"], json!(["rm"]));
    let calls = only(&all, "call", "role: worker");
    let project = format!("/v1/projects/{}", server.project());
    assert_eq!(
        calls["named"],
        json!([format!("POST {project}/queue/pause"), format!("GET {project}/audit")]),
        "{calls}"
    );
    assert_eq!(all.len(), 6, "{all:#?}");

    // In pages, the latest first.
    let page = server.admin().get("/audit?limit=4").expect(200);
    let rest = server.admin().get(format!("/audit?before={}", page["next"])).expect(200);
    let count = |page: &Value| page["refusals"].as_array().unwrap().len();
    assert_eq!((count(&page), count(&rest), &rest["next"]), (4, 2, &Value::Null));
    server.admin().get("/audit?act=look").problem(422, "invalid_request");
}
