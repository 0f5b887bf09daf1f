use std::any::Any;
use std::io;
use std::sync::Arc;

/// Everything that a script reaches outside itself.
///
/// One `Machine` serves one script, from several threads at once: every stage of a pipeline has a thread. Paths are text
/// with `/` between names; `cwd` is always absolute, a `path` is as the script wrote it, to be resolved against `cwd`.
///
/// - Only what is asked for here happens: the shell keeps no file open by itself and knows no clock.
/// - Calls may block. What blocks has to return soon after [`Machine::stop`] turns true: a read, write or run that waits
///   then ends with an error or a status.
/// - A [`Source`] or [`Sink`] that [`Machine::open`] gave is handed back by the same `Arc` in a [`Program`] whose
///   standard streams are redirected there; `(source as &dyn Any).downcast_ref()` recognises it.
pub trait Machine: Sync {
    /// What the command `name` is; one with a `/` is a path. Asked before every external command, and by `type` and
    /// `command -v`.
    fn find(&self, cwd: &str, name: &str) -> Found;

    /// Runs a program to its end, on the calling thread, and says its exit status (0 to 255).
    ///
    /// The streams are let go of when the call returns; a pipe ends for its reader when the last holder lets go. A write
    /// to a pipe that nobody reads is `io::ErrorKind::BrokenPipe`, upon which the program should end.
    fn run(&self, program: Program) -> i32;

    /// Opens a file for a redirection.
    ///
    /// # Errors
    ///
    /// Why not; what the script sees on standard error is `PATH: ` and the error's text.
    fn open(&self, cwd: &str, path: &str, how: Open) -> Result<Opened, FileError>;

    /// The names in a directory, without `.` and `..`, in any order. For pathname expansion, which takes an error for an
    /// empty directory.
    ///
    /// # Errors
    ///
    /// Why not.
    fn list(&self, cwd: &str, path: &str) -> Result<Vec<String>, FileError>;

    /// What lies at a path, links followed; `None` where nothing does or nothing may be seen.
    fn stat(&self, cwd: &str, path: &str) -> Option<Stat>;

    /// Whether a path is a symbolic link itself, for `-L` and `-h`.
    fn is_link(&self, cwd: &str, path: &str) -> bool;

    /// Whether the script has to end now. Asked before every command and every iteration of a loop.
    fn stop(&self) -> bool;

    /// A pipe between two stages that holds at most `capacity` bytes. As provided, within this process: a writer waits
    /// while it is full, a reader while it is empty.
    fn pipe(&self, capacity: usize) -> io::Result<(Arc<dyn Sink>, Arc<dyn Source>)> {
        Ok(crate::pipe::pipe(capacity))
    }
}

/// What a name is as a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It can be run; where it lies, as `command -v` shows it.
    Program(String),
    /// It exists and must not be run: status 126.
    Denied,
    /// There is no such command: status 127. With the name of one that may have been meant.
    Unknown(Option<String>),
}

/// A program to run.
pub struct Program {
    /// The name as the script has it, and its arguments.
    pub argv: Vec<String>,
    /// The exported variables and those assigned before the command, sorted by name.
    pub environment: Vec<(String, String)>,
    /// Absolute.
    pub cwd: String,
    /// `None` if closed with `<&-`.
    pub stdin: Option<Arc<dyn Source>>,
    /// `None` if closed with `>&-`.
    pub stdout: Option<Arc<dyn Sink>>,
    /// `None` if closed with `2>&-`.
    pub stderr: Option<Arc<dyn Sink>>,
}

/// What a redirection opens a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// `<`: it has to exist.
    Read,
    /// `>`: made or emptied.
    Truncate,
    /// `>>`: made if it is missing; every write goes to its end.
    Append,
    /// `<>`: made if it is missing, neither emptied.
    ReadWrite,
}

/// A file that was opened: what it was opened for is there.
#[derive(Clone, Default)]
pub struct Opened {
    /// To read from.
    pub source: Option<Arc<dyn Source>>,
    /// To write to.
    pub sink: Option<Arc<dyn Sink>>,
}

/// Where bytes come from. Those who share it share its position.
pub trait Source: Any + Send + Sync {
    /// Fills some of `into`, at least one byte, waiting for it; 0 at the end.
    ///
    /// # Errors
    ///
    /// What the file or pipe says.
    fn read(&self, into: &mut [u8]) -> io::Result<usize>;
}

/// Where bytes go. Those who share it share its position.
pub trait Sink: Any + Send + Sync {
    /// Writes all of `bytes`, waiting for room.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nobody can read them any more, or what the file says.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
}

/// Why a file cannot be used, in bash's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing lies there.
    #[error("No such file or directory")]
    NotFound,
    /// Not for this script.
    #[error("Permission denied")]
    Denied,
    /// A directory, opened to write.
    #[error("Is a directory")]
    IsDirectory,
    /// A name on the way is no directory.
    #[error("Not a directory")]
    NotDirectory,
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File or directory.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// This script may read it.
    pub readable: bool,
    /// This script may write it.
    pub writable: bool,
    /// This script may run it, or enter it.
    pub executable: bool,
    /// Time of the last change, in nanoseconds of any clock; only compared, by `-nt` and `-ot`.
    pub modified_ns: u128,
}

/// The kinds that tests tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Neither.
    Other,
}
