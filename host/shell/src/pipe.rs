//! A bounded pipe within the process, and the other streams that the shell makes itself.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::machine::{Sink, Source};

/// A pipe within this process that holds at most `capacity` bytes: a writer waits while it is full, a reader while it is
/// empty. It ends when the last holder of the [`Sink`] lets go; when the last holder of the [`Source`] does, writing to it
/// is `BrokenPipe`.
pub fn pipe(capacity: usize) -> (Arc<dyn Sink>, Arc<dyn Source>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::default()),
        changed: Condvar::new(),
        capacity: capacity.max(1),
    });
    (Arc::new(Writer(shared.clone())), Arc::new(Reader(shared)))
}

#[derive(Default)]
struct State {
    waiting: VecDeque<u8>,
    no_writer: bool,
    no_reader: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer(Arc<Shared>);

impl Sink for Writer {
    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        loop {
            if state.no_reader {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let room = self.0.capacity.saturating_sub(state.waiting.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            state.waiting.extend(now);
            bytes = later;
            self.0.changed.notify_all();
            if bytes.is_empty() {
                return Ok(());
            }
            state = self.0.wait(state);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().no_writer = true;
        self.0.changed.notify_all();
    }
}

struct Reader(Arc<Shared>);

impl Source for Reader {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        while state.waiting.is_empty() && !state.no_writer {
            state = self.0.wait(state);
        }
        let count = io::Read::read(&mut state.waiting, into)?;
        self.0.changed.notify_all();
        Ok(count)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.no_reader = true;
        state.waiting = VecDeque::new();
        self.0.changed.notify_all();
    }
}

/// Bytes that are there already: here-documents and here-strings.
pub(crate) struct Memory(Mutex<VecDeque<u8>>);

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(bytes.into()))
    }
}

impl Source for Memory {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        io::Read::read(&mut *bytes, into)
    }
}

/// What a command substitution prints, up to a limit.
pub(crate) struct Capture {
    bytes: Mutex<Vec<u8>>,
    limit: usize,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Mutex::new(Vec::new()), limit }
    }

    /// What was printed, and whether it was more than the limit.
    pub(crate) fn take(&self) -> (Vec<u8>, bool) {
        let bytes = std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        let over = bytes.len() > self.limit;
        (bytes, over)
    }
}

impl Sink for Capture {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut held = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = (self.limit + 1).saturating_sub(held.len());
        held.extend(bytes.iter().take(room));
        if held.len() > self.limit { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}
