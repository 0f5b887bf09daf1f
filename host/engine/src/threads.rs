//! The threads that guests run on, away from those that answer requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::EngineError;

/// How many threads may be given up as stuck in the kernel before their places stay empty.
pub(crate) const MAX_STUCK: u32 = 16;

/// How long a run waits for a place before its caller is told to come back.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(5);

/// What then is suggested.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A number of threads, and a place on one of them for each run.
pub(crate) struct GuestThreads {
    count: u32,
    places: Arc<Semaphore>,
    queue: Arc<Mutex<Queue>>,
}

/// The right to a thread.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

/// What a job did with its place before it returned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Gave it back.
    Place,
    /// Nothing: it took so long that its place was given up.
    GivenUp,
}

type Job = Box<dyn FnOnce() -> Left + Send>;

#[derive(Default)]
struct Queue {
    /// Jobs whose thread is about to be free: there are never more jobs than places.
    jobs: VecDeque<Job>,
    /// Parked threads. The one that worked last is taken first, because its stack and caches are warm.
    idle: Vec<Thread>,
    stuck: u32,
    /// Of those, the ones without a thread in their stead; their places are withheld.
    unreplaced: u32,
    closed: bool,
}

impl GuestThreads {
    /// Starts `count` threads. They end once this is dropped and their guests have ended.
    pub(crate) fn start(count: u32) -> Result<Self, EngineError> {
        let permits = usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS);
        let threads = Self { count, places: Arc::new(Semaphore::new(permits)), queue: Arc::default() };
        for _ in 0..count {
            threads.spawn().map_err(EngineError::Thread)?;
        }
        Ok(threads)
    }

    /// Waits for a place, but not for long.
    pub(crate) async fn place(&self) -> Result<Place, EngineError> {
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(WAIT_FOR_PLACE, place).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            Ok(Err(_)) | Err(_) => Err(EngineError::Busy { threads: self.count, retry_after: RETRY_AFTER }),
        }
    }

    /// Hands a job to a thread. Its caller has a place, so it begins at once.
    pub(crate) fn run(&self, job: impl FnOnce() -> Left + Send + 'static) {
        let idle = {
            let mut queue = lock(&self.queue);
            queue.jobs.push_back(Box::new(job));
            queue.idle.pop()
        };
        if let Some(thread) = idle {
            thread.unpark();
        }
    }

    /// Gives up a thread whose guest does not come back from a host call, and starts another for its place.
    /// If too many were given up already, the place is withheld until one of them comes back.
    pub(crate) fn give_up(&self, place: Place) {
        let mut queue = lock(&self.queue);
        queue.stuck += 1;
        let stuck = queue.stuck;
        if stuck <= MAX_STUCK && self.spawn().is_ok() {
            tracing::error!(stuck, "a guest is stuck in a host call; its thread was replaced");
        } else {
            queue.unreplaced += 1;
            place.0.forget();
            tracing::error!(stuck, "a guest is stuck in a host call; its thread is missed");
        }
    }

    fn spawn(&self) -> std::io::Result<()> {
        let (queue, places) = (Arc::clone(&self.queue), Arc::clone(&self.places));
        let work = move || work(&queue, &places);
        thread::Builder::new().name("guest".to_owned()).spawn(work).map(drop)
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        queue.idle.drain(..).for_each(|thread| thread.unpark());
    }
}

thread_local! {
    #[expect(clippy::expect_used, reason = "it can fail where it does I/O, and this one does none")]
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime without I/O can be made");
}

/// Waits on this thread for a future, which nothing that runs on this thread does already.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

fn work(queue: &Mutex<Queue>, places: &Semaphore) {
    // Otherwise the first guest on this thread would pay for it.
    wasmtime::Engine::tls_eager_initialize();
    RUNTIME.with(|_| {});
    while let Some(job) = next(queue) {
        if job() == Left::GivenUp && !is_needed(&mut lock(queue), places) {
            return;
        }
    }
}

/// The next job, when there is one; `None` when there will be no more.
fn next(queue: &Mutex<Queue>) -> Option<Job> {
    loop {
        {
            let mut queue = lock(queue);
            if queue.closed || !queue.jobs.is_empty() {
                return queue.jobs.pop_front();
            }
            let this = thread::current();
            // It may have woken by itself and still be in there.
            queue.idle.retain(|thread| thread.id() != this.id());
            queue.idle.push(this);
        }
        thread::park();
    }
}

/// Whether a thread that was given up and came back is still needed.
fn is_needed(queue: &mut Queue, places: &Semaphore) -> bool {
    queue.stuck -= 1;
    let missed = queue.unreplaced > 0;
    if missed {
        queue.unreplaced -= 1;
        places.add_permits(1);
    }
    missed
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Blocks a thread, as a host call that does not return would, until the sender is dropped.
    fn block(threads: &GuestThreads) -> mpsc::Sender<()> {
        let (release, blocked) = mpsc::channel();
        threads.run(move || {
            let _ = blocked.recv();
            Left::GivenUp
        });
        release
    }

    fn stuck(threads: &GuestThreads) -> u32 {
        lock(&threads.queue).stuck
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_is_given_up_is_replaced_and_ends_when_it_comes_back() {
        let threads = GuestThreads::start(1).unwrap();
        let place = threads.place().await.unwrap();
        let release = block(&threads);
        assert!(matches!(threads.place().await, Err(EngineError::Busy { threads: 1, .. })));
        threads.give_up(place);

        let place = threads.place().await.unwrap();
        let (done, work) = mpsc::channel();
        threads.run(move || {
            drop(place);
            done.send(()).unwrap();
            Left::Place
        });
        work.recv().unwrap();
        drop(release);
        while stuck(&threads) > 0 {
            thread::yield_now();
        }
        assert_eq!(threads.places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_cap_a_place_is_withheld_until_its_thread_comes_back() {
        let threads = GuestThreads::start(1).unwrap();
        let mut releases = Vec::new();
        for _ in 0..=MAX_STUCK {
            let place = threads.place().await.unwrap();
            releases.push(block(&threads));
            threads.give_up(place);
        }
        assert!(matches!(threads.place().await, Err(EngineError::Busy { .. })));
        releases.clear();
        while stuck(&threads) > 0 {
            thread::yield_now();
        }
        assert_eq!(threads.places.available_permits(), 1);
    }
}
