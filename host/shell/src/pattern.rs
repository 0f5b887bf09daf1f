//! Patterns as in pathname expansion: `*`, `?` and `[…]`.

/// A compiled pattern. Matching takes time in proportion to the text times the pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Item>);

#[derive(Clone, Debug)]
enum Item {
    Char(char),
    Any,
    Many,
    Set { negated: bool, members: Vec<Member> },
}

#[derive(Clone, Debug)]
enum Member {
    Range(char, char),
    Class(Class),
}

#[derive(Clone, Copy, Debug)]
enum Class {
    Alpha,
    Digit,
    Alnum,
    Upper,
    Lower,
    Space,
    Blank,
    Punct,
    Xdigit,
    Cntrl,
    Print,
    Graph,
}

/// A character, and whether it stands for itself.
pub(crate) type Marked = (char, Plain);

/// Whether a character of a pattern stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Yes,
    No,
}

impl Pattern {
    pub(crate) fn new(text: &[Marked]) -> Self {
        let mut items = Vec::new();
        let mut at = 0;
        while let Some(&(c, plain)) = text.get(at) {
            at += 1;
            let item = match (c, plain) {
                ('*', Plain::No) => Item::Many,
                ('?', Plain::No) => Item::Any,
                ('[', Plain::No) => match set(text, at) {
                    Some((item, end)) => {
                        at = end;
                        item
                    }
                    None => Item::Char('['),
                },
                ('\\', Plain::No) => {
                    let escaped = text.get(at).map_or('\\', |(c, _)| *c);
                    at += 1;
                    Item::Char(escaped)
                }
                (c, Plain::Yes | Plain::No) => Item::Char(c),
            };
            if !(matches!(item, Item::Many) && matches!(items.last(), Some(Item::Many))) {
                items.push(item);
            }
        }
        Self(items)
    }

    /// Whether it is text alone, which then matches itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.iter().all(|item| matches!(item, Item::Char(_)))
    }

    /// The text of a pattern that [`Pattern::is_plain`].
    pub(crate) fn text(&self) -> String {
        self.0.iter().filter_map(|item| if let Item::Char(c) = item { Some(*c) } else { None }).collect()
    }

    /// Whether its first character is this one and stands for itself.
    pub(crate) fn starts_with(&self, wanted: char) -> bool {
        matches!(self.0.first(), Some(Item::Char(c)) if *c == wanted)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut whole = false;
        self.ends(text.iter(), |end| whole = end == text.len());
        whole
    }

    /// Lengths of the beginnings of `text` that match, ascending.
    pub(crate) fn prefixes(&self, text: &[char], found: impl FnMut(usize)) {
        self.ends(text.iter(), found);
    }

    /// Lengths of the ends of `text` that match, ascending.
    pub(crate) fn suffixes(&self, text: &[char], found: impl FnMut(usize)) {
        let mut items = self.0.clone();
        items.reverse();
        Self(items).ends(text.iter().rev(), found);
    }

    fn ends<'t>(&self, text: impl Iterator<Item = &'t char>, mut found: impl FnMut(usize)) {
        // The positions in the pattern that may be reached after so many characters, ascending.
        let mut reached = Vec::new();
        self.reach(0, &mut reached);
        if reached.last() == Some(&self.0.len()) {
            found(0);
        }
        for (count, c) in text.enumerate() {
            let mut next = Vec::new();
            for &at in &reached {
                match self.0.get(at) {
                    Some(Item::Many) => self.reach(at, &mut next),
                    Some(item) if item.takes(*c) => self.reach(at + 1, &mut next),
                    Some(_) | None => {}
                }
            }
            if next.is_empty() {
                return;
            }
            reached = next;
            if reached.last() == Some(&self.0.len()) {
                found(count + 1);
            }
        }
    }

    fn reach(&self, at: usize, into: &mut Vec<usize>) {
        if into.last().is_none_or(|last| *last < at) {
            into.push(at);
            if matches!(self.0.get(at), Some(Item::Many)) {
                self.reach(at + 1, into);
            }
        }
    }
}

