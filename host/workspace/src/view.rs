//! The project's directory as somebody sees it.

use std::sync::Arc;

use longhouse_core::{FileGrants, ProjectPath, Verb};

use crate::audit::Auditor;
use crate::change_set::{ChangeSet, Lies};
use crate::{Kind, Root, WorkspaceError};

/// The project's directory as those with these grants see it, with changes of their own on top if they have some.
/// Without, nothing can be changed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) root: Arc<Root>,
    pub(crate) grants: Arc<FileGrants>,
    pub(crate) own: Option<Arc<ChangeSet>>,
    pub(crate) auditor: Option<Arc<Auditor>>,
}

impl View {
    /// What lies beneath `root`, as far as `grants` reach.
    pub const fn new(root: Arc<Root>, grants: Arc<FileGrants>) -> Self {
        Self { root, grants, own: None, auditor: None }
    }

    /// Whether something of this kind, which lies at the link-free `path`, exists for whoever looks.
    pub(crate) fn shows(&self, path: &ProjectPath, kind: Kind) -> bool {
        match kind {
            Kind::Directory => self.grants.show_directory(path),
            Kind::File | Kind::Link => self.grants.show(path),
        }
    }

    /// Whether this may be done with the link-free `path`.
    pub fn grants(&self, verb: Verb, path: &ProjectPath) -> bool {
        self.grants.grant(verb, path)
    }

    /// Passes if what is seen at `path` may be read, and what lies at `lies`.
    pub(crate) fn check_read(&self, path: &ProjectPath, lies: &Lies) -> Result<(), WorkspaceError> {
        self.check(Verb::Read, path)?;
        match lies {
            Lies::InProject(at) if at != path => self.check(Verb::Read, at),
            Lies::InProject(_) | Lies::Staged(_) => Ok(()),
        }
    }

    /// Passes if it may be.
    pub(crate) fn check(&self, verb: Verb, path: &ProjectPath) -> Result<(), WorkspaceError> {
        if self.grants(verb, path) {
            Ok(())
        } else {
            self.refused(verb, path);
            Err(WorkspaceError::NotGranted { verb, path: path.clone() })
        }
    }
}
