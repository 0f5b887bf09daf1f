//! `$(( ))` and `(( ))`: 64-bit integers that wrap.

/// What an expression reads and changes.
pub(crate) trait Numbers {
    fn get(&mut self, name: &str) -> Result<Option<String>, String>;
    fn set(&mut self, name: &str, value: i64) -> Result<(), String>;
}

/// The value of an expression; an empty one is 0. The error is a sentence.
pub(crate) fn evaluate(text: &str, numbers: &mut dyn Numbers) -> Result<i64, String> {
    nested(text, numbers, 0)
}

const DEPTH: usize = 64;

fn nested(text: &str, numbers: &mut dyn Numbers, depth: usize) -> Result<i64, String> {
    if text.trim().is_empty() {
        return Ok(0);
    }
    let mut reader = Reader { text: text.chars().collect(), next: 0, depth, live: true, numbers };
    let value = reader.comma()?;
    reader.spaces();
    if reader.next < reader.text.len() {
        return Err(format!("{}: syntax error in expression", text.trim()));
    }
    Ok(value)
}

struct Reader<'n> {
    text: Vec<char>,
    next: usize,
    depth: usize,
    /// Off where `&&`, `||` or `?` skip: parsed, and without effect.
    live: bool,
    numbers: &'n mut dyn Numbers,
}

#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    BitOr,
    BitXor,
    BitAnd,
    Equal,
    Differ,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Left,
    Right,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// Longer before shorter, with how tightly each binds.
