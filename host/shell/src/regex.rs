//! The right side of `=~`: POSIX extended regular expressions, as far as the `regex` crate reads them alike.

use crate::pattern::{Marked, Plain};

/// Compiles an expression in which what was quoted stands for itself.
///
/// The error is a sentence.
pub(crate) fn compile(text: &[Marked]) -> Result<regex::Regex, String> {
    let mut expression = String::new();
    let mut before = None;
    for (c, plain) in text {
        match plain {
            Plain::Yes => expression.push_str(&regex::escape(&c.to_string())),
            Plain::No if before == Some('(') && *c == '?' => return Err("`(?` is not supported".to_owned()),
            Plain::No if before == Some('\\') && c.is_alphanumeric() => {
                return Err("a backslash before a letter is not supported".to_owned());
            }
            Plain::No => expression.push(*c),
        }
        before = (*plain == Plain::No).then_some(*c);
    }
    let built = regex::RegexBuilder::new(&expression).size_limit(1 << 20).dot_matches_new_line(true).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        error => format!("no regular expression that is supported: {}", error.to_string().replace('\n', " ")),
    })
}
