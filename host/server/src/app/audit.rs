//! Refusals for want of a right, on record for admins.

use std::sync::Arc;
use std::time::Duration;

use longhouse_core::{Act, AgentName, Caller, Command, Denial};
use longhouse_store::{DenialFilter, StoredDenial};

use super::{AppError, Project};

/// How often what was refused is written down.
const EVERY: Duration = Duration::from_secs(1);

/// Writes down what was refused, until the project is closed, which does so for the last time.
pub async fn write_down(project: Arc<Project>) {
    while tokio::time::timeout(EVERY, project.closed()).await.is_err() {
        project.write_down_denials();
    }
}

/// Refusals that fit, those that began last first.
///
/// # Errors
/// When the database fails.
pub async fn list(project: &Arc<Project>, filter: DenialFilter) -> Result<Vec<StoredDenial>, AppError> {
    project.write_down_denials();
    project.settled().await?;
    project.read(move |reads| reads.denials(&filter)).await
}

impl Project {
    /// An agent was refused something in a call.
    pub fn refused(&self, agent: AgentName, act: Act, rule: String, named: String) {
        self.audit.add(Denial { agent, run: None, act, rule }, named);
    }

    pub(super) fn write_down_denials(&self) {
        let denied = self.audit.take();
        if !denied.is_empty() {
            self.coordinator.tell(Caller::Server, Command::Audit(denied));
        }
    }
}
