//! The handle by which everybody reaches a project's coordinator.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use longhouse_core::{
    AgentName, Caller, Command, Decide, Directory, Effect, EventSeq, Keyed, Profiles, Reply, Waiter,
};
use tokio::sync::{oneshot, watch};

use crate::owner::{Mail, Owner, Question, take_back, unkeyed};
use crate::readers::Readers;
use crate::recent::Recent;
use crate::{Clock, EventFilter, Reads, StoreError, StoredEvent, SubmitError};

/// How many commands may wait before callers are told that it is busy: for the disk, or for something to happen.
const MAX_WAITING: usize = 32_768;

/// What a coordinator needs from outside.
pub struct OpenOptions {
    /// The database file; created when missing.
    pub database: PathBuf,
    /// The profiles in force at first.
    pub profiles: Profiles,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What is asked where a policy may decide.
    pub decide: Box<dyn Decide + Send>,
    /// Told of each effect once it is durable, on the coordinator's thread: it must hand over and return.
    pub effects: Box<dyn FnMut(Effect) + Send>,
}

/// The owner of one project's coordination state. Cheap to clone.
///
/// Commands are stepped one after another on a thread of their own. What they change is made durable in
/// batches: whatever arrived while the previous batch was being synced is the next one.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
}

struct Shared {
    mailbox: Sender<Mail>,
    waiting: AtomicUsize,
    last_waiter: AtomicU64,
    last_event: watch::Receiver<EventSeq>,
    recent: Arc<Recent>,
    directory: Arc<ArcSwap<Directory>>,
    reads: Arc<Reads>,
    readers: Readers,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Coordinator {
    /// Opens the database, rebuilds the state from it, ends the runs that an earlier process left, and
    /// starts the threads.
    ///
    /// # Errors
    /// When the database cannot be opened, checked, migrated or written.
    pub fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let (mailbox, inbox) = channel();
        let reads = Arc::new(Reads::new(options.database.clone()));
        let directory = Arc::new(ArcSwap::from_pointee(Directory::default()));
        let (committed, last_event) = watch::channel(EventSeq(0));
        let recent = Arc::new(Recent::default());
        let (who, kept) = (Arc::clone(&directory), Arc::clone(&recent));
        let owner = Owner::open(options, mailbox.clone(), who, committed, kept)?;
        let thread = std::thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn(move || owner.run(&inbox))
            .map_err(StoreError::Thread)?;
        let readers = Readers::start(&reads)?;
        let (waiting, last_waiter) = (AtomicUsize::new(0), AtomicU64::new(0));
        let thread = Mutex::new(Some(thread));
        let shared =
            Shared { mailbox, waiting, last_waiter, last_event, recent, directory, reads, readers, thread };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Asks, and waits for the reply: until what it says is durable, save for a run's start.
    ///
    /// # Errors
    /// [`SubmitError`] says whether the command may have been carried out.
    pub async fn submit(&self, caller: Caller, command: Command) -> Result<Reply, SubmitError> {
        self.submit_keyed(caller, command, None).await
    }

    /// As [`Coordinator::submit`], for a request that is to have its effect once. Dropped while it waits for
    /// something to happen, it waits no more; what it was granted meanwhile is taken back, unless it has a key.
    ///
    /// # Errors
    /// As [`Coordinator::submit`].
    pub async fn submit_keyed(
        &self,
        caller: Caller,
        command: Command,
        keyed: Option<Keyed>,
    ) -> Result<Reply, SubmitError> {
        let mut waiting = self.ask(caller, command, keyed)?;
        let reply = (&mut waiting.reply).await.unwrap_or(Err(SubmitError::Closed));
        waiting.answered = true;
        reply
    }

    /// As [`Coordinator::submit`], for a thread that may block.
    ///
    /// # Errors
    /// As [`Coordinator::submit`].
    pub fn submit_blocking(&self, caller: Caller, command: Command) -> Result<Reply, SubmitError> {
        let mut waiting = self.ask(caller, command, None)?;
        waiting.answered = true;
        let reply = std::mem::replace(&mut waiting.reply, oneshot::channel().1);
        reply.blocking_recv().unwrap_or(Err(SubmitError::Closed))
    }

    /// Tells without waiting for a reply. Never refused for being busy: the end of what was begun must be
    /// recorded. What it changes may be lost if the machine fails within the next milliseconds.
    pub fn tell(&self, caller: Caller, command: Command) {
        if self.shared.mailbox.send(Mail::Tell(caller, command)).is_err() {
            tracing::warn!("a command was told to a closed project and dropped");
        }
    }

    /// Agents and tokens as of the last commit that changed them.
    pub fn directory(&self) -> Arc<Directory> {
        self.shared.directory.load_full()
    }

    /// The last committed event, now and whenever there is another.
    pub fn last_event(&self) -> watch::Receiver<EventSeq> {
        self.shared.last_event.clone()
    }

    /// Events, in order, of which the latest are in memory.
    ///
    /// # Errors
    /// When the database has to be asked, and fails.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<Arc<StoredEvent>>, StoreError> {
        if let Some(events) = self.shared.recent.list(&filter) {
            return Ok(events);
        }
        let events = self.read(move |reads| reads.events(&filter)).await?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    /// Reads what is committed, on a thread that may block.
    ///
    /// # Errors
    /// When that fails, or the read panics.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared.readers.read(read).await
    }

