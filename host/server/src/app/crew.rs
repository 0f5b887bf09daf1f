//! The agents at work.

use longhouse_core::{
    AgentName, Caller, Command, Cooldown, Counted, CrewCommand, CrewReply, EventSeq, Heartbeat, MemberFacts,
    Reply,
};

use super::{AppError, By, Project};

/// Tells how the caller is, and what it has to know.
///
/// # Errors
/// A refusal.
pub async fn heartbeat(project: &Project, by: By, beat: Heartbeat) -> Result<MemberFacts, AppError> {
    let agent = by.agent.clone();
    match project.ask_by(by, Command::Crew(CrewCommand::Heartbeat(Box::new(beat)))).await? {
        Reply::Crew(CrewReply::Found(found)) => found.into_iter().next().ok_or(AppError::Confused),
        // Its key says that it was heard before.
        Reply::Done => find(project, agent.clone(), agent).await,
        _ => Err(AppError::Confused),
    }
}

/// Counts what the caller used.
///
/// # Errors
/// A refusal.
pub async fn spend(project: &Project, by: By, spend: CrewCommand) -> Result<Counted, AppError> {
    let reply = project.ask_by(by, Command::Crew(spend)).await?;
    let Reply::Crew(CrewReply::Counted(counted)) = reply else { return Err(AppError::Confused) };
    Ok(counted)
}

/// Has a provider left alone; until when, if it is.
///
/// # Errors
/// A refusal.
pub async fn cool(project: &Project, by: By, cool: CrewCommand) -> Result<Option<Cooldown>, AppError> {
    let reply = project.ask_by(by, Command::Crew(cool)).await?;
    let Reply::Crew(CrewReply::Cools(cooldown)) = reply else { return Err(AppError::Confused) };
    Ok(cooldown)
}

/// Leaves, or interrupts somebody.
///
/// # Errors
/// A refusal.
pub async fn tell(project: &Project, by: By, command: CrewCommand) -> Result<(), AppError> {
    project.ask_by(by, Command::Crew(command)).await.map(drop)
}

/// How an agent is.
///
/// # Errors
/// When there is none of that name, or the coordinator does not answer.
pub async fn find(project: &Project, asking: AgentName, name: AgentName) -> Result<MemberFacts, AppError> {
    found(project, asking, Some(name)).await?.into_iter().next().ok_or(AppError::Confused)
}

/// How all agents are, by name; whatever happened later is an event after that number.
///
/// # Errors
/// When the coordinator does not answer.
pub async fn list(project: &Project, asking: AgentName) -> Result<(Vec<MemberFacts>, EventSeq), AppError> {
    let found = found(project, asking, None).await?;
    let as_of = found.first().map(|facts| facts.as_of).ok_or(AppError::Confused)?;
    Ok((found, as_of))
}

async fn found(
    project: &Project,
    asking: AgentName,
    name: Option<AgentName>,
) -> Result<Vec<MemberFacts>, AppError> {
    let reply = project.ask(Caller::Agent(asking), Command::Crew(CrewCommand::Find(name))).await?;
    let Reply::Crew(CrewReply::Found(found)) = reply else { return Err(AppError::Confused) };
    Ok(found)
}
