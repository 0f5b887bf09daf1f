//! Following links ourselves.

use std::os::fd::OwnedFd;

use longhouse_core::ProjectPath;
use rustix::fs::{Mode, OFlags, fstat, readlinkat};
use rustix::io::Errno;

use crate::{Kind, Root, Stat, WorkspaceError};

/// The most links in one path: what Linux itself allows.
const MAX_LINKS: usize = 40;

/// Whether a path's last component is followed if it is a link. Those before it always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// As `stat` does.
    Last,
    /// As `lstat` does.
    No,
}

/// What a path leads to: where that really is, and a descriptor that can do nothing but name it.
pub(crate) struct Found {
    pub(crate) path: ProjectPath,
    pub(crate) stat: Stat,
    pub(crate) fd: OwnedFd,
}

impl Root {
    /// What `path` leads to.
    pub(crate) fn find(&self, path: &ProjectPath, follow: Follow) -> Result<Found, WorkspaceError> {
        match self.look(path) {
            Ok(found) if found.stat.kind == Kind::Link && follow == Follow::Last => {}
            Err(WorkspaceError::TooManyLinks) => {}
            direct => return direct,
        }
        self.look(&self.resolve(path, follow)?)
    }

    /// The path without links that `path` leads to. Its last component need not exist.
    pub(crate) fn resolve(&self, path: &ProjectPath, follow: Follow) -> Result<ProjectPath, WorkspaceError> {
        let mut done = ProjectPath::root();
        // What is still to be walked, the next component last.
        let mut rest: Vec<String> = path.components().rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(component) = rest.pop() {
            if component == ".." {
                done = done.split_last().ok_or(WorkspaceError::OutsideProject)?.0;
                continue;
            }
            let next = done.join(&component)?;
            let is_last = rest.is_empty();
            let Some(target) = self.link_target(&next, is_last, follow)? else {
                done = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(WorkspaceError::TooManyLinks);
            }
            if target.starts_with('/') {
                return Err(WorkspaceError::OutsideProject);
            }
            rest.extend(target.split('/').rev().filter(|part| !matches!(*part, "" | ".")).map(str::to_owned));
        }
        Ok(done)
    }

    /// The target of `path`, of which only the last component may be a link, if it is one to be followed.
    fn link_target(
        &self,
        path: &ProjectPath,
        is_last: bool,
        follow: Follow,
    ) -> Result<Option<String>, WorkspaceError> {
        if is_last && follow == Follow::No {
            return Ok(None);
        }
        match self.look(path) {
            Ok(found) if found.stat.kind == Kind::Link => target(&found.fd).map(Some),
            Ok(_) => Ok(None),
            Err(WorkspaceError::NotFound) if is_last => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at `path` without following anything.
    fn look(&self, path: &ProjectPath) -> Result<Found, WorkspaceError> {
        let fd = self.beneath.open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        let stat = Stat::of(&fstat(&fd)?).ok_or(WorkspaceError::NotFound)?;
        if Some(stat.identity) == self.private {
            return Err(WorkspaceError::NotFound);
        }
        Ok(Found { path: path.clone(), stat, fd })
    }
}

/// The target of the link that `link` names.
pub(crate) fn target(link: &OwnedFd) -> Result<String, WorkspaceError> {
    let target = readlinkat(link, "", Vec::new())?;
    target.into_string().map_err(|_| WorkspaceError::from(Errno::ILSEQ))
}
