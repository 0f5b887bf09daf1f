//! Counting what a run does with files.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use longhouse_workspace::OwnFile;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::error::code;
use super::state::Slot;

/// What a run has done with files so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    files_opened: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

impl Counters {
    /// Files and directories opened.
    pub(crate) fn files_opened(&self) -> u64 {
        self.files_opened.load(Ordering::Relaxed)
    }

    /// Bytes read from files.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes written to files.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self) {
        self.files_opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn written(&self, bytes: usize) {
        self.bytes_written.fetch_add(bytes.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Where a file is written to, and whether it may become as long as that.
pub(super) struct Growth {
    pub(super) _slot: Slot,
    pub(super) file: Arc<File>,
    /// `None` of what is open for reading alone, which the stock implementation refuses to write to.
    pub(super) own: Option<OwnFile>,
    /// The next byte to be written; `None` for wherever the file ends.
    pub(super) position: Option<u64>,
}

impl Growth {
    /// Passes if so many bytes may be written there.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), ErrorCode> {
        let Some(own) = &self.own else { return Ok(()) };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let from = match self.position {
            Some(position) => position,
            None => self.file.metadata().map_err(ErrorCode::from)?.len(),
        };
        let end = from.saturating_add(bytes);
        own.grow(&*self.file, end).map_err(code)?;
        self.position = self.position.map(|_| end);
        Ok(())
    }
}

/// A stream whose bytes are counted, and whose file is open for as long as it is.
pub(super) struct Counted {
    stream: DynOutputStream,
    counters: Arc<Counters>,
    growth: Growth,
}

impl Counted {
    /// Counts what is written to `stream`, and holds it to what the run may stage.
    pub(super) fn output(
        stream: DynOutputStream,
        counters: &Arc<Counters>,
        growth: Growth,
    ) -> DynOutputStream {
        Box::new(Self { stream, counters: Arc::clone(counters), growth })
    }

    fn grow(&mut self, bytes: usize) -> StreamResult<()> {
        self.growth.add(bytes).map_err(|code| StreamError::LastOperationFailed(code.into()))
    }
}

#[async_trait::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let length = bytes.len();
        self.grow(length)?;
        self.stream.write(bytes)?;
        self.counters.written(length);
        Ok(())
    }

    /// Passed on, because a file answers on this thread and in one piece, where the trait's own way is to hop
    /// to another thread for every 4 KiB.
    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        let length = bytes.len();
        self.grow(length)?;
        self.stream.blocking_write_and_flush(bytes).await?;
        self.counters.written(length);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}
