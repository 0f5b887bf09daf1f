//! `${…}`.

use crate::expand::{Part, Quotes, plain};
use crate::pattern::{Marked, Pattern, Plain};
use crate::shell::{Run, Shell};
use crate::syntax::ast::{Absent, Change, Extent, Letter, Of, Parameter, Piece, Place, Reach, Word};

/// `$$`: the same for every script, which has no process of its own.
pub(crate) const PROCESS: &str = "1";

impl Shell<'_> {
    pub(crate) fn parameter(
        &mut self,
        parameter: &Parameter,
        quotes: Quotes,
        parts: &mut Vec<Part>,
    ) -> Run<()> {
        let part = |text: String| if quotes == Quotes::Yes { Part::Quoted(text) } else { Part::Loose(text) };
        let all = matches!(parameter.of, Of::At | Of::Star);
        let value = if all && self.arguments.is_empty() { None } else { self.single(&parameter.of)? };
        let present = |when: Absent| match (&value, when) {
            (None, _) => false,
            (Some(value), Absent::UnsetOrEmpty) => !value.is_empty(),
            (Some(_), Absent::Unset) => true,
        };
        let texts = match &parameter.change {
            Change::Default { when, word } if !present(*when) => return self.operand(word, quotes, parts),
            Change::Alternative { when, word } => {
                return if present(*when) { self.operand(word, quotes, parts) } else { Ok(()) };
            }
            Change::Assign { when, word } if !present(*when) => {
                let mut assigned = Vec::new();
                self.operand(word, quotes, &mut assigned)?;
                let text = plain(&assigned);
                if let Of::Variable(name) = &parameter.of {
                    self.set(name, text.clone())?;
                }
                vec![text]
            }
            Change::Require { when, word } if !present(*when) => {
                let mut message = Vec::new();
                match word {
                    Some(word) => self.operand(word, Quotes::Yes, &mut message)?,
                    None => message.push(Part::Quoted("parameter null or not set".to_owned())),
                }
                return self.fatal(self.unset(), &format!("{}: {}", name(&parameter.of), plain(&message)));
            }
            Change::Default { .. } | Change::Assign { .. } | Change::Require { .. } if !all => {
                vec![value.unwrap_or_default()]
            }
            Change::Length if all => vec![self.arguments.len().to_string()],
            Change::Slice { offset, length } if all => self.slice_arguments(offset, length.as_ref())?,
            Change::None
            | Change::Default { .. }
            | Change::Assign { .. }
            | Change::Require { .. }
            | Change::Length
            | Change::Prefix { .. }
            | Change::Suffix { .. }
            | Change::Replace { .. }
            | Change::Slice { .. }
            | Change::Case { .. } => {
                if value.is_none() && !all && self.options.no_unset {
                    return self.fatal(self.unset(), &format!("{}: unbound variable", name(&parameter.of)));
                }
                let values = if all { self.arguments.clone() } else { vec![value.unwrap_or_default()] };
                let mut changed = Vec::new();
                for value in values {
                    changed.push(self.change(value, &parameter.change)?);
                }
                changed
            }
        };
        if !all || matches!(parameter.change, Change::Length) {
            parts.extend(texts.into_iter().map(part));
        } else if parameter.of == Of::Star && quotes == Quotes::Yes {
            let separator = self.separators().chars().next().map(String::from).unwrap_or_default();
            parts.push(part(texts.join(&separator)));
        } else {
            for (at, text) in texts.into_iter().enumerate() {
                if at > 0 {
                    parts.push(Part::Break);
                }
                parts.push(part(text));
            }
        }
        Ok(())
    }

    fn operand(&mut self, word: &Word, quotes: Quotes, parts: &mut Vec<Part>) -> Run<()> {
        if let (Quotes::No, Some(Piece::Bare(text))) = (quotes, word.0.first())
            && text.starts_with('~')
        {
            parts.push(Part::Quoted(self.text(word)?));
            return Ok(());
        }
        self.pieces(&word.0, quotes, parts)
    }

    fn slice_arguments(&mut self, offset: &Word, length: Option<&Word>) -> Run<Vec<String>> {
        let mut all = vec![self.name.clone()];
        all.extend(self.arguments.iter().cloned());
        let offset = self.arithmetic(offset)?;
        let length = length.map(|length| self.arithmetic(length)).transpose()?;
        if length.is_some_and(|length| length < 0) {
            return self.fatal(1, "substring expression < 0");
        }
        let Some(from) = index(offset, all.len()) else { return Ok(Vec::new()) };
        // `$0` is not part of `$@` unless it is asked for.
        let count = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(all.len());
        Ok(all.into_iter().skip(from).take(count).collect())
    }

    fn change(&mut self, value: String, change: &Change) -> Run<String> {
        Ok(match change {
            Change::None
            | Change::Default { .. }
            | Change::Assign { .. }
            | Change::Require { .. }
            | Change::Alternative { .. } => value,
            Change::Length => value.chars().count().to_string(),
            Change::Prefix { match_, pattern } => {
                let pattern = self.pattern(pattern)?;
                let text: Vec<char> = value.chars().collect();
                let cut = chosen(*match_, |found| pattern.prefixes(&text, found)).unwrap_or(0);
                text.iter().skip(cut).collect()
            }
            Change::Suffix { match_, pattern } => {
                let pattern = self.pattern(pattern)?;
                let text: Vec<char> = value.chars().collect();
                let cut = chosen(*match_, |found| pattern.suffixes(&text, found)).unwrap_or(0);
                text.iter().take(text.len() - cut).collect()
            }
            Change::Replace { place, pattern, with } => {
                let pattern = self.pattern(pattern)?;
                let with = self.marked(with)?;
                self.replace(&value, *place, &pattern, &with)?
            }
            Change::Slice { offset, length } => {
                let text: Vec<char> = value.chars().collect();
                let offset = self.arithmetic(offset)?;
                let length = length.as_ref().map(|length| self.arithmetic(length)).transpose()?;
                let Some(from) = index(offset, text.len()) else { return Ok(String::new()) };
                let end = match length {
                    None => text.len(),
                    Some(length) if length < 0 => {
                        let end = usize::try_from(length.unsigned_abs())
                            .ok()
                            .and_then(|cut| text.len().checked_sub(cut));
                        match end.filter(|end| *end >= from) {
                            Some(end) => end,
                            None => return self.fatal(1, &format!("{length}: substring expression < 0")),
                        }
                    }
                    Some(length) => {
                        from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(text.len())
                    }
                };
                text.get(from..end).unwrap_or_default().iter().collect()
            }
            Change::Case { to, reach, pattern } => {
                let pattern = pattern.as_ref().map(|pattern| self.pattern(pattern)).transpose()?;
                let mut changed = String::new();
                for (at, c) in value.chars().enumerate() {
                    let fits = (at == 0 || *reach == Reach::All)
                        && pattern.as_ref().is_none_or(|pattern| pattern.matches(&c.to_string()));
                    match (fits, to) {
                        (false, _) => changed.push(c),
                        (true, Letter::Upper) => changed.extend(c.to_uppercase()),
                        (true, Letter::Lower) => changed.extend(c.to_lowercase()),
                    }
                }
                changed
            }
        })
    }

    fn replace(&self, value: &str, place: Place, pattern: &Pattern, with: &[Marked]) -> Run<String> {
        let text: Vec<char> = value.chars().collect();
        if pattern.is_plain() && pattern.text().is_empty() {
            let with: String = with.iter().map(|(c, _)| *c).collect();
            return Ok(match place {
                Place::First | Place::All => value.to_owned(),
                Place::Start => with + value,
                Place::End => value.to_owned() + &with,
            });
        }
        let mut changed = String::new();
        let insert = |into: &mut String, matched: &[char]| {
            for (c, plain) in with {
                if (*c, *plain) == ('&', Plain::No) { into.extend(matched) } else { into.push(*c) }
            }
        };
        if place == Place::End {
            let cut = chosen(Extent::Longest, |found| pattern.suffixes(&text, found));
            let (before, matched) = text.split_at(text.len() - cut.unwrap_or(0));
            changed.extend(before);
            if cut.is_some() {
                insert(&mut changed, matched);
            }
            return Ok(changed);
        }
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            self.tick()?;
            self.too_large(changed.len())?;
            let length =
                chosen(Extent::Longest, |found| pattern.prefixes(rest, found)).filter(|length| *length > 0);
            match length {
                Some(length) => {
                    insert(&mut changed, rest.get(..length).unwrap_or_default());
                    at += length;
                }
                None => {
                    changed.extend(rest.first());
                    at += 1;
                }
            }
            if place == Place::Start || (place == Place::First && length.is_some()) {
                break;
            }
        }
        changed.extend(text.get(at..).unwrap_or_default());
        Ok(changed)
    }
}

fn chosen(extent: Extent, search: impl FnOnce(&mut dyn FnMut(usize))) -> Option<usize> {
    let mut chosen = None;
    search(&mut |length| {
        if extent == Extent::Longest || chosen.is_none() {
            chosen = Some(length);
        }
    });
    chosen
}

/// Where an offset points, which counts from the end if it is negative.
fn index(offset: i64, length: usize) -> Option<usize> {
    let distance = usize::try_from(offset.unsigned_abs()).ok()?;
    let at = if offset < 0 { length.checked_sub(distance)? } else { distance };
    (at <= length).then_some(at)
}

fn name(of: &Of) -> String {
    match of {
        Of::Variable(name) => name.clone(),
        Of::Positional(number) => number.to_string(),
        Of::Zero => "0".to_owned(),
        Of::Status => "?".to_owned(),
        Of::Count => "#".to_owned(),
        Of::At => "@".to_owned(),
        Of::Star => "*".to_owned(),
        Of::Flags => "-".to_owned(),
        Of::Process => "$".to_owned(),
    }
}
