//! From text to a script.
//!
//! `brush-parser` knows the grammar of commands; words are read by [`word`], and [`lower`] makes of both what is run, and
//! refuses the rest. The grammar recurses as deep as its text does, and takes twice as long for some nestings each time
//! they get one deeper. So it runs on a thread with a stack of its own, on text that [`guard`] has looked at.

pub(crate) mod ast;
mod guard;
mod lower;
mod word;

use std::sync::Arc;

use crate::limits::Limits;
use ast::List;

/// A command line that can be run, any number of times.
#[derive(Clone, Debug)]
pub struct Script(pub(crate) Arc<List>);

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct SyntaxError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1; within a command substitution, of the word that it is in.
    pub column: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Not a sentence of bash's grammar.
    #[error("syntax error: {0}")]
    Grammar(String),
    /// bash would run this, and this shell does not.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// Longer or deeper than a script may be.
    #[error("the script is too large: {0}")]
    TooLarge(&'static str),
}

/// Reads a command line, or a script of many lines.
///
/// # Errors
///
/// The first thing in the text that is wrong or not supported.
pub fn parse(text: &str, limits: &Limits) -> Result<Script, SyntaxError> {
    if text.len() > limits.text {
        return Err(Position::START.error(Reason::TooLarge("too many bytes")));
    }
    let worked = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
            let list = list(text, Position::START, Level::Script, 0)?;
            Ok(Script(Arc::new(list)))
        });
        thread.ok().and_then(|thread| thread.join().ok())
    });
    worked.unwrap_or_else(|| Err(Position::START.error(Reason::Grammar("it cannot be read".to_owned()))))
}

/// The grammar takes less than 8 KiB for each opening token, of which [`guard`] lets 4,000 pass.
const STACK: usize = 64 << 20;

/// Substitutions, quotes and compound commands inside one another: what the stack of whoever drops a script holds.
const DEPTH: usize = 100;

/// What is within substitutions is read once for each: a byte in so many of them counts so often. Takes about a second.
const NESTED_BYTES: usize = 8 << 20;

/// Whether a text is the script or stands in it, which makes its positions unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Script,
    Inside,
}

const TOO_DEEP: Reason = Reason::TooLarge("too many commands and substitutions inside one another");

#[derive(Clone, Copy, Debug)]
struct Position {
    line: usize,
    column: usize,
}

impl Position {
    const START: Self = Self { line: 1, column: 1 };

    fn error(self, reason: Reason) -> SyntaxError {
        SyntaxError { line: self.line, column: self.column, reason }
    }

    fn grammar(self, what: impl Into<String>) -> SyntaxError {
        self.error(Reason::Grammar(what.into()))
    }

    fn unsupported(self, what: impl Into<String>) -> SyntaxError {
        self.error(Reason::Unsupported(what.into()))
    }
}

impl From<&brush_parser::SourcePosition> for Position {
    fn from(position: &brush_parser::SourcePosition) -> Self {
        Self { line: position.line, column: position.column }
    }
}

/// The commands of a text that stands at `within`, in `depth` other things.
fn list(text: &str, within: Position, level: Level, depth: usize) -> Result<List, SyntaxError> {
    if depth > DEPTH {
        return Err(within.error(TOO_DEEP));
    }
    if text.len().saturating_mul(depth) > NESTED_BYTES {
        return Err(within.error(Reason::TooLarge("too long for how deep it is in substitutions")));
    }
    let here = |position: Position| if level == Level::Script { position } else { within };
    let options = brush_parser::ParserOptions { enable_extended_globbing: false, ..Default::default() };
    guard::text(text, within)?;
    let tokens = brush_parser::uncached_tokenize_str(text, &options.tokenizer_options())
        .map_err(|error| unclosed(&error, within, here))?;
    let tokens = guard::separate(tokens);
    guard::tokens(&tokens, here)?;
    let program = brush_parser::parse_tokens(&tokens, &options).map_err(|error| match error {
        brush_parser::ParseError::ParsingNear(position) => {
            let near = tokens.iter().find(|token| token.location().start.index >= position.index);
            let near = near.map_or("its end", |token| token.to_str());
            here((&position).into()).grammar(format!("unexpected `{}`", near.replace('\n', "newline")))
        }
        brush_parser::ParseError::ParsingAtEndOfInput => {
            let end = tokens.last().map_or(within, |token| (&*token.location().end).into());
            here(end).grammar("unexpected end of the script")
        }
        brush_parser::ParseError::Tokenizing { inner, position } => {
            unclosed(&inner, position.as_ref().map_or(within, Position::from), here)
        }
    })?;
    lower::Lower::new(within, level, depth).program(program)
}

/// Something that begins and does not end; `near` where the tokenizer does not know where it began.
fn unclosed(
    error: &brush_parser::TokenizerError,
    near: Position,
    here: impl Fn(Position) -> Position,
) -> SyntaxError {
    use brush_parser::TokenizerError as Error;
    let (position, what) = match error {
        Error::UnterminatedSingleQuote(position) => (Some(position), "`'` is not closed".to_owned()),
        Error::UnterminatedAnsiCQuote(position) => (Some(position), "`$'` is not closed".to_owned()),
        Error::UnterminatedDoubleQuote(position) => (Some(position), "`\"` is not closed".to_owned()),
        Error::UnterminatedBackquote(position) => (Some(position), "a backquote is not closed".to_owned()),
        Error::UnterminatedHereDocuments(end, _) => {
            (None, format!("the here-document has no line `{end}` at its end"))
        }
        other => (None, other.to_string()),
    };
    here(position.map_or(near, Position::from)).grammar(what)
}
