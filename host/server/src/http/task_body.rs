//! Tasks as JSON.

use longhouse_core::{
    AgentName, Backoff, Budget, Capability, Created, Fence, Grant, Held, Hold, Key, Label, Lease, Note,
    Nothing, OnParentFailure, PathPattern, Priority, Progress, Stands, StoredTask, TaskId, TaskStatus,
    Timestamp, Usage, Verify, Why,
};
use longhouse_store::{StoredEvent, TaskRecord};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::tasks::Handed;

/// A task. Its texts are there only where it was asked for by its id.
#[derive(Serialize)]
pub(super) struct TaskJson<'a> {
    id: TaskId,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    status: TaskStatus,
    priority: Priority,
    depends_on: &'a [TaskId],
    capabilities: &'a [Capability],
    assigned_to: Option<&'a AgentName>,
    touches: &'a [PathPattern],
    verify: Option<&'a [String]>,
    verify_by: Option<&'a Capability>,
    max_attempts: u32,
    backoff: Backoff,
    not_before_ms: Option<Timestamp>,
    deadline_ms: Option<Timestamp>,
    parent: Option<TaskId>,
    key: Option<&'a Key>,
    labels: &'a [Label],
    on_parent_failure: OnParentFailure,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    /// What was used for it, in all attempts.
    #[serde(skip_serializing_if = "Usage::is_nothing")]
    usage: Usage,
    /// The work that it judges.
    checks: Option<Hold>,
    created_by: Option<&'a AgentName>,
    created_at_ms: Timestamp,
    updated_at_ms: Timestamp,
    incarnation: u32,
    failures: u32,
    lost_count: u32,
    waits_until_ms: Option<Timestamp>,
    cancel_requested: bool,
    progress: Option<&'a Progress>,
    lease: Option<LeaseJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a [Note]>,
}

#[derive(Serialize)]
struct LeaseJson<'a> {
    holder: &'a AgentName,
    fence: Fence,
    claimed_at_ms: Timestamp,
    expires_at_ms: Timestamp,
    hard_end_ms: Timestamp,
    ttl_ms: u64,
    /// More than half of its time has passed without a renewal.
    suspect: bool,
}

impl<'a> TaskJson<'a> {
    /// A task without its longer texts.
    pub(super) fn summary(stored: &'a StoredTask, now: Timestamp) -> Self {
        let StoredTask { task, body } = stored;
        let (spec, state) = (&*task.spec, &task.state);
        let (verify, verify_by) = match &spec.verify {
            Some(Verify::Run(argv)) => (Some(argv.as_slice()), None),
            Some(Verify::Agent(capability)) => (None, Some(capability)),
            None => (None, None),
        };
        Self {
            id: task.id,
            title: &body.title,
            description: None,
            status: state.status,
            priority: spec.priority,
            depends_on: &spec.depends_on,
            capabilities: &spec.capabilities,
            assigned_to: spec.assigned_to.as_ref(),
            touches: &spec.touches,
            verify,
            verify_by,
            max_attempts: spec.max_attempts,
            backoff: spec.backoff,
            not_before_ms: spec.not_before,
            deadline_ms: spec.deadline,
            parent: spec.parent,
            key: spec.key.as_ref(),
            labels: &spec.labels,
            on_parent_failure: spec.on_parent_failure,
            budget: spec.budget,
            usage: state.usage,
            checks: spec.checks,
            created_by: task.creator.as_ref(),
            created_at_ms: task.created_at,
            updated_at_ms: state.updated_at,
            incarnation: state.incarnation,
            failures: state.attempt,
            lost_count: state.lost_count,
            waits_until_ms: state.waits_until,
            cancel_requested: state.cancel_requested,
            progress: state.progress.as_ref(),
            lease: state.lease.as_ref().map(|lease| LeaseJson::of(lease, now)),
            notes: None,
        }
    }

    /// A task with everything that is kept of it.
    pub(super) fn whole(record: &'a TaskRecord, now: Timestamp) -> Self {
        let TaskRecord { stored, notes } = record;
        Self { description: Some(&stored.body.description), notes: Some(notes), ..Self::summary(stored, now) }
    }
}

impl<'a> LeaseJson<'a> {
    fn of(lease: &'a Lease, now: Timestamp) -> Self {
        Self {
            holder: &lease.holder,
            fence: lease.fence,
            claimed_at_ms: lease.claimed_at,
            expires_at_ms: lease.expires_at,
            hard_end_ms: lease.hard_end,
            ttl_ms: lease.ttl_ms,
            suspect: lease.is_suspect(now),
        }
    }
}

/// What a worker has to know of a task that it was given.
#[derive(Serialize)]
struct GrantJson<'a> {
    id: TaskId,
    fence: Fence,
    attempt: u32,
    expires_at_ms: Timestamp,
    hard_end_ms: Timestamp,
    failed_parents: &'a [TaskId],
    title: &'a str,
    description: &'a str,
    priority: Priority,
    labels: &'a [Label],
    touches: &'a [PathPattern],
    parent: Option<TaskId>,
    /// The last of them.
    notes: &'a [Note],
}

#[derive(Serialize)]
pub(super) struct HandedJson<'a> {
    tasks: Vec<GrantJson<'a>>,
    /// Why there are none.
    #[serde(flatten)]
    nothing: Option<&'a Nothing>,
    /// When there may be some again, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl<'a> HandedJson<'a> {
    pub(super) fn of(handed: &'a Handed, now: Timestamp) -> Self {
        let Handed { tasks, nothing } = handed;
        let tasks: Vec<_> = tasks.iter().map(|(grant, record)| GrantJson::of(grant, record)).collect();
        let nothing = nothing.as_ref().filter(|_| tasks.is_empty());
        Self { tasks, nothing, retry_after_s: nothing.and_then(|nothing| retry_after(nothing, now)) }
    }
}

