//! What agents type does what it does in bash with Debian's tools.
//!
//! Each line of `command_lines/*.txt` is run by bash in a fresh project, and by the server in another; standard output, the exit
//! code, whether there is something on standard error, and the files afterwards must be the same. `differences.toml` has those
//! of which that is not so, each with its reason. A line that needs a command which either side lacks is counted.

mod debian;
mod ran;
mod table;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use longhouse_tests::{Agent, TestServer, guests, written};
use serde_json::json;

use debian::Debian;
use ran::{Complaint, Ran};
use table::{COMMANDS, Case};

/// Lines that run with the tools that `make guests` builds. More is better, fewer is a failure.
const AT_LEAST: usize = 600;

/// Lines that are compared at the same time.
const AT_ONCE: usize = 4;

#[test]
fn what_agents_type_does_what_it_does_in_bash() {
    let cases = table::cases();
    let differences = differences(&cases);
    let both = Both::start();
    let lacking = both.lacking();
    let (left_out, run): (Vec<_>, Vec<_>) =
        cases.iter().enumerate().partition(|(_, case)| !case.commands().is_disjoint(&lacking));
    println!("{} of {} lines; without {}", run.len(), cases.len(), counted(&left_out, &lacking));

    let left = Mutex::new(run.iter());
    let next = || left.lock().unwrap().next();
    let failures = Mutex::new(Vec::new());
    let compare = || {
        while let Some((index, case)) = next() {
            let failure = both.failure(*index, case, differences.get(&*case.text));
            failures.lock().unwrap().extend(failure);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(compare);
        }
    });
    let failures = failures.into_inner().unwrap();
    let faults = differences.values().filter(|known| known.is_fault).count();
    println!("{} differ in standard output, {faults} in more", differences.len() - faults);
    assert!(failures.is_empty(), "{} lines:\n{}", failures.len(), failures.concat());
    assert!(run.len() >= AT_LEAST, "{} lines", run.len());
}

/// The comparison notices each kind of difference.
#[test]
fn a_difference_between_two_runs_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let debian =
        Debian { ripgrep: Path::new("/usr/bin").to_owned(), scratch: scratch.path().canonicalize().unwrap() };
    let said = debian.run("echo said", "said").unwrap();
    assert_eq!(debian.run("pwd > /dev/null; echo said", "same").unwrap(), said);
    assert_eq!(debian.run("pwd", "here").unwrap().stdout, "/here\n");
    for (line, but_for_stdout) in [
        ("echo other", true),
        ("echo said; exit 3", false),
        ("echo said; echo why >&2", false),
        ("echo said; echo more > VERSION", false),
        ("echo said; mkdir more", false),
        ("echo said; rm empty.txt", false),
        ("echo said; ln -sf other links/readme", false),
    ] {
        let other = debian.run(line, line).unwrap();
        assert_ne!(other, said, "{line}");
        assert_eq!(other.agrees_but_for_stdout(&said), but_for_stdout, "{line}");
    }
}

