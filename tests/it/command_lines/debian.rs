//! A line as bash runs it with Debian's tools.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ran::{self, Complaint, Ran};
use super::tree;

/// bash, and where it finds its tools.
pub(crate) struct Debian {
    /// ripgrep as the guests have it, before that of the distribution.
    pub(crate) ripgrep: PathBuf,
    /// Where projects and temporary files lie.
    pub(crate) scratch: PathBuf,
}

impl Debian {
    /// Runs a line in a fresh project, which is `root` for nobody but it: that name is left out of what is compared.
    ///
    /// # Errors
    /// When bash cannot be started, or the project cannot be written and read.
    pub(crate) fn run(&self, line: &str, name: &str) -> io::Result<Ran> {
        let project = self.scratch.join(name);
        tree::write(&project)?;
        let output = self.bash(line, &project).output()?;
        let prefix = self.scratch.display().to_string();
        let without = |bytes: &[u8]| ran::shown(bytes).replace(&prefix, "");
        let code = output.status.code().and_then(|code| u8::try_from(code).ok());
        Ok(Ran {
            stdout: without(&output.stdout),
            ended: code.ok_or_else(|| output.status.to_string()),
            stderr: Complaint(without(&output.stderr)),
            files: ran::files(&project, &prefix)?,
        })
    }

    /// Which of these commands there are not.
    ///
    /// # Errors
    /// When bash cannot be started.
    pub(crate) fn lacks(&self, question: &str) -> io::Result<String> {
        let output = self.bash(question, &self.scratch).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn bash(&self, line: &str, directory: &Path) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.ripgrep.display());
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", line])
            .env_clear()
            .envs([("PATH", &*path), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
            .env("HOME", directory)
            .env("TMPDIR", &self.scratch)
            .current_dir(directory)
            .stdin(Stdio::null());
        command
    }
}
