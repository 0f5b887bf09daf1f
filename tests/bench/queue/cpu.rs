//! CPU time that processes have used, from `/proc`. Accurate to a tick, 10 ms on most kernels.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// What this process has used, in all its threads, without its children.
pub fn of_this_process() -> anyhow::Result<Duration> {
    Ok(Stat::read("self")?.own)
}

/// What processes and their descendants have used, including descendants that ended and were waited for. A process
/// that is not there counts as nothing.
pub fn of_trees(roots: &[u32]) -> anyhow::Result<Duration> {
    let all = processes()?;
    let mut total = Duration::ZERO;
    let mut wanted = roots.to_vec();
    while let Some(pid) = wanted.pop() {
        total += all.get(&pid).map_or(Duration::ZERO, |stat| stat.own + stat.reaped);
        wanted.extend(all.iter().filter(|(_, stat)| stat.parent == pid).map(|(child, _)| child));
    }
    Ok(total)
}

/// What proc_pid_stat(5) says of a process.
struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that it waited for.
    reaped: Duration,
}

impl Stat {
    fn read(process: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The second field is a name in parentheses that may itself hold any character.
        let (_, rest) = text.rsplit_once(')').context("no name in /proc/PID/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| -> anyhow::Result<u64> {
            let field = fields.get(number - 3).context("too few fields in /proc/PID/stat")?;
            Ok(field.parse()?)
        };
        Ok(Self {
            parent: u32::try_from(field(4)?)?,
            own: ticks(field(14)? + field(15)?),
            reaped: ticks(field(16)? + field(17)?),
        })
    }
}

fn processes() -> anyhow::Result<HashMap<u32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some((name, pid)) = name.to_str().and_then(|name| Some((name, name.parse().ok()?))) else {
            continue;
        };
        // It may have ended since it was listed.
        if let Ok(stat) = Stat::read(name) {
            all.insert(pid, stat);
        }
    }
    Ok(all)
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / rustix::param::clock_ticks_per_second() as f64)
}
