//! The coordinator's loop: the one owner of a project's state.
//!
//! Two threads, so that a decision never waits for the disk: this one steps commands and stages what they
//! change, the writer syncs the batch before. A reply is held back until its own batch is durable. The
//! batch is whatever was staged while the writer was busy, so load makes batches larger, not slower.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use longhouse_core::{
    BootNumber, Caller, Command, Decide, Directory, Effect, Envelope, Reply, Row, State, Step, Waiter, step,
};
use tokio::sync::oneshot;

use crate::load::Opening;
use crate::stage::{Batch, Follow};
use crate::writer::{Done, Work, Writer};
use crate::{Clock, OpenOptions, StoreError, SubmitError};

/// How long after a failed commit the database is left alone before the next attempt to open it.
const PROBE_EVERY: Duration = Duration::from_millis(200);

type ReplyTo = oneshot::Sender<Result<Reply, SubmitError>>;

/// What lies in the coordinator's mailbox.
pub(crate) enum Mail {
    /// A command, and where its reply goes.
    Submit { caller: Caller, command: Command, reply: Option<ReplyTo> },
    /// The writer finished a piece of work.
    Writer(Done),
    /// No more commands.
    Close,
}

pub(crate) struct Owner {
    state: State,
    boot: BootNumber,
    decide: Box<dyn Decide + Send>,
    clock: Arc<dyn Clock>,
    effects: Box<dyn FnMut(Effect) + Send>,
    directory: Arc<ArcSwap<Directory>>,
    writer: Writer,
    health: Health,
    staged: Batch,
    /// What follows once the writer is done with the batch it has.
    in_flight: Option<Follow>,
    waiters: HashMap<Waiter, ReplyTo>,
    /// Told while the database was broken; stepped once it works again.
    told: Vec<(Caller, Command)>,
    last_waiter: u64,
    random: u64,
}

/// Whether the state and the database can be trusted.
enum Health {
    Sound,
    /// A commit or a step failed. Nothing is accepted until the database was opened and written again.
    Broken {
        probe_at: Instant,
    },
    /// The writer is opening it.
    Probing,
}

impl Owner {
    pub(crate) fn open(
        options: OpenOptions,
        mailbox: Sender<Mail>,
        directory: Arc<ArcSwap<Directory>>,
    ) -> Result<Self, StoreError> {
        let OpenOptions { database, profiles, clock, decide, effects } = options;
        let done = move |done| {
            // The loop only goes away after the writer: nobody is left to be told.
            let _ = mailbox.send(Mail::Writer(done));
        };
        let (writer, state, boot) = Writer::start(&database, Opening::Boot(profiles), done)?;
        directory.store(Arc::new(state.directory()));
        let mut owner = Self {
            state,
            boot,
            decide,
            clock,
            effects,
            directory,
            writer,
            health: Health::Sound,
            staged: Batch::default(),
            in_flight: None,
            waiters: HashMap::new(),
            told: Vec::new(),
            last_waiter: 0,
            random: getrandom::u64().unwrap_or_default(),
        };
        for command in owner.state.interrupted(owner.clock.now()) {
            owner.submit(Caller::Server, command, None);
        }
        Ok(owner)
    }

    /// Runs until closed, then commits what is staged and closes the database.
    pub(crate) fn run(mut self, inbox: &Receiver<Mail>) {
        let mut closing = false;
        while !(closing && self.in_flight.is_none() && self.staged.due().is_none()) {
            match self.next(inbox) {
                Some(Mail::Submit { reply, .. }) if closing => answer(reply, Err(SubmitError::Closed)),
                Some(Mail::Submit { caller, command, reply }) => self.submit(caller, command, reply),
                Some(Mail::Writer(Done::Written(result))) => self.written(result),
                Some(Mail::Writer(Done::Reopened(result))) => self.reopened(*result),
                Some(Mail::Close) => closing = true,
                None => {}
            }
            if self.in_flight.is_none()
                && self.staged.due().is_some_and(|due| closing || due <= Instant::now())
            {
                self.commit();
            }
        }
        self.writer.finish();
    }

    /// The next mail; `None` when the staged batch became due first.
    fn next(&self, inbox: &Receiver<Mail>) -> Option<Mail> {
        let received = match self.staged.due().filter(|_| self.in_flight.is_none()) {
            Some(due) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(mail) => Some(mail),
            Err(RecvTimeoutError::Timeout) => None,
            // The writer holds a sender, so this needs both ends of the program to have gone wrong.
            Err(RecvTimeoutError::Disconnected) => Some(Mail::Close),
        }
    }

