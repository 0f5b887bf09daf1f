//! Locks on paths.

use longhouse_core::{
    AgentName, Caller, Command, EventSeq, LockCommand, LockReply, LockRequest, LocksFound, Reply, Taken,
};

use super::{AppError, By, Project};

/// What is locked, and what is waited for.
#[derive(Debug)]
pub struct Locks {
    /// All of it.
    pub found: LocksFound,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

/// Locks paths for the caller. Whoever goes away while waiting leaves no request and no lock behind.
///
/// # Errors
/// A refusal.
pub async fn take(project: &Project, by: By, request: LockRequest) -> Result<Taken, AppError> {
    lock(project, by, LockCommand::Take(request)).await
}

/// Keeps a lock for another while.
///
/// # Errors
/// A refusal.
pub async fn renew(project: &Project, by: By, renew: LockCommand) -> Result<Taken, AppError> {
    lock(project, by, renew).await
}

/// Ends a lock.
///
/// # Errors
/// A refusal.
pub async fn end(project: &Project, by: By, end: LockCommand) -> Result<(), AppError> {
    project.ask_by(by, Command::Lock(end)).await.map(drop)
}

/// What is locked, and what is waited for.
///
/// # Errors
/// When the coordinator does not answer.
pub async fn find(project: &Project, agent: AgentName) -> Result<Locks, AppError> {
    let as_of = *project.coordinator.last_event().borrow();
    let reply = project.ask(Caller::Agent(agent), Command::Lock(LockCommand::Find)).await?;
    let Reply::Lock(LockReply::Found(found)) = reply else { return Err(AppError::Confused) };
    Ok(Locks { found: *found, as_of })
}

async fn lock(project: &Project, by: By, command: LockCommand) -> Result<Taken, AppError> {
    let reply = project.ask_by(by, Command::Lock(command)).await?;
    let Reply::Lock(LockReply::Taken(taken) | LockReply::Renewed(taken)) = reply else {
        return Err(AppError::Confused);
    };
    Ok(taken)
}
