//! `/brief`

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use longhouse_core::{Lock, Message, NoteKind, Task, Timestamp, Verify};
use longhouse_store::TaskRecord;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::Parameters;
use crate::app::App;
use crate::app::brief::{self, Brief, Next, last_note};
use crate::app::news::Changed;

/// The longest brief, in bytes: about 1,500 tokens of English.
const MAX_TEXT: usize = 6_000;

/// How much of a task's description is told: of the first that is held, and of the others.
const DESCRIPTION: (usize, usize) = (1_500, 300);

/// How much of a note is told.
const NOTE: usize = 700;

/// What is told of what was left with a task: the last of each kind.
const TOLD: [(NoteKind, &str); 4] = [
    (NoteKind::HandOff, "Handed on"),
    (NoteKind::Check, "Its check said"),
    (NoteKind::Answer, "You were answered"),
    (NoteKind::Failure, "It failed before"),
];

/// How much of a single line is told: a title, a command, a list of paths.
const LINE: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// `GET /brief`: as text with `Accept: text/plain`, else as JSON.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    headers: HeaderMap,
    Parameters(NoQuery {}): Parameters<NoQuery>,
) -> Result<Response, ApiError> {
    let brief = brief::brief(&project, agent).await?;
    let now = app.clock.now();
    let accepted = headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/plain") {
        return Ok(text(&brief, project.name.as_str(), now).into_response());
    }
    Ok(Json(body(&brief)).into_response())
}

fn body(brief: &Brief) -> Value {
    let agent = &brief.agent;
    json!({
        "agent": {
            "name": agent.name, "role": agent.role.as_str(), "profile": agent.profile,
            "capabilities": agent.capabilities,
        },
        "tasks": brief.held.iter().enumerate().map(|(place, record)| held(place, record)).collect::<Vec<_>>(),
        "verifying": brief.verifying.iter().map(|stored| {
            json!({ "id": stored.task.id, "title": cut(&stored.body.title, LINE) })
        }).collect::<Vec<_>>(),
        "questions": brief.questions.iter().map(question).collect::<Vec<_>>(),
        "locks": brief.locks.iter().map(lock).collect::<Vec<_>>(),
        "runs": brief.runs.iter().map(|(id, argv, at)| json!({ "id": id, "argv": argv, "started_at_ms": at }))
            .collect::<Vec<_>>(),
        "changed": brief.changed.iter().map(changed).collect::<Vec<_>>(),
        "unread": brief.unread,
        "mail": brief.mail.iter().map(mail).collect::<Vec<_>>(),
        "interrupt": brief.interrupt,
        "rate_limited": brief.cooldown,
        "queue": brief.queue.counts,
        "next": next(&brief.next()),
        "as_of": brief.as_of,
    })
}

/// A task that is held: the first with what was left with it.
fn held(place: usize, record: &TaskRecord) -> Value {
    let (task, body) = (&record.stored.task, &record.stored.body);
    let lease = task.state.lease.as_ref();
    let mut held = json!({
        "id": task.id, "title": cut(&body.title, LINE), "description": cut(&body.description, described(place)),
        "fence": lease.map(|lease| lease.fence), "expires_at_ms": lease.map(|lease| lease.expires_at),
        "cancel_requested": task.state.cancel_requested, "progress": task.state.progress,
    });
    if let (0, Value::Object(fields)) = (place, &mut held) {
        let (verify, verify_by) = match &task.spec.verify {
            Some(Verify::Run(argv)) => (Some(argv), None),
            Some(Verify::Agent(capability)) => (None, Some(capability)),
            None => (None, None),
        };
        let notes = TOLD.iter().filter_map(|(kind, _)| Some((kind.as_str(), last_note(record, *kind)?)));
        let notes: Vec<Value> =
            notes.map(|(kind, text)| json!({ "kind": kind, "text": cut(text, NOTE) })).collect();
        fields.insert("verify".to_owned(), json!(verify));
        fields.insert("verify_by".to_owned(), json!(verify_by));
        fields.insert("touches".to_owned(), json!(task.spec.touches));
        fields.insert("notes".to_owned(), Value::Array(notes));
    }
    held
}

