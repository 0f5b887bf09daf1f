//! `/tasks`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longhouse_core::{
    Again, AgentName, Completion, Failure, Fence, Hold, Label, NoteKind, TaskCommand, TaskId, TaskStatus,
};
use longhouse_store::{TaskFilter, TaskRecord};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{Change, InPath, Parameters, Sent};
use super::task_body::{self, HandedJson, StandsJson, TaskJson};
use super::task_form::{
    AnswerForm, AskForm, CancelForm, ChangeForm, ClaimForm, CompleteForm, FailForm, NoForm, ProgressForm,
    ReleaseForm, RenewForm, new_tasks, some_text, text,
};
use crate::app::{App, tasks};

/// Tasks in one page of a list.
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// Tasks in the classic file, the oldest first.
const CLASSIC: u32 = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<TaskStatus>,
    assigned_to: Option<AgentName>,
    holder: Option<AgentName>,
    label: Option<Label>,
    parent: Option<TaskId>,
    limit: Option<u32>,
    after: Option<TaskId>,
}

/// `POST /tasks`
pub(super) async fn create(
    caller: Caller,
    Sent { bytes, keyed }: Sent,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let created = tasks::create(&caller.project, caller.by(keyed), new_tasks(&bytes)?).await?;
    Ok((StatusCode::CREATED, Json(task_body::created(&created))))
}

/// `GET /tasks`
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let filter = query.filter();
    let full = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let page = tasks::list(&project, agent.name, filter).await?;
    let now = app.clock.now();
    let next = page.tasks.last().filter(|_| page.tasks.len() >= full).map(|stored| stored.task.id);
    let tasks: Vec<_> = page.tasks.iter().map(|stored| TaskJson::summary(stored, now)).collect();
    Ok(Json(json!({ "tasks": tasks, "next": next, "as_of": page.as_of })))
}

/// `POST /tasks/claim`
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    caller: Caller,
    Change { form, keyed }: Change<ClaimForm>,
) -> Result<Response, ApiError> {
    let request = form.validate(caller.session.clone(), app.clock.now())?;
    let handed = tasks::claim(&caller.project, caller.by(keyed), request).await?;
    Ok(Json(HandedJson::of(&handed, app.clock.now())).into_response())
}

/// `GET /tasks/{id}`
pub(super) async fn find(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
) -> Result<Response, ApiError> {
    let record = tasks::find(&project, agent.name, id.parse()?).await?;
    Ok(Json(TaskJson::whole(&record, app.clock.now())).into_response())
}

/// `PATCH /tasks/{id}`
pub(super) async fn change(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<ChangeForm>,
) -> Result<Response, ApiError> {
    let change = form.validate()?;
    let stands = tasks::change(&caller.project, caller.by(keyed), id.parse()?, change).await?;
    Ok(Json(StandsJson::of(stands)).into_response())
}

/// `POST /tasks/{id}/renew`
pub(super) async fn renew(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<RenewForm>,
) -> Result<Json<Value>, ApiError> {
    let renew = TaskCommand::Renew(hold(&id, form.fence)?);
    Ok(Json(task_body::held(&tasks::keep(&caller.project, caller.by(keyed), renew).await?)))
}

/// `POST /tasks/{id}/progress`
pub(super) async fn progress(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<ProgressForm>,
) -> Result<Json<Value>, ApiError> {
    let progress = TaskCommand::Progress(hold(&id, form.fence)?, form.progress()?);
    Ok(Json(task_body::held(&tasks::keep(&caller.project, caller.by(keyed), progress).await?)))
}

/// `POST /tasks/{id}/complete` and `/submit`
pub(super) async fn complete(
    State(app): State<Arc<App>>,
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<CompleteForm>,
) -> Result<Response, ApiError> {
    let session = caller.session.clone();
    let next = form.claim.map(|claim| claim.validate(session, app.clock.now())).transpose()?;
    let completion = Completion { hold: hold(&id, form.fence)?, result: text("result", form.result)?, next };
    let (stands, handed) = tasks::complete(&caller.project, caller.by(keyed), completion).await?;
    Ok(Json(StandsJson::and_claimed(stands, handed.as_ref(), app.clock.now())).into_response())
}

