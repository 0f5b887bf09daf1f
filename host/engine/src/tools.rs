//! The tools there are, and the commands they provide.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::EngineError;
use crate::manifest::{Manifest, WithoutStdin};
use crate::run_state::RunState;

/// A tool, known by the hash of its component. Cheap to clone.
#[derive(Clone)]
pub struct ToolRef(pub(crate) Arc<Tool>);

pub(crate) struct Tool {
    pub(crate) manifest: Manifest,
    pub(crate) hash: blake3::Hash,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) code: watch::Sender<Code>,
}

/// A tool's compiled code.
#[derive(Clone)]
pub(crate) enum Code {
    Compiling,
    Ready(CommandPre<RunState>),
    Failed(String),
}

/// What it takes to run a tool.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) pre: CommandPre<RunState>,
    pub(crate) without_stdin: WithoutStdin,
}

/// What is told of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolInfo {
    /// Its name.
    pub name: String,
    /// The version of what it was built from.
    pub version: String,
    /// What it is for, in a line.
    pub summary: String,
    /// The commands it provides.
    pub commands: Vec<String>,
    /// The blake3 hash of its component, in hexadecimal.
    pub hash: String,
    /// The size of its component.
    pub bytes: u64,
    /// Whether it can run.
    pub state: ToolState,
}

/// Whether a tool can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolState {
    /// Not yet; a run that needs it waits.
    Compiling,
    /// Yes.
    Ready,
    /// No, for this reason.
    Failed(String),
}

/// How far compiling has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Tools that are ready, or never will be.
    pub settled: usize,
    /// All tools.
    pub total: usize,
}

impl Readiness {
    /// Whether nothing is still being compiled.
    pub const fn is_complete(&self) -> bool {
        self.settled == self.total
    }
}

/// All tools, and which of them provides which command.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) tools: Vec<ToolRef>,
    commands: HashMap<String, ToolRef>,
}

impl Registry {
    /// Adds a tool, unless one of its commands is taken.
    pub(crate) fn add(&mut self, tool: &ToolRef) -> Result<(), EngineError> {
        let Manifest { name, commands, .. } = &tool.0.manifest;
        for command in commands {
            if let Some(first) = self.commands.get(command) {
                return Err(EngineError::CommandTwice {
                    command: command.clone(),
                    first: first.0.manifest.name.clone(),
                    second: name.clone(),
                });
            }
        }
        self.commands.extend(commands.iter().map(|command| (command.clone(), tool.clone())));
        self.tools.push(tool.clone());
        Ok(())
    }

    /// How far compiling has come.
    pub(crate) fn ready(&self) -> Readiness {
        let settled = |ToolRef(tool): &&ToolRef| !matches!(*tool.code.borrow(), Code::Compiling);
        Readiness { settled: self.tools.iter().filter(settled).count(), total: self.tools.len() }
    }

    /// The name that is most like `command`, the first by the alphabet of several: at most two letters are other, missing,
    /// too many or exchanged, and most are not.
    pub(crate) fn nearest(&self, command: &str) -> Option<String> {
        let distance = |name: &String| (strsim::damerau_levenshtein(name, command), name.clone());
        let alike = |(distance, name): &(usize, String)| *distance <= 2 && distance * 2 < name.len();
        self.commands.keys().map(distance).filter(alike).min().map(|(_, name)| name)
    }

    /// The tool that provides `command`.
    pub(crate) fn find(&self, command: &str) -> Option<ToolRef> {
        self.commands.get(command).cloned()
    }
}

impl Tool {
    pub(crate) fn new(manifest: Manifest, path: PathBuf, component: &[u8]) -> Self {
        let bytes = u64::try_from(component.len()).unwrap_or(u64::MAX);
        Self {
            manifest,
            hash: blake3::hash(component),
            path,
            bytes,
            code: watch::Sender::new(Code::Compiling),
        }
    }
}

impl ToolRef {
    /// What is told of it.
    pub fn info(&self) -> ToolInfo {
        let Tool { manifest, hash, bytes, code, path: _ } = &*self.0;
        ToolInfo {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            summary: manifest.summary.clone(),
            commands: manifest.commands.clone(),
            hash: hash.to_hex().to_string(),
            bytes: *bytes,
            state: match &*code.borrow() {
                Code::Compiling => ToolState::Compiling,
                Code::Ready(_) => ToolState::Ready,
                Code::Failed(reason) => ToolState::Failed(reason.clone()),
            },
        }
    }

    /// Its code, once that is compiled.
    pub(crate) async fn code(&self) -> Result<Ready, EngineError> {
        let failed = |reason| EngineError::ToolFailed { tool: self.0.manifest.name.clone(), reason };
        let mut code = self.0.code.subscribe();
        let settled = code.wait_for(|code| !matches!(code, Code::Compiling)).await;
        match settled.as_deref() {
            Ok(Code::Ready(pre)) => {
                Ok(Ready { pre: pre.clone(), without_stdin: self.0.manifest.without_stdin })
            }
            Ok(Code::Failed(reason)) => Err(failed(reason.clone())),
            Ok(Code::Compiling) | Err(_) => Err(failed("the server is stopping".to_owned())),
        }
    }
}

impl fmt::Debug for ToolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ToolRef").field(&self.0.manifest.name).finish()
    }
}
