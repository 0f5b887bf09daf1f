//! What one character of a name may be.

use super::InvalidPattern;

/// A set of characters that a name may contain: never empty, never `/` or NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CharSet {
    /// This character.
    One(char),
    /// Every character.
    Any,
    /// The characters in these ranges: inclusive, ascending, disjoint, more than one character in all.
    Class(Box<[(char, char)]>),
}

impl CharSet {
    /// The characters in `ranges`, which may overlap, or all others when `negated`.
    ///
    /// # Errors
    /// [`InvalidPattern::EmptyClass`] when no name has such a character.
    pub(super) fn class(ranges: Vec<(char, char)>, negated: bool) -> Result<Self, InvalidPattern> {
        let others = complement(ranges);
        let ranges = if negated { others } else { complement(others) };
        match ranges.as_slice() {
            [] => Err(InvalidPattern::EmptyClass),
            [(low, high)] if low == high => Ok(Self::One(*low)),
            _ => Ok(Self::Class(ranges.into())),
        }
    }

    /// Whether `c`, a character of a name, is in the set.
    pub(super) fn has(&self, c: char) -> bool {
        match self {
            Self::One(only) => *only == c,
            Self::Any => true,
            Self::Class(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)),
        }
    }

    /// Whether some character is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::One(c), set) | (set, Self::One(c)) => set.has(*c),
            (Self::Class(ours), Self::Class(theirs)) => {
                ours.iter().any(|(low, high)| theirs.iter().any(|(from, to)| low <= to && from <= high))
            }
        }
    }
}

/// The characters of names that are in none of `ranges`: ascending, disjoint.
fn complement(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    ranges.extend([('\0', '\0'), ('/', '/')]);
    ranges.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = Some('\0');
    for (low, high) in ranges {
        let Some(first) = next else { break };
        if let Some(last) = ('\0'..low).next_back().filter(|last| first <= *last) {
            gaps.push((first, last));
        }
        if first <= high {
            next = (high..=char::MAX).nth(1);
        }
    }
    gaps.extend(next.map(|first| (first, char::MAX)));
    gaps
}
