//! Runs: one execution of a command, from request to record.

use std::sync::Arc;
use std::time::Duration;

use crate::{AgentName, FileGrants, Hold, Limits, LimitsRequest, ProjectPath, Publication, RunId, Timestamp};

/// What an agent asks to have run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    /// The command and its arguments; never empty.
    pub argv: Vec<String>,
    /// The directory it starts in.
    pub cwd: ProjectPath,
    /// What the request wants narrower than the profile.
    pub limits: LimitsRequest,
    /// Which files it may touch, of those that the profile grants; all of them if `None`.
    pub narrow: Option<Arc<FileGrants>>,
    /// The lease it works under.
    pub under: Under,
}

/// Which lease a run works under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// This one.
    Lease(Hold),
    /// The only one that its agent holds, if it holds exactly one.
    TheOnlyLease,
    /// None.
    NoLease,
}

/// Whether a run may change the project at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every change is refused.
    ReadOnly,
    /// Changes are allowed where the grants say so.
    ReadWrite,
}

/// How a guest ended. A guest's failure is data; only our own failure is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself with this exit code.
    Exited(u8),
    /// It did what WebAssembly forbids; the text says what.
    Trapped(String),
    /// It reached its wall-clock or CPU limit.
    TimedOut,
    /// It asked for more memory than its limit.
    OutOfMemory,
    /// Somebody, or the server's end, stopped it; the text says why.
    Killed(String),
    /// It ended, and publishing its changes was refused.
    Denied(String),
}

impl Outcome {
    /// The name the API and the store use.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Exited(_) => "exited",
            Self::Trapped(_) => "trapped",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::Killed(_) => "killed",
            Self::Denied(_) => "denied",
        }
    }
}

/// What a run cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consumption {
    /// From start to end.
    pub wall: Duration,
    /// Executing the guest and the host calls it made.
    pub cpu: Duration,
    /// The most memory it held at once, in bytes.
    pub peak_memory: u64,
    /// Bytes read from project files.
    pub bytes_read: u64,
    /// Bytes written to project files.
    pub bytes_written: u64,
    /// Project files opened.
    pub files_opened: u64,
}

/// Which of a guest's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output as the guest wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes of output before this piece, over both streams; the cursor for reading on.
    pub offset: u64,
    /// Where it was written.
    pub stream: Stream,
    /// What was written; not necessarily UTF-8.
    pub bytes: Vec<u8>,
}

/// The output of a run: one list of chunks in the order they were written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// In order, without gaps, starting at offset 0.
    pub chunks: Vec<Chunk>,
    /// Whether the guest wrote more than was kept.
    pub truncated: bool,
}

/// A run that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRun {
    /// Which run.
    pub id: RunId,
    /// Who asked for it.
    pub agent: AgentName,
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Where it started.
    pub cwd: ProjectPath,
    /// What it may spend.
    pub limits: Limits,
    /// The lease it works under, which lasts as long as the run does, up to its hard end.
    pub hold: Option<Hold>,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it goes on after the call that started it returned: only then does it have a row.
    pub job: bool,
}

/// Where a run stands, in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// It has begun and not ended.
    Running,
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// What it cost.
        consumption: Consumption,
        /// When.
        at: Timestamp,
    },
}

/// What is kept of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Which run.
    pub id: RunId,
    /// Who asked for it.
    pub agent: AgentName,
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Where it started.
    pub cwd: ProjectPath,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it stands.
    pub status: RunStatus,
    /// What it wrote; empty while it runs.
    pub output: Output,
    /// What it changed; `None` while it runs, and of what may change nothing.
    pub changes: Option<Publication>,
}

impl Output {
    /// What was written from byte `offset` on, about `max` bytes of it, and the offset to go on from.
    pub fn from(&self, offset: u64, max: u64) -> (Vec<Chunk>, u64) {
        let mut next = offset;
        let mut chunks = Vec::new();
        for chunk in &self.chunks {
            let skip = usize::try_from(next.saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
            let Some(bytes) = chunk.bytes.get(skip..).filter(|bytes| !bytes.is_empty()) else { continue };
            if next - offset >= max {
                break;
            }
            let offset = chunk.offset + u64::try_from(skip).unwrap_or(u64::MAX);
            next = offset + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            chunks.push(Chunk { offset, stream: chunk.stream, bytes: bytes.to_vec() });
        }
        (chunks, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_on_from_a_cursor_neither_repeats_nor_skips() {
        let chunk = |offset, stream, text: &str| Chunk { offset, stream, bytes: text.into() };
        let chunks = vec![
            chunk(0, Stream::Stdout, "abc"),
            chunk(3, Stream::Stderr, "de"),
            chunk(5, Stream::Stdout, "f"),
        ];
        let output = Output { chunks: chunks.clone(), truncated: false };
        assert_eq!(output.from(0, 100), (chunks, 6));
        assert_eq!(output.from(1, 1), (vec![chunk(1, Stream::Stdout, "bc")], 3));
        assert_eq!(output.from(3, 2), (vec![chunk(3, Stream::Stderr, "de")], 5));
        assert_eq!(output.from(6, 100), (vec![], 6));
        assert_eq!(output.from(9, 100), (vec![], 9));
    }
}
