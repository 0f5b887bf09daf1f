//! Reading the project's files.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use longhouse_core::{Agent, Authorship, ProjectPath, Version};
use longhouse_workspace::{
    CommitError, Committed, Entry, Expected, Follow, Found, Grep, GrepOptions, ListOptions, Listing, Reader,
    View, WalkOptions, Wish, WorkspaceError,
};

use super::{App, AppError, Project, history, outside};

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
    let reader = project.workspace.reader(&agent.name);
    on(project, agent, path, move |view, path| {
        let opened = view.read_file(path)?;
        if let Some((bytes, version)) = opened.content(AT_ONCE)? {
            reader.served(opened.path, Some(version));
            return Ok(Served { version, content: Content::Bytes(bytes) });
        }
        let version = view.version(&opened)?;
        reader.served(opened.path, Some(version));
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

/// Which lines of which file: at most `count`, from number `first` on.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The file.
    pub path: ProjectPath,
    /// From 1.
    pub first: usize,
    /// How many.
    pub count: usize,
}

/// The most bytes of text of one file, and of all, in one answer; a longer line is cut.
const MOST_OF_ONE: usize = 256 << 10;
const MOST_OF_ALL: usize = 4 << 20;

/// Reads lines of files, all of them as they were at one moment, as far as commits go.
///
/// # Errors
/// When reading is cut off. For each file, when there is none, it may not be read, or is longer than [`MAX_TEXT`].
pub async fn lines(
    project: &Project,
    agent: &Agent,
    wanted: Vec<Wanted>,
) -> Result<Vec<Result<Lines, AppError>>, AppError> {
    let (view, workspace) = (project.view_of(agent), Arc::clone(&project.workspace));
    let reader = workspace.reader(&agent.name);
    let read = tokio::task::spawn_blocking(move || {
        // One file is as it was at one moment by itself.
        let several = wanted.iter().skip(usize::from(wanted.len() == 1));
        let real: Vec<_> = several.map(|wanted| real_path(&view, &wanted.path)).collect();
        let looks_at = |path: &ProjectPath| real.iter().any(|real| real == path || path.is_above(real));
        let whole = |Wanted { path, .. }: &Wanted| {
            whole(&view, &reader, path).map_err(|source| AppError::Path { path: path.clone(), source })
        };
        let contents = workspace.read_whole(looks_at, || wanted.iter().map(whole).collect::<Vec<_>>());
        let mut left = MOST_OF_ALL;
        let lines = contents.into_iter().zip(&wanted).map(|(content, wanted)| {
            let too_long = || AppError::TooLong { path: wanted.path.clone(), most: MAX_TEXT };
            let (content, version) = content?.ok_or_else(too_long)?;
            let lines = some_of(content, version, wanted, left.min(MOST_OF_ONE));
            left = left.saturating_sub(lines.text.as_ref().map_or_else(Vec::len, String::len));
            Ok(lines)
        });
        lines.collect()
    });
    read.await.map_err(|_| AppError::CutOff)
}

/// Where a path leads, if it does.
fn real_path(view: &View, path: &ProjectPath) -> ProjectPath {
    view.real_path(path).unwrap_or_else(|_| path.clone())
}

fn some_of(content: Vec<u8>, version: Version, wanted: &Wanted, most: usize) -> Lines {
    let size = content.len();
    match String::from_utf8(content) {
        Ok(content) => some_lines(&content, version, (wanted.first, wanted.count), most),
        Err(error) => {
            let mut bytes = error.into_bytes();
            let is_truncated = bytes.len() > most;
            bytes.truncate(most);
            Lines { version, size, first: 1, count: 0, total: 0, is_truncated, text: Err(bytes) }
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

/// Searches the files beneath a path, as they were at one moment, as far as commits go.
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
    let workspace = Arc::clone(&project.workspace);
    on(project, agent, path, move |view, path| {
        let real = real_path(view, path);
        let looks_at = |at: &ProjectPath| *at == real || at.is_above(&real) || real.is_above(at);
        workspace.read_whole(looks_at, || view.grep(path, &grep, options.clone()))
    })
    .await
}

/// Some text of a file that is to become another.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Of which file.
    pub path: ProjectPath,
    /// What is looked for.
    pub old: String,
    /// What it becomes.
    pub new: String,
    /// Wherever it is; else it must be in one place.
    pub replace_all: bool,
    /// Which version it is to be.
    pub expected: Option<Version>,
}

/// What an edit did.
#[derive(Debug, Clone)]
pub struct Edited {
    /// To which file.
    pub path: ProjectPath,
    /// In how many places.
    pub replaced: usize,
    /// The number of the first line that is told.
    pub first_line: usize,
    /// The lines around the first place, as they are now.
    pub around: String,
}

/// How often an edit is tried again whose file changed in between.
const TRIES: usize = 5;

/// Edits files, one edit after the other, all of them or none.
///
/// # Errors
/// When a file cannot be read, a text is not in it, or in several places, or why nothing was changed.
pub async fn edit(
    app: &App,
    project: &Arc<Project>,
    agent: &Agent,
    author: &Authorship,
    edits: &[Edit],
) -> Result<(Committed, Vec<Edited>), AppError> {
    for _ in 1..TRIES {
        let (wishes, edited) = edited(project, agent, edits).await?;
        match attempt(app, project, agent, author.clone(), Arc::new(wishes)).await {
            // It changed since it was read: what is looked for may still be there.
            Err(AppError::Commit(CommitError::Stale { .. })) => {}
            done => return Ok((done?, edited)),
        }
    }
    let (wishes, edited) = edited(project, agent, edits).await?;
    Ok((commit(app, project, agent, author.clone(), wishes).await?, edited))
}

/// What edits come to, with the files as they are now.
async fn edited(
    project: &Project,
    agent: &Agent,
    edits: &[Edit],
) -> Result<(Vec<Wish>, Vec<Edited>), AppError> {
    let mut texts: BTreeMap<ProjectPath, (String, Version)> = BTreeMap::new();
    let mut edited = Vec::new();
    for edit in edits {
        let path = &edit.path;
        if !texts.contains_key(path) {
            texts.insert(path.clone(), text(project, agent, path).await?);
        }
        let Some((text, version)) = texts.get_mut(path) else { return Err(AppError::Confused) };
        if edit.expected.is_some_and(|expected| expected != *version) {
            let (path, current) = (path.clone(), Some(*version));
            return Err(CommitError::Stale { path, current }.into());
        }
        let count = text.matches(&edit.old).count();
        if count == 0 || (count > 1 && !edit.replace_all) {
            return Err(AppError::NoSuchText { path: path.clone(), count });
        }
        let at = text.find(&edit.old).unwrap_or_default();
        *text = text.replace(&edit.old, &edit.new);
        let (first_line, around) = around(text, at, edit.new.len());
        edited.push(Edited { path: path.clone(), replaced: count, first_line, around });
    }
    let wish = |(path, (text, version)): (ProjectPath, (String, Version))| Wish::Write {
        path,
        content: text.into_bytes(),
        expected: Expected::Version(version),
        executable: None,
    };
    Ok((texts.into_iter().map(wish).collect(), edited))
}

/// All of a file that is no longer than [`MAX_TEXT`].
fn whole(
    view: &View,
    reader: &Reader,
    path: &ProjectPath,
) -> Result<Option<(Vec<u8>, Version)>, WorkspaceError> {
    let opened = view.read_file(path)?;
    let content = opened.content(MAX_TEXT)?;
    if let Some((_, version)) = &content {
        reader.served(opened.path, Some(*version));
    }
    Ok(content)
}

async fn text(project: &Project, agent: &Agent, path: &ProjectPath) -> Result<(String, Version), AppError> {
    let reader = project.workspace.reader(&agent.name);
    let read = on(project, agent, path.clone(), move |view, path| whole(view, &reader, path)).await?;
    let (content, version) = read.ok_or(AppError::TooLong { path: path.clone(), most: MAX_TEXT })?;
    let content = String::from_utf8(content).map_err(|_| AppError::NoText(path.clone()))?;
    Ok((content, version))
}

/// The lines from three before the byte `at` to three after the byte `at + length`, and the number of the first.
fn around(text: &str, at: usize, length: usize) -> (usize, String) {
    const NEAR: usize = 3;
    let line_of = |byte: usize| text.get(..byte).map_or(0, |before| before.matches('\n').count());
    let first = line_of(at).saturating_sub(NEAR);
    let last = line_of(at + length) + NEAR;
    let lines: String = text.split_inclusive('\n').skip(first).take(last - first + 1).collect();
    (first + 1, lines)
}

/// How long a change waits for others who change the same paths.
const PATIENCE_MS: u64 = 10_000;

/// Makes changes at once, or none of them.
///
/// # Errors
/// Why nothing was changed.
pub async fn commit(
    app: &App,
    project: &Arc<Project>,
    agent: &Agent,
    author: Authorship,
    wishes: Vec<Wish>,
) -> Result<Committed, AppError> {
    let wishes = Arc::new(wishes);
    match attempt(app, project, agent, author, Arc::clone(&wishes)).await {
        Err(AppError::Commit(CommitError::Stale { path, current })) => {
            outside::examine(project, vec![path.clone()]).await;
            let expected = wishes.iter().find_map(|wish| wish.expects_at(&path));
            let stale = history::stale(project, agent, path, expected, current).await;
            Err(AppError::Stale(Box::new(stale)))
        }
        done => done,
    }
}

async fn attempt(
    app: &App,
    project: &Project,
    agent: &Agent,
    author: Authorship,
    wishes: Arc<Vec<Wish>>,
) -> Result<Committed, AppError> {
    let (workspace, view) = (Arc::clone(&project.workspace), project.view_of(agent));
    let until = app.clock.now().plus_millis(PATIENCE_MS);
    let done = tokio::task::spawn_blocking(move || workspace.commit(&view, author, &wishes, Some(until)));
    Ok(done.await.map_err(|_| AppError::CutOff)??)
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
