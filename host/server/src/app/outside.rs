//! Finding what somebody who does not ask the server changed.

use std::sync::Arc;
use std::time::Duration;

use longhouse_core::{ProjectPath, Timestamp};
use longhouse_store::Clock;
use longhouse_workspace::{CommitError, Scanned, Workspace};

use super::{AppError, Project};

/// How often the whole project is looked at.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// How long paths are waited for that others are changing.
const PATIENCE_MS: u64 = 5_000;

/// Looks at the project when its server begins, and every ten minutes from then on, until it is closed.
pub async fn look_again_and_again(project: Arc<Project>, clock: Arc<dyn Clock>) {
    loop {
        match scan(&project, clock.now()).await {
            Ok(scanned) => tracing::debug!(
                looked_at = scanned.looked_at,
                found = scanned.found.len(),
                "looked for what was changed outside"
            ),
            Err(error) => {
                tracing::warn!(%error, "what was changed outside could not be looked for");
            }
        }
        if tokio::time::timeout(EVERY, project.closed()).await.is_ok() {
            return;
        }
    }
}

/// Looks at the whole project, and puts on record what was changed outside.
///
/// # Errors
/// When the journal cannot be read or written, or the disk fails.
pub async fn scan(project: &Arc<Project>, now: Timestamp) -> Result<Scanned, AppError> {
    work(project, move |workspace| workspace.scan(Some(now.plus_millis(PATIENCE_MS)))).await
}

/// The same for these paths alone, which are not what somebody expected. That is refused all the same: what goes wrong here
/// is found by the next scan.
pub(super) async fn examine(project: &Arc<Project>, paths: Vec<ProjectPath>) {
    let examined = work(project, move |workspace| workspace.examine(&paths, None)).await;
    if let Err(error) = examined {
        tracing::warn!(%error, "what was changed outside could not be put on record");
    }
}

async fn work(
    project: &Arc<Project>,
    work: impl FnOnce(&Workspace) -> Result<Scanned, CommitError> + Send + 'static,
) -> Result<Scanned, AppError> {
    let workspace = Arc::clone(&project.workspace);
    Ok(tokio::task::spawn_blocking(move || work(&workspace)).await.map_err(|_| AppError::CutOff)??)
}
