//! What files held before and after commits, and how that differs.

use std::sync::Arc;

use longhouse_core::{
    Agent, Change, CommitNumber, EntryName, Operation, PathConflict, ProjectPath, Verb, Version,
};
use longhouse_store::{Reads, StoreError};
use longhouse_workspace::{Conflict, Difference, Expected, Omitted, Past, Spot, View, difference};

use super::files::{Content, Served};
use super::{AppError, Project, publish};

/// How often something may have moved since.
const MOST_MOVES: usize = 100;

/// After about so many bytes of differences no more are told in one answer.
const MOST_TEXT: usize = 4 << 20;

/// Before or after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What it found.
    Base,
    /// What it left.
    New,
}

/// Something that lay at a path once: where it is by now, and which version it is.
#[derive(Debug, Clone)]
pub(super) struct Once {
    path: ProjectPath,
    spot: Spot,
    version: Option<Version>,
}

impl Once {
    /// What a change, which has this place in the journal, found or left at its path.
    fn of(reads: &Reads, at: (CommitNumber, u32), change: &Change, side: Side) -> Result<Self, StoreError> {
        let path = change.path.clone();
        let version = match side {
            Side::Base => change.base,
            Side::New => change.new,
        };
        let spot = match (version, side) {
            (None, _) => Spot::Nothing,
            (Some(_), Side::Base) => kept(change.history.clone(), ProjectPath::root()),
            (Some(_), Side::New) => after(reads, path.clone(), at)?,
        };
        Ok(Self { path, spot, version })
    }

    /// What has this version and lay at the path at some time; nothing, without a version.
    pub(super) fn version(
        reads: &Reads,
        view: &View,
        path: ProjectPath,
        version: Option<Version>,
    ) -> Result<Self, StoreError> {
        let spot = match version {
            None => Spot::Nothing,
            Some(version) if is_there(view, &path, version) => Spot::Project(path.clone()),
            Some(version) => kept(reads.kept(&path, Some(version), 1)?.pop(), ProjectPath::root()),
        };
        Ok(Self { path, spot, version })
    }
}

fn is_there(view: &View, path: &ProjectPath, version: Version) -> bool {
    view.read_file(path).and_then(|opened| view.version(&opened)).is_ok_and(|found| found == version)
}

fn kept(name: Option<EntryName>, beneath: ProjectPath) -> Spot {
    name.map_or(Spot::Lost, |name| Spot::Kept(name, beneath))
}

/// Where that is by now which lay at `path` after a place in the journal.
fn after(reads: &Reads, mut path: ProjectPath, mut at: (CommitNumber, u32)) -> Result<Spot, StoreError> {
    for _ in 0..MOST_MOVES {
        let Some((number, n, change)) = reads.next_change(&path, at)? else { return Ok(Spot::Project(path)) };
        at = (number, n);
        match &change.operation {
            Operation::Move { from } if *from == path || from.is_above(&path) => {
                let Ok(moved) = change.path.join(beneath(from, &path)) else { return Ok(Spot::Lost) };
                path = moved;
            }
            Operation::Put { .. } | Operation::Remove | Operation::Move { .. } | Operation::Found => {
                let rest = ProjectPath::parse(beneath(&change.path, &path)).unwrap_or_default();
                return Ok(kept(change.history, rest));
            }
        }
    }
    Ok(Spot::Lost)
}

/// What is left of `path` beneath `above`.
fn beneath<'a>(above: &ProjectPath, path: &'a ProjectPath) -> &'a str {
    path.as_str().get(above.as_str().len()..).unwrap_or_default().trim_start_matches('/')
}

/// How what lay at one path differs from what lay at another, or at the same later. Whoever asks may read both.
fn differ(project: &Project, view: &View, old: &Once, new: &Once) -> Difference {
    let content = |once: &Once| project.workspace.comparable(view, &once.spot, once.version);
    match (content(old), content(new)) {
        (Ok(Ok(before)), Ok(Ok(now))) => {
            difference((old.path.as_str(), before.as_deref()), (new.path.as_str(), now.as_deref()))
        }
        (Ok(Err(omitted)), _) | (_, Ok(Err(omitted))) => Difference::Omitted(omitted),
        (Err(_), _) | (_, Err(_)) => Difference::Omitted(Omitted::NotKept),
    }
}

