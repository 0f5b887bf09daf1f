use std::cell::RefCell;
use std::fmt;
use std::io::{self, Cursor, Read, Write};
use std::rc::Rc;

use crate::command::{Command, Leads};
use crate::host::Ended;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(pub(crate) u8);

/// How a command ended, and what it wrote.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// A command that has ended, or will run when no more can be written to it.
pub struct Child {
    /// What is written to it.
    pub stdin: Option<ChildStdin>,
    /// What it has written, if it has run.
    pub stdout: Option<ChildStdout>,
    begun: Rc<RefCell<Begun>>,
}

/// What is written to a command. It runs when this is dropped.
pub struct ChildStdin(Rc<RefCell<Begun>>);

/// What a command has written.
#[derive(Debug)]
pub struct ChildStdout(Cursor<Vec<u8>>);

struct Begun {
    command: Command,
    written: Vec<u8>,
    ended: Option<io::Result<Ended>>,
}

impl Begun {
    fn finish(&mut self) {
        if self.ended.is_none() {
            let written = std::mem::take(&mut self.written);
            self.ended = Some(self.command.run(written, Leads::Inherit));
        }
    }

    /// How it ended; why it did not run is told once.
    fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.ended {
            None => Ok(None),
            Some(Ok(ended)) => Ok(Some(ExitStatus(ended.status))),
            Some(Err(error)) => Err(std::mem::replace(error, io::ErrorKind::NotFound.into())),
        }
    }
}

impl ExitStatus {
    /// Whether it succeeded.
    pub fn success(&self) -> bool {
        self.0 == 0
    }

    /// Its exit code; there are no signals.
    pub fn code(&self) -> Option<i32> {
        Some(self.0.into())
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status: {}", self.0)
    }
}

impl Child {
    pub(crate) fn begin(command: Command) -> io::Result<Self> {
        let is_written_to = command.is_written_to();
        let begun = Rc::new(RefCell::new(Begun { command, written: Vec::new(), ended: None }));
        let mut child = Self { stdin: None, stdout: None, begun };
        if is_written_to {
            child.stdin = Some(ChildStdin(Rc::clone(&child.begun)));
        } else {
            child.wait()?;
        }
        Ok(child)
    }

    /// Runs it, unless it has run, with what was written to it.
    ///
    /// # Errors
    /// When there is no such command, or it may not be run, or cannot be run now.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        let mut begun = self.begun.borrow_mut();
        begun.finish();
        if begun.command.is_read()
            && let Some(Ok(ended)) = &mut begun.ended
            && self.stdout.is_none()
        {
            self.stdout = Some(ChildStdout(Cursor::new(std::mem::take(&mut ended.stdout))));
        }
        begun.status()?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How it ended, if it has run.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.begun.borrow_mut().status()
    }
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ChildStdin {
    fn drop(&mut self) {
        self.0.borrow_mut().finish();
    }
}

impl Read for ChildStdout {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::Stdio;

    #[test]
    fn a_child_runs_when_nothing_more_can_be_written_to_it() {
        let file = std::env::temp_dir().join(format!("longhouse-process-{}", std::process::id()));
        let mut sort = Command::new("sh");
        sort.arg("-c").arg(format!("sort > {}", file.display())).stdin(Stdio::piped());
        let mut stdin = sort.spawn().unwrap().stdin.take().unwrap();
        writeln!(stdin, "b\na").unwrap();
        assert!(!file.exists());
        drop(stdin);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\n");
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn what_it_writes_can_be_read_and_its_status_is_its_own() {
        let mut child =
            Command::new("sh").args(["-c", "echo out; exit 3"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), child.wait().unwrap().code()), ("out\n", Some(3)));
        let none = Command::new("no-such-command").status().unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn variables_are_the_callers_unless_said() {
        let shown = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
        let env = || Command::new("/usr/bin/env");
        assert_eq!(shown(env().env_clear().env("A", "1")), "A=1\n");
        let own = shown(env().env("A", "1").env_remove("PATH"));
        assert!(own.contains("A=1\n") && !own.contains("\nPATH="), "{own}");
    }
}
