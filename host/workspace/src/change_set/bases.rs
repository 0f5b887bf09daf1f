//! What a change set was made in the belief of.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;

use longhouse_core::{EntryKind, ProjectPath, Version};

use super::seen::By;
use crate::publish::{Disk as _, Files, Place};
use crate::stat::Identity;
use crate::version::Fingerprint;
use crate::{Kind, Stat, WorkspaceError};

/// What somebody saw at a path of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing.
    Nothing,
    /// This version.
    Version(Version),
    /// Something with these facts, which was not read yet.
    Facts(Facts),
}

/// What tells a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    kind: Kind,
    identity: Identity,
    executable: bool,
    fingerprint: Fingerprint,
}

/// One base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub(super) seen: Seen,
    /// The facts of what was found first, if anything was.
    pub(super) found: Option<Facts>,
    /// Whether something else was found there later.
    pub(super) is_torn: bool,
    /// How it came to be changed, if neither the run nor its agent had ever seen it.
    pub(super) unseen: Option<By>,
}

/// The bases of a change set, by their paths in the project.
pub(super) type Bases = HashMap<ProjectPath, Base>;

impl Facts {
    pub(crate) const fn of(stat: &Stat) -> Self {
        Self {
            kind: stat.kind,
            identity: stat.identity,
            executable: stat.executable,
            fingerprint: Fingerprint::of(stat),
        }
    }

    /// As text, to be kept: numbers with blanks between them. Those of a file alone.
    pub(crate) fn to_text(self) -> String {
        let [size, modified, modified_ns, changed, changed_ns] = self.fingerprint.numbers();
        let (device, inode) = self.identity.numbers();
        let executable = u8::from(self.executable);
        format!("{device} {inode} {executable} {size} {modified} {modified_ns} {changed} {changed_ns}")
    }

    /// The facts that were kept as this text, if any were.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(|number| number.parse::<i128>().ok());
        let mut next = || numbers.next().flatten();
        let identity = Identity::of_numbers(u64::try_from(next()?).ok()?, u64::try_from(next()?).ok()?);
        let executable = next()? == 1;
        let fingerprint = Fingerprint::of_numbers([next()?, next()?, next()?, next()?, next()?])?;
        Some(Self { kind: Kind::File, identity, executable, fingerprint })
    }

    /// Whether they are of what has these by now, and was moved elsewhere since.
    pub(super) fn are_of_moved(&self, stat: &Stat) -> bool {
        self.kind == stat.kind && self.identity == stat.identity && self.fingerprint.is_of_moved(stat)
    }

    /// Whether another content would show in them by now. In those of a directory it would not: what is beneath counts.
    pub(crate) fn tell(&self) -> bool {
        self.kind == Kind::File && self.fingerprint.is_settled()
    }
}

impl Seen {
    /// What these facts, found at `path`, were of: as little as will tell it from something else later.
    /// `file` is what was found, if it was opened.
    pub(super) fn of(
        files: &Files,
        path: &ProjectPath,
        stat: &Stat,
        file: Option<&File>,
    ) -> Result<Self, WorkspaceError> {
        let facts = Facts::of(stat);
        match file {
            _ if facts.tell() => Ok(Self::Facts(facts)),
            Some(file) => Ok(Self::Version(files.version_of(file)?)),
            None => Self::version(files, path),
        }
    }

    /// What lies at `path` now.
    pub(super) fn version(files: &Files, path: &ProjectPath) -> Result<Self, WorkspaceError> {
        let version = files.version(&Place::Project(path.clone())).map_err(|error| match error.kind() {
            ErrorKind::Other => WorkspaceError::Unstable,
            _ => WorkspaceError::Io(error),
        })?;
        Ok(version.map_or(Self::Nothing, Self::Version))
    }

    pub(super) const fn is_directory(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Version(version) => matches!(version.kind, EntryKind::Directory),
            Self::Facts(facts) => matches!(facts.kind, Kind::Directory),
        }
    }

    /// Whether something with these facts is what was seen; `None` if they do not tell.
    pub(crate) fn is_still(&self, stat: &Stat) -> Option<bool> {
        match self {
            Self::Nothing => Some(false),
            Self::Facts(facts) => Some(*facts == Facts::of(stat)),
            Self::Version(_) => None,
        }
    }

    /// Whether this version, with these facts, is what was seen.
    pub(crate) fn is(&self, current: Option<(Version, &Stat)>) -> bool {
        match (self, current) {
            (Self::Nothing, current) => current.is_none(),
            (Self::Version(_) | Self::Facts(_), None) => false,
            (Self::Version(seen), Some((version, _))) => *seen == version,
            (Self::Facts(facts), Some((_, stat))) => *facts == Facts::of(stat),
        }
    }
}
