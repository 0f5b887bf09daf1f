//! Words: quotes, and what begins with `$` or a backquote.

use std::sync::Arc;

use super::ast::{Absent, Change, Extent, Letter, Of, Parameter, Piece, Place, Reach, Word};
use super::{DEPTH, Level, Position, SyntaxError, TOO_DEEP};

/// Reads a word as it stands in a command.
pub(super) fn word(text: &str, at: Position, depth: usize) -> Result<Word, SyntaxError> {
    Ok(Word(Reader::new(text, at, depth).pieces(Mode::Bare, Until::End)?))
}

/// Reads the text of a here-document whose delimiter was not quoted.
pub(super) fn here_document(text: &str, at: Position, depth: usize) -> Result<Word, SyntaxError> {
    Ok(Word(vec![Piece::Double(Reader::new(text, at, depth).pieces(Mode::Here, Until::End)?)]))
}

/// Reads an arithmetic expression: what is left when it is expanded is parsed as one.
pub(super) fn arithmetic(text: &str, at: Position, depth: usize) -> Result<Word, SyntaxError> {
    Ok(Word(vec![Piece::Double(Reader::new(text, at, depth).pieces(Mode::Arithmetic, Until::End)?)]))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bare,
    Double,
    Here,
    Arithmetic,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    Quote,
    Brace,
    BraceOrSlash,
    BraceOrColon,
}

impl Until {
    fn at(self, c: char) -> bool {
        match self {
            Self::End => false,
            Self::Quote => c == '"',
            Self::Brace => c == '}',
            Self::BraceOrSlash => c == '}' || c == '/',
            Self::BraceOrColon => c == '}' || c == ':',
        }
    }
}

struct Reader {
    text: Vec<char>,
    next: usize,
    at: Position,
    depth: usize,
}

impl Reader {
    fn new(text: &str, at: Position, depth: usize) -> Self {
        Self { text: text.chars().collect(), next: 0, at, depth }
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.text.get(self.next + by).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.ahead(0);
        self.next += usize::from(c.is_some());
        c
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let is = self.ahead(0) == Some(wanted);
        self.next += usize::from(is);
        is
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.text.get(from..to).unwrap_or_default().iter().collect()
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.at.error(TOO_DEEP));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn unterminated<T>(&self, what: &str) -> Result<T, SyntaxError> {
        Err(self.at.grammar(format!("{what} is not closed")))
    }

    fn pieces(&mut self, mode: Mode, until: Until) -> Result<Vec<Piece>, SyntaxError> {
        let mut pieces = Vec::new();
        loop {
            let Some(c) = self.ahead(0) else {
                if until == Until::End {
                    return Ok(pieces);
                }
                return self.unterminated(if until == Until::Quote { "`\"`" } else { "`${`" });
            };
            if until.at(c) {
                return Ok(pieces);
            }
            self.next += 1;
            match (c, mode) {
                ('\\', _) => self.escape(mode, until, &mut pieces),
                ('\'', Mode::Bare) => {
                    let from = self.next;
                    while self.ahead(0).is_some_and(|c| c != '\'') {
                        self.next += 1;
                    }
                    pieces.push(Piece::Quoted(self.slice(from, self.next)));
                    if self.take().is_none() {
                        return self.unterminated("`'`");
                    }
                }
                ('"', Mode::Bare) => pieces.push(self.double()?),
                ('"', Mode::Double | Mode::Here) if until != Until::End => pieces.push(self.double()?),
                ('"', Mode::Arithmetic) => {}
                ('$', _) => self.dollar(mode, &mut pieces)?,
                ('`', _) => pieces.push(self.backquote(mode)?),
                (c, Mode::Bare) => match pieces.last_mut() {
                    Some(Piece::Bare(text)) => text.push(c),
                    _ => pieces.push(Piece::Bare(c.to_string())),
                },
                (c, Mode::Double | Mode::Here | Mode::Arithmetic) => quoted(&mut pieces, c),
            }
        }
    }

