//! Where the programs under test are.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The directory that cargo builds into, from where this test binary lies.
fn target() -> PathBuf {
    let here = std::env::current_exe().expect("the test binary has a path");
    let profile = here.ancestors().find(|dir| dir.join("deps").is_dir());
    profile.expect("the test binary lies in a target directory").to_owned()
}

/// A fresh invocation of the `longhouse` binary, with nothing of this process's environment.
pub fn longhouse() -> Command {
    let program = target().join("longhouse");
    assert!(program.is_file(), "{} is missing: run `make test`, or `cargo build` first", program.display());
    native(&program)
}

/// A fresh invocation of a native program, with nothing of this process's environment.
pub fn native(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", "/nonexistent").env("LANG", "C.UTF-8");
    command
}

/// Serves `dir` without tools, which takes no time to start, by a `longhouse` that may be wrapped: the process, and the
/// server's address.
///
/// # Panics
/// When it does not listen.
pub fn serve_without_tools(mut longhouse: Command, dir: &Path) -> (Child, String) {
    longhouse
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = longhouse.spawn().expect("longhouse serve starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("a line");
    let address = line.trim_end().strip_prefix("listening on ").expect("the line that scripts rely on");
    (process, address.to_owned())
}

/// The directory of built guests of one kind: `tools`, `policies`, or what is for tests.
pub fn guests(kind: &str) -> PathBuf {
    let dir = longhouse_artifacts::guests_dir().join(kind);
    assert!(dir.is_dir(), "{} is missing: run `make guests`", dir.display());
    dir
}

/// Where compiled guests are kept between tests.
pub fn compile_cache() -> PathBuf {
    target().join("test-compile-cache")
}
