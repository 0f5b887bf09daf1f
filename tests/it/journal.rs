//! Many agents change the same files at once, by every way there is, and the server is killed meanwhile: the journal has
//! every change, from the first to the last, and none was made over one that its author had not seen.
//!
//! Each change adds a word of its own to a file, or moves one. So every accepted word has to be in one place in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::TryRecvError;

use longhouse_tests::{Agent, Answer, TestServer};
use reqwest::Method;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

const AGENTS: usize = 8;
const FILES: usize = 200;
/// Accepted changes of each agent.
const CHANGES: usize = 2_000;
const KILLS: usize = 200;

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64, Steele, Lea and Flood 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// A file is at one of two paths.
fn path(file: usize, side: usize) -> String {
    format!("{}/{}/{file}", ["a", "b"][side], file % 10)
}

/// What became of one try.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    Accepted,
    /// Somebody else was there, or the file is elsewhere.
    Refused,
    /// Nobody knows whether it was done.
    Unsure,
}

/// What an agent did, and was told.
struct Worker {
    name: usize,
    agent: Agent,
    random: Random,
    count: usize,
    accepted: BTreeSet<String>,
    unsure: BTreeSet<String>,
    refusals: usize,
    runs: usize,
}

impl Worker {
    fn new(name: usize, agent: Agent, seed: u64) -> Self {
        let random = Random(seed ^ (name as u64) << 32);
        let (accepted, unsure) = Default::default();
        Self { name, agent, random, count: 0, accepted, unsure, refusals: 0, runs: 0 }
    }

    /// Makes one change, however often that has to be tried; `false` if nobody answers.
    fn change(&mut self) -> bool {
        self.count += 1;
        let word = format!("{}-{}", self.name, self.count);
        loop {
            let path = path(self.random.below(FILES), self.random.below(2));
            let way = self.random.below(16);
            let (tried, adds) = match way {
                0..=6 => (self.edit(&path, &word), true),
                7..=11 => (self.write(&path, &word), true),
                12 => (self.append(&path, &word), true),
                13 => (self.rename_over(&path, &word), true),
                14 => (self.carry(&path), false),
                _ => (self.carry_in_run(&path), false),
            };
            match tried {
                Tried::Accepted => {
                    if adds {
                        self.accepted.insert(word);
                    }
                    return true;
                }
                Tried::Refused => self.refusals += 1,
                Tried::Unsure => {
                    if adds {
                        self.unsure.insert(word);
                    }
                    return false;
                }
            }
        }
    }

    fn edit(&self, path: &str, word: &str) -> Tried {
        let new = format!("{word} end");
        tried(self.post("/fs/edit", &json!({ "path": path, "old_string": "end", "new_string": new })))
    }

    fn write(&self, path: &str, word: &str) -> Tried {
        let Some(seen) = self.post("/fs/read", &json!({ "path": path })) else { return Tried::Refused };
        if seen.status != 200 {
            return tried(Some(seen));
        }
        let seen = seen.expect(200);
        let content = format!("{word} {}", seen["text"].as_str().unwrap());
        tried(
            self.post("/fs/write", &json!({ "path": path, "content": content, "expected": seen["version"] })),
        )
    }

    fn append(&mut self, path: &str, word: &str) -> Tried {
        self.run(&["fixture-write", &format!("append:{path}= {word}")])
    }

    /// Reads in one run, and in the next writes a new file and renames it over the old one.
    fn rename_over(&mut self, path: &str, word: &str) -> Tried {
        let Some(read) = self.post("/runs", &json!({ "argv": ["cat", path] })) else { return Tried::Refused };
        let read = read.expect(200);
        if read["outcome"]["code"] != 0 {
            return Tried::Refused;
        }
        let content = format!("{word} {}", read["stdout"].as_str().unwrap());
        self.run(&["fixture-write", &format!("replace:{path}={content}")])
    }

    fn carry(&self, from: &str) -> Tried {
        tried(self.post("/fs/move", &json!({ "from": from, "to": other_side(from) })))
    }

    fn carry_in_run(&mut self, from: &str) -> Tried {
        self.run(&["mv", "-n", from, &other_side(from)])
    }

    fn run(&mut self, argv: &[&str]) -> Tried {
        self.runs += 1;
        let Some(answer) = self.post("/runs", &json!({ "argv": argv })) else { return Tried::Unsure };
        if answer.status != 200 {
            return tried(Some(answer));
        }
        let run = answer.expect(200);
        match run["changes"]["status"].as_str() {
            Some("committed") => Tried::Accepted,
            Some("unknown") => Tried::Unsure,
            _ => Tried::Refused,
        }
    }

