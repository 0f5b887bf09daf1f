use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::child::{Child, ExitStatus, Output};
use crate::host::{self, Ended, Input, Sink};

/// What one command line may hold, in bytes: what Linux lets a program pass.
const MOST: usize = 2 << 20;

/// Where a stream of a command leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stdio(pub(crate) Leads);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// Where the caller's own does.
    Inherit,
    /// Nowhere.
    Null,
    /// To the caller.
    Piped,
}

impl Stdio {
    /// The caller's own stream.
    pub fn inherit() -> Self {
        Self(Leads::Inherit)
    }

    /// Nothing.
    pub fn null() -> Self {
        Self(Leads::Null)
    }

    /// What the caller writes, or reads.
    pub fn piped() -> Self {
        Self(Leads::Piped)
    }
}

/// A command to run, as [`std::process::Command`].
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<OsString>,
    length: usize,
    clears: bool,
    environment: BTreeMap<OsString, Option<OsString>>,
    directory: Option<PathBuf>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl Command {
    /// The command of this name.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref().to_owned();
        Self {
            length: name.len(),
            argv: vec![name],
            clears: false,
            environment: BTreeMap::new(),
            directory: None,
            stdin: None,
            stdout: None,
            stderr: None,
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        let argument = argument.as_ref().to_owned();
        self.length += argument.len() + 1;
        self.argv.push(argument);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = A>) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// Adds an argument, if there is room: the door that the crate `argmax` has.
    pub fn try_arg(&mut self, argument: impl AsRef<OsStr>) -> io::Result<&mut Self> {
        if self.length + argument.as_ref().len() >= MOST {
            return Err(io::Error::other("the argument list is too long"));
        }
        Ok(self.arg(argument))
    }

    /// Adds arguments, if there is room for all.
    pub fn try_args<A: AsRef<OsStr>>(
        &mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<&mut Self> {
        for argument in arguments {
            self.try_arg(argument)?;
        }
        Ok(self)
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.environment.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Sets variables.
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Unsets a variable.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Unsets all variables, those that were set here included.
    pub fn env_clear(&mut self) -> &mut Self {
        self.clears = true;
        self.environment.clear();
        self
    }

    /// Where it starts.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Where its standard input comes from; the caller's, unless said.
    pub fn stdin(&mut self, stdin: Stdio) -> &mut Self {
        self.stdin = Some(stdin);
        self
    }

    /// Where its standard output goes; where the caller's does, unless said.
    pub fn stdout(&mut self, stdout: Stdio) -> &mut Self {
        self.stdout = Some(stdout);
        self
    }

    /// Where its standard error goes; where the caller's does, unless said.
    pub fn stderr(&mut self, stderr: Stdio) -> &mut Self {
        self.stderr = Some(stderr);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When there is no such command, or it may not be run, or cannot be run now.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        Ok(ExitStatus(self.run(Vec::new(), Leads::Inherit)?.status))
    }

    /// Runs it to its end, and says what it wrote.
    ///
    /// # Errors
    /// As [`Command::status`].
    pub fn output(&mut self) -> io::Result<Output> {
        let Ended { status, stdout, stderr } = self.run(Vec::new(), Leads::Piped)?;
        Ok(Output { status: ExitStatus(status), stdout, stderr })
    }

    /// Begins it. If nothing is to be written to it, it has ended by then.
    ///
    /// # Errors
    /// As [`Command::status`], if it has.
    pub fn spawn(&mut self) -> io::Result<Child> {
        Child::begin(self.clone())
    }

    pub(crate) fn is_written_to(&self) -> bool {
        self.stdin == Some(Stdio::piped())
    }

    pub(crate) fn is_read(&self) -> bool {
        self.stdout == Some(Stdio::piped())
    }

    /// Runs it with this for input, if that is to be given; streams of which nothing was said lead there.
    pub(crate) fn run(&self, given: Vec<u8>, otherwise: Leads) -> io::Result<Ended> {
        let leads = |stdio: Option<Stdio>| stdio.map_or(otherwise, |stdio| stdio.0);
        let sink = |leads| match leads {
            Leads::Inherit => Sink::Inherit,
            Leads::Null => Sink::Null,
            Leads::Piped => Sink::Capture,
        };
        let stdin = match self.stdin.map_or(Leads::Inherit, |stdio| stdio.0) {
            Leads::Inherit => Input::Inherit,
            Leads::Null => Input::Null,
            Leads::Piped => Input::Bytes(given),
        };
        let directory = self.directory.as_deref().map(absolute).transpose()?;
        let environment = self.variables();
        let (stdout, stderr) = (sink(leads(self.stdout)), sink(leads(self.stderr)));
        host::run(&self.argv, environment.as_deref(), directory.as_deref(), stdin, stdout, stderr)
    }

    /// All its variables, unless they are the caller's.
    fn variables(&self) -> Option<Vec<(OsString, OsString)>> {
        if !self.clears && self.environment.is_empty() {
            return None;
        }
        let own =
            std::env::vars_os().filter(|(name, _)| !self.clears && !self.environment.contains_key(name));
        let set = self.environment.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        Some(own.chain(set).collect())
    }
}

/// What the host is told: it does not know where the caller has gone since it began.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.is_absolute() { Ok(path.to_owned()) } else { Ok(std::env::current_dir()?.join(path)) }
}
