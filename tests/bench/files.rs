//! Reading, writing and searching files, beside what a native program does.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::report::Samples;
use crate::server::Server;

/// The size of a file that is read or written, in bytes.
const SIZE: usize = 4 << 10;

/// A tree to search in: so many files of that size, of which one in a hundred has what is searched for.
const FILES: usize = 20_000;

/// Files that one run changes, and how many runs do.
const CHANGED: usize = 1_000;
const CHANGES: usize = 9;

/// Rounds that take as long as a search.
const SEARCHES: usize = 7;

/// One file of 4 KiB, read over HTTP and natively, in turns.
pub fn read(server: &Server, rounds: usize) -> anyhow::Result<()> {
    let at = server.dir().join("read.txt");
    std::fs::write(&at, "x".repeat(SIZE))?;
    let mut client = server.client()?;
    let path = server.path("files/read.txt");
    let (mut served, mut natively) = (Samples::default(), Samples::default());
    for _ in 0..rounds {
        let (took, (status, body)) = timed(|| client.call("GET", &path, ""));
        ensure!(status == 200 && body.len() == SIZE, "{status}");
        served.add(took);
        let (took, bytes) = timed(|| Ok(std::fs::read(&at)?));
        ensure!(bytes.len() == SIZE);
        natively.add(took);
    }
    compare("read of 4 KiB over HTTP", &served, "natively", &natively);
    Ok(())
}

/// One file of 4 KiB, replaced so that it survives a power cut, over HTTP and natively, in turns.
pub fn write(server: &Server, rounds: usize) -> anyhow::Result<()> {
    let mut client = server.client()?;
    let path = server.path("fs/write");
    let (mut served, mut natively) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        let content = format!("{round:08}").repeat(SIZE / 8);
        let body = format!(r#"{{"path":"written.txt","content":"{content}","expected":"*"}}"#);
        let (took, (status, answer)) = timed(|| client.call("POST", &path, &body));
        ensure!(status == 200, "{status}: {answer}");
        served.add(took);
        natively.add(timed(|| replace(server.dir(), content.as_bytes())).0);
    }
    compare("durable write of 4 KiB over HTTP", &served, "write, fsync, rename, fsync", &natively);
    Ok(())
}

/// What a careful program does.
fn replace(dir: &Path, content: &[u8]) -> anyhow::Result<()> {
    let beside = dir.join("native.tmp");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(beside, dir.join("native.txt"))?;
    Ok(File::open(dir)?.sync_all()?)
}

/// A search through 20,000 files: by ripgrep in the sandbox, by `/fs/grep`, and by ripgrep natively on one thread.
pub fn search(server: &Server) -> anyhow::Result<()> {
    make_tree(server)?;
    let mut client = server.client()?;
    let rg = longhouse_artifacts::target_dir().join("native/bin/rg");
    let (mut sandboxed, mut served, mut natively) =
        (Samples::default(), Samples::default(), Samples::default());
    let run = r#"{"argv":["rg","-j1","--count","needle","tree"],"wait_ms":50000}"#;
    let grep = r#"{"pattern":"needle","path":"tree","output_mode":"count","limit":10000}"#;
    for _ in 0..SEARCHES {
        let (took, (status, answer)) = timed(|| client.call("POST", &server.path("runs"), run));
        ensure!(status == 200 && answer.matches("txt:1").count() >= FILES / 100, "{status}: {answer:.300}");
        sandboxed.add(took);
        let (took, (status, answer)) = timed(|| client.call("POST", &server.path("fs/grep"), grep));
        ensure!(
            status == 200 && answer.matches("\"count\":1").count() == FILES / 100,
            "{status}: {answer:.300}"
        );
        served.add(took);
        let (took, found) = timed(|| {
            let mut command = Command::new(&rg);
            command.args(["-j1", "--count", "needle", "tree"]).current_dir(server.dir()).stdin(Stdio::null());
            command.output().with_context(|| format!("{} does not start; `make native`", rg.display()))
        });
        ensure!(found.stdout.split(|byte| *byte == b'\n').count() == FILES / 100 + 1);
        natively.add(took);
    }
    compare("rg in the sandbox, 20,000 files", &sandboxed, "rg -j1 natively", &natively);
    compare("/fs/grep, 20,000 files", &served, "rg -j1 natively", &natively);
    Ok(())
}

