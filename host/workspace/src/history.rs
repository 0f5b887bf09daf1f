//! What commits took away, and keep.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use longhouse_core::{EntryKind, EntryName, PathChange, ProjectPath, Version};
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::change_set::{Act, Staged};
use crate::publish::Files;
use crate::resolve::target;
use crate::text::{Difference, MOST, Omitted, difference};
use crate::{ChangeSet, Follow, Kind, OpenOptions, Stat, View, Workspace, WorkspaceError};

/// Something that lay in the project once.
#[derive(Debug)]
pub enum Past {
    /// A regular file.
    File(PastFile),
    /// A link, and where it pointed to.
    Link(String),
    /// A directory.
    Directory(PastDirectory),
}

/// A file that lay in the project once.
#[derive(Debug)]
pub struct PastFile {
    pub(crate) file: File,
    stat: Stat,
}

/// A directory that lay in the project once.
#[derive(Debug)]
pub struct PastDirectory(OwnedFd);

/// Where something that lay in the project once is by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// Nothing was there.
    Nothing,
    /// Still in the project, at this path, or elsewhere if somebody outside moved it.
    Project(ProjectPath),
    /// In the history under this name, and at this path beneath that.
    Kept(EntryName, ProjectPath),
    /// It was not kept.
    Lost,
}

/// What a change set would change at one path, and how it differs from what lies there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// The change.
    pub change: PathChange,
    /// How the content differs.
    pub difference: Difference,
}

/// Content that can be compared, none if nothing was there, or why it cannot be.
pub type Comparable = Result<Option<Vec<u8>>, Omitted>;

impl Workspace {
    /// Opens what lies at a spot, as far as the view may read what is in the project; `None` if nothing does any more.
    ///
    /// # Errors
    /// When it may not be read, or the disk fails.
    pub fn open_past(&self, view: &View, spot: &Spot) -> Result<Option<Past>, WorkspaceError> {
        match spot {
            Spot::Nothing | Spot::Lost => Ok(None),
            Spot::Project(path) => match view.find(path, Follow::No) {
                Ok(found) if found.stat.kind == Kind::Link => Ok(Some(Past::Link(target(&found.fd)?))),
                Ok(found) if found.stat.kind == Kind::Directory => {
                    let opened = view.open_found(found, OpenOptions::default())?;
                    Ok(Some(Past::Directory(PastDirectory(opened.file.into()))))
                }
                Ok(_) => {
                    let opened = view.read_file(path)?;
                    Ok(Some(Past::File(PastFile { file: opened.file, stat: opened.stat })))
                }
                Err(WorkspaceError::NotFound | WorkspaceError::NotADirectory) => Ok(None),
                Err(error) => Err(error),
            },
            Spot::Kept(name, beneath) => self.kept(name, beneath),
        }
    }