    fn double(&mut self) -> Result<Piece, SyntaxError> {
        let pieces = self.deeper(|reader| reader.pieces(Mode::Double, Until::Quote))?;
        self.next += 1;
        Ok(Piece::Double(pieces))
    }

    fn escape(&mut self, mode: Mode, until: Until, pieces: &mut Vec<Piece>) {
        let Some(c) = self.take() else { return quoted(pieces, '\\') };
        if c == '\n' {
            return;
        }
        let removed = match mode {
            Mode::Bare => true,
            Mode::Double | Mode::Arithmetic => {
                matches!(c, '$' | '`' | '"' | '\\') || (c == '}' && until == Until::Brace)
            }
            Mode::Here => matches!(c, '$' | '`' | '\\') || (c == '}' && until == Until::Brace),
        };
        if !removed {
            quoted(pieces, '\\');
        }
        if mode == Mode::Bare {
            pieces.push(Piece::Quoted(c.to_string()));
        } else {
            quoted(pieces, c);
        }
    }

    fn dollar(&mut self, mode: Mode, pieces: &mut Vec<Piece>) -> Result<(), SyntaxError> {
        let Some(c) = self.ahead(0) else {
            literal(mode, pieces, '$');
            return Ok(());
        };
        let piece = match c {
            '(' if self.ahead(1) == Some('(') && self.arithmetic_end(self.next + 2).is_some() => {
                let from = self.next + 2;
                let end = self.arithmetic_end(from).unwrap_or(from);
                self.next = end + 2;
                let text = self.slice(from, end);
                let at = self.at;
                Piece::Arithmetic(self.deeper(|reader| arithmetic(&text, at, reader.depth))?)
            }
            '(' => {
                let from = self.next + 1;
                let end = self.command_end(from)?;
                self.next = end + 1;
                self.command(&self.slice(from, end))?
            }
            '{' => {
                self.next += 1;
                self.deeper(|reader| reader.braced(mode))?
            }
            '\'' if mode == Mode::Bare => {
                self.next += 1;
                Piece::Quoted(self.ansi()?)
            }
            '"' if mode == Mode::Bare => {
                self.next += 1;
                self.double()?
            }
            '[' => return Err(self.at.unsupported("`$[`")),
            c => match self.parameter(c, Braces::None)? {
                Some(of) => Piece::Parameter(Box::new(Parameter { of, change: Change::None })),
                None => {
                    literal(mode, pieces, '$');
                    return Ok(());
                }
            },
        };
        pieces.push(piece);
        Ok(())
    }

    fn parameter(&mut self, c: char, braces: Braces) -> Result<Option<Of>, SyntaxError> {
        let from = self.next;
        if c.is_ascii_alphabetic() || c == '_' {
            while self.ahead(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.next += 1;
            }
            return Ok(Some(Of::Variable(self.slice(from, self.next))));
        }
        if c.is_ascii_digit() {
            self.next += 1;
            while braces == Braces::Some && self.ahead(0).is_some_and(|c| c.is_ascii_digit()) {
                self.next += 1;
            }
            let number = self.slice(from, self.next).parse().unwrap_or(usize::MAX);
            return Ok(Some(if number == 0 { Of::Zero } else { Of::Positional(number) }));
        }
        let of = match c {
            '?' => Of::Status,
            '#' => Of::Count,
            '@' => Of::At,
            '*' => Of::Star,
            '-' => Of::Flags,
            '$' => Of::Process,
            '!' => return Err(self.at.unsupported("`$!`")),
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(of))
    }

