//! Forgetting what was kept long enough.

use std::sync::Arc;
use std::time::Duration;

use longhouse_core::{CommitNumber, Timestamp};
use longhouse_store::{ChangeAt, Clock};

use super::{AppError, Project};

/// How often.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// So much is forgotten between two looks at the journal.
const AT_ONCE: u32 = 1_000;

/// Forgets when the server begins, and every hour from then on, until the project is closed.
pub async fn forget_again_and_again(project: Arc<Project>, clock: Arc<dyn Clock>) {
    let mut through = (CommitNumber(0), 0);
    loop {
        let until = clock.now().minus(project.keep_history);
        match forget(&project, through, until).await {
            Ok(last) => through = last,
            Err(error) => tracing::warn!(%error, "the history could not be cut"),
        }
        if tokio::time::timeout(EVERY, project.closed()).await.is_ok() {
            return;
        }
    }
}

/// Drops what was replaced and removed by changes after `through`, of commits that were published before `until`. Returns the last
/// of those changes.
async fn forget(
    project: &Arc<Project>,
    mut through: ChangeAt,
    until: Timestamp,
) -> Result<ChangeAt, AppError> {
    let mut count = 0;
    loop {
        let kept = project.read(move |reads| reads.kept_before(until, through, AT_ONCE)).await?;
        let Some((last, _)) = kept.last() else { break };
        through = *last;
        count += kept.len();
        let workspace = Arc::clone(&project.workspace);
        let dropped = tokio::task::spawn_blocking(move || {
            for (_, name) in kept {
                if let Err(error) = workspace.forget(&name) {
                    tracing::warn!(name = name.as_str(), %error, "something in the history could not be dropped");
                }
            }
        });
        dropped.await.map_err(|_| AppError::CutOff)?;
    }
    if count > 0 {
        tracing::info!(count, through = %through.0, "the history was cut");
    }
    Ok(through)
}
