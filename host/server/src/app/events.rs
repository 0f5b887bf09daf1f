//! What happened, for whoever watches.

use std::sync::Arc;
use std::time::Duration;
use std::vec;

use futures_util::stream::{Stream, unfold};
use longhouse_core::EventSeq;
use longhouse_store::{EventFilter, StoredEvent};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{AppError, Project};

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
    filter: EventFilter,
    wait: Duration,
) -> Result<EventPage, AppError> {
    let deadline = Instant::now() + wait;
    let mut reader = Reader::at(project, filter).await?;
    loop {
        let page = reader.read().await?;
        if !page.events.is_empty() || !matches!(timeout_at(deadline, reader.last.changed()).await, Ok(Ok(())))
        {
            return Ok(page);
        }
    }
}

/// Events that fit, as they come; ends when the server stops.
///
/// # Errors
/// As [`page`].
pub async fn follow(
    project: &Arc<Project>,
    filter: EventFilter,
) -> Result<impl Stream<Item = Result<Arc<StoredEvent>, AppError>> + Send + use<>, AppError> {
    let reader = Reader::at(project, filter).await?;
    let begin = (reader, Vec::new().into_iter());
    Ok(unfold(begin, |(mut reader, ready)| async move {
        let (event, ready) = reader.next(ready).await?;
        Some((event, (reader, ready)))
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
