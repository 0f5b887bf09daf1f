//! Reading a file as a stream.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::Counters;
use super::state::Slot;

/// As much is read at once, in bytes.
const MOST: usize = 64 << 10;

/// What a file holds from some byte on. A guest has its thread to itself, so reading blocks there; and no more room is made
/// than the file has left, because that, and clearing it, costs more than to read a small file.
pub(super) struct FileInput {
    file: Arc<File>,
    /// The next byte to be read.
    position: u64,
    /// How long the file was when that was last asked.
    size: u64,
    counters: Arc<Counters>,
    /// The file is open for as long as this is.
    _slot: Slot,
}

impl FileInput {
    /// Reads `file` from the byte `position` on.
    pub(super) fn new(file: Arc<File>, position: u64, counters: Arc<Counters>, slot: Slot) -> Self {
        Self { file, position, size: 0, counters, _slot: slot }
    }

    fn next(&mut self, most: usize) -> Result<Option<Bytes>, Errno> {
        if self.position >= self.size {
            self.size = fstat(&self.file)?.st_size.try_into().unwrap_or(0);
        }
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(left.min(most).min(MOST));
        if bytes.capacity() > 0 {
            retry_on_intr(|| pread(&self.file, spare_capacity(&mut bytes), self.position))?;
        }
        self.position = self.position.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        self.counters.read(bytes.len());
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()).map(Bytes::from))
    }
}

#[async_trait::async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        match self.next(size) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(StreamError::Closed),
            Err(errno) => Err(StreamError::LastOperationFailed(std::io::Error::from(errno).into())),
        }
    }

    /// The trait's own way is to read 4 KiB after having waited on another thread.
    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.read(size)
    }
}
