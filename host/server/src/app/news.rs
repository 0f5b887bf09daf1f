//! What became of files that an agent knows.

use std::collections::HashSet;
use std::sync::Arc;

use longhouse_core::{Agent, AgentName, CommitNumber, Operation, ProjectPath, Verb, Version};
use longhouse_store::{CommitFilter, Reads, StoreError};

use super::{AppError, Project};

/// So many of the latest commits are looked at, and so many changes of each.
const COMMITS: u32 = 200;
const CHANGES: u32 = 200;

/// A file that is not any more what an agent was last served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub path: ProjectPath,
    /// Who changed it last; `None` if somebody outside did.
    pub by: Option<AgentName>,
    /// In which commit.
    pub commit: CommitNumber,
}

/// What others changed lately of what this agent was served, and may read still: the latest first, at most so many.
///
/// # Errors
/// When the database fails.
pub async fn changed(project: &Arc<Project>, agent: &Agent, most: usize) -> Result<Vec<Changed>, AppError> {
    let (workspace, view) = (Arc::clone(&project.workspace), project.view_of(agent));
    let (reader, name) = (workspace.reader(&agent.name), agent.name.clone());
    let read = project.read(move |reads| {
        let is_news = |path: &ProjectPath, version| {
            view.grants(Verb::Read, path) && workspace.is_news_to(&reader, path, version)
        };
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for (changed, version) in latest(reads)? {
            let is_first = seen.insert(changed.path.clone());
            if is_first && changed.by.as_ref() != Some(&name) && is_news(&changed.path, version) {
                found.push(changed);
            }
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    });
    read.await
}

/// What the latest commits left where, the last first.
fn latest(reads: &Reads) -> Result<Vec<(Changed, Option<Version>)>, StoreError> {
    let records = reads.commits(&CommitFilter { limit: COMMITS, ..CommitFilter::default() })?;
    let mut all = Vec::new();
    for record in records {
        let changes = reads.changes(record.number, 0, CHANGES)?;
        for change in changes.into_iter().rev() {
            let at = |path| Changed { path, by: record.agent.clone(), commit: record.number };
            if let Operation::Move { from } = change.operation {
                all.push((at(from), None));
            }
            all.push((at(change.path), change.new));
        }
    }
    Ok(all)
}
