//! Command lines: many programs in one run, and none of them can do what the run could not.

use longhouse_tests::{Agent, TestServer};
use serde_json::{Value, json};

/// Runs a command line to its end.
fn line(agent: &Agent, line: &str) -> Value {
    agent.run_with(json!({ "command": line }))
}

/// What a command line that succeeds writes.
fn said(agent: &Agent, command: &str) -> String {
    let run = line(agent, command);
    assert_eq!((&run["outcome"]["kind"], &run["outcome"]["code"]), (&json!("exited"), &json!(0)), "{run}");
    run["stdout"].as_str().unwrap().to_owned()
}

fn code(run: &Value) -> u64 {
    assert_eq!(run["outcome"]["kind"], "exited", "{run}");
    run["outcome"]["code"].as_u64().unwrap()
}

#[test]
fn programs_are_connected_and_share_what_they_change() {
    let server = TestServer::builder()
        .file("src/a.rs", "// TODO: one\nfn a() {}\n// TODO: two\n")
        .file("src/b.rs", "// TODO: one\n")
        .start();
    let worker = server.worker();
    let counted = said(&worker, "rg -IN TODO src | sort | uniq -c | sort -rn | head -n 1");
    assert_eq!(counted.trim_start(), "2 // TODO: one\n");

    let run = line(
        &worker,
        "mkdir -p out && rg -c TODO src | sort > out/counts; cat < out/counts; echo more >> out/counts",
    );
    assert_eq!(run["stdout"], "src/a.rs:2\nsrc/b.rs:1\n", "a later command sees what an earlier one wrote");
    assert_eq!(run["changes"]["status"], "committed", "{run}");
    assert_eq!(server.read("out/counts"), "src/a.rs:2\nsrc/b.rs:1\nmore\n");
    assert_eq!(said(&worker, "cd src; for f in *.rs; do wc -l < $f; done"), "3\n1\n");
    assert_eq!(run["argv"][0], "bash");
}

#[test]
fn what_is_on_standard_input_is_read_on_demand() {
    let server = TestServer::start();
    let worker = server.worker();
    let run = |command: &str| worker.run_with(json!({ "command": command, "stdin": "1\n2\n3\n" }));
    assert_eq!(run("read first; echo =$first; cat")["stdout"], "=1\n2\n3\n");
    assert_eq!(run("while read n; do echo $((n * 2)); done | tail -n 1")["stdout"], "6\n");
    assert_eq!(run("cat | cat | cat")["stdout"], "1\n2\n3\n");

    // What searches a directory unless it is piped to can tell the difference.
    line(&worker, "echo here > a.txt");
    assert_eq!(said(&worker, "rg here"), "a.txt:here\n");
    assert_eq!(said(&worker, "cat a.txt | rg here; rg -c here < a.txt"), "here\n1\n");
    assert_eq!(code(&line(&worker, "true | rg here")), 1);
    assert_eq!(run("rg 2")["stdout"], "2\n");
}

#[test]
fn a_script_is_run_by_its_name_its_shell_or_from_standard_input() {
    let server = TestServer::builder()
        .file("bin/hello", "#!/usr/bin/env bash\nset -eu\necho \"hello $1 from $0\"\n")
        .file("data.txt", "no script\n")
        .start();
    let worker = server.worker();
    assert_eq!(said(&worker, "bin/hello you"), "hello you from bin/hello\n");
    assert_eq!(said(&worker, "cd bin; ./hello x; sh hello y"), "hello x from ./hello\nhello y from hello\n");
    assert_eq!(said(&worker, "echo 'echo $((1 + 1))' | sh"), "2\n");
    assert_eq!(worker.run(["sh", "-c", "echo \"$0 $1\"", "a", "b"])["stdout"], "a b\n");
    assert_eq!(code(&line(&worker, "./data.txt")), 126);
    assert_eq!(code(&line(&worker, "./none")), 127);
    assert_eq!(code(&line(&worker, "/usr/bin/env_none")), 127);
    assert_eq!(said(&worker, "/bin/echo there"), "there\n");
}

