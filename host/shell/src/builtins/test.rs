//! `test` and `[`.

use crate::shell::{Run, Shell};
use crate::test::{Binary, Unary};

pub(super) fn bracket(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    match words.split_last() {
        Some((last, words)) if last == "]" => test(shell, words),
        Some(_) | None => {
            shell.complain("[: missing `]'");
            Ok(2)
        }
    }
}

pub(super) fn test(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match holds(shell, &words) {
        Ok(holds) => Ok(i32::from(!holds)),
        Err(error) => {
            shell.complain(&format!("test: {error}"));
            Ok(2)
        }
    }
}

/// By the number of words first, as POSIX has it: `test ! = x` compares.
fn holds(shell: &Shell<'_>, words: &[&str]) -> Result<bool, String> {
    match words {
        [] => Ok(false),
        [word] => Ok(!word.is_empty()),
        ["!", word] => Ok(word.is_empty()),
        [operator, word] => match Unary::named(operator) {
            Some(unary) => Ok(ask(shell, unary, word)),
            None if "bcgkopuGNORS".chars().any(|flag| *operator == format!("-{flag}")) => {
                Err(format!("{operator}: not supported"))
            }
            None => Err(format!("{operator}: unary operator expected")),
        },
        [left, operator, right] if comparison(operator) => compare(shell, left, operator, right),
        ["!", rest @ ..] if words.len() <= 4 => Ok(!holds(shell, rest)?),
        ["(", rest @ .., ")"] if words.len() <= 4 => holds(shell, rest),
        words => {
            let mut reader = Reader { shell, words, depth: 0 };
            let holds = reader.or()?;
            match reader.words.first() {
                None => Ok(holds),
                Some(_) if words.len() == 3 => {
                    Err(format!("{}: binary operator expected", words.get(1).unwrap_or(&"")))
                }
                Some(_) => Err("too many arguments".to_owned()),
            }
        }
    }
}

fn comparison(operator: &str) -> bool {
    matches!(operator, "=" | "==" | "!=" | "-a" | "-o") || Binary::named(operator).is_some()
}

fn compare(shell: &Shell<'_>, left: &str, operator: &str, right: &str) -> Result<bool, String> {
    match (operator, Binary::named(operator)) {
        ("=" | "==", _) => Ok(left == right),
        ("!=", _) => Ok(left != right),
        ("-a", _) => Ok(!left.is_empty() && !right.is_empty()),
        ("-o", _) => Ok(!left.is_empty() || !right.is_empty()),
        (_, Some(binary)) => binary.holds(shell.machine, &shell.cwd, (left, right), |text| {
            text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"))
        }),
        (_, None) => Err(format!("{operator}: binary operator expected")),
    }
}

fn ask(shell: &Shell<'_>, unary: Unary, word: &str) -> bool {
    unary.holds(shell.machine, &shell.cwd, word, |name| shell.variables.get(name).is_some())
}

struct Reader<'a> {
    shell: &'a Shell<'a>,
    words: &'a [&'a str],
    depth: usize,
}

impl Reader<'_> {
    fn takes(&mut self, wanted: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.words = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut holds = self.and()?;
        while self.takes("-o") {
            holds |= self.and()?;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut holds = self.not()?;
        while self.takes("-a") {
            holds &= self.not()?;
        }
        Ok(holds)
    }

    fn not(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("too deeply nested".to_owned());
        }
        let mut negated = false;
        while self.takes("!") {
            negated = !negated;
        }
        let holds = self.one()?;
        self.depth -= 1;
        Ok(negated != holds)
    }

    fn one(&mut self) -> Result<bool, String> {
        match self.words {
            [left, operator, right, rest @ ..]
                if comparison(operator) && !matches!(*operator, "-a" | "-o") =>
            {
                self.words = rest;
                compare(self.shell, left, operator, right)
            }
            ["(", ..] => {
                self.takes("(");
                let holds = self.or()?;
                if self.takes(")") { Ok(holds) } else { Err("`)' expected".to_owned()) }
            }
            [operator, word, rest @ ..] if Unary::named(operator).is_some() => {
                self.words = rest;
                Ok(Unary::named(operator).is_some_and(|unary| ask(self.shell, unary, word)))
            }
            [word, rest @ ..] => {
                self.words = rest;
                Ok(!word.is_empty())
            }
            [] => Err("argument expected".to_owned()),
        }
    }
}
