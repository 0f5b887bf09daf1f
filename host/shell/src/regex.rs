//! The right side of `=~`: POSIX extended regular expressions, as far as the `regex` crate reads them alike.

use crate::pattern::{Marked, Plain};

/// Compiles an expression in which what was quoted stands for itself.
///
/// The error is a sentence.
pub(crate) fn compile(text: &[Marked]) -> Result<regex::Regex, String> {
    let mut expression = String::new();
    let mut before = None;
    // Within `[…]`, how many characters it has so far.
    let mut set: Option<usize> = None;
    for (at, (c, plain)) in text.iter().enumerate() {
        let next = text.get(at + 1).map(|(c, _)| *c);
        let bare = *plain == Plain::No;
        match (set, c) {
            (None, '?') if bare && before == Some('(') => return Err("`(?` is not supported".to_owned()),
            (None, c) if bare && before == Some('\\') && c.is_alphanumeric() => {
                return Err("a backslash before a letter is not supported".to_owned());
            }
            (None, '[') if bare && before != Some('\\') => set = Some(0),
            (Some(0), '^') if bare && before == Some('[') => {}
            (Some(count), ']') if bare && before == Some(':') && count > 0 => set = Some(count + 1),
            (Some(count), ']') if bare && count > 0 => set = None,
            // The crate has nested sets, operations on sets and escapes in them, and POSIX has not.
            (Some(_), '\\') if bare => return Err("a backslash within `[ ]` is not supported".to_owned()),
            (Some(_), '[') if bare && next != Some(':') => {
                return Err("`[` within `[ ]` is not supported".to_owned());
            }
            (Some(_), '&' | '-' | '~') if bare && next == Some(*c) => {
                return Err(format!("`{c}{c}` within `[ ]` is not supported"));
            }
            (Some(count), _) => set = Some(count + 1),
            (None, _) => {}
        }
        if bare {
            expression.push(*c);
        } else {
            expression.push_str(&regex::escape(&c.to_string()));
        }
        // An escaped backslash escapes nothing.
        before = (bare && !(*c == '\\' && before == Some('\\'))).then_some(*c);
    }
    let built = regex::RegexBuilder::new(&expression).size_limit(1 << 20).dot_matches_new_line(true).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        error => format!("no regular expression that is supported: {}", error.to_string().replace('\n', " ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_posix_says_or_are_refused() {
        let cases = [
            ("^a.c$", "abc", Ok(true)),
            ("[]a]+", "]", Ok(true)),
            ("[^]a]", "a", Ok(false)),
            ("[[:digit:]]+x", "12x", Ok(true)),
            ("[[:digit:]x]+$", "1x2", Ok(true)),
            ("a|b", "xb", Ok(true)),
            (r"a\.b", "axb", Ok(false)),
            ("a{2}", "aa", Ok(true)),
            (r"\d", "1", Err(())),
            ("(?i)a", "A", Err(())),
            ("[a&&b]", "a", Err(())),
            (r"[\d]", "1", Err(())),
            ("[a[b]]", "b", Err(())),
            ("(", "(", Err(())),
        ];
        for (expression, text, matches) in cases {
            let marked: Vec<Marked> = expression.chars().map(|c| (c, Plain::No)).collect();
            let found = compile(&marked).map(|regex| regex.is_match(text)).map_err(|_| ());
            assert_eq!(found, matches, "{expression}");
        }
    }
}
