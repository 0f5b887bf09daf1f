//! Disks that fill up or fail under the store: it refuses, says why, can be read, and recovers by itself.

use std::path::Path;
use std::sync::Mutex;

use longhouse_core::{Caller, Command, LockCommand};
use longhouse_power::{
    Client, Disk, Fault, FaultKind, Findings, Lasts, Memory, Random, Said, Synchronous, mount, open,
};
use longhouse_store::{Coordinator, SubmitError, Suspended};
use rusqlite::Connection;

const CLIENTS: usize = 8;
const SEEDS: u64 = 8;
/// The disk fails within so many calls: some commits, and a checkpoint in most cases.
const CALLS: u64 = 4_000;
/// How much each client does once the disk works again: enough for another checkpoint.
const AFTERWARDS: usize = 100;

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
        for lasts in [Lasts::UntilRepaired, Lasts::Once] {
            let tally = Scenario::new(seed, kind, lasts, why).play();
            println!("{kind:?} {lasts:?}, seed {seed}: {tally:?}");
        }
    }
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
    disk: std::sync::Arc<Disk>,
    coordinator: Coordinator,
    fault: Fault,
    why: Suspended,
    memory: Mutex<Memory>,
    tally: Mutex<Tally>,
}

impl Scenario {
    fn new(seed: u64, kind: FaultKind, lasts: Lasts, why: Suspended) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("live");
        std::fs::create_dir(&live).unwrap();
        let disk = mount(&live, Synchronous::AsAsked);
        let coordinator = open(&live).unwrap();
        let fault = Fault { at: Random::new(seed).below(CALLS), kind, lasts };
        let (memory, tally) = (Mutex::default(), Mutex::default());
        Self { dir, disk, coordinator, fault, why, memory, tally }
    }

    fn play(self) -> Tally {
        let mut clients: Vec<Client> = (0..CLIENTS).map(|nth| Client::new(nth, CLIENTS, 0)).collect();
        for client in &clients {
            client.join(&self.coordinator).unwrap();
        }
        self.disk.fail(self.fault);
        match self.fault.lasts {
            Lasts::UntilRepaired => {
                at_once(&mut clients, |client| while self.act(client) != Some(self.why) {});
                self.is_read_only();
            }
            Lasts::Once => at_once(&mut clients, |client| {
                while self.disk.failed() == 0 {
                    self.act(client);
                }
            }),
        }
        self.tally.lock().unwrap().failed = self.disk.repair();
        at_once(&mut clients, |client| {
            self.until_it_works(client);
            (0..AFTERWARDS).for_each(|_| assert_eq!(self.act(client), None));
        });
        let tally = *self.tally.lock().unwrap();
        assert!(tally.failed > 0 && tally.acknowledged > 0, "{tally:?}");
        self.nothing_is_lost();
        tally
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
        assert_eq!(late.join(&self.coordinator), Err(SubmitError::Suspended(self.why)));
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

    /// Not now, not after a power failure, and not for the next process.
    fn nothing_is_lost(self) {
        let memory = self.memory.into_inner().unwrap();
        assert_nothing(&memory.compare(&self.coordinator));
        let (live, after) = (self.dir.path().join("live"), self.dir.path().join("after"));
        self.disk.copy_what_is_synced(&live, &after).unwrap();
        compare_next(&memory, &after);
        self.coordinator.close();
        compare_next(&memory, &live);
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
