//! Reading the project's files.

use std::sync::Arc;

use longhouse_core::ProjectPath;
use longhouse_workspace::{Entry, Follow, ListOptions, Listing, OpenFile, Root, WorkspaceError};

use super::{AppError, Project};

/// Opens a regular file for reading.
///
/// # Errors
/// When there is none that can be reached.
pub async fn open(project: &Project, path: ProjectPath) -> Result<OpenFile, AppError> {
    on(project, path, |root, path| root.read_file(path)).await
}

/// Lists a directory.
///
/// # Errors
/// When there is none that can be reached.
pub async fn list(project: &Project, path: ProjectPath, options: ListOptions) -> Result<Listing, AppError> {
    on(project, path, move |root, path| root.list(path, &options)).await
}

/// What a path is; a link as its last component is followed.
///
/// # Errors
/// When there is nothing that can be reached.
pub async fn stat(project: &Project, path: ProjectPath) -> Result<Entry, AppError> {
    on(project, path, |root, path| Ok(Entry { path: path.clone(), stat: root.stat(path, Follow::Last)? }))
        .await
}

/// Works on a path where blocking is allowed.
async fn on<T: Send + 'static>(
    project: &Project,
    path: ProjectPath,
    work: impl FnOnce(&Root, &ProjectPath) -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, AppError> {
    let root = Arc::clone(&project.root);
    let done = tokio::task::spawn_blocking(move || {
        work(&root, &path).map_err(|source| AppError::Path { path, source })
    });
    done.await.map_err(|_| AppError::CutOff)?
}
