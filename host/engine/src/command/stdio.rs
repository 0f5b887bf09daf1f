//! The standard streams of a program: those of the shell, as WASI has them.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use longhouse_core::Stream;
use longhouse_shell::{Sink, Source};
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::pipe::{Read, Reader, Writer};
use crate::handle::Run;
use crate::manifest::WithoutStdin;

/// What a guest is told it may write at once, and reads at once, in bytes.
const AT_ONCE: usize = 64 << 10;

/// What ends a program that writes where nobody reads, as SIGPIPE does.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what it writes")]
pub(crate) struct BrokenPipe;

/// Standard input of a run that brings none.
pub(crate) struct Nothing;

impl Source for Nothing {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// Bytes that are there already.
pub(crate) struct Given(Mutex<Bytes>);

impl Given {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(Mutex::new(bytes))
    }
}

impl Source for Given {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = bytes.len().min(into.len());
        io::Read::read(&mut bytes.split_to(first).as_ref(), into)
    }
}

/// One of the streams into a run's log. Once the run has to stop, nothing more comes in: some of its programs end before
/// others, which take that for the end of their input.
pub(crate) struct LogSink {
    run: Arc<Run>,
    stream: Stream,
}

impl LogSink {
    pub(crate) const fn new(run: Arc<Run>, stream: Stream) -> Self {
        Self { run, stream }
    }
}

impl Sink for LogSink {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if self.run.stop.why().is_none() {
            self.run.log.append(self.stream, bytes);
        }
        Ok(())
    }
}

/// A program's standard input; `None` is closed.
pub(crate) struct Stdin {
    source: Option<Arc<dyn Source>>,
    without: WithoutStdin,
}

/// A program's standard output or error; `None` is closed.
pub(crate) struct Stdout(pub(crate) Option<Arc<dyn Sink>>);

impl Stdin {
    pub(crate) const fn new(source: Option<Arc<dyn Source>>, without: WithoutStdin) -> Self {
        Self { source, without }
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        let is_nothing = |source: &Arc<dyn Source>| (&**source as &dyn Any).is::<Nothing>();
        self.without == WithoutStdin::Terminal && self.source.as_ref().is_some_and(is_nothing)
    }
}

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    /// For WASI 0.3, which is not offered.
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Input(self.source.clone()))
    }
}

impl StdoutStream for Stdout {
    /// For WASI 0.3, which is not offered.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Output(self.0.clone()))
    }
}

struct Input(Option<Arc<dyn Source>>);

impl Input {
    /// The only kind of input that has to be waited for.
    fn pipe(&self) -> Option<&Reader> {
        (&**self.0.as_ref()? as &dyn Any).downcast_ref()
    }
}

#[async_trait::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        if let Some(pipe) = self.pipe() {
            pipe.readable().await;
        }
    }
}

#[async_trait::async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let Some(source) = &self.0 else { return Err(StreamError::Closed) };
        if size == 0 {
            return Ok(Bytes::new());
        }
        if let Some(pipe) = self.pipe() {
            return match pipe.take(size) {
                Read::Bytes(bytes) => Ok(bytes),
                Read::Wait => Ok(Bytes::new()),
                Read::End => Err(StreamError::Closed),
            };
        }
        let mut bytes = vec![0; size.min(AT_ONCE)];
        match source.read(&mut bytes).map_err(failed)? {
            0 => Err(StreamError::Closed),
            count => {
                bytes.truncate(count);
                Ok(bytes.into())
            }
        }
    }

    /// Others may read the same pipe, so that there is nothing when it is this one's turn: however often that is.
    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        loop {
            self.ready().await;
            let bytes = self.read(size)?;
            if size == 0 || !bytes.is_empty() {
                return Ok(bytes);
            }
        }
    }
}

struct Output(Option<Arc<dyn Sink>>);

impl Output {
    /// The only kind of output that has to be waited for.
    fn pipe(&self) -> Option<&Writer> {
        (&**self.0.as_ref()? as &dyn Any).downcast_ref()
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        if let Some(pipe) = self.pipe() {
            pipe.writable().await;
        }
    }
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let Some(sink) = &self.0 else { return Err(StreamError::Closed) };
        if let Some(pipe) = self.pipe() {
            pipe.push(bytes);
            return Ok(());
        }
        sink.write(&bytes).map_err(failed)
    }

    /// Nothing is held back.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.pipe() {
            Some(pipe) => pipe.room().map_err(failed),
            None => Ok(AT_ONCE),
        }
    }

    /// Returns as soon as all is written, where the trait's own way waits until more could be.
    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            let room = self.write_ready().await?;
            self.write(bytes.split_to(room.min(bytes.len())))?;
        }
        Ok(())
    }

    /// As for [`Input::blocking_read`].
    async fn write_ready(&mut self) -> StreamResult<usize> {
        loop {
            self.ready().await;
            match self.check_write()? {
                0 => {}
                room => return Ok(room),
            }
        }
    }
}

fn failed(error: io::Error) -> StreamError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return StreamError::Trap(BrokenPipe.into());
    }
    StreamError::LastOperationFailed(error.into())
}
