//! What would change one file into the other, in commands: the normal format, and scripts for ed.

use std::io::{self, Write};
use std::ops::Range;

use super::{Both, line};

pub(super) fn normal(both: &Both<'_>, out: &mut dyn Write) -> io::Result<()> {
    for change in both.shown() {
        let (old, new) = (&change.old, &change.new);
        let command = match (old.is_empty(), new.is_empty()) {
            (true, _) => format!("{}a{}", old.start, lines(new)),
            (_, true) => format!("{}d{}", lines(old), new.start),
            (false, false) => format!("{}c{}", lines(old), lines(new)),
        };
        writeln!(out, "{command}")?;
        for text in &both.old[old.clone()] {
            line("< ", text, out)?;
        }
        if !old.is_empty() && !new.is_empty() {
            writeln!(out, "---")?;
        }
        for text in &both.new[new.clone()] {
            line("> ", text, out)?;
        }
    }
    Ok(())
}

/// From the last change to the first, so that numbers stay right.
pub(super) fn ed(both: &Both<'_>, out: &mut dyn Write) -> io::Result<()> {
    for change in both.shown().rev() {
        let (old, new) = (&change.old, &change.new);
        match (old.is_empty(), new.is_empty()) {
            (true, _) => writeln!(out, "{}a", old.start)?,
            (_, true) => {
                writeln!(out, "{}d", lines(old))?;
                continue;
            }
            (false, false) => writeln!(out, "{}c", lines(old))?,
        }
        for text in &both.new[new.clone()] {
            // A line that ends the text is written as two points, and made one again.
            if *text == b".\n" {
                write!(out, "..\n.\ns/.//\na\n")?;
            } else {
                out.write_all(text)?;
            }
        }
        writeln!(out, ".")?;
    }
    Ok(())
}

/// Numbers of lines, from 1: the first and the last, or the only one.
fn lines(range: &Range<usize>) -> String {
    match range.len() {
        1 => format!("{}", range.end),
        _ => format!("{},{}", range.start + 1, range.end),
    }
}
