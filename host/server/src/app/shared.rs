//! Shared state: small values that agents change by compare-and-set.

use std::sync::Arc;

use longhouse_core::{
    AgentName, Caller, Command, EventSeq, Precondition, Refusal, Reply, StateKey, StateVersion, TalkCommand,
    TalkRefusal, TalkReply, Timestamp,
};
use longhouse_store::{KeyFilter, SharedKey, SharedValue};

use super::{AppError, By, Project};

/// Some keys, in their order.
#[derive(Debug)]
pub struct KeyPage {
    /// Those that fit.
    pub keys: Vec<SharedKey>,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

/// Puts a JSON value there, if the key stands as expected.
///
/// # Errors
/// A refusal; with the present value if the key does not.
pub async fn set(
    project: &Arc<Project>,
    by: By,
    key: StateKey,
    value: Arc<str>,
    expected: Precondition,
) -> Result<StateVersion, AppError> {
    change(project, by, &key, TalkCommand::Set(key.clone(), value, expected)).await
}

/// Takes a value away, if the key stands as expected.
///
/// # Errors
/// As [`set`], and when there is none.
pub async fn delete(
    project: &Arc<Project>,
    by: By,
    key: StateKey,
    expected: Precondition,
) -> Result<(), AppError> {
    change(project, by, &key, TalkCommand::Delete(key.clone(), expected)).await.map(drop)
}

/// A value, as soon as its version is another than `known` if that is asked for.
///
/// # Errors
/// When there is none, or the database fails.
pub async fn find(
    project: &Arc<Project>,
    agent: AgentName,
    key: StateKey,
    known: Option<StateVersion>,
    until: Option<Timestamp>,
) -> Result<SharedValue, AppError> {
    if known.is_some() && until.is_some() {
        let command = TalkCommand::Look { key: key.clone(), after: known, until };
        project.ask(Caller::Agent(agent), Command::Talk(command)).await?;
    }
    let found = read(project, &key).await?;
    found.ok_or_else(|| AppError::Refused(TalkRefusal::NoSuchKey(key).into()))
}

/// Keys that fit.
///
/// # Errors
/// When the database fails.
pub async fn list(project: &Arc<Project>, filter: KeyFilter) -> Result<KeyPage, AppError> {
    let as_of = *project.coordinator.last_event().borrow();
    let keys = project.read(move |reads| reads.shared_keys(&filter)).await?;
    Ok(KeyPage { keys, as_of })
}

async fn change(
    project: &Arc<Project>,
    by: By,
    key: &StateKey,
    command: TalkCommand,
) -> Result<StateVersion, AppError> {
    match project.ask_by(by, Command::Talk(command)).await {
        Ok(Reply::Talk(TalkReply::Version(version))) => Ok(version),
        Ok(_) => Err(AppError::Confused),
        Err(AppError::Refused(Refusal::Talk(refusal @ TalkRefusal::Stale { .. }))) => {
            let current = read(project, key).await?;
            Err(AppError::StaleState { refusal, current })
        }
        Err(error) => Err(error),
    }
}

async fn read(project: &Arc<Project>, key: &StateKey) -> Result<Option<SharedValue>, AppError> {
    let key = key.clone();
    project.read(move |reads| reads.shared_value(&key)).await
}
