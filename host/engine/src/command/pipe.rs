//! Pipes between programs.
//!
//! A guest waits for one without holding up its thread's runtime, so that it can be stopped; the shell itself, which knows
//! no runtime, blocks its thread, and looks at the same time for the wish to stop.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use longhouse_shell::{Sink, Source};
use tokio::sync::Notify;

use crate::handle::Run;
use crate::threads::block_on;

/// As much is read at once, in bytes.
const MOST: usize = 64 << 10;

/// What is this long is handed on as it was written; what is shorter is joined with what follows.
const WORTH_A_READ: usize = 4 << 10;

/// A pipe of `run` that holds about `capacity` bytes. It ends for its reader when all writers are gone; who writes when
/// all readers are gone is told by `BrokenPipe`.
pub(super) fn pipe(capacity: usize, run: &Arc<Run>) -> (Writer, Reader) {
    let pipe = Arc::new(Pipe { state: Mutex::default(), changed: Notify::new(), capacity: capacity.max(1) });
    (Writer { pipe: Arc::clone(&pipe), run: Arc::clone(run) }, Reader { pipe, run: Arc::clone(run) })
}

struct Pipe {
    state: Mutex<State>,
    /// Rung with everything that somebody may wait for.
    changed: Notify,
    capacity: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    no_writer: bool,
    no_reader: bool,
}

/// The end that is written to.
pub(super) struct Writer {
    pipe: Arc<Pipe>,
    run: Arc<Run>,
}

/// The end that is read.
pub(super) struct Reader {
    pipe: Arc<Pipe>,
    run: Arc<Run>,
}

/// What there is to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// These bytes, which are at least one.
    Bytes(Bytes),
    /// Nothing yet.
    Wait,
    /// Nothing ever.
    End,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells whoever waits.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_waiters();
        changed
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if holds(&self.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Writer {
    /// How many bytes can be written at once: none if the pipe is full.
    ///
    /// # Errors
    /// `BrokenPipe` if nobody can read them.
    pub(super) fn room(&self) -> io::Result<usize> {
        let state = self.pipe.lock();
        if state.no_reader {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(self.pipe.capacity.saturating_sub(state.bytes))
    }

    /// Adds bytes, however many there is room for.
    pub(super) fn push(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pipe.change(|state| {
                state.bytes += bytes.len();
                state.waiting.push_back(bytes);
            });
        }
    }

    /// Waits until there is room, or nobody reads any more.
    pub(super) async fn writable(&self) {
        self.pipe.until(|state| state.no_reader || state.bytes < self.pipe.capacity).await;
    }
}

impl Reader {
    /// Takes up to `most` bytes.
    pub(super) fn take(&self, most: usize) -> Read {
        if most == 0 {
            return Read::Wait;
        }
        let most = most.min(MOST);
        let mut state = self.pipe.lock();
        let Some(first) = state.next(most) else {
            return if state.no_writer { Read::End } else { Read::Wait };
        };
        let bytes = if first.len() >= WORTH_A_READ { first } else { state.join(first, most) };
        state.bytes -= bytes.len();
        drop(state);
        self.pipe.changed.notify_waiters();
        Read::Bytes(bytes)
    }

    /// Waits until there is something, or nothing more can come.
    pub(super) async fn readable(&self) {
        self.pipe.until(|state| state.no_writer || state.bytes > 0).await;
    }
}

impl State {
    /// What was written first and not read, up to `most` bytes of it.
    fn next(&mut self, most: usize) -> Option<Bytes> {
        let mut first = self.waiting.pop_front()?;
        if first.len() > most {
            self.waiting.push_front(first.split_off(most));
        }
        Some(first)
    }

    fn join(&mut self, first: Bytes, most: usize) -> Bytes {
        if self.waiting.is_empty() {
            return first;
        }
        let mut joined = BytesMut::from(first);
        while joined.len() < most
            && let Some(next) = self.next(most - joined.len())
        {
            joined.extend_from_slice(&next);
        }
        joined.freeze()
    }
}

impl Sink for Writer {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = Bytes::copy_from_slice(bytes);
        loop {
            let room = self.room()?.min(rest.len());
            self.push(rest.split_to(room));
            if rest.is_empty() {
                return Ok(());
            }
            wait(&self.run, self.writable())?;
        }
    }
}

