//! The server that is measured: the release build beside this program, on a directory of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use longhouse_artifacts::{guests_dir, target_dir};
use tempfile::TempDir;

use crate::client::Client;

/// A running server, ended with the value.
pub struct Server {
    process: Child,
    address: String,
    project: String,
    token: String,
    dir: TempDir,
}

const PROFILES: &str = r#"
[profiles.spinner]
commands = ["*"]
[profiles.spinner.limits]
wall = "1s"
"#;

impl Server {
    /// Starts it and waits until its tools are ready.
    pub fn start() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir()?;
        let init = Command::new(longhouse()?).arg("init").arg(dir.path()).output()?;
        ensure!(init.status.success(), "longhouse init failed");
        let config = dir.path().join(".longhouse/longhouse.toml");
        std::fs::write(&config, std::fs::read_to_string(&config)? + PROFILES)?;
        let token = add_agent(&dir, "bench", "full")?;

        let mut process = Command::new(longhouse()?)
            .arg("serve")
            .arg(dir.path())
            .args(["--listen", "127.0.0.1:0", "--plugins"])
            .arg(guests_dir())
            .arg("--tools")
            .arg(guests_dir().join("fixtures"))
            .arg("--cache-dir")
            .arg(target_dir().join("bench-compile-cache"))
            .env("LONGHOUSE_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").context("the server did not start")?;
        let mut server = Self { process, address: address.to_owned(), project: String::new(), token, dir };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// A connection of the agent that most requests come from.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.address, &self.project, &self.token)
    }

    /// A connection of a new agent with the profile of the same name.
    pub fn client_of(&self, profile: &str) -> anyhow::Result<Client> {
        Client::connect(&self.address, &self.project, &add_agent(&self.dir, profile, profile)?)
    }

    /// Its project's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An address in its project.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/projects/{}/{rest}", self.project)
    }

    /// How many tools it has.
    pub fn tools(&self) -> anyhow::Result<usize> {
        let (_, body) = self.client()?.call("GET", &format!("/v1/projects/{}/tools", self.project), "")?;
        Ok(body.matches("\"hash\"").count())
    }

    /// What it has resident.
    pub fn resident_mb(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let mut client = self.client()?;
        while client.call("GET", "/readyz", "")?.0 != 200 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let (_, projects) = client.call("GET", "/v1/projects", "")?;
        let name = projects.split('"').nth(5).context("no project")?;
        self.project = name.to_owned();
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn add_agent(dir: &TempDir, name: &str, profile: &str) -> anyhow::Result<String> {
    let output = Command::new(longhouse()?)
        .args(["agent", "add", name, "--role", "worker", "--profile", profile, "--dir"])
        .arg(dir.path())
        .output()?;
    ensure!(output.status.success(), "agent add: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// The program beside this one: the same profile.
fn longhouse() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("longhouse");
    ensure!(beside.is_file(), "{} is missing: run `make bench`", beside.display());
    Ok(beside)
}
