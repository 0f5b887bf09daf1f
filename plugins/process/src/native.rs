//! Where there are processes: for lints and tests, which need no host.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) enum Input {
    Inherit,
    Null,
    Bytes(Vec<u8>),
}

pub(crate) enum Sink {
    Inherit,
    Null,
    Capture,
}

pub(crate) struct Ended {
    pub(crate) status: u8,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl From<Sink> for Stdio {
    fn from(sink: Sink) -> Self {
        match sink {
            Sink::Inherit => Self::inherit(),
            Sink::Null => Self::null(),
            Sink::Capture => Self::piped(),
        }
    }
}

pub(crate) fn run(
    argv: &[OsString],
    environment: Option<&[(OsString, OsString)]>,
    directory: Option<&Path>,
    stdin: Input,
    stdout: Sink,
    stderr: Sink,
) -> io::Result<Ended> {
    let (name, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(name);
    command.args(arguments).stdout(stdout).stderr(stderr);
    if let Some(environment) = environment {
        command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    }
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let given = match stdin {
        Input::Inherit => None,
        Input::Null => Some(Vec::new()),
        Input::Bytes(bytes) => Some(bytes),
    };
    if given.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn()?;
    if let (Some(bytes), Some(mut stdin)) = (given, child.stdin.take()) {
        stdin.write_all(&bytes)?;
    }
    let output = child.wait_with_output()?;
    let status = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
    Ok(Ended { status, stdout: output.stdout, stderr: output.stderr })
}
