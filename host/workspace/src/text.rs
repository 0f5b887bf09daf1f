//! Texts beside each other.

use std::time::Duration;

use similar::{TextDiff, TextMerge};

/// The longest text that is compared, in bytes: 1 MiB.
pub(crate) const MOST: usize = 1 << 20;

/// How long is looked for a short difference; after that a longer one will do.
const PATIENCE: Duration = Duration::from_millis(200);

/// How two contents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// As a unified diff with three lines of context; empty if they do not.
    Text(String),
    /// That is not told.
    Omitted(Omitted),
}

/// Why it is not told how two contents differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted {
    /// One of them is not UTF-8, or has a NUL in it.
    Binary,
    /// One of them is longer than 1 MiB.
    TooLong,
    /// One of them is a directory.
    Directory,
    /// Too much was told in the same answer already.
    TooMuch,
    /// One of them is not kept any more, or never was.
    NotKept,
}

impl Omitted {
    /// The name that the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::TooLong => "too_long",
            Self::Directory => "directory",
            Self::TooMuch => "too_much",
            Self::NotKept => "not_kept",
        }
    }
}

/// How what is called `old.0` differs from what is called `new.0`; without content, nothing is there.
pub fn difference(old: (&str, Option<&[u8]>), new: (&str, Option<&[u8]>)) -> Difference {
    match (text(old.1), text(new.1)) {
        (Ok(before), Ok(after)) => {
            let name = |side: char, (name, content): (&str, Option<&[u8]>)| match content {
                Some(_) => format!("{side}/{name}"),
                None => "/dev/null".to_owned(),
            };
            let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
            let mut unified = diff.unified_diff();
            Difference::Text(unified.header(&name('a', old), &name('b', new)).to_string())
        }
        (Err(omitted), _) | (_, Err(omitted)) => Difference::Omitted(omitted),
    }
}

/// What `ours` and `theirs`, which both came from `base`, come to together; `None` if they changed the same lines, or one
/// of them is no text to be compared.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let (base, ours, theirs) = (text(Some(base)).ok()?, text(Some(ours)).ok()?, text(Some(theirs)).ok()?);
    let merged = TextMerge::from_lines(base, ours, theirs);
    (!merged.is_conflicted()).then(|| merged.to_string().into_bytes())
}

fn text(content: Option<&[u8]>) -> Result<&str, Omitted> {
    let content = content.unwrap_or_default();
    if content.len() > MOST {
        return Err(Omitted::TooLong);
    }
    let text = std::str::from_utf8(content).map_err(|_| Omitted::Binary)?;
    if text.contains('\0') { Err(Omitted::Binary) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_as_a_patch() {
        let told = difference(("f", Some(b"a\nb\nc\n")), ("f", Some(b"a\nB\nc\n")));
        assert_eq!(told, Difference::Text("--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n".into()));
        let told = difference(("f", None), ("f", Some(b"a")));
        let expected = "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n";
        assert_eq!(told, Difference::Text(expected.into()));
        assert_eq!(difference(("f", Some(b"a")), ("f", Some(b"a"))), Difference::Text(String::new()));
    }

    #[test]
    fn what_is_no_text_is_not_compared() {
        let long = vec![b'a'; MOST + 1];
        for (content, omitted) in
            [(&b"a\0b"[..], Omitted::Binary), (b"\xff", Omitted::Binary), (&long, Omitted::TooLong)]
        {
            assert_eq!(difference(("f", Some(b"a")), ("f", Some(content))), Difference::Omitted(omitted));
            assert_eq!(merge(b"", b"", content), None);
        }
    }

    #[test]
    fn changes_of_different_lines_come_together_and_those_of_one_line_do_not() {
        let base = b"one\ntwo\nthree\nfour\nfive\n";
        let merged = merge(base, b"ONE\ntwo\nthree\nfour\nfive\n", b"one\ntwo\nthree\nfour\nFIVE\nsix\n");
        assert_eq!(merged.as_deref(), Some(&b"ONE\ntwo\nthree\nfour\nFIVE\nsix\n"[..]));
        assert_eq!(merge(base, b"1\ntwo\nthree\nfour\nfive\n", b"I\ntwo\nthree\nfour\nfive\n"), None);
        assert_eq!(merge(b"a\n", b"a\nb\n", b"a\nb\n").as_deref(), Some(&b"a\nb\n"[..]));
    }

    #[test]
    fn texts_that_have_nothing_in_common_take_no_longer_than_that() {
        let lines =
            |of: usize| (0..60_000).map(|n| format!("{}\n", n * 7 % 60_000 * 2 + of)).collect::<String>();
        let told = difference(("f", Some(lines(0).as_bytes())), ("f", Some(lines(1).as_bytes())));
        assert!(matches!(told, Difference::Text(text) if text.lines().count() > 120_000));
    }
}
