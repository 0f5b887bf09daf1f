//! The one place where a failure becomes an answer: a flat table, and so longer than other files.
//!
//! Every refusal has a stable `code`, a `detail` that says what to do, and fields that help. What went wrong
//! inside goes to the log with the request's id, never to the caller.

use std::error::Error;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longhouse_core::{
    AgentName, CommitRefusal, CrewRefusal, GateError, InvalidId, InvalidMessage, InvalidPath, InvalidTask,
    LockId, LockRefusal, Publication, Refusal, Suspended, TalkRefusal, TaskRefusal, Unauthenticated,
};
use longhouse_engine::EngineError;
use longhouse_engine::policy::PolicyError;
use longhouse_store::{StoreError, SubmitError};
use longhouse_workspace::{CommitError, Conflict, Difference, OUTSIDE, PRIVATE, WorkspaceError};
use serde_json::{Map, Value, json};

use crate::app::AppError;
use crate::app::history::Stale;
use crate::app::policies::PolicyRefusal;

/// When a full inbox may have been read.
const INBOX_FULL_RETRY: Duration = Duration::from_secs(30);
/// When another replay may be done.
const REPLAY_RETRY: Duration = Duration::from_secs(10);
/// When another's change to the same files may be over.
const CHANGE_RETRY: Duration = Duration::from_secs(1);

/// A problem in the sense of RFC 9457, before it has its request's id.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    fields: Map<String, Value>,
    /// What is logged and not told.
    cause: Option<Arc<str>>,
    /// The rule that refuses its `path` to everybody, for the record.
    denied: Option<&'static str>,
}

