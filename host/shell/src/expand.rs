//! From words to fields: braces, then tildes, parameters, commands and arithmetic, then splitting, then paths.

use std::sync::Arc;

use crate::arithmetic::{self, Numbers};
use crate::machine::Opened;
use crate::parameter;
use crate::pattern::{Marked, Pattern, Plain};
use crate::pipe::Capture;
use crate::shell::{Ended, Interrupt, Run, Shell};
use crate::syntax::ast::{Change, List, Of, Piece, Word};
use crate::{brace, glob, variables};

/// A part of a word after expansion.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Stood there unquoted: patterns count, and it is not split.
    Bare(String),
    Quoted(String),
    /// Came out of an expansion unquoted: split, and patterns count.
    Loose(String),
    /// Between two of `$@`.
    Break,
}

/// Whether the surroundings are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    Yes,
    No,
}

/// Where tildes are expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tilde {
    Start,
    Colons,
}

impl Shell<'_> {
    /// The fields that the words of a command become.
    pub(crate) fn fields(&mut self, words: &[Word]) -> Run<Vec<String>> {
        let mut fields = Vec::new();
        let mut size = 0;
        let declares = words.first().is_some_and(declares);
        for word in words {
            if declares && assigns(word) {
                fields.push(self.value(word)?);
                size += fields.last().map_or(0, String::len);
                self.too_large(size)?;
                continue;
            }
            let expanded = brace::expand(word, self.limits.expansion);
            let expanded = expanded.map_err(|brace::TooMany| self.shared.end(Ended::Expansion))?;
            for word in expanded {
                let parts = self.parts(&word, Tilde::Start)?;
                for field in self.split(&parts) {
                    let before = fields.len();
                    self.paths(&field, &mut fields)?;
                    size += fields.iter().skip(before).map(|field| field.len() + 1).sum::<usize>();
                    self.too_large(size)?;
                }
            }
        }
        Ok(fields)
    }

    /// The one text that a word becomes where it is neither split nor a pattern.
    pub(crate) fn text(&mut self, word: &Word) -> Run<String> {
        let parts = self.parts(word, Tilde::Start)?;
        Ok(plain(&parts))
    }

    /// The value of an assignment.
    pub(crate) fn value(&mut self, word: &Word) -> Run<String> {
        let parts = self.parts(word, Tilde::Colons)?;
        Ok(plain(&parts))
    }

    /// What a word matches: what is quoted stands for itself.
    pub(crate) fn pattern(&mut self, word: &Word) -> Run<Pattern> {
        Ok(Pattern::new(&self.marked(word)?))
    }

    pub(crate) fn marked(&mut self, word: &Word) -> Run<Vec<Marked>> {
        let parts = self.parts(word, Tilde::Start)?;
        let mut marked = Vec::new();
        for part in &parts {
            match part {
                Part::Bare(text) | Part::Loose(text) => marked.extend(text.chars().map(|c| (c, Plain::No))),
                Part::Quoted(text) => marked.extend(text.chars().map(|c| (c, Plain::Yes))),
                Part::Break => marked.push((' ', Plain::Yes)),
            }
        }
        Ok(marked)
    }

    pub(crate) fn arithmetic(&mut self, word: &Word) -> Run<i64> {
        let text = self.text(word)?;
        self.number(&text)
    }

    /// The value of an arithmetic expression whose expansions are done; what is wrong with it ends the shell.
    pub(crate) fn number(&mut self, text: &str) -> Run<i64> {
        arithmetic::evaluate(text, self).or_else(|error| self.fatal(1, &error))
    }

    fn parts(&mut self, word: &Word, tilde: Tilde) -> Run<Vec<Part>> {
        let mut parts = Vec::new();
        let last = word.0.len().saturating_sub(1);
        let (mut size, mut seen) = (0, 0);
        for (at, piece) in word.0.iter().enumerate() {
            match piece {
                Piece::Bare(text) => self.bare(text, at == 0, at == last, tilde, &mut parts),
                piece => self.piece(piece, Quotes::No, &mut parts)?,
            }
            size += parts.iter().skip(seen).map(Part::len).sum::<usize>();
            seen = parts.len();
            self.too_large(size)?;
        }
        Ok(parts)
    }

    fn bare(&self, text: &str, first: bool, last: bool, tilde: Tilde, parts: &mut Vec<Part>) {
        let mut rest = text;
        let mut start = first;
        let mut tilde = tilde;
        // bash expands tildes in whatever looks like an assignment.
        if let Some((name, _)) = text.split_once('=').filter(|(name, _)| first && variables::is_name(name)) {
            let (name, value) = text.split_at(name.len() + 1);
            parts.push(Part::Bare(name.to_owned()));
            rest = value;
            tilde = Tilde::Colons;
        }
        while !rest.is_empty() {
            if start && rest.starts_with('~') {
                let stop = |c: char| c == '/' || (tilde == Tilde::Colons && c == ':');
                let end = rest.find(stop);
                let (prefix, after) = rest.split_at(end.unwrap_or(rest.len()));
                let home = self.home(prefix).filter(|_| end.is_some() || last);
                parts.push(home.map_or_else(|| Part::Bare(prefix.to_owned()), Part::Quoted));
                rest = after;
            }
            let next = if tilde == Tilde::Colons { rest.find(":~").map(|at| at + 1) } else { None };
            let (now, later) = rest.split_at(next.unwrap_or(rest.len()));
            parts.push(Part::Bare(now.to_owned()));
            rest = later;
            start = true;
        }
    }

    fn home(&self, prefix: &str) -> Option<String> {
        match prefix {
            "~" => self.variables.get("HOME").map(str::to_owned),
            "~+" => Some(self.cwd.clone()),
            "~-" => self.variables.get("OLDPWD").map(str::to_owned),
            _ => None,
        }
    }

    pub(crate) fn pieces(&mut self, pieces: &[Piece], quotes: Quotes, parts: &mut Vec<Part>) -> Run<()> {
        let (mut size, mut seen) = (0, parts.len());
        for piece in pieces {
            self.piece(piece, quotes, parts)?;
            size += parts.iter().skip(seen).map(Part::len).sum::<usize>();
            seen = parts.len();
            self.too_large(size)?;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &Piece, quotes: Quotes, parts: &mut Vec<Part>) -> Run<()> {
        let part = |text: String| if quotes == Quotes::Yes { Part::Quoted(text) } else { Part::Loose(text) };
        match piece {
            Piece::Bare(text) => parts.push(part(text.clone())),
            Piece::Quoted(text) => parts.push(Part::Quoted(text.clone())),
            Piece::Double(pieces) => self.double(pieces, parts)?,
            Piece::Parameter(parameter) => self.parameter(parameter, quotes, parts)?,
            Piece::Command(list) => parts.push(part(self.substitute(list)?)),
            Piece::Arithmetic(word) => parts.push(part(self.arithmetic(word)?.to_string())),
        }
        Ok(())
    }

    fn double(&mut self, pieces: &[Piece], parts: &mut Vec<Part>) -> Run<()> {
        let mut inner = Vec::new();
        self.pieces(pieces, Quotes::Yes, &mut inner)?;
        let all = |piece: &Piece| {
            matches!(piece, Piece::Parameter(parameter)
                if parameter.of == Of::At && !matches!(parameter.change, Change::Length))
        };
        // `"$@"` without arguments is no field at all; any other `""` is an empty one.
        let nothing = inner.iter().all(|part| part.len() == 0 && !matches!(part, Part::Break));
        let vanishes = nothing && pieces.iter().any(all) && self.arguments.is_empty();
        if !vanishes {
            parts.push(Part::Quoted(String::new()));
            parts.append(&mut inner);
        }
        Ok(())
    }

    /// What the commands print, without the newlines at its end.
    fn substitute(&mut self, list: &List) -> Run<String> {
        let mut shell = self.subshell()?;
        let capture = Arc::new(Capture::new(self.limits.expansion));
        shell.files.insert(1, Opened { source: None, sink: Some(capture.clone()) });
        shell.options.exit_on_error = false;
        shell.nest()?;
        let status = match list.only_reads() {
            Some(redirect) => shell.copy_out(redirect)?,
            None => shell.run_to_end(list)?,
        };
        drop(shell);
        self.substituted = Some(status);
        self.status = status;
        let (mut bytes, over) = capture.take();
        if over {
            return Err(self.shared.end(Ended::Expansion));
        }
        bytes.retain(|byte| *byte != 0);
        let mut text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        text.truncate(text.trim_end_matches('\n').len());
        Ok(text)
    }

    /// `IFS`, or what it is when it is not set.
    pub(crate) fn separators(&self) -> &str {
        self.variables.get("IFS").unwrap_or(" \t\n")
    }

    fn split(&self, parts: &[Part]) -> Vec<Vec<Marked>> {
        let separators = self.separators();
        let mut fields = Vec::new();
        let mut field: Option<Vec<Marked>> = None;
        // A separator that is no space does not make an empty field right after spaces that ended one.
        let mut ended_by_space = false;
        for part in parts {
            match part {
                Part::Bare(text) => {
                    field.get_or_insert_default().extend(text.chars().map(|c| (c, Plain::No)));
                    ended_by_space = false;
                }
                Part::Quoted(text) => {
                    field.get_or_insert_default().extend(text.chars().map(|c| (c, Plain::Yes)));
                    ended_by_space = false;
                }
                Part::Break => {
                    fields.extend(field.take());
                    ended_by_space = false;
                }
                Part::Loose(text) => {
                    for c in text.chars() {
                        if !separators.contains(c) {
                            field.get_or_insert_default().push((c, Plain::No));
                            ended_by_space = false;
                        } else if c.is_ascii_whitespace() {
                            if let Some(field) = field.take() {
                                fields.push(field);
                                ended_by_space = true;
                            }
                        } else if let Some(field) = field.take() {
                            fields.push(field);
                        } else if ended_by_space {
                            ended_by_space = false;
                        } else {
                            fields.push(Vec::new());
                        }
                    }
                }
            }
        }
        fields.extend(field);
        fields
    }

    fn paths(&self, field: &[Marked], into: &mut Vec<String>) -> Run<()> {
        let special = field.iter().any(|(c, plain)| *plain == Plain::No && "*?[".contains(*c));
        if special && !self.options.no_glob {
            let found = glob::expand(self, field)?;
            if !found.is_empty() {
                into.extend(found);
                return Ok(());
            }
        }
        into.push(field.iter().map(|(c, _)| *c).collect());
        Ok(())
    }

    /// The value of a parameter that is one text.
    pub(crate) fn single(&mut self, of: &Of) -> Run<Option<String>> {
        Ok(match of {
            Of::Variable(name) if variables::computed(name) && self.variables.get(name).is_none() => {
                return self.fatal(2, &format!("{name}: not supported"));
            }
            Of::Variable(name) => self.variables.get(name).map(str::to_owned),
            Of::Positional(number) => self.arguments.get(number.wrapping_sub(1)).cloned(),
            Of::Zero => Some(self.name.clone()),
            Of::Status => Some(self.status.to_string()),
            Of::Count => Some(self.arguments.len().to_string()),
            Of::At | Of::Star => Some(self.arguments.join(" ")),
            Of::Flags => {
                let flags = [
                    (self.options.exit_on_error, 'e'),
                    (self.options.no_glob, 'f'),
                    (true, 'h'),
                    (self.options.no_unset, 'u'),
                    (true, 'B'),
                    (true, 'c'),
                ];
                Some(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect())
            }
            Of::Process => Some(parameter::PROCESS.to_owned()),
        })
    }
}

