//! What the grammar must not be given, because it would take too long, too deep a stack, or panic.

use brush_parser::{SourcePosition, Token};

use super::{Position, Reason, SyntaxError};

/// Opening tokens in a text.
const OPENING: usize = 4_000;

/// Nested `case` without a last `;;` takes twice as long for each.
const CASES: usize = 12;

/// Counts what makes the tokenizer recurse.
pub(super) fn text(text: &str, at: Position) -> Result<(), SyntaxError> {
    let nesting = ["$(", "${", "$[", "`"].iter().map(|opening| text.matches(opening).count()).sum::<usize>();
    if nesting > OPENING {
        return Err(at.error(Reason::TooLarge("too many substitutions")));
    }
    Ok(())
}

/// Counts what makes the parser recurse, and finds what makes it panic or try again and again.
pub(super) fn tokens(tokens: &[Token], here: impl Fn(Position) -> Position) -> Result<(), SyntaxError> {
    let mut opening = 0;
    let mut cases = 0;
    let mut before = [""; 3];
    for (token, next) in tokens.iter().zip(tokens.iter().skip(1).map(Some).chain([None])) {
        let position: &SourcePosition = &token.location().start;
        let at = here(position.into());
        match token {
            Token::Operator(operator, _) => {
                opening += usize::from(matches!(operator.as_str(), "(" | "&&" | "||"))
            }
            Token::Word(word, _) => {
                opening += usize::from(OPENERS.contains(&word.as_str()));
                cases += usize::from(word == "case");
                if subscripted(word) {
                    return Err(at.unsupported("an array"));
                }
                let redirects = matches!(next, Some(Token::Operator(operator, span))
                    if operator.starts_with(['<', '>']) && span.start.index == token.location().end.index);
                if redirects && word.starts_with('{') && word.ends_with('}') {
                    return Err(at.unsupported("a file descriptor with a name"));
                }
                let number = word.len() > 4 && word.bytes().all(|byte| byte.is_ascii_digit());
                if number
                    && matches!(next, Some(Token::Operator(operator, _)) if operator.starts_with(['<', '>']))
                {
                    return Err(at.grammar(format!("`{word}` is no file descriptor")));
                }
            }
        }
        before = [before[1], before[2], token.to_str()];
        let empty = next.is_some_and(|next| matches!(next.to_str(), ";" | "\n"));
        if empty && before[0] == "for" && before[2] == "in" {
            return Err(at.unsupported("`for` without a word after `in`"));
        }
        if opening > OPENING {
            return Err(at.error(Reason::TooLarge("too many compound commands")));
        }
        if cases > CASES {
            return Err(at.error(Reason::TooLarge("more than twelve times `case`")));
        }
    }
    Ok(())
}

/// Puts right two things in which the grammar is not bash's: `for ((;;))`, of which the tokenizer takes two for one, and
/// `( (…) )`, which would be arithmetic.
pub(super) fn separate(tokens: Vec<Token>) -> Vec<Token> {
    let mut separated: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut header = false;
    let mut test = false;
    for token in tokens {
        match &token {
            Token::Word(word, _) => test = word == "[[" || (test && word != "]]"),
            Token::Operator(operator, span) => {
                let apart = separated.last().is_some_and(|before| {
                    before.to_str() == operator && before.location().end.index < span.start.index
                });
                if apart && !test && matches!(operator.as_str(), "(" | ")") {
                    separated.push(Token::Operator("\n".to_owned(), span.clone()));
                }
            }
        }
        let mut before = separated.iter().rev().map(Token::to_str);
        if (before.next(), before.next(), before.next()) == (Some("("), Some("("), Some("for")) {
            header = true;
        }
        match token {
            Token::Operator(operator, span) if header && operator == ";;" => {
                separated.extend([
                    Token::Operator(";".to_owned(), span.clone()),
                    Token::Operator(";".to_owned(), span),
                ]);
            }
            token => {
                header &= !matches!(&token, Token::Word(word, _) if word == "do" || word == "{");
                separated.push(token);
            }
        }
    }
    separated
}

const OPENERS: [&str; 10] = ["{", "if", "elif", "while", "until", "for", "case", "!", "[[", "function"];

/// `NAME[…]=…`, and what the grammar would have to look into to see that it is not.
fn subscripted(word: &str) -> bool {
    let Some((name, rest)) = word.split_once('[') else { return false };
    let named = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    let named = named && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    named && (rest.contains("]=") || rest.contains("]+=") || rest.contains(['$', '`', '(']))
}
