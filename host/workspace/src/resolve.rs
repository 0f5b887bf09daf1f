//! Following links ourselves.

use std::os::fd::OwnedFd;

use longhouse_core::{InvalidPath, PRIVATE_DIR, ProjectPath};
use rustix::fs::{OFlags, fstat, readlinkat};
use rustix::io::Errno;

use crate::audit::{OUTSIDE, PRIVATE};
use crate::change_set::Lies;
use crate::{Kind, Stat, View, WorkspaceError};

/// The most links in one path: what Linux itself allows.
const MAX_LINKS: usize = 40;

/// The bytes of a path as a program writes it, with its terminator: what Linux itself allows.
const PATH_MAX: usize = 4096;

/// How often a path that changes under us is tried.
const TRIES: usize = 8;

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
    /// Where it is seen.
    pub(crate) path: ProjectPath,
    pub(crate) lies: Lies,
    pub(crate) stat: Stat,
    pub(crate) fd: OwnedFd,
}

/// What is found at a path.
pub(crate) enum Sought {
    Found(Found),
    /// Nothing that is to be known of; no link was on the way when it was looked for, but directories may be missing.
    Missing(ProjectPath),
}

/// Repeats what failed only because the tree changed meanwhile.
pub(crate) fn settle<T>(mut attempt: impl FnMut() -> Result<T, WorkspaceError>) -> Result<T, WorkspaceError> {
    for _ in 1..TRIES {
        match attempt() {
            Err(WorkspaceError::Unstable) => {}
            result => return result,
        }
    }
    attempt()
}

impl View {
    /// The path that `text` names when read from the directory `base`, as the kernel reads it: a `..` after a
    /// link goes up from where the link leads, and what a `/` or a `/.` ends is a directory. A link as the
    /// last name is not followed.
    ///
    /// # Errors
    /// When a directory on the way does not exist or is none, or `text` is empty or leads outside.
    pub fn locate(&self, base: &ProjectPath, text: &str) -> Result<ProjectPath, WorkspaceError> {
        match text.len() {
            0 => return Err(WorkspaceError::NotFound),
            1..PATH_MAX => {}
            _ => return Err(WorkspaceError::Invalid(InvalidPath::TooLong)),
        }
        let mut names = text.split('/');
        if names.clone().all(|name| name != "..") && !matches!(names.next_back(), Some("" | ".")) {
            return self.joined(base, text);
        }
        let base = if text.starts_with('/') { &ProjectPath::root() } else { base };
        let rest = || base.components().chain(text.split('/')).rev().map(str::to_owned).collect();
        settle(|| self.walk(rest(), Follow::No))
    }

    /// The path without links that `path` leads to. Nothing need lie there.
    ///
    /// # Errors
    /// When a directory on the way does not exist or is none, or a link leads outside or in circles.
    pub fn real_path(&self, path: &ProjectPath) -> Result<ProjectPath, WorkspaceError> {
        settle(|| self.resolve(path, Follow::Last))
    }

    /// What `path` leads to.
    pub(crate) fn find(&self, path: &ProjectPath, follow: Follow) -> Result<Found, WorkspaceError> {
        settle(|| self.try_find(path, follow))
    }

    /// [`View::find`], once.
    fn try_find(&self, path: &ProjectPath, follow: Follow) -> Result<Found, WorkspaceError> {
        match self.seek(path, follow)? {
            Sought::Found(found) => Ok(found),
            Sought::Missing(path) => {
                self.nothing_at(&path);
                Err(WorkspaceError::NotFound)
            }
        }
    }

    /// What `path` leads to, or where that would be if there is nothing. To be repeated if that is unstable.
    pub(crate) fn seek(&self, path: &ProjectPath, follow: Follow) -> Result<Sought, WorkspaceError> {
        match self.look(path) {
            Ok(found) if found.stat.kind == Kind::Link && follow == Follow::Last => {}
            // A link on the way, or one that only just came to be there: both are followed now.
            Err(WorkspaceError::Unstable) => {}
            Err(WorkspaceError::NotFound) => return Ok(Sought::Missing(path.clone())),
            direct => return direct.map(Sought::Found),
        }
        let path = self.resolve(path, follow)?;
        match self.look(&path) {
            Ok(found) if found.stat.kind == Kind::Link && follow == Follow::Last => {
                Err(WorkspaceError::Unstable)
            }
            Err(WorkspaceError::NotFound) => Ok(Sought::Missing(path)),
            found => found.map(Sought::Found),
        }
    }