impl Item {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Any | Self::Many => true,
            Self::Set { negated, members } => *negated != members.iter().any(|member| member.has(c)),
        }
    }
}

impl Member {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Range(from, to) => (*from..=*to).contains(&c),
            Self::Class(class) => match class {
                Class::Alpha => c.is_alphabetic(),
                Class::Digit => c.is_ascii_digit(),
                Class::Alnum => c.is_alphanumeric(),
                Class::Upper => c.is_uppercase(),
                Class::Lower => c.is_lowercase(),
                Class::Space => c.is_whitespace(),
                Class::Blank => c == ' ' || c == '\t',
                Class::Punct => c.is_ascii_punctuation(),
                Class::Xdigit => c.is_ascii_hexdigit(),
                Class::Cntrl => c.is_control(),
                Class::Print => !c.is_control(),
                Class::Graph => !c.is_control() && !c.is_whitespace(),
            },
        }
    }
}

/// The set whose `[` stands before `at`, and what follows it.
fn set(text: &[Marked], mut at: usize) -> Option<(Item, usize)> {
    let negated = matches!(text.get(at), Some(('!' | '^', Plain::No)));
    at += usize::from(negated);
    let mut members = Vec::new();
    loop {
        let &(c, plain) = text.get(at)?;
        at += 1;
        match (c, plain) {
            (']', Plain::No) if !members.is_empty() => return Some((Item::Set { negated, members }, at)),
            ('[', Plain::No) if matches!(text.get(at), Some((':', _))) => {
                let rest = text.get(at + 1..)?;
                let name: String =
                    rest.iter().map(|(c, _)| *c).take_while(|c| c.is_ascii_lowercase()).collect();
                let closed = rest
                    .get(name.len()..name.len() + 2)
                    .is_some_and(|end| end.iter().map(|(c, _)| *c).eq([':', ']']));
                match class(&name).filter(|_| closed) {
                    Some(class) => {
                        members.push(Member::Class(class));
                        at += name.len() + 3;
                    }
                    None => members.push(Member::Range('[', '[')),
                }
            }
            ('\\', Plain::No) => {
                let &(c, _) = text.get(at)?;
                at += 1;
                members.push(Member::Range(c, c));
            }
            (c, Plain::Yes | Plain::No) => match (text.get(at), text.get(at + 1)) {
                (Some(('-', Plain::No)), Some((to, _))) if *to != ']' => {
                    at += 2;
                    members.push(Member::Range(c, *to));
                }
                _ => members.push(Member::Range(c, c)),
            },
        }
    }
}

fn class(name: &str) -> Option<Class> {
    Some(match name {
        "alpha" => Class::Alpha,
        "digit" => Class::Digit,
        "alnum" => Class::Alnum,
        "upper" => Class::Upper,
        "lower" => Class::Lower,
        "space" => Class::Space,
        "blank" => Class::Blank,
        "punct" => Class::Punct,
        "xdigit" => Class::Xdigit,
        "cntrl" => Class::Cntrl,
        "print" => Class::Print,
        "graph" => Class::Graph,
        _ => return None,
    })
}

/// Whether `?(…)` and its like are in it, which `[[` would take for more than their characters.
pub(crate) fn extended(text: &[Marked]) -> bool {
    text.windows(2).any(|pair| matches!(pair, [(c, Plain::No), ('(', Plain::No)] if "?*+@!".contains(*c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(&text.chars().map(|c| (c, Plain::No)).collect::<Vec<_>>())
    }

    #[test]
    fn patterns_match_whole_texts() {
        let cases = [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("?b", "ab", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]]*", "1x", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("**a", "a", true),
        ];
        for (text, of, matches) in cases {
            assert_eq!(pattern(text).matches(of), matches, "{text} {of}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_text_times_pattern() {
        let text = "a".repeat(20_000);
        assert!(!pattern("*a*a*a*a*a*a*a*a*a*a*a*a*b").matches(&text));
    }
}
