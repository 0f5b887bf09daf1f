//! What one alternative of a pattern matches, and whether two alternatives meet.
//!
//! Because a pattern covers what is beneath its matches, only what stands before the first `**` can keep two
//! patterns apart: beneath anything the one matches, the other's `**` reaches names it likes. So meeting is
//! a comparison of components pair by pair. Within a component, `*` works alike: two globs that both have
//! one differ before their first star, after their last, or not at all.

use super::charset::CharSet;
use crate::ProjectPath;

/// A pattern without braces, cut at each `**`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Alternative {
    /// The components before the first `**`.
    pub(super) anchored: Vec<NameGlob>,
    /// The components after each `**`: none after one at the end, which adds nothing to what is covered.
    pub(super) floating: Vec<Vec<NameGlob>>,
    /// Whether it ends with `**`, so that what is beneath is matched too, and not covered alone.
    pub(super) open: bool,
}

impl Alternative {
    /// The one that matches exactly this path; everything, if it is the root.
    pub(super) fn of(path: &ProjectPath) -> Self {
        let literal = |name: &str| NameGlob::Literal(name.into());
        Self {
            anchored: path.components().map(literal).collect(),
            floating: Vec::new(),
            open: path.is_root(),
        }
    }

    /// Whether this matches `path` or a directory above it.
    pub(super) fn covers(&self, path: &ProjectPath) -> bool {
        // Not `components`, whose iterator cannot be cloned.
        let mut names = path.as_str().split('/').filter(|name| !name.is_empty());
        starts(&self.anchored, &mut names, NameGlob::matches)
            && self.floating.iter().all(|part| finds(part, &mut names, NameGlob::matches))
    }

    /// Whether this matches `path` itself.
    pub(super) fn names(&self, path: &ProjectPath) -> bool {
        if self.open {
            return self.covers(path);
        }
        let mut names = path.as_str().split('/').filter(|name| !name.is_empty());
        match self.floating.split_last() {
            None => equals(&self.anchored, names, NameGlob::matches),
            Some((last, floating)) => {
                starts(&self.anchored, &mut names, NameGlob::matches)
                    && starts(last.iter().rev(), &mut names.by_ref().rev(), NameGlob::matches)
                    && floating.iter().all(|part| finds(part, &mut names, NameGlob::matches))
            }
        }
    }

    /// Whether this is `**`.
    pub(super) fn is_everything(&self) -> bool {
        self.open && self.anchored.is_empty() && self.floating.is_empty()
    }

    /// Whether this matches `directory`, or some path beneath it.
    pub(super) fn reaches(&self, directory: &ProjectPath) -> bool {
        let mut names = directory.components();
        for glob in &self.anchored {
            match names.next() {
                None => return true,
                Some(name) if glob.matches(name) => {}
                Some(_) => return false,
            }
        }
        names.next().is_none() || self.open || !self.floating.is_empty()
    }

    /// Whether some path is covered by both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.anchored.iter().zip(&other.anchored).all(|(ours, theirs)| ours.meets(theirs))
    }
}

/// What one component must look like. Each matches some name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NameGlob {
    /// This name.
    Literal(Box<str>),
    /// A name of as many characters, each in its set.
    Fixed(Vec<CharSet>),
    /// A name of any length.
    Starred(Starred),
}

impl NameGlob {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *name,
            Self::Fixed(sets) => equals(sets, name.chars(), CharSet::has),
            Self::Starred(starred) => starred.matches(name.chars(), CharSet::has),
        }
    }

    /// Whether some name is matched by both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(name), glob) | (glob, Self::Literal(name)) => glob.matches(name),
            (Self::Fixed(ours), Self::Fixed(theirs)) => equals(ours, theirs.iter(), CharSet::meets),
            (Self::Fixed(sets), Self::Starred(starred)) | (Self::Starred(starred), Self::Fixed(sets)) => {
                starred.matches(sets.iter(), CharSet::meets)
            }
            (Self::Starred(ours), Self::Starred(theirs)) => ours.meets(theirs),
        }
    }
}

/// A glob cut at its stars: a name that begins with `head`, ends with `tail` and has all of `middle` between
/// them, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Starred {
    pub(super) head: Vec<CharSet>,
    pub(super) middle: Vec<Vec<CharSet>>,
    pub(super) tail: Vec<CharSet>,
}

impl Starred {
    /// Whether `items`, of which `fits` says where they may stand, are such a name.
    fn matches<I>(&self, mut items: I, fits: impl Fn(&CharSet, I::Item) -> bool) -> bool
    where
        I: DoubleEndedIterator + Clone,
    {
        starts(&self.head, &mut items, &fits)
            && starts(self.tail.iter().rev(), &mut items.by_ref().rev(), &fits)
            && self.middle.iter().all(|part| finds(part, &mut items, &fits))
    }

    /// Whether some name is matched by both. One that shows it: the longer head, both middles, the longer tail.
    fn meets(&self, other: &Self) -> bool {
        let heads = self.head.iter().zip(&other.head);
        let tails = self.tail.iter().rev().zip(other.tail.iter().rev());
        heads.chain(tails).all(|(ours, theirs)| ours.meets(theirs))
    }
}

/// Whether `items` are a match of `part`, no more and no less.
fn equals<T, I: Iterator>(part: &[T], mut items: I, fits: impl Fn(&T, I::Item) -> bool) -> bool {
    starts(part, &mut items, fits) && items.next().is_none()
}

/// Whether `items` begins with a match of `part`, which is then taken from it.
fn starts<'p, T: 'p, I: Iterator>(
    part: impl IntoIterator<Item = &'p T>,
    items: &mut I,
    fits: impl Fn(&T, I::Item) -> bool,
) -> bool {
    part.into_iter().all(|wanted| items.next().is_some_and(|item| fits(wanted, item)))
}

/// Whether `items` has a match of `part` anywhere. Takes all up to the end of the first one, which leaves the
/// most for the parts that follow.
fn finds<T, I>(part: &[T], items: &mut I, fits: impl Fn(&T, I::Item) -> bool) -> bool
where
    I: Iterator + Clone,
{
    loop {
        let mut ahead = items.clone();
        if starts(part, &mut ahead, &fits) {
            *items = ahead;
            return true;
        }
        if items.next().is_none() {
            return false;
        }
    }
}
