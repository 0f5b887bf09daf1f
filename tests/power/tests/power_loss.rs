//! Power failures, two hundred of them, under the store as it ships; and with `synchronous=NORMAL`, which must be caught.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;
use longhouse_power::{Findings, Last, Leaves, Line, Memory, Random, Synchronous, copy, open};
use rusqlite::Connection;

const CLIENTS: usize = 24;
const ROUNDS: u64 = 200;
/// A database is used for so many rounds at most, so that comparing it takes no time.
const ROUNDS_OF_A_DATABASE: u64 = 10;
/// The power fails within so many calls to the disk: while the database is made or opened, after some dozens of commits,
/// or after some checkpoints.
const CALLS: [u64; 4] = [150, 3_000, 3_000, 12_000];

/// What came of some rounds.
#[derive(Debug, Default)]
struct Total {
    acknowledged: u64,
    unknown: u64,
    lost: u64,
    dropped: u64,
    torn: u64,
    kept: u64,
    /// Rounds that ended within a checkpoint.
    checkpoints: u64,
}

#[test]
fn what_was_acknowledged_survives_power_failures() {
    let total = rounds(Synchronous::AsAsked, ROUNDS);
    assert_eq!(total.lost, 0, "acknowledged, and gone");
    assert!(
        total.dropped > 0 && total.torn > 0 && total.kept > 0 && total.checkpoints > 0,
        "nothing was at stake: {total:?}"
    );
    assert!(
        total.acknowledged > 20 * ROUNDS && total.unknown > ROUNDS,
        "hardly anything was done: {total:?}"
    );
}

#[test]
fn a_server_that_syncs_less_is_caught() {
    let total = rounds(Synchronous::Normal, ROUNDS);
    assert!(total.lost > 0, "synchronous=NORMAL was not noticed: {total:?}");
}

fn rounds(synchronous: Synchronous, rounds: u64) -> Total {
    let seed = 1;
    println!(
        "{synchronous:?}, seed {seed}\nround  leaves     cut at  acknowledged  unknown  lost  dropped  torn  kept"
    );
    let mut random = Random::new(seed);
    let mut total = Total::default();
    let mut round = 0;
    while round < rounds {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        for _ in 0..ROUNDS_OF_A_DATABASE.min(rounds - round) {
            round += 1;
            let is_lost = one(round, dir.path(), synchronous, &mut random, &mut memory, &mut total);
            // What is told of a database that forgot something means nothing.
            if is_lost {
                break;
            }
        }
    }
    println!("{total:?}");
    total
}

/// One round; whether something was lost.
fn one(
    round: u64,
    dir: &Path,
    synchronous: Synchronous,
    random: &mut Random,
    memory: &mut Memory,
    total: &mut Total,
) -> bool {
    let leaves = random.pick([Leaves::Nothing, Leaves::Beginning, Leaves::Anything]);
    let calls = random.pick(CALLS);
    let cut_at = 1 + random.below(calls);
    let before = memory.acknowledged();
    let live = dir.join("live");
    std::fs::create_dir_all(&live).unwrap();
    let Last { loss, unknown } = work(&live, round, cut_at, leaves, random.draw(), synchronous, memory);
    let Findings { lost, wrong } = compare(&live, &dir.join(format!("after-{round}")), memory);
    assert!(wrong.is_empty(), "round {round}: {wrong:?}");
    let acknowledged = memory.acknowledged() - before;
    println!(
        "{round:>5}  {:<9}  {cut_at:>6}  {acknowledged:>12}  {unknown:>7}  {:>4}  {:>7}  {:>4}  {:>4}",
        format!("{leaves:?}"),
        lost.len(),
        loss.dropped,
        loss.torn,
        loss.kept
    );
    if synchronous == Synchronous::AsAsked {
        assert!(lost.is_empty(), "acknowledged, and gone: {lost:?}");
    }
    total.acknowledged += acknowledged;
    total.unknown += unknown;
    total.lost += lost.len() as u64;
    total.dropped += loss.dropped;
    total.torn += loss.torn;
    total.kept += loss.kept;
    total.checkpoints += u64::from(loss.in_database);
    !lost.is_empty()
}

/// Lets a process work until its power fails.
fn work(
    dir: &Path,
    round: u64,
    cut_at: u64,
    leaves: Leaves,
    seed: u64,
    synchronous: Synchronous,
    memory: &mut Memory,
) -> Last {
    let mut victim = Command::new(env!("CARGO_BIN_EXE_power-victim"))
        .arg(dir)
        .args(["--clients", &CLIENTS.to_string(), "--first", &(round * 1_000_000).to_string()])
        .args(["--cut-at", &cut_at.to_string(), "--seed", &seed.to_string()])
        .args(["--leaves", &word(leaves), "--synchronous", &word(synchronous)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = None;
    for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
        match serde_json::from_str(&line.unwrap()).unwrap() {
            Line::Said(said) => memory.hear(said),
            Line::Cut(cut) => last = Some(cut),
        }
    }
    const SIGKILL: i32 = 9;
    assert_eq!(victim.wait().unwrap().signal(), Some(SIGKILL));
    last.expect("it says what it lost")
}

/// How it is written on a command line.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("nothing is hidden").get_name().to_owned()
}

/// What a copy of the database, opened as a server opens it, does not know. The next round goes on with the original.
fn compare(live: &Path, after: &Path, memory: &Memory) -> Findings {
    copy(live, after).unwrap();
    let coordinator = open(after).unwrap();
    let findings = memory.compare(&coordinator);
    coordinator.close();
    let connection = Connection::open(after.join("longhouse.db")).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    findings
}
