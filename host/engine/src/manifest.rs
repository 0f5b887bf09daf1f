//! Tools on disk: a component, and beside it what it is called.

#![expect(clippy::disallowed_methods, reason = "a tool's files belong to the server, not to a project")]

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::EngineError;

/// `NAME.toml` beside `NAME.wasm`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The tool's name.
    pub(crate) name: String,
    /// The version of what it was built from.
    pub(crate) version: String,
    /// What it is for, in a line.
    pub(crate) summary: String,
    /// The commands it provides; it is started with the command's name as its first argument.
    pub(crate) commands: Vec<String>,
    /// What it finds when there is no standard input.
    #[serde(default)]
    pub(crate) without_stdin: WithoutStdin,
}

/// What a command finds in place of a standard input that its run does not bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WithoutStdin {
    /// Its end.
    #[default]
    Nothing,
    /// A terminal at which nobody types: `rg` searches the directory then.
    Terminal,
}

/// The manifests in `dir`, in order, each with its component's path.
pub(crate) fn read_dir(dir: &Path) -> Result<Vec<(Manifest, PathBuf)>, EngineError> {
    let io = |source| EngineError::Io { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((read(&path)?, path.with_extension("wasm")))).collect()
}

fn read(path: &Path) -> Result<Manifest, EngineError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| EngineError::Io { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| EngineError::Manifest { path: path.to_owned(), source: Box::new(source) })
}

/// A component's bytes.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, EngineError> {
    std::fs::read(path).map_err(|source| EngineError::Io { path: path.to_owned(), source })
}