    fn braced(&mut self, mode: Mode) -> Result<Piece, SyntaxError> {
        let bad = self.at.grammar("bad substitution in `${`");
        if self.ahead(0) == Some('!') {
            return Err(self.at.unsupported("`${!`"));
        }
        if self.ahead(0) == Some('#') && self.ahead(1) != Some('}') {
            let after = self.ahead(1).ok_or_else(|| bad.clone())?;
            self.next += 1;
            let of = self.parameter(after, Braces::Some)?.ok_or_else(|| bad.clone())?;
            if self.ahead(0) == Some('[') {
                return Err(self.at.unsupported("an array"));
            }
            if !self.take_if('}') {
                return Err(bad);
            }
            return Ok(Piece::Parameter(Box::new(Parameter { of, change: Change::Length })));
        }
        let first = self.ahead(0).ok_or_else(|| bad.clone())?;
        let of = self.parameter(first, Braces::Some)?.ok_or_else(|| bad.clone())?;
        let change = self.change(mode, &bad)?;
        if !self.take_if('}') {
            return Err(bad);
        }
        let whole = matches!(of, Of::At | Of::Star);
        let fits = match &change {
            Change::None | Change::Default { .. } | Change::Alternative { .. } | Change::Slice { .. } => true,
            Change::Length => true,
            Change::Assign { .. } => matches!(of, Of::Variable(_)),
            Change::Require { .. } => !whole,
            Change::Prefix { .. } | Change::Suffix { .. } | Change::Replace { .. } | Change::Case { .. } => {
                true
            }
        };
        if !fits {
            return Err(bad);
        }
        Ok(Piece::Parameter(Box::new(Parameter { of, change })))
    }

    fn change(&mut self, mode: Mode, bad: &SyntaxError) -> Result<Change, SyntaxError> {
        let when = match (self.ahead(0), self.ahead(1)) {
            (Some(':'), Some('-' | '=' | '?' | '+')) => {
                self.next += 1;
                Absent::UnsetOrEmpty
            }
            _ => Absent::Unset,
        };
        let Some(c) = self.ahead(0) else { return self.unterminated("`${`") };
        if c == '}' {
            return Ok(Change::None);
        }
        self.next += 1;
        Ok(match c {
            '-' => Change::Default { when, word: self.operand(mode)? },
            '=' => Change::Assign { when, word: self.operand(mode)? },
            '+' => Change::Alternative { when, word: self.operand(mode)? },
            '?' => {
                let word = self.operand(mode)?;
                Change::Require { when, word: Some(word).filter(|word| !word.0.is_empty()) }
            }
            '#' | '%' => {
                let match_ = if self.take_if(c) { Extent::Longest } else { Extent::Shortest };
                let pattern = self.pattern(Until::Brace)?;
                if c == '#' { Change::Prefix { match_, pattern } } else { Change::Suffix { match_, pattern } }
            }
            '/' => {
                let place = match self.ahead(0) {
                    Some('/') => Place::All,
                    Some('#') => Place::Start,
                    Some('%') => Place::End,
                    _ => Place::First,
                };
                self.next += usize::from(place != Place::First);
                let pattern = self.pattern(Until::BraceOrSlash)?;
                let with = if self.take_if('/') { self.pattern(Until::Brace)? } else { Word::default() };
                Change::Replace { place, pattern, with }
            }
            ':' => {
                let offset = self.expression()?;
                let length = if self.take_if(':') { Some(self.expression()?) } else { None };
                Change::Slice { offset, length }
            }
            '^' | ',' => {
                let reach = if self.take_if(c) { Reach::All } else { Reach::First };
                let pattern = Some(self.pattern(Until::Brace)?).filter(|pattern| !pattern.0.is_empty());
                let to = if c == '^' { Letter::Upper } else { Letter::Lower };
                Change::Case { to, reach, pattern }
            }
            '[' => return Err(self.at.unsupported("an array")),
            '@' => return Err(self.at.unsupported("`${NAME@…}`")),
            _ => return Err(bad.clone()),
        })
    }

    /// The word behind `:-` and the like: quoted as its surroundings are.
    fn operand(&mut self, mode: Mode) -> Result<Word, SyntaxError> {
        Ok(Word(self.pieces(mode, Until::Brace)?))
    }

    /// A pattern is quoted by its own quotes alone.
    fn pattern(&mut self, until: Until) -> Result<Word, SyntaxError> {
        Ok(Word(self.pieces(Mode::Bare, until)?))
    }

