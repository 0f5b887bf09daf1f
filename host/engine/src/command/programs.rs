//! Running programs, one or many, within one run.

use std::sync::Arc;

use longhouse_core::{CommandRules, Outcome};
use longhouse_shell::{Program, Sink};
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::CommandPre;

use super::find::{CommandRef, NoCommand};
use super::{Command, shell};
use crate::handle::Run;
use crate::limits::MemoryLimit;
use crate::mounts::Mounts;
use crate::outcome::{Ended, outcome};
use crate::run_state::RunState;
use crate::stop::Interrupted;
use crate::threads::block_on;
use crate::tools::Ready;
use crate::{Engine, EngineError, ToolRef};

/// Programs of one run at the same time, each with an instance: those of a pipeline, those that wait for others, and shells
/// among them. The pool has room for so many in every run, so that no run waits for another's.
pub(crate) const AT_ONCE: u32 = 16;

/// Programs that were started by programs, one inside the other: `find` that starts `sh` that starts `xargs` is three.
pub(super) const MAX_DEPTH: u32 = 8;

/// Memory that the host may allocate for a guest in one call, in bytes: what a guest passes to be written, or
/// asks to be given.
const HOSTCALL_BYTES: usize = 16 << 20;

/// What the programs of one run have together.
pub(crate) struct Programs {
    pub(super) engine: Engine,
    pub(crate) run: Arc<Run>,
    pub(crate) mounts: Mounts,
    pub(super) rules: CommandRules,
    /// Files that may be open, each program's and the shell's.
    pub(crate) files: Arc<Semaphore>,
    pub(crate) max_files: u32,
    at_once: Semaphore,
}

/// A program that is to run, and how many programs it is inside of.
pub(crate) struct Started {
    pub(crate) program: Program,
    pub(crate) depth: u32,
}

impl Programs {
    /// Those of `run`, which may call what `rules` allow.
    pub(crate) fn new(
        engine: Engine,
        run: Arc<Run>,
        mounts: Mounts,
        rules: CommandRules,
        max_files: u32,
    ) -> Self {
        let files = usize::try_from(max_files).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let at_once = Semaphore::new(AT_ONCE.try_into().unwrap_or(1));
        Self { engine, run, mounts, rules, files: Arc::new(Semaphore::new(files)), max_files, at_once }
    }

    /// Whether no further program could begin now.
    pub(super) fn is_full(&self) -> bool {
        self.at_once.available_permits() == 0
    }

    /// Runs a program to its end, on this thread, and says its exit status as a shell has it.
    pub(super) fn run(self: &Arc<Self>, started: Started) -> i32 {
        let stderr = started.program.stderr.clone();
        let name = started.program.argv.first().cloned().unwrap_or_default();
        let say = |what: &str| complain(stderr.as_deref(), &name, what);
        if started.depth > MAX_DEPTH {
            say("too many commands run inside one another");
            return 126;
        }
        let Ok(_place) = self.at_once.try_acquire() else {
            say("too many commands run at the same time");
            return 126;
        };
        let command = match self.find(&started.program.cwd, &name) {
            Ok(Command::Script { interpreter, argument }) => {
                return self.script(&interpreter, argument, started);
            }
            Ok(Command::Known(command)) => command,
            Err(none) => {
                say(&none.to_string());
                return none.status();
            }
        };
        self.known(&command, started)
    }

    fn script(self: &Arc<Self>, interpreter: &str, argument: Option<String>, mut started: Started) -> i32 {
        let command = match self.named(interpreter) {
            Ok(command) => command,
            Err(none) => {
                complain(started.program.stderr.as_deref(), interpreter, &none.to_string());
                return 126;
            }
        };
        let before = std::iter::once(interpreter.to_owned()).chain(argument);
        started.program.argv = before.chain(started.program.argv).collect();
        self.known(&command, started)
    }

    fn known(self: &Arc<Self>, command: &CommandRef, started: Started) -> i32 {
        match command {
            CommandRef::Tool(tool) => self.tool(tool, started),
            CommandRef::Shell => shell::status(self, started),
        }
    }

    fn tool(self: &Arc<Self>, tool: &ToolRef, started: Started) -> i32 {
        let stderr = started.program.stderr.clone();
        let name = started.program.argv.first().cloned().unwrap_or_default();
        let code = async {
            tokio::select! {
                biased;
                code = tool.code() => Some(code),
                () = self.run.stop.requested() => None,
            }
        };
        let outcome = match block_on(code) {
            Some(Ok(code)) => self.guest(&code, started).0,
            Some(Err(error)) => {
                complain(stderr.as_deref(), &name, &error.to_string());
                return 126;
            }
            // Whoever waits for it ends as well.
            None => return 143,
        };
        let say = |what: &str| complain(stderr.as_deref(), &name, what);
        match outcome {
            Outcome::Exited(code) => i32::from(code),
            Outcome::Trapped(why) => {
                say(&why);
                134
            }
            Outcome::OutOfMemory => {
                say("out of memory");
                137
            }
            Outcome::Killed(why) | Outcome::Denied(why) => {
                say(&why);
                137
            }
            Outcome::TimedOut => 143,
        }
    }

    /// Runs a tool's code to its end, on this thread. The limits hold from before it is instantiated, because that
    /// runs its code already. Its store is for the caller to drop, which takes a while.
    pub(crate) fn guest(self: &Arc<Self>, code: &Ready, started: Started) -> (Outcome, Store<RunState>) {
        let run = &self.run;
        let memory = MemoryLimit::new(Arc::clone(&run.memory));
        let mut store =
            Store::new(self.engine.wasmtime(), RunState::new(self, code.without_stdin, started, memory));
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_epoch_deadline(1);
        let watched = Arc::clone(run);
        store.epoch_deadline_callback(move |_| watched.goes_on());

        let call = async {
            tokio::select! {
                biased;
                ended = call(&code.pre, &mut store) => ended,
                // Reached only while the guest waits in a host call; a computing one is asked at every tick.
                () = run.stop.requested() => Err(Interrupted.into()),
            }
        };
        let ended = block_on(call);
        run.cpu.charge();
        (outcome(ended, &run.stop, store.data().memory.refused()), store)
    }
}

async fn call(pre: &CommandPre<RunState>, store: &mut Store<RunState>) -> Ended {
    let command = pre.instantiate_async(&mut *store).await?;
    command.wasi_cli_run().call_run(store).await
}

/// A line on a program's standard error, if it has one.
pub(super) fn complain(stderr: Option<&dyn Sink>, name: &str, what: &str) {
    if let Some(stderr) = stderr {
        // Whoever closed it does not want to know.
        let _ = stderr.write(format!("{name}: {what}\n").as_bytes());
    }
}

impl NoCommand {
    /// The exit status that a shell has for it.
    const fn status(self) -> i32 {
        match self {
            Self::Unknown => 127,
            Self::Denied => 126,
        }
    }
}

impl Started {
    /// One that a caller started, or a script of the caller's.
    pub(crate) const fn first(program: Program) -> Self {
        Self { program, depth: 0 }
    }
}

/// What has to be there before a run can begin.
pub(crate) enum Begins {
    /// A tool's code.
    Guest(Ready),
    /// Nothing.
    Shell,
}

impl Begins {
    pub(crate) async fn of(command: &CommandRef) -> Result<Self, EngineError> {
        match command {
            CommandRef::Tool(tool) => Ok(Self::Guest(tool.code().await?)),
            CommandRef::Shell => Ok(Self::Shell),
        }
    }
}
