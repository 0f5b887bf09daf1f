//! Disks that fill up or fail under the store: it refuses, says why, can be read, and recovers by itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use longhouse_core::{Caller, Command, LockCommand, Suspended};
use longhouse_power::{
    Client, Disk, Fault, FaultKind, Findings, Lasts, Memory, Random, Said, Synchronous, mount, mount_as_left,
    open,
};
use longhouse_store::{Coordinator, SubmitError};
use rusqlite::Connection;

const CLIENTS: usize = 8;
const SEEDS: u64 = 8;
/// The disk fails within so many calls: some commits, and a checkpoint in most cases.
const CALLS: u64 = 4_000;
/// How much each client does once the disk works again: before the next checkpoint, and after it.
const AFTERWARDS: [usize; 2] = [4, 100];

#[test]
fn a_disk_without_room_for_more() {
    every_seed(FaultKind::Full, Suspended::StorageFull);
}

#[test]
fn a_disk_without_room_for_anything() {
    every_seed(FaultKind::FullForAll, Suspended::StorageFull);
}

#[test]
fn a_disk_that_cannot_be_written() {
    every_seed(FaultKind::Write, Suspended::StorageFailed);
}

#[test]
fn a_disk_that_does_not_sync_and_forgets() {
    every_seed(FaultKind::Sync, Suspended::StorageFailed);
}

fn every_seed(kind: FaultKind, why: Suspended) {
    for seed in 1..=SEEDS {
        for ends in [Ends::AtOnce, Ends::Later, Ends::AfterAKill] {
            let tally = Scenario::new(seed, kind, ends, why).play();
            println!("{kind:?} {ends:?}, seed {seed}: {tally:?}");
        }
    }
}

/// When the disk works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// After one call that failed.
    AtOnce,
    /// When all clients were refused.
    Later,
    /// When the process that saw it fail was killed.
    AfterAKill,
}

/// How requests ended.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    acknowledged: u64,
    unknown: u64,
    refused: u64,
    /// Calls to the disk that failed.
    failed: u64,
}

struct Scenario {
    dir: tempfile::TempDir,
    live: PathBuf,
    disk: Arc<Disk>,
    coordinator: Coordinator,
    ends: Ends,
    why: Suspended,
    memory: Mutex<Memory>,
    tally: Mutex<Tally>,
}

impl Scenario {
    fn new(seed: u64, kind: FaultKind, ends: Ends, why: Suspended) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("live");
        std::fs::create_dir(&live).unwrap();
        let disk = mount(&live, Synchronous::AsAsked);
        let coordinator = open(&live).unwrap();
        let lasts = if ends == Ends::AtOnce { Lasts::Once } else { Lasts::UntilRepaired };
        disk.fail(Fault { at: Random::new(seed).below(CALLS), kind, lasts });
        let (memory, tally) = (Mutex::default(), Mutex::default());
        Self { dir, live, disk, coordinator, ends, why, memory, tally }
    }

    fn play(mut self) -> Tally {
        let mut clients: Vec<Client> = (0..CLIENTS).map(|nth| Client::new(nth, CLIENTS, 0)).collect();
        for client in &clients {
            for_a_while(|| client.join(&self.coordinator).is_ok());
        }
        match self.ends {
            Ends::AtOnce => at_once(&mut clients, |client| {
                while self.disk.failed() == 0 {
                    self.act(client);
                }
            }),
            Ends::Later | Ends::AfterAKill => {
                at_once(&mut clients, |client| while self.act(client) != Some(self.why) {});
                self.is_read_only();
            }
        }
        self.tally.lock().unwrap().failed = self.disk.repair();
        if self.ends == Ends::AfterAKill {
            self.go_on_in_another_process();
        }
        for (nth, times) in AFTERWARDS.into_iter().enumerate() {
            at_once(&mut clients, |client| {
                self.until_it_works(client);
                (0..times).for_each(|_| assert_eq!(self.act(client), None));
            });
            self.nothing_is_lost(&self.dir.path().join(format!("after-{nth}")));
        }
        self.coordinator.close();
        compare_next(&self.memory.lock().unwrap(), &self.live);
        let tally = *self.tally.lock().unwrap();
        assert!(tally.failed > 0 && tally.acknowledged > 0, "{tally:?}");
        tally
    }

    fn go_on_in_another_process(&mut self) {
        let next = self.dir.path().join("next");
        self.disk = mount_as_left(&self.disk, &self.live, &next).unwrap();
        self.live = next;
        self.coordinator = open(&self.live).unwrap();
    }

    /// One request; why it was refused, if it was.
    fn act(&self, client: &mut Client) -> Option<Suspended> {
        let result = client.act(&self.coordinator, &|said: Said| self.memory.lock().unwrap().hear(said));
        let mut tally = self.tally.lock().unwrap();
        match result {
            Ok(()) => tally.acknowledged += 1,
            Err(SubmitError::CommitUnknown) => tally.unknown += 1,
            Err(SubmitError::Suspended(why)) => {
                tally.refused += 1;
                return Some(why);
            }
            Err(error @ (SubmitError::Busy | SubmitError::Closed)) => panic!("{error:?}"),
        }
        None
    }

    /// Everything acknowledged can be read, by the coordinator, too; nothing can be changed.
    fn is_read_only(&self) {
        let look = || self.coordinator.submit_blocking(Caller::Operator, Command::Lock(LockCommand::Find));
        for_a_while(|| match look() {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, SubmitError::Suspended(self.why));
                false
            }
        });
        assert_nothing(&self.memory.lock().unwrap().compare(&self.coordinator));
        let late = Client::new(CLIENTS, CLIENTS + 1, 0);
        // A try whether the disk works again may have had room enough, and what came next had not.
        for_a_while(|| match late.join(&self.coordinator) {
            Err(SubmitError::CommitUnknown) => false,
            refused => {
                assert_eq!(refused, Err(SubmitError::Suspended(self.why)));
                true
            }
        });
    }

    /// The same request is sent until it is answered.
    fn until_it_works(&self, client: &mut Client) {
        for_a_while(|| match self.act(client) {
            None => true,
            Some(why) => {
                assert_eq!(why, self.why);
                false
            }
        });
    }

    /// Not now, and not if the power fails now.
    fn nothing_is_lost(&self, after: &Path) {
        let memory = self.memory.lock().unwrap();
        assert_nothing(&memory.compare(&self.coordinator));
        self.disk.copy_what_is_synced(&self.live, after).unwrap();
        compare_next(&memory, after);
    }
}

fn compare_next(memory: &Memory, dir: &Path) {
    let coordinator = open(dir).unwrap();
    assert_nothing(&memory.compare(&coordinator));
    coordinator.close();
    let connection = Connection::open(dir.join("longhouse.db")).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

fn assert_nothing(Findings { lost, wrong }: &Findings) {
    assert!(lost.is_empty() && wrong.is_empty(), "acknowledged, and gone: {lost:?}; wrong: {wrong:?}");
}

/// All clients do this, each in a thread of its own.
fn at_once(clients: &mut [Client], act: impl Fn(&mut Client) + Sync) {
    std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| act(client));
        }
    });
}

fn for_a_while(mut is_done: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !is_done() {
        assert!(started.elapsed().as_secs() < 30, "it took too long");
        std::thread::yield_now();
    }
}