/// How much of a held task's description is told.
const fn described(place: usize) -> usize {
    if place == 0 { DESCRIPTION.0 } else { DESCRIPTION.1 }
}

fn question(record: &TaskRecord) -> Value {
    let stored = &record.stored;
    let asked = last_note(record, NoteKind::Question).map(|asked| cut(asked, DESCRIPTION.1));
    json!({ "task": stored.task.id, "title": cut(&stored.body.title, LINE), "question": asked })
}

fn mail(message: &Message) -> Value {
    let (new, text) = (&message.new, cut(message.new.body.text(), LINE));
    json!({ "id": message.id, "from": message.from, "importance": new.importance, "text": text })
}

fn changed(changed: &Changed) -> Value {
    json!({ "path": changed.path, "agent": changed.by, "commit": changed.commit })
}

fn lock(lock: &Lock) -> Value {
    json!({
        "id": lock.id, "fence": lock.fence, "mode": lock.terms.mode, "paths": lock.terms.patterns,
        "expires_at_ms": lock.expires_at,
    })
}

fn next(next: &Next) -> String {
    match next {
        Next::Stop(seq) => {
            let seq = seq.0;
            format!("stop what you do, and say that you know: heartbeat with ack_interrupt: {seq}")
        }
        Next::GiveUp(task) => format!("{task} is not wanted any more: stop, and release it"),
        Next::GoOn(task) => {
            format!("go on with {task}; tell its progress now and then, and complete, fail or release it")
        }
        Next::Read => "read your mail, some of it is important: GET /inbox".to_owned(),
        Next::Answer(task) => format!("answer the question about {task}"),
        Next::Claim => "claim a task".to_owned(),
        Next::Paused => "the queue is paused: wait until it is resumed".to_owned(),
        Next::Wait => "there is nothing to claim: wait for a task with wait_ms".to_owned(),
    }
}

/// The same for who reads text, the most important first, so that the end can be cut.
fn text(brief: &Brief, project: &str, now: Timestamp) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(&mut text, brief, project, now);
    const CUT: &str = "…\n(cut; GET /brief as JSON has the rest)\n";
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT - CUT.len()));
        text.push_str(CUT);
    }
    text
}

