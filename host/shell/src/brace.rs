//! `{a,b}` and `{1..9}`.

use crate::syntax::ast::{Piece, Word};

/// More words, or deeper braces, than may be made.
#[derive(Debug)]
pub(crate) struct TooMany;

/// The words that a word's braces make of it, in at most `limit` characters and pieces.
pub(crate) fn expand(word: &Word, limit: usize) -> Result<Vec<Word>, TooMany> {
    let braces = |piece: &Piece| if let Piece::Bare(text) = piece { text.matches('{').count() } else { 0 };
    let count: usize = word.0.iter().map(braces).sum();
    if count == 0 {
        return Ok(vec![word.clone()]);
    }
    if count > BRACES {
        return Err(TooMany);
    }
    let mut units = Vec::new();
    for piece in &word.0 {
        match piece {
            Piece::Bare(text) => units.extend(text.chars().map(Unit::Char)),
            piece => units.push(Unit::Piece(piece)),
        }
    }
    let words = expand_units(&units, limit, 0)?;
    Ok(words.iter().map(|units| join(units)).collect())
}

/// Open braces in a word.
const BRACES: usize = 1_000;

const DEPTH: usize = 64;

#[derive(Clone, Copy)]
enum Unit<'w> {
    Char(char),
    Piece(&'w Piece),
}

impl Unit<'_> {
    fn is(&self, wanted: char) -> bool {
        matches!(self, Self::Char(c) if *c == wanted)
    }
}

fn join(units: &[Unit<'_>]) -> Word {
    let mut pieces = Vec::new();
    for unit in units {
        match (unit, pieces.last_mut()) {
            (Unit::Char(c), Some(Piece::Bare(text))) => text.push(*c),
            (Unit::Char(c), _) => pieces.push(Piece::Bare(c.to_string())),
            (Unit::Piece(piece), _) => pieces.push((*piece).clone()),
        }
    }
    Word(pieces)
}

fn expand_units<'w>(units: &[Unit<'w>], limit: usize, depth: usize) -> Result<Vec<Vec<Unit<'w>>>, TooMany> {
    if depth > DEPTH {
        return Err(TooMany);
    }
    for (at, _) in units.iter().enumerate().filter(|(_, unit)| unit.is('{')) {
        let (before, rest) = units.split_at(at);
        let Some((inside, after)) = group(rest) else { continue };
        let middles = match inside {
            Inside::Parts(parts) => {
                let mut middles = Vec::new();
                for part in parts {
                    middles.append(&mut expand_units(part, limit, depth + 1)?);
                }
                middles
            }
            Inside::Sequence(from, to, step, shape) => sequence(from, to, step, shape, limit)?,
        };
        let afters = expand_units(after, limit, depth + 1)?;
        let size: usize = middles.iter().map(Vec::len).sum::<usize>().saturating_mul(afters.len());
        let size =
            size.saturating_add(afters.iter().map(Vec::len).sum::<usize>().saturating_mul(middles.len()));
        let words = middles.len().saturating_mul(afters.len());
        if words.saturating_mul(before.len() + 1).saturating_add(size) > limit {
            return Err(TooMany);
        }
        let mut words = Vec::new();
        for middle in &middles {
            for after in &afters {
                words.push([before, middle, after].concat());
            }
        }
        return Ok(words);
    }
    Ok(vec![units.to_vec()])
}

enum Inside<'u, 'w> {
    Parts(Vec<&'u [Unit<'w>]>),
    Sequence(i64, i64, i64, Shape),
}

#[derive(Clone, Copy)]
enum Shape {
    /// Filled with zeros to so many characters.
    Number(usize),
    Letter,
}

/// What is in the braces that `units` begins with, and what follows them.
fn group<'u, 'w>(units: &'u [Unit<'w>]) -> Option<(Inside<'u, 'w>, &'u [Unit<'w>])> {
    let mut depth = 0_usize;
    let mut parts = Vec::new();
    let mut from = 1;
    for (at, unit) in units.iter().enumerate() {
        if unit.is('{') {
            depth += 1;
        } else if unit.is(',') && depth == 1 {
            parts.push(units.get(from..at)?);
            from = at + 1;
        } else if unit.is('}') {
            depth -= 1;
            if depth == 0 {
                let last = units.get(from..at)?;
                let after = units.get(at + 1..)?;
                if !parts.is_empty() {
                    parts.push(last);
                    return Some((Inside::Parts(parts), after));
                }
                return range(last).map(|range| (range, after));
            }
        }
    }
    None
}

fn range<'u, 'w>(units: &[Unit<'_>]) -> Option<Inside<'u, 'w>> {
    let mut text = String::new();
    for unit in units {
        match unit {
            Unit::Char(c) => text.push(*c),
            Unit::Piece(_) => return None,
        }
    }
    let mut parts = text.split("..");
    let (from, to) = (parts.next()?, parts.next()?);
    let step: i64 = parts.next().map_or(Some(1), |step| step.parse().ok())?;
    let step = if step == 0 { 1 } else { step.checked_abs()? };
    if parts.next().is_some() {
        return None;
    }
    if let (Ok(first), Ok(last)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let padded = |text: &str| {
            text.trim_start_matches('-').len() > 1 && text.trim_start_matches('-').starts_with('0')
        };
        let width = if padded(from) || padded(to) { from.len().max(to.len()) } else { 0 };
        return Some(Inside::Sequence(first, last, step, Shape::Number(width)));
    }
    let letter = |text: &str| {
        let mut chars = text.chars();
        chars
            .next()
            .filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
            .map(|c| i64::from(u32::from(c)))
    };
    Some(Inside::Sequence(letter(from)?, letter(to)?, step, Shape::Letter))
}

fn sequence<'w>(
    from: i64,
    to: i64,
    step: i64,
    shape: Shape,
    limit: usize,
) -> Result<Vec<Vec<Unit<'w>>>, TooMany> {
    let count = from.abs_diff(to) / step.unsigned_abs();
    if usize::try_from(count).map_or(true, |count| count >= limit) {
        return Err(TooMany);
    }
    let mut words = Vec::new();
    let mut value = from;
    for _ in 0..=count {
        let text = match shape {
            Shape::Number(width) => format!("{value:0width$}"),
            Shape::Letter => {
                u32::try_from(value).ok().and_then(char::from_u32).map(String::from).unwrap_or_default()
            }
        };
        words.push(text.chars().map(Unit::Char).collect());
        value = if from <= to { value.saturating_add(step) } else { value.saturating_sub(step) };
    }
    Ok(words)
}