    fn post(&self, path: &str, body: &Value) -> Option<Answer> {
        self.agent.try_send(self.agent.request(Method::POST, path).json(body))
    }
}

fn other_side(path: &str) -> String {
    match path.strip_prefix("a/") {
        Some(rest) => format!("b/{rest}"),
        None => path.replacen("b/", "a/", 1),
    }
}

fn tried(answer: Option<Answer>) -> Tried {
    let Some(answer) = answer else { return Tried::Unsure };
    match answer.status {
        200 => Tried::Accepted,
        404 | 409 | 412 | 428 | 429 => Tried::Refused,
        503 => Tried::Unsure,
        _ => panic!("{answer:?}"),
    }
}

/// A project of that many files, and workers for it.
fn begin(seed: u64) -> (TestServer, Vec<Worker>, Tree) {
    println!("seed {seed}");
    let files =
        (0..FILES).fold(TestServer::builder(), |builder, file| builder.file(&path(file, file % 2), "end"));
    let builder = (0..10).fold(files, |builder, directory| {
        builder.file(&format!("a/{directory}/x"), "").file(&format!("b/{directory}/x"), "")
    });
    let server = builder.start();
    let workers =
        (0..AGENTS).map(|name| Worker::new(name, server.agent(&format!("w{name}"), "worker", "full"), seed));
    let workers = workers.collect();
    let tree = tree(server.dir());
    (server, workers, tree)
}

/// Every word that was accepted is in one place, and none is in two, save these and so many more.
fn check_words(tree: &Tree, workers: &[Worker], doubles: &[&str], more: usize) {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for content in tree.values().filter_map(|content| content.as_deref()) {
        for word in std::str::from_utf8(content).unwrap().split_whitespace().filter(|word| *word != "end") {
            *found.entry(word).or_default() += 1;
        }
    }
    let doubled: Vec<_> =
        found.iter().filter(|(word, count)| **count > 1 && !doubles.contains(*word)).collect();
    assert!(doubled.len() <= more, "not only once: {doubled:?}");
    for worker in workers {
        let lost: Vec<_> = worker.accepted.iter().filter(|word| !found.contains_key(word.as_str())).collect();
        assert!(lost.is_empty(), "accepted, and gone: {lost:?}");
    }
    let known = |word: &str| {
        workers.iter().any(|worker| worker.accepted.contains(word) || worker.unsure.contains(word))
    };
    let unknown: Vec<_> = found.keys().filter(|word| !known(word)).collect();
    assert!(unknown.is_empty(), "nobody was told that these were written: {unknown:?}");
}

