//! The project's files as one stream.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use longhouse_core::{Agent, CommitNumber, ProjectPath};
use longhouse_workspace::{Follow, Wanted};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{AppError, Project};

/// So much is handed over at once, in bytes, and so many pieces wait for a slow reader.
const PIECE: usize = 64 << 10;
const PIECES: usize = 4;

/// A tar stream that is being written.
#[derive(Debug)]
pub struct Archive {
    /// Every commit up to this one is in it; later ones may be.
    pub through: CommitNumber,
    /// Its pieces; an error is the last.
    pub pieces: Receiver<io::Result<Bytes>>,
}

/// What the agent may read of `path` and beneath; only what was changed after the commit `since`, if there is one.
///
/// # Errors
/// When nothing is at the path, or the journal cannot be read.
pub async fn archive(
    project: &Arc<Project>,
    agent: &Agent,
    path: ProjectPath,
    since: Option<CommitNumber>,
) -> Result<Archive, AppError> {
    project.settled().await?;
    let (workspace, view) = (Arc::clone(&project.workspace), project.view_of(agent));
    let prepared = tokio::task::spawn_blocking(move || {
        let through = workspace.in_place()?;
        let wanted = match since {
            Some(since) => workspace.changed_since(since, &path)?,
            None => match view.stat(&path, Follow::No) {
                Ok(_) => Wanted::all_of(path),
                Err(source) => return Err(AppError::Path { path, source }),
            },
        };
        Ok((through, wanted, view))
    });
    let (through, wanted, view) = prepared.await.map_err(|_| AppError::CutOff)??;
    let (sender, pieces) = channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let out = io::BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        if let Err(error) = view.archive(&wanted, out) {
            // The reader may be gone; that may be the error.
            let _ = sender.blocking_send(Err(error));
        }
    });
    Ok(Archive { through, pieces })
}

/// Hands over what is written to it.
struct Pieces(Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
