//! A peer's process: unprivileged, on a free port of loopback, with a directory of its own.

use std::fs::File;
use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take: to start, to stop, to answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What root becomes for a peer, by its number in every Linux distribution: nobody. PostgreSQL refuses root.
const NOBODY: u32 = 65534;

/// Where a peer is to run.
pub struct Place {
    dir: TempDir,
    address: SocketAddr,
}

impl Place {
    /// A directory below `TMPDIR`, whose disk is the one that is measured, and a port that is free now.
    pub fn new() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("bench-queue-").tempdir()?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { dir, address })
    }

    /// The directory, which the peer may write.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the peer is to listen.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// An invocation of `program` that works in the directory, says what it has to say to the file `log` there, has
    /// nothing of this process's environment or privileges, and is killed when this process is.
    pub fn command(&self, program: &Path) -> anyhow::Result<Command> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new("setpriv");
        command.current_dir(self.dir()).env_clear().env("LANG", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        command.stdout(log.try_clone()?).stderr(log);
        command.args(["--pdeathsig", "KILL"]);
        if rustix::process::geteuid().is_root() {
            let nobody = NOBODY.to_string();
            command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
        }
        command.arg("--").arg(program);
        Ok(command)
    }

    /// What its processes have said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.dir().join("log")
    }
}

/// A running peer, ended with the value.
pub struct Daemon {
    process: Child,
    stop: Signal,
    place: Place,
}

impl Daemon {
    /// Starts `command` and waits until something listens at `place`. It will be sent `stop` to end it.
    pub fn start(place: Place, mut command: Command, stop: Signal) -> anyhow::Result<Self> {
        let process = command.spawn().with_context(|| format!("failed to start {command:?}"))?;
        let mut daemon = Self { process, stop, place };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(daemon.place.address).is_err() {
            if daemon.process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("{command:?} does not listen: {}", daemon.place.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    /// A connection for a protocol of small messages.
    pub fn connect(&self) -> anyhow::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.place.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        if !self.has_ended() {
            // It may end by itself at any time.
            let _ = kill_process(Pid::from_child(&self.process), self.stop);
        }
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