impl ApiError {
    /// A problem with this code. `detail` is for the caller.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), fields: Map::new(), cause: None, denied: None }
    }

    /// A request that means nothing: which field, and why.
    pub fn invalid(field: &str, reason: impl std::fmt::Display) -> Self {
        let error =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", format!("{field}: {reason}"));
        error.with("field", field)
    }

    /// A failure of ours, of which the caller learns nothing but that.
    pub fn internal(cause: &dyn Error) -> Self {
        let mut chain = cause.to_string();
        let mut source = cause.source();
        while let Some(error) = source {
            // Writing to a String cannot fail.
            let _ = write!(chain, ": {error}");
            source = error.source();
        }
        Self::unexpected(chain)
    }

    /// As [`ApiError::internal`], for what has no error value.
    pub fn unexpected(cause: impl Into<Arc<str>>) -> Self {
        let detail = "the server failed; its log has the cause under this request's id";
        let error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self { cause: Some(cause.into()), ..error }
    }

    /// No route, or no file.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {what}"))
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    fn denying(self, rule: &'static str) -> Self {
        Self { denied: Some(rule), ..self }
    }

    /// The rule that refuses a path to everybody, and the path.
    pub(super) fn denied(&self) -> Option<(&'static str, &str)> {
        Some((self.denied?, self.fields.get("path")?.as_str()?))
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        self.with("retry_after_s", after.as_secs().max(1))
    }

    /// What of it is told beside answers that are none, such as of one file of several.
    pub(super) fn brief(&self) -> Value {
        json!({ "code": self.code, "detail": self.detail })
    }

    /// The answer, and the line in the log if there is one.
    pub(super) fn render(self, request_id: &str) -> Response {
        let Self { status, code, detail, fields, cause, denied: _ } = self;
        if let Some(cause) = cause {
            tracing::error!(request_id, code, %cause, "a request failed");
        }
        let retry_after = fields.get("retry_after_s").map(ToString::to_string);
        let mut body = fields;
        for (key, value) in [
            ("title", json!(status.canonical_reason())),
            ("status", json!(status.as_u16())),
            ("code", json!(code)),
            ("detail", json!(detail)),
            ("request_id", json!(request_id)),
        ] {
            body.insert(key.to_owned(), value);
        }
        let text = Value::Object(body).to_string();
        let mut response = (status, [("content-type", "application/problem+json")], text).into_response();
        let headers = response.headers_mut();
        if let Some(Ok(seconds)) = retry_after.map(|seconds| seconds.parse()) {
            headers.insert("retry-after", seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", axum::http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Leaves itself in the response for the request's middleware, which knows the request's id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let detail = error.to_string();
        match error {
            AppError::Refused(refusal) => refusal.into(),
            AppError::Submit(error) => error.into(),
            AppError::NotStarted(error) => engine(&error),
            AppError::Store(error) => store(&error),
            AppError::Path { path, source } => workspace(path.as_str(), &source),
            AppError::Commit(error) => committing(error),
            AppError::Stale(stale) => stale_write(&detail, *stale),
            AppError::NoSuchText { path, count } => {
                let code = if count == 0 { "no_match" } else { "ambiguous_match" };
                Self::new(StatusCode::CONFLICT, code, detail).with("path", path.as_str()).with("count", count)
            }
            AppError::NoText(path) => {
                Self::new(StatusCode::CONFLICT, "not_text", detail).with("path", path.as_str())
            }
            AppError::TooLong { path, most } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", detail)
                    .with("path", path.as_str())
                    .with("limit", most)
            }
            AppError::UnknownCommand { command, nearest } => {
                Self::new(StatusCode::NOT_FOUND, "unknown_command", detail)
                    .with("command", command)
                    .with("nearest", nearest)
            }
            AppError::NoSuchDirectory(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail).with("field", "cwd")
            }
            AppError::UnknownRun(_) => unknown_run(detail),
            AppError::NothingKept(_) => ApiError::new(StatusCode::NOT_FOUND, "nothing_kept", detail),
            AppError::UnknownCommit(_) => Self::new(StatusCode::NOT_FOUND, "unknown_commit", detail),
            AppError::Overtaken(conflicts) => {
                Self::new(StatusCode::CONFLICT, "stale_write", detail).with("conflicts", json!(conflicts))
            }
            AppError::NotMergeable(conflicts) => {
                Self::new(StatusCode::CONFLICT, "not_mergeable", detail).with("conflicts", json!(conflicts))
            }
            AppError::BuiltOn(conflicts) => {
                Self::new(StatusCode::CONFLICT, "built_on", detail).with("conflicts", json!(conflicts))
            }
            AppError::NotYourCommit { by, .. } => {
                Self::new(StatusCode::FORBIDDEN, "not_yours", detail).with("holder", json!({ "agent": by }))
            }
            AppError::HiddenPaths(_) => Self::new(StatusCode::FORBIDDEN, "hidden_paths", detail),
            AppError::TooManyCommits { most } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "change_too_large", detail).with("limit", most)
            }
            AppError::NotKept { path } => {
                Self::new(StatusCode::GONE, "not_kept", detail).with("path", path.as_str())
            }
            AppError::CursorAhead { last, .. } => {
                Self::new(StatusCode::CONFLICT, "cursor_ahead", detail).with("last", last)
            }
            AppError::StaleState { refusal, current } => {
                let version = current.as_ref().map(|current| current.version.0);
                let value: Option<Value> =
                    current.and_then(|current| serde_json::from_str(&current.value).ok());
                talk(&refusal).with("current_version", version).with("value", value)
            }
            AppError::Policy(refusal) => policy(&refusal),
            AppError::NobodyToCheck | AppError::Confused | AppError::NoRandomness | AppError::CutOff => {
                Self::internal(&error)
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let answer = |status, code| Self::new(status, code, detail.clone());
        match refusal {
            Refusal::CallerGone(_) => answer(StatusCode::UNAUTHORIZED, "unauthenticated"),
            Refusal::RoleTooLow { needs, .. } => {
                answer(StatusCode::FORBIDDEN, "role_too_low").with("needs", needs.as_str())
            }
            Refusal::OperatorOnly => answer(StatusCode::FORBIDDEN, "operator_only"),
            Refusal::AgentExists(_) => answer(StatusCode::CONFLICT, "agent_exists"),
            Refusal::NoSuchAgent(_) => answer(StatusCode::NOT_FOUND, "unknown_agent"),
            Refusal::NoSuchProfile { profile, .. } => {
                answer(StatusCode::UNPROCESSABLE_ENTITY, "unknown_profile").with("profile", profile.as_str())
            }
            Refusal::CommandDenied { command, profile, .. } => {
                answer(StatusCode::FORBIDDEN, "command_denied")
                    .with("command", command)
                    .with("rule", format!("profiles.{profile}.commands"))
            }
            Refusal::EmptyCommand => {
                answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", "argv")
            }
            Refusal::TooManyRuns { limit, profile, .. } => {
                answer(StatusCode::TOO_MANY_REQUESTS, "too_many_runs")
                    .with("limit", limit)
                    .with("rule", format!("profiles.{profile}.limits.runs"))
                    .retry_after(Duration::from_secs(1))
            }
            Refusal::NoEarlierPolicy(_) => answer(StatusCode::CONFLICT, "no_earlier_policy"),
            Refusal::NotAdmitted(_) => answer(StatusCode::FORBIDDEN, "not_admitted"),
            Refusal::NoSuchRun(_) => unknown_run(detail),
            Refusal::KeyReused => answer(StatusCode::UNPROCESSABLE_ENTITY, "key_reused"),
            Refusal::Superseded => answer(StatusCode::CONFLICT, "superseded"),
            Refusal::Task(refusal) => task(&refusal),
            Refusal::Lock(refusal) => lock(&refusal),
            Refusal::Talk(refusal) => talk(&refusal),
            Refusal::Crew(refusal) => crew(&refusal),
            Refusal::Commit(refusal) => commit(&refusal),
            Refusal::TokenExists => Self::internal(&refusal),
        }
    }
}

