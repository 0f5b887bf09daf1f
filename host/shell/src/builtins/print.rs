//! `echo` and `printf`.

use crate::shell::{Run, Shell};

pub(super) fn echo(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let mut newline = true;
    let mut escapes = false;
    let mut words = words;
    while let Some((option, rest)) = words.split_first() {
        let Some(flags) = option.strip_prefix('-').filter(|flags| !flags.is_empty()) else { break };
        if !flags.chars().all(|flag| "neE".contains(flag)) {
            break;
        }
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = rest;
    }
    let mut text = words.join(" ");
    if escapes {
        let (unescaped, stopped) = match unescape(&text, Zero::Needed) {
            Ok(unescaped) => unescaped,
            Err(Unsupported) => {
                return shell.fatal(2, "echo: an escape that is no character is not supported");
            }
        };
        text = unescaped;
        newline &= !stopped;
    }
    if newline {
        text.push('\n');
    }
    shell.write(1, &text)
}

/// Whether octal escapes begin with a zero, `\0nnn`, or need none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Needed,
    Optional,
}

/// An escape that stands for a byte that is no character.
struct Unsupported;

/// The text, and whether `\c` ended it.
fn unescape(text: &str, zero: Zero) -> Result<(String, bool), Unsupported> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(kind) = chars.next() else {
            out.push('\\');
            break;
        };
        let c = match kind {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'e' | 'E' => '\x1b',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' => '\\',
            'c' if zero == Zero::Needed => return Ok((out, true)),
            '"' if zero == Zero::Optional => '"',
            'x' | 'u' | 'U' | '0'..='7' => {
                let (most, radix) = match kind {
                    'x' => (2, 16),
                    'u' => (4, 16),
                    'U' => (8, 16),
                    _ => (3, 8),
                };
                let mut value = if radix == 8 && zero == Zero::Optional { kind.to_digit(8) } else { None };
                if radix == 8 && zero == Zero::Needed && kind != '0' {
                    out.extend(['\\', kind]);
                    continue;
                }
                let most = if radix == 8 && zero == Zero::Optional { 2 } else { most };
                for _ in 0..most {
                    let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
                    chars.next();
                    value = Some(value.unwrap_or(0).saturating_mul(radix).saturating_add(digit));
                }
                let wide = kind == 'u' || kind == 'U';
                let value = match value {
                    None if radix == 8 => Some(0),
                    value => value,
                };
                value.filter(|value| wide || *value < 0x80).and_then(char::from_u32).ok_or(Unsupported)?
            }
            other => {
                out.push('\\');
                other
            }
        };
        out.push(c);
    }
    Ok((out, false))
}

/// What the shell formats itself; anything else is left to the machine's `printf`.
pub(super) fn printf(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let given = words;
    let words = match words.split_first() {
        Some((first, rest)) if first == "--" => rest,
        Some((first, _)) if first.starts_with("-v") => return shell.fatal(2, "printf: -v: not supported"),
        Some(_) | None => words,
    };
    let Some((format, arguments)) = words.split_first() else {
        shell.complain("printf: usage: printf format [arguments]");
        return Ok(2);
    };
    let Some(items) = parse(format) else {
        // Which other programs of that name do otherwise.
        if let Some(format) = ["%q", "%(", "%n", "%Q"].iter().find(|what| format.contains(*what)) {
            return shell.fatal(2, &format!("printf: {format}: not supported"));
        }
        let argv = std::iter::once("printf".to_owned()).chain(given.iter().cloned()).collect();
        return shell.external(argv);
    };
    let mut out = String::new();
    let mut left = arguments.iter();
    let mut status = 0;
    loop {
        let before = left.len();
        for item in &items {
            shell.too_large(out.len())?;
            match item {
                Item::Text(text) => out.push_str(text),
                Item::Value(value) => {
                    let width = match value.width {
                        Size::Given(width) => width,
                        Size::Next => left.next().and_then(|word| word.parse().ok()).unwrap_or(0),
                    };
                    let Ok(stopped) =
                        value.format(width, left.next().map(String::as_str), &mut out, |error| {
                            shell.complain(&format!("printf: {error}"));
                            status = 1;
                        })
                    else {
                        return shell.fatal(2, "printf: an escape that is no character is not supported");
                    };
                    if stopped {
                        shell.write(1, &out)?;
                        return Ok(status);
                    }
                }
            }
        }
        if left.len() == 0 || left.len() == before {
            break;
        }
    }
    Ok(shell.write(1, &out)?.max(status))
}

