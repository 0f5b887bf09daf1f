//! Showing differences.

mod columns;
mod commands;
mod hunks;

use std::io::{self, Write};

use crate::compare::Change;
use crate::options::{Format, Options};
use crate::text::Side;

/// Both sides of a comparison, as lines.
struct Both<'a> {
    old: Vec<&'a [u8]>,
    new: Vec<&'a [u8]>,
    changes: &'a [Change],
}

impl Both<'_> {
    /// The changes that are shown one by one.
    fn shown(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter().filter(|change| !change.is_ignored)
    }
}

/// Shows what differs between two files that are not the same.
pub fn print(
    options: &Options,
    one: &Side,
    other: &Side,
    changes: &[Change],
    out: &mut dyn Write,
) -> io::Result<()> {
    let both = Both { old: one.lines(), new: other.lines(), changes };
    if changes.iter().all(|change| change.is_ignored) && options.format != Format::SideBySide {
        return Ok(());
    }
    match options.format {
        Format::Brief => writeln!(out, "Files {} and {} differ", one.name, other.name),
        Format::Normal => commands::normal(&both, out),
        Format::Ed => commands::ed(&both, out),
        Format::Unified { around } => {
            writeln!(out, "--- {}", title(options, 0, one))?;
            writeln!(out, "+++ {}", title(options, 1, other))?;
            hunks::unified(&both, around, options.shows_function, out)
        }
        Format::Context { around } => {
            writeln!(out, "*** {}", title(options, 0, one))?;
            writeln!(out, "--- {}", title(options, 1, other))?;
            hunks::context(&both, around, out)
        }
        Format::SideBySide => columns::side_by_side(&both, options, out),
    }
}

fn title(options: &Options, which: usize, side: &Side) -> String {
    if let Some(label) = options.labels.get(which) {
        return label.clone();
    }
    let changed = time::OffsetDateTime::from(side.changed.unwrap_or_else(std::time::SystemTime::now));
    format!(
        "{}\t{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09} +0000",
        side.name,
        changed.year(),
        u8::from(changed.month()),
        changed.day(),
        changed.hour(),
        changed.minute(),
        changed.second(),
        changed.nanosecond(),
    )
}

/// A line after a mark. One that nothing ends is said to be so.
fn line(mark: &str, line: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(mark.as_bytes())?;
    out.write_all(line)?;
    if line.ends_with(b"\n") { Ok(()) } else { out.write_all(b"\n\\ No newline at end of file\n") }
}