fn task(refusal: &TaskRefusal) -> ApiError {
    let answer = |status, code| ApiError::new(status, code, refusal.to_string());
    let invalid = |field| answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", field);
    match refusal {
        TaskRefusal::NoSuchTask(id) => {
            answer(StatusCode::NOT_FOUND, "unknown_task").with("task", id.to_string())
        }
        TaskRefusal::StaleLease { status, holder, .. } => {
            let holder =
                holder.as_ref().map(|(agent, fence)| json!({ "agent": agent.as_str(), "fence": fence.0 }));
            answer(StatusCode::CONFLICT, "stale_lease")
                .with("holder", holder)
                .with("task_status", status.as_str())
        }
        TaskRefusal::AlreadyClaimed { holder, .. } => answer(StatusCode::CONFLICT, "already_claimed")
            .with("holder", json!({ "agent": holder.as_str() })),
        TaskRefusal::WrongStatus { status, .. } => {
            answer(StatusCode::CONFLICT, "not_possible").with("task_status", status.as_str())
        }
        TaskRefusal::NotForYou { .. } => answer(StatusCode::FORBIDDEN, "not_claimable"),
        TaskRefusal::NotYours { .. } => answer(StatusCode::FORBIDDEN, "not_yours"),
        TaskRefusal::Cycle(_) => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "cycle").with("field", "depends_on")
        }
        TaskRefusal::NoSuchSibling { .. } => invalid("depends_on"),
        TaskRefusal::ParentEnded { parent, status } => answer(StatusCode::CONFLICT, "parent_ended")
            .with("task", parent.to_string())
            .with("task_status", status.as_str()),
        TaskRefusal::Count(_) => invalid("tasks"),
        TaskRefusal::ClaimOutOfRange { field, .. } => invalid(field),
        TaskRefusal::DeadlinePassed => invalid("deadline_ms"),
        TaskRefusal::Retried(_) => answer(StatusCode::CONFLICT, "retried"),
        TaskRefusal::Invalid(error) => invalid_task("", error),
    }
}