/// `export` and the like, whose arguments are not split if they are assignments.
fn declares(word: &Word) -> bool {
    matches!(word.0.as_slice(), [Piece::Bare(name)] if matches!(name.as_str(), "export" | "readonly" | "local"))
}

fn assigns(word: &Word) -> bool {
    let Some(Piece::Bare(text)) = word.0.first() else { return false };
    text.split_once('=').is_some_and(|(name, _)| variables::is_name(name.strip_suffix('+').unwrap_or(name)))
}

impl Numbers for Shell<'_> {
    fn get(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.variables.get(name) {
            Some(value) => Ok(Some(value.to_owned())),
            None if variables::computed(name) => Err(format!("{name}: not supported")),
            None if self.options.no_unset => Err(format!("{name}: unbound variable")),
            None => Ok(None),
        }
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        self.variables
            .set(name, value.to_string())
            .map_err(|variables::ReadOnly| format!("{name}: readonly variable"))
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Bare(text) | Self::Quoted(text) | Self::Loose(text) => text.len(),
            Self::Break => 0,
        }
    }
}

pub(crate) fn plain(parts: &[Part]) -> String {
    fn text(part: &Part) -> &str {
        match part {
            Part::Bare(text) | Part::Quoted(text) | Part::Loose(text) => text,
            Part::Break => " ",
        }
    }
    parts.iter().map(text).collect()
}

/// A subshell's own end is a status to whoever started it.
pub(crate) fn settle(result: Run<i32>) -> Run<i32> {
    match result {
        Ok(status) | Err(Interrupt::Exit(status) | Interrupt::Return(status)) => Ok(status),
        Err(Interrupt::Break(_) | Interrupt::Continue(_)) => Ok(0),
        Err(Interrupt::Ended(why)) => Err(Interrupt::Ended(why)),
    }
}
