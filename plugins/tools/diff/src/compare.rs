//! Which lines differ.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::options::Ignored;
use crate::text::{is_blank, numbered};

/// Lines of one side in place of lines of the other. Not both are empty; what lies between two changes is the same on both
/// sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub old: Range<usize>,
    pub new: Range<usize>,
    /// Whether it counts for nothing by itself: all its lines are blank, and those are ignored.
    pub is_ignored: bool,
}

/// What has to be changed in `old` to make it `new`, in order.
pub fn changes(old: &[&[u8]], new: &[&[u8]], ignored: &Ignored) -> Vec<Change> {
    let (old_numbers, new_numbers) = numbered(old, new, ignored);
    let (mut gone, mut come) = (vec![false; old.len()], vec![false; new.len()]);
    for op in capture_diff_slices(Algorithm::Myers, &old_numbers, &new_numbers) {
        if !matches!(op, DiffOp::Equal { .. }) {
            gone[op.old_range()].fill(true);
            come[op.new_range()].fill(true);
        }
    }
    shift(&mut gone, &come, &old_numbers);
    shift(&mut come, &gone, &new_numbers);
    let mut changes = joined(&gone, &come);
    if ignored.blank_lines {
        let is_blank = |line: &&[u8]| is_blank(line, ignored);
        for Change { old: gone, new: come, is_ignored } in &mut changes {
            *is_ignored = old[gone.clone()].iter().all(is_blank) && new[come.clone()].iter().all(is_blank);
        }
    }
    changes
}

/// The changes that lines make which are marked: neighbours are one.
fn joined(gone: &[bool], come: &[bool]) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut at, mut to) = (0, 0);
    while at < gone.len() || to < come.len() {
        let (old, new) = (at..run_end(gone, at), to..run_end(come, to));
        (at, to) = (old.end, new.end);
        if old.is_empty() && new.is_empty() {
            (at, to) = (at + 1, to + 1);
        } else {
            changes.push(Change { old, new, is_ignored: false });
        }
    }
    changes
}

/// Where the run of marked lines ends that begins at `from`.
fn run_end(marked: &[bool], from: usize) -> usize {
    marked.iter().skip(from).position(|marked| !marked).map_or(marked.len(), |unmarked| from + unmarked)
}

/// Of equal lines, the ones that are marked are those that a reader expects: runs are joined where they can be, moved to where
/// the other side has changed as well, and else as far down as they go. The same steps as in GNU diff's `shift_boundaries`,
/// because whoever compares outputs will not care for another choice.
fn shift(marked: &mut [bool], other: &[bool], numbers: &[u32]) {
    let is_marked = |lines: &[bool], at: usize| lines.get(at).copied().unwrap_or(false);
    let (mut end, mut beside) = (0, 0);
    loop {
        // To the next run, on both sides.
        while end < marked.len() && !marked[end] {
            beside = run_end(other, beside) + 1;
            end += 1;
        }
        if end == marked.len() {
            return;
        }
        let mut start = end;
        end = run_end(marked, end);
        beside = run_end(other, beside);
        let mut corresponding;
        loop {
            let length = end - start;
            while start > 0 && numbers[start - 1] == numbers[end - 1] {
                start -= 1;
                end -= 1;
                marked[start] = true;
                marked[end] = false;
                while start > 0 && marked[start - 1] {
                    start -= 1;
                }
                beside -= 1;
                while beside > 0 && is_marked(other, beside) {
                    beside -= 1;
                }
            }
            corresponding = if beside > 0 && is_marked(other, beside - 1) { end } else { marked.len() };
            while end < marked.len() && numbers[start] == numbers[end] {
                marked[start] = false;
                marked[end] = true;
                start += 1;
                end = run_end(marked, end + 1);
                beside += 1;
                while is_marked(other, beside) {
                    beside += 1;
                    corresponding = end;
                }
            }
            if length == end - start {
                break;
            }
        }
        while corresponding < end {
            start -= 1;
            end -= 1;
            marked[start] = true;
            marked[end] = false;
            beside -= 1;
            while beside > 0 && is_marked(other, beside) {
                beside -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(old: &str, new: &str) -> Vec<Change> {
        fn lines(text: &str) -> Vec<&[u8]> {
            text.as_bytes().chunks(1).collect()
        }
        changes(&lines(old), &lines(new), &Ignored::default())
    }

    fn change(old: Range<usize>, new: Range<usize>) -> Change {
        Change { old, new, is_ignored: false }
    }

    #[test]
    fn what_is_replaced_added_and_removed_is_found() {
        assert_eq!(of("abc", "abc"), []);
        assert_eq!(of("abc", "axc"), [change(1..2, 1..2)]);
        assert_eq!(of("abc", "abcd"), [change(3..3, 3..4)]);
        assert_eq!(of("abc", "c"), [change(0..2, 0..0)]);
        assert_eq!(of("", "x"), [change(0..0, 0..1)]);
        assert_eq!(of("abcdef", "xbcdey"), [change(0..1, 0..1), change(5..6, 5..6)]);
    }

    #[test]
    fn of_equal_lines_the_last_is_said_to_be_new() {
        assert_eq!(of("abab", "ababab"), [change(4..4, 4..6)]);
        assert_eq!(of("aab", "aaab"), [change(2..2, 2..3)]);
        assert_eq!(of("xaaay", "xay"), [change(2..4, 2..2)]);
    }
}
