//! What a guest writes: one list of chunks over both streams, readable while it grows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use longhouse_core::{Chunk, Output, Stream};
use tokio::sync::Notify;

/// Writes to one stream are joined into chunks of up to this many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks in one log: what alternates between the streams with every byte costs the host far more than its
/// length, some 5 MB at this many.
const MAX_CHUNKS: usize = 65_536;

/// The output of a run, in the order it was written. From where it reaches a limit it is discarded, and that
/// is noted: a guest that writes too much is not stopped for it.
#[derive(Debug)]
pub struct OutputLog {
    limit: u64,
    written: Mutex<Written>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct Written {
    output: Output,
    bytes: u64,
    /// Nothing will be added.
    closed: bool,
}

impl OutputLog {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, written: Mutex::default(), grown: Notify::new() }
    }

    /// Everything kept so far.
    pub fn output(&self) -> Output {
        self.lock().output.clone()
    }

    /// What was written from byte `offset` on, up to about `max` bytes, and the offset to go on from.
    pub fn read(&self, offset: u64, max: u64) -> (Vec<Chunk>, u64) {
        let written = self.lock();
        written.output.from(offset, max)
    }

    /// Waits until there is something from byte `offset` on, or nothing more can come.
    pub async fn grown_past(&self, offset: u64) {
        loop {
            let grown = self.grown.notified();
            {
                let written = self.lock();
                if written.bytes > offset || written.closed {
                    return;
                }
            }
            grown.await;
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.grown.notify_waiters();
    }

    pub(crate) fn append(&self, stream: Stream, bytes: &[u8]) {
        {
            let mut written = self.lock();
            if written.closed || written.output.truncated {
                return;
            }
            let room = usize::try_from(self.limit - written.bytes).unwrap_or(usize::MAX);
            let kept = bytes.get(..room).unwrap_or(bytes);
            let fits = kept.is_empty() || written.push(stream, kept);
            written.output.truncated = kept.len() < bytes.len() || !fits;
        }
        self.grown.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    /// Adds to the last chunk if that is possible, else as one of its own. `false` if there are too many.
    fn push(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        let chunks = &mut self.output.chunks;
        let full = chunks.len() == MAX_CHUNKS;
        match chunks.last_mut() {
            Some(last) if last.stream == stream && last.bytes.len() + bytes.len() <= CHUNK_BYTES => {
                last.bytes.extend_from_slice(bytes);
            }
            _ if full => return false,
            _ => chunks.push(Chunk { offset: self.bytes, stream, bytes: bytes.to_vec() }),
        }
        self.bytes += bytes.len() as u64;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn chunk(offset: u64, stream: Stream, text: &str) -> Chunk {
        Chunk { offset, stream, bytes: text.into() }
    }

    #[test]
    fn small_writes_are_joined_and_the_order_of_streams_is_kept() {
        let log = OutputLog::new(100);
        log.append(Stream::Stdout, b"a");
        log.append(Stream::Stdout, b"b");
        log.append(Stream::Stderr, b"c");
        log.append(Stream::Stdout, b"d");
        let expected = vec![
            chunk(0, Stream::Stdout, "ab"),
            chunk(2, Stream::Stderr, "c"),
            chunk(3, Stream::Stdout, "d"),
        ];
        assert_eq!(log.output(), Output { chunks: expected, truncated: false });
    }

    #[test]
    fn what_is_beyond_the_limit_is_discarded_and_noted() {
        let log = OutputLog::new(3);
        log.append(Stream::Stdout, b"ab");
        log.append(Stream::Stderr, b"c");
        assert!(!log.output().truncated, "exactly full is not too much");
        log.append(Stream::Stdout, b"d");
        let expected = vec![chunk(0, Stream::Stdout, "ab"), chunk(2, Stream::Stderr, "c")];
        assert_eq!(log.output(), Output { chunks: expected, truncated: true });
    }

    #[test]
    fn alternating_between_the_streams_does_not_cost_more_than_it_may() {
        let log = OutputLog::new(1 << 20);
        for _ in 0..MAX_CHUNKS {
            log.append(Stream::Stdout, b"o");
            log.append(Stream::Stderr, b"e");
        }
        let output = log.output();
        assert_eq!((output.chunks.len(), output.truncated), (MAX_CHUNKS, true));
        log.append(output.chunks.last().unwrap().stream, b"x");
        assert_eq!(log.output(), output, "there is no gap in what is kept");
    }

    #[tokio::test]
    async fn a_reader_is_woken_by_growth_and_by_the_end() {
        let log = Arc::new(OutputLog::new(100));
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.grown_past(0).await }
        });
        log.append(Stream::Stdout, b"x");
        waiting.await.unwrap();
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.grown_past(1).await }
        });
        log.close();
        waiting.await.unwrap();
    }
}
