//! What a run only looked at, when that matters.

use longhouse_core::{Isolation, ProjectPath};

use super::seen::By;
use super::{ChangeSet, Lies};
use crate::resolve::Found;
use crate::{Kind, View, WorkspaceError};

/// Which names were in a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// A hash of them; of none that a directory has, if there was none.
    pub(crate) names: [u8; 32],
    /// Whether there were others later.
    pub(crate) is_torn: bool,
}

impl View {
    /// It was looked at what lies at `path`.
    pub(crate) fn looked(
        &self,
        path: &ProjectPath,
        found: &Result<Found, WorkspaceError>,
    ) -> Result<(), WorkspaceError> {
        let Some(own) = self.own.as_ref().filter(|own| own.isolation == Isolation::Serializable) else {
            return Ok(());
        };
        match found {
            Ok(Found { stat, lies: Lies::InProject(at), .. }) if stat.kind != Kind::Directory => {
                own.saw(at, stat, By::Reading, None)
            }
            Ok(_) => Ok(()),
            Err(WorkspaceError::NotFound) => {
                if let Ok(path) = self.real_path(path) {
                    self.saw_nothing(&path);
                }
                Ok(())
            }
            // That is no answer to it.
            Err(_) => Ok(()),
        }
    }

    /// There is nothing at the link-free `path`. What is there and hidden is none of the viewer's business, nor is whether
    /// it stays.
    pub(crate) fn saw_nothing(&self, path: &ProjectPath) {
        if let (Some(own), Ok(Lies::InProject(at))) = (&self.own, self.lies(path))
            && self.grants.show(path)
            && self.grants.show(&at)
        {
            own.saw_nothing(&at);
        }
    }
}

impl ChangeSet {
    /// The directory `path` of the project was listed.
    pub(crate) fn listed(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        if self.isolation != Isolation::Serializable {
            return Ok(());
        }
        let names = self.files.names_in(path)?.unwrap_or_default();
        let mut state = self.lock();
        let listed = state.listed.entry(path.clone()).or_insert(Listed { names, is_torn: false });
        listed.is_torn |= listed.names != names;
        Ok(())
    }
}
