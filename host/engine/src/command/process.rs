//! `longhouse:tool/process`: a program that runs others.

use std::sync::Arc;

use bytes::Bytes;
use longhouse_shell::{Program, Sink, Source};
use tokio::sync::oneshot;
use wasmtime::component::{HasData, Linker};

use super::capture::{Capture, Null};
use super::find::NoCommand;
use super::programs::MAX_DEPTH;
use super::{Given, Programs, Started};

mod bindings {
    #![allow(missing_docs, reason = "generated; wit/ has the documentation")]

    wasmtime::component::bindgen!({
        path: "../../wit/tool",
        world: "command",
        imports: { default: async | trappable },
    });
}

use bindings::longhouse::tool::process::{self, Command, Ended, Failure, Input, Output};

/// What a program needs to run others.
pub(crate) struct Process {
    pub(crate) programs: Arc<Programs>,
    pub(crate) depth: u32,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) stdin: Option<Arc<dyn Source>>,
    pub(crate) stdout: Option<Arc<dyn Sink>>,
    pub(crate) stderr: Option<Arc<dyn Sink>>,
}

/// A store whose guest can run others.
pub(crate) trait HasProcess: Send {
    /// Lends what that needs.
    fn process(&mut self) -> &mut Process;
}

struct Caller;

impl HasData for Caller {
    type Data<'a> = &'a mut Process;
}

/// Links it.
pub(crate) fn add_to_linker<T: HasProcess + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    process::add_to_linker::<T, Caller>(linker, T::process)
}

impl process::Host for &mut Process {
    async fn run(&mut self, command: Command) -> wasmtime::Result<Result<Ended, Failure>> {
        let (stdout, stderr) =
            (Stream::new(command.stdout, &self.stdout), Stream::new(command.stderr, &self.stderr));
        let program = Program {
            argv: command.argv,
            environment: command.environment.unwrap_or_else(|| self.environment.clone()),
            cwd: command.cwd.unwrap_or_else(|| self.cwd.clone()),
            stdin: match command.stdin {
                Input::Inherit => self.stdin.clone(),
                Input::Null => Some(Arc::new(Given::new(Bytes::new()))),
                Input::Bytes(bytes) => Some(Arc::new(Given::new(bytes.into()))),
            },
            stdout: stdout.sink(),
            stderr: stderr.sink(),
        };
        if let Err(failure) = check(&self.programs, &program, self.depth) {
            return Ok(Err(failure));
        }
        let (programs, depth) = (Arc::clone(&self.programs), self.depth + 1);
        let (ended, end) = oneshot::channel();
        // A thread of its own, because this one's runtime waits for it, and can be told to stop meanwhile.
        let thread = std::thread::Builder::new().name("guest".to_owned());
        let begun = thread.spawn(move || {
            let _ = ended.send(programs.run(Started { program, depth }));
        });
        if begun.is_err() {
            return Ok(Err(Failure::Busy));
        }
        let status = end.await?;
        let status = u8::try_from(status).unwrap_or(u8::MAX);
        Ok(Ok(Ended { status, stdout: stdout.captured(), stderr: stderr.captured() }))
    }
}

/// Whether it can be begun: what can be said before it is.
fn check(programs: &Programs, program: &Program, depth: u32) -> Result<(), Failure> {
    let name = program.argv.first().filter(|name| !name.is_empty()).ok_or(Failure::Invalid)?;
    let environment = program.environment.iter().flat_map(|(name, value)| [name, value]);
    if program.argv.iter().chain(environment).any(|text| text.contains('\0')) || !program.cwd.starts_with('/')
    {
        return Err(Failure::Invalid);
    }
    programs.find(&program.cwd, name).map_err(|none| match none {
        NoCommand::Unknown => Failure::NotFound,
        NoCommand::Denied => Failure::Denied,
    })?;
    if depth >= MAX_DEPTH || programs.is_full() { Err(Failure::Busy) } else { Ok(()) }
}

/// Where a program's output goes.
enum Stream {
    Sink(Option<Arc<dyn Sink>>),
    Captured(Arc<Capture>),
}

impl Stream {
    fn new(output: Output, inherited: &Option<Arc<dyn Sink>>) -> Self {
        match output {
            Output::Inherit => Self::Sink(inherited.clone()),
            Output::Null => Self::Sink(Some(Arc::new(Null))),
            Output::Capture => Self::Captured(Arc::default()),
        }
    }

    fn sink(&self) -> Option<Arc<dyn Sink>> {
        match self {
            Self::Sink(sink) => sink.clone(),
            Self::Captured(capture) => Some(Arc::clone(capture) as Arc<dyn Sink>),
        }
    }

    fn captured(&self) -> Vec<u8> {
        match self {
            Self::Sink(_) => Vec::new(),
            Self::Captured(capture) => capture.take(),
        }
    }
}
