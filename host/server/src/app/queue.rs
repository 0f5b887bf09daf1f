//! The queue as a whole.

use longhouse_core::{AgentName, Caller, Command, QueueCommand, QueueFacts, Reply};

use super::{AppError, By, Project};

/// Pauses or resumes the queue or a label, or sets limits.
///
/// # Errors
/// When the caller may not.
pub async fn change(project: &Project, by: By, change: QueueCommand) -> Result<(), AppError> {
    project.ask_by(by, Command::Queue(change)).await.map(drop)
}

/// The rules in force, and how many tasks stand where.
///
/// # Errors
/// When the coordinator does not answer.
pub async fn find(project: &Project, agent: AgentName) -> Result<QueueFacts, AppError> {
    let reply = project.ask(Caller::Agent(agent), Command::Queue(QueueCommand::Find)).await?;
    let Reply::Queue(facts) = reply else { return Err(AppError::Confused) };
    Ok(*facts)
}
