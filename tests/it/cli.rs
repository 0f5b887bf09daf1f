//! What scripts rely on.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use longhouse_tests::{TestServer, longhouse};

fn run(args: &[&str]) -> Output {
    longhouse().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn init_prepares_a_private_directory_and_prints_the_admins_token() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["init", dir.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).lines().any(|line| line.starts_with("lh_")), "{}", text(&output.stdout));
    let home = dir.path().join(".longhouse");
    assert_eq!(home.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_to_string(home.join(".gitignore")).unwrap().trim(), "*");
}

#[test]
fn init_twice_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let dir_name = dir.path().to_str().unwrap();
    run(&["init", dir_name]);
    let config = dir.path().join(".longhouse/longhouse.toml");
    std::fs::write(&config, "# mine\n").unwrap();
    run(&["init", dir_name]);
    assert_eq!(std::fs::read_to_string(config).unwrap(), "# mine\n");
}

#[test]
fn a_second_server_on_the_same_project_refuses_to_start() {
    let server = TestServer::start();
    let output = run(&["serve", server.dir().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("another longhouse process"), "{}", text(&output.stderr));
    server.worker().run(["echo"]);
}

#[test]
fn an_agent_is_added_with_the_server_running_and_without() {
    let mut server = TestServer::start();
    let dir = server.dir().to_str().unwrap().to_owned();
    let add = |name: &str| {
        run(&[
            "agent",
            "add",
            name,
            "--role",
            "worker",
            "--profile",
            "full",
            "--capability",
            "a,b",
            "--dir",
            &dir,
        ])
    };
    let beside = add("beside");
    assert!(beside.status.success(), "{}", text(&beside.stderr));
    let mode = server.path(".longhouse/control.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    server.terminate();
    let without = add("without");
    assert!(without.status.success(), "{}", text(&without.stderr));
    for output in [&beside, &without] {
        let token = text(&output.stdout);
        assert!(
            token.starts_with("lh_") && token.trim_end().lines().count() == 1,
            "the token alone: {token:?}"
        );
    }
    let again = add("without");
    assert!(!again.status.success() && again.stdout.is_empty());
    assert!(text(&again.stderr).contains("exists"), "{}", text(&again.stderr));
    let unknown = run(&["agent", "add", "x", "--role", "worker", "--profile", "nope", "--dir", &dir]);
    assert!(text(&unknown.stderr).contains("nope"), "{}", text(&unknown.stderr));
}

#[test]
fn a_configuration_with_a_mistake_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir_name = dir.path().to_str().unwrap();
    run(&["init", dir_name]);
    let config = dir.path().join(".longhouse/longhouse.toml");
    std::fs::write(config, "[profiles.x]\ncommnads = [\"*\"]\n").unwrap();
    let output = run(&["serve", dir_name, "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("commnads") && said.contains("longhouse.toml"), "{said}");
}

#[test]
fn a_profile_is_explained_with_the_rule_that_decides() {
    let profile = "commands = [\"*\"]\n[profiles.backend.files]\nread = [\"backend/**\", \"docs/*.md\"]\n\
                   write = [\"backend/**\"]\ndelete = []\ndeny = [\"backend/secrets\"]";
    let server = TestServer::builder().file("backend/secrets/key", "key").profile("backend", profile).start();
    server.agent("beth", "worker", "backend");
    std::os::unix::fs::symlink("secrets/key", server.path("backend/way")).unwrap();
    let dir = server.dir().to_str().unwrap();
    let explain = |path| {
        let output = run(&["profile", "explain", "beth", path, "--json", "--dir", dir]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let said = explain("backend/new.rs");
    assert_eq!(said["verbs"]["create"]["granted"], true, "{said}");
    assert_eq!(said["verbs"]["create"]["rule"], "\"backend/**\" in profiles.backend.files.write");
    assert_eq!(said["verbs"]["delete"]["granted"], false, "{said}");
    let said = explain("backend/way");
    assert_eq!(said["path"], "backend/secrets/key", "{said}");
    assert_eq!(
        said["verbs"]["read"]["rule"],
        "\"backend/secrets\" in profiles.backend.files.deny, which hides it"
    );
    let nobody = run(&["profile", "explain", "nobody", "a", "--dir", dir]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("nobody"), "{}", text(&nobody.stderr));
}

#[test]
fn a_configuration_is_checked_before_it_is_in_force() {
    let server = TestServer::builder().profile("gone", "commands = [\"ls\"]").start();
    server.agent("greta", "worker", "gone");
    let dir = server.dir().to_str().unwrap();
    let check = || run(&["profile", "check", "--dir", dir]);
    assert!(text(&check().stdout).contains("gone: ls\n"), "{:?}", check());
    let config = server.path(".longhouse/longhouse.toml");
    std::fs::write(&config, "[profiles.other.files]\nread = [\"a{\"]\n").unwrap();
    assert!(text(&check().stderr).contains("profiles.other.files.read"), "{:?}", check());
    std::fs::write(&config, "[profiles.full]\n").unwrap();
    let lost = check();
    assert_eq!(lost.status.code(), Some(1));
    assert!(text(&lost.stderr).contains("greta has the profile gone, which is not defined"), "{lost:?}");
}