/// What lies at which path; `None` for a directory.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if name == ".longhouse" {
                continue;
            }
            if path.is_dir() {
                found.insert(name, None);
                left.push(path);
            } else {
                found.insert(name, Some(std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// All commits that were published, in order.
fn published(admin: &Agent) -> impl Iterator<Item = Value> {
    let newest = admin.get("/commits?limit=1").expect(200);
    let last = newest["commits"][0]["commit"].as_u64().unwrap();
    (1..=last).filter_map(|number| {
        let commit = admin.get(format!("/commits/{number}")).expect(200);
        assert_eq!(commit["next"], Value::Null);
        match commit["status"].as_str() {
            Some("published" | "retired") => Some(commit),
            Some("aborted") => None,
            other => panic!("commit {number} is {other:?}"),
        }
    })
}

/// Does again what the journal says, from the first commit on. Returns how many commits there are.
fn replay(admin: &Agent, tree: &mut Tree) -> u64 {
    let mut versions: BTreeMap<String, Value> = BTreeMap::new();
    let mut count = 0;
    for commit in published(admin) {
        count += 1;
        let number = &commit["commit"];
        for change in commit["changes"].as_array().unwrap() {
            let path = change["path"].as_str().unwrap().to_owned();
            assert_eq!(change["base"].is_null(), !tree.contains_key(&path), "commit {number}: {change}");
            if let Some(version) = versions.get(&path) {
                assert_eq!(&change["base"], version, "commit {number} was made over another: {change}");
            }
            match change["operation"].as_str().unwrap() {
                "put" if change["new"].as_str().unwrap().starts_with('d') => {
                    tree.insert(path.clone(), None);
                }
                "put" => {
                    let content = admin.get(format!("/commits/{number}/files/{path}"));
                    assert_eq!(content.status, 200, "{content:?}");
                    tree.insert(path.clone(), Some(content.bytes));
                }
                "remove" => drop(tree.remove(&path)),
                "move" => {
                    let from = change["from"].as_str().unwrap();
                    let moved = tree.remove(from).unwrap_or_else(|| panic!("commit {number}: {change}"));
                    versions.remove(from);
                    tree.insert(path.clone(), moved);
                }
                other => panic!("{other}"),
            }
            match &change["new"] {
                Value::Null => drop(versions.remove(&path)),
                new => drop(versions.insert(path, new.clone())),
            }
        }
    }
    count
}

#[test]
fn every_change_of_eight_agents_is_in_the_journal_and_none_was_overwritten_unseen() {
    let (server, mut workers, mut replayed) = begin(1);
    std::thread::scope(|scope| {
        for worker in &mut workers {
            scope.spawn(|| (0..CHANGES).for_each(|_| assert!(worker.change())));
        }
    });
    let now = tree(server.dir());
    check_words(&now, &workers, &[], 0);
    let commits = replay(&server.admin(), &mut replayed);
    assert_eq!(replayed, now);
    let [refusals, runs] = [|worker: &Worker| worker.refusals, |worker: &Worker| worker.runs]
        .map(|count| workers.iter().map(count).sum::<usize>());
    println!("{commits} commits, {refusals} refusals, {runs} runs");
    assert_eq!(commits, (AGENTS * CHANGES) as u64);
    assert!(refusals > 1_000 && runs > 1_000);
}

/// Somebody who does not ask the server: they edit, move, take away and bring back files, each at once, and remember what they
/// took.
struct Outsider<'a> {
    root: &'a Path,
    /// Where what they take goes, on the same disk.
    drawer: tempfile::TempDir,
    random: Random,
    count: usize,
    /// What they took away and did not bring back: from where, and where it is.
    away: Vec<(String, PathBuf)>,
    written: BTreeSet<String>,
    /// What they replaced, and had not seen: gone by their own doing.
    ruined: BTreeSet<String>,
    /// What they wrote in place of something else than they had seen: that may have moved on, and be there as well.
    stale: BTreeSet<String>,
}

impl<'a> Outsider<'a> {
    fn new(root: &'a Path, seed: u64) -> Self {
        let drawer = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
        let (away, written, ruined, stale) = Default::default();
        Self { root, drawer, random: Random(seed), count: 0, away, written, ruined, stale }
    }

    fn change(&mut self) {
        self.count += 1;
        let path = path(self.random.below(FILES), self.random.below(2));
        match self.random.below(8) {
            0..=3 => self.edit(&path),
            4..=5 => drop(self.rename(&self.root.join(&path), &self.root.join(other_side(&path)))),
            6 => {
                let place = self.drawer.path().join(self.count.to_string());
                if self.rename(&self.root.join(&path), &place) {
                    self.away.push((path, place));
                }
            }
            _ => self.bring_back(),
        }
    }

    /// As an editor does that writes a new file and puts it in place of the old one.
    fn edit(&mut self, path: &str) {
        let at = self.root.join(path);
        let Ok(seen) = std::fs::read_to_string(&at) else { return };
        let (word, beside) = (format!("outsider-{}", self.count), self.drawer.path().join("new"));
        let content = format!("{word} {seen}");
        std::fs::write(&beside, &content).unwrap();
        if renameat_with(CWD, &beside, CWD, &at, RenameFlags::EXCHANGE).is_err() {
            return;
        }
        self.written.insert(word);
        let replaced = std::fs::read_to_string(&beside).unwrap();
        let lost = words(&replaced).filter(|word| words(&content).all(|kept| kept != *word));
        self.ruined.extend(lost.map(str::to_owned));
        if replaced != seen {
            self.stale.extend(words(&content).map(str::to_owned));
        }
    }

    fn bring_back(&mut self) {
        let Some((path, place)) = self.away.pop() else { return };
        if !self.rename(&place, &self.root.join(&path)) {
            self.away.push((path, place));
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> bool {
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).is_ok()
    }
}

/// What the history has besides what commits replaced or removed.
fn given_way(server: &TestServer) -> Vec<String> {
    let history = std::fs::read_dir(server.path(".longhouse/history")).unwrap().map(|entry| entry.unwrap());
    let others = history.filter(|entry| !entry.file_name().to_str().unwrap().starts_with('h'));
    others.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn somebody_outside_at_work_loses_nothing_and_what_they_did_is_in_the_journal() {
    let (server, mut workers, _) = begin(4);
    let mut outsider = Outsider::new(server.dir(), 5);
    std::thread::scope(|scope| {
        let (working, over) = std::sync::mpsc::channel::<()>();
        let outsider = &mut outsider;
        scope.spawn(move || {
            while let Err(TryRecvError::Empty) = over.try_recv() {
                outsider.change();
                std::thread::yield_now();
            }
        });
        let changes = |worker: &mut Worker| (0..CHANGES / 10).for_each(|_| assert!(worker.change()));
        let agents: Vec<_> = workers.iter_mut().map(|worker| scope.spawn(move || changes(worker))).collect();
        for agent in agents {
            agent.join().unwrap();
        }
        drop(working);
    });
    while !outsider.away.is_empty() {
        let (path, place) = outsider.away.last().unwrap().clone();
        if outsider.rename(&place, &server.path(&other_side(&path))) {
            outsider.away.pop();
        } else {
            outsider.bring_back();
        }
    }
    let admin = server.admin();
    let mut them = Worker::new(AGENTS, server.worker(), 0);
    them.accepted = std::mem::take(&mut outsider.written);
    workers.push(them);
    // What the server gave way to, and they then replaced: they may have seen what was refused, and kept that.
    let given_way = given_way(&server);
    let kept = |word: &String| given_way.iter().any(|content| words(content).any(|kept| kept == word));
    for worker in &mut workers {
        worker.accepted.retain(|word| !outsider.ruined.contains(word) && !kept(word));
    }
    let now = tree(server.dir());
    let given_way_words = given_way.iter().flat_map(|content| words(content));
    let doubles: Vec<&str> = outsider.stale.iter().map(String::as_str).chain(given_way_words).collect();
    check_words(&now, &workers, &doubles, given_way.len());

    // What the journal says last of each path is what lies there: theirs is on record, at the latest by now.
    admin.post("/fs/rescan", &json!({})).expect(200);
    let mut versions: BTreeMap<String, Value> = BTreeMap::new();
    let mut found = 0;
    for commit in published(&admin) {
        for change in commit["changes"].as_array().unwrap() {
            let path = change["path"].as_str().unwrap();
            if let Some(from) = change["from"].as_str() {
                versions.insert(from.to_owned(), Value::Null);
            }
            versions.insert(path.to_owned(), change["new"].clone());
            found += usize::from(change["operation"] == "found");
        }
    }
    for (path, version) in &versions {
        let read = admin.post("/fs/read", &json!({ "path": path }));
        let lies = if read.status == 404 { Value::Null } else { read.expect(200)["version"].clone() };
        assert_eq!(*version, lies, "{path}, in the journal and on the disk");
    }
    let refusals: usize = workers.iter().map(|worker| worker.refusals).sum();
    println!(
        "{} changes from outside, {found} on record, {} words replaced unseen, {} times given way, {refusals} refusals",
        outsider.count,
        outsider.ruined.len(),
        given_way.len()
    );
    assert!(found > 100, "{found}");
}

#[test]
fn the_journal_and_the_files_agree_after_two_hundred_kills() {
    let (mut server, mut workers, mut replayed) = begin(2);
    let mut random = Random(3);
    for _ in 0..KILLS {
        let (done, enough) = (AtomicU64::new(0), random.below(60) as u64);
        std::thread::scope(|scope| {
            for worker in &mut workers {
                scope.spawn(|| {
                    while worker.change() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while done.load(Ordering::Relaxed) < enough {
                std::thread::yield_now();
            }
            server.kill();
        });
        server = server.start_again();
        for worker in &mut workers {
            worker.agent = server.stranger(Some(worker.agent.token()));
        }
        check_words(&tree(server.dir()), &workers, &[], 0);
    }
    let now = tree(server.dir());
    let commits = replay(&server.admin(), &mut replayed);
    assert_eq!(replayed, now);
    let unsure: usize = workers.iter().map(|worker| worker.unsure.len()).sum();
    println!("{commits} commits, {unsure} of which nobody knew");
    assert!(unsure > KILLS);
    assert_eq!(std::fs::read_dir(server.path(".longhouse/staged")).unwrap().count(), 0);
}
