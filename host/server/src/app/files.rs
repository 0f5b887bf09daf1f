//! Reading the project's files.

use longhouse_core::{Agent, ProjectPath};
use longhouse_workspace::{Entry, Follow, ListOptions, Listing, OpenFile, View, WorkspaceError};

use super::{AppError, Project};

/// Opens a regular file for reading.
///
/// # Errors
/// When there is none that can be reached.
pub async fn open(project: &Project, agent: &Agent, path: ProjectPath) -> Result<OpenFile, AppError> {
    on(project, agent, path, |view, path| view.read_file(path)).await
}

/// Lists a directory.
///
/// # Errors
/// When there is none that can be reached.
pub async fn list(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    options: ListOptions,
) -> Result<Listing, AppError> {
    on(project, agent, path, move |view, path| view.list(path, &options)).await
}

/// What a path is; a link as its last component is followed.
///
/// # Errors
/// When there is nothing that can be reached.
pub async fn stat(project: &Project, agent: &Agent, path: ProjectPath) -> Result<Entry, AppError> {
    on(project, agent, path, |view, path| {
        Ok(Entry { path: path.clone(), stat: view.stat(path, Follow::Last)? })
    })
    .await
}

/// Works on a path where blocking is allowed.
async fn on<T: Send + 'static>(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    work: impl FnOnce(&View, &ProjectPath) -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, AppError> {
    let view = project.view_of(agent);
    let done = tokio::task::spawn_blocking(move || {
        work(&view, &path).map_err(|source| AppError::Path { path, source })
    });
    done.await.map_err(|_| AppError::CutOff)?
}
