//! Changes with what is around them.

use std::io::{self, Write};
use std::ops::Range;

use super::{Both, line};
use crate::compare::Change;

/// Changes that are shown together, and the lines that are shown.
struct Hunk<'a> {
    changes: &'a [Change],
    old: Range<usize>,
    new: Range<usize>,
}

pub(super) fn unified(
    both: &Both<'_>,
    around: usize,
    shows_function: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    for hunk in hunks(both, around) {
        let function = if shows_function { function(both, hunk.old.start) } else { String::new() };
        writeln!(out, "@@ -{} +{} @@{function}", extent(&hunk.old), extent(&hunk.new))?;
        let mut at = hunk.old.start;
        for Change { old, new, .. } in hunk.changes {
            same(both, " ", at..old.start, out)?;
            for text in &both.old[old.clone()] {
                line("-", text, out)?;
            }
            for text in &both.new[new.clone()] {
                line("+", text, out)?;
            }
            at = old.end;
        }
        same(both, " ", at..hunk.old.end, out)?;
    }
    Ok(())
}

pub(super) fn context(both: &Both<'_>, around: usize, out: &mut dyn Write) -> io::Result<()> {
    for hunk in hunks(both, around) {
        writeln!(out, "***************")?;
        writeln!(out, "*** {} ****", lines(&hunk.old))?;
        let (mut removes, mut adds) = (false, false);
        for Change { old, new, .. } in hunk.changes {
            removes |= !old.is_empty();
            adds |= !new.is_empty();
        }
        if removes {
            half(
                &both.old,
                &hunk.old,
                hunk.changes.iter().map(|change| (&change.old, !change.new.is_empty())),
                "- ",
                out,
            )?;
        }
        writeln!(out, "--- {} ----", lines(&hunk.new))?;
        if adds {
            half(
                &both.new,
                &hunk.new,
                hunk.changes.iter().map(|change| (&change.new, !change.old.is_empty())),
                "+ ",
                out,
            )?;
        }
    }
    Ok(())
}

/// One side of a hunk: changed lines have `!` where the other side has some in their place, else `mark`.
fn half<'a>(
    text: &[&[u8]],
    shown: &Range<usize>,
    changes: impl Iterator<Item = (&'a Range<usize>, bool)>,
    mark: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut at = shown.start;
    for (changed, is_replaced) in changes {
        for same in &text[at..changed.start] {
            line("  ", same, out)?;
        }
        for changed in &text[changed.clone()] {
            line(if is_replaced { "! " } else { mark }, changed, out)?;
        }
        at = changed.end;
    }
    text[at..shown.end].iter().try_for_each(|same| line("  ", same, out))
}

fn same(both: &Both<'_>, mark: &str, lines: Range<usize>, out: &mut dyn Write) -> io::Result<()> {
    both.old[lines].iter().try_for_each(|text| line(mark, text, out))
}

fn hunks<'a>(both: &Both<'a>, around: usize) -> Vec<Hunk<'a>> {
    let together = |one: &Change, next: &Change| {
        let apart = next.old.start - one.old.end;
        if next.is_ignored { apart < around } else { apart <= 2 * around }
    };
    let groups =
        both.changes.chunk_by(together).filter(|group| group.iter().any(|change| !change.is_ignored));
    let shown = |group: &'a [Change]| {
        let (first, last) = (group.first()?, group.last()?);
        let before = around.min(first.old.start).min(first.new.start);
        let after = around.min(both.old.len() - last.old.end).min(both.new.len() - last.new.end);
        Some(Hunk {
            changes: group,
            old: first.old.start - before..last.old.end + after,
            new: first.new.start - before..last.new.end + after,
        })
    };
    groups.filter_map(shown).collect()
}

/// Where a hunk begins, and how many lines it has unless that is one.
fn extent(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.end),
        length => format!("{},{length}", range.start + 1),
    }
}

fn lines(range: &Range<usize>) -> String {
    match range.len() {
        0 | 1 => format!("{}", range.end),
        _ => format!("{},{}", range.start + 1, range.end),
    }
}

/// The last line above that looks like the beginning of a function: it begins with a letter, `_` or `$`.
fn function(both: &Both<'_>, above: usize) -> String {
    const MOST: usize = 40;
    let begins =
        |text: &&&[u8]| text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_$".contains(byte));
    let found = both.old[..above].iter().rev().find(begins);
    found.map_or_else(String::new, |text| {
        let text = String::from_utf8_lossy(text).trim_end().chars().take(MOST).collect::<String>();
        format!(" {}", text.trim_end())
    })
}
