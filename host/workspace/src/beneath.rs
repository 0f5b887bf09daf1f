//! The one call that turns a path into a descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;
use longhouse_core::ProjectPath;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// Opens paths beneath a directory, never through a symbolic link.
#[derive(Debug)]
pub(crate) struct Beneath {
    dir: Dir,
    /// Whether the kernel does it in one call; `false` after it said that it cannot.
    one_call: AtomicBool,
}

impl Beneath {
    pub(crate) const fn new(dir: Dir) -> Self {
        Self { dir, one_call: AtomicBool::new(true) }
    }

    #[cfg(test)]
    pub(crate) fn without_openat2(self) -> Self {
        Self { one_call: AtomicBool::new(false), ..self }
    }

    /// Opens `path`. A symbolic link anywhere in it is `LOOP`; only as its last component, with
    /// `O_PATH | O_NOFOLLOW`, it is itself what is opened.
    pub(crate) fn open(&self, path: &ProjectPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        if self.one_call.load(Ordering::Relaxed) {
            let text = if path.is_root() { "." } else { path.as_str() };
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match openat2(&self.dir, text, flags, mode, resolve) {
                // An old kernel, or a seccomp filter that knows the call no better.
                Err(Errno::NOSYS | Errno::PERM) => self.one_call.store(false, Ordering::Relaxed),
                // The kernel noticed a rename and cannot tell whether it led outside.
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        self.walk(path, flags, mode)
    }

    /// The same, one component at a time.
    fn walk(&self, path: &ProjectPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Some((parent, name)) = path.split_last() else {
            return openat(&self.dir, ".", flags, mode);
        };
        let mut at: Option<OwnedFd> = None;
        for component in parent.components() {
            let dir = at.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
            let next = openat(dir, component, step, Mode::empty()).map_err(|errno| match errno {
                // With both flags, this is also what a link answers.
                Errno::NOTDIR if is_link(dir, component) => Errno::LOOP,
                other => other,
            })?;
            at = Some(next);
        }
        let dir = at.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
        openat(dir, name, flags | OFlags::NOFOLLOW, mode).map_err(|errno| match errno {
            Errno::NOTDIR if is_link(dir, name) => Errno::LOOP,
            other => other,
        })
    }
}

fn is_link(dir: impl AsFd, name: &str) -> bool {
    rustix::fs::readlinkat(dir, name, Vec::new()).is_ok()
}
