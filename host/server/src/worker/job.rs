//! One task, from its grant to its end.

use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::pause::Pause;
use super::program::{Ended, Program};
use super::{Options, Stop};
use crate::client::{CallError, Client};

/// What a program was last heard to say is told to the server no more often than this.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The exit code by which a program gives its task back: `EX_TEMPFAIL` of sysexits.h.
const GIVE_BACK: i32 = 75;

/// A task that is held.
pub(super) struct Job<'a> {
    client: &'a Client,
    options: &'a Options,
    stop: &'a Stop,
    task: String,
    title: String,
    fence: u64,
    /// What the program is told.
    told: Value,
    /// How many reports were made of it: each has a key of its own.
    reports: u32,
}

/// How it went, as far as the next task is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Well,
    Badly,
}

/// Why a program runs no more.
enum Outcome {
    Ended(Ended),
    /// The task is to be given back, for this reason.
    Stopped(&'static str),
    /// The task is somebody else's now.
    Lost,
}

/// Where a task stands after a report.
#[derive(Debug, Deserialize)]
struct Reported {
    task: Stands,
}

#[derive(Debug, Deserialize)]
struct Stands {
    status: String,
}

impl<'a> Job<'a> {
    /// A task as the server granted it.
    pub(super) fn new(
        client: &'a Client,
        options: &'a Options,
        stop: &'a Stop,
        grant: Value,
    ) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Grant {
            id: String,
            fence: u64,
            title: String,
        }
        let Grant { id, fence, title } =
            Grant::deserialize(&grant).context("the server granted something that is no task")?;
        Ok(Self { client, options, stop, task: id, title, fence, told: grant, reports: 0 })
    }