    fn expression(&mut self) -> Result<Word, SyntaxError> {
        Ok(Word(vec![Piece::Double(self.pieces(Mode::Arithmetic, Until::BraceOrColon)?)]))
    }

    fn command(&mut self, text: &str) -> Result<Piece, SyntaxError> {
        Ok(Piece::Command(Arc::new(super::list(text, self.at, Level::Inside, self.depth + 1)?)))
    }

    fn backquote(&mut self, mode: Mode) -> Result<Piece, SyntaxError> {
        let mut text = String::new();
        loop {
            match self.take() {
                None => return self.unterminated("a backquote"),
                Some('`') => return self.command(&text),
                Some('\\') => match self.take() {
                    Some(c @ ('$' | '`' | '\\')) => text.push(c),
                    Some('"') if mode == Mode::Double => text.push('"'),
                    Some(c) => text.extend(['\\', c]),
                    None => text.push('\\'),
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn ansi(&mut self) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            let c = match self.take() {
                None => return self.unterminated("`$'`"),
                Some('\'') => return Ok(text),
                Some('\\') => match self.take() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some('a') => '\x07',
                    Some('b') => '\x08',
                    Some('e' | 'E') => '\x1b',
                    Some('f') => '\x0c',
                    Some('v') => '\x0b',
                    Some(c @ ('\\' | '\'' | '"' | '?')) => c,
                    Some('x') => self.code(2, 16)?,
                    Some('u') => self.code(4, 16)?,
                    Some('U') => self.code(8, 16)?,
                    Some('0'..='7') => {
                        self.next -= 1;
                        self.code(3, 8)?
                    }
                    Some('c') => return Err(self.at.unsupported("`\\c` within `$'`")),
                    Some(c) => {
                        text.push('\\');
                        c
                    }
                    None => '\\',
                },
                Some(c) => c,
            };
            text.push(c);
        }
    }

    fn code(&mut self, most: usize, radix: u32) -> Result<char, SyntaxError> {
        let from = self.next;
        while self.next - from < most && self.ahead(0).is_some_and(|c| c.is_digit(radix)) {
            self.next += 1;
        }
        let code = u32::from_str_radix(&self.slice(from, self.next), radix).ok();
        let byte = most < 4;
        code.filter(|code| *code != 0 && (!byte || *code < 0x80))
            .and_then(char::from_u32)
            .ok_or_else(|| self.at.unsupported("within `$'`, a number that is no character"))
    }

    /// Where the `))` of `$((` is, if parentheses say that it is arithmetic.
    fn arithmetic_end(&self, from: usize) -> Option<usize> {
        let mut open = 0_usize;
        let mut at = from;
        loop {
            match self.text.get(at)? {
                '\\' => at += 1,
                '(' => open += 1,
                ')' if open == 0 => return (self.text.get(at + 1) == Some(&')')).then_some(at),
                ')' => open -= 1,
                _ => {}
            }
            at += 1;
        }
    }

    /// Where the `)` of the `$(` is whose text begins at `from`.
    fn command_end(&mut self, from: usize) -> Result<usize, SyntaxError> {
        let back = self.next;
        self.next = from;
        let end = self.deeper(Self::skip_command);
        self.next = back;
        end
    }

    fn skip_command(&mut self) -> Result<usize, SyntaxError> {
        let mut open = 0_usize;
        let mut cases = Vec::new();
        let mut documents = Vec::new();
        let mut word = String::new();
        let mut first = true;
        loop {
            let at = self.next;
            let Some(c) = self.take() else { return self.unterminated("`$(`") };
            if c.is_whitespace() || ";&|()<>".contains(c) {
                match word.as_str() {
                    "case" if first => cases.push(open),
                    "esac" if first => drop(cases.pop()),
                    _ => {}
                }
                let opens = ["then", "do", "else", "elif", "if", "while", "until", "!", "{", "esac"]
                    .contains(&word.as_str());
                first = ";&|()\n".contains(c) || (first && (word.is_empty() || opens));
                word.clear();
            }
            match c {
                '#' if word.is_empty() => {
                    while self.ahead(0).is_some_and(|c| c != '\n') {
                        self.next += 1;
                    }
                    continue;
                }
                '(' => open += 1,
                ')' if cases.last() == Some(&open) => {}
                ')' if open == 0 => return Ok(at),
                ')' => open -= 1,
                '<' if self.ahead(0) == Some('<') && self.ahead(1) == Some('<') => self.next += 2,
                '<' if self.ahead(0) == Some('<') => {
                    self.next += 1;
                    documents.push(self.delimiter());
                }
                '\n' => {
                    for (delimiter, tabs) in documents.drain(..) {
                        self.skip_document(&delimiter, tabs);
                    }
                }
                c if c.is_whitespace() || ";&|>".contains(c) => {}
                c => {
                    self.skip_quoted(c)?;
                    word.push(c);
                }
            }
        }
    }

    /// Goes on behind what `c`, which was taken, opens.
    fn skip_quoted(&mut self, c: char) -> Result<(), SyntaxError> {
        match c {
            '\\' => drop(self.take()),
            '\'' => while self.take().is_some_and(|c| c != '\'') {},
            '"' => loop {
                match self.take() {
                    Some('"') | None => break,
                    Some(c @ ('\\' | '`' | '$')) => self.skip_quoted(c)?,
                    Some(_) => {}
                }
            },
            '`' => loop {
                match self.take() {
                    Some('`') | None => break,
                    Some('\\') => drop(self.take()),
                    Some(_) => {}
                }
            },
            '$' => match (self.ahead(0), self.ahead(1)) {
                (Some('('), Some('(')) if self.arithmetic_end(self.next + 2).is_some() => {
                    self.next = self.arithmetic_end(self.next + 2).unwrap_or(self.next) + 2;
                }
                (Some('('), _) => self.next = self.command_end(self.next + 1)? + 1,
                (Some('{'), _) => {
                    self.next += 1;
                    self.deeper(|reader| {
                        loop {
                            match reader.take() {
                                Some('}') | None => return Ok(()),
                                Some(c) => reader.skip_quoted(c)?,
                            }
                        }
                    })?;
                }
                (Some('\''), _) => {
                    self.next += 1;
                    loop {
                        match self.take() {
                            Some('\'') | None => break,
                            Some('\\') => drop(self.take()),
                            Some(_) => {}
                        }
                    }
                }
                (Some(_) | None, _) => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn delimiter(&mut self) -> (String, bool) {
        let tabs = self.take_if('-');
        while matches!(self.ahead(0), Some(' ' | '\t')) {
            self.next += 1;
        }
        let mut delimiter = String::new();
        while let Some(c) = self.ahead(0).filter(|c| !c.is_whitespace() && !";&|()<>".contains(*c)) {
            self.next += 1;
            if !matches!(c, '\'' | '"' | '\\') {
                delimiter.push(c);
            }
        }
        (delimiter, tabs)
    }

    fn skip_document(&mut self, delimiter: &str, tabs: bool) {
        while self.next < self.text.len() {
            let mut line = String::new();
            while let Some(c) = self.take().filter(|c| *c != '\n') {
                line.push(c);
            }
            if delimiter == if tabs { line.trim_start_matches('\t') } else { &line } {
                return;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Braces {
    None,
    Some,
}

fn quoted(pieces: &mut Vec<Piece>, c: char) {
    match pieces.last_mut() {
        Some(Piece::Quoted(text)) => text.push(c),
        _ => pieces.push(Piece::Quoted(c.to_string())),
    }
}

fn literal(mode: Mode, pieces: &mut Vec<Piece>, c: char) {
    match (mode, pieces.last_mut()) {
        (Mode::Bare, Some(Piece::Bare(text))) => text.push(c),
        (Mode::Bare, _) => pieces.push(Piece::Bare(c.to_string())),
        (Mode::Double | Mode::Here | Mode::Arithmetic, _) => quoted(pieces, c),
    }
}
