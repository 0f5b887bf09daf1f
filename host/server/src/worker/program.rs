//! The program that works on a task.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Options;

/// How much of its output is kept for the report, in bytes.
const TAIL: usize = 8 << 10;

/// The longest line that is passed on as progress, in bytes; the server takes 1,000.
const MAX_LINE: usize = 1_000;

/// How long what a program started may hold its output open after its end.
const LINGER: Duration = Duration::from_secs(1);

/// A running program, and what it wrote.
pub(super) struct Program {
    child: Child,
    group: Option<Pid>,
    pumps: [JoinHandle<()>; 2],
    stdout: Arc<Mutex<Tail>>,
    stderr: Arc<Mutex<Tail>>,
    /// The last line of its standard output.
    pub(super) said: watch::Receiver<String>,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The end of what it wrote to standard output.
    pub(super) stdout: String,
    /// The end of what it wrote to standard error.
    pub(super) stderr: String,
}

impl Program {
    /// Starts it in a process group of its own, with `input` on its standard input.
    pub(super) fn start(
        options: &Options,
        env: &[(&str, &str)],
        label: &str,
        input: Vec<u8>,
    ) -> std::io::Result<Self> {
        let mut command = Command::new(&options.program);
        command.args(&options.arguments).envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(mut stdin) = child.stdin.take() {
            // A program may end, or close its input, without having read it.
            tokio::spawn(async move { stdin.write_all(&input).await });
        }
        let (last, said) = watch::channel(String::new());
        let (stdout, stderr) = (Arc::<Mutex<Tail>>::default(), Arc::<Mutex<Tail>>::default());
        let pumps = [
            tokio::spawn(pump(child.stdout.take(), Arc::clone(&stdout), Some(last), label.to_owned())),
            tokio::spawn(pump(child.stderr.take(), Arc::clone(&stderr), None, label.to_owned())),
        ];
        Ok(Self { child, group, pumps, stdout, stderr, said })
    }

    /// Waits until it has ended and everything it wrote was taken in. Can be dropped and called again.
    pub(super) async fn ended(&mut self) -> std::io::Result<Ended> {
        let status = self.child.wait().await?;
        self.take_in_the_rest().await;
        Ok(Ended { status, stdout: text(&self.stdout), stderr: text(&self.stderr) })
    }

    /// Asks it to end, and makes it end if it has not within `grace`.
    pub(super) async fn stop(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if timeout(grace, self.child.wait()).await.is_err() {
            tracing::warn!("the program did not end when asked to, and is killed");
            self.signal(Signal::KILL);
        }
        match self.child.wait().await {
            Ok(_) => self.take_in_the_rest().await,
            Err(error) => tracing::error!(%error, "the program's end cannot be seen"),
        }
    }

    /// What it wrote before its end. If others hold its output open, its group is still there, and is killed.
    async fn take_in_the_rest(&mut self) {
        for pump in &mut self.pumps {
            if !pump.is_finished() && timeout(LINGER, &mut *pump).await.is_err() {
                self.group.map(|group| kill_process_group(group, Signal::KILL));
                // Ends now, unless somebody left the group: then nothing more of it is wanted.
                let _ = timeout(LINGER, &mut *pump).await;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Fails when nobody of the group is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// The end of a stream.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let over = self.0.len().saturating_sub(TAIL);
        self.0.drain(..over);
    }
}

fn text(tail: &Mutex<Tail>) -> String {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(tail.0.make_contiguous()).into_owned();
    text.trim_start_matches(char::REPLACEMENT_CHARACTER).trim_end().to_owned()
}

/// Takes in a stream line by line, and shows it under the task's name.
async fn pump(
    stream: Option<impl AsyncRead + Unpin>,
    tail: Arc<Mutex<Tail>>,
    last: Option<watch::Sender<String>>,
    label: String,
) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is passed on in pieces.
        let mut limited = tokio::io::AsyncReadExt::take(&mut reader, TAIL as u64);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return tracing::warn!(%error, "the program's output cannot be read"),
        }
        tail.lock().unwrap_or_else(PoisonError::into_inner).add(&line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        eprintln!("{label} | {text}");
        if let Some(last) = &last
            && !text.is_empty()
        {
            last.send_replace(text.get(..text.floor_char_boundary(MAX_LINE)).unwrap_or_default().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_output_is_kept_and_is_text() {
        let tail = Mutex::new(Tail::default());
        tail.lock().unwrap().add("ä".repeat(TAIL).as_bytes());
        tail.lock().unwrap().add(b"x\n");
        let text = text(&tail);
        assert!(text.len() <= TAIL && text.ends_with("äx") && text.starts_with('ä'), "{}", text.len());
    }
}
