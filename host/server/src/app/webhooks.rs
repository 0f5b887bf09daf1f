//! Webhooks: each is told of the events it asked for, in order and at least once.
//!
//! The journal of events is the outbox. What is stored besides is how far each webhook has been told, after it said
//! so; a crash in between tells it once more, under the same id. Headers and signature are those of Standard Webhooks
//! (standardwebhooks.com), version 1.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use longhouse_core::{Caller, Command, EventSeq};
use longhouse_store::{Clock, EventFilter, StoredEvent};
use reqwest::{Client, StatusCode, redirect};
use sha2::Sha256;
use tokio::time::{Instant, timeout_at};

use super::{Project, events};
use crate::config::Webhook;

/// How long one delivery may take.
const DELIVERY: Duration = Duration::from_secs(15);

/// How long an event is tried before the next has its turn: a day.
const GIVE_UP: Duration = Duration::from_secs(24 * 3_600);

/// Pauses between tries double from the first to the last of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(300));

/// Events read at once.
const PAGE: u32 = 100;

/// How an event is written: as the API does.
pub type Render = fn(&StoredEvent) -> String;

/// Tells all webhooks, until the project is closed.
pub async fn deliver_all(project: Arc<Project>, clock: Arc<dyn Clock>, render: Render) {
    let mut deliveries = tokio::task::JoinSet::new();
    for webhook in &project.webhooks {
        let (project, clock, webhook) = (Arc::clone(&project), Arc::clone(&clock), webhook.clone());
        deliveries.spawn(async move {
            let name = webhook.name.clone();
            if let Err(error) = deliver(&project, &*clock, &webhook, render).await {
                tracing::error!(webhook = %name, error = %format!("{error:#}"), "the webhook is told nothing more");
            }
        });
    }
    while deliveries.join_next().await.is_some() {}
}

async fn deliver(
    project: &Arc<Project>,
    clock: &dyn Clock,
    webhook: &Webhook,
    render: Render,
) -> anyhow::Result<()> {
    let client = crate::outbound::client().redirect(redirect::Policy::none()).timeout(DELIVERY).build()?;
    let name = webhook.name.clone();
    let after = match project.read(move |reads| reads.delivered(&name)).await? {
        Some(delivered) => delivered,
        None => {
            // What happened before it was set up is not its business; what happens from now on is, whenever we stop.
            let last = *project.coordinator.last_event().borrow();
            told(project, webhook, last);
            last
        }
    };
    let filter = EventFilter { after: after.0, types: webhook.types.clone(), task: None, limit: PAGE };
    let mut events = std::pin::pin!(events::follow(project, None, filter).await?);
    while let Some(event) = events.next().await {
        let event = event.context("the events cannot be read")?;
        if !send(project, &client, clock, webhook, &event, render(&event)).await {
            return Ok(());
        }
        told(project, webhook, event.seq);
    }
    Ok(())
}

fn told(project: &Project, webhook: &Webhook, event: EventSeq) {
    project.coordinator.tell(Caller::Server, Command::Delivered(webhook.name.clone(), event));
}

/// Sends an event until it is accepted, or has been tried for too long; `false` if the project was closed before.
async fn send(
    project: &Project,
    client: &Client,
    clock: &dyn Clock,
    webhook: &Webhook,
    event: &StoredEvent,
    body: String,
) -> bool {
    let give_up = Instant::now() + GIVE_UP;
    let mut pause = PAUSES.0;
    loop {
        let why = match attempt(client, clock, webhook, event, body.clone()).await {
            Ok(status) if status.is_success() => return true,
            Ok(status) => format!("it answered {status}"),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        let again_at = Instant::now() + pause;
        if again_at > give_up {
            tracing::error!(webhook = %webhook.name, event = event.seq.0, why, "an event was not delivered in a day");
            return true;
        }
        tracing::warn!(webhook = %webhook.name, event = event.seq.0, why, "not delivered; trying again");
        if timeout_at(again_at, project.closed()).await.is_ok() {
            return false;
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn attempt(
    client: &Client,
    clock: &dyn Clock,
    webhook: &Webhook,
    event: &StoredEvent,
    body: String,
) -> reqwest::Result<StatusCode> {
    let (id, at) = (event.seq.0.to_string(), (clock.now().as_millis() / 1_000).to_string());
    let signature = sign(&webhook.secret.0, &id, &at, &body);
    let request = client.post(webhook.url.clone()).header("content-type", "application/json").body(body);
    let request = request.header("webhook-id", id).header("webhook-timestamp", at);
    Ok(request.header("webhook-signature", signature).send().await?.status())
}

/// `v1,` and the HMAC-SHA256 of id, timestamp and body, joined by dots, in base64.
fn sign(secret: &[u8], id: &str, at: &str, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    for part in [id, ".", at, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
