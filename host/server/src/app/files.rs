//! Reading the project's files.

use std::fs::File;

use longhouse_core::{Agent, ProjectPath, Version};
use longhouse_workspace::{
    Entry, Follow, Found, Grep, GrepOptions, ListOptions, Listing, View, WalkOptions, WorkspaceError,
};

use super::{AppError, Project};

/// The longest file that is read at once, in bytes.
const AT_ONCE: usize = 256 << 10;

/// A file to be served.
#[derive(Debug)]
pub struct Served {
    /// Which version it is.
    pub version: Version,
    /// What it holds.
    pub content: Content,
}

/// The content of a file.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// The open file, when it is long, and its size in bytes.
    File(File, u64),
}

/// Reads a regular file.
///
/// # Errors
/// When there is none that can be reached, or it may not be read.
pub async fn read(project: &Project, agent: &Agent, path: ProjectPath) -> Result<Served, AppError> {
    on(project, agent, path, |view, path| {
        let opened = view.read_file(path)?;
        if let Some((bytes, version)) = opened.content(AT_ONCE)? {
            return Ok(Served { version, content: Content::Bytes(bytes) });
        }
        let version = view.version(&opened)?;
        Ok(Served { version, content: Content::File(opened.file, opened.stat.size) })
    })
    .await
}

/// The longest file of which lines are read, in bytes.
pub const MAX_TEXT: usize = 4 << 20;

/// Some lines of a file.
#[derive(Debug)]
pub struct Lines {
    /// Which version they are of.
    pub version: Version,
    /// The size of the file, in bytes.
    pub size: usize,
    /// The number of the first, from 1.
    pub first: usize,
    /// How many they are.
    pub count: usize,
    /// How many the file has.
    pub total: usize,
    /// Whether something of the file is missing behind them.
    pub is_truncated: bool,
    /// Their text with their ends; of a file that is no UTF-8, its first bytes.
    pub text: Result<String, Vec<u8>>,
}

/// Reads lines of a file: at most `count`, from number `first` on, and no more than `most` bytes, a longer line cut.
///
/// # Errors
/// When there is no such file, it may not be read, or is longer than [`MAX_TEXT`].
pub async fn lines(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    (first, count): (usize, usize),
    most: usize,
) -> Result<Lines, AppError> {
    let read = on(project, agent, path.clone(), |view, path| view.read_file(path)?.content(MAX_TEXT)).await?;
    let (content, version) = read.ok_or(AppError::TooLong { path, most: MAX_TEXT })?;
    let size = content.len();
    match String::from_utf8(content) {
        Ok(content) => Ok(some_lines(&content, version, (first, count), most)),
        Err(error) => {
            let mut bytes = error.into_bytes();
            let is_truncated = bytes.len() > most;
            bytes.truncate(most);
            Ok(Lines { version, size, first: 1, count: 0, total: 0, is_truncated, text: Err(bytes) })
        }
    }
}

fn some_lines(content: &str, version: Version, (first, count): (usize, usize), most: usize) -> Lines {
    let mut text = String::new();
    let (mut taken, mut total, mut is_truncated) = (0, 0, false);
    for line in content.split_inclusive('\n') {
        total += 1;
        let is_wanted = total >= first && taken < count && (taken == 0 || text.len() + line.len() <= most);
        if is_wanted && total == first + taken {
            let fitting = line.get(..line.floor_char_boundary(most)).unwrap_or(line);
            text.push_str(fitting);
            taken += 1;
            is_truncated |= fitting.len() < line.len();
        } else if total >= first {
            is_truncated = true;
        }
    }
    Lines { version, size: content.len(), first, count: taken, total, is_truncated, text: Ok(text) }
}

/// Lists a directory.
///
/// # Errors
/// When there is none that can be reached.
pub async fn list(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    options: ListOptions,
) -> Result<Listing, AppError> {
    on(project, agent, path, move |view, path| view.list(path, &options)).await
}

/// What a path is; a link as its last component is followed.
///
/// # Errors
/// When there is nothing that can be reached.
pub async fn stat(project: &Project, agent: &Agent, path: ProjectPath) -> Result<Entry, AppError> {
    on(project, agent, path, |view, path| {
        Ok(Entry { path: path.clone(), stat: view.stat(path, Follow::Last)? })
    })
    .await
}

/// Files beneath a path, in the order of a listing, at most `limit`; and whether there are more.
///
/// # Errors
/// When there is nothing at the path.
pub async fn glob(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    options: WalkOptions,
    limit: usize,
) -> Result<Listing, AppError> {
    on(project, agent, path, move |view, path| {
        let mut files = view.files(path, options)?;
        let entries = files.by_ref().take(limit).collect();
        Ok(Listing { entries, more: files.next().is_some() })
    })
    .await
}

/// Searches the files beneath a path.
///
/// # Errors
/// When there is nothing at the path.
pub async fn grep(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    grep: Grep,
    options: GrepOptions,
) -> Result<Found, AppError> {
    on(project, agent, path, move |view, path| view.grep(path, &grep, options)).await
}

/// Works on a path where blocking is allowed.
async fn on<T: Send + 'static>(
    project: &Project,
    agent: &Agent,
    path: ProjectPath,
    work: impl FnOnce(&View, &ProjectPath) -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, AppError> {
    let view = project.view_of(agent);
    let done = tokio::task::spawn_blocking(move || {
        work(&view, &path).map_err(|source| AppError::Path { path, source })
    });
    done.await.map_err(|_| AppError::CutOff)?
}
