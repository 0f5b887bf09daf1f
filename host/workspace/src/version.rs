//! Versions of files: what their content is, whatever they are called and whenever they were written.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use longhouse_core::{EntryKind, Version};
use rustix::time::{ClockId, clock_gettime};

use crate::stat::Identity;
use crate::{Opened, Root, Stat, View, WorkspaceError};

/// How old a change must be before the facts of a file tell it from another, in seconds: file systems keep times of some
/// milliseconds to two seconds.
const SETTLED: i64 = 2;

/// How many versions are remembered at least.
const REMEMBERED: usize = 50_000;

/// What is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// What a file's facts say about whether it is still the same: equal facts, once they are settled, are of equal content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Fingerprint {
    pub(crate) const fn of(stat: &Stat) -> Self {
        Self { size: stat.size, modified: stat.modified, changed: stat.changed }
    }

    /// Size, and seconds and nanoseconds of both times.
    pub(crate) fn numbers(&self) -> [i128; 5] {
        let Self { size, modified, changed } = *self;
        [size.into(), modified.0.into(), modified.1.into(), changed.0.into(), changed.1.into()]
    }

    /// What has these numbers.
    pub(crate) fn of_numbers([size, modified, modified_ns, changed, changed_ns]: [i128; 5]) -> Option<Self> {
        let time = |seconds: i128, ns: i128| Some((seconds.try_into().ok()?, ns.try_into().ok()?));
        Some(Self {
            size: size.try_into().ok()?,
            modified: time(modified, modified_ns)?,
            changed: time(changed, changed_ns)?,
        })
    }

    /// The same for what was only moved since, which changes when its attributes were changed last.
    pub(crate) fn is_of_moved(&self, stat: &Stat) -> bool {
        self.size == stat.size && self.modified == stat.modified
    }

    /// Whether a change would show by now.
    pub(crate) fn is_settled(&self) -> bool {
        clock_gettime(ClockId::Realtime).tv_sec - self.changed.0.max(self.modified.0) > SETTLED
    }
}

/// The hashes of files that were read, by which file it is.
type Hashes = HashMap<Identity, (Fingerprint, [u8; 32])>;

/// The latest of them, and older ones, which go when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<[Hashes; 2]>);

impl Versions {
    fn get(&self, stat: &Stat) -> Option<[u8; 32]> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find_map(|known| known.get(&stat.identity));
        found.filter(|(fingerprint, _)| *fingerprint == Fingerprint::of(stat)).map(|(_, hash)| *hash)
    }

    pub(crate) fn put(&self, stat: &Stat, hash: [u8; 32]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [latest, older] = &mut *known;
        if latest.len() >= REMEMBERED {
            *older = std::mem::take(latest);
        }
        latest.insert(stat.identity, (Fingerprint::of(stat), hash));
    }
}

impl View {
    /// The version of an open file. Its content is read, unless it was before and did not change.
    ///
    /// # Errors
    /// When it cannot be read, or changes again and again meanwhile.
    pub fn version(&self, opened: &Opened) -> Result<Version, WorkspaceError> {
        self.root.version_of_file(&opened.file, opened.stat)
    }
}

impl Root {
    /// The version of an open file, of which these are the facts.
    pub(crate) fn version_of_file(&self, file: &File, mut stat: Stat) -> Result<Version, WorkspaceError> {
        for _ in 0..3 {
            let hash = match self.versions.get(&stat) {
                Some(hash) => hash,
                None => hash(file)?,
            };
            let now = Stat::of_open(file)?;
            let fingerprint = Fingerprint::of(&now);
            if fingerprint == Fingerprint::of(&stat) {
                if fingerprint.is_settled() {
                    self.versions.put(&now, hash);
                }
                let kind = if now.executable { EntryKind::Executable } else { EntryKind::File };
                return Ok(Version { kind, hash });
            }
            stat = now;
        }
        Err(WorkspaceError::Unstable)
    }
}

impl Opened {
    /// The whole content and its version, if it is no longer than `most` bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn content(&self, most: usize) -> Result<Option<(Vec<u8>, Version)>, WorkspaceError> {
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        if self.stat.size >= limit {
            return Ok(None);
        }
        let mut content = Vec::with_capacity(usize::try_from(self.stat.size).unwrap_or_default());
        (&self.file).take(limit).read_to_end(&mut content).map_err(WorkspaceError::Io)?;
        if content.len() > most {
            return Ok(None);
        }
        let kind = if self.stat.executable { EntryKind::Executable } else { EntryKind::File };
        let version = Version { kind, hash: *blake3::hash(&content).as_bytes() };
        Ok(Some((content, version)))
    }
}

/// The BLAKE3 hash of a file's content. Where the file is read next stays as it was.
fn hash(file: &File) -> Result<[u8; 32], WorkspaceError> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    loop {
        match file.read_at(&mut piece, offset) {
            Ok(0) => return Ok(*hasher.finalize().as_bytes()),
            Ok(length) => {
                hasher.update(piece.get(..length).unwrap_or_default());
                offset += u64::try_from(length).unwrap_or_default();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WorkspaceError::Io(error)),
        }
    }
}
