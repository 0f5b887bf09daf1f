//! Compiling a policy in a process of its own: what takes too long there, or too much, takes nothing from the server.

use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{PolicyConfig, PolicyEngine, PolicyError};

/// How a policy is compiled by another process.
#[derive(Debug, Clone)]
pub struct Apart {
    /// A program that does [`Apart::compile_here`] when it is called with the arguments of [`Apart::arguments`].
    pub program: PathBuf,
    /// How long it may compute, on all processors together; whole seconds.
    pub cpu: Duration,
    /// How much memory it may have, in bytes.
    pub memory: u64,
}

impl Apart {
    /// This program itself, with two minutes and 4 GiB: what Python makes of a few lines takes 20 s.
    pub fn by_this_program() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), cpu: Duration::from_secs(120), memory: 4 << 30 }
    }

    /// What `program` is called with.
    #[expect(
        clippy::disallowed_methods,
        reason = "the server itself once more, and no program of anybody else's"
    )]
    fn arguments(&self, cache: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("compile-policy").arg("--cache").arg(cache);
        command.arg("--cpu-s").arg(self.cpu.as_secs().max(1).to_string());
        command.arg("--memory").arg(self.memory.to_string());
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Has `component` compiled into the cache.
    pub(super) fn compile(&self, component: &[u8], cache: &Path) -> Result<(), PolicyError> {
        let failed = |error: io::Error| PolicyError::Compile(format!("the compiler did not start: {error}"));
        let mut child = self.arguments(cache).spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended before it has read everything says why.
            let _ = stdin.write_all(component);
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        Err(PolicyError::Compile(match output.status.signal() {
            Some(_) => format!(
                "that takes more than {} s of computing or {} MiB of memory",
                self.cpu.as_secs(),
                self.memory >> 20
            ),
            None => {
                let said = String::from_utf8_lossy(&output.stderr);
                said.trim_end().trim_start_matches("Error: ").to_owned()
            }
        }))
    }

    /// What the other process does: takes on its limits, and compiles into the cache.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub fn compile_here(cache: PathBuf, cpu_s: u64, memory: u64, component: &[u8]) -> Result<(), ApartError> {
        let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(Resource::Cpu, limit(cpu_s)).map_err(io::Error::from)?;
        setrlimit(Resource::As, limit(memory)).map_err(io::Error::from)?;
        setrlimit(Resource::Core, limit(0)).map_err(io::Error::from)?;
        let config = PolicyConfig { cache_dir: Some(cache), ..PolicyConfig::default() };
        PolicyEngine::new(config)?.compile(component).map(drop).map_err(ApartError::Compile)
    }
}

/// Why the other process did not compile it.
#[derive(Debug, thiserror::Error)]
pub enum ApartError {
    /// It could not take on its limits.
    #[error("no limits")]
    Limits(#[from] io::Error),
    /// The engine could not be set up.
    #[error(transparent)]
    Engine(#[from] crate::EngineError),
    /// It is not what can be compiled.
    #[error("{0:#}")]
    Compile(wasmtime::Error),
}
