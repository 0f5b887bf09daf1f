//! Starting and stopping a server.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::log::Log;
use crate::{Agent, compile_cache, guests, longhouse};

/// What a server starts with.
#[derive(Default)]
pub struct Builder {
    profiles: String,
    files: Vec<(String, Vec<u8>)>,
}

/// A running server. Ended with the value; its log is printed if the test failed.
pub struct TestServer {
    process: Child,
    log: Log,
    url: String,
    dir: TempDir,
    admin: String,
    client: reqwest::blocking::Client,
}

impl Builder {
    /// Adds a file to the project.
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_owned()));
        self
    }

    /// Adds a profile; `toml` is what stands below `[profiles.NAME]`.
    pub fn profile(mut self, name: &str, toml: &str) -> Self {
        write!(self.profiles, "\n[profiles.{name}]\n{toml}\n").expect("a String can be written");
        self
    }

    /// Adds a profile that runs everything and writes everywhere, within `limits`, TOML of
    /// `[profiles.NAME.limits]`.
    pub fn limits(self, name: &str, limits: &str) -> Self {
        let toml = format!(
            "commands = [\"*\"]\n[profiles.{name}.files]\nread = [\"**\"]\nwrite = [\"**\"]\n\
             [profiles.{name}.limits]\n{limits}"
        );
        self.profile(name, &toml)
    }

    /// Starts the server and waits until its tools are compiled.
    pub fn start(self) -> TestServer {
        let dir = tempfile::Builder::new().prefix("project-").tempdir().expect("a temporary directory");
        let init = longhouse().arg("init").arg(dir.path()).output().expect("longhouse init starts");
        assert!(init.status.success(), "longhouse init: {}", String::from_utf8_lossy(&init.stderr));
        for (path, content) in &self.files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("directories");
            std::fs::write(path, content).expect("a project file");
        }
        let config = dir.path().join(".longhouse/longhouse.toml");
        let mut text = std::fs::read_to_string(&config).expect("init wrote a configuration");
        text.push_str(&self.profiles);
        std::fs::write(config, text).expect("the configuration");
        let admin = String::from_utf8(init.stdout).expect("a token is text");
        TestServer::serve(dir, admin.trim_end().to_owned())
    }
}

impl TestServer {
    /// A server on an empty project.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server that is still to be described.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn serve(dir: TempDir, admin: String) -> Self {
        let mut process = longhouse()
            .arg("serve")
            .arg(dir.path())
            .args(["--listen", "127.0.0.1:0", "--policies"])
            .arg(guests("policies"))
            .arg("--tools")
            .arg(guests("tools"))
            .arg("--tools")
            .arg(guests("fixtures"))
            .arg("--cache-dir")
            .arg(compile_cache())
            .env("LONGHOUSE_LOG", "info")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("longhouse serve starts");
        let log = Log::follow(process.stderr.take().expect("stderr is piped"));
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let Some(Ok(line)) = lines.next() else {
            panic!("longhouse serve ended before it listened:\n{}", log.text());
        };
        let address = line.strip_prefix("listening on ").expect("the line that scripts rely on").to_owned();
        longhouse::outbound::install_tls();
        let client = reqwest::blocking::Client::builder()
            .timeout(std::time::Duration::from_secs(120))
            .build()
            .expect("an HTTP client");
        let server = Self { process, log, url: address, dir, admin, client };
        server.wait_until_ready();
        server
    }

    /// Stops the server as an operator would, and starts it again on the same directory.
    pub fn restart(mut self) -> Self {
        self.terminate();
        Self::serve(self.take_dir(), std::mem::take(&mut self.admin))
    }

    /// Kills the server without warning, and starts it again on the same directory.
    pub fn crash(mut self) -> Self {
        self.kill();
        self.start_again()
    }

    /// Kills the server without warning.
    pub fn kill(&mut self) {
        self.process.kill().expect("the server is alive");
        self.process.wait().expect("the server ends");
    }

    /// Starts a server that was killed again, on the same directory.
    pub fn start_again(mut self) -> Self {
        Self::serve(self.take_dir(), std::mem::take(&mut self.admin))
    }

    /// Asks the server to stop and waits until it has.
    pub fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the server is alive");
        let status = self.process.wait().expect("the server ends");
        assert!(status.success(), "the server ended with {status}");
    }

    /// Replaces the configuration, tells the server, and waits until its log says `said`.
    pub fn reload(&self, config: &str, said: &str) {
        std::fs::write(self.path(".longhouse/longhouse.toml"), config).expect("the configuration");
        let before = self.log.count(said);
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("the server is alive");
        self.log.wait_for_more(said, before);
    }

    /// Waits until its log says this.
    pub fn wait_until_it_said(&self, text: &str) {
        self.log.wait_for_more(text, 0);
    }

    /// The server's address, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the project, by default its directory's in the form of a name.
    pub fn project(&self) -> String {
        let answer = self.get_json("/v1/projects");
        answer["projects"][0]["name"].as_str().expect("a project").to_owned()
    }

    /// The project's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the project's directory.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// The content of a file in the project's directory.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// An agent that may do everything the server's tests need: a worker with the profile `full`.
    pub fn worker(&self) -> Agent {
        self.agent("worker", "worker", "full")
    }

    /// The admin that `init` made.
    pub fn admin(&self) -> Agent {
        Agent::new(self.client.clone(), self.base(), Some(self.admin.clone()))
    }

    /// A new agent, made on the command line beside the running server.
    pub fn agent(&self, name: &str, role: &str, profile: &str) -> Agent {
        let output = longhouse()
            .args(["agent", "add", name, "--role", role, "--profile", profile, "--dir"])
            .arg(self.dir())
            .output()
            .expect("longhouse agent add starts");
        assert!(output.status.success(), "agent add: {}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8(output.stdout).expect("a token is text");
        Agent::new(self.client.clone(), self.base(), Some(token.trim_end().to_owned()))
    }

    /// A worker that advertises these capabilities.
    pub fn skilled(&self, name: &str, capabilities: &[&str]) -> Agent {
        let new = serde_json::json!({
            "name": name, "role": "worker", "profile": "full", "capabilities": capabilities,
        });
        let made = self.admin().post("/admin/agents", &new).expect(201);
        self.stranger(made["token"].as_str())
    }

    /// Somebody without a token, or with one of their own making.
    pub fn stranger(&self, token: Option<&str>) -> Agent {
        Agent::new(self.client.clone(), self.base(), token.map(str::to_owned))
    }

    /// Somebody without a token who asks for what is not below a project.
    pub fn anybody(&self) -> Agent {
        Agent::new(self.client.clone(), self.url.clone(), None)
    }

    fn base(&self) -> String {
        format!("{}/v1/projects/{}", self.url, self.project())
    }

    fn get_json(&self, path: &str) -> serde_json::Value {
        let response = self.client.get(format!("{}{path}", self.url)).send().expect("an answer");
        response.json().expect("JSON")
    }

    fn wait_until_ready(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(300);
        while std::time::Instant::now() < deadline {
            let response = self.client.get(format!("{}/readyz", self.url)).send().expect("an answer");
            if response.status().is_success() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("the tools were not compiled within five minutes");
    }

    fn take_dir(&mut self) -> TempDir {
        std::mem::replace(&mut self.dir, tempfile::tempdir().expect("a temporary directory"))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log.text());
        }
    }
}
