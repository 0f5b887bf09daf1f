//! What many agents cost that do nothing but live: a stream of events each, and a sign of life now and then.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::longhouse::Server;
use super::start::longhouse;

/// How many threads stand for all agents.
const THREADS: usize = 8;

/// Tasks that are made while the streams are open; each stream is about one of them.
const TASKS: usize = 1_000;

/// Prints what `count` agents cost a server in memory and time.
pub fn measure(count: usize) -> anyhow::Result<()> {
    let server = Server::start(&longhouse()?)?;
    let memory = || memory_mib(server.pid());
    println!("{:>7.0} MiB  a server that just began", memory()?);
    let tokens = spread(count, |numbers| server.agents(numbers))?;
    println!("{:>7.0} MiB  with {count} agents", memory()?);
    let begun = Instant::now();
    let mut streams = spread_over(tokens.clone(), |number, token| open(&server, number, token))?;
    println!("{:>7.0} MiB  each with a stream, opened in {:.1?}", memory()?, begun.elapsed());
    let begun = Instant::now();
    spread_over(tokens, |_, token| sign_of_life(&server, token))?;
    let per_second = count as f64 / begun.elapsed().as_secs_f64();
    println!("{:>7.0} MiB  after a sign of life of each, {per_second:.0}/s on new connections", memory()?);
    let begun = Instant::now();
    let titles: Vec<_> = (0..TASKS).map(|n| json!({ "title": format!("task {n}") })).collect();
    server.admin(&json!({ "tasks": titles }).to_string())?;
    streams = spread_over(streams, |_, mut stream| {
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            ensure!(stream.read_line(&mut line)? > 0, "a stream ended");
        }
        ensure!(line.contains("task.created"), "a stream got {line}");
        Ok(stream)
    })?;
    println!(
        "{:>7.0} MiB  after {TASKS} events, each stream's one came within {:.1?}",
        memory()?,
        begun.elapsed()
    );
    drop(streams);
    Ok(())
}

fn open(server: &Server, number: usize, token: String) -> anyhow::Result<BufReader<TcpStream>> {
    let mut stream = server.stream()?;
    let (path, task) = (server.path("events"), number % TASKS + 1);
    write!(
        stream.get_mut(),
        "GET {path}?types=task.created&task=t{task} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         accept: text/event-stream\r\n\r\n"
    )?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "a stream was answered {line}");
    Ok(stream)
}

fn sign_of_life(server: &Server, token: String) -> anyhow::Result<()> {
    server.http(&token)?.expect(200, "GET", &server.path("queue"), "").map(drop)
}

/// Does something for each of `0..count`, in parts by several threads.
fn spread<T: Send>(
    count: usize,
    work: impl Fn(std::ops::Range<usize>) -> anyhow::Result<Vec<T>> + Sync,
) -> anyhow::Result<Vec<T>> {
    let part = count.div_ceil(THREADS);
    let work = &work;
    thread::scope(|scope| {
        let parts: Vec<_> = (0..count)
            .step_by(part.max(1))
            .map(|from| scope.spawn(move || work(from..(from + part).min(count))))
            .collect();
        let mut all = Vec::with_capacity(count);
        for part in parts {
            all.extend(part.join().ok().context("a thread failed")??);
        }
        Ok(all)
    })
}

/// The same for each of these.
fn spread_over<S: Send, T: Send>(
    items: Vec<S>,
    work: impl Fn(usize, S) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let items: Vec<_> = items.into_iter().map(|item| std::sync::Mutex::new(Some(item))).collect();
    spread(items.len(), |numbers| {
        let take = |number: usize| items.get(number)?.lock().ok()?.take();
        numbers.map(|number| work(number, take(number).context("taken twice")?)).collect()
    })
}

/// The memory of a process that is in use now.
fn memory_mib(pid: u32) -> anyhow::Result<f64> {
    // What was just asked for may be on its way.
    thread::sleep(Duration::from_millis(500));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
