//! What was changed, by whom, and how.

use std::sync::Arc;

use longhouse_core::{Agent, Change, CommitNumber, Verb};
use longhouse_store::{CommitFilter, CommitRecord};

use super::{AppError, Project};

/// A commit with what its reader may know of what it does.
#[derive(Debug)]
pub struct CommitView {
    /// The commit.
    pub record: CommitRecord,
    /// Its changes that were asked for, of paths that may be read, and which they are, from 0 on.
    pub changes: Vec<(u32, Change)>,
    /// How many of those asked for are of others.
    pub hidden: usize,
}

/// Commits that fit, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    project: &Arc<Project>,
    agent: &Agent,
    filter: CommitFilter,
) -> Result<Vec<CommitRecord>, AppError> {
    let view = project.view_of(agent);
    if filter.path.as_ref().is_some_and(|path| !view.grants(Verb::Read, path)) {
        return Ok(Vec::new());
    }
    project.settled().await?;
    project.read(move |reads| reads.commits(&filter)).await
}

/// A commit, and `limit` of its changes from the `from`th on, counted from 0.
///
/// # Errors
/// When there is none, or the database fails.
pub async fn find(
    project: &Arc<Project>,
    agent: &Agent,
    number: CommitNumber,
    (from, limit): (u32, u32),
) -> Result<CommitView, AppError> {
    project.settled().await?;
    let found = project.read(move |reads| match reads.commit(number)? {
        Some(record) => Ok(Some((record, reads.changes(number, from, limit)?))),
        None => Ok(None),
    });
    let (record, all) = found.await?.ok_or(AppError::UnknownCommit(number))?;
    let view = project.view_of(agent);
    let asked = all.len();
    let changes: Vec<(u32, Change)> = (from..)
        .zip(all)
        .filter(|(_, change)| change.paths().all(|path| view.grants(Verb::Read, path)))
        .collect();
    let hidden = asked - changes.len();
    Ok(CommitView { record, changes, hidden })
}
