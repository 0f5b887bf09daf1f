//! Command lines, beside bash with the machine's own programs on the same files.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::report::Samples;
use crate::server::Server;

/// Files in the tree.
const FILES: usize = 1_000;

/// The size of the JSON that is read, in bytes.
const JSON: usize = 10 << 20;

/// Each with what its output must hold, natively and in the sandbox, and how often it is run.
const LINES: [(&str, &str, usize); 6] = [
    ("echo a b c | tr ' ' '\\n' | wc -l", "3", 200),
    ("rg -IN TODO src | sort | uniq -c | sort -rn | head -5", "TODO", 30),
    ("find . -name '*.rs' | xargs wc -l | tail -n 1", "total", 30),
    ("sed -i 's/TODO/DONE/' edited/*.rs && grep -c DONE edited/0.rs", "1", 15),
    ("jq -c '[.[] | select(.n % 1000 == 0) | .n] | length' large.json", "1", 9),
    ("for f in src/0/*.rs; do head -n 1 $f; done | sort -u | wc -l", "1", 15),
];

/// Runs each line in turns, in the sandbox and natively.
pub fn lines(server: &Server) -> anyhow::Result<()> {
    let native = tempfile::Builder::new().prefix("bench-native-").tempdir()?;
    for dir in [server.dir(), native.path()] {
        make_tree(dir)?;
    }
    let mut client = server.client()?;
    let rg = longhouse_artifacts::target_dir().join("native/bin");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", rg.display());
    for (line, holds, rounds) in LINES {
        let (mut sandboxed, mut natively) = (Samples::default(), Samples::default());
        for _ in 0..rounds {
            reset(server.dir())?;
            let body = json!({ "command": line, "wait_ms": 50_000, "publish": "never" }).to_string();
            let started = Instant::now();
            let (status, answer) = client.call("POST", &server.path("runs"), &body)?;
            sandboxed.add(started.elapsed());
            let answer: Value = serde_json::from_str(&answer)?;
            let said = answer["stdout"].as_str().unwrap_or_default();
            ensure!(status == 200 && said.contains(holds), "{line}: {answer}");

            reset(native.path())?;
            let (took, said) = bash(line, &path, native.path())?;
            ensure!(said.contains(holds), "{line}: bash says {said}");
            natively.add(took);
        }
        println!("{line}");
        println!("  in the sandbox, over HTTP   {sandboxed}");
        println!("  bash                        {natively}");
        println!("  ratio of medians: {:.2}\n", sandboxed.median() / natively.median());
    }
    Ok(())
}

fn bash(line: &str, path: &str, dir: &Path) -> anyhow::Result<(Duration, String)> {
    let started = Instant::now();
    let mut bash = Command::new("bash");
    bash.args(["-c", line]).env("PATH", path).env("LC_ALL", "C.UTF-8").current_dir(dir).stdin(Stdio::null());
    let output = bash.output().context("bash does not start")?;
    Ok((started.elapsed(), String::from_utf8(output.stdout)?))
}

fn make_tree(dir: &Path) -> anyhow::Result<()> {
    for n in 0..FILES {
        let at = dir.join(format!("src/{}", n % 20));
        std::fs::create_dir_all(&at)?;
        let mut text = String::from("use std::fmt;\n");
        for line in 0..60 {
            writeln!(text, "    let value_{line} = {line} + {n}; // what stands in a file")?;
        }
        writeln!(text, "// TODO: number {}", n % 7)?;
        std::fs::write(at.join(format!("{n}.rs")), text)?;
    }
    let mut large = String::from("[");
    for n in 0.. {
        write!(
            large,
            "{{\"n\":{n},\"name\":\"item number {n}\",\"tags\":[\"a\",\"b\"],\"nested\":{{\"x\":{n}.5}}}}"
        )?;
        if large.len() > JSON {
            break;
        }
        large.push(',');
    }
    Ok(std::fs::write(dir.join("large.json"), large + "]\n")?)
}

/// The files that one line edits, as they were: a hundred.
fn reset(dir: &Path) -> anyhow::Result<()> {
    let edited = dir.join("edited");
    std::fs::create_dir_all(&edited)?;
    for n in 0..100 {
        std::fs::write(edited.join(format!("{n}.rs")), "fn main() {}\n// TODO\n")?;
    }
    Ok(())
}