const OPERATORS: [(&str, Operator, u8); 19] = [
    ("||", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("==", Operator::Equal, 6),
    ("!=", Operator::Differ, 6),
    ("<<", Operator::Left, 8),
    (">>", Operator::Right, 8),
    ("<=", Operator::LessOrEqual, 7),
    (">=", Operator::GreaterOrEqual, 7),
    ("**", Operator::Power, 11),
    ("|", Operator::BitOr, 3),
    ("^", Operator::BitXor, 4),
    ("&", Operator::BitAnd, 5),
    ("<", Operator::Less, 7),
    (">", Operator::Greater, 7),
    ("+", Operator::Add, 9),
    ("-", Operator::Subtract, 9),
    ("*", Operator::Multiply, 10),
    ("/", Operator::Divide, 10),
    ("%", Operator::Remainder, 10),
];

const ASSIGNMENTS: [(&str, Option<Operator>); 11] = [
    ("<<=", Some(Operator::Left)),
    (">>=", Some(Operator::Right)),
    ("+=", Some(Operator::Add)),
    ("-=", Some(Operator::Subtract)),
    ("*=", Some(Operator::Multiply)),
    ("/=", Some(Operator::Divide)),
    ("%=", Some(Operator::Remainder)),
    ("&=", Some(Operator::BitAnd)),
    ("|=", Some(Operator::BitOr)),
    ("^=", Some(Operator::BitXor)),
    ("=", None),
];

impl Reader<'_> {
    fn spaces(&mut self) {
        while self.text.get(self.next).is_some_and(|c| c.is_whitespace()) {
            self.next += 1;
        }
    }

    fn sees(&self, wanted: &str) -> bool {
        wanted.chars().enumerate().all(|(at, c)| self.text.get(self.next + at) == Some(&c))
    }

    fn takes(&mut self, wanted: &str) -> bool {
        self.spaces();
        let sees = self.sees(wanted);
        self.next += if sees { wanted.len() } else { 0 };
        sees
    }

    fn error<T>(&self, what: &str) -> Result<T, String> {
        let text: String = self.text.iter().collect();
        Err(format!("{}: {what}", text.trim()))
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.error("expression recursion level exceeded");
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.assignment()?;
        while self.takes(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Result<i64, String> {
        self.deeper(|reader| {
            reader.spaces();
            let from = reader.next;
            if let Some(name) = reader.name() {
                reader.spaces();
                for (sign, operator) in ASSIGNMENTS {
                    if !reader.sees(sign) || (operator.is_none() && reader.sees("==")) {
                        continue;
                    }
                    reader.next += sign.len();
                    let right = reader.assignment()?;
                    let value = match operator {
                        Some(operator) => {
                            let left = reader.variable(&name)?;
                            reader.apply(operator, left, right)?
                        }
                        None => right,
                    };
                    return reader.assign(&name, value);
                }
            }
            reader.next = from;
            reader.conditional()
        })
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.binary(1)?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let live = self.live;
        self.live = live && condition != 0;
        let yes = self.deeper(Self::comma)?;
        if !self.takes(":") {
            return self.error("`:' expected for conditional expression");
        }
        self.live = live && condition == 0;
        let no = self.deeper(Self::assignment)?;
        self.live = live;
        Ok(if condition != 0 { yes } else { no })
    }

    fn binary(&mut self, least: u8) -> Result<i64, String> {
        let mut left = self.unary()?;
        loop {
            self.spaces();
            let found = OPERATORS.iter().find(|(sign, _, _)| self.sees(sign));
            let Some((sign, operator, level)) = found.filter(|(_, _, level)| *level >= least) else {
                return Ok(left);
            };
            self.next += sign.len();
            let live = self.live;
            match operator {
                Operator::And => self.live = live && left != 0,
                Operator::Or => self.live = live && left == 0,
                _ => {}
            }
            let next = if matches!(operator, Operator::Power) { *level } else { level + 1 };
            let right = self.deeper(|reader| reader.binary(next))?;
            self.live = live;
            left = self.apply(*operator, left, right)?;
        }
    }

    fn apply(&self, operator: Operator, left: i64, right: i64) -> Result<i64, String> {
        if !self.live {
            return Ok(0);
        }
        let shift = |right: i64| u32::try_from(right & 63).unwrap_or(0);
        Ok(match operator {
            Operator::Or => i64::from(left != 0 || right != 0),
            Operator::And => i64::from(left != 0 && right != 0),
            Operator::BitOr => left | right,
            Operator::BitXor => left ^ right,
            Operator::BitAnd => left & right,
            Operator::Equal => i64::from(left == right),
            Operator::Differ => i64::from(left != right),
            Operator::LessOrEqual => i64::from(left <= right),
            Operator::GreaterOrEqual => i64::from(left >= right),
            Operator::Less => i64::from(left < right),
            Operator::Greater => i64::from(left > right),
            Operator::Left => left.wrapping_shl(shift(right)),
            Operator::Right => left.wrapping_shr(shift(right)),
            Operator::Add => left.wrapping_add(right),
            Operator::Subtract => left.wrapping_sub(right),
            Operator::Multiply => left.wrapping_mul(right),
            Operator::Divide | Operator::Remainder if right == 0 => return self.error("division by 0"),
            Operator::Divide => left.wrapping_div(right),
            Operator::Remainder => left.wrapping_rem(right),
            Operator::Power if right < 0 => return self.error("exponent less than 0"),
            Operator::Power => {
                let (mut value, mut base, mut exponent) = (1_i64, left, right);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        value = value.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                value
            }
        })
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.deeper(|reader| {
            for (sign, by) in [("++", 1), ("--", -1)] {
                let back = reader.next;
                if reader.takes(sign) {
                    reader.spaces();
                    if let Some(name) = reader.name() {
                        let value = reader.variable(&name)?.wrapping_add(by);
                        return reader.assign(&name, value);
                    }
                    reader.next = back;
                }
            }
            if reader.takes("!") {
                return Ok(i64::from(reader.unary()? == 0));
            }
            if reader.takes("~") {
                return Ok(!reader.unary()?);
            }
            if reader.takes("-") {
                return Ok(reader.unary()?.wrapping_neg());
            }
            if reader.takes("+") {
                return reader.unary();
            }
            reader.primary()
        })
    }

    fn primary(&mut self) -> Result<i64, String> {
        if self.takes("(") {
            let value = self.comma()?;
            return if self.takes(")") { Ok(value) } else { self.error("missing `)'") };
        }
        if let Some(name) = self.name() {
            if self.sees("[") {
                return self.error("arrays are not supported");
            }
            let value = self.variable(&name)?;
            let back = self.next;
            for (sign, by) in [("++", 1), ("--", -1)] {
                if self.takes(sign) {
                    self.assign(&name, value.wrapping_add(by))?;
                    return Ok(value);
                }
            }
            self.next = back;
            return Ok(value);
        }
        let from = self.next;
        while self.text.get(self.next).is_some_and(|c| c.is_ascii_alphanumeric() || "#@_".contains(*c)) {
            self.next += 1;
        }
        let digits: String = self.text.get(from..self.next).unwrap_or_default().iter().collect();
        if digits.is_empty() {
            return self.error("syntax error: operand expected");
        }
        number(&digits).ok_or(()).or_else(|()| self.error("value too great for base, or no number"))
    }

    fn name(&mut self) -> Option<String> {
        let from = self.next;
        if self.text.get(from).is_some_and(|c| c.is_ascii_alphabetic() || *c == '_') {
            while self.text.get(self.next).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_') {
                self.next += 1;
            }
        }
        self.text.get(from..self.next).filter(|name| !name.is_empty()).map(|name| name.iter().collect())
    }

    fn variable(&mut self, name: &str) -> Result<i64, String> {
        if !self.live {
            return Ok(0);
        }
        let text = self.numbers.get(name)?.unwrap_or_default();
        match number(text.trim()) {
            Some(number) => Ok(number),
            None if self.depth >= DEPTH => self.error("expression recursion level exceeded"),
            None => nested(&text, self.numbers, self.depth + 1),
        }
    }

    fn assign(&mut self, name: &str, value: i64) -> Result<i64, String> {
        if self.live {
            self.numbers.set(name, value)?;
        }
        Ok(value)
    }
}

/// `10`, `0x1f`, `017`, `2#101`.
fn number(text: &str) -> Option<i64> {
    let (base, digits) = if let Some((base, digits)) = text.split_once('#') {
        (base.parse().ok().filter(|base| (2..=64).contains(base))?, digits)
    } else if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        (16, digits)
    } else if text.len() > 1 && text.starts_with('0') {
        (8, text)
    } else {
        (10, text)
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for c in digits.chars() {
        let digit = match c {
            '0'..='9' => i64::from(u32::from(c) - u32::from('0')),
            'a'..='z' => i64::from(u32::from(c) - u32::from('a')) + 10,
            'A'..='Z' if base <= 36 => i64::from(u32::from(c) - u32::from('A')) + 10,
            'A'..='Z' => i64::from(u32::from(c) - u32::from('A')) + 36,
            '@' => 62,
            '_' => 63,
            _ => return None,
        };
        if digit >= base {
            return None;
        }
        value = value.wrapping_mul(base).wrapping_add(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    impl Numbers for HashMap<String, String> {
        fn get(&mut self, name: &str) -> Result<Option<String>, String> {
            Ok(HashMap::get(self, name).cloned())
        }

        fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
            self.insert(name.to_owned(), value.to_string());
            Ok(())
        }
    }

    #[test]
    fn expressions_have_cs_values() {
        let cases = [
            ("", Ok(0)),
            ("1 + 2 * 3", Ok(7)),
            ("2 ** 3 ** 2", Ok(512)),
            ("x = 5, x += 2, x", Ok(7)),
            ("0 && 1 / 0", Ok(0)),
            ("1 || 1 / 0", Ok(1)),
            ("1 ? 2 : 1 / 0", Ok(2)),
            ("-9223372036854775807 - 1", Ok(i64::MIN)),
            ("(-9223372036854775807 - 1) / -1", Ok(i64::MIN)),
            ("(-9223372036854775807 - 1) % -1", Ok(0)),
            ("1 / 0", Err(())),
            ("1 % 0", Err(())),
            ("2 ** -1", Err(())),
            ("1 +", Err(())),
            ("(1", Err(())),
            ("1 2", Err(())),
            ("a[0]", Err(())),
            ("loop = 1", Ok(1)),
        ];
        for (text, value) in cases {
            assert_eq!(evaluate(text, &mut HashMap::new()).map_err(|_| ()), value, "{text}");
        }
    }

    #[test]
    fn a_variable_that_names_itself_ends() {
        let mut numbers =
            HashMap::from([("a".to_owned(), "b + 1".to_owned()), ("b".to_owned(), "a".to_owned())]);
        assert!(evaluate("a", &mut numbers).is_err());
    }
}
