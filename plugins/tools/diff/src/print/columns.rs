//! Side by side.

use std::io::{self, Write};

use super::Both;
use crate::compare::Change;
use crate::options::Options;

const TAB: usize = 8;

/// Between the columns is room for a mark and blanks at its sides.
const GUTTER: usize = 3;

/// Where the columns are.
struct Layout {
    /// Of each column.
    width: usize,
    /// Where the second begins.
    second: usize,
}

impl Layout {
    /// As GNU diff has it: the second column begins at a multiple of a tab's width.
    fn new(width: usize) -> Self {
        let around = TAB + GUTTER;
        let middle = width / 2 + around / 2 + (width & around & 1);
        let second = middle - middle % TAB;
        let half = second.saturating_sub(GUTTER).min(width.saturating_sub(second));
        Self { width: half, second: if half == 0 { width } else { second } }
    }
}

pub(super) fn side_by_side(both: &Both<'_>, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let layout = Layout::new(options.width);
    let (mut at, mut to) = (0, 0);
    let end = Change {
        old: both.old.len()..both.old.len(),
        new: both.new.len()..both.new.len(),
        is_ignored: false,
    };
    for Change { old, new, .. } in both.changes.iter().chain([&end]) {
        for (left, right) in both.old[at..old.start].iter().zip(&both.new[to..new.start]) {
            if options.suppress_common {
                continue;
            }
            match options.left_column {
                true => row(&layout, Some(left), '(', None, out)?,
                false => row(&layout, Some(left), ' ', Some(right), out)?,
            }
        }
        let (gone, come) = (&both.old[old.clone()], &both.new[new.clone()]);
        for index in 0..gone.len().max(come.len()) {
            let (left, right) = (gone.get(index), come.get(index));
            let mark = match (left, right) {
                (Some(_), Some(_)) => '|',
                (Some(_), None) => '<',
                (None, _) => '>',
            };
            row(&layout, left, mark, right, out)?;
        }
        (at, to) = (old.end, new.end);
    }
    Ok(())
}

fn row(
    layout: &Layout,
    left: Option<&&[u8]>,
    mark: char,
    right: Option<&&[u8]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_ended = |line: Option<&&[u8]>| line.is_some_and(|line| line.ends_with(b"\n"));
    let mark = match (mark, is_ended(left), is_ended(right)) {
        ('|', true, false) => '/',
        ('|', false, true) => '\\',
        (mark, _, _) => mark,
    };
    let mut column = left.map_or(Ok(0), |left| half(left, layout.width, 0, out))?;
    if mark != ' ' {
        column = move_to(column, (layout.width + layout.second - 1) / 2, out)? + 1;
        write!(out, "{mark}")?;
    }
    if let Some(right) = right.filter(|right| **right != b"\n") {
        move_to(column, layout.second, out)?;
        half(right, layout.width, layout.second, out)?;
    }
    if is_ended(left) || is_ended(right) { writeln!(out) } else { Ok(()) }
}

/// As much of a line as its column holds, and where that ends.
fn half(line: &[u8], width: usize, from: usize, out: &mut dyn Write) -> io::Result<usize> {
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
    let mut column = 0;
    for c in text.chars() {
        let wide = if c == '\t' { TAB - column % TAB } else { 1 };
        if column + wide > width {
            break;
        }
        match c {
            '\t' => drop(move_to(from + column, from + column + wide, out)?),
            c => write!(out, "{c}")?,
        }
        column += wide;
    }
    Ok(column)
}

/// Goes on to a column, by tabs as far as they lead.
fn move_to(mut from: usize, to: usize, out: &mut dyn Write) -> io::Result<usize> {
    while from + TAB - from % TAB <= to {
        write!(out, "\t")?;
        from += TAB - from % TAB;
    }
    write!(out, "{}", " ".repeat(to.saturating_sub(from)))?;
    Ok(to.max(from))
}
