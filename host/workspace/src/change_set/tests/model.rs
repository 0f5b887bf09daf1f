//! Random changes, made in a change set and in a directory of the operating system: both look alike at every step, and
//! the project does when the set is published, and again when what was published is taken back.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// Numbers that look random, the same for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        // SplitMix64, Steele, Lea and Flood 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }

    /// One of few paths, so that they meet, up to three names long.
    fn path(&mut self) -> String {
        let names = ["a", "b", "c"];
        (0..=self.below(3)).map(|_| names[self.below(3)]).collect::<Vec<_>>().join("/")
    }
}

#[derive(Debug)]
enum Action {
    Write(String, String),
    Append(String, String),
    MakeDirectory(String),
    Remove(String),
    RemoveDirectory(String),
    Rename(String, String),
    Link(String, String),
}

fn action(random: &mut Random, step: usize) -> Action {
    let text = format!("{step};");
    match random.below(12) {
        0..=2 => Action::Write(random.path(), text),
        3 => Action::Append(random.path(), text),
        4 => Action::MakeDirectory(random.path()),
        5 => Action::Remove(random.path()),
        6 => Action::RemoveDirectory(random.path()),
        7 => Action::Link(["a", "b/c", "../a"][random.below(3)].to_owned(), random.path()),
        _ => Action::Rename(random.path(), random.path()),
    }
}

/// What is there, by path: a file's content, a link's target, or that it is a directory.
pub(super) fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if name == ".longhouse" {
                continue;
            }
            let what = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                left.push(path);
                "/".into()
            } else {
                fs::read_to_string(&path).unwrap()
            };
            found.insert(name, what);
        }
    }
    found
}

/// The same as a run sees it.
fn seen(run: &Run) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![ProjectPath::root()];
    while let Some(dir) = left.pop() {
        for entry in run.view.entries(&dir).unwrap() {
            let what = match entry.stat.kind {
                Kind::File => run.read(entry.path.as_str()),
                Kind::Link => format!("-> {}", run.view.read_link(&entry.path).unwrap()),
                Kind::Directory => {
                    left.push(entry.path.clone());
                    "/".into()
                }
            };
            found.insert(entry.path.to_string(), what);
        }
    }
    found
}

fn natively(root: &Path, action: &Action) -> bool {
    use std::io::Write as _;
    let at = |text: &str| root.join(text);
    let inside =
        |text: &str| at(text).canonicalize().is_ok_and(|path| path.starts_with(root.canonicalize().unwrap()));
    match action {
        Action::Write(path, content) => {
            // A new file where a link leads to nothing is made there by both.
            fs::write(at(path), content).is_ok()
        }
        Action::Append(path, content) => {
            inside(path)
                && fs::OpenOptions::new()
                    .append(true)
                    .open(at(path))
                    .is_ok_and(|mut file| file.write_all(content.as_bytes()).is_ok())
        }
        Action::MakeDirectory(path) => fs::create_dir(at(path)).is_ok(),
        Action::Remove(path) => fs::remove_file(at(path)).is_ok(),
        Action::RemoveDirectory(path) => fs::remove_dir(at(path)).is_ok(),
        Action::Rename(from, to) => fs::rename(at(from), at(to)).is_ok(),
        Action::Link(target, path) => symlink(target, at(path)).is_ok(),
    }
}

fn in_set(run: &Run, action: &Action) -> bool {
    match action {
        Action::Write(text, content) => {
            let options = OpenOptions {
                write: true,
                create: Create::IfMissing,
                truncate: true,
                ..OpenOptions::default()
            };
            run.open(text, options)
                .is_ok_and(|opened| std::io::Write::write_all(&mut &opened.file, content.as_bytes()).is_ok())
        }
        Action::Append(text, content) => {
            let options = OpenOptions { write: true, ..OpenOptions::default() };
            let opens = run.open(text, options).is_ok();
            if opens {
                run.append(text, content);
            }
            opens
        }
        Action::MakeDirectory(text) => run.view.create_dir(&path(text)).is_ok(),
        Action::Remove(text) => run.view.remove_file(&path(text)).is_ok(),
        Action::RemoveDirectory(text) => run.view.remove_dir(&path(text)).is_ok(),
        Action::Rename(from, to) => run.view.rename(&path(from), &path(to)).is_ok(),
        Action::Link(target, text) => run.view.symlink(target, &path(text)).is_ok(),
    }
}

/// A link that leads out of the root is refused by us alone.
fn leads_out(action: &Action) -> bool {
    matches!(action, Action::Link(target, path) if target.starts_with("..") && !path.contains('/'))
}

/// A project with something in it, and a directory with the same.
pub(super) fn begin(seed: u64, random: &mut Random) -> (Project, tempfile::TempDir) {
    let (project, native) = (Project::new(), tempfile::tempdir().unwrap());
    fs::remove_file(project.at("a.txt")).unwrap();
    fs::remove_dir_all(project.at("d")).unwrap();
    for step in 0..30 {
        let action = action(random, step);
        if !leads_out(&action) && natively(native.path(), &action) {
            assert!(natively(project.dir.path(), &action), "seed {seed}, {action:?}");
        }
    }
    (project, native)
}

/// Does something in both. Whether that succeeded, and was a move.
pub(super) fn act(seed: u64, random: &mut Random, step: usize, run: &Run, native: &Path) -> (bool, bool) {
    let action = action(random, 100 + step);
    if leads_out(&action) {
        return (false, false);
    }
    let expected = natively(native, &action);
    assert_eq!(in_set(run, &action), expected, "seed {seed}, step {step}: {action:?}");
    assert_eq!(seen(run), tree(native), "seed {seed}, step {step}: {action:?}");
    (expected, expected && matches!(action, Action::Rename(..)))
}

fn history(seed: u64) -> [usize; 3] {
    let mut random = Random(seed);
    let (project, native) = begin(seed, &mut random);
    let (mut done, mut moves, mut published) = (0, 0, 0);
    let before = tree(native.path());
    for round in 0..3 {
        let run = project.run(&format!("r1-{round}"));
        for step in 0..12 {
            let (is_done, is_move) = act(seed, &mut random, step, &run, native.path());
            done += usize::from(is_done);
            moves += usize::from(is_move);
        }
        let committed = project.publish(&run);
        let committed = committed.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error:?}"));
        assert_eq!(tree(project.dir.path()), tree(native.path()), "seed {seed}, round {round}");
        published += usize::from(committed.number.is_some());
        drop(run);
        assert_eq!(project.staged(), 0, "seed {seed}, round {round}: something stays staged");
    }
    assert_eq!(project.undo("u", 1), [""; 0], "seed {seed}");
    assert_eq!(tree(project.dir.path()), before, "seed {seed}");
    [done, moves, published]
}

#[test]
fn a_change_set_looks_like_a_directory_and_so_does_the_project_when_it_is_published() {
    let mut sums = [0; 3];
    for seed in 0..400 {
        for (sum, count) in sums.iter_mut().zip(history(seed)) {
            *sum += count;
        }
    }
    println!("done, moves, published: {sums:?}");
    assert!(sums.iter().all(|sum| *sum > 300), "{sums:?}");
}