#[test]
fn a_command_line_can_do_no_more_than_its_agent() {
    let server = TestServer::builder()
        .file("open/a.txt", "open\n")
        .file("secret/s.txt", "secret\n")
        .profile(
            "clerk",
            "commands = [\"cat\", \"echo\"]\n[profiles.clerk.files]\nread = [\"**\"]\nwrite = [\"open/**\"]\ndeny = [\"secret\"]",
        )
        .profile("mute", "commands = []\n[profiles.mute.files]\nread = [\"**\"]")
        .start();
    let clerk = server.agent("clara", "worker", "clerk");
    let denied = line(&clerk, "rg x; echo $?; sh -c 'rg x; echo $?'; no-such-thing; echo $?");
    assert_eq!(denied["stdout"], "126\n126\n127\n", "{denied}");
    assert!(denied["stderr"].as_str().unwrap().contains("rg: Permission denied"), "{denied}");
    let looked = line(
        &clerk,
        "cat secret/s.txt; cat < secret/s.txt; echo secret/*; [ -e secret ] && echo there; cd secret",
    );
    assert_eq!(looked["stdout"], "secret/*\n", "{looked}");
    let wrote = line(&clerk, "echo x > top.txt; echo y > secret/new; echo z > open/new");
    assert_eq!((code(&wrote), &wrote["changes"]["count"]), (0, &json!(1)), "{wrote}");
    assert!(!server.path("top.txt").exists() && !server.path("secret/new").exists());
    assert_eq!(server.read("open/new"), "z\n");

    let mute = server.agent("mo", "worker", "mute");
    mute.post("/runs", &json!({ "command": "echo hi" })).problem(403, "command_denied");
}

#[test]
fn what_is_wrong_with_a_line_is_said_before_anything_runs() {
    let server = TestServer::start();
    let worker = server.worker();
    let wrong = line(&worker, "echo first > made.txt\necho second; done");
    assert_eq!((code(&wrong), &wrong["stdout"]), (2, &json!("")), "{wrong}");
    assert!(wrong["stderr"].as_str().unwrap().starts_with("bash: line 2, column"), "{wrong}");
    assert!(!server.path("made.txt").exists());
    let background = line(&worker, "sleep 1 &");
    assert_eq!(code(&background), 2);
    assert!(background["stderr"].as_str().unwrap().contains("not supported"), "{background}");
    let unknown = line(&worker, "ecko hi");
    assert_eq!(
        (code(&unknown), unknown["stderr"].as_str().unwrap()),
        (127, "ecko: command not found; did you mean echo?\n")
    );

    for (body, field) in [
        (json!({ "command": "ls", "argv": ["ls"] }), "command"),
        (json!({}), "command"),
        (json!({ "command": "a\0b" }), "command"),
        (json!({ "argv": [] }), "argv"),
    ] {
        assert_eq!(worker.post("/runs", &body).problem(422, "invalid_request")["field"], field, "{body}");
    }
}

#[test]
fn a_fast_program_waits_for_a_slow_one_and_ends_when_nobody_reads_it() {
    let server = TestServer::start();
    let worker = server.worker();
    let run = line(&worker, "yes | head -n 2; yes x | head -c 1000000 | wc -c");
    assert_eq!(run["stdout"], "y\ny\n1000000\n", "{run}");
    assert_eq!(run["stderr"], "");
    let run = line(&worker, "set -o pipefail; yes | true; echo $?");
    assert_eq!(run["stdout"], "141\n", "as one that SIGPIPE ends");
    let mib = said(&worker, "seq 2000000 | sort -n | tail -n 1");
    assert_eq!(mib, "2000000\n");
}

/// A server on which a run has 400 ms, and its worker.
fn hasty() -> (TestServer, Agent) {
    let limits = "commands = [\"*\"]\n[profiles.hasty.files]\nread = [\"**\"]\nwrite = [\"**\"]\n\
                  [profiles.hasty.limits]\nwall = \"400ms\"\nmemory = \"64 MiB\"\noutput = \"1 MiB\"";
    let server = TestServer::builder().profile("hasty", limits).start();
    let agent = server.agent("hugo", "worker", "hasty");
    (server, agent)
}

#[test]
fn whatever_a_line_does_the_limits_of_its_run_end_it() {
    let (_server, hugo) = hasty();
    for command in [
        "while true; do :; done",
        "for ((;;)); do :; done",
        "while true; do true | true; done",
        "sleep 100",
        "sleep 100 | cat | cat",
        "sleep 100 | while read x; do echo; done",
        "yes > /dev/null",
        "yes | cat > out.txt",
        "f() { f; }; f",
        "f() { f | f; }; f",
        "sh -c 'sleep 100 | cat'",
        "x=$(sleep 100)",
        "fixture-spin | fixture-spin",
    ] {
        let run = line(&hugo, command);
        let kind = run["outcome"]["kind"].as_str().unwrap();
        let killed = kind == "killed" && run["outcome"]["reason"].is_string();
        let refused = kind == "exited" && run["outcome"]["code"] == 2;
        assert!(kind == "timed_out" || killed || refused, "{command}: {run}");
        assert_ne!(run["changes"]["status"], "committed", "{run}");
    }
    let spent = &line(&hugo, "fixture-spin | fixture-spin")["consumption"];
    assert!(spent["cpu_ms"].as_f64().unwrap() > 50.0, "both are counted: {spent}");
}