fn policy(refusal: &PolicyRefusal) -> ApiError {
    let answer = |status, code| ApiError::new(status, code, refusal.to_string());
    match refusal {
        PolicyRefusal::Unusable(PolicyError::Configuration(_)) => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_policy_config").with("field", "config")
        }
        PolicyRefusal::Unusable(
            PolicyError::TooLarge { .. }
            | PolicyError::NotAComponent(_)
            | PolicyError::Imports(_)
            | PolicyError::WrongVersion { .. }
            | PolicyError::NoPolicy { .. }
            | PolicyError::Compile(_)
            | PolicyError::Description(_)
            | PolicyError::Setup(_)
            | PolicyError::Tried(_),
        ) => answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_policy"),
        PolicyRefusal::WrongKind { is, .. } => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "wrong_policy_kind").with("kind", is.as_str())
        }
        PolicyRefusal::NoSuchPolicy { known, .. } => {
            answer(StatusCode::NOT_FOUND, "unknown_policy").with("built_in", known.clone())
        }
        PolicyRefusal::NoSuchVersion(version) => {
            answer(StatusCode::NOT_FOUND, "unknown_policy_version").with("version", version.as_str())
        }
        PolicyRefusal::Rehearsing => {
            answer(StatusCode::TOO_MANY_REQUESTS, "replay_in_progress").retry_after(REPLAY_RETRY)
        }
        PolicyRefusal::TooMuchHappened { .. } | PolicyRefusal::ReplayTooLong { .. } => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "replay_too_long").with("field", "since_ms")
        }
        PolicyRefusal::NothingToReplay => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", "kind")
        }
        PolicyRefusal::HostIsNoShadow => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", "policy")
        }
        PolicyRefusal::NotDeterministic => answer(StatusCode::UNPROCESSABLE_ENTITY, "not_deterministic"),
        PolicyRefusal::NotKept(error) => ApiError::internal(error),
    }
}

fn lock(refusal: &LockRefusal) -> ApiError {
    let answer = |status, code| ApiError::new(status, code, refusal.to_string());
    let invalid = |field| answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", field);
    let in_the_way = |code: &'static str, lock: &LockId, holder: &AgentName, left_ms: &u64| {
        answer(StatusCode::CONFLICT, code)
            .with("lock", lock.to_string())
            .with("holder", json!({ "agent": holder }))
            .retry_after(Duration::from_millis(*left_ms))
    };
    match refusal {
        LockRefusal::Count(_) => invalid("paths"),
        LockRefusal::TtlOutOfRange(_) => invalid("ttl_ms"),
        LockRefusal::TooMany(limit) => {
            answer(StatusCode::TOO_MANY_REQUESTS, "too_many_locks").with("limit", *limit)
        }
        LockRefusal::Held { pattern, lock, holder, left_ms } => {
            in_the_way("locked", lock, holder, left_ms).with("path", pattern.as_str())
        }
        LockRefusal::PathLocked { path, lock, holder, left_ms } => {
            in_the_way("locked", lock, holder, left_ms).with("path", path.as_str())
        }
        LockRefusal::Queued { pattern, earlier } => answer(StatusCode::CONFLICT, "lock_awaited")
            .with("path", pattern.as_str())
            .with("earlier", json!({ "agent": earlier })),
        LockRefusal::NotAllowed(reason) => {
            answer(StatusCode::FORBIDDEN, "lock_not_allowed").with("reason", &**reason)
        }
        LockRefusal::Deadlock { chain } => {
            answer(StatusCode::CONFLICT, "deadlock").with("chain", json!(chain))
        }
        LockRefusal::NoSuchLock(id) => {
            answer(StatusCode::NOT_FOUND, "unknown_lock").with("lock", id.to_string())
        }
        LockRefusal::StaleLock { lock, holder, .. } => {
            let holder = holder.as_ref().map(|(agent, fence)| json!({ "agent": agent, "fence": fence.0 }));
            answer(StatusCode::CONFLICT, "stale_lock").with("lock", lock.to_string()).with("holder", holder)
        }
        LockRefusal::Orphaned { lock, left_ms, .. } => answer(StatusCode::CONFLICT, "stale_lock")
            .with("lock", lock.to_string())
            .retry_after(Duration::from_millis(*left_ms)),
    }
}