/// `POST /tasks/{id}/fail`
pub(super) async fn fail(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<FailForm>,
) -> Result<Response, ApiError> {
    let again = if form.retry.unwrap_or(true) { Again::IfAttemptsAreLeft } else { Again::Never };
    let (hold, reason) = (hold(&id, form.fence)?, some_text("reason", form.reason)?);
    put(&caller, keyed, TaskCommand::Fail(Failure { hold, reason, again })).await
}

/// `POST /tasks/{id}/release`
pub(super) async fn release(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<ReleaseForm>,
) -> Result<Response, ApiError> {
    put(&caller, keyed, TaskCommand::Release(hold(&id, form.fence)?, text("note", form.note)?)).await
}

/// `POST /tasks/{id}/ask`
pub(super) async fn ask(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<AskForm>,
) -> Result<Response, ApiError> {
    let question = some_text("question", form.question)?;
    put(&caller, keyed, TaskCommand::Ask(hold(&id, form.fence)?, question)).await
}

/// `POST /tasks/{id}/answer`
pub(super) async fn answer(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<AnswerForm>,
) -> Result<Response, ApiError> {
    put(&caller, keyed, TaskCommand::Answer(id.parse()?, some_text("text", form.text)?)).await
}

/// `POST /tasks/{id}/cancel`
pub(super) async fn cancel(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<CancelForm>,
) -> Result<Response, ApiError> {
    put(&caller, keyed, TaskCommand::Cancel(id.parse()?, text("reason", form.reason)?)).await
}

/// `POST /tasks/{id}/retry`
pub(super) async fn retry(
    caller: Caller,
    InPath(id): InPath,
    Change { form: NoForm {}, keyed }: Change<NoForm>,
) -> Result<Response, ApiError> {
    let stands = tasks::retry(&caller.project, caller.by(keyed), id.parse()?).await?;
    Ok(Json(StandsJson::of(stands)).into_response())
}

/// `GET /tasks/{id}/why`
pub(super) async fn why(
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
) -> Result<Json<Value>, ApiError> {
    let (why, grant) = tasks::why(&project, agent.name, id.parse()?).await?;
    let why = why.iter().map(task_body::why).chain(grant.as_ref().map(task_body::granted));
    Ok(Json(json!({ "why": why.collect::<Vec<_>>() })))
}

/// `GET /classic/task-queue.json`
pub(super) async fn classic(Caller { project, .. }: Caller) -> Result<Json<Vec<Value>>, ApiError> {
    let filter = TaskFilter { limit: CLASSIC, ..TaskFilter::default() };
    let records = tasks::records(&project, filter).await?;
    Ok(Json(records.iter().map(classic_task).collect()))
}

fn classic_task(record: &TaskRecord) -> Value {
    let TaskRecord { stored, notes } = record;
    let (task, body) = (&stored.task, &stored.body);
    let description = match &*body.description {
        "" => body.title.to_string(),
        description => format!("{}\n\n{description}", body.title),
    };
    let result = notes.iter().rev().find(|note| note.kind == NoteKind::Result);
    json!({
        "id": task.id.0,
        "description": description,
        "status": task.state.status,
        "assigned_to": task.spec.assigned_to,
        "claimed_by": task.state.lease.as_ref().map(|lease| &lease.holder),
        "result": result.map(|note| &note.text),
    })
}

async fn put(
    caller: &Caller,
    keyed: Option<longhouse_core::Keyed>,
    command: TaskCommand,
) -> Result<Response, ApiError> {
    let stands = tasks::put(&caller.project, caller.by(keyed), command).await?;
    Ok(Json(StandsJson::of(stands)).into_response())
}

fn hold(id: &str, fence: Fence) -> Result<Hold, ApiError> {
    Ok(Hold { task: id.parse()?, fence })
}

impl ListQuery {
    fn filter(self) -> TaskFilter {
        let Self { status, assigned_to, holder, label, parent, limit, after } = self;
        let limit = limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
        TaskFilter { status, holder, assigned_to, label, parent, after, limit }
    }
}
