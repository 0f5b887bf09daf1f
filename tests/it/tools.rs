//! Tools built from their crates behave as they do natively.

use longhouse_tests::{TestServer, guests, native, write_tree, written};
use serde_json::{Value, json};

fn exit_code(reply: &Value) -> u64 {
    assert_eq!(reply["outcome"]["kind"], "exited", "{reply}");
    reply["outcome"]["code"].as_u64().unwrap()
}

#[test]
fn exit_codes_are_those_of_the_native_programs() {
    let server = TestServer::builder().file("a.txt", "hello\n").start();
    let worker = server.worker();
    assert_eq!(exit_code(&worker.run(["rg", "hello", "a.txt"])), 0);
    assert_eq!(exit_code(&worker.run(["rg", "absent", "a.txt"])), 1);
    assert_eq!(exit_code(&worker.run(["rg", "x", "/none"])), 2);
    assert_eq!(exit_code(&worker.run(["true"])), 0);
    assert_eq!(exit_code(&worker.run(["false"])), 1);
    assert_eq!(exit_code(&worker.run(["test", "1", "-eq"])), 2);
    assert_eq!(exit_code(&worker.run(["test", "-f", "a.txt"])), 0);
    assert_eq!(exit_code(&worker.run(["fixture-exit-code", "125"])), 125);
    assert_eq!(exit_code(&worker.run(["fixture-exit-code", "255"])), 255);
}

#[test]
fn ripgrep_finds_byte_for_byte_what_it_finds_natively() {
    // Far enough apart that ripgrep reports the match before it finds that the file is binary.
    let binary = [b"TODO early\n", "a line of text\n".repeat(20_000).as_bytes(), b"\0"].concat();
    let server = TestServer::builder()
        .file("src/.gitignore", "ignored.rs\n")
        .file("src/.git/HEAD", "ref: refs/heads/main\n")
        .file("src/ignored.rs", "// TODO: nobody sees this\n")
        .file("src/binary.bin", binary)
        .file("src/latin1.txt", b"TODO caf\xe9\n")
        .start();
    let hits = write_tree(&server.path("src"), 1_300, "TODO");
    assert!(hits >= 200, "the tree has {hits} hits");

    let args = ["-n", "--sort", "path", "TODO", "src"];
    let native =
        native(&guests("../native/bin").join("rg")).args(args).current_dir(server.dir()).output().unwrap();
    let argv = [&["rg"][..], &args].concat();
    let reply = server.worker().run_with(json!({ "argv": argv }));
    assert_eq!(exit_code(&reply), 0);
    assert_eq!(reply["truncated"], false);
    let expected = String::from_utf8_lossy(&native.stdout);
    assert!(
        expected.lines().count() >= 200 && !expected.contains("nobody"),
        "the comparison is worth something"
    );
    assert!(expected.contains("src/binary.bin"), "the binary file is among the hits");
    assert_eq!(written(&reply, "stdout"), native.stdout, "the sandboxed output differs");
}

#[test]
fn coreutils_do_their_work_on_the_project() {
    let server = TestServer::builder().file("b.txt", "2\n1\n10\n").file("a/x.txt", "x").start();
    let worker = server.worker();
    assert_eq!(worker.run(["sort", "-n", "b.txt"])["stdout"], "1\n2\n10\n");
    assert_eq!(worker.run(["wc", "-l", "b.txt"])["stdout"], "3 b.txt\n");
    assert_eq!(worker.run(["head", "-n", "1", "b.txt"])["stdout"], "2\n");
    for argv in
        [&["cp", "-r", "a", "c"][..], &["mv", "b.txt", "c/"], &["mkdir", "-p", "d/e"], &["rm", "-r", "a"]]
    {
        assert_eq!(exit_code(&worker.run_with(json!({ "argv": argv }))), 0, "{argv:?}");
    }
    assert_eq!(worker.run(["ls"])["stdout"], "c\nd\n");
    assert_eq!(worker.run(["ls", "c"])["stdout"], "b.txt\nx.txt\n");
    assert_eq!((server.read("c/x.txt"), server.read("c/b.txt")), ("x".to_owned(), "2\n1\n10\n".to_owned()));
    let long = worker.run(["ls", "-l"]);
    assert!(long["stdout"].as_str().unwrap().lines().any(|line| line.ends_with(" d")), "{long}");
}
