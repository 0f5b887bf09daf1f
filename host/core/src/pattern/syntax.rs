//! From a pattern's text to its normal form, and from there to its alternatives.

use std::slice::Iter;
use std::str::Chars;

use super::InvalidPattern;
use super::charset::CharSet;
use super::glob::{Alternative, NameGlob, Starred};
use crate::{InvalidPath, ProjectPath};

/// The longest text that is read at all: the longest path with each of its bytes escaped.
const MAX_TEXT_BYTES: usize = 8192;
/// The longest pattern with wildcards, in bytes of its normal form.
const MAX_PATTERN_BYTES: usize = 1024;
/// The most patterns that braces may stand for.
const MAX_ALTERNATIVES: usize = 64;
/// The most bytes that several alternatives may have together. Comparing takes time in the product of these:
/// milliseconds for two of the worst.
const MAX_ALTERNATIVE_BYTES: usize = 4096;

/// The smallest piece of a pattern that means something.
#[derive(Debug)]
struct Lexeme<'t> {
    kind: Kind,
    /// How many braces are open around it.
    depth: usize,
    /// As it was written.
    text: &'t str,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// One character: itself, `?` or a class.
    Set(CharSet),
    Star,
    /// Exactly two `*`. Two that only come together when braces are expanded stay two stars.
    DoubleStar,
    Slash,
    Open,
    /// A `,` in braces.
    Comma,
    Close,
}

/// The normal form of `text`, as [`super::PathPattern`] describes it.
pub(super) fn normalise(text: &str) -> Result<String, InvalidPattern> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(InvalidPath::TooLong.into());
    }
    if text.contains('\0') {
        return Err(InvalidPath::Nul.into());
    }
    let lexemes = lex(text)?;
    let is_separator = |lexeme: &Lexeme<'_>| lexeme.kind == Kind::Slash && lexeme.depth == 0;
    let mut components = Vec::new();
    // The literal components since the last with a wildcard, as they were written, each with a `/`.
    let mut literals = String::new();
    let mut is_plain = true;
    for component in lexemes.split(is_separator) {
        if let Some(name) = literal(component) {
            literals.extend([name.as_str(), "/"]);
        } else {
            extend_resolved(&mut components, &std::mem::take(&mut literals))?;
            components.push(component.iter().map(|lexeme| lexeme.text).collect::<String>());
            is_plain = false;
        }
    }
    extend_resolved(&mut components, &literals)?;

    let asks_for_subtree = lexemes.last().is_some_and(is_separator);
    let has_subtree = components.last().is_some_and(|last| last == "**");
    if components.is_empty() || (asks_for_subtree && !has_subtree) {
        components.push("**".to_owned());
        is_plain = false;
    }
    let normal = components.join("/");
    if normal.len() > MAX_PATTERN_BYTES && !is_plain { Err(InvalidPattern::TooLong) } else { Ok(normal) }
}

/// Appends the components of `literals`, a path read from where `components` end.
fn extend_resolved(components: &mut Vec<String>, literals: &str) -> Result<(), InvalidPattern> {
    let path = ProjectPath::parse(literals).map_err(|error| match error {
        InvalidPath::OutsideProject if !components.is_empty() => InvalidPattern::ParentOfWildcard,
        InvalidPath::OutsideProject | InvalidPath::Private | InvalidPath::Nul | InvalidPath::TooLong => {
            error.into()
        }
    })?;
    components.extend(path.components().map(escape));
    Ok(())
}