    pub(super) fn task(&self) -> &str {
        &self.task
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Gives the task back unbegun.
    pub(super) async fn give_back(mut self) {
        self.report("release", json!({ "note": "its worker was told to stop" })).await;
    }

    /// Runs the program, and again while its work fails the task's check; reports how it ended.
    pub(super) async fn work(mut self) -> anyhow::Result<Ending> {
        for correction in 0..=self.options.corrections {
            let started = self.start();
            let program = match started {
                Ok(program) => program,
                Err(error) => {
                    let _ = self.report("release", json!({ "note": "its program cannot be started" })).await;
                    let program = self.options.program.display();
                    return Err(error).with_context(|| format!("cannot start {program}"));
                }
            };
            let ended = match self.watch(program).await? {
                Outcome::Ended(ended) => ended,
                Outcome::Stopped(note) => {
                    self.report("release", json!({ "note": note })).await;
                    return Ok(Ending::Well);
                }
                Outcome::Lost => return Ok(Ending::Badly),
            };
            if !ended.status.success() {
                return Ok(self.report_failure(&ended).await);
            }
            let status = self.report("complete", json!({ "result": ended.stdout })).await;
            if status.as_deref() != Some("verifying") {
                tracing::info!(task = self.task, status, "done");
                return Ok(if status.is_some() { Ending::Well } else { Ending::Badly });
            }
            if !self.failed_its_check().await? {
                return Ok(Ending::Well);
            }
            tracing::info!(task = self.task, correction, "its check failed");
        }
        let reason = format!("its check failed {} times in a row", self.options.corrections + 1);
        self.report("fail", json!({ "reason": reason })).await;
        Ok(Ending::Badly)
    }

    fn start(&self) -> std::io::Result<Program> {
        let fence = self.fence.to_string();
        let env = [
            ("LONGHOUSE_URL", self.client.base()),
            ("LONGHOUSE_TOKEN", self.client.token()),
            ("LONGHOUSE_SESSION", self.client.session()),
            ("LONGHOUSE_TASK", &self.task),
            ("LONGHOUSE_FENCE", &fence),
            ("LONGHOUSE_TITLE", &self.title),
        ];
        Program::start(self.options, &env, &self.task, format!("{:#}\n", self.told).into_bytes())
    }

    /// Keeps the lease while the program runs. A lease that cannot be kept for as long as it lasts is taken for lost.
    async fn watch(&self, mut program: Program) -> anyhow::Result<Outcome> {
        let grace = self.options.grace;
        let mut said = program.said.clone();
        let mut kept_at = Instant::now();
        let mut renew_at = kept_at + self.options.ttl / 3;
        let mut told_at = kept_at;
        loop {
            let news = said.has_changed().unwrap_or(false);
            let next = if news { renew_at.min(told_at + PROGRESS_EVERY) } else { renew_at };
            tokio::select! {
                biased;
                ended = program.ended() => return Ok(Outcome::Ended(ended?)),
                () = self.stop.abort.cancelled() => {
                    program.stop(grace).await;
                    return Ok(Outcome::Stopped("its worker was told to stop"));
                }
                Ok(()) = said.changed(), if !news => said.mark_changed(),
                () = sleep_until(next) => {
                    let line = news.then(|| said.borrow_and_update().clone());
                    let now = Instant::now();
                    match self.keep(line).await {
                        Ok(Kept { cancel_requested: false }) => kept_at = now,
                        Ok(Kept { cancel_requested: true }) => {
                            tracing::info!(task = self.task, "cancelled; the program is stopped");
                            program.stop(grace).await;
                            return Ok(Outcome::Stopped("cancelled as was asked"));
                        }
                        Err(error) if error.may_pass() && kept_at + self.options.ttl > Instant::now() => {
                            tracing::warn!(task = self.task, error = &error as &dyn std::error::Error, "the lease was not renewed; trying again");
                        }
                        Err(error) => {
                            tracing::warn!(task = self.task, error = &error as &dyn std::error::Error, "the lease is lost; the program is stopped");
                            program.stop(grace).await;
                            return Ok(Outcome::Lost);
                        }
                    }
                    told_at = now;
                    renew_at = now + if kept_at == now { self.options.ttl / 3 } else { self.options.ttl / 12 };
                }
            }
        }
    }

    /// Renews the lease, by a word about the work if there is one.
    async fn keep(&self, line: Option<String>) -> Result<Kept, CallError> {
        match line {
            Some(line) => {
                let (current_step, total_steps, message) = steps(&line);
                let body = json!({
                    "fence": self.fence, "current_step": current_step, "total_steps": total_steps, "message": message,
                });
                self.client.post(&self.path("progress"), &body, None).await
            }
            None => self.client.post(&self.path("renew"), &json!({ "fence": self.fence }), None).await,
        }
    }

    async fn report_failure(&mut self, ended: &Ended) -> Ending {
        let said = if ended.stderr.is_empty() { &ended.stdout } else { &ended.stderr };
        if ended.status.code() == Some(GIVE_BACK) {
            self.report("release", json!({ "note": said })).await;
        } else {
            let reason = format!("{}\n{said}", ended.status);
            let status = self.report("fail", json!({ "reason": reason.trim_end() })).await;
            tracing::info!(task = self.task, ended = %ended.status, status, "failed");
        }
        Ending::Badly
    }

    /// Tells how the work went, until that is accepted or refused for good. Where the task stands then.
    async fn report(&mut self, what: &str, mut body: Value) -> Option<String> {
        if let Value::Object(fields) = &mut body {
            fields.insert("fence".to_owned(), self.fence.into());
        }
        self.reports += 1;
        let key = format!("{}-{}-{}", self.client.session(), self.fence, self.reports);
        let deadline = Instant::now() + self.options.ttl;
        let mut pause = Pause::default();
        loop {
            let reported: Result<Reported, _> = self.client.post(&self.path(what), &body, Some(&key)).await;
            match reported {
                Ok(reported) => return Some(reported.task.status),
                Err(error) if error.may_pass() && Instant::now() < deadline => {
                    tracing::warn!(
                        task = self.task,
                        what,
                        error = &error as &dyn std::error::Error,
                        "not reported; trying again"
                    );
                    pause.wait(&self.stop.abort).await;
                }
                Err(error) => {
                    tracing::error!(
                        task = self.task,
                        what,
                        error = &error as &dyn std::error::Error,
                        "not reported"
                    );
                    return None;
                }
            }
        }
    }

    /// Waits for the check of what was handed in. If it failed, the task is here again, with what the check said.
    async fn failed_its_check(&mut self) -> anyhow::Result<bool> {
        #[derive(Deserialize)]
        struct Page {
            as_of: u64,
        }
        let mut pause = Pause::default();
        let path = format!("/tasks/{}", self.task);
        loop {
            if self.stop.abort.is_cancelled() {
                return Ok(false);
            }
            let looked = async {
                let Page { as_of } = self.client.get("/tasks?limit=1").await?;
                Ok((as_of, self.client.get::<Value>(&path).await?))
            };
            let (as_of, task) = match looked.await {
                Ok(found) => found,
                Err(error) if CallError::may_pass(&error) => {
                    pause.wait(&self.stop.abort).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match task.get("status").and_then(Value::as_str) {
                Some("verifying") => {
                    let events = format!("/events?task={}&after={as_of}&wait_ms=50000", self.task);
                    // Whatever comes of it, the next look tells.
                    tokio::select! {
                        _ = self.client.get::<Value>(&events) => {}
                        () = self.stop.abort.cancelled() => {}
                    }
                }
                Some("in_progress") if task.pointer("/lease/fence") == Some(&self.fence.into()) => {
                    self.told = task;
                    return Ok(true);
                }
                Some(_) | None => return Ok(false),
            }
        }
    }

    fn path(&self, what: &str) -> String {
        format!("/tasks/{}/{what}", self.task)
    }
}

/// What the server says of a lease that was renewed.
#[derive(Debug, Deserialize)]
struct Kept {
    cancel_requested: bool,
}

/// What a line says of how far the work is: `[3/10] text`, or text alone.
fn steps(line: &str) -> (u32, u32, &str) {
    let parsed = || {
        let (steps, message) = line.strip_prefix('[')?.split_once(']')?;
        let (current, total) = steps.split_once('/')?;
        Some((current.trim().parse().ok()?, total.trim().parse().ok()?, message.trim_start()))
    };
    parsed().unwrap_or((0, 0, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_say_how_far_the_work_is() {
        assert_eq!(steps("[3/10] compiling"), (3, 10, "compiling"));
        assert_eq!(steps("[x/10] compiling"), (0, 0, "[x/10] compiling"));
        assert_eq!(steps("compiling [1/2]"), (0, 0, "compiling [1/2]"));
        assert_eq!(steps("[-1/2] odd"), (0, 0, "[-1/2] odd"));
    }
}