/// What a view costs who only reads, without a server.
pub fn view(server: &Server) -> anyhow::Result<()> {
    make_tree(server)?;
    let program = std::env::current_exe()?.with_file_name("examples").join("preopen");
    let tools = longhouse_artifacts::target_dir().join("guests/tools");
    let mut command = Command::new(&program);
    command.arg(tools).args(["rg", &SEARCHES.to_string(), "rg", "-j1", "--count", "needle", "tree"]);
    println!("rg in the sandbox, 20,000 files, without a server");
    let status = command.current_dir(server.dir()).status();
    ensure!(status.with_context(|| format!("{} does not start", program.display()))?.success());
    println!();
    Ok(())
}

fn make_tree(server: &Server) -> anyhow::Result<()> {
    let tree = server.dir().join("tree");
    for n in 0..FILES {
        let at = tree.join(format!("{}/{}", n % 10, n % 200));
        std::fs::create_dir_all(&at)?;
        let line = format!("line {n} of a file that is made for this, and holds what others hold\n");
        let mut text = line.repeat(SIZE / line.len());
        if n % 100 == 0 {
            text.push_str("needle\n");
        }
        std::fs::write(at.join(format!("{n}.txt")), text)?;
    }
    Ok(())
}

/// A run that changes 1,000 files, published and dry, beside the same program natively, which then syncs the file system.
pub fn change(server: &Server) -> anyhow::Result<()> {
    let tree = server.dir().join("thousand");
    std::fs::create_dir_all(&tree)?;
    for n in 0..CHANGED {
        std::fs::write(tree.join(n.to_string()), format!("{n:08}").repeat(SIZE / 8))?;
    }
    let mut client = server.client()?;
    let (mut published, mut dry, mut natively) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..CHANGES {
        let mut copy = |kind: &str, publish: &str, status: &str| {
            let to = format!("{kind}{round}");
            let run = format!(r#"{{"argv":["cp","-r","thousand","{to}"],"publish":"{publish}"}}"#);
            let (took, (code, answer)) = timed(|| client.call("POST", &server.path("runs"), &run));
            ensure!(code == 200 && answer.contains(status), "{code}: {answer:.300}");
            anyhow::Ok(took)
        };
        published.add(copy("published", "on_exit", r#""status":"committed""#)?);
        dry.add(copy("dry", "never", r#""status":"dry_run""#)?);
        let (took, done) = timed(|| {
            let to = format!("native{round}");
            let copied =
                Command::new("cp").args(["-r", "thousand", &to]).current_dir(server.dir()).status()?;
            let synced = Command::new("sync").args(["-f", &to]).current_dir(server.dir()).status()?;
            Ok(copied.success() && synced.success())
        });
        ensure!(done, "cp and sync");
        natively.add(took);
    }
    compare("cp -r of 1,000 files in a run", &published, "cp -r, sync -f natively", &natively);
    compare("the same as a dry run", &dry, "cp -r, sync -f natively", &natively);
    Ok(())
}

/// How long something took that succeeded.
fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> (Duration, T) {
    let started = Instant::now();
    let done = work().unwrap_or_else(|error| panic!("{error:?}"));
    (started.elapsed(), done)
}

fn compare(name: &str, one: &Samples, other_name: &str, other: &Samples) {
    println!("{name:<34} {one}");
    println!("{other_name:<34} {other}");
    println!("ratio of medians: {:.2}\n", one.median() / other.median());
}