enum Item {
    Text(String),
    Value(Value),
}

struct Value {
    left: bool,
    zeros: bool,
    plus: bool,
    width: Size,
    precision: Option<usize>,
    kind: char,
}

enum Size {
    Given(usize),
    Next,
}

fn parse(format: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '%' if chars.peek() == Some(&'%') => {
                chars.next();
                text.push('%');
            }
            '%' => {
                items.push(Item::Text(unescape(&std::mem::take(&mut text), Zero::Optional).ok()?.0));
                let mut value = Value {
                    left: false,
                    zeros: false,
                    plus: false,
                    width: Size::Given(0),
                    precision: None,
                    kind: 's',
                };
                while let Some(flag) = chars.next_if(|c| "-0+".contains(*c)) {
                    match flag {
                        '-' => value.left = true,
                        '0' => value.zeros = true,
                        _ => value.plus = true,
                    }
                }
                if chars.next_if_eq(&'*').is_some() {
                    value.width = Size::Next;
                } else {
                    value.width = Size::Given(digits(&mut chars)?);
                }
                if chars.next_if_eq(&'.').is_some() {
                    value.precision = Some(digits(&mut chars)?);
                }
                value.kind = chars.next().filter(|kind| "sdiuxXocb".contains(*kind))?;
                if value.precision.is_some() && value.kind != 's' {
                    return None;
                }
                items.push(Item::Value(value));
            }
            '\\' => {
                text.push('\\');
                text.extend(chars.next());
            }
            c => text.push(c),
        }
    }
    items.push(Item::Text(unescape(&text, Zero::Optional).ok()?.0));
    Some(items)
}

/// A number of at most four digits, 0 if there are none.
fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = 0;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        number = number * 10 + usize::try_from(digit).ok()?;
        if number > 9_999 {
            return None;
        }
    }
    Some(number)
}

impl Value {
    /// Appends an argument, and says whether it ends the output.
    fn format(
        &self,
        width: usize,
        argument: Option<&str>,
        out: &mut String,
        mut complain: impl FnMut(String),
    ) -> Result<bool, Unsupported> {
        let text = argument.unwrap_or("");
        let mut number = || {
            integer(text).unwrap_or_else(|read| {
                if argument.is_some() {
                    complain(format!("{text}: invalid number"));
                }
                read
            })
        };
        let mut stopped = false;
        let shown = match self.kind {
            'd' | 'i' => {
                let number = number();
                if self.plus && number >= 0 { format!("+{number}") } else { number.to_string() }
            }
            'u' => number().cast_unsigned().to_string(),
            'x' => format!("{:x}", number()),
            'X' => format!("{:X}", number()),
            'o' => format!("{:o}", number()),
            'c' => text.chars().take(1).collect(),
            'b' => {
                let (text, ended) = unescape(text, Zero::Needed)?;
                stopped = ended;
                text
            }
            _ => text.chars().take(self.precision.unwrap_or(usize::MAX)).collect(),
        };
        let width = width.min(9_999);
        let missing = width.saturating_sub(shown.chars().count());
        let numeric = !matches!(self.kind, 's' | 'c' | 'b');
        if self.left {
            out.push_str(&shown);
            out.extend(std::iter::repeat_n(' ', missing));
        } else if self.zeros && numeric {
            let (sign, digits) = shown.split_at(shown.len() - shown.trim_start_matches(['-', '+']).len());
            out.push_str(sign);
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(digits);
        } else {
            out.extend(std::iter::repeat_n(' ', missing));
            out.push_str(&shown);
        }
        Ok(stopped)
    }
}

/// An integer as C has it, or as much of one as there is.
fn integer(text: &str) -> Result<i64, i64> {
    let text = text.trim_start();
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return Ok(c.chars().next().map_or(0, |c| i64::from(u32::from(c))));
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) =
        if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (16, digits)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (8, digits)
        } else {
            (10, digits)
        };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (read, rest) = digits.split_at(end);
    let value = i64::from_str_radix(read, radix).unwrap_or(0).wrapping_mul(sign);
    if rest.is_empty() && !read.is_empty() { Ok(value) } else { Err(value) }
}
