//! `.longhouse/`: what the server keeps inside a project, and where.

#![expect(
    clippy::disallowed_methods,
    reason = "the private directory holds the server's files, not the project's"
)]

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use longhouse_core::PRIVATE_DIR;

/// The directory of policies within it.
const POLICIES: &str = "policies";

/// Something of a policy that is kept.
#[derive(Debug, Clone, Copy)]
pub enum Kept<'a> {
    /// The component of this hash.
    Component(&'a str),
    /// What is known of this version.
    Version(&'a str),
}

impl Kept<'_> {
    fn name(self) -> String {
        // Whatever it is called, it lies in the directory.
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        match self {
            Self::Component(hash) => format!("{}.wasm", plain(hash)),
            Self::Version(version) => format!("{}.json", plain(version)),
        }
    }
}

/// The private directory of a project.
#[derive(Debug, Clone)]
pub struct Home {
    project: PathBuf,
    dir: PathBuf,
}

impl Home {
    /// The private directory of the project at `project`, whether it exists or not.
    ///
    /// # Errors
    /// When `project` is no directory that can be reached.
    pub fn of(project: &Path) -> io::Result<Self> {
        let project = project.canonicalize()?;
        let dir = project.join(PRIVATE_DIR);
        Ok(Self { project, dir })
    }

    /// Makes the directory, readable by nobody else and ignored by git.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        std::fs::set_permissions(&self.dir, Permissions::from_mode(0o700))?;
        self.write_if_missing(".gitignore", "*\n")
    }

    /// Writes a file that only its owner can read, unless there is one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_if_missing(&self, name: &str, content: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => file.write_all(content.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The content of the configuration file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_config(&self) -> io::Result<String> {
        std::fs::read_to_string(self.config())
    }

    /// Makes way for a new control socket.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_stale_socket(&self) -> io::Result<()> {
        match std::fs::remove_file(self.control_socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Lets only the owner use the control socket.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn protect_socket(&self) -> io::Result<()> {
        std::fs::set_permissions(self.control_socket(), Permissions::from_mode(0o600))
    }

    /// Keeps something of a policy for good: it is written to the disk before it has its name.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep(&self, kept: Kept<'_>, content: &[u8]) -> io::Result<()> {
        let dir = self.dir.join(POLICIES);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let mut unfinished = tempfile::NamedTempFile::new_in(&dir)?;
        unfinished.write_all(content)?;
        unfinished.as_file().sync_all()?;
        unfinished.persist(dir.join(kept.name()))?;
        std::fs::File::open(&dir)?.sync_all()
    }

    /// What was kept of a policy.
    ///
    /// # Errors
    /// When it was not, or cannot be read.
    pub fn kept(&self, kept: Kept<'_>) -> io::Result<Vec<u8>> {
        std::fs::read(self.dir.join(POLICIES).join(kept.name()))
    }

    /// The project.
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.join("longhouse.toml")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.dir.join("longhouse.db")
    }

    /// The socket by which the command line reaches a running server.
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }
}