    /// The path without links that `path` leads to. Its last component need not exist.
    pub(crate) fn resolve(&self, path: &ProjectPath, follow: Follow) -> Result<ProjectPath, WorkspaceError> {
        self.walk(path.components().rev().map(str::to_owned).collect(), follow)
    }

    /// Walks `rest`, whose last name comes first, from the root.
    fn walk(&self, mut rest: Vec<String>, follow: Follow) -> Result<ProjectPath, WorkspaceError> {
        let mut done = ProjectPath::root();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    let Some((parent, _)) = done.split_last() else {
                        return Err(self.outside(|| {
                            rest.iter().rev().fold("..".to_owned(), |text, name| format!("{text}/{name}"))
                        }));
                    };
                    done = parent;
                    continue;
                }
                _ => {}
            }
            let next = self.joined(&done, &name)?;
            let is_last = rest.is_empty();
            if is_last && follow == Follow::No {
                return Ok(next);
            }
            let found = match self.look(&next) {
                Err(WorkspaceError::NotFound) if is_last => return Ok(next),
                Err(WorkspaceError::NotFound) if links > 0 => {
                    self.nothing_at(&next);
                    return Err(WorkspaceError::NotFound);
                }
                found => found?,
            };
            match found.stat.kind {
                Kind::Link => {}
                Kind::File if !is_last => return Err(WorkspaceError::NotADirectory),
                Kind::File | Kind::Directory => {
                    done = next;
                    continue;
                }
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(WorkspaceError::TooManyLinks);
            }
            let target = target(&found.fd)?;
            if target.starts_with('/') {
                return Err(self.outside(|| next.to_string()));
            }
            rest.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(done)
    }

    /// What `text` names from `base`, if no `..` leads up.
    fn joined(&self, base: &ProjectPath, text: &str) -> Result<ProjectPath, WorkspaceError> {
        base.join(text).map_err(|error| {
            match error {
                InvalidPath::Private => self.beyond(PRIVATE, || PRIVATE_DIR.to_owned()),
                InvalidPath::OutsideProject => self.beyond(OUTSIDE, || text.to_owned()),
                InvalidPath::Nul | InvalidPath::TooLong => {}
            }
            error.into()
        })
    }

    fn outside(&self, named: impl FnOnce() -> String) -> WorkspaceError {
        self.beyond(OUTSIDE, named);
        WorkspaceError::OutsideProject
    }

    /// Looks at `path` without following anything; [`WorkspaceError::Unstable`] if a link is on the way.
    pub(crate) fn look(&self, path: &ProjectPath) -> Result<Found, WorkspaceError> {
        let lies = self.lies(path)?;
        let fd = self.open_place(&lies, OFlags::PATH | OFlags::NOFOLLOW)?;
        let stat = Stat::of(&fstat(&fd)?).ok_or(WorkspaceError::NotFound)?;
        let is_shown = match &lies {
            Lies::InProject(at) if at != path => {
                self.shows(at, stat.kind) && !self.root.is_private(at, stat.identity)
            }
            Lies::InProject(at) => !self.root.is_private(at, stat.identity),
            Lies::Staged(_) => true,
        };
        if is_shown && self.shows(path, stat.kind) {
            Ok(Found { path: path.clone(), lies, stat, fd })
        } else {
            Err(WorkspaceError::NotFound)
        }
    }

    /// Opens what lies there; [`WorkspaceError::Unstable`] if a link is on the way.
    pub(crate) fn open_place(&self, lies: &Lies, flags: OFlags) -> Result<OwnedFd, WorkspaceError> {
        match lies {
            Lies::InProject(at) => self.root.beneath.open(at, flags).map_err(|errno| match errno {
                Errno::LOOP => WorkspaceError::Unstable,
                other => other.into(),
            }),
            Lies::Staged(staged) => staged.open(flags),
        }
    }
}

/// The target of the link that `link` names.
pub(crate) fn target(link: &OwnedFd) -> Result<String, WorkspaceError> {
    let target = readlinkat(link, "", Vec::new())?;
    target.into_string().map_err(|_| Errno::ILSEQ.into())
}
