//! `/fs/glob` and `/fs/grep`

use std::time::{Duration, Instant};

use axum::Json;
use longhouse_core::ProjectPath;
use longhouse_workspace::{
    FileMatches, Found, Grep, GrepOptions, Line, RegexOptions, Selection, WalkOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{JsonBody, project_path};
use super::files::entry;
use crate::app::files;

/// Files in one answer to `/fs/glob`.
const FILES: usize = 1_000;
const MOST_FILES: usize = 10_000;

/// Lines, or files, in one answer to `/fs/grep`.
const FOUND: usize = 250;
const MOST_FOUND: usize = 10_000;

/// Lines on either side of a match.
const MOST_CONTEXT: usize = 100;

/// How long one search may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GlobForm {
    pattern: Globs,
    #[serde(default)]
    path: String,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    ignored: bool,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrepForm {
    pattern: String,
    #[serde(default)]
    path: String,
    glob: Option<Globs>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    ignored: bool,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    fixed: bool,
    #[serde(default)]
    word: bool,
    #[serde(default)]
    multiline: bool,
    #[serde(default)]
    output_mode: OutputMode,
    context: Option<usize>,
    before_context: Option<usize>,
    after_context: Option<usize>,
    limit: Option<usize>,
    after: Option<String>,
}

/// What is told of what is found.
#[derive(Debug, Clone, Copy, Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum OutputMode {
    /// Lines.
    #[default]
    Content,
    /// Files.
    Files,
    /// Files, and how many lines of each match.
    Count,
}

/// A glob, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a glob, or a list of globs")]
enum Globs {
    One(String),
    Several(Vec<String>),
}

/// `POST /fs/glob`
pub(super) async fn glob(
    Caller { project, agent, .. }: Caller,
    JsonBody(form): JsonBody<GlobForm>,
) -> Result<Json<Value>, ApiError> {
    let GlobForm { pattern, path, hidden, ignored, limit, after } = form;
    let path = project_path("path", &path)?;
    let selection = selection("pattern", &path, Some(&pattern))?;
    let options = WalkOptions { hidden, ignored, links: false, after: cursor(after)?, selection };
    let limit = bounded("limit", limit, FILES, MOST_FILES)?;
    let listing = files::glob(&project, &agent, path, options, limit).await?;
    let next = listing.entries.last().filter(|_| listing.more).map(|entry| entry.path.as_str());
    Ok(Json(json!({ "entries": listing.entries.iter().map(entry).collect::<Vec<_>>(), "next": next })))
}

/// `POST /fs/grep`
pub(super) async fn grep(
    Caller { project, agent, .. }: Caller,
    JsonBody(form): JsonBody<GrepForm>,
) -> Result<Json<Value>, ApiError> {
    let path = project_path("path", &form.path)?;
    let regex = RegexOptions {
        ignore_case: form.ignore_case,
        fixed: form.fixed,
        word: form.word,
        multiline: form.multiline,
    };
    let grep = Grep::new(&form.pattern, regex).map_err(|error| ApiError::invalid("pattern", error))?;
    let mode = form.output_mode;
    let options = form.options(&path)?;
    let found = files::grep(&project, &agent, path, grep, options).await?;
    Ok(Json(body(&found, mode)))
}

impl GrepForm {
    fn options(self, path: &ProjectPath) -> Result<GrepOptions, ApiError> {
        let around = |field, own: Option<usize>| bounded_from(field, own.or(self.context), 0, MOST_CONTEXT);
        let selection = selection("glob", path, self.glob.as_ref())?;
        Ok(GrepOptions {
            context: (
                around("before_context", self.before_context)?,
                around("after_context", self.after_context)?,
            ),
            lines: self.output_mode == OutputMode::Content,
            limit: bounded("limit", self.limit, FOUND, MOST_FOUND)?,
            deadline: Instant::now() + PATIENCE,
            walk: WalkOptions {
                hidden: self.hidden,
                ignored: self.ignored,
                links: false,
                after: cursor(self.after)?,
                selection,
            },
        })
    }
}

fn body(found: &Found, mode: OutputMode) -> Value {
    let file = |file: &FileMatches| match mode {
        OutputMode::Content => {
            json!({ "path": file.path, "lines": file.lines.iter().map(LineBody::of).collect::<Vec<_>>() })
        }
        OutputMode::Files => json!(file.path),
        OutputMode::Count => json!({ "path": file.path, "count": file.count }),
    };
    let next = found.last.as_ref().filter(|_| found.is_partial);
    json!({
        "files": found.files.iter().map(file).collect::<Vec<_>>(),
        "truncated": found.is_partial,
        "next": next,
    })
}

/// A line as it is told.
#[derive(Serialize)]
struct LineBody<'a> {
    line: u64,
    text: &'a str,
    #[serde(rename = "match")]
    is_match: bool,
    #[serde(rename = "cut", skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

impl<'a> LineBody<'a> {
    fn of(line: &'a Line) -> Self {
        Self { line: line.number, text: &line.text, is_match: line.is_match, is_cut: line.is_cut }
    }
}

fn selection(field: &str, base: &ProjectPath, globs: Option<&Globs>) -> Result<Selection, ApiError> {
    let globs = match globs {
        None => &[][..],
        Some(Globs::One(glob)) => std::slice::from_ref(glob),
        Some(Globs::Several(globs)) => globs,
    };
    Selection::new(base.clone(), globs.iter().map(String::as_str))
        .map_err(|(glob, invalid)| ApiError::invalid(field, format!("{glob:?}: {invalid}")))
}

fn cursor(after: Option<String>) -> Result<Option<ProjectPath>, ApiError> {
    after.map(|after| project_path("after", &after)).transpose()
}

fn bounded(field: &str, asked: Option<usize>, default: usize, most: usize) -> Result<usize, ApiError> {
    match asked {
        Some(0) => Err(ApiError::invalid(field, format!("from 1 to {most}"))),
        asked => bounded_from(field, asked, default, most),
    }
}

fn bounded_from(field: &str, asked: Option<usize>, default: usize, most: usize) -> Result<usize, ApiError> {
    match asked.unwrap_or(default) {
        asked if asked > most => Err(ApiError::invalid(field, format!("at most {most}"))),
        asked => Ok(asked),
    }
}
