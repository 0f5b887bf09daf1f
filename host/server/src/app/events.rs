//! What happened, for whoever watches.

use std::sync::Arc;
use std::time::Duration;
use std::vec;

use futures_util::stream::{Stream, unfold};
use longhouse_core::{Agent, EventSeq, ProjectPath, Verb};
use longhouse_store::{EventFilter, StoredEvent};
use longhouse_workspace::View;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{AppError, Project};

/// An event as somebody sees it who reads the project through this view: without the paths that may not be read.
fn as_read(view: &View, event: Arc<StoredEvent>) -> Arc<StoredEvent> {
    if !event.kind.starts_with("commit.") {
        return event;
    }
    // What cannot be read is not told: nobody knows which paths it names.
    let parsed = serde_json::from_str::<Value>(event.data.get());
    let mut is_whole = parsed.is_ok();
    let mut data = parsed.unwrap_or_default();
    let may_read = |path: &Value| {
        let path = path.as_str().and_then(|path| ProjectPath::parse(path).ok());
        path.is_some_and(|path| view.grants(Verb::Read, &path))
    };
    if let Some(Value::Array(paths)) = data.get_mut("paths") {
        let count = paths.len();
        paths.retain(may_read);
        is_whole &= paths.len() == count;
    }
    if let Some(Value::Object(why)) = data.get_mut("why")
        && why.get("path").is_some_and(|path| !may_read(path))
    {
        why.remove("path");
        is_whole = false;
    }
    match serde_json::value::to_raw_value(&data) {
        Ok(data) if !is_whole => Arc::new(StoredEvent { data, ..StoredEvent::clone(&event) }),
        Ok(_) | Err(_) => event,
    }
}

/// Some events, in order.
#[derive(Debug)]
pub struct EventPage {
    /// Those that fit the filter.
    pub events: Vec<Arc<StoredEvent>>,
    /// The cursor to go on from: nothing that fits lies between the last of them and it.
    pub next: u64,
}

/// Events that fit; waits up to `wait` for one.
///
/// # Errors
/// When the cursor lies beyond the last event, or the database fails.
pub async fn page(
    project: &Arc<Project>,
    agent: &Agent,
    filter: EventFilter,
    wait: Duration,
) -> Result<EventPage, AppError> {
    let deadline = Instant::now() + wait;
    let mut reader = Reader::at(project, filter).await?;
    loop {
        let mut page = reader.read().await?;
        if !page.events.is_empty() || !matches!(timeout_at(deadline, reader.last.changed()).await, Ok(Ok(())))
        {
            let view = project.view_of(agent);
            page.events = page.events.into_iter().map(|event| as_read(&view, event)).collect();
            return Ok(page);
        }
    }
}

/// Events that fit, as they come, and as this agent may see them then, or all of them
/// without one; ends when the server stops.
///
/// # Errors
/// As [`page`].
pub async fn follow(
    project: &Arc<Project>,
    agent: Option<Agent>,
    filter: EventFilter,
) -> Result<impl Stream<Item = Result<Arc<StoredEvent>, AppError>> + Send + use<>, AppError> {
    let reader = Reader::at(project, filter).await?;
    let begin = (reader, agent, Vec::new().into_iter());
    Ok(unfold(begin, |(mut reader, agent, ready)| async move {
        let (event, ready) = reader.next(ready).await?;
        let event = event.map(|event| match &agent {
            Some(agent) => as_read(&reader.project.view_of(agent), event),
            None => event,
        });
        Some((event, (reader, agent, ready)))
    }))
}

struct Reader {
    project: Arc<Project>,
    filter: EventFilter,
    last: watch::Receiver<EventSeq>,
}

impl Reader {
    async fn at(project: &Arc<Project>, filter: EventFilter) -> Result<Self, AppError> {
        let last = project.coordinator.last_event();
        let (after, announced) = (filter.after, last.borrow().0);
        if after > announced {
            // What was read may be announced only in a moment.
            let itself = EventFilter { after: after - 1, limit: 1, ..EventFilter::default() };
            if project.coordinator.events(itself).await?.is_empty() {
                return Err(AppError::CursorAhead { after, last: announced });
            }
        }
        Ok(Self { project: Arc::clone(project), filter, last })
    }

    /// The next page. What is committed while it is read is seen by it, or changes `last`.
    async fn read(&mut self) -> Result<EventPage, AppError> {
        let last = self.last.borrow_and_update().0;
        let events = self.project.coordinator.events(self.filter.clone()).await?;
        let is_full = u32::try_from(events.len()).unwrap_or(u32::MAX) >= self.filter.limit;
        let seen = events.last().map_or(self.filter.after, |event| event.seq.0);
        self.filter.after = if is_full { seen } else { seen.max(last) };
        Ok(EventPage { events, next: self.filter.after })
    }

    /// The first of those that are ready, else of the next page that has some; `None` at the server's end.
    async fn next(
        &mut self,
        mut ready: vec::IntoIter<Arc<StoredEvent>>,
    ) -> Option<(Result<Arc<StoredEvent>, AppError>, vec::IntoIter<Arc<StoredEvent>>)> {
        loop {
            if let Some(event) = ready.next() {
                return Some((Ok(event), ready));
            }
            match self.read().await {
                Ok(page) if page.events.is_empty() => self.last.changed().await.ok()?,
                Ok(page) => ready = page.events.into_iter(),
                Err(error) => return Some((Err(error), ready)),
            }
        }
    }
}
