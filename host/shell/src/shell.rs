//! What a shell is while it runs: one for the script, a copy for every subshell.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::Limits;
use crate::machine::{Machine, Opened};
use crate::syntax::ast::Function;
use crate::variables::Variables;

/// Why a script was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// [`Machine::stop`] said so.
    #[error("the script was stopped")]
    Stopped,
    /// More than [`Limits::stages`].
    #[error("a pipeline has too many stages")]
    Stages,
    /// More than [`Limits::threads`].
    #[error("too many stages of pipelines run at one time")]
    Threads,
    /// More than [`Limits::depth`].
    #[error("functions and subshells are nested too deeply")]
    Depth,
    /// More than [`Limits::commands`].
    #[error("too many commands were started")]
    Commands,
    /// More than [`Limits::variables`].
    #[error("the variables are too large")]
    Variables,
    /// More than [`Limits::expansion`].
    #[error("an expansion is too large")]
    Expansion,
}

/// What keeps the next command from being run.
#[derive(Debug)]
pub(crate) enum Interrupt {
    /// The shell or subshell ends.
    Exit(i32),
    Return(i32),
    Break(usize),
    Continue(usize),
    /// The whole script ends.
    Ended(Ended),
}

pub(crate) type Run<T> = Result<T, Interrupt>;

/// What all subshells of a script have together.
#[derive(Default)]
pub(crate) struct Shared {
    commands: AtomicU64,
    threads: AtomicUsize,
    ended: Mutex<Option<Ended>>,
}

impl Shared {
    pub(crate) fn end(&self, why: Ended) -> Interrupt {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        Interrupt::Ended(*ended.get_or_insert(why))
    }

    fn ended(&self) -> Option<Ended> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the right to run `count` threads, until [`Shared::done`].
    pub(crate) fn begin(&self, count: usize, limits: &Limits) -> Run<()> {
        if self.threads.fetch_add(count, Ordering::Relaxed) + count > limits.threads {
            self.threads.fetch_sub(count, Ordering::Relaxed);
            return Err(self.end(Ended::Threads));
        }
        Ok(())
    }

    pub(crate) fn done(&self, count: usize) {
        self.threads.fetch_sub(count, Ordering::Relaxed);
    }
}

/// What `set` switches. By default all is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub(crate) exit_on_error: bool,
    pub(crate) no_unset: bool,
    pub(crate) pipe_fail: bool,
    pub(crate) no_glob: bool,
}

impl Options {
    /// The long name of an option, by its letter; `None` if there is no such option here.
    pub const fn name(letter: char) -> Option<&'static str> {
        match letter {
            'e' => Some("errexit"),
            'u' => Some("nounset"),
            'f' => Some("noglob"),
            _ => None,
        }
    }

    /// Switches an option, by its long name: `errexit`, `nounset`, `noglob` or `pipefail`. Whether there is such an option.
    #[must_use]
    pub fn set(&mut self, name: &str, on: bool) -> bool {
        let option = match name {
            "errexit" => &mut self.exit_on_error,
            "nounset" => &mut self.no_unset,
            "noglob" => &mut self.no_glob,
            "pipefail" => &mut self.pipe_fail,
            _ => return false,
        };
        *option = on;
        true
    }
}

#[derive(Clone)]
pub(crate) struct Shell<'m> {
    pub(crate) machine: &'m dyn Machine,
    pub(crate) limits: &'m Limits,
    pub(crate) shared: &'m Shared,
    pub(crate) variables: Variables,
    pub(crate) functions: HashMap<String, Arc<Function>>,
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) files: BTreeMap<u32, Opened>,
    pub(crate) options: Options,
    /// `$?`
    pub(crate) status: i32,
    /// Of the last command substitution in the command that is expanded.
    pub(crate) substituted: Option<i32>,
    /// Functions and subshells inside one another.
    pub(crate) depth: usize,
    /// Compound commands inside one another: what the stack has to hold.
    pub(crate) nesting: usize,
    /// Loops that `break` may leave.
    pub(crate) loops: usize,
    /// Functions that `return` may leave.
    pub(crate) calls: usize,
    /// Conditions that are being evaluated: `set -e` waits.
    pub(crate) conditions: usize,
}

/// More compound commands inside one another than [`crate::run::STACK`] holds.
const NESTING: usize = 600;

impl Shell<'_> {
    /// Asked before every command and iteration.
    pub(crate) fn tick(&self) -> Run<()> {
        if let Some(why) = self.shared.ended() {
            return Err(Interrupt::Ended(why));
        }
        if self.machine.stop() {
            return Err(self.shared.end(Ended::Stopped));
        }
        Ok(())
    }

    pub(crate) fn count_command(&self) -> Run<()> {
        self.tick()?;
        if self.shared.commands.fetch_add(1, Ordering::Relaxed) >= self.limits.commands {
            return Err(self.shared.end(Ended::Commands));
        }
        self.room()
    }

    fn room(&self) -> Run<()> {
        if self.variables.size() > self.limits.variables {
            Err(self.shared.end(Ended::Variables))
        } else {
            Ok(())
        }
    }

    pub(crate) fn deeper(&mut self) -> Run<()> {
        self.depth += 1;
        if self.depth > self.limits.depth { Err(self.shared.end(Ended::Depth)) } else { Ok(()) }
    }

    pub(crate) fn nest(&mut self) -> Run<()> {
        self.nesting += 1;
        if self.nesting > NESTING { Err(self.shared.end(Ended::Depth)) } else { Ok(()) }
    }

    /// A copy that changes nothing of this one.
    pub(crate) fn subshell(&self) -> Run<Self> {
        let mut shell = self.clone();
        shell.deeper()?;
        shell.loops = 0;
        Ok(shell)
    }

    pub(crate) fn too_large(&self, size: usize) -> Run<()> {
        if size > self.limits.expansion { Err(self.shared.end(Ended::Expansion)) } else { Ok(()) }
    }

    /// Writes to a file descriptor. A reader that is gone ends the shell, as SIGPIPE would.
    pub(crate) fn write(&self, fd: u32, text: &str) -> Run<i32> {
        let Some(sink) = self.files.get(&fd).and_then(|file| file.sink.clone()) else {
            if fd != 2 {
                self.complain("write error: Bad file descriptor");
            }
            return Ok(1);
        };
        match sink.write(text.as_bytes()) {
            Ok(()) => Ok(0),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Interrupt::Exit(141)),
            Err(error) => {
                if fd != 2 {
                    self.complain(&format!("write error: {error}"));
                }
                Ok(1)
            }
        }
    }

    /// A line on standard error, if there is one.
    pub(crate) fn complain(&self, what: &str) {
        if let Some(sink) = self.files.get(&2).and_then(|file| file.sink.as_ref()) {
            // Whoever closed standard error does not want to know.
            drop(sink.write(format!("{what}\n").as_bytes()));
        }
    }

    /// Complains and ends the shell or subshell.
    pub(crate) fn fatal<T>(&self, status: i32, what: &str) -> Run<T> {
        self.complain(what);
        Err(Interrupt::Exit(status))
    }

    /// The exit status of a shell that ends for a variable that is not set.
    pub(crate) const fn unset(&self) -> i32 {
        let is_subshell = self.depth > self.calls;
        if self.options.exit_on_error || is_subshell { 1 } else { 127 }
    }

    pub(crate) fn set(&mut self, name: &str, value: String) -> Run<()> {
        match self.variables.set(name, value) {
            Ok(()) => self.room(),
            Err(crate::variables::ReadOnly) => self.fatal(1, &format!("{name}: readonly variable")),
        }
    }
}
