//! The project as a tar stream, read by the `tar` that everybody has.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use longhouse_tests::{Agent, TestServer};
use serde_json::json;

/// Unpacks an archive over what is there, and does what its whiteouts say. Returns up to which commit it goes.
fn unpack(agent: &Agent, query: &str, into: &Path) -> u64 {
    let answer = agent.get(format!("/fs/archive?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let through = answer.headers["longhouse-commit"].to_str().unwrap().parse().unwrap();
    let listed = tar(&["-t"], into, &answer.bytes);
    for name in listed.lines() {
        let (parent, name) = name.rsplit_once('/').unwrap_or(("", name));
        if name == ".wh..wh..opq" {
            fs::remove_dir_all(into.join(parent)).unwrap();
        } else if let Some(gone) = name.strip_prefix(".wh.") {
            let gone = into.join(parent).join(gone);
            let _ = fs::remove_file(&gone).or_else(|_| fs::remove_dir_all(&gone));
        }
    }
    tar(&["-x", "--exclude=.wh.*"], into, &answer.bytes);
    through
}

fn tar(arguments: &[&str], dir: &Path, bytes: &[u8]) -> String {
    let mut command = Command::new("tar");
    command.args(arguments).args(["-f", "-"]).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// What is there: a file with its content and whether it can be executed, a link with its target, a directory.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let stat = fs::symlink_metadata(&path).unwrap();
            let what = if name == ".longhouse" {
                continue;
            } else if stat.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if stat.is_dir() {
                left.push(path);
                "/".to_owned()
            } else {
                let executable = stat.permissions().mode() & 0o100 != 0;
                format!("{executable} {}", fs::read_to_string(&path).unwrap())
            };
            found.insert(name, what);
        }
    }
    found
}

fn project() -> TestServer {
    let long = "a long name ".repeat(20);
    let server = TestServer::builder()
        .file("src/main.rs", "fn main() {}")
        .file("src/deep/er/x", "x")
        .file("old/a", "a")
        .file("old/b/c", "c")
        .file(&format!("{}/f", long.trim()), "with a long name")
        .file("run.sh", "echo")
        .file("hidden/key", "key")
        .profile("some", "commands = [\"*\"]\n[profiles.some.files]\nread = [\"**\"]\ndeny = [\"hidden\"]")
        .start();
    fs::create_dir(server.path("empty")).unwrap();
    fs::set_permissions(server.path("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/main.rs", server.path("link")).unwrap();
    server
}

#[test]
fn all_of_a_project_is_in_its_archive() {
    let server = project();
    let (worker, to) = (server.worker(), tempfile::tempdir().unwrap());
    unpack(&worker, "", to.path());
    assert_eq!(tree(to.path()), tree(server.dir()));
    let part = tempfile::tempdir().unwrap();
    unpack(&worker, "path=src/deep", part.path());
    assert_eq!(
        tree(part.path()).into_keys().collect::<Vec<_>>(),
        ["src", "src/deep", "src/deep/er", "src/deep/er/x"]
    );
    worker.get("/fs/archive?path=none").problem(404, "not_found");
}

#[test]
fn what_was_changed_since_brings_a_copy_up_to_date() {
    let server = project();
    let worker = server.worker();
    let write = |path: &str, content: &str| {
        let body = json!({ "path": path, "content": content, "expected": "*" });
        worker.post("/fs/write", &body).expect(200);
    };
    write("first", "before");
    let copy = tempfile::tempdir().unwrap();
    let mut through = unpack(&worker, "", copy.path());
    let steps: [&dyn Fn(); 6] = [
        &|| write("src/main.rs", "fn main() { work() }"),
        &|| {
            worker.post("/fs/move", &json!({ "from": "old", "to": "new/place" })).expect(200);
            write("new/place/a", "moved and changed");
        },
        &|| {
            worker.post("/fs/delete", &json!({ "path": "src/deep" })).expect(200);
            worker.post("/fs/mkdir", &json!({ "path": "old/again" })).expect(200);
        },
        &|| {
            worker.post("/fs/delete", &json!({ "path": "new" })).expect(200);
            write("new/place/other", "nothing else is here any more");
        },
        &|| {
            worker.run(["rm", "link"]);
            worker.run(["cp", "run.sh", "copy.sh"]);
        },
        &|| {
            fs::write(server.path("first"), "by somebody outside").unwrap();
            worker.post("/fs/rescan", &json!({})).expect(200);
        },
    ];
    for (step, change) in steps.into_iter().enumerate() {
        change();
        through = unpack(&worker, &format!("since={through}"), copy.path());
        assert_eq!(tree(copy.path()), tree(server.dir()), "step {step}");
    }
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(unpack(&worker, &format!("since={through}"), nothing.path()), through);
    assert!(tree(nothing.path()).is_empty());
}

#[test]
fn an_archive_has_what_its_reader_may_read() {
    let server = project();
    let (worker, some) = (server.worker(), server.agent("some", "observer", "some"));
    let to = tempfile::tempdir().unwrap();
    let through = unpack(&some, "", to.path());
    assert!(tree(server.dir()).contains_key("hidden/key") && to.path().join("src/main.rs").is_file());
    assert!(!to.path().join("hidden").exists());
    worker.post("/fs/delete", &json!({ "path": "hidden/key" })).expect(200);
    worker.post("/fs/write", &json!({ "path": "hidden/more", "content": "" })).expect(200);
    let since = some.get(format!("/fs/archive?since={through}"));
    assert_eq!(tar(&["-t"], to.path(), &since.bytes), "");
    let refusals = server.admin().get("/audit?agent=some").expect(200);
    assert_eq!(refusals["refusals"], json!([]), "it did not ask for what was hidden");
}