fn write_text(text: &mut String, brief: &Brief, project: &str, now: Timestamp) -> std::fmt::Result {
    let agent = &brief.agent;
    write!(
        text,
        "You are {} in {project}, with the role {} and the profile {}",
        agent.name, agent.role, agent.profile
    )?;
    let capabilities: Vec<&str> = agent.capabilities.iter().map(longhouse_core::Capability::as_str).collect();
    if !capabilities.is_empty() {
        write!(text, " and the capabilities {}", cut(&capabilities.join(", "), LINE))?;
    }
    writeln!(text, ".\nNext: {}.", next(&brief.next()))?;
    if let Some(interrupt) = &brief.interrupt {
        let by = interrupt.by.as_ref().map_or("the operator", |by| by.as_str());
        writeln!(text, "{by} wants you to stop: {}", indented(cut(&interrupt.reason, NOTE)))?;
    }
    if let Some(cooldown) = &brief.cooldown {
        let left = cooldown.until_ms.since(now).as_secs();
        writeln!(text, "{} is rate limited: no tasks for another {left} s.", cooldown.provider)?;
    }
    for (place, record) in brief.held.iter().enumerate() {
        write_task(text, record, described(place), now)?;
    }
    if brief.unread > 0 {
        writeln!(text, "\nUnread mail ({}):", brief.unread)?;
        for message in &brief.mail {
            let said = indented(cut(message.new.body.text(), LINE));
            writeln!(
                text,
                "  {} from {} ({}): {said}",
                message.id,
                message.from,
                message.new.importance.as_str()
            )?;
        }
    }
    for record in &brief.questions {
        let stored = &record.stored;
        let asked = last_note(record, NoteKind::Question).unwrap_or_default();
        writeln!(text, "\n{} waits for your answer: {}", stored.task.id, cut(&stored.body.title, LINE))?;
        writeln!(text, "  {}", indented(cut(asked, NOTE)))?;
    }
    if !brief.verifying.is_empty() {
        writeln!(text, "\nBeing checked:")?;
        for stored in &brief.verifying {
            writeln!(text, "  {} {}", stored.task.id, cut(&stored.body.title, LINE))?;
        }
    }
    if !brief.locks.is_empty() {
        writeln!(text, "\nYour locks:")?;
        for lock in &brief.locks {
            let paths: Vec<&str> =
                lock.terms.patterns.iter().map(longhouse_core::PathPattern::as_str).collect();
            let (paths, left) = (paths.join(" "), left(lock.expires_at, now));
            writeln!(
                text,
                "  {} {} {}, fence {}, {left}",
                lock.id,
                lock.terms.mode,
                cut(&paths, LINE),
                lock.fence
            )?;
        }
    }
    if !brief.changed.is_empty() {
        writeln!(text, "\nOthers changed what you read; read it again before you build on it:")?;
        for Changed { path, by, commit } in &brief.changed {
            let by = by.as_ref().map_or("somebody outside", |by| by.as_str());
            writeln!(text, "  {} ({by}, commit {commit})", cut(path.as_str(), LINE))?;
        }
    }
    if !brief.runs.is_empty() {
        writeln!(text, "\nYour jobs:")?;
        for (id, argv, _) in &brief.runs {
            writeln!(text, "  {id} {}", cut(&argv.join(" "), LINE))?;
        }
    }
    let counts: Vec<String> =
        brief.queue.counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let counts = if counts.is_empty() { "no open tasks".to_owned() } else { counts.join(", ") };
    writeln!(text, "\nQueue: {counts}. Events after {} are news.", brief.as_of.0)
}

fn write_task(text: &mut String, record: &TaskRecord, described: usize, now: Timestamp) -> std::fmt::Result {
    let (task, body): (&Task, _) = (&record.stored.task, &record.stored.body);
    writeln!(text, "\nYou hold {}: {}", task.id, cut(&body.title, LINE))?;
    if let Some(lease) = &task.state.lease {
        writeln!(text, "  fence {}, {}", lease.fence, left(lease.expires_at, now))?;
    }
    if !body.description.is_empty() {
        writeln!(text, "  {}", indented(cut(&body.description, described)))?;
    }
    match &task.spec.verify {
        Some(Verify::Run(argv)) => {
            writeln!(text, "  Done when this succeeds: {}", cut(&argv.join(" "), LINE))?;
        }
        Some(Verify::Agent(capability)) => {
            writeln!(text, "  Done when an agent with the capability {capability} says so")?;
        }
        None => {}
    }
    if !task.spec.touches.is_empty() {
        let touches: Vec<&str> = task.spec.touches.iter().map(longhouse_core::PathPattern::as_str).collect();
        writeln!(text, "  Touches: {}", cut(&touches.join(" "), LINE))?;
    }
    if let Some(progress) = &task.state.progress {
        let (done, all) = (progress.current_step, progress.total_steps);
        writeln!(text, "  So far: {done}/{all} {}", cut(&progress.message, LINE))?;
    }
    for (kind, what) in TOLD {
        if let Some(note) = last_note(record, kind) {
            writeln!(text, "  {what}: {}", indented(cut(note, NOTE)))?;
        }
    }
    Ok(())
}

fn left(at: Timestamp, now: Timestamp) -> String {
    let left = std::time::Duration::from_secs(at.since(now).as_secs());
    format!("ends in {} unless renewed", humantime::format_duration(left))
}

/// The beginning of a text.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text).trim_end()
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}
