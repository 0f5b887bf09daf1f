//! Files, directories and links of a change set, before they are published.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use longhouse_core::{EntryKind, EntryName, Version};
use rustix::fs::OFlags;

use crate::publish::{Files, version_of_names};
use crate::resolve::target;
use crate::{Kind, WorkspaceError};

/// Something staged. It goes when nobody has it any more, unless a commit took it over.
#[derive(Debug)]
pub(crate) struct Staged {
    files: Arc<Files>,
    name: EntryName,
    kind: Kind,
    is_given: AtomicBool,
    version: OnceLock<Version>,
}

impl Staged {
    /// What lies under this name, and is of this kind.
    pub(super) const fn new(files: Arc<Files>, name: EntryName, kind: Kind) -> Self {
        Self { files, name, kind, is_given: AtomicBool::new(false), version: OnceLock::new() }
    }

    pub(crate) const fn name(&self) -> &EntryName {
        &self.name
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Opens it.
    pub(crate) fn open(&self, flags: OFlags) -> Result<OwnedFd, WorkspaceError> {
        self.files.open_staged(&self.name, flags)
    }

    /// What it is, from when that is asked for first: nobody writes to it any more by then.
    pub(crate) fn version(&self) -> Result<Version, WorkspaceError> {
        if let Some(version) = self.version.get() {
            return Ok(*version);
        }
        let version = match self.kind {
            Kind::File => self.files.version_of(&self.open(OFlags::RDONLY)?.into())?,
            Kind::Directory => version_of_names(&BTreeSet::new()),
            Kind::Link => {
                let target = target(&self.open(OFlags::PATH)?)?;
                Version { kind: EntryKind::Link, hash: *blake3::hash(target.as_bytes()).as_bytes() }
            }
        };
        Ok(*self.version.get_or_init(|| version))
    }

    /// It is a commit's from now on, or may be: nothing here drops it.
    pub(crate) fn give(&self) {
        self.is_given.store(true, Ordering::Relaxed);
    }

    /// It is no commit's after all.
    pub(crate) fn take_back(&self) {
        self.is_given.store(false, Ordering::Relaxed);
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_given.load(Ordering::Relaxed)
            && let Err(error) = self.files.drop_staged(self.name.as_str())
        {
            tracing::warn!(%error, name = %self.name, "something stays staged until the server begins again");
        }
    }
}
