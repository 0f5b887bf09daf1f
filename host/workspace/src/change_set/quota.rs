//! How much a run may stage.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longhouse_core::{EntryName, ProjectPath};
use rustix::fs::fstat;

use super::{ChangeSet, Staged};
use crate::{Kind, WorkspaceError};

/// After so many more bytes the disk is asked whether it has room.
const LOOK_AFTER: u64 = 16 << 20;

/// How much one run may stage.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Bytes of content, all files together.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u32,
}

/// What is staged, in bytes.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Never less than it is.
    used: AtomicU64,
    /// Bytes since the disk was asked.
    unasked: AtomicU64,
}

/// A staged file that is open for writing.
#[derive(Debug, Clone)]
pub struct OwnFile {
    set: Arc<ChangeSet>,
    /// Kept for as long as it is open.
    _staged: Arc<Staged>,
}

impl OwnFile {
    pub(super) const fn new(set: Arc<ChangeSet>, staged: Arc<Staged>) -> Self {
        Self { set, _staged: staged }
    }

    /// Passes if the file, which is open as `file`, may come to end at the byte `end`. To be asked before every write.
    ///
    /// # Errors
    /// [`WorkspaceError::Quota`], or that the disk is full.
    pub fn grow(&self, file: impl AsFd, end: u64) -> Result<(), WorkspaceError> {
        let size = u64::try_from(fstat(file)?.st_size).unwrap_or(0);
        self.set.charge(end.saturating_sub(size))
    }
}

impl ChangeSet {
    /// Passes if so many bytes more may be staged.
    pub(super) fn charge(&self, bytes: u64) -> Result<(), WorkspaceError> {
        let Usage { used, unasked } = &self.usage;
        if bytes == 0 {
            return Ok(());
        }
        if used.load(Ordering::Relaxed).saturating_add(bytes) > self.quota.bytes {
            // What became shorter, or went, was not taken off.
            used.store(self.staged_bytes()?, Ordering::Relaxed);
        }
        if used.load(Ordering::Relaxed).saturating_add(bytes) > self.quota.bytes {
            return Err(WorkspaceError::Quota { what: "bytes", most: self.quota.bytes });
        }
        if unasked.load(Ordering::Relaxed).saturating_add(bytes) >= LOOK_AFTER {
            self.files.check_room(bytes)?;
            unasked.store(0, Ordering::Relaxed);
        } else {
            unasked.fetch_add(bytes, Ordering::Relaxed);
        }
        used.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn staged_bytes(&self) -> Result<u64, WorkspaceError> {
        let staged: Vec<_> = self.lock().staged.iter().filter_map(std::sync::Weak::upgrade).collect();
        let mut sum = 0_u64;
        for staged in staged.iter().filter(|staged| staged.kind() == Kind::File) {
            let size = fstat(staged.open(rustix::fs::OFlags::PATH)?)?.st_size;
            sum = sum.saturating_add(u64::try_from(size).unwrap_or(0));
        }
        Ok(sum)
    }

    /// Stages what `make` makes under the name that it is given.
    pub(super) fn stage<T>(
        &self,
        kind: Kind,
        make: impl FnOnce(&EntryName) -> Result<T, WorkspaceError>,
    ) -> Result<(Arc<Staged>, T), WorkspaceError> {
        let mut state = self.lock();
        let most = self.quota.entries;
        if state.staged.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            state.staged.retain(|staged| staged.strong_count() > 0);
        }
        if state.staged.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err(WorkspaceError::Quota { what: "entries", most: most.into() });
        }
        state.count += 1;
        let name = format!("{}-{}", self.name, state.count);
        let name: EntryName = name.parse().map_err(|_| WorkspaceError::Unstable)?;
        let made = make(&name)?;
        let staged = Arc::new(Staged::new(Arc::clone(&self.files), name, kind));
        state.staged.push(Arc::downgrade(&staged));
        Ok((staged, made))
    }

    /// Stages an empty file, or one that is like `base` in everything but its content.
    pub(super) fn stage_file(&self, base: Option<&File>) -> Result<(Arc<Staged>, File), WorkspaceError> {
        self.stage(Kind::File, |name| {
            let file = self.files.create_staged(name)?;
            if let Some(base) = base {
                crate::commit::be_like(&file, base)?;
            }
            Ok(file)
        })
    }

    /// Stages a copy of `base`, which lies at `path` if that is in the project.
    pub(super) fn copy(
        &self,
        base: &File,
        path: Option<&ProjectPath>,
    ) -> Result<Arc<Staged>, WorkspaceError> {
        let size = base.metadata().map_err(WorkspaceError::Io)?.len();
        self.charge(size)?;
        if let Some(path) = path {
            self.read_base(path, base)?;
        }
        let (staged, mut copy) = self.stage_file(Some(base))?;
        // What has grown meanwhile is another version, and found out when it is published.
        std::io::copy(&mut std::io::Read::take(base, size), &mut copy).map_err(WorkspaceError::Io)?;
        Ok(staged)
    }
}