/// The pattern that matches `literal` alone, wherever braces are closed.
pub(super) fn escape(literal: &str) -> String {
    let mut escaped = String::with_capacity(literal.len());
    for c in literal.chars() {
        if matches!(c, '?' | '*' | '[' | '{' | '}' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The alternatives of a text in normal form; at least one.
pub(super) fn compile(normal: &str) -> Result<Vec<Alternative>, InvalidPattern> {
    let lexemes = lex(normal)?;
    let expanded = expand(&mut lexemes.iter())?;
    let bytes: usize = expanded.iter().flatten().map(|lexeme| lexeme.text.len()).sum();
    if expanded.len() > 1 && bytes > MAX_ALTERNATIVE_BYTES {
        return Err(InvalidPattern::TooManyAlternatives);
    }
    expanded.iter().map(|lexemes| alternative(lexemes)).collect()
}

/// The texts that lexemes stand for, up to the end or the brace that closes them.
///
/// Recurses once for each open brace, so for [`MAX_PATTERN_BYTES`] / 2 levels at most.
fn expand<'l, 't>(lexemes: &mut Iter<'l, Lexeme<'t>>) -> Result<Vec<Vec<&'l Lexeme<'t>>>, InvalidPattern> {
    let mut expanded = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(lexeme) = lexemes.next() {
        match lexeme.kind {
            Kind::Set(_) | Kind::Star | Kind::DoubleStar | Kind::Slash => {
                open.iter_mut().for_each(|text| text.push(lexeme));
            }
            Kind::Open => {
                let endings = expand(lexemes)?;
                if open.len() * endings.len() > MAX_ALTERNATIVES {
                    return Err(InvalidPattern::TooManyAlternatives);
                }
                let with_each = |text: Vec<_>| endings.iter().map(move |ending| [&text[..], ending].concat());
                open = open.into_iter().flat_map(with_each).collect();
            }
            Kind::Comma => expanded.append(&mut std::mem::replace(&mut open, vec![Vec::new()])),
            Kind::Close => break,
        }
    }
    expanded.append(&mut open);
    if expanded.len() > MAX_ALTERNATIVES { Err(InvalidPattern::TooManyAlternatives) } else { Ok(expanded) }
}

/// Compiles a text without braces. Here, too, literal components must be such that a path can have them.
fn alternative(lexemes: &[&Lexeme<'_>]) -> Result<Alternative, InvalidPattern> {
    let mut alternative = Alternative::default();
    for component in lexemes.split(|lexeme| lexeme.kind == Kind::Slash) {
        let glob = match component {
            [Lexeme { kind: Kind::DoubleStar, .. }] => {
                alternative.floating.push(Vec::new());
                continue;
            }
            _ => match literal(component.iter().copied()) {
                Some(name) if name == ".." => return Err(InvalidPattern::ParentOfWildcard),
                Some(name) if ProjectPath::parse(&name)?.is_root() => continue,
                Some(name) => NameGlob::Literal(name.into()),
                None => wildcard(component),
            },
        };
        alternative.floating.last_mut().unwrap_or(&mut alternative.anchored).push(glob);
    }
    alternative.open = alternative.floating.last().is_some_and(Vec::is_empty);
    alternative.floating.retain(|part| !part.is_empty());
    Ok(alternative)
}

/// What a component with wildcards matches.
fn wildcard(component: &[&Lexeme<'_>]) -> NameGlob {
    let mut head = Vec::new();
    let mut after_stars = Vec::new();
    for lexeme in component {
        match &lexeme.kind {
            Kind::Set(set) => after_stars.last_mut().unwrap_or(&mut head).push(set.clone()),
            Kind::Star | Kind::DoubleStar => after_stars.push(Vec::new()),
            // Cut away before: a component has none.
            Kind::Slash | Kind::Open | Kind::Comma | Kind::Close => {}
        }
    }
    match after_stars.pop() {
        None => NameGlob::Fixed(head),
        Some(tail) => NameGlob::Starred(Starred { head, middle: after_stars, tail }),
    }
}

/// The name these lexemes spell, if they have no wildcard.
fn literal<'l, 't: 'l>(lexemes: impl IntoIterator<Item = &'l Lexeme<'t>>) -> Option<String> {
    lexemes
        .into_iter()
        .map(|lexeme| match lexeme.kind {
            Kind::Set(CharSet::One(c)) => Some(c),
            Kind::Set(CharSet::Any | CharSet::Class(_)) => None,
            Kind::Star | Kind::DoubleStar | Kind::Slash | Kind::Open | Kind::Comma | Kind::Close => None,
        })
        .collect()
}

fn lex(text: &str) -> Result<Vec<Lexeme<'_>>, InvalidPattern> {
    let mut lexemes = Vec::new();
    let mut depth = 0_usize;
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        let Some(c) = rest.next() else { break };
        let kind = match c {
            '/' => Kind::Slash,
            '?' => Kind::Set(CharSet::Any),
            '[' => Kind::Set(class(&mut rest)?),
            '*' => {
                let after = before.trim_start_matches('*');
                rest = after.chars();
                if before.len() - after.len() == 2 { Kind::DoubleStar } else { Kind::Star }
            }
            '\\' => match rest.next().ok_or(InvalidPattern::DanglingEscape)? {
                '/' => Kind::Slash,
                escaped => Kind::Set(CharSet::One(escaped)),
            },
            '{' => Kind::Open,
            ',' if depth > 0 => Kind::Comma,
            '}' => Kind::Close,
            _ => Kind::Set(CharSet::One(c)),
        };
        match kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.checked_sub(1).ok_or(InvalidPattern::UnopenedBrace)?,
            Kind::Set(_) | Kind::Star | Kind::DoubleStar | Kind::Slash | Kind::Comma => {}
        }
        let text = before.get(..before.len() - rest.as_str().len()).unwrap_or_default();
        lexemes.push(Lexeme { kind, depth, text });
    }
    if depth > 0 { Err(InvalidPattern::UnclosedBrace) } else { Ok(lexemes) }
}

/// Reads a class after its `[`, as globset does.
fn class(rest: &mut Chars<'_>) -> Result<CharSet, InvalidPattern> {
    let negated = rest.as_str().starts_with(['!', '^']);
    if negated {
        rest.next();
    }
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut in_range = false;
    loop {
        let c = rest.next().ok_or(InvalidPattern::UnclosedClass)?;
        match (c, ranges.last_mut()) {
            (']', Some(_)) => break,
            ('-', Some(_)) if !in_range => in_range = true,
            (high, Some(last)) if in_range => {
                in_range = false;
                last.1 = high;
                if last.0 > high {
                    return Err(InvalidPattern::ReversedRange(last.0, high));
                }
            }
            (c, _) => ranges.push((c, c)),
        }
    }
    if in_range {
        ranges.push(('-', '-'));
    }
    CharSet::class(ranges, negated)
}
