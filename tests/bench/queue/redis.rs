//! Redis with an append-only file that is synced before every answer. The queue is a list; a claim moves a job to
//! another list, from which it is removed when it is done.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;

use super::daemon::{Daemon, Place};
use super::peer::{Client, Peer};

/// A running Redis.
pub struct Redis(Daemon);

impl Redis {
    /// Starts `program` without snapshots and without rewriting its file, which would fork in the middle of a cell.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let place = Place::new()?;
        let mut command = place.command(program)?;
        command.args(["--bind", "127.0.0.1", "--port", &place.port().to_string(), "--save", ""]);
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--auto-aof-rewrite-percentage",
            "0",
        ]);
        command.arg("--dir").arg(place.dir());
        Ok(Self(Daemon::start(place, command, Signal::TERM)?))
    }
}

impl Peer for Redis {
    fn name(&self) -> &str {
        "Redis"
    }

    fn connect(&self) -> anyhow::Result<Box<dyn Client + Send>> {
        Ok(Box::new(Connection { stream: self.0.connect()?, request: Vec::new() }))
    }

    fn pids(&self) -> Vec<u32> {
        vec![self.0.pid()]
    }
}

/// Speaks as much of <https://redis.io/docs/latest/develop/reference/protocol-spec/> as is needed.
struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

enum Reply {
    Integer(u64),
    Text(Vec<u8>),
    Nothing,
}

impl Connection {
    fn call(&mut self, words: &[&[u8]]) -> anyhow::Result<Reply> {
        self.request.clear();
        write!(self.request, "*{}\r\n", words.len())?;
        for word in words {
            write!(self.request, "${}\r\n", word.len())?;
            self.request.extend_from_slice(word);
            self.request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&self.request)?;

        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1).context("the connection ended")? {
            (":", number) => Ok(Reply::Integer(number.parse()?)),
            ("$", "-1") => Ok(Reply::Nothing),
            ("$", bytes) => {
                let mut text = vec![0; bytes.parse::<usize>()? + b"\r\n".len()];
                self.stream.read_exact(&mut text)?;
                text.truncate(text.len() - b"\r\n".len());
                Ok(Reply::Text(text))
            }
            _ => bail!("Redis says {line}"),
        }
    }
}

impl Client for Connection {
    fn create(&mut self, payload: &str) -> anyhow::Result<()> {
        let reply = self.call(&[b"RPUSH", b"pending", payload.as_bytes()])?;
        ensure!(matches!(reply, Reply::Integer(1..)), "RPUSH added nothing");
        Ok(())
    }

    fn claim_and_complete(&mut self) -> anyhow::Result<bool> {
        let job = match self.call(&[b"LMOVE", b"pending", b"processing", b"LEFT", b"RIGHT"])? {
            Reply::Text(job) => job,
            Reply::Nothing => return Ok(false),
            Reply::Integer(_) => bail!("LMOVE answers with a number"),
        };
        let reply = self.call(&[b"LREM", b"processing", b"1", &job])?;
        ensure!(matches!(reply, Reply::Integer(1)), "LREM did not remove the job");
        Ok(true)
    }

    fn create_all(&mut self, payloads: &[String]) -> anyhow::Result<()> {
        for some in payloads.chunks(1_000) {
            let mut words: Vec<&[u8]> = vec![b"RPUSH", b"pending"];
            words.extend(some.iter().map(String::as_bytes));
            let reply = self.call(&words)?;
            ensure!(matches!(reply, Reply::Integer(1..)), "RPUSH added nothing");
        }
        Ok(())
    }
}
