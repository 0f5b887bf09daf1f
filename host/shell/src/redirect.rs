//! Redirections.

use std::sync::Arc;

use crate::machine::{Open, Opened};
use crate::pipe::Memory;
use crate::shell::{Run, Shell};
use crate::syntax::ast::{Redirect, Target, Word};

/// The highest file descriptor a script may use.
const FILES: u32 = 63;

impl Shell<'_> {
    /// Runs something with redirections, which last no longer; `None` if one of them failed, after saying so.
    pub(crate) fn redirected(
        &mut self,
        redirects: &[Redirect],
        run: impl FnOnce(&mut Self) -> Run<i32>,
    ) -> Run<Option<i32>> {
        if redirects.is_empty() {
            return run(self).map(Some);
        }
        let before = self.files.clone();
        let mut ready = Ok(true);
        for redirect in redirects {
            ready = self.redirect(redirect);
            if !matches!(ready, Ok(true)) {
                break;
            }
        }
        let ran = match ready {
            Ok(true) => run(self).map(Some),
            Ok(false) => Ok(None),
            Err(interrupt) => Err(interrupt),
        };
        self.files = before;
        ran
    }

    /// `$(< FILE)`: what the file holds goes to standard output.
    pub(crate) fn copy_out(&mut self, redirect: &Redirect) -> Run<i32> {
        let redirects = std::slice::from_ref(redirect);
        let copied = self.redirected(redirects, |shell| {
            let file = |fd| shell.files.get(&fd).cloned().unwrap_or_default();
            let (Some(source), Some(sink)) = (file(0).source, file(1).sink) else { return Ok(1) };
            let mut buffer = [0; 4096];
            loop {
                shell.tick()?;
                match source.read(&mut buffer) {
                    Ok(0) => return Ok(0),
                    Ok(count) => {
                        // More than the limit, which whoever captures finds out.
                        if sink.write(buffer.get(..count).unwrap_or_default()).is_err() {
                            return Ok(1);
                        }
                    }
                    Err(error) => {
                        shell.complain(&format!("read error: {error}"));
                        return Ok(1);
                    }
                }
            }
        })?;
        Ok(copied.unwrap_or(1))
    }

    fn redirect(&mut self, redirect: &Redirect) -> Run<bool> {
        let fd = |default: u32| redirect.fd.unwrap_or(default);
        if redirect.fd.is_some_and(|fd| fd > FILES) {
            self.complain(&format!("{}: Bad file descriptor", fd(0)));
            return Ok(false);
        }
        match &redirect.to {
            Target::File(how, word) => {
                let default = match how {
                    Open::Read | Open::ReadWrite => 0,
                    Open::Truncate | Open::Append => 1,
                };
                let Some(opened) = self.open(*how, word)? else { return Ok(false) };
                self.files.insert(fd(default), opened);
            }
            Target::Both(how, word) => {
                let Some(opened) = self.open(*how, word)? else { return Ok(false) };
                self.files.insert(1, opened.clone());
                self.files.insert(2, opened);
            }
            Target::Duplicate { default, word } => {
                let from = self.text(word)?;
                if from == "-" {
                    self.files.remove(&fd(*default));
                    return Ok(true);
                }
                let opened = from.parse().ok().and_then(|from: u32| self.files.get(&from).cloned());
                let Some(opened) = opened.filter(|file| file.source.is_some() || file.sink.is_some()) else {
                    self.complain(&format!("{from}: Bad file descriptor"));
                    return Ok(false);
                };
                self.files.insert(fd(*default), opened);
            }
            Target::Here(word) => {
                let text = self.text(word)?;
                self.files.insert(fd(0), memory(text));
            }
            Target::HereString(word) => {
                let text = self.text(word)?;
                self.files.insert(fd(0), memory(text + "\n"));
            }
        }
        Ok(true)
    }

    fn open(&mut self, how: Open, word: &Word) -> Run<Option<Opened>> {
        let names = self.fields(std::slice::from_ref(word))?;
        let [path] = names.as_slice() else {
            let text = names.join(" ");
            self.complain(&format!("{text}: ambiguous redirect"));
            return Ok(None);
        };
        if path == "/dev/null" {
            return Ok(Some(null()));
        }
        match self.machine.open(&self.cwd, path, how) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) => {
                self.complain(&format!("{path}: {error}"));
                Ok(None)
            }
        }
    }
}

fn memory(text: String) -> Opened {
    Opened { source: Some(Arc::new(Memory::new(text.into_bytes()))), sink: None }
}

/// `/dev/null`, which needs no machine.
fn null() -> Opened {
    Opened { source: Some(Arc::new(Memory::new(Vec::new()))), sink: Some(Arc::new(Null)) }
}

struct Null;

impl crate::machine::Sink for Null {
    fn write(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}
