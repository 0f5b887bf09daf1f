//! The real disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use cap_std::fs::Dir;
use longhouse_core::{EntryKind, EntryName, ProjectPath, Version};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, fstatvfs, fsync, mkdirat, openat, readlinkat,
    renameat_with, statat, symlinkat, syncfs, unlinkat,
};
use rustix::io::Errno;

use super::{Disk, Place};
use crate::resolve::settle;
use crate::{Kind, Root, Stat, WorkspaceError};

/// What the link that is a mark points to: no link in a project may be absolute.
const MARK: &str = "/longhouse/moved";

/// A project's directory, and where its changes are staged and its history kept, on the same file system.
#[derive(Debug)]
pub struct Files {
    root: Arc<Root>,
    staged: OwnedFd,
    kept: OwnedFd,
}

/// A directory and a name in it.
struct Named {
    directory: OwnedFd,
    name: String,
}

impl Files {
    /// Opens the directories `staged` and `history` in the private directory, and makes them if need be.
    ///
    /// # Errors
    /// When there is no private directory, or it is on another file system.
    pub fn open(root: Arc<Root>) -> Result<Self, WorkspaceError> {
        let private = root.private_dir()?;
        let directory = |name: &str| -> Result<OwnedFd, WorkspaceError> {
            match mkdirat(&private, name, Mode::from_raw_mode(0o700)) {
                Ok(()) => fsync(&private)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(openat(&private, name, flags, Mode::empty())?)
        };
        let (staged, kept) = (directory("staged")?, directory("history")?);
        if fstat(&staged)?.st_dev != fstat(root.beneath.dir())?.st_dev {
            return Err(Errno::XDEV.into());
        }
        Ok(Self { root, staged, kept })
    }

    /// Passes if what lies in the directory of this path can be exchanged with what is staged: not on another mount.
    pub(crate) fn check_same_disk(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let Ok(Named { directory, .. }) = self.named(&Place::Project(path.clone())) else { return Ok(()) };
        if fstat(&directory)?.st_dev == fstat(&self.staged)?.st_dev {
            Ok(())
        } else {
            Err(Errno::XDEV.into())
        }
    }

    /// Makes an empty file among what is staged.
    pub(crate) fn create_staged(&self, name: &EntryName) -> Result<File, WorkspaceError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The umask takes from this what new files should not have.
        Ok(openat(&self.staged, name.as_str(), flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Makes an empty directory there.
    pub(crate) fn create_staged_dir(&self, name: &EntryName) -> Result<(), WorkspaceError> {
        Ok(mkdirat(&self.staged, name.as_str(), Mode::from_raw_mode(0o777))?)
    }

    /// Makes a link there.
    pub(crate) fn create_staged_link(&self, target: &str, name: &EntryName) -> Result<(), WorkspaceError> {
        Ok(symlinkat(target, &self.staged, name.as_str())?)
    }

    /// Opens what is staged under this name, and is no link unless it is opened as one.
    pub(crate) fn open_staged(&self, name: &EntryName, flags: OFlags) -> Result<OwnedFd, WorkspaceError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.staged, name.as_str(), flags, Mode::empty())?)
    }