/// How each of a commit's changes changed its file. All of them may be read.
///
/// # Errors
/// When the database fails.
pub async fn differences(
    project: &Arc<Project>,
    agent: &Agent,
    number: CommitNumber,
    changes: &[(u32, Change)],
) -> Result<Vec<Difference>, AppError> {
    let asked = changes.to_vec();
    let sides = project.read(move |reads| {
        let sides = |(n, change): &(u32, Change)| {
            let new = Once::of(reads, (number, *n), change, Side::New)?;
            let old = match &change.operation {
                // What is moved is as it was.
                Operation::Move { .. } => new.clone(),
                Operation::Put { .. } | Operation::Remove | Operation::Found => {
                    Once::of(reads, (number, *n), change, Side::Base)?
                }
            };
            Ok((old, new))
        };
        asked.iter().map(sides).collect::<Result<Vec<_>, _>>()
    });
    compare(project, project.view_of(agent), sides.await?).await
}

/// How the first of each pair differs from the second, as far as that fits into one answer.
pub(super) async fn compare(
    project: &Arc<Project>,
    view: View,
    pairs: Vec<(Once, Once)>,
) -> Result<Vec<Difference>, AppError> {
    let project = Arc::clone(project);
    let compared = tokio::task::spawn_blocking(move || {
        let mut left = MOST_TEXT;
        let told = pairs.iter().map(|(old, new)| {
            if left == 0 {
                return Difference::Omitted(Omitted::TooMuch);
            }
            let difference = differ(&project, &view, old, new);
            if let Difference::Text(text) = &difference {
                left = left.saturating_sub(text.len());
            }
            difference
        });
        told.collect()
    });
    compared.await.map_err(|_| AppError::CutOff)
}

/// Something else lies at a path than was expected.
#[derive(Debug)]
pub struct Stale {
    /// Which, what lies there, as far as it may be read, and who changed it last.
    pub conflict: PathConflict,
    /// How that differs from what was expected, if it was said what.
    pub difference: Option<Difference>,
}

/// Tells of a path at which something else lies than was expected, as much as its reader may know.
pub(super) async fn stale(
    project: &Arc<Project>,
    agent: &Agent,
    path: ProjectPath,
    expected: Option<Expected>,
    current: Option<Version>,
) -> Stale {
    let view = project.view_of(agent);
    let conflict = publish::explain(project, &Conflict { path: path.clone(), current }).await;
    let expected = match expected {
        Some(Expected::Version(version)) if view.grants(Verb::Read, &path) => version,
        Some(Expected::Version(_) | Expected::Absent | Expected::Anything) | None => {
            return Stale { conflict, difference: None };
        }
    };
    let seen = view.clone();
    let pair = project.read(move |reads| {
        let of = |version| Once::version(reads, &seen, path.clone(), version);
        Ok((of(Some(expected))?, of(current)?))
    });
    let compared = match pair.await {
        Ok(pair) => compare(project, view, vec![pair]).await,
        Err(error) => Err(error),
    };
    // It is refused all the same.
    let difference = compared.ok().and_then(|mut compared| compared.pop());
    Stale { conflict, difference }
}

/// The content of a file as a commit found it or left it, where that changed it.
///
/// # Errors
/// When the commit did not change it, it may not be read, or is not kept.
pub async fn read(
    project: &Arc<Project>,
    agent: &Agent,
    number: CommitNumber,
    path: ProjectPath,
    side: Side,
) -> Result<Served, AppError> {
    let view = project.view_of(agent);
    let not_kept = AppError::NotKept { path: path.clone() };
    if !view.grants(Verb::Read, &path) {
        return Err(AppError::UnknownCommit(number));
    }
    let wanted = path.clone();
    project.settled().await?;
    let once = project.read(move |reads| {
        let changes = (0..).zip(reads.changes(number, 0, u32::MAX)?);
        let mut changes = changes.filter(|(_, change)| change.path == wanted);
        changes.next().map(|(n, change)| Once::of(reads, (number, n), &change, side)).transpose()
    });
    let once = once.await?.ok_or(AppError::UnknownCommit(number))?;
    let source = Arc::clone(project);
    let opened = tokio::task::spawn_blocking(move || {
        let at = |source| AppError::Path { path: once.path.clone(), source };
        match source.workspace.open_past(&view, &once.spot).map_err(at)? {
            Some(Past::File(file)) => {
                let version = file.version(&view).map_err(at)?;
                Ok(Some((file, version)).filter(|_| once.version == Some(version)))
            }
            Some(Past::Link(_) | Past::Directory(_)) | None => Ok::<_, AppError>(None),
        }
    });
    let (file, version) = opened.await.map_err(|_| AppError::CutOff)??.ok_or(not_kept)?;
    let size = file.size();
    Ok(Served { version, content: Content::File(file.into_file(), size) })
}
