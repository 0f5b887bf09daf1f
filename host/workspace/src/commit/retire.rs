//! Making safe what was put in place, many commits at once, after their authors were answered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use longhouse_core::{CommitGate, CommitNumber, RedoList};

use crate::publish::{Disk as _, Files, Place, touched};

/// A thread that syncs directories and tells the coordinator which commits are finished.
pub(super) struct Retirer {
    sender: Option<Sender<Published>>,
    thread: Option<JoinHandle<()>>,
}

struct Published {
    number: CommitNumber,
    directories: BTreeSet<Place>,
}

impl Retirer {
    pub(super) fn start(files: Arc<Files>, gate: Arc<dyn CommitGate + Send + Sync>) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("retirer".into());
        let thread = thread.spawn(move || work(&files, &*gate, &receiver)).ok();
        Self { sender: Some(sender), thread }
    }

    /// Has a commit finished. Should the thread be gone, it is when the server begins again.
    pub(super) fn retire(&self, redo: &RedoList, number: CommitNumber) {
        let published = Published { number, directories: touched(redo) };
        if self.sender.as_ref().is_none_or(|sender| sender.send(published).is_err()) {
            tracing::error!(%number, "nobody finishes commits any more");
        }
    }
}

impl Drop for Retirer {
    /// Finishes what is there.
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // Whatever it panicked with was told.
            let _ = thread.join();
        }
    }
}

fn work(files: &Files, gate: &dyn CommitGate, receiver: &Receiver<Published>) {
    while let Ok(first) = receiver.recv() {
        let Published { number, mut directories } = first;
        let mut numbers = vec![number];
        for Published { number, directories: more } in receiver.try_iter() {
            numbers.push(number);
            directories.extend(more);
        }
        match files.sync(&directories) {
            Ok(()) => gate.retired(&numbers),
            Err(error) => tracing::error!(%error, ?numbers, "commits could not be made safe"),
        }
    }
}
