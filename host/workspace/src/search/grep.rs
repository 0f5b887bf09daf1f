//! Finding text in files.

use std::time::Instant;

use grep_matcher::LineTerminator;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{
    BinaryDetection, MmapChoice, Searcher, SearcherBuilder, Sink, SinkContext, SinkFinish, SinkMatch,
};
use longhouse_core::ProjectPath;

use super::{Walk, WalkOptions};
use crate::{Entry, Follow, Kind, View, WorkspaceError};

/// The most bytes of a line that are told.
const MAX_LINE: usize = 2_000;

/// The most bytes that a compiled expression may take: 10 MiB, ripgrep's default being ten times that.
const MAX_REGEX: usize = 10 << 20;

/// How an expression is read: in the syntax of the `regex` crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegexOptions {
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// It is a text, not an expression.
    pub fixed: bool,
    /// Only whole words match.
    pub word: bool,
    /// A match may go over lines, and `.` matches their ends.
    pub multiline: bool,
}

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRegex(String);

/// An expression to search for.
#[derive(Debug, Clone)]
pub struct Grep {
    matcher: RegexMatcher,
    multiline: bool,
}

/// How much of what is found is told.
#[derive(Debug, Clone)]
pub struct GrepOptions {
    /// Which files are searched.
    pub walk: WalkOptions,
    /// Lines before and after each match.
    pub context: (usize, usize),
    /// Whether lines are told, or files and how many lines of each match alone.
    pub lines: bool,
    /// At most so many lines that match are told, or files.
    pub limit: usize,
    /// Nothing more is searched from then on.
    pub deadline: Instant,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// By path.
    pub files: Vec<FileMatches>,
    /// There may be more: too much was found, or the time was over.
    pub is_partial: bool,
    /// The last file that was looked at: one goes on behind it.
    pub last: Option<ProjectPath>,
}

/// The lines of one file that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMatches {
    /// Where it lies.
    pub path: ProjectPath,
    /// Those lines, and those around them.
    pub lines: Vec<Line>,
    /// How many matched.
    pub count: u64,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Without its end; what is no UTF-8 is replaced, and what is longer than 2,000 bytes cut.
    pub text: String,
    /// Whether it is cut.
    pub is_cut: bool,
    /// Whether it matches, or is only near.
    pub is_match: bool,
}

impl Grep {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn new(expression: &str, options: RegexOptions) -> Result<Self, InvalidRegex> {
        let RegexOptions { ignore_case, fixed, word, multiline } = options;
        let mut builder = RegexMatcherBuilder::new();
        builder.case_insensitive(ignore_case).fixed_strings(fixed).word(word).size_limit(MAX_REGEX);
        builder.multi_line(true);
        if multiline {
            builder.dot_matches_new_line(true);
        } else {
            builder.line_terminator(Some(b'\n'));
        }
        let matcher = builder.build(expression).map_err(|error| InvalidRegex(error.to_string()))?;
        Ok(Self { matcher, multiline })
    }

    fn searcher(&self, context: (usize, usize)) -> Searcher {
        SearcherBuilder::new()
            .line_number(true)
            .line_terminator(LineTerminator::byte(b'\n'))
            .before_context(context.0)
            .after_context(context.1)
            .multi_line(self.multiline)
            .binary_detection(BinaryDetection::quit(0))
            // A file that shrinks while it is mapped ends the process.
            .memory_map(MmapChoice::never())
            .build()
    }
}

impl View {
    /// Searches the file or all files beneath the directory `path`. Binary files, those that may not be read, and those
    /// that vanish meanwhile are passed over.
    ///
    /// # Errors
    /// When there is nothing at `path`.
    pub fn grep(
        &self,
        path: &ProjectPath,
        grep: &Grep,
        options: GrepOptions,
    ) -> Result<Found, WorkspaceError> {
        let GrepOptions { walk, context, lines, limit, deadline } = options;
        let mut searcher = grep.searcher(if lines { context } else { (0, 0) });
        let mut found = Found::default();
        let mut left = limit;
        for Entry { path, .. } in self.files(path, walk)? {
            if left == 0 || Instant::now() >= deadline {
                found.is_partial = true;
                break;
            }
            found.last = Some(path.clone());
            let most = if lines { left } else { usize::MAX };
            let Ok(opened) = self.read_file(&path) else { continue };
            let mut matches = Matches { lines: Vec::new(), count: 0, most, keep: lines, is_binary: false };
            let searched = searcher.search_file(&grep.matcher, &opened.file, &mut matches);
            if searched.is_err() || matches.is_binary || matches.count == 0 {
                continue;
            }
            let Matches { lines: found_lines, count, .. } = matches;
            left -= if lines { usize::try_from(count).unwrap_or(left).min(left) } else { 1 };
            found.files.push(FileMatches { path, lines: found_lines, count });
            if lines && left == 0 {
                // There may be more in this very file.
                found.is_partial = true;
                break;
            }
        }
        Ok(found)
    }

    /// The file `path`, or every file beneath the directory, as the options say.
    ///
    /// # Errors
    /// When there is nothing at `path`.
    pub fn files(
        &self,
        path: &ProjectPath,
        mut options: WalkOptions,
    ) -> Result<Box<dyn Iterator<Item = Entry>>, WorkspaceError> {
        let found = self.find(path, Follow::Last)?;
        if found.path != *path {
            // What is found has the paths of where the link leads.
            options.selection = options.selection.moved(found.path.clone());
        }
        Ok(match found.stat.kind {
            Kind::Directory => Box::new(Walk::new(self, &found.path, options)),
            Kind::File | Kind::Link => {
                Box::new(std::iter::once(Entry { path: found.path, stat: found.stat }))
            }
        })
    }
}

/// What is found in one file.
struct Matches {
    lines: Vec<Line>,
    count: u64,
    most: usize,
    keep: bool,
    is_binary: bool,
}

impl Matches {
    fn keep(&mut self, number: Option<u64>, bytes: &[u8], is_match: bool) {
        if !self.keep {
            return;
        }
        for (index, line) in
            (0..).zip(bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n'))
        {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_cut = line.len() > MAX_LINE;
            let text = String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or(line)).into_owned();
            self.lines.push(Line { number: number.unwrap_or_default() + index, text, is_cut, is_match });
        }
    }
}

impl Sink for Matches {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, Self::Error> {
        self.count += 1;
        self.keep(found.line_number(), found.bytes(), true);
        Ok(usize::try_from(self.count).is_ok_and(|count| count < self.most))
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> Result<bool, Self::Error> {
        self.keep(context.line_number(), context.bytes(), false);
        Ok(true)
    }

    fn finish(&mut self, _: &Searcher, finish: &SinkFinish) -> Result<(), Self::Error> {
        self.is_binary = finish.binary_byte_offset().is_some();
        Ok(())
    }
}
