//! Files of the project that a redirection opened.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use longhouse_shell::{Open, Sink, Source};
use longhouse_workspace::{Create, Kind, OpenOptions, Opened, OwnFile, WorkspaceError};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::sync::OwnedSemaphorePermit;

use crate::filesystem::Counters;

/// An open file, with one position for all who share it.
pub(super) struct OpenFile {
    file: Mutex<File>,
    appends: bool,
    /// What to ask before it is written to; `None` of what is open for reading.
    own: Option<OwnFile>,
    counters: Arc<Counters>,
    _slot: OwnedSemaphorePermit,
}

/// How the workspace is to open what a redirection opens.
pub(super) fn options(how: Open) -> OpenOptions {
    let write = how != Open::Read;
    OpenOptions {
        read: matches!(how, Open::Read | Open::ReadWrite),
        write,
        create: if write { Create::IfMissing } else { Create::No },
        truncate: how == Open::Truncate,
        ..OpenOptions::default()
    }
}

impl OpenFile {
    pub(super) fn new(
        opened: Opened,
        how: Open,
        counters: Arc<Counters>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Self, WorkspaceError> {
        let Opened { file, stat, own, .. } = opened;
        if stat.kind == Kind::Directory {
            return Err(WorkspaceError::IsADirectory);
        }
        let appends = how == Open::Append;
        if appends {
            // The kernel finds the end: others may append to the same file.
            fcntl_setfl(&file, fcntl_getfl(&file)? | OFlags::APPEND)?;
        }
        counters.opened();
        Ok(Self { file: Mutex::new(file), appends, own, counters, _slot: slot })
    }
}

impl Source for OpenFile {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.lock().unwrap_or_else(PoisonError::into_inner).read(into)?;
        self.counters.read(count);
        Ok(count)
    }
}

impl Sink for OpenFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &self.own {
            let from = if self.appends { file.metadata()?.len() } else { file.stream_position()? };
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            own.grow(&*file, from.saturating_add(length)).map_err(io::Error::other)?;
        }
        file.write_all(bytes)?;
        self.counters.written(bytes.len());
        Ok(())
    }
}