impl Source for Reader {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.take(into.len()) {
                Read::Bytes(bytes) => {
                    let count = io::Read::read(&mut bytes.as_ref(), into)?;
                    return Ok(count);
                }
                Read::End => return Ok(0),
                Read::Wait if into.is_empty() => return Ok(0),
                Read::Wait => wait(&self.run, self.readable())?,
            }
        }
    }
}

/// Blocks this thread until something happened.
///
/// # Errors
/// When the run has to stop before.
fn wait(run: &Run, event: impl Future<Output = ()>) -> io::Result<()> {
    block_on(async {
        tokio::select! {
            biased;
            () = event => Ok(()),
            () = run.stop.requested() => Err(io::Error::new(io::ErrorKind::TimedOut, "the run was stopped")),
        }
    })
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.pipe.change(|state| state.no_writer = true);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pipe.change(|state| {
            state.no_reader = true;
            state.waiting = VecDeque::new();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longhouse_core::Limits;

    use super::*;
    use crate::OutputLog;
    use crate::limits::{MemoryBudget, RunMemory};
    use crate::stop::{Stop, Why};
    use crate::threads::GuestThreads;

    fn run(wall: Duration) -> Arc<Run> {
        let place = block_on(GuestThreads::start(1).unwrap().place()).unwrap();
        let stop = Stop::new(&Limits { wall, ..Limits::default() });
        let memory = Arc::new(RunMemory::new(Arc::new(MemoryBudget::new(0, 0)), 0));
        Arc::new(Run::new(place, stop, Arc::new(OutputLog::new(0)), memory))
    }

    fn a_pipe(capacity: usize) -> (Writer, Reader) {
        pipe(capacity, &run(Duration::from_secs(60)))
    }

    fn read(reader: &Reader, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let count = reader.read(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn small_writes_are_read_together_and_large_ones_as_they_came() {
        let (writer, reader) = a_pipe(1 << 20);
        for part in ["a", "b", "cde"] {
            writer.write(part.as_bytes()).unwrap();
        }
        assert_eq!(read(&reader, 4), b"abcd");
        let large = vec![b'x'; WORTH_A_READ];
        writer.write(&large).unwrap();
        assert_eq!(
            read(&reader, 1 << 16),
            [b"e", &*large].concat(),
            "what is small is joined with what follows"
        );
        writer.write(&large).unwrap();
        writer.write(b"y").unwrap();
        assert_eq!(read(&reader, 1 << 16), large);
        drop(writer);
        assert_eq!((read(&reader, 9), read(&reader, 9)), (b"y".to_vec(), Vec::new()));
    }

    #[test]
    fn a_full_pipe_holds_its_writer_up_until_it_is_read() {
        let (writer, reader) = a_pipe(1_000);
        let writing = std::thread::spawn(move || {
            (0..100_u32).try_for_each(|round| writer.write(&[u8::try_from(round).unwrap(); 777]))
        });
        let mut bytes = Vec::new();
        loop {
            match read(&reader, 100) {
                part if part.is_empty() => break,
                part => bytes.extend(part),
            }
            assert!(reader.pipe.lock().bytes <= 1_000);
        }
        writing.join().unwrap().unwrap();
        assert_eq!(bytes.len(), 77_700);
        assert!(bytes.is_sorted());
    }

    #[test]
    fn whoever_waits_is_told_when_the_other_end_goes() {
        let (writer, reader) = a_pipe(1);
        let writing = std::thread::spawn(move || writer.write(b"two"));
        assert_eq!(read(&reader, 1), b"t");
        drop(reader);
        assert_eq!(writing.join().unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);

        let (writer, reader) = a_pipe(1);
        let reading = std::thread::spawn(move || read(&reader, 1));
        drop(writer);
        assert_eq!(reading.join().unwrap(), b"");
    }

    #[test]
    fn a_run_that_stops_ends_the_wait() {
        let run = run(Duration::from_secs(60));
        let (_writer, reader) = pipe(1, &run);
        let reading = std::thread::spawn(move || reader.read(&mut [0]));
        run.stop.request(Why::Limit);
        assert_eq!(reading.join().unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        let late = self::run(Duration::ZERO);
        let (writer, _reader) = pipe(1, &late);
        assert_eq!(writer.write(b"two").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
