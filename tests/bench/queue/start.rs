//! The peers: which there are, and their programs.

use std::cmp::Reverse;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;

use super::beanstalkd::Beanstalkd;
use super::longhouse::{Longhouse, Server};
use super::peer::Peer;
use super::postgres::Postgres;
use super::redis::Redis;

/// What there is to start.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    Longhouse,
    Beanstalkd,
    Redis,
    Postgresql,
}

/// Starts them, the others as Debian packages them.
pub fn peers(which: &[Which]) -> anyhow::Result<Vec<Box<dyn Peer>>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    for which in which {
        match which {
            Which::Longhouse => {
                for habit in Longhouse::both(Server::start(&longhouse()?)?) {
                    peers.push(Box::new(habit));
                }
            }
            Which::Beanstalkd => peers.push(Box::new(Beanstalkd::start(&program("beanstalkd")?)?)),
            Which::Redis => peers.push(Box::new(Redis::start(&program("redis-server")?)?)),
            Which::Postgresql => peers.push(Box::new(Postgres::start(&postgres_bin()?)?)),
        }
    }
    Ok(peers)
}

/// The program beside this one: the same profile.
pub fn longhouse() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("longhouse");
    ensure!(beside.is_file(), "{} is missing: run `make bench-queue`", beside.display());
    Ok(beside)
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} is missing: run `make bench-queue`"))
}

/// The directory of PostgreSQL's programs: Debian's, of the newest version, because it puts only wrappers in PATH.
fn postgres_bin() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .collect();
    versions.sort_by_key(|(version, _)| Reverse(*version));
    let newest = versions.into_iter().next().context("PostgreSQL is missing: run `make bench-queue`")?;
    Ok(newest.1)
}
