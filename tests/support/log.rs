//! What a server logs.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A server's log, read as it is written.
pub(crate) struct Log {
    shared: Arc<(Mutex<Written>, Condvar)>,
}

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads to the end, on a thread of its own.
    pub(crate) fn follow(stderr: ChildStderr) -> Self {
        let shared: Arc<(Mutex<Written>, Condvar)> = Arc::default();
        let log = Self { shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            let (written, grown) = &*shared;
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lock().expect("no panic under it").lines.push(line);
                grown.notify_all();
            }
            written.lock().expect("no panic under it").ended = true;
            grown.notify_all();
        });
        log
    }

    /// Everything, once the server has ended.
    pub(crate) fn text(&self) -> String {
        let (written, grown) = &*self.shared;
        let written = written.lock().expect("no panic under it");
        let written = grown.wait_while(written, |written| !written.ended).expect("no panic under it");
        written.lines.join("\n")
    }

    /// How many lines contain `text` so far.
    pub(crate) fn count(&self, text: &str) -> usize {
        count(&self.shared.0.lock().expect("no panic under it"), text)
    }

    /// Waits until more than `before` lines contain `text`.
    pub(crate) fn wait_for_more(&self, text: &str, before: usize) {
        let (written, grown) = &*self.shared;
        let written = written.lock().expect("no panic under it");
        let waiting = |written: &mut Written| count(written, text) <= before && !written.ended;
        let patience = Duration::from_secs(60);
        let (written, _) = grown.wait_timeout_while(written, patience, waiting).expect("no panic under it");
        assert!(count(&written, text) > before, "the log never said {text:?}");
    }
}

fn count(written: &Written, text: &str) -> usize {
    written.lines.iter().filter(|line| line.contains(text)).count()
}