#[test]
fn the_commands_of_a_line_are_found() {
    let commands = |text: &str| {
        let case = Case { topic: "", number: 0, text: text.to_owned() };
        case.commands().into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(commands("cat x | sort -u > sort.txt; X=1 env"), "cat env sort");
    assert_eq!(commands("for f in $(ls); do wc -l < $f; done | tail -1"), "ls tail wc");
    assert_eq!(
        commands("find . -name file -exec md5sum {} + | xargs -n1 basename"),
        "basename find md5sum xargs"
    );
    assert_eq!(commands("awk '{ split($1, a) }' file; ! grep -q x join 1 sort"), "awk grep");
}

/// What reads and runs the same lines: bash, and a server.
struct Both {
    debian: Debian,
    server: TestServer,
    agent: Agent,
    /// What bash leaves behind lies here as long as this does.
    _scratch: tempfile::TempDir,
}

impl Both {
    fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let debian =
            Debian { ripgrep: guests("../native/bin"), scratch: scratch.path().canonicalize().unwrap() };
        let server = TestServer::builder().limits("lines", "wall = \"60s\"\nruns = 8").start();
        let agent = server.agent("anna", "worker", "lines");
        Self { debian, server, agent, _scratch: scratch }
    }

    /// The commands that either of them has not.
    fn lacking(&self) -> BTreeSet<&'static str> {
        let question =
            format!("for c in {}; do command -v $c > /dev/null || echo $c; done; true", COMMANDS.join(" "));
        let ours = self.agent.run_with(json!({ "command": question }))["stdout"].as_str().unwrap().to_owned();
        let theirs = self.debian.lacks(&question).unwrap();
        let lacks = |command: &&&str| ours.lines().chain(theirs.lines()).any(|line| line == **command);
        COMMANDS.iter().filter(lacks).copied().collect()
    }

    /// What is wrong about a line, if anything is.
    fn failure(&self, index: usize, case: &Case, known: Option<&Known>) -> Option<String> {
        let name = index.to_string();
        let (ours, theirs) = (self.ours(&case.text, &name), self.debian.run(&case.text, &name).unwrap());
        let what = match known {
            None if ours == theirs => return None,
            None => String::new(),
            Some(known) if ours == theirs => {
                format!("  agrees, and is listed as different: {}\n", known.reason)
            }
            Some(known) if known.is_fault || ours.agrees_but_for_stdout(&theirs) => return None,
            Some(_) => "  differs in more than is listed\n".to_owned(),
        };
        let Case { topic, number, text } = case;
        let (here, there) = (ours.beside(&theirs), theirs.beside(&ours));
        Some(format!("{topic}.txt:{number}: {text}\n{what}  ours:   {here}\n  theirs: {there}\n\n"))
    }

    /// A line as the server runs it, in a directory of its own.
    fn ours(&self, line: &str, name: &str) -> Ran {
        let project = self.server.path(name);
        tree::write(&project).unwrap();
        let env = json!({ "HOME": format!("/{name}"), "LC_ALL": "C.UTF-8", "TZ": "UTC" });
        let body = json!({ "command": line, "cwd": name, "env": env, "wait_ms": 50_000 });
        let run = self.agent.run_with(body);
        let whole = run["truncated"] == json!(false);
        let code = run["outcome"]["code"].as_u64().and_then(|code| u8::try_from(code).ok());
        Ran {
            stdout: ran::shown(&written(&run, "stdout")),
            ended: code.filter(|_| whole).ok_or_else(|| run["outcome"].to_string()),
            stderr: Complaint(ran::shown(&written(&run, "stderr"))),
            files: ran::files(&project, &project.display().to_string()).unwrap(),
        }
    }
}

/// What is known of a line that differs.
struct Known {
    reason: String,
    /// Whether more differs than standard output.
    is_fault: bool,
}

/// The lines of which something is known.
fn differences(cases: &[Case]) -> BTreeMap<String, Known> {
    let file: toml::Table = include_str!("command_lines/differences.toml").parse().unwrap();
    let text = |entry: &toml::Value, key: &str| entry[key].as_str().expect(key).trim_end().to_owned();
    let mut listed = BTreeMap::new();
    for (kind, is_fault) in [("difference", false), ("fault", true)] {
        for entry in file.get(kind).and_then(toml::Value::as_array).into_iter().flatten() {
            let line = text(entry, "line");
            assert!(cases.iter().any(|case| case.text == line), "no such line: {line}");
            listed.insert(line, Known { reason: text(entry, "reason"), is_fault });
        }
    }
    listed
}

/// How many lines are left out for each command.
fn counted(left_out: &[(usize, &Case)], lacking: &BTreeSet<&'static str>) -> String {
    let count =
        |command: &&str| left_out.iter().filter(|(_, case)| case.commands().contains(command)).count();
    let counts: Vec<String> =
        lacking.iter().map(|command| format!("{command}: {}", count(command))).collect();
    counts.join(", ")
}