    /// What is committed, for a caller that may block.
    pub fn reads(&self) -> &Reads {
        &self.shared.reads
    }

    /// Carries out and commits whatever was submitted before, closes the database and ends the threads.
    /// Later commands are answered [`SubmitError::Closed`].
    pub fn close(&self) {
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let told = self.shared.mailbox.send(Mail::Close).is_ok();
        if !told || thread.join().is_err() {
            tracing::error!("the coordinator's thread had ended before it was closed");
        }
    }

    fn ask(
        &self,
        caller: Caller,
        command: Command,
        keyed: Option<Keyed>,
    ) -> Result<Waiting<'_>, SubmitError> {
        let (sender, reply) = oneshot::channel();
        let unkeyed = unkeyed(&caller, keyed.as_ref()).cloned();
        let waiting = Waiting::admit(&self.shared, unkeyed, reply).ok_or(SubmitError::Busy)?;
        let question = Question { waiter: waiting.waiter, caller, command, keyed, reply: sender };
        self.shared.mailbox.send(Mail::Ask(question)).map_err(|_| SubmitError::Closed)?;
        Ok(waiting)
    }
}

/// One caller that waits, for as long as it lives.
struct Waiting<'a> {
    shared: &'a Shared,
    waiter: Waiter,
    unkeyed: Option<AgentName>,
    reply: oneshot::Receiver<Result<Reply, SubmitError>>,
    answered: bool,
}

impl<'a> Waiting<'a> {
    fn admit(
        shared: &'a Shared,
        unkeyed: Option<AgentName>,
        reply: oneshot::Receiver<Result<Reply, SubmitError>>,
    ) -> Option<Self> {
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let waiter = Waiter(shared.last_waiter.fetch_add(1, Ordering::Relaxed) + 1);
        Some(Self { shared, waiter, unkeyed, reply, answered: false })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if self.answered {
            return;
        }
        // From here on the coordinator sees that nobody listens; what it sent before is looked at here.
        self.reply.close();
        let command = match self.reply.try_recv() {
            Ok(Ok(reply)) => take_back(&reply, self.unkeyed.as_ref()),
            Ok(Err(_)) => None,
            Err(_) => Some(Command::Leave(self.waiter)),
        };
        if let Some(command) = command {
            // A coordinator that is gone has nobody waiting.
            let _ = self.shared.mailbox.send(Mail::Tell(Caller::Server, command));
        }
    }
}
