//! A file as lines.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::options::Ignored;

/// One side of a comparison.
pub struct Side {
    /// What it is called.
    pub name: String,
    pub changed: Option<SystemTime>,
    pub content: Vec<u8>,
}

impl Side {
    /// Its lines, each with what ends it; the last may have nothing.
    pub fn lines(&self) -> Vec<&[u8]> {
        self.content.split_inclusive(|byte| *byte == b'\n').collect()
    }

    /// Whether it is no text: as GNU does, by a NUL near its beginning.
    pub fn is_binary(&self) -> bool {
        const LOOKED_AT: usize = 32 << 10;
        self.content.iter().take(LOOKED_AT).any(|byte| *byte == 0)
    }
}

/// A number for each line of both sides: the same for those that count as equal.
pub fn numbered(one: &[&[u8]], other: &[&[u8]], ignored: &Ignored) -> (Vec<u32>, Vec<u32>) {
    let mut numbers = HashMap::new();
    let mut number = |line: &&[u8]| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(key(line, ignored)).or_insert(next)
    };
    (one.iter().map(&mut number).collect(), other.iter().map(&mut number).collect())
}

/// Whether a line has nothing on it.
pub fn is_blank(line: &[u8], ignored: &Ignored) -> bool {
    key(line, ignored).trim_ascii().is_empty()
}

/// A line without what is ignored.
fn key(line: &[u8], ignored: &Ignored) -> Vec<u8> {
    let (mut text, mut end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, &b"\n"[..]),
        None => (line, &b""[..]),
    };
    if ignored.trailing_cr {
        text = text.strip_suffix(b"\r").unwrap_or(text);
    }
    if ignored.trailing_space || ignored.space_change || ignored.all_space {
        text = text.trim_ascii_end();
        end = b"";
    }
    let mut key = Vec::with_capacity(line.len());
    let mut column = 0;
    for &byte in text {
        let is_space = byte.is_ascii_whitespace();
        match byte {
            _ if is_space && ignored.all_space => {}
            _ if is_space && ignored.space_change => {
                if key.last() != Some(&b' ') {
                    key.push(b' ');
                }
            }
            b'\t' if ignored.tabs => {
                let width = 8 - column % 8;
                key.extend(std::iter::repeat_n(b' ', width));
                column += width - 1;
            }
            byte if ignored.case => key.push(byte.to_ascii_lowercase()),
            byte => key.push(byte),
        }
        column += 1;
    }
    key.extend(end);
    key
}