#[test]
fn a_line_that_asks_for_too_much_is_refused_or_cut() {
    let (_server, hugo) = hasty();
    let stages = format!("true{}", " | true".repeat(999));
    let run = line(&hugo, &stages);
    assert_eq!(run["outcome"]["kind"], "killed", "{run}");
    assert!(run["outcome"]["reason"].as_str().unwrap().contains("stages"), "{run}");
    let flood = line(&hugo, "yes | head -c 3000000");
    assert_eq!((code(&flood), &flood["truncated"]), (0, &json!(true)));
    assert_eq!(flood["stdout"].as_str().unwrap().len(), 1 << 20);
    let greedy = line(&hugo, "fixture-allocate; echo $?; true; echo $?");
    assert_eq!(greedy["stdout"], "137\n0\n", "one dies of it, the line goes on: {greedy}");
}

#[test]
fn killing_a_run_ends_all_its_programs() {
    let server = TestServer::start();
    let worker = server.worker();
    let begun = worker
        .post("/runs", &json!({ "command": "echo on; sleep 1000 | cat | wc -l; echo off", "wait_ms": 0 }));
    let id = begun.expect(202)["id"].as_str().unwrap().to_owned();
    let page = worker.get(format!("/runs/{id}/output?wait_ms=20000")).expect(200);
    assert_eq!(page["output"][0]["text"], "on\n", "{page}");
    assert_eq!(worker.post(format!("/runs/{id}/kill"), &json!({})).status, 202);
    let run = worker.get(format!("/runs/{id}?wait_ms=20000")).expect(200);
    assert_eq!((&run["outcome"]["kind"], &run["stdout"]), (&json!("killed"), &json!("on\n")), "{run}");
    assert_eq!(run["stderr"], "");
}

#[test]
fn what_others_changed_meanwhile_is_not_lost_to_a_line() {
    let server = TestServer::builder().file("log.txt", "one\n").file("notes.txt", "a\n\n\n\nb\n").start();
    let (worker, other) = (server.worker(), server.agent("olga", "worker", "full"));
    let meanwhile = |command: &str, theirs: &str| {
        // It has seen the file when it says so, and is published after somebody else's change.
        let body = json!({ "command": format!("{command}; echo ready; sleep 1"), "wait_ms": 0 });
        let id = worker.post("/runs", &body).expect(202)["id"].as_str().unwrap().to_owned();
        worker.get(format!("/runs/{id}/output?wait_ms=20000")).expect(200);
        assert_eq!(code(&line(&other, theirs)), 0);
        worker.get(format!("/runs/{id}?wait_ms=20000")).expect(200)
    };
    let refused = meanwhile("echo mine > log.txt", "echo theirs >> log.txt");
    assert_eq!(refused["outcome"]["kind"], "denied", "{refused}");
    assert_eq!(server.read("log.txt"), "one\ntheirs\n");
    let refused = meanwhile("echo new > new.txt; mv new.txt log.txt", "echo again >> log.txt");
    assert_eq!(refused["outcome"]["kind"], "denied", "{refused}");
    assert_eq!(server.read("log.txt"), "one\ntheirs\nagain\n");
    let appended = meanwhile("echo mine >> notes.txt", "echo theirs > other.txt");
    assert_eq!(appended["changes"]["status"], "committed", "{appended}");
}

#[test]
fn two_stages_that_append_to_one_file_lose_nothing() {
    let server = TestServer::start();
    let worker = server.worker();
    for _ in 0..20 {
        let lines = said(
            &worker,
            "rm -f both; { for i in 1 2 3 4 5 6 7 8 9; do echo $i >> both; done; } | { for i in a b c d e f g h i; do echo $i >> both; done; }; wc -l < both",
        );
        assert_eq!(lines, "18\n");
    }
}

