//! Threads that read, so that nobody has to block who must not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::{Reads, StoreError};

/// How many reads are carried out at once. A few threads that stay busy cost less than many that are woken in turn,
/// and a long list in one of them leaves the others to short reads.
pub(crate) const READERS: usize = 2;

type Job = Box<dyn FnOnce(&Reads) + Send>;

/// The threads' mailbox. They end when it is dropped and what it holds is done.
pub(crate) struct Readers(Sender<Job>);

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(reads: &Arc<Reads>) -> Result<Self, StoreError> {
        let (jobs, inbox) = channel();
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..READERS {
            let (reads, inbox) = (Arc::clone(reads), Arc::clone(&inbox));
            std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || run(&reads, &inbox))
                .map_err(StoreError::Thread)?;
        }
        Ok(Self(jobs))
    }

    /// Carries out a read on one of the threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, result) = oneshot::channel();
        let job: Job = Box::new(move |reads| {
            // Whoever asked may have gone away.
            let _ = sender.send(read(reads));
        });
        self.0.send(job).map_err(|_| StoreError::ReadCutOff)?;
        result.await.unwrap_or(Err(StoreError::ReadCutOff))
    }
}

fn run(reads: &Reads, inbox: &Mutex<Receiver<Job>>) {
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| job(reads))).is_err() {
            tracing::error!("a read panicked");
        }
    }
}