fn commit(refusal: &CommitRefusal) -> ApiError {
    let answer = |status, code| ApiError::new(status, code, refusal.to_string());
    match refusal {
        CommitRefusal::Count { most, .. } | CommitRefusal::TooLong { most, .. } => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "change_too_large").with("limit", *most)
        }
        CommitRefusal::InvalidChange { path, .. } => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_change").with("path", path.as_str())
        }
        CommitRefusal::Busy { .. } => {
            answer(StatusCode::TOO_MANY_REQUESTS, "too_many_changes").retry_after(CHANGE_RETRY)
        }
        CommitRefusal::PathReserved { path, by } => answer(StatusCode::CONFLICT, "path_reserved")
            .with("path", path.as_str())
            .with("holder", by.as_ref().map(|agent| json!({ "agent": agent })))
            .retry_after(CHANGE_RETRY),
        CommitRefusal::StillRunning => {
            answer(StatusCode::CONFLICT, "still_running").retry_after(CHANGE_RETRY)
        }
        CommitRefusal::NoSuchReservation(_) => answer(StatusCode::CONFLICT, "reservation_ended"),
        // Only whoever works on the files asks what these refuse, and asks nothing on an agent's word.
        CommitRefusal::NotReserved { .. }
        | CommitRefusal::MixedOrigin
        | CommitRefusal::NoSuchCommit(_)
        | CommitRefusal::WrongStatus { .. } => ApiError::internal(refusal),
    }
}

fn crew(refusal: &CrewRefusal) -> ApiError {
    let answer = |status, code| ApiError::new(status, code, refusal.to_string());
    let invalid = |field| answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", field);
    match refusal {
        CrewRefusal::Ttl(_) => invalid("ttl_ms"),
        CrewRefusal::Doing(_) => invalid("status"),
        CrewRefusal::NoProvider(_) => invalid("provider"),
        CrewRefusal::NotYours { by, .. } => {
            answer(StatusCode::FORBIDDEN, "not_yours").with("holder", json!({ "agent": by }))
        }
        CrewRefusal::TooManyProviders(limit) => {
            answer(StatusCode::TOO_MANY_REQUESTS, "too_many_providers").with("limit", *limit)
        }
        CrewRefusal::Left(_) => answer(StatusCode::CONFLICT, "left"),
        CrewRefusal::Interrupted { seq, by, reason } => answer(StatusCode::CONFLICT, "interrupted")
            .with("interrupt", json!({ "seq": seq, "by": by, "reason": reason })),
    }
}

fn talk(refusal: &TalkRefusal) -> ApiError {
    let answer = |status, code| ApiError::new(status, code, refusal.to_string());
    match refusal {
        TalkRefusal::Recipients { .. } => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request").with("field", "to")
        }
        TalkRefusal::Nobody(recipient) => {
            answer(StatusCode::CONFLICT, "nobody_there").with("recipient", recipient.to_string())
        }
        TalkRefusal::NotHeld(task) => {
            answer(StatusCode::CONFLICT, "nobody_there").with("task", task.to_string())
        }
        TalkRefusal::InboxFull { agent, unread } => answer(StatusCode::TOO_MANY_REQUESTS, "inbox_full")
            .with("agent", agent.as_str())
            .with("unread", *unread)
            .retry_after(INBOX_FULL_RETRY),
        TalkRefusal::NoSuchMessage(_) => answer(StatusCode::NOT_FOUND, "unknown_message"),
        TalkRefusal::Ahead { last, .. } => {
            answer(StatusCode::CONFLICT, "cursor_ahead").with("last", last.to_string())
        }
        TalkRefusal::TooManyChannels { .. } => answer(StatusCode::CONFLICT, "too_many_channels"),
        TalkRefusal::Stale { key, .. } => {
            answer(StatusCode::PRECONDITION_FAILED, "stale_state").with("key", key.as_str())
        }
        TalkRefusal::NoSuchKey(key) => answer(StatusCode::NOT_FOUND, "unknown_key").with("key", key.as_str()),
        TalkRefusal::StateFull { most, .. } => {
            answer(StatusCode::INSUFFICIENT_STORAGE, "state_full").with("limit", *most)
        }
    }
}

/// A task that cannot be; `prefix` says which of several.
pub(super) fn invalid_task(prefix: &str, error: &InvalidTask) -> ApiError {
    let field = match error {
        InvalidTask::NoTitle => "title",
        InvalidTask::TooLong { field, .. } | InvalidTask::TooMany { field, .. } => field,
        InvalidTask::Priority(_) => "priority",
        InvalidTask::Attempts => "max_attempts",
        InvalidTask::EmptyVerify => "verify",
    };
    ApiError::invalid(&format!("{prefix}{field}"), error)
}

