//! beanstalkd with a binlog that is synced at every write.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::daemon::{Daemon, Place};
use super::peer::{Client, Peer};

/// A running beanstalkd.
pub struct Beanstalkd(Daemon);

impl Beanstalkd {
    /// Starts `program`.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let place = Place::new()?;
        let mut command = place.command(program)?;
        command.args(["-l", "127.0.0.1", "-p", &place.port().to_string(), "-f", "0", "-b"]).arg(place.dir());
        Ok(Self(Daemon::start(place, command, Signal::TERM)?))
    }
}

impl Peer for Beanstalkd {
    fn name(&self) -> &str {
        "beanstalkd"
    }

    fn connect(&self) -> anyhow::Result<Box<dyn Client + Send>> {
        Ok(Box::new(Connection { stream: self.0.connect()?, line: String::new() }))
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.0.pid()]
    }
}

/// Speaks <https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt>.
struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    /// Sends a command and reads the first line of its answer.
    fn call(&mut self, command: &str) -> anyhow::Result<&str> {
        self.stream.get_mut().write_all(command.as_bytes())?;
        self.line.clear();
        self.stream.read_line(&mut self.line)?;
        Ok(self.line.trim_end())
    }

    /// Reserves a job and reads its body; the job's id.
    fn reserve(&mut self) -> anyhow::Result<Option<u64>> {
        let answer = self.call("reserve-with-timeout 0\r\n")?;
        if answer == "TIMED_OUT" {
            return Ok(None);
        }
        let reserved = answer.strip_prefix("RESERVED ").and_then(|answer| answer.split_once(' '));
        let (id, bytes) = reserved.with_context(|| format!("reserve: {answer}"))?;
        let (id, bytes): (_, usize) = (id.parse()?, bytes.parse()?);
        self.stream.read_exact(&mut vec![0; bytes + b"\r\n".len()])?;
        Ok(Some(id))
    }
}

impl Client for Connection {
    fn create(&mut self, payload: &str) -> anyhow::Result<()> {
        const PRIORITY: u32 = 0;
        const DELAY: u32 = 0;
        const SECONDS_TO_RUN: u32 = 60;
        let bytes = payload.len();
        let answer =
            self.call(&format!("put {PRIORITY} {DELAY} {SECONDS_TO_RUN} {bytes}\r\n{payload}\r\n"))?;
        ensure!(answer.starts_with("INSERTED "), "put: {answer}");
        Ok(())
    }

    fn claim_and_complete(&mut self) -> anyhow::Result<bool> {
        let Some(id) = self.reserve()? else { return Ok(false) };
        let answer = self.call(&format!("delete {id}\r\n"))?;
        ensure!(answer == "DELETED", "delete: {answer}");
        Ok(true)
    }
}
