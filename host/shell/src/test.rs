//! The questions that `[[ … ]]`, `test` and `[` ask.

use crate::machine::{Kind, Machine};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Exists,
    File,
    Directory,
    Readable,
    Writable,
    Executable,
    NotEmpty,
    Link,
    Empty,
    Text,
    Set,
    Terminal,
}

impl Unary {
    pub(crate) fn named(operator: &str) -> Option<Self> {
        Some(match operator {
            "-e" | "-a" => Self::Exists,
            "-f" => Self::File,
            "-d" => Self::Directory,
            "-r" => Self::Readable,
            "-w" => Self::Writable,
            "-x" => Self::Executable,
            "-s" => Self::NotEmpty,
            "-L" | "-h" => Self::Link,
            "-z" => Self::Empty,
            "-n" => Self::Text,
            "-v" => Self::Set,
            "-t" => Self::Terminal,
            _ => return None,
        })
    }

    /// The answer; `set` says whether a variable has a value.
    pub(crate) fn holds(
        self,
        machine: &dyn Machine,
        cwd: &str,
        of: &str,
        set: impl Fn(&str) -> bool,
    ) -> bool {
        let stat = || if of.is_empty() { None } else { machine.stat(cwd, of) };
        match self {
            Self::Exists => stat().is_some(),
            Self::File => stat().is_some_and(|stat| stat.kind == Kind::File),
            Self::Directory => stat().is_some_and(|stat| stat.kind == Kind::Directory),
            Self::Readable => stat().is_some_and(|stat| stat.readable),
            Self::Writable => stat().is_some_and(|stat| stat.writable),
            Self::Executable => stat().is_some_and(|stat| stat.executable),
            Self::NotEmpty => stat().is_some_and(|stat| stat.size > 0),
            Self::Link => !of.is_empty() && machine.is_link(cwd, of),
            Self::Empty => of.is_empty(),
            Self::Text => !of.is_empty(),
            Self::Set => set(of),
            // Nothing here is one.
            Self::Terminal => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Before,
    After,
    Newer,
    Older,
}

impl Binary {
    pub(crate) fn named(operator: &str) -> Option<Self> {
        Some(match operator {
            "-eq" => Self::Equal,
            "-ne" => Self::NotEqual,
            "-lt" => Self::Less,
            "-le" => Self::LessOrEqual,
            "-gt" => Self::Greater,
            "-ge" => Self::GreaterOrEqual,
            "<" => Self::Before,
            ">" => Self::After,
            "-nt" => Self::Newer,
            "-ot" => Self::Older,
            _ => return None,
        })
    }

    /// The answer; `number` reads a side as an integer.
    pub(crate) fn holds<E>(
        self,
        machine: &dyn Machine,
        cwd: &str,
        (left, right): (&str, &str),
        mut number: impl FnMut(&str) -> Result<i64, E>,
    ) -> Result<bool, E> {
        let modified = |path: &str| machine.stat(cwd, path).map(|stat| stat.modified_ns);
        Ok(match self {
            Self::Equal => number(left)? == number(right)?,
            Self::NotEqual => number(left)? != number(right)?,
            Self::Less => number(left)? < number(right)?,
            Self::LessOrEqual => number(left)? <= number(right)?,
            Self::Greater => number(left)? > number(right)?,
            Self::GreaterOrEqual => number(left)? >= number(right)?,
            Self::Before => left < right,
            Self::After => left > right,
            Self::Newer => modified(left) > modified(right),
            Self::Older => {
                modified(left).is_some() && modified(left) < modified(right)
                    || modified(left).is_none() && modified(right).is_some()
            }
        })
    }
}