impl ApiError {
    /// A message that cannot be.
    pub(super) fn from_message(error: &InvalidMessage) -> Self {
        let field = match error {
            InvalidMessage::NoText => "text",
            InvalidMessage::TooLong { field, .. } => field,
        };
        Self::invalid(field, error)
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let code = match error {
            SubmitError::Busy => "busy",
            SubmitError::CommitUnknown => "commit_unknown",
            SubmitError::Suspended(Suspended::StorageFull) => "storage_full",
            SubmitError::Suspended(Suspended::StorageFailed) => "storage_failed",
            SubmitError::Suspended(Suspended::Restarting) => "restarting",
            SubmitError::Closed => "stopping",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, format!("{error}; ask again"))
            .retry_after(Duration::from_secs(1))
    }
}

impl From<Unauthenticated> for ApiError {
    fn from(error: Unauthenticated) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            format!("{error}; ask the server's admin for another"),
        )
    }
}

impl From<InvalidId> for ApiError {
    fn from(error: InvalidId) -> Self {
        Self::invalid("id", error)
    }
}

/// A path that is none, as it came in `field`.
pub(super) fn path(field: &str, text: &str, error: InvalidPath) -> ApiError {
    match error {
        InvalidPath::OutsideProject => outside(text).denying(OUTSIDE),
        InvalidPath::Private => ApiError::not_found(text).with("path", text).denying(PRIVATE),
        InvalidPath::Nul | InvalidPath::TooLong => ApiError::invalid(field, error),
    }
}

fn workspace(path: &str, error: &WorkspaceError) -> ApiError {
    let conflict =
        |code| ApiError::new(StatusCode::CONFLICT, code, format!("{path}: {error}")).with("path", path);
    match error {
        WorkspaceError::NotFound => ApiError::not_found(path).with("path", path),
        WorkspaceError::NotADirectory => conflict("not_a_directory"),
        WorkspaceError::IsADirectory => conflict("is_a_directory"),
        WorkspaceError::Exists => conflict("exists"),
        WorkspaceError::NotEmpty => conflict("not_empty"),
        WorkspaceError::TooManyLinks => conflict("too_many_links"),
        WorkspaceError::Unstable => conflict("unstable"),
        WorkspaceError::OutsideProject => outside(path),
        WorkspaceError::NotGranted { verb, path } => {
            let detail = format!("{error}; ask an admin, or leave it to an agent whose profile does");
            ApiError::new(StatusCode::FORBIDDEN, "not_granted", detail)
                .with("path", path.as_str())
                .with("verb", verb.as_str())
        }
        WorkspaceError::NotKept => {
            ApiError::new(StatusCode::GONE, "not_kept", format!("{path}: {error}")).with("path", path)
        }
        WorkspaceError::ReadOnly => {
            ApiError::new(StatusCode::FORBIDDEN, "read_only", format!("{path}: {error}")).with("path", path)
        }
        WorkspaceError::Quota { .. } => {
            ApiError::new(StatusCode::FORBIDDEN, "quota_exceeded", format!("{path}: {error}"))
                .with("path", path)
        }
        WorkspaceError::Invalid(error) => ApiError::invalid("path", error),
        WorkspaceError::Io(source) if source.kind() == ErrorKind::PermissionDenied => {
            let detail = format!("{path}: the server's own user may not open it");
            ApiError::new(StatusCode::FORBIDDEN, "permission_denied", detail).with("path", path)
        }
        WorkspaceError::Io(source) => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                let detail = format!("{path}: the disk is full; nothing was changed");
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "storage_full", detail).with("path", path)
            }
            ErrorKind::ReadOnlyFilesystem => {
                let detail = format!("{path} is on a disk that can only be read");
                ApiError::new(StatusCode::FORBIDDEN, "read_only", detail).with("path", path)
            }
            ErrorKind::CrossesDevices => {
                let detail = format!("{path} is on another disk than the project; it can only be read");
                ApiError::new(StatusCode::FORBIDDEN, "read_only", detail).with("path", path)
            }
            _ => ApiError::internal(error),
        },
        WorkspaceError::CaseInsensitive => ApiError::internal(error),
    }
}

