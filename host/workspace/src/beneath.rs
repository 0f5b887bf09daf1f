//! The one call that turns a path into a descriptor.

use std::os::fd::{AsFd, OwnedFd};

use cap_std::fs::Dir;
use longhouse_core::ProjectPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, statat};
use rustix::io::Errno;

use crate::stat::Identity;

/// No link is followed, and nothing above the directory is reached.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens paths beneath a directory, never through a symbolic link.
#[derive(Debug)]
pub(crate) struct Beneath {
    dir: Dir,
    /// Whether the kernel does it in one call.
    one_call: bool,
}

impl Beneath {
    pub(crate) fn new(dir: Dir) -> Self {
        // Kernels before 5.6 do not know the call, and some seccomp filters answer EPERM to what they do not
        // know. Asked once, because EPERM can also be about a file.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let one_call = openat2(&dir, ".", flags, Mode::empty(), RESOLVE).is_ok();
        Self { dir, one_call }
    }

    /// The directory itself.
    pub(crate) const fn dir(&self) -> &Dir {
        &self.dir
    }

    #[cfg(test)]
    pub(crate) fn without_openat2(self) -> Self {
        Self { one_call: false, ..self }
    }

    /// Opens `path`. A symbolic link on the way is `LOOP`. One as the last component is itself what is opened,
    /// with `O_PATH | O_NOFOLLOW`, or an error.
    pub(crate) fn open(&self, path: &ProjectPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        if !self.one_call {
            return self.walk(path, flags);
        }
        let text = if path.is_root() { "." } else { path.as_str() };
        match openat2(&self.dir, text, flags, Mode::empty(), RESOLVE) {
            // The kernel noticed a rename and cannot tell whether it led outside.
            Err(Errno::AGAIN) => self.walk(path, flags),
            result => result,
        }
    }

    /// What is at `path` now. Nothing but that is learned, so a link that came to be on the way does no harm.
    pub(crate) fn identity(&self, path: &str) -> Option<Identity> {
        statat(&self.dir, path, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| Identity::of(&stat))
    }

    /// The directories that `path` leads through, below the root, as they are now.
    pub(crate) fn identities_above(&self, path: &ProjectPath) -> impl Iterator<Item = Identity> {
        let above = path.as_str().match_indices('/').filter_map(|(end, _)| path.as_str().get(..end));
        above.filter_map(|above| self.identity(above))
    }

    /// [`Beneath::open`], one component at a time.
    fn walk(&self, path: &ProjectPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let Some((parent, name)) = path.split_last() else {
            return openat(&self.dir, ".", flags, Mode::empty());
        };
        let mut at: Option<OwnedFd> = None;
        for component in parent.components() {
            let dir = at.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = openat(dir, component, flags, Mode::empty())?;
            if FileType::from_raw_mode(fstat(&next)?.st_mode) == FileType::Symlink {
                return Err(Errno::LOOP);
            }
            at = Some(next);
        }
        let dir = at.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
        openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty())
    }
}
