//! Longhouse, without any tools.

use std::io::BufReader;
use std::net::TcpStream;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde::Deserialize;

use super::daemon::{Daemon, PATIENCE, Place};
use super::http::Http;
use super::measure::What;
use super::peer::{Client, Peer};

/// A running server, ended with the value.
pub struct Server {
    daemon: Daemon,
    /// Of the one project there is.
    path: String,
    admin: String,
    agents: AtomicUsize,
}

/// How a task is finished.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cycle {
    /// It is claimed and completed.
    TwoCalls,
    /// It is completed and the next one claimed.
    OneCall,
}

/// A server as clients of one habit see it.
pub struct Longhouse {
    server: Rc<Server>,
    cycle: Cycle,
}

impl Server {
    /// Starts `program` on an empty project and waits until it is ready.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Projects {
            projects: [Project; 1],
        }
        #[derive(Deserialize)]
        struct Project {
            name: String,
        }

        let place = Place::new()?;
        let dir = place.dir().to_owned();
        let mut command = place.command(program)?;
        command.arg("serve").arg(&dir).args(["--listen", &format!("127.0.0.1:{}", place.port())]);
        command.env("LONGHOUSE_LOG", "warn");
        let daemon = Daemon::start(place, command, Signal::TERM)?;
        let admin = std::fs::read_to_string(dir.join(".longhouse/admin.token")).context("no admin.token")?;

        let mut http = Http::new(daemon.connect()?).authorized(admin.trim_end());
        let deadline = Instant::now() + PATIENCE;
        while http.call("GET", "/readyz", "")? != 200 {
            ensure!(Instant::now() < deadline, "Longhouse does not become ready");
            std::thread::sleep(PATIENCE / 500);
        }
        let projects: Projects = serde_json::from_slice(http.expect(200, "GET", "/v1/projects", "")?)?;
        let [project] = projects.projects;
        let path = format!("/v1/projects/{}", project.name);
        Ok(Self { daemon, path, admin: admin.trim_end().to_owned(), agents: AtomicUsize::new(0) })
    }

    /// A connection of a new agent.
    pub fn connect(&self, cycle: Cycle) -> anyhow::Result<Connection> {
        let number = self.agents.fetch_add(1, Ordering::Relaxed);
        let token = self.agents(number..number + 1)?.pop().context("no token")?;
        let http = self.http(&token)?;
        Ok(Connection { http, tasks: format!("{}/tasks", self.path), cycle, held: None })
    }
}

impl Server {
    /// Tokens of new agents with these numbers.
    pub fn agents(&self, numbers: Range<usize>) -> anyhow::Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Added {
            token: String,
        }

        let mut admin = self.http(&self.admin)?;
        let add = |number| {
            let agent = format!(r#"{{"name":"client-{number}","role":"worker","profile":"full"}}"#);
            let added = admin.expect(201, "POST", &self.path("admin/agents"), &agent)?;
            Ok(serde_json::from_slice::<Added>(added)?.token)
        };
        numbers.map(add).collect()
    }

    /// Makes these tasks as the admin.
    pub fn admin(&self, tasks: &str) -> anyhow::Result<()> {
        self.http(&self.admin)?.expect(201, "POST", &self.path("tasks"), tasks).map(drop)
    }

    /// A new connection of whom `token` belongs to.
    pub fn http(&self, token: &str) -> anyhow::Result<Http> {
        Ok(Http::new(self.stream()?).authorized(token))
    }

    /// A new connection.
    pub fn stream(&self) -> anyhow::Result<BufReader<TcpStream>> {
        self.daemon.connect()
    }

    /// A path of the project.
    pub fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.path)
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }
}

impl Longhouse {
    /// Both habits, of clients of one server.
    pub fn both(server: Server) -> [Self; 2] {
        let server = Rc::new(server);
        [Cycle::TwoCalls, Cycle::OneCall].map(|cycle| Self { server: Rc::clone(&server), cycle })
    }
}

impl Peer for Longhouse {
    fn name(&self) -> &str {
        match self.cycle {
            Cycle::TwoCalls => "Longhouse",
            Cycle::OneCall => "Longhouse, 1 call",
        }
    }

    fn is_longhouse(&self) -> bool {
        true
    }

    fn differs_in(&self, what: What) -> bool {
        match (self.cycle, what) {
            (Cycle::TwoCalls, What::Create | What::Cycle) | (Cycle::OneCall, What::Cycle) => true,
            (Cycle::OneCall, What::Create) => false,
        }
    }

    fn connect(&self) -> anyhow::Result<Box<dyn Client + Send>> {
        Ok(Box::new(self.server.connect(self.cycle)?))
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.server.daemon.pid()]
    }
}

/// Speaks docs/http.md.
pub struct Connection {
    http: Http,
    /// The path of tasks.
    tasks: String,
    cycle: Cycle,
    /// Claimed when the one before was completed.
    held: Option<Claimed>,
}

/// A task that this client holds.
#[derive(Deserialize)]
pub struct Claimed {
    id: String,
    fence: u64,
}

/// At most one, because no more was asked for.
#[derive(Deserialize)]
struct Claim {
    tasks: Vec<Claimed>,
}

impl Connection {
    /// Takes the task that waited longest, if one waits.
    pub fn claim(&mut self) -> anyhow::Result<Option<Claimed>> {
        let answer = self.http.expect(200, "POST", &format!("{}/claim", self.tasks), "{}")?;
        Ok(serde_json::from_slice::<Claim>(answer)?.tasks.pop())
    }

    /// Finishes a task.
    pub fn complete(&mut self, task: &Claimed) -> anyhow::Result<()> {
        self.finish(task, &format!(r#"{{"fence":{}}}"#, task.fence)).map(drop)
    }

    /// Finishes a task and takes the next, if one waits.
    fn complete_and_claim(&mut self, task: &Claimed) -> anyhow::Result<Option<Claimed>> {
        #[derive(Deserialize)]
        struct Completed {
            claimed: Claim,
        }

        let answer = self.finish(task, &format!(r#"{{"fence":{},"claim":{{}}}}"#, task.fence))?;
        Ok(serde_json::from_slice::<Completed>(answer)?.claimed.tasks.pop())
    }

    fn finish(&mut self, task: &Claimed, body: &str) -> anyhow::Result<&[u8]> {
        self.http.expect(200, "POST", &format!("{}/{}/complete", self.tasks, task.id), body)
    }
}

impl Client for Connection {
    fn create(&mut self, payload: &str) -> anyhow::Result<()> {
        self.http.expect(201, "POST", &self.tasks, &task(payload)).map(drop)
    }

    fn claim_and_complete(&mut self) -> anyhow::Result<bool> {
        let held = match self.held.take() {
            Some(held) => Some(held),
            None => self.claim()?,
        };
        let Some(task) = held else { return Ok(false) };
        match self.cycle {
            Cycle::TwoCalls => self.complete(&task)?,
            Cycle::OneCall => self.held = self.complete_and_claim(&task)?,
        }
        Ok(true)
    }

    fn create_all(&mut self, payloads: &[String]) -> anyhow::Result<()> {
        for some in payloads.chunks(1_000) {
            let tasks: Vec<String> = some.iter().map(|payload| task(payload)).collect();
            self.http.expect(201, "POST", &self.tasks, &format!(r#"{{"tasks":[{}]}}"#, tasks.join(",")))?;
        }
        Ok(())
    }
}

fn task(title: &str) -> String {
    format!(r#"{{"title":"{title}"}}"#)
}
