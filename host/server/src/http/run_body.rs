//! Runs as JSON.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longhouse_core::{Chunk, Consumption, Outcome, Publication, RunStatus, Stream};
use serde::Serialize;

use crate::app::runs::RunView;

/// A run. What it wrote is there only where it was asked for.
#[derive(Serialize)]
pub(super) struct RunBody<'a> {
    id: String,
    agent: &'a str,
    argv: &'a [String],
    /// Whether its command, its output and what it changed are left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    cwd: &'a str,
    started_at_ms: u64,
    /// `running` or `ended`.
    status: &'static str,
    #[serde(flatten)]
    end: Option<EndBody<'a>>,
    truncated: bool,
    /// What it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a Publication>,
    #[serde(flatten)]
    streams: Option<StreamsBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Vec<ChunkBody<'a>>>,
    /// The cursor to read on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

#[derive(Serialize)]
struct EndBody<'a> {
    ended_at_ms: u64,
    outcome: OutcomeBody<'a>,
    consumption: ConsumptionBody,
}

#[derive(Serialize)]
struct OutcomeBody<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct ConsumptionBody {
    wall_ms: f64,
    cpu_ms: f64,
    peak_memory_bytes: u64,
    bytes_read: u64,
    bytes_written: u64,
    files_opened: u64,
}

/// Each stream joined into a text; bytes that are no UTF-8 are replaced.
#[derive(Serialize)]
struct StreamsBody {
    stdout: String,
    stderr: String,
}

/// A piece of output, as text where it is some.
#[derive(Serialize)]
struct ChunkBody<'a> {
    offset: u64,
    stream: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl<'a> RunBody<'a> {
    /// A run without what it wrote.
    pub(super) fn summary(view: &'a RunView) -> Self {
        let run = &*view.record;
        let (status, end) = match &run.status {
            RunStatus::Running => ("running", None),
            RunStatus::Ended { outcome, consumption, at } => {
                let (outcome, consumption) = (OutcomeBody::of(outcome), ConsumptionBody::of(consumption));
                ("ended", Some(EndBody { ended_at_ms: at.as_millis(), outcome, consumption }))
            }
        };
        Self {
            id: run.id.to_string(),
            agent: run.agent.as_str(),
            argv: &run.argv,
            hidden: view.is_hidden,
            cwd: run.cwd.as_str(),
            started_at_ms: run.started_at.as_millis(),
            status,
            end,
            truncated: run.output.truncated,
            changes: run.changes.as_ref(),
            streams: None,
            output: None,
            next: None,
        }
    }

    /// A run with all that it wrote.
    pub(super) fn whole(view: &'a RunView) -> Self {
        let chunks = &view.record.output.chunks;
        if view.is_hidden {
            return Self::summary(view);
        }
        Self {
            streams: Some(StreamsBody {
                stdout: joined(chunks, Stream::Stdout),
                stderr: joined(chunks, Stream::Stderr),
            }),
            output: Some(chunks.iter().map(ChunkBody::of).collect()),
            ..Self::summary(view)
        }
    }

    /// A run with part of what it wrote.
    pub(super) fn page(view: &'a RunView, chunks: &'a [Chunk], next: u64) -> Self {
        let output = Some(chunks.iter().map(ChunkBody::of).collect());
        Self { output, next: Some(next), ..Self::summary(view) }
    }
}

impl<'a> OutcomeBody<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let (code, reason) = match outcome {
            Outcome::Exited(code) => (Some(*code), None),
            Outcome::Trapped(reason) | Outcome::Killed(reason) | Outcome::Denied(reason) => {
                (None, Some(reason.as_str()))
            }
            Outcome::TimedOut | Outcome::OutOfMemory => (None, None),
        };
        Self { kind: outcome.as_str(), code, reason }
    }
}

impl ConsumptionBody {
    fn of(consumption: &Consumption) -> Self {
        // To the microsecond, which is what is stored.
        let ms = |duration: Duration| duration.as_micros() as f64 / 1_000.0;
        Self {
            wall_ms: ms(consumption.wall),
            cpu_ms: ms(consumption.cpu),
            peak_memory_bytes: consumption.peak_memory,
            bytes_read: consumption.bytes_read,
            bytes_written: consumption.bytes_written,
            files_opened: consumption.files_opened,
        }
    }
}

impl<'a> ChunkBody<'a> {
    fn of(chunk: &'a Chunk) -> Self {
        let stream = match chunk.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let text = std::str::from_utf8(&chunk.bytes).ok();
        let base64 = text.is_none().then(|| STANDARD.encode(&chunk.bytes));
        Self { offset: chunk.offset, stream, text, base64 }
    }
}

fn joined(chunks: &[Chunk], stream: Stream) -> String {
    let bytes = chunks.iter().filter(|chunk| chunk.stream == stream).flat_map(|chunk| &chunk.bytes);
    let bytes: Vec<u8> = bytes.copied().collect();
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
