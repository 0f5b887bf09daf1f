//! A script as it is run: what is not supported cannot be written down here.

use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct List(pub(crate) Vec<AndOr>);

impl List {
    /// The redirection of a list that is nothing but `< FILE`.
    pub(crate) fn only_reads(&self) -> Option<&Redirect> {
        let [AndOr { first: Pipeline { negated: false, stages }, rest }] = self.0.as_slice() else {
            return None;
        };
        let [Command::Simple(Simple { assignments, words, redirects })] = stages.as_slice() else {
            return None;
        };
        let [redirect @ Redirect { fd: None, to: Target::File(crate::machine::Open::Read, _) }] =
            redirects.as_slice()
        else {
            return None;
        };
        (rest.is_empty() && assignments.is_empty() && words.is_empty()).then_some(redirect)
    }
}

#[derive(Debug)]
pub(crate) struct AndOr {
    pub(crate) first: Pipeline,
    pub(crate) rest: Vec<(Connector, Pipeline)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connector {
    And,
    Or,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) negated: bool,
    pub(crate) stages: Vec<Command>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Simple(Simple),
    Compound(Compound, Vec<Redirect>),
    Function(String, Arc<Function>),
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) body: Compound,
    pub(crate) redirects: Vec<Redirect>,
}

#[derive(Debug, Default)]
pub(crate) struct Simple {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) words: Vec<Word>,
    pub(crate) redirects: Vec<Redirect>,
}

#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) append: bool,
    pub(crate) value: Word,
}

#[derive(Debug)]
pub(crate) enum Compound {
    Group(List),
    Subshell(List),
    If { arms: Vec<(List, List)>, otherwise: Option<List> },
    Loop { until: Until, condition: List, body: List },
    For { name: String, words: Option<Vec<Word>>, body: List },
    ForArithmetic { start: Option<Word>, condition: Option<Word>, step: Option<Word>, body: List },
    Case { subject: Word, arms: Vec<Arm> },
    Arithmetic(Word),
    Test(Test),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Fails,
    Succeeds,
}

#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) patterns: Vec<Word>,
    pub(crate) body: List,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// `;;`
    Leave,
    /// `;&`
    RunNext,
    /// `;;&`
    TestNext,
}

#[derive(Debug)]
pub(crate) enum Test {
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Unary(crate::test::Unary, Word),
    Binary(crate::test::Binary, Word, Word),
    /// `==` and `=`: the right side is a pattern where it is not quoted.
    Matches(Word, Word),
    Differs(Word, Word),
    /// `=~`
    Regex(Word, Word),
}

#[derive(Debug)]
pub(crate) struct Redirect {
    /// As written before the operator.
    pub(crate) fd: Option<u32>,
    pub(crate) to: Target,
}

#[derive(Debug)]
pub(crate) enum Target {
    File(crate::machine::Open, Word),
    /// `&>` and `>&FILE`: both streams.
    Both(crate::machine::Open, Word),
    /// `<&` and `>&`, of a number or `-`.
    Duplicate {
        default: u32,
        word: Word,
    },
    Here(Word),
    HereString(Word),
}

/// A word before expansion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word(pub(crate) Vec<Piece>);

#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Unquoted, as written.
    Bare(String),
    /// Quoted, quotes removed.
    Quoted(String),
    /// What stood between double quotes.
    Double(Vec<Piece>),
    Parameter(Box<Parameter>),
    Command(Arc<List>),
    Arithmetic(Word),
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) of: Of,
    pub(crate) change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Variable(String),
    /// `$1`, counted from 1.
    Positional(usize),
    Zero,
    Status,
    Count,
    At,
    Star,
    Flags,
    Process,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    None,
    Length,
    Default { when: Absent, word: Word },
    Assign { when: Absent, word: Word },
    Require { when: Absent, word: Option<Word> },
    Alternative { when: Absent, word: Word },
    Prefix { match_: Extent, pattern: Word },
    Suffix { match_: Extent, pattern: Word },
    Replace { place: Place, pattern: Word, with: Word },
    Slice { offset: Word, length: Option<Word> },
    Case { to: Letter, reach: Reach, pattern: Option<Word> },
}

/// What counts as absent: `:` in the operator makes it [`Absent::UnsetOrEmpty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Unset,
    UnsetOrEmpty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Shortest,
    Longest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    All,
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    Upper,
    Lower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    First,
    All,
}