#[test]
fn a_run_has_a_place_of_its_own_that_is_never_published() {
    let server = TestServer::builder().file("in.txt", "b\na\n").start();
    let worker = server.worker();
    let run = line(
        &worker,
        "sort in.txt > /tmp/sorted && mkdir -p $TMPDIR/d && cp /tmp/sorted /tmp/d/x && cat /tmp/d/x && ls / && mv /tmp/sorted out.txt",
    );
    assert_eq!((code(&run), run["stdout"].as_str().unwrap()), (0, "a\nb\nin.txt\n"), "{run}");
    assert_eq!(run["changes"]["count"], 1, "{run}");
    assert_eq!(server.read("out.txt"), "a\nb\n");
    assert_eq!(code(&line(&worker, "[ -d /tmp ] && [ ! -e /tmp/d ]")), 0, "another run has another");
    let reader = server.agent("rita", "worker", "read-only");
    assert_eq!(said(&reader, "cp in.txt /tmp/x; cd /tmp && cat x ../in.txt"), "b\na\nb\na\n");
    assert_eq!(said(&worker, "cat /dev/null; cp in.txt /dev/null; wc -c < in.txt; cat /dev/null"), "4\n");
    assert_eq!(said(&worker, "f=$(mktemp) && echo x > $f && cat $f"), "x\n");
}

#[test]
fn a_project_that_has_a_directory_for_temporary_files_keeps_it() {
    let server = TestServer::builder().file("tmp/cache.txt", "kept\n").start();
    let run = line(&server.worker(), "cat /tmp/cache.txt; echo more > /tmp/more.txt");
    assert_eq!((&run["stdout"], &run["changes"]["count"]), (&json!("kept\n"), &json!(1)), "{run}");
    assert_eq!(server.read("tmp/more.txt"), "more\n");
}

#[test]
fn commands_run_commands_in_the_same_run() {
    let server =
        TestServer::builder().file("a/x.txt", "1\n").file("a/y.txt", "22\n").file("b z.txt", "333\n").start();
    let worker = server.worker();
    for (command, expected) in [
        ("find . -name '*.txt' -exec cat {} + | sort -n", "1\n22\n333\n"),
        ("find . -name '*.txt' | sort | xargs -d '\\n' wc -c | tail -n 1 | tr -d ' '", "9total\n"),
        ("find a -type f -exec sh -c 'echo \"$(cat \"$1\")!\"' _ {} \\; | sort", "1!\n22!\n"),
        ("find . -type f -print0 | sort -z | xargs -0 -n 1 basename", "x.txt\ny.txt\nb z.txt\n"),
        ("find a -type f -execdir cat ./x.txt \\; | head -n 1", "1\n"),
        ("seq 3 | xargs -I{} echo 'n={};'", "n=1;\nn=2;\nn=3;\n"),
        ("printf 'a b' | xargs -n 1 sh -c 'exit 3'; echo $?", "123\n"),
        ("echo x | xargs no-such-command; echo $?", "127\n"),
        ("cd a; echo x.txt | xargs cat", "1\n"),
        ("seq 5 | awk '{ print $1 | \"sort -rn | head -n 2\" }'", "5\n4\n"),
        ("awk 'BEGIN { \"cat a/x.txt\" | getline v; print v + 1; print system(\"exit 4\") }'", "2\n4\n"),
    ] {
        let run = line(&worker, command);
        assert_eq!(run["stdout"], expected, "{command}: {run}");
    }
    let made = line(&worker, "find a -name '*.txt' -exec cp {} {}.bak \\; ; ls a | xargs -n 1 | wc -l");
    assert_eq!((&made["stdout"], &made["changes"]["count"]), (&json!("4\n"), &json!(2)), "{made}");
}

#[test]
fn what_a_command_runs_is_bounded_as_the_line_is() {
    let server = TestServer::builder()
        .file("a.txt", "a\n")
        .file("again.sh", "#!/bin/sh\necho on; ./again.sh\n")
        .profile(
            "clerk",
            "commands = [\"find\", \"xargs\", \"cat\"]\n[profiles.clerk.files]\nread = [\"**\"]\nwrite = [\"**\"]\n\
             [profiles.clerk.limits]\nwall = \"5s\"",
        )
        .start();
    let clerk = server.agent("clara", "worker", "clerk");
    let denied = line(
        &clerk,
        "find a.txt -exec rm {} \\; -print; echo a.txt | xargs rm; echo $?; echo a.txt | xargs cat",
    );
    assert_eq!(denied["stdout"], "126\na\n", "{denied}");
    assert!(server.path("a.txt").exists());
    let again = line(&clerk, "./again.sh");
    let rounds = again["stdout"].as_str().unwrap().lines().count();
    assert_eq!(rounds, 8, "{again}");
    assert!(again["stderr"].as_str().unwrap().contains("inside one another"), "{again}");
    let late = json!({ "command": "echo 1 | xargs -I{} sh -c 'sleep 100 | cat'", "timeout_ms": 300 });
    assert_eq!(server.worker().run_with(late)["outcome"]["kind"], "timed_out");
}