/// What is there by now, who put it there, and how it differs.
fn stale_write(detail: &str, Stale { conflict, difference }: Stale) -> ApiError {
    let detail = format!("{detail}; read it again, and say which version you change");
    let error = ApiError::new(StatusCode::PRECONDITION_FAILED, "stale_write", detail)
        .with("path", conflict.path.as_str())
        .with("current_version", conflict.current_version)
        .with("commit", conflict.commit.map(|commit| commit.0))
        .with("agent", json!(conflict.agent));
    match difference {
        Some(Difference::Text(text)) => error.with("diff", text),
        Some(Difference::Omitted(why)) => error.with("diff_omitted", why.as_str()),
        None => error,
    }
}

/// Why files were not changed.
fn committing(error: CommitError) -> ApiError {
    let detail = error.to_string();
    match error {
        CommitError::Gate(GateError::Refused(refusal)) => refusal.into(),
        CommitError::Gate(GateError::CommitUnknown) => SubmitError::CommitUnknown.into(),
        CommitError::Gate(GateError::Busy) => SubmitError::Busy.into(),
        CommitError::Gate(GateError::Closed) => SubmitError::Closed.into(),
        CommitError::Gate(GateError::Suspended(why)) => SubmitError::Suspended(why).into(),
        CommitError::Gate(error @ (GateError::Mismatch | GateError::Unreadable)) => {
            ApiError::unexpected(error.to_string())
        }
        CommitError::Path { path, source } => workspace(path.as_str(), &source),
        CommitError::Stale { path, current } => {
            let detail = format!("{detail}; read it again, and say which version you change");
            ApiError::new(StatusCode::PRECONDITION_FAILED, "stale_write", detail)
                .with("path", path.as_str())
                .with("current_version", current.map(|current| current.to_string()))
        }
        CommitError::Conflicts { conflicts } => {
            let told = |conflict: &Conflict| {
                let current = conflict.current.map(|version| version.to_string());
                json!({ "path": conflict.path, "current_version": current })
            };
            let conflicts: Vec<_> = conflicts.iter().take(Publication::MOST_PATHS).map(told).collect();
            ApiError::new(StatusCode::CONFLICT, "stale_write", detail).with("conflicts", conflicts)
        }
        CommitError::Twice { path } => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
                .with("path", path.as_str())
        }
        CommitError::Conflict { path } => {
            ApiError::new(StatusCode::CONFLICT, "changed_outside", detail).with("path", path.as_str())
        }
        CommitError::Unknown(stopped) => {
            tracing::error!(error = %stopped, "a commit is half in place; the next start finishes it");
            SubmitError::CommitUnknown.into()
        }
    }
}

fn outside(path: &str) -> ApiError {
    let detail = format!("{path} leads out of the project; paths are relative to its root");
    ApiError::new(StatusCode::FORBIDDEN, "path_outside_project", detail).with("path", path)
}

fn engine(error: &EngineError) -> ApiError {
    match error {
        EngineError::Busy { retry_after, .. } => {
            let detail = format!("{error}; ask again");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(*retry_after)
        }
        EngineError::ToolFailed { tool, .. } => {
            let detail = format!("{error}; an admin has to replace the tool");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "tool_failed", detail).with("tool", tool.as_str())
        }
        EngineError::CommandTwice { .. }
        | EngineError::Manifest { .. }
        | EngineError::Io { .. }
        | EngineError::Thread(_)
        | EngineError::Setup(_) => ApiError::internal(error),
    }
}

fn store(error: &StoreError) -> ApiError {
    match error {
        StoreError::SqliteTooOld { .. }
        | StoreError::NotOurs(_)
        | StoreError::SchemaTooNew { .. }
        | StoreError::Damaged(_)
        | StoreError::Impossible { .. }
        | StoreError::Unwritable(_)
        | StoreError::Sqlite(_)
        | StoreError::WalInUse
        | StoreError::ReadCutOff
        | StoreError::Thread(_) => ApiError::internal(error),
    }
}

fn unknown_run(detail: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_run", detail)
}
