//! A supervisor: claims a task, starts a program for it, keeps the lease while the program runs, and reports how it
//! ended.

mod job;
mod pause;
mod program;

use std::ffi::OsString;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{CallError, Client};
use job::{Ending, Job};
use pause::Pause;

/// How long a claim waits for a task. It is never dropped before it is answered, because its grant may be on its way and
/// would lie there until the lease ends; so this is also how long an idle worker takes to stop.
const CLAIM_WAIT: Duration = Duration::from_secs(5);

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program that is started for each task.
    pub program: OsString,
    /// What it is given.
    pub arguments: Vec<OsString>,
    /// How many run at once.
    pub slots: u16,
    /// How long a lease lasts without a word from here.
    pub ttl: Duration,
    /// How long a program has to end once it was asked to.
    pub grace: Duration,
    /// How often a program is started again because its work failed the task's check.
    pub corrections: u32,
    /// Whether to end when there is nothing to claim.
    pub until_idle: bool,
}

/// How a supervisor is told to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// No more tasks: what runs may end.
    pub drain: CancellationToken,
    /// Programs are stopped, and their tasks given back.
    pub abort: CancellationToken,
}

/// Works until it is told to stop, or there is nothing more to do.
///
/// # Errors
/// When the server refuses its claims for good, or the program cannot be started.
pub async fn run(client: Client, options: Options, stop: Stop) -> anyhow::Result<()> {
    let mut slots = tokio::task::JoinSet::new();
    for _ in 0..options.slots {
        let (client, options, stop) = (client.clone(), options.clone(), stop.clone());
        slots.spawn(async move { slot(&client, &options, &stop).await });
    }
    let mut outcome = Ok(());
    while let Some(ended) = slots.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(error.into()));
        if ended.is_err() {
            // The others would fail in the same way; what they do now, they finish.
            stop.drain.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}

/// One task after another.
async fn slot(client: &Client, options: &Options, stop: &Stop) -> anyhow::Result<()> {
    let mut pause = Pause::default();
    while !stop.drain.is_cancelled() {
        match claim(client, options).await {
            Ok(Claim::Interrupted(interrupt)) => acknowledge(client, &interrupt).await,
            Ok(Claim::Nothing) if options.until_idle => break,
            Ok(Claim::Nothing) => {}
            Ok(Claim::Task(grant)) => {
                let job = Job::new(client, options, stop, grant)?;
                if stop.drain.is_cancelled() {
                    job.give_back().await;
                    break;
                }
                tracing::info!(task = job.task(), title = job.title(), "claimed");
                match job.work().await? {
                    Ending::Well => pause = Pause::default(),
                    Ending::Badly => pause.wait(&stop.drain).await,
                }
            }
            Err(error) if error.may_pass() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no claim; trying again");
                pause.wait(&stop.drain).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What came of a claim.
enum Claim {
    /// A task, as it was granted.
    Task(Value),
    /// Somebody wants this agent to stop.
    Interrupted(Interrupt),
    /// There is nothing now.
    Nothing,
}

#[derive(Deserialize)]
struct Interrupt {
    seq: u64,
    reason: String,
}

async fn claim(client: &Client, options: &Options) -> Result<Claim, CallError> {
    #[derive(Deserialize)]
    struct Claimed {
        tasks: Vec<Value>,
        interrupt: Option<Interrupt>,
    }
    let wait = if options.until_idle { Duration::ZERO } else { CLAIM_WAIT };
    let body = json!({ "ttl_ms": millis(options.ttl), "wait_ms": millis(wait) });
    let mut claimed: Claimed = client.post("/tasks/claim", &body, None).await?;
    Ok(match (claimed.tasks.pop(), claimed.interrupt) {
        (Some(task), _) => Claim::Task(task),
        (None, Some(interrupt)) => Claim::Interrupted(interrupt),
        (None, None) => Claim::Nothing,
    })
}

/// Nothing runs here that could be stopped; what its agent ran, the server has ended.
async fn acknowledge(client: &Client, interrupt: &Interrupt) {
    tracing::warn!(reason = interrupt.reason, "interrupted");
    let beat = json!({ "ack_interrupt": interrupt.seq });
    if let Err(error) = client.post::<Value>("/agents/me/heartbeat", &beat, None).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the interrupt was not acknowledged");
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
