//! What is sent about tasks. What it brings is checked here, and nowhere after.

use std::sync::Arc;

use longhouse_core::{
    AgentName, Backoff, Budget, Capability, ClaimRequest, Fence, InvalidTask, Key, Label, MAX_TEXT, NewTask,
    OnParentFailure, Parent, PathPattern, Priority, Progress, Session, TaskBody, TaskId, TaskPatch, TaskSpec,
    Timestamp, Verify, Want,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::extract::{parse, wait};
use super::{ApiError, error};
use crate::app::runs::command_line;
use crate::app::tasks::TaskChange;

/// The longest message about progress, in bytes.
const MAX_MESSAGE: usize = 1_000;

/// The most tasks that one depends on.
const MAX_PARENTS: usize = 256;

/// The tasks that a body asks for: one as it is, or several in `tasks`.
pub(super) fn new_tasks(body: &[u8]) -> Result<Vec<NewTask>, ApiError> {
    #[derive(Deserialize)]
    struct Probe {
        tasks: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ListForm {
        tasks: Vec<TaskForm>,
    }
    if parse::<Probe>(body)?.tasks.is_none() {
        return Ok(vec![parse::<TaskForm>(body)?.validate("")?]);
    }
    let tasks = parse::<ListForm>(body)?.tasks.into_iter().enumerate();
    tasks.map(|(place, task)| task.validate(&format!("tasks[{place}]."))).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskForm {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    depends_on: Vec<ParentForm>,
    #[serde(default)]
    capabilities: Box<[Capability]>,
    assigned_to: Option<AgentName>,
    #[serde(default)]
    touches: Vec<PathPattern>,
    verify: Option<CheckForm>,
    verify_by: Option<Capability>,
    max_attempts: Option<u32>,
    #[serde(default)]
    backoff: Backoff,
    not_before_ms: Option<Timestamp>,
    deadline_ms: Option<Timestamp>,
    parent: Option<TaskId>,
    key: Option<Key>,
    #[serde(default)]
    labels: Box<[Label]>,
    #[serde(default)]
    on_parent_failure: OnParentFailure,
    budget: Option<Budget>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a task id such as \"t12\", or a task's place in this list, from 0")]
enum ParentForm {
    Sibling(usize),
    Existing(TaskId),
}

impl TaskForm {
    /// `prefix` stands before the fields' names where they are told.
    fn validate(self, prefix: &str) -> Result<NewTask, ApiError> {
        let invalid = |invalid: InvalidTask| error::invalid_task(prefix, &invalid);
        if self.depends_on.len() > MAX_PARENTS {
            return Err(invalid(InvalidTask::TooMany { field: "depends_on", len: self.depends_on.len() }));
        }
        let parents = self.depends_on.into_iter().map(|parent| match parent {
            ParentForm::Sibling(place) => Parent::Sibling(place),
            ParentForm::Existing(id) => Parent::Existing(id),
        });
        let spec = TaskSpec {
            priority: self.priority,
            depends_on: Vec::new(),
            capabilities: self.capabilities,
            assigned_to: self.assigned_to,
            touches: self.touches,
            verify: verify(prefix, self.verify, self.verify_by)?,
            max_attempts: self.max_attempts.unwrap_or(TaskSpec::DEFAULT_ATTEMPTS),
            backoff: self.backoff,
            not_before: self.not_before_ms,
            deadline: self.deadline_ms,
            parent: self.parent,
            key: self.key,
            labels: self.labels,
            on_parent_failure: self.on_parent_failure,
            checks: None,
            budget: self.budget,
        };
        Ok(NewTask {
            body: TaskBody::new(&self.title, &self.description).map_err(invalid)?,
            spec: spec.normalised().map_err(invalid)?,
            parents: parents.collect(),
        })
    }
}

/// What a task is checked by.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a command line, or a command and its arguments as a list")]
enum CheckForm {
    Line(String),
    Argv(Vec<String>),
}

fn verify(
    prefix: &str,
    check: Option<CheckForm>,
    by: Option<Capability>,
) -> Result<Option<Verify>, ApiError> {
    let invalid = |field, reason| Err(ApiError::invalid(&format!("{prefix}{field}"), reason));
    let argv = check.map(|check| match check {
        CheckForm::Line(line) => command_line(line),
        CheckForm::Argv(argv) => argv,
    });
    match (argv, by) {
        (Some(_), Some(_)) => invalid("verify_by", "give verify or verify_by, not both"),
        (Some(argv), None) if argv.iter().any(|argument| argument.contains('\0')) => {
            invalid("verify", "contains a NUL character")
        }
        (Some(argv), None) => Ok(Some(Verify::Run(argv))),
        (None, Some(capability)) => Ok(Some(Verify::Agent(capability))),
        (None, None) => Ok(None),
    }
}

/// Changes to a task. `null` takes away what can be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeForm {
    title: Option<String>,
    description: Option<String>,
    priority: Option<Priority>,
    depends_on: Option<Vec<TaskId>>,
    capabilities: Option<Box<[Capability]>>,
    #[serde(default, deserialize_with = "given")]
    assigned_to: Option<Option<AgentName>>,
    touches: Option<Vec<PathPattern>>,
    #[serde(default, deserialize_with = "given")]
    verify: Option<Option<CheckForm>>,
    verify_by: Option<Capability>,
    max_attempts: Option<u32>,
    #[serde(default, deserialize_with = "given")]
    not_before_ms: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "given")]
    deadline_ms: Option<Option<Timestamp>>,
    labels: Option<Box<[Label]>>,
    #[serde(default, deserialize_with = "given")]
    budget: Option<Option<Budget>>,
}

