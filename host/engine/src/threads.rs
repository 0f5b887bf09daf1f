//! The threads that guests run on, away from those that answer requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::runtime::{Builder, Runtime};

use crate::EngineError;

/// How many threads may be given up as stuck in the kernel before their places stay empty.
const MAX_STUCK: u32 = 16;

type Job = Box<dyn FnOnce(&Runtime) + Send>;

/// A fixed number of threads, each with a runtime of its own.
pub(crate) struct GuestThreads {
    jobs: Sender<Job>,
    inbox: Receiver<Job>,
    engine: wasmtime::Engine,
    stuck: AtomicU32,
}

impl GuestThreads {
    /// Starts `count` threads. They end once this is dropped and their guests have ended.
    pub(crate) fn start(count: u32, engine: &wasmtime::Engine) -> Result<Arc<Self>, EngineError> {
        let (jobs, inbox) = unbounded();
        let threads = Arc::new(Self { jobs, inbox, engine: engine.clone(), stuck: AtomicU32::new(0) });
        for _ in 0..count {
            threads.spawn().map_err(EngineError::Thread)?;
        }
        Ok(threads)
    }

    /// Hands a job to a thread. Callers hold a permit for one, so it does not wait.
    pub(crate) fn run(&self, job: impl FnOnce(&Runtime) + Send + 'static) {
        // Both ends are ours: it cannot be disconnected.
        let _ = self.jobs.send(Box::new(job));
    }

    /// Gives up a thread whose guest does not come back from a host call, and starts another in its place.
    /// `false` if too many were given up already.
    pub(crate) fn replace_stuck(&self) -> bool {
        let stuck = self.stuck.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::error!(stuck, "a guest's thread is stuck in a host call");
        stuck <= MAX_STUCK && self.spawn().is_ok()
    }

    fn spawn(&self) -> std::io::Result<()> {
        let (inbox, engine) = (self.inbox.clone(), self.engine.clone());
        std::thread::Builder::new().name("guest".to_owned()).spawn(move || work(&inbox, &engine)).map(drop)
    }
}

fn work(inbox: &Receiver<Job>, engine: &wasmtime::Engine) {
    // Otherwise the first guest on this thread would pay for it.
    wasmtime::Engine::tls_eager_initialize();
    let _keep_alive = engine;
    let mut runtime = None;
    while let Ok(job) = inbox.recv() {
        if runtime.is_none() {
            match Builder::new_current_thread().enable_time().build() {
                Ok(built) => runtime = Some(built),
                Err(error) => tracing::error!(error = %error, "a guest's thread has no runtime"),
            }
        }
        if let Some(runtime) = &runtime {
            job(runtime);
        }
    }
}