    fn kept(&self, name: &EntryName, beneath: &ProjectPath) -> Result<Option<Past>, WorkspaceError> {
        let Some(mut past) = self.files().past(name)? else { return Ok(None) };
        for name in beneath.components() {
            let Past::Directory(directory) = past else { return Ok(None) };
            match directory.child(name) {
                Ok(child) => past = child,
                Err(WorkspaceError::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(past))
    }

    /// What a set would do, in the order in which it is done, the first `most` changes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn drafted(
        &self,
        view: &View,
        set: &ChangeSet,
        most: usize,
    ) -> Result<(Vec<Drafted>, usize), WorkspaceError> {
        let plan = set.plan(self.root())?;
        let outline = plan.outline();
        let count = outline.len();
        let drafted = outline.into_iter().zip(&plan.steps).take(most).map(|(change, step)| {
            let old = match &step.over {
                Some(over) => self.open_past(view, &Spot::Project(over.clone()))?,
                None => None,
            };
            let new = match &step.act {
                Act::Put(staged) => Some(Past::of_staged(staged)?),
                Act::Remove => None,
                Act::Move { .. } => {
                    let difference = Difference::Text(String::new());
                    return Ok(Drafted { change, difference });
                }
            };
            let difference = match (comparable(old)?, comparable(new)?) {
                (Ok(old), Ok(new)) => {
                    let (old, new) = (old.map(|(_, old)| old), new.map(|(_, new)| new));
                    let path = step.path.as_str();
                    difference((path, old.as_deref()), (path, new.as_deref()))
                }
                (Err(omitted), _) | (_, Err(omitted)) => Difference::Omitted(omitted),
            };
            Ok(Drafted { change, difference })
        });
        Ok((drafted.collect::<Result<_, WorkspaceError>>()?, count))
    }

    /// The content of this version, if that is what lies at a spot, to be compared with another.
    ///
    /// # Errors
    /// As [`Workspace::open_past`].
    pub fn comparable(
        &self,
        view: &View,
        spot: &Spot,
        version: Option<Version>,
    ) -> Result<Comparable, WorkspaceError> {
        if *spot == Spot::Nothing {
            return Ok(Ok(None));
        }
        Ok(match comparable(self.open_past(view, spot)?)? {
            Ok(Some((found, content))) if version == Some(found) => Ok(Some(content)),
            Ok(Some(_) | None) => Err(Omitted::NotKept),
            Err(omitted) => Err(omitted),
        })
    }
}

/// The version and the content of something, or why that cannot be compared.
type Read = Result<Option<(Version, Vec<u8>)>, Omitted>;

fn comparable(past: Option<Past>) -> Result<Read, WorkspaceError> {
    let (kind, content) = match past {
        None => return Ok(Ok(None)),
        Some(Past::Directory(_)) => return Ok(Err(Omitted::Directory)),
        Some(Past::Link(target)) => (EntryKind::Link, target.into_bytes()),
        Some(Past::File(file)) => {
            let most = u64::try_from(MOST).unwrap_or(u64::MAX);
            if file.stat.size > most {
                return Ok(Err(Omitted::TooLong));
            }
            let mut content = Vec::new();
            (&file.file).take(most + 1).read_to_end(&mut content).map_err(WorkspaceError::Io)?;
            let kind = if file.stat.executable { EntryKind::Executable } else { EntryKind::File };
            (kind, content)
        }
    };
    let version = Version { kind, hash: *blake3::hash(&content).as_bytes() };
    Ok(Ok(Some((version, content))))
}

impl Files {
    /// What the history keeps under this name.
    pub(crate) fn past(&self, name: &EntryName) -> Result<Option<Past>, WorkspaceError> {
        let Some(kept) = self.open_kept(name)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        Past::of(kept, || self.open_kept_for(name, flags)).map(Some)
    }
}

impl Past {
    /// What is staged for a change set.
    fn of_staged(staged: &Staged) -> Result<Self, WorkspaceError> {
        Self::of(staged.open(OFlags::PATH)?, || staged.open(OFlags::RDONLY | OFlags::NONBLOCK))
    }

    /// What `found` names; `open` opens it for reading.
    fn of(
        found: OwnedFd,
        open: impl FnOnce() -> Result<OwnedFd, WorkspaceError>,
    ) -> Result<Self, WorkspaceError> {
        let stat = Stat::of(&fstat(&found)?).ok_or(WorkspaceError::NotFound)?;
        Ok(match stat.kind {
            Kind::File => Self::File(PastFile { file: open()?.into(), stat }),
            Kind::Directory => Self::Directory(PastDirectory(open()?)),
            Kind::Link => Self::Link(target(&found)?),
        })
    }
}

impl PastFile {
    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.stat.size
    }

    pub(crate) const fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Which version it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn version(&self, view: &View) -> Result<Version, WorkspaceError> {
        view.root.version_of_file(&self.file, self.stat)
    }

    /// The file, open for reading.
    pub fn into_file(self) -> File {
        self.file
    }
}

impl PastDirectory {
    /// The names of what was in it.
    pub(crate) fn names(&self) -> Result<Vec<String>, WorkspaceError> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => names.push(name.to_owned()),
                Err(_) => return Err(Errno::ILSEQ.into()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What was in it under this name.
    pub(crate) fn child(&self, name: &str) -> Result<Past, WorkspaceError> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(&self.0, name, OFlags::PATH | flags, Mode::empty())?;
        Past::of(found, || {
            Ok(openat(&self.0, name, OFlags::RDONLY | OFlags::NONBLOCK | flags, Mode::empty())?)
        })
    }
}
