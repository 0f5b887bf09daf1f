//! PostgreSQL with its default settings, `fsync` and `synchronous_commit` among them. The queue is a table; claiming
//! and completing are a transaction each.

use std::path::Path;
use std::time::Instant;

use ::postgres::{Config, NoTls, Statement};
use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::daemon::{Daemon, PATIENCE, Place};
use super::peer::{Client, Peer};

/// Jobs are taken in an order that only the partial index has: were it the order of the primary key, the planner might
/// choose that one, and would read all jobs that are done.
const SCHEMA: &str = "
    CREATE TABLE job (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        priority smallint NOT NULL DEFAULT 0,
        state text NOT NULL DEFAULT 'pending',
        payload text NOT NULL
    );
    CREATE INDEX job_pending ON job (priority, id) WHERE state = 'pending'";
const CREATE: &str = "INSERT INTO job (payload) VALUES ($1)";
const CREATE_ALL: &str = "INSERT INTO job (payload) SELECT unnest($1::text[])";
const CLAIM: &str = "
    UPDATE job SET state = 'claimed' WHERE id = (
        SELECT id FROM job WHERE state = 'pending' ORDER BY priority, id FOR UPDATE SKIP LOCKED LIMIT 1
    ) RETURNING id, payload";
const COMPLETE: &str = "UPDATE job SET state = 'done' WHERE id = $1";

/// A running PostgreSQL. Whoever reaches loopback may use it while it runs.
pub struct Postgres(Daemon);

impl Postgres {
    /// Makes a cluster with the programs in `bin`, starts it and creates the table.
    pub fn start(bin: &Path) -> anyhow::Result<Self> {
        let place = Place::new()?;
        let data = place.dir().join("data");
        let mut initdb = place.command(&bin.join("initdb"))?;
        initdb.args(["--auth", "trust", "--username", "bench", "--no-instructions", "--pgdata"]).arg(&data);
        ensure!(initdb.status()?.success(), "initdb failed: {}", place.said());

        let mut command = place.command(&bin.join("postgres"))?;
        command.args(["-h", "127.0.0.1", "-p", &place.port().to_string(), "-k", "", "-D"]).arg(&data);
        // QUIT is its immediate shutdown, which takes its children along.
        let postgres = Self(Daemon::start(place, command, Signal::QUIT)?);
        postgres.wait_until_ready()?.batch_execute(SCHEMA)?;
        Ok(postgres)
    }

    /// It listens before it is done recovering, and refuses until then.
    fn wait_until_ready(&self) -> anyhow::Result<::postgres::Client> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.open() {
                Err(_) if Instant::now() < deadline => std::thread::sleep(PATIENCE / 500),
                ready => return ready.context("PostgreSQL does not become ready"),
            }
        }
    }

    fn open(&self) -> Result<::postgres::Client, ::postgres::Error> {
        let address = self.0.address();
        Config::new()
            .host(&address.ip().to_string())
            .port(address.port())
            .user("bench")
            .dbname("postgres")
            .options(&format!("-c statement_timeout={}", PATIENCE.as_millis()))
            .connect_timeout(PATIENCE)
            .tcp_user_timeout(PATIENCE)
            .connect(NoTls)
    }
}

impl Peer for Postgres {
    fn name(&self) -> &str {
        "PostgreSQL"
    }

    fn connect(&self) -> anyhow::Result<Box<dyn Client + Send>> {
        let mut client = self.open()?;
        Ok(Box::new(Connection {
            create: client.prepare(CREATE)?,
            create_all: client.prepare(CREATE_ALL)?,
            claim: client.prepare(CLAIM)?,
            complete: client.prepare(COMPLETE)?,
            client,
        }))
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.0.pid()]
    }

    /// Every claim walks past the jobs that are done until they are vacuumed, by itself once a minute at most.
    fn tidy(&self) -> anyhow::Result<()> {
        Ok(self.open()?.batch_execute("VACUUM (ANALYZE) job")?)
    }
}

struct Connection {
    client: ::postgres::Client,
    create: Statement,
    create_all: Statement,
    claim: Statement,
    complete: Statement,
}

impl Client for Connection {
    fn create(&mut self, payload: &str) -> anyhow::Result<()> {
        let rows = self.client.execute(&self.create, &[&payload])?;
        ensure!(rows == 1, "{rows} jobs were inserted");
        Ok(())
    }

    fn claim_and_complete(&mut self) -> anyhow::Result<bool> {
        let Some(job) = self.client.query_opt(&self.claim, &[])? else { return Ok(false) };
        let id: i64 = job.try_get(0)?;
        let rows = self.client.execute(&self.complete, &[&id])?;
        ensure!(rows == 1, "{rows} jobs were completed");
        Ok(true)
    }

    fn create_all(&mut self, payloads: &[String]) -> anyhow::Result<()> {
        for some in payloads.chunks(1_000) {
            self.client.execute(&self.create_all, &[&some])?;
        }
        Ok(())
    }
}
