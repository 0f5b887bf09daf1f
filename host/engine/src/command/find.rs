//! What a name is as a command.

use std::io::Read as _;

use longhouse_core::ProjectPath;
use longhouse_workspace::Follow;

use super::Programs;
use crate::ToolRef;
use crate::mounts::Mounts;

/// Where commands are said to lie. There is nothing in the project at these paths, or it comes first.
const DIRECTORIES: [&str; 3] = ["/usr/bin/", "/bin/", "/usr/local/bin/"];

/// What a `#!` line may be long, in bytes: what Linux reads of it.
const FIRST_LINE: u64 = 256;

/// A command by its name.
#[derive(Debug, Clone)]
pub enum CommandRef {
    /// One of this tool's.
    Tool(ToolRef),
    /// `sh` or `bash`: a command line, or a script.
    Shell,
}

/// Something that can be run.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Known(CommandRef),
    /// A file that begins with `#!`: the command that it names there, and an argument that goes before the file's name.
    Script {
        interpreter: String,
        argument: Option<String>,
    },
}

/// Why there is no command, in a shell's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoCommand {
    /// Nothing is called so.
    #[error("command not found")]
    Unknown,
    /// Its agent may not run it, or it is nothing that can be run.
    #[error("Permission denied")]
    Denied,
}

impl Programs {
    /// What `name` is for this run, when asked for in the directory `cwd`.
    pub(super) fn find(&self, cwd: &str, name: &str) -> Result<Command, NoCommand> {
        if !name.contains('/') {
            return self.named(name).map(Command::Known);
        }
        match script(&self.mounts, cwd, name) {
            Err(NoCommand::Unknown) => {
                let plain = DIRECTORIES.iter().find_map(|directory| name.strip_prefix(directory));
                self.named(plain.ok_or(NoCommand::Unknown)?).map(Command::Known)
            }
            found => found,
        }
    }

    /// The command of this name, which has no `/`.
    pub(super) fn named(&self, name: &str) -> Result<CommandRef, NoCommand> {
        let command = self.engine.find(name).ok_or(NoCommand::Unknown)?;
        if self.rules.allow(name) { Ok(command) } else { Err(NoCommand::Denied) }
    }
}

/// Where the command `name` is said to lie.
pub(super) fn shown(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("/usr/bin/{name}") }
}

fn script(mounts: &Mounts, cwd: &str, name: &str) -> Result<Command, NoCommand> {
    let cwd = ProjectPath::parse(cwd).map_err(|_| NoCommand::Unknown)?;
    let path = mounts.locate(&cwd, name).map_err(|_| NoCommand::Unknown)?;
    let view = mounts.at(&path);
    let stat = view.stat(&path, Follow::Last).map_err(|_| NoCommand::Unknown)?;
    let file = view.read_file(&path).map_err(|_| NoCommand::Denied)?.file;
    let mut first = Vec::new();
    file.take(FIRST_LINE).read_to_end(&mut first).map_err(|_| NoCommand::Denied)?;
    match first.strip_prefix(b"#!") {
        Some(line) => interpreter(line),
        // bash reads it itself then.
        None if stat.executable && !first.contains(&0) => {
            Ok(Command::Script { interpreter: "sh".to_owned(), argument: None })
        }
        None => Err(NoCommand::Denied),
    }
}

/// The command that a line after `#!` names. What may be run is asked when it is.
fn interpreter(line: &[u8]) -> Result<Command, NoCommand> {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| NoCommand::Denied)?.trim();
    let (mut path, mut rest) = split(line);
    if path.ends_with("/env") {
        rest = rest.trim_start_matches("-S").trim_start();
        (path, rest) = split(rest);
    }
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).ok_or(NoCommand::Denied)?;
    let argument = Some(rest).filter(|rest| !rest.is_empty()).map(str::to_owned);
    Ok(Command::Script { interpreter: name.to_owned(), argument })
}

fn split(line: &str) -> (&str, &str) {
    line.split_once([' ', '\t']).map_or((line, ""), |(first, rest)| (first, rest.trim()))
}