/// A value that was given, be it `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

impl ChangeForm {
    pub(super) fn validate(self) -> Result<TaskChange, ApiError> {
        let verify = match (self.verify, self.verify_by) {
            (None, None) => None,
            (argv, by) => Some(verify("", argv.flatten(), by)?),
        };
        let patch = TaskPatch {
            body: None,
            priority: self.priority,
            capabilities: self.capabilities,
            assigned_to: self.assigned_to,
            touches: self.touches,
            labels: self.labels,
            max_attempts: self.max_attempts,
            not_before: self.not_before_ms,
            deadline: self.deadline_ms,
            verify,
            depends_on: self.depends_on,
            budget: self.budget,
        };
        Ok(TaskChange { title: self.title, description: self.description, patch })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimForm {
    task: Option<TaskId>,
    count: Option<u32>,
    ttl_ms: Option<u64>,
    max_lease_ms: Option<u64>,
    wait_ms: Option<u64>,
}

impl ClaimForm {
    pub(super) fn validate(self, session: Option<Session>, now: Timestamp) -> Result<ClaimRequest, ApiError> {
        let want = match (self.task, self.count) {
            (Some(_), Some(_)) => return Err(ApiError::invalid("count", "give task or count, not both")),
            (Some(id), None) => Want::Task(id),
            (None, count) => Want::Next(count.unwrap_or(1)),
        };
        let wait = self.wait_ms.filter(|ms| *ms > 0).map(|ms| wait(Some(ms), std::time::Duration::ZERO));
        Ok(ClaimRequest {
            want,
            ttl_ms: self.ttl_ms.unwrap_or(ClaimRequest::DEFAULT_TTL_MS),
            max_lease_ms: self.max_lease_ms.unwrap_or(ClaimRequest::DEFAULT_MAX_LEASE_MS),
            session,
            wait_until: wait.transpose()?.map(|wait| now.plus(wait)),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewForm {
    pub(super) fence: Fence,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProgressForm {
    pub(super) fence: Fence,
    current_step: u32,
    #[serde(default)]
    total_steps: u32,
    #[serde(default)]
    message: String,
}

impl ProgressForm {
    pub(super) fn progress(self) -> Result<Progress, ApiError> {
        let message = text_within("message", self.message, MAX_MESSAGE)?;
        Ok(Progress { current_step: self.current_step, total_steps: self.total_steps, message })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteForm {
    pub(super) fence: Fence,
    #[serde(default)]
    pub(super) result: String,
    pub(super) claim: Option<ClaimForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailForm {
    pub(super) fence: Fence,
    pub(super) reason: String,
    pub(super) retry: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseForm {
    pub(super) fence: Fence,
    #[serde(default)]
    pub(super) note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskForm {
    pub(super) fence: Fence,
    pub(super) question: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerForm {
    pub(super) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelForm {
    #[serde(default)]
    pub(super) reason: String,
}

/// Nothing but the wish.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoForm {}

/// A text to be left with a task.
pub(super) fn text(field: &'static str, text: String) -> Result<Arc<str>, ApiError> {
    text_within(field, text, MAX_TEXT)
}

/// The same where nothing would say too little.
pub(super) fn some_text(field: &'static str, said: String) -> Result<Arc<str>, ApiError> {
    if said.trim().is_empty() { Err(ApiError::invalid(field, "is empty")) } else { text(field, said) }
}

fn text_within(field: &'static str, text: String, limit: usize) -> Result<Arc<str>, ApiError> {
    let bytes = text.len();
    if bytes > limit {
        return Err(error::invalid_task("", &InvalidTask::TooLong { field, bytes, limit }));
    }
    Ok(text.into())
}
