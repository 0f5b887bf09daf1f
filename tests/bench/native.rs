//! The same programs without a sandbox.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

/// A native program that prints its argument.
pub struct Native {
    name: &'static str,
    program: PathBuf,
    first: Option<&'static str>,
}

/// Commands of the server, each with the same program for this machine. The complete coreutils is measured if
/// `make guests-complete` and `make native-coreutils` built both sides of it.
pub fn programs() -> anyhow::Result<Vec<(String, Native)>> {
    let bin = longhouse_artifacts::target_dir().join("native/bin");
    let all = [
        ("fixture-echo", Native { name: "fixture-echo", program: bin.join("fixture-echo"), first: None }),
        ("echo", Native { name: "coreutils echo", program: bin.join("coreutils"), first: Some("echo") }),
    ];
    let mut present = Vec::new();
    for (command, native) in all {
        if native.program.is_file() {
            present.push((command.to_owned(), native));
        } else {
            println!("{} is not there; not measured\n", native.program.display());
        }
    }
    Ok(present)
}

impl Native {
    /// What to call it.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Starts it, reads its output, waits for it, and tells how long that took.
    pub fn time(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let output =
            Command::new(&self.program).args(self.first).arg("hello").stdin(Stdio::null()).output()?;
        let took = started.elapsed();
        ensure!(output.stdout == b"hello\n", "{} said {:?}", self.name, output.stdout);
        Ok(took)
    }
}