    fn submit(&mut self, caller: Caller, command: Command, reply: Option<ReplyTo>) {
        if !self.is_sound() {
            match reply {
                Some(reply) => answer(Some(reply), Err(SubmitError::CommitUnknown)),
                None => self.told.push((caller, command)),
            }
            return;
        }
        self.last_waiter += 1;
        let waiter = Waiter(self.last_waiter);
        if let Some(reply) = reply {
            self.waiters.insert(waiter, reply);
        }
        let envelope = Envelope { waiter, caller, now: self.clock.now(), seed: self.random(), command };
        let (state, decide) = (&mut self.state, &mut *self.decide);
        match catch_unwind(AssertUnwindSafe(|| step(state, envelope, decide))) {
            Ok(step) => self.stage(step),
            Err(_) => self.fail("a step panicked"),
        }
    }

    fn stage(&mut self, step: Step) {
        let Step { rows, events, effects, replies } = step;
        if rows.iter().any(Row::changes_directory) {
            self.staged.follow.directory = Some(Arc::new(self.state.directory()));
        }
        let (early, late): (Vec<_>, Vec<_>) = replies
            .into_iter()
            .filter(|(waiter, _)| self.waiters.contains_key(waiter))
            .partition(|(_, reply)| reply.precedes_commit());
        for (waiter, reply) in early {
            answer(self.waiters.remove(&waiter), Ok(reply));
        }
        if !rows.is_empty() || !events.is_empty() || !effects.is_empty() || !late.is_empty() {
            self.staged.add(rows, events, Instant::now());
            self.staged.follow.effects.extend(effects);
            self.staged.follow.replies.extend(late);
        }
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.staged);
        if batch.is_unwritten() {
            return self.follow(batch.follow);
        }
        let Batch { rows, events, follow, .. } = batch;
        self.in_flight = Some(follow);
        if !self.writer.send(Work::Write { rows, events }) {
            self.fail("the writer's thread has ended");
        }
    }

    fn written(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                let follow = self.in_flight.take().unwrap_or_default();
                self.follow(follow);
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a batch was not committed");
                self.fail("a batch was not committed");
            }
        }
    }

    /// What a durable batch leads to: answers first, then who is who, then deeds.
    fn follow(&mut self, follow: Follow) {
        let Follow { replies, directory, effects } = follow;
        // An agent that was just told of its token uses it at once.
        if let Some(directory) = directory {
            self.directory.store(directory);
        }
        for (waiter, reply) in replies {
            answer(self.waiters.remove(&waiter), Ok(reply));
        }
        for effect in effects {
            (self.effects)(effect);
        }
    }

    /// Drops everything that is not known to be durable: it may yet turn out to be, and nobody can tell.
    fn fail(&mut self, why: &'static str) {
        tracing::error!(why, waiters = self.waiters.len(), "the coordinator starts again from the database");
        self.staged = Batch::default();
        self.in_flight = None;
        for (_, reply) in self.waiters.drain() {
            answer(Some(reply), Err(SubmitError::CommitUnknown));
        }
        self.health = Health::Broken { probe_at: Instant::now() };
    }

    /// Whether commands can be accepted; after a failure, tries to open the database again now and then.
    fn is_sound(&mut self) -> bool {
        match self.health {
            Health::Sound => true,
            Health::Probing => false,
            Health::Broken { probe_at } => {
                if probe_at <= Instant::now() {
                    let profiles = self.state.profiles().clone();
                    let last_run = self.state.last_run();
                    self.writer.send(Work::Reopen(Opening::Again { boot: self.boot, last_run, profiles }));
                    self.health = Health::Probing;
                }
                false
            }
        }
    }

    fn reopened(&mut self, result: Result<(State, BootNumber), StoreError>) {
        match result {
            Ok((state, _)) => {
                self.directory.store(Arc::new(state.directory()));
                self.state = state;
                self.health = Health::Sound;
                tracing::info!("the database works again");
                for (caller, command) in std::mem::take(&mut self.told) {
                    self.submit(caller, command, None);
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the database still fails");
                self.health = Health::Broken { probe_at: Instant::now() + PROBE_EVERY };
            }
        }
    }

    /// Randomness for one step: SplitMix64 (Steele, Lea and Flood, 2014).
    const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.random;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Sends a reply, if somebody asked and is still there.
fn answer(reply: Option<ReplyTo>, answer: Result<Reply, SubmitError>) {
    if let Some(reply) = reply {
        // The caller went away: what was done stays done.
        let _ = reply.send(answer);
    }
}