fn retry_after(nothing: &Nothing, now: Timestamp) -> Option<u64> {
    match nothing {
        Nothing::RateLimited { until_ms, .. } => Some(until_ms.since(now).as_millis().div_ceil(1_000) as u64),
        Nothing::None
        | Nothing::Blocked
        | Nothing::Paused
        | Nothing::Limit { .. }
        | Nothing::Budget { .. }
        | Nothing::Interrupted { .. } => None,
    }
}

impl<'a> GrantJson<'a> {
    fn of(grant: &'a Grant, record: &'a TaskRecord) -> Self {
        /// Notes that come with a grant.
        const NOTES: usize = 5;
        let TaskRecord { stored, notes } = record;
        let spec = &*stored.task.spec;
        Self {
            id: grant.task,
            fence: grant.fence,
            attempt: grant.attempt,
            expires_at_ms: grant.expires_at,
            hard_end_ms: grant.hard_end,
            failed_parents: &grant.failed_parents,
            title: &stored.body.title,
            description: &stored.body.description,
            priority: spec.priority,
            labels: &spec.labels,
            touches: &spec.touches,
            parent: spec.parent,
            notes: notes.get(notes.len().saturating_sub(NOTES)..).unwrap_or_default(),
        }
    }
}

/// Tasks that were asked for, as they are now.
pub(super) fn created(created: &[Created]) -> Value {
    json!({ "tasks": created })
}

/// Where a task stands, and what was claimed in the same call.
#[derive(Serialize)]
pub(super) struct StandsJson<'a> {
    task: Stands,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<HandedJson<'a>>,
}

impl<'a> StandsJson<'a> {
    pub(super) fn of(task: Stands) -> Self {
        Self { task, claimed: None }
    }

    pub(super) fn and_claimed(task: Stands, claimed: Option<&'a Handed>, now: Timestamp) -> Self {
        Self { task, claimed: claimed.map(|handed| HandedJson::of(handed, now)) }
    }
}

/// A lease that goes on.
pub(super) fn held(held: &Held) -> Value {
    let Held { hold, expires_at, cancel_requested } = held;
    json!({
        "id": hold.task, "fence": hold.fence, "expires_at_ms": expires_at, "cancel_requested": cancel_requested,
    })
}

/// A reason, with its stable code and a sentence.
pub(super) fn why(why: &Why) -> Value {
    match why {
        Why::Stands(status) => json!({ "code": status, "detail": format!("it is {status}") }),
        Why::HeldBy(agent, fence) => {
            let detail = format!("{agent} holds it under fence {fence}");
            json!({ "code": "held", "detail": detail, "holder": { "agent": agent, "fence": fence } })
        }
        Why::WaitsFor(tasks) => {
            let names: Vec<String> = tasks.iter().map(ToString::to_string).collect();
            let detail = format!("it waits for {}", names.join(", "));
            json!({ "code": "waits_for_tasks", "detail": detail, "tasks": tasks })
        }
        Why::WaitsUntil(at) => {
            let detail = "it waits for a time: its not_before_ms, or that of its next attempt";
            json!({ "code": "waits_until", "detail": detail, "at_ms": at })
        }
        Why::QueuePaused => json!({ "code": "queue_paused", "detail": "the queue is paused" }),
        Why::LabelClosed(label) => {
            let detail = format!("the label {label} is paused or at its limit");
            json!({ "code": "label_closed", "detail": detail, "label": label })
        }
        Why::PathsOfTask(other) => {
            let detail = format!("{other} is in progress and touches the same paths");
            json!({ "code": "paths_of_task", "detail": detail, "task": other })
        }
        Why::PathsLocked(lock) => {
            let detail = format!("{lock} is on the same paths, and another agent's");
            json!({ "code": "paths_locked", "detail": detail, "lock": lock })
        }
        Why::AssignedTo(agent) => {
            let detail = format!("only {agent} may claim it");
            json!({ "code": "assigned", "detail": detail, "agent": agent })
        }
        Why::NobodyCan => {
            let detail = "no agent has all the capabilities it asks for";
            json!({ "code": "nobody_can", "detail": detail })
        }
        Why::Ranked { rank, group, by } => {
            let detail = "its place in the order; a lower rank comes earlier";
            json!({ "code": "ranked", "detail": detail, "rank": rank, "group": group, "policy": by })
        }
    }
}

/// Why it was handed out, as the event of its last grant tells.
pub(super) fn granted(event: &StoredEvent) -> Value {
    let mut told: Value = serde_json::from_str(event.data.get()).unwrap_or_else(|_| json!({}));
    let chosen = told.get("chosen");
    let detail = match chosen.and_then(Value::as_str) {
        Some("named") => "it was asked for by its id",
        Some("oldest") => "it was the oldest, or tasks like it had been passed over again and again",
        Some(_) => "it came first by its rank",
        None => chosen.and_then(|chosen| chosen.get("picked")?.as_str()).unwrap_or("it was granted"),
    };
    let detail = detail.to_owned();
    if let Value::Object(fields) = &mut told {
        fields.insert("code".to_owned(), json!("granted"));
        fields.insert("detail".to_owned(), json!(detail));
        fields.insert("agent".to_owned(), json!(event.agent));
    }
    told
}
