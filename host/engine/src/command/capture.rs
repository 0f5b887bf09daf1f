//! What a program writes for the one that runs it, or for nobody.

use std::io;
use std::sync::{Mutex, PoisonError};

use longhouse_shell::Sink;

/// As much is kept, in bytes: with what its caller passes, what the host allocates for one call.
const MOST: usize = 16 << 20;

/// Keeps what is written. Who writes more than is kept writes where nobody reads.
#[derive(Default)]
pub(super) struct Capture(Mutex<Vec<u8>>);

impl Capture {
    /// What was written.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Capture {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() + bytes.len() > MOST {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        kept.extend_from_slice(bytes);
        Ok(())
    }
}

/// Keeps nothing.
pub(super) struct Null;

impl Sink for Null {
    fn write(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}