    /// Opens what the history keeps under this name, to be looked at; `None` if nothing is kept there any more, or only
    /// the mark of a move.
    pub(crate) fn open_kept(&self, name: &EntryName) -> Result<Option<OwnedFd>, WorkspaceError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let kept = match openat(&self.kept, name.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            kept => kept?,
        };
        let is_mark = FileType::from_raw_mode(fstat(&kept)?.st_mode) == FileType::Symlink
            && readlinkat(&kept, "", Vec::new())?.to_bytes() == MARK.as_bytes();
        Ok(Some(kept).filter(|_| !is_mark))
    }

    /// Opens what the history keeps under this name, and is no link.
    pub(crate) fn open_kept_for(&self, name: &EntryName, flags: OFlags) -> Result<OwnedFd, WorkspaceError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.kept, name.as_str(), flags, Mode::empty())?)
    }

    /// The directory where it is staged, and its name there.
    pub(crate) fn staged_at<'a>(&'a self, name: &'a EntryName) -> (BorrowedFd<'a>, &'a str) {
        (self.staged.as_fd(), name.as_str())
    }

    /// Makes the content of what is staged under these names safe, and the names.
    pub(crate) fn sync_staged(&self, names: &[(&EntryName, Kind)]) -> Result<(), WorkspaceError> {
        /// More than so many are synced with the whole file system at once, instead of one by one.
        const FEW: usize = 8;
        if names.len() > FEW {
            return Ok(syncfs(&self.staged)?);
        }
        for (name, kind) in names {
            match kind {
                // On the file systems of Linux, the sync of a new file makes its name safe, too.
                Kind::File | Kind::Directory => fsync(self.open_staged(name, OFlags::RDONLY)?)?,
                Kind::Link => {}
            }
        }
        if names.iter().any(|(_, kind)| *kind != Kind::File) {
            fsync(&self.staged)?;
        }
        Ok(())
    }

    /// Passes if the disk has room for so many bytes more: 5 % stay free, so that the database can always commit.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), WorkspaceError> {
        let disk = fstatvfs(&self.staged)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(bytes);
        let all = disk.f_blocks.saturating_mul(disk.f_frsize);
        if free < all / 20 { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }

    /// Whether anything lies at `path` in the project, whatever it is.
    pub(crate) fn has(&self, path: &ProjectPath) -> bool {
        let Ok(Named { directory, name }) = self.named(&Place::Project(path.clone())) else { return false };
        statat(&directory, &*name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// What lies at `path` in the project, if it is visible.
    pub(crate) fn stat(&self, path: &ProjectPath) -> Option<Stat> {
        let Named { directory, name } = self.named(&Place::Project(path.clone())).ok()?;
        Stat::of(&statat(&directory, &*name, AtFlags::SYMLINK_NOFOLLOW).ok()?)
    }

    /// The version of an open file.
    pub(crate) fn version_of(&self, file: &File) -> Result<Version, WorkspaceError> {
        self.root.version_of_file(file, Stat::of_open(file)?)
    }

    /// The names of everything beneath the directory `path` of the project, a `/` after those of directories.
    pub(crate) fn names_beneath(&self, path: &ProjectPath) -> Result<BTreeSet<String>, WorkspaceError> {
        Ok(list(&self.directory(path)?)?)
    }

    /// A hash of the names in the directory `path` of the project, whoever may know of them; `None` if there is none.
    pub(crate) fn names_in(&self, path: &ProjectPath) -> Result<Option<[u8; 32]>, WorkspaceError> {
        let mut names = match self.root.all_names(path) {
            Ok(names) => names,
            Err(WorkspaceError::NotFound | WorkspaceError::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
        names.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for (name, is_directory) in names {
            hasher.update(name.as_bytes()).update(if is_directory { b"/\n" } else { b"\n" });
        }
        Ok(Some(*hasher.finalize().as_bytes()))
    }

    /// Makes an empty directory there, and makes it safe.
    pub(crate) fn stage_directory(&self, name: &EntryName) -> Result<Version, WorkspaceError> {
        self.create_staged_dir(name)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fsync(openat(&self.staged, name.as_str(), flags, Mode::empty())?)?;
        fsync(&self.staged)?;
        Ok(Version { kind: EntryKind::Directory, hash: *blake3::hash(b"").as_bytes() })
    }

    /// Drops what was staged under this name, if anything is: a file, or an empty directory.
    pub(crate) fn drop_staged(&self, name: &str) -> Result<(), WorkspaceError> {
        let dropped = match unlinkat(&self.staged, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => unlinkat(&self.staged, name, AtFlags::REMOVEDIR),
            dropped => dropped,
        };
        match dropped {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Drops what the history keeps under this name, if it keeps anything: a directory with all that is in it.
    pub(crate) fn drop_kept(&self, name: &EntryName) -> Result<(), WorkspaceError> {
        match unlinkat(&self.kept, name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => {
                let kept = Dir::from_std_file(self.kept.try_clone().map_err(WorkspaceError::Io)?.into());
                kept.remove_dir_all(name.as_str()).map_err(WorkspaceError::Io)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Drops everything that is staged, save under these names.
    pub(crate) fn drop_all_staged_but(&self, names: &BTreeSet<&str>) -> Result<(), WorkspaceError> {
        let mut staged = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.staged)? {
            staged.push(entry?.file_name().to_string_lossy().into_owned());
        }
        let left = staged
            .iter()
            .filter(|name| !matches!(name.as_str(), "." | "..") && !names.contains(name.as_str()));
        left.into_iter().try_for_each(|name| self.drop_staged(name))
    }

    fn named(&self, place: &Place) -> Result<Named, Errno> {
        let private = |directory: &OwnedFd, name: &EntryName| -> Result<Named, Errno> {
            Ok(Named { directory: directory.try_clone().map_err(errno)?, name: name.as_str().to_owned() })
        };
        match place {
            Place::Project(path) => {
                let (parent, name) = path.split_last().ok_or(Errno::BUSY)?;
                Ok(Named { directory: self.directory(&parent)?, name: name.to_owned() })
            }
            Place::Staged(name) => private(&self.staged, name),
            Place::Kept(name) => private(&self.kept, name),
        }
    }

    /// A directory of the project. Where a link leads now, no directory is.
    fn directory(&self, path: &ProjectPath) -> Result<OwnedFd, Errno> {
        let opened = self.root.beneath.open(path, OFlags::RDONLY | OFlags::DIRECTORY);
        opened
            .map_err(|errno| if matches!(errno, Errno::LOOP | Errno::NOTDIR) { Errno::NOENT } else { errno })
    }

    /// What lies there. Opened here, because a name in a directory is meant, and not where a path leads.
    fn look(&self, place: &Place) -> Result<Option<Version>, WorkspaceError> {
        let Named { directory, name } = match self.named(place) {
            Err(Errno::NOENT) => return Ok(None),
            named => named?,
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(&directory, &*name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            found => found?,
        };
        let kind = FileType::from_raw_mode(fstat(&found)?.st_mode);
        let of = |kind, bytes: &[u8]| Ok(Some(Version { kind, hash: *blake3::hash(bytes).as_bytes() }));
        match kind {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = match openat(&directory, &*name, flags, Mode::empty()) {
                    // Another took its place just now.
                    Err(Errno::LOOP | Errno::NOENT) => return Err(WorkspaceError::Unstable),
                    file => file?.into(),
                };
                let stat = Stat::of_open(&file)?;
                if stat.identity != Stat::of_open(&found)?.identity {
                    return Err(WorkspaceError::Unstable);
                }
                Ok(Some(self.root.version_of_file(&file, stat)?))
            }
            FileType::Symlink => of(EntryKind::Link, readlinkat(&found, "", Vec::new())?.to_bytes()),
            FileType::Directory => Ok(Some(version_of_names(&list(&found)?))),
            // Nothing that a commit puts anywhere: whatever is expected, it is not this.
            _ => of(EntryKind::Link, b"\0"),
        }
    }
}

/// The version of a directory in which, and beneath, are these names.
pub(crate) fn version_of_names(names: &BTreeSet<String>) -> Version {
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes()).update(b"\n");
    }
    Version { kind: EntryKind::Directory, hash: *hasher.finalize().as_bytes() }
}

/// The names of everything in a directory and beneath, a `/` after those of directories.
fn list(directory: &OwnedFd) -> Result<BTreeSet<String>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names = BTreeSet::new();
    let mut open = vec![(String::new(), openat(directory, ".", flags, Mode::empty())?)];
    while let Some((above, directory)) = open.pop() {
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = format!("{above}{}", name.to_string_lossy());
            if !matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
                names.insert(path);
                continue;
            }
            match openat(&directory, name, flags, Mode::empty()) {
                Ok(beneath) => {
                    open.push((format!("{path}/"), beneath));
                    names.insert(format!("{path}/"));
                }
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => drop(names.insert(path)),
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(names)
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

impl Disk for Files {
    fn version(&self, place: &Place) -> io::Result<Option<Version>> {
        settle(|| self.look(place)).map_err(|error| match error {
            WorkspaceError::Io(source) => source,
            other => io::Error::other(other),
        })
    }

    fn exchange(&self, one: &Place, other: &Place) -> io::Result<()> {
        let (one, other) = (self.named(one)?, self.named(other)?);
        Ok(renameat_with(&one.directory, &*one.name, &other.directory, &*other.name, RenameFlags::EXCHANGE)?)
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        let (from, to) = (self.named(from)?, self.named(to)?);
        Ok(renameat_with(&from.directory, &*from.name, &to.directory, &*to.name, RenameFlags::NOREPLACE)?)
    }

    fn mark(&self, place: &Place) -> io::Result<()> {
        let Named { directory, name } = self.named(place)?;
        Ok(symlinkat(MARK, &directory, &*name)?)
    }

    fn unmark(&self, place: &Place) -> io::Result<()> {
        let Named { directory, name } = self.named(place)?;
        Ok(unlinkat(&directory, &*name, AtFlags::empty())?)
    }

    fn sync(&self, directories: &BTreeSet<Place>) -> io::Result<()> {
        let (mut staged, mut kept) = (false, false);
        for directory in directories {
            match directory {
                Place::Project(path) => match self.directory(path) {
                    Ok(directory) => fsync(&directory)?,
                    // Gone with all that was done in it: what took it away syncs where that was.
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno.into()),
                },
                Place::Staged(_) => staged = true,
                Place::Kept(_) => kept = true,
            }
        }
        if staged {
            fsync(self.staged.as_fd())?;
        }
        if kept {
            fsync(self.kept.as_fd())?;
        }
        Ok(())
    }
}
