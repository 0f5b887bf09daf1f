//! The grammar's tree becomes what is run; what this shell cannot do is refused.

use std::cell::Cell;
use std::sync::Arc;

use brush_parser::ast as tree;
use brush_parser::ast::SourceLocation;

use super::ast::{
    AndOr, Arm, Assignment, Command, Compound, Connector, Function, List, Piece, Pipeline, Redirect, Simple,
    Target, Test, Then, Until, Word,
};
use super::{DEPTH, Level, Position, SyntaxError, TOO_DEEP, word};
use crate::builtins;
use crate::machine::Open;
use crate::test::{Binary, Unary};

pub(super) struct Lower {
    within: Position,
    level: Level,
    depth: Cell<usize>,
}

type Lowered<T> = Result<T, SyntaxError>;

impl Lower {
    /// For a text that stands at `within`, in `depth` other things.
    pub(super) fn new(within: Position, level: Level, depth: usize) -> Self {
        Self { within, level, depth: Cell::new(depth) }
    }

    fn deeper<T>(&self, at: Position, lower: impl FnOnce(&Self) -> Lowered<T>) -> Lowered<T> {
        let depth = self.depth.get() + 1;
        if depth > DEPTH {
            return Err(at.error(TOO_DEEP));
        }
        self.depth.set(depth);
        let lowered = lower(self);
        self.depth.set(depth - 1);
        lowered
    }

    fn at(&self, span: Option<&brush_parser::SourceSpan>) -> Position {
        match span {
            Some(span) if self.level == Level::Script => (&*span.start).into(),
            Some(_) | None => self.within,
        }
    }

    pub(super) fn program(&self, program: tree::Program) -> Lowered<List> {
        let mut items = Vec::new();
        for commands in program.complete_commands {
            items.append(&mut self.list(commands)?.0);
        }
        Ok(List(items))
    }

    fn list(&self, list: tree::CompoundList) -> Lowered<List> {
        let mut items = Vec::new();
        for tree::CompoundListItem(and_or, separator) in list.0 {
            match separator {
                tree::SeparatorOperator::Sequence => {}
                tree::SeparatorOperator::Async => {
                    return Err(self
                        .at(and_or.location().as_ref())
                        .unsupported("running in the background with `&`"));
                }
            }
            let first = self.pipeline(and_or.first)?;
            let mut rest = Vec::new();
            for next in and_or.additional {
                rest.push(match next {
                    tree::AndOr::And(pipeline) => (Connector::And, self.pipeline(pipeline)?),
                    tree::AndOr::Or(pipeline) => (Connector::Or, self.pipeline(pipeline)?),
                });
            }
            items.push(AndOr { first, rest });
        }
        Ok(List(items))
    }

    fn pipeline(&self, pipeline: tree::Pipeline) -> Lowered<Pipeline> {
        if pipeline.timed.is_some() {
            return Err(self.at(pipeline.location().as_ref()).unsupported("`time`"));
        }
        let stages = pipeline.seq.into_iter().map(|command| self.command(command)).collect::<Lowered<_>>()?;
        Ok(Pipeline { negated: pipeline.bang, stages })
    }

    fn command(&self, command: tree::Command) -> Lowered<Command> {
        Ok(match command {
            tree::Command::Simple(simple) => Command::Simple(self.simple(simple)?),
            tree::Command::Compound(compound, redirects) => {
                Command::Compound(self.compound(compound)?, self.redirects(redirects)?)
            }
            tree::Command::Function(function) => {
                let tree::FunctionBody(body, redirects) = function.body;
                let at = self.at(function.fname.loc.as_ref());
                let name = function.fname.value;
                if name.contains(|c: char| c.is_whitespace() || "$`'\"\\".contains(c))
                    || builtins::special(&name)
                {
                    return Err(at.grammar(format!("`{name}` is no name for a function")));
                }
                if builtins::refused(&name) {
                    return Err(at.unsupported(format!("a function called `{name}`")));
                }
                let function = Function { body: self.compound(body)?, redirects: self.redirects(redirects)? };
                Command::Function(name, Arc::new(function))
            }
            tree::Command::ExtendedTest(test, redirects) => {
                let at = self.at(Some(&test.loc));
                Command::Compound(Compound::Test(self.test(test.expr, at)?), self.redirects(redirects)?)
            }
        })
    }

    fn compound(&self, compound: tree::CompoundCommand) -> Lowered<Compound> {
        let at = self.at(compound.location().as_ref());
        self.deeper(at, |lower| lower.shallow(compound))
    }

    fn shallow(&self, compound: tree::CompoundCommand) -> Lowered<Compound> {
        Ok(match compound {
            tree::CompoundCommand::Arithmetic(arithmetic) => {
                Compound::Arithmetic(self.arithmetic(&arithmetic.expr, self.at(Some(&arithmetic.loc)))?)
            }
            tree::CompoundCommand::ArithmeticForClause(clause) => {
                let at = self.at(Some(&clause.loc));
                let part = |part: Option<tree::UnexpandedArithmeticExpr>| {
                    part.filter(|part| !part.value.trim().is_empty())
                        .map(|part| self.arithmetic(&part, at))
                        .transpose()
                };
                Compound::ForArithmetic {
                    start: part(clause.initializer)?,
                    condition: part(clause.condition)?,
                    step: part(clause.updater)?,
                    body: self.list(clause.body.list)?,
                }
            }
            tree::CompoundCommand::BraceGroup(group) => Compound::Group(self.list(group.list)?),
            tree::CompoundCommand::Subshell(subshell) => Compound::Subshell(self.list(subshell.list)?),
            tree::CompoundCommand::ForClause(clause) => {
                let at = self.at(Some(&clause.loc));
                if !crate::variables::is_name(&clause.variable_name) {
                    return Err(at.grammar(format!("`{}` is no name for a variable", clause.variable_name)));
                }
                let words = clause.values.map(|words| self.words(words)).transpose()?;
                // `for x in; do` and `for x; do` differ, and the grammar tells them apart by nothing else.
                Compound::For { name: clause.variable_name, words, body: self.list(clause.body.list)? }
            }
            tree::CompoundCommand::CaseClause(clause) => {
                let subject = self.word(clause.value)?;
                let mut arms = Vec::new();
                for case in clause.cases {
                    let then = match case.post_action {
                        tree::CaseItemPostAction::ExitCase => Then::Leave,
                        tree::CaseItemPostAction::UnconditionallyExecuteNextCaseItem => Then::RunNext,
                        tree::CaseItemPostAction::ContinueEvaluatingCases => Then::TestNext,
                    };
                    let body = case.cmd.map(|body| self.list(body)).transpose()?.unwrap_or_default();
                    arms.push(Arm { patterns: self.words(case.patterns)?, body, then });
                }
                Compound::Case { subject, arms }
            }
            tree::CompoundCommand::IfClause(clause) => {
                let mut arms = vec![(self.list(clause.condition)?, self.list(clause.then)?)];
                let mut otherwise = None;
                for part in clause.elses.unwrap_or_default() {
                    match part.condition {
                        Some(condition) => arms.push((self.list(condition)?, self.list(part.body)?)),
                        None => otherwise = Some(self.list(part.body)?),
                    }
                }
                Compound::If { arms, otherwise }
            }
            tree::CompoundCommand::WhileClause(tree::WhileOrUntilClauseCommand(condition, body, _)) => {
                Compound::Loop {
                    until: Until::Fails,
                    condition: self.list(condition)?,
                    body: self.list(body.list)?,
                }
            }
            tree::CompoundCommand::UntilClause(tree::WhileOrUntilClauseCommand(condition, body, _)) => {
                Compound::Loop {
                    until: Until::Succeeds,
                    condition: self.list(condition)?,
                    body: self.list(body.list)?,
                }
            }
            tree::CompoundCommand::Coprocess(coprocess) => {
                return Err(self.at(Some(&coprocess.loc)).unsupported("`coproc`"));
            }
        })
    }

    fn simple(&self, command: tree::SimpleCommand) -> Lowered<Simple> {
        let mut simple = Simple::default();
        let prefix = command.prefix.map(|prefix| prefix.0).unwrap_or_default();
        let suffix = command.suffix.map(|suffix| suffix.0).unwrap_or_default();
        for item in prefix {
            match item {
                tree::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                    simple.assignments.push(self.assignment(assignment, &word)?);
                }
                item => self.item(item, &mut simple)?,
            }
        }
        if let Some(word) = command.word_or_name {
            if builtins::refused(&word.value) {
                return Err(self.at(word.loc.as_ref()).unsupported(format!("`{}`", word.value)));
            }
            simple.words.push(self.word(word)?);
        }
        let sets = matches!(simple.words.as_slice(), [Word(name)] if matches!(name.as_slice(), [Piece::Bare(name)] if name == "set"));
        for item in suffix {
            if let tree::CommandPrefixOrSuffixItem::Word(word) = &item
                && let Some(flags) = word.value.strip_prefix('-').filter(|_| sets && simple.words.len() == 1)
                && !flags.starts_with('-')
                && !builtins::settable(flags)
            {
                return Err(self.at(word.loc.as_ref()).unsupported(format!("`set {}`", word.value)));
            }
            self.item(item, &mut simple)?;
        }
        Ok(simple)
    }

    fn item(&self, item: tree::CommandPrefixOrSuffixItem, simple: &mut Simple) -> Lowered<()> {
        match item {
            tree::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                simple.redirects.push(self.redirect(redirect)?)
            }
            tree::CommandPrefixOrSuffixItem::Word(word) => simple.words.push(self.word(word)?),
            tree::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                match assignment.value {
                    tree::AssignmentValue::Scalar(_) => {}
                    tree::AssignmentValue::Array(_) => {
                        return Err(self.at(word.loc.as_ref()).unsupported("an array"));
                    }
                }
                simple.words.push(self.word(word)?);
            }
            tree::CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                return Err(self.at(Some(&subshell.loc)).unsupported("process substitution"));
            }
        }
        Ok(())
    }

    fn assignment(&self, assignment: tree::Assignment, word: &tree::Word) -> Lowered<Assignment> {
        let at = self.at(word.loc.as_ref());
        match (assignment.name, assignment.value) {
            (tree::AssignmentName::VariableName(name), tree::AssignmentValue::Scalar(value)) => {
                Ok(Assignment {
                    name,
                    append: assignment.append,
                    value: word::word(&value.value, at, self.depth.get())?,
                })
            }
            (tree::AssignmentName::ArrayElementName(..), _) | (_, tree::AssignmentValue::Array(_)) => {
                Err(at.unsupported("an array"))
            }
        }
    }

    fn redirects(&self, redirects: Option<tree::RedirectList>) -> Lowered<Vec<Redirect>> {
        redirects
            .map(|list| list.0)
            .unwrap_or_default()
            .into_iter()
            .map(|redirect| self.redirect(redirect))
            .collect()
    }

    fn redirect(&self, redirect: tree::IoRedirect) -> Lowered<Redirect> {
        let fd = |fd: Option<i32>| fd.and_then(|fd| u32::try_from(fd).ok());
        Ok(match redirect {
            tree::IoRedirect::File(number, kind, target) => {
                let word = match target {
                    tree::IoFileRedirectTarget::Filename(word)
                    | tree::IoFileRedirectTarget::Duplicate(word) => word,
                    tree::IoFileRedirectTarget::Fd(fd) => tree::Word::new(&fd.to_string()),
                    tree::IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        return Err(self.at(Some(&subshell.loc)).unsupported("process substitution"));
                    }
                };
                let plain = word.value.bytes().all(|byte| byte.is_ascii_digit()) || word.value == "-";
                let at = self.at(word.loc.as_ref());
                let moves = word.value.len() > 1 && word.value.ends_with('-');
                let dynamic = word.value.contains(['$', '`']);
                let word = self.word(word)?;
                let to = match kind {
                    tree::IoFileRedirectKind::Read => Target::File(Open::Read, word),
                    tree::IoFileRedirectKind::Write | tree::IoFileRedirectKind::Clobber => {
                        Target::File(Open::Truncate, word)
                    }
                    tree::IoFileRedirectKind::Append => Target::File(Open::Append, word),
                    tree::IoFileRedirectKind::ReadAndWrite => Target::File(Open::ReadWrite, word),
                    tree::IoFileRedirectKind::DuplicateInput | tree::IoFileRedirectKind::DuplicateOutput
                        if moves =>
                    {
                        return Err(at.unsupported("moving a file descriptor"));
                    }
                    tree::IoFileRedirectKind::DuplicateInput => Target::Duplicate { default: 0, word },
                    tree::IoFileRedirectKind::DuplicateOutput if plain || number.is_some() => {
                        Target::Duplicate { default: 1, word }
                    }
                    tree::IoFileRedirectKind::DuplicateOutput if dynamic => {
                        return Err(at.unsupported("`>&` with a target that has to be expanded"));
                    }
                    tree::IoFileRedirectKind::DuplicateOutput => Target::Both(Open::Truncate, word),
                };
                Redirect { fd: fd(number), to }
            }
            tree::IoRedirect::HereDocument(number, document) => {
                let at = self.at(document.here_end.loc.as_ref());
                let text = document.doc.value;
                let word = if document.requires_expansion {
                    word::here_document(&text, at, self.depth.get())?
                } else {
                    Word(vec![Piece::Quoted(text)])
                };
                Redirect { fd: fd(number), to: Target::Here(word) }
            }
            tree::IoRedirect::HereString(number, word) => {
                Redirect { fd: fd(number), to: Target::HereString(self.word(word)?) }
            }
            tree::IoRedirect::OutputAndError(word, append) => {
                let how = if append { Open::Append } else { Open::Truncate };
                Redirect { fd: None, to: Target::Both(how, self.word(word)?) }
            }
        })
    }

    fn test(&self, test: tree::ExtendedTestExpr, at: Position) -> Lowered<Test> {
        let one = |test| self.deeper(at, |lower| lower.test(test, at));
        let both = |left, right| Ok((Box::new(one(left)?), Box::new(one(right)?)));
        Ok(match test {
            tree::ExtendedTestExpr::And(left, right) => {
                both(*left, *right).map(|(left, right)| Test::And(left, right))?
            }
            tree::ExtendedTestExpr::Or(left, right) => {
                both(*left, *right).map(|(left, right)| Test::Or(left, right))?
            }
            tree::ExtendedTestExpr::Not(test) => Test::Not(Box::new(one(*test)?)),
            tree::ExtendedTestExpr::Parenthesized(test) => one(*test)?,
            tree::ExtendedTestExpr::UnaryTest(predicate, word) => Test::Unary(
                unary(&predicate).ok_or_else(|| at.unsupported(format!("`{predicate}`")))?,
                self.word(word)?,
            ),
            tree::ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                let (left, right) = (self.word(left)?, self.word(right)?);
                match predicate {
                    tree::BinaryPredicate::StringExactlyMatchesPattern
                    | tree::BinaryPredicate::StringExactlyMatchesString => Test::Matches(left, right),
                    tree::BinaryPredicate::StringDoesNotExactlyMatchPattern
                    | tree::BinaryPredicate::StringDoesNotExactlyMatchString => Test::Differs(left, right),
                    tree::BinaryPredicate::StringMatchesRegex
                    | tree::BinaryPredicate::StringContainsSubstring => Test::Regex(left, right),
                    other => {
                        let binary = binary(&other).ok_or_else(|| at.unsupported(format!("`{other}`")))?;
                        Test::Binary(binary, left, right)
                    }
                }
            }
        })
    }

    fn arithmetic(&self, expression: &tree::UnexpandedArithmeticExpr, at: Position) -> Lowered<Word> {
        word::arithmetic(&expression.value, at, self.depth.get())
    }

    fn words(&self, words: Vec<tree::Word>) -> Lowered<Vec<Word>> {
        words.into_iter().map(|word| self.word(word)).collect()
    }

    fn word(&self, word: tree::Word) -> Lowered<Word> {
        word::word(&word.value, self.at(word.loc.as_ref()), self.depth.get())
    }
}

fn unary(predicate: &tree::UnaryPredicate) -> Option<Unary> {
    Some(match predicate {
        tree::UnaryPredicate::FileExists => Unary::Exists,
        tree::UnaryPredicate::FileExistsAndIsDir => Unary::Directory,
        tree::UnaryPredicate::FileExistsAndIsRegularFile => Unary::File,
        tree::UnaryPredicate::FileExistsAndIsSymlink => Unary::Link,
        tree::UnaryPredicate::FileExistsAndIsReadable => Unary::Readable,
        tree::UnaryPredicate::FileExistsAndIsNotZeroLength => Unary::NotEmpty,
        tree::UnaryPredicate::FileExistsAndIsWritable => Unary::Writable,
        tree::UnaryPredicate::FileExistsAndIsExecutable => Unary::Executable,
        tree::UnaryPredicate::ShellVariableIsSetAndAssigned => Unary::Set,
        tree::UnaryPredicate::FdIsOpenTerminal => Unary::Terminal,
        tree::UnaryPredicate::StringHasZeroLength => Unary::Empty,
        tree::UnaryPredicate::StringHasNonZeroLength => Unary::Text,
        _ => return None,
    })
}

fn binary(predicate: &tree::BinaryPredicate) -> Option<Binary> {
    Some(match predicate {
        tree::BinaryPredicate::LeftFileIsNewerOrExistsWhenRightDoesNot => Binary::Newer,
        tree::BinaryPredicate::LeftFileIsOlderOrDoesNotExistWhenRightDoes => Binary::Older,
        tree::BinaryPredicate::LeftSortsBeforeRight => Binary::Before,
        tree::BinaryPredicate::LeftSortsAfterRight => Binary::After,
        tree::BinaryPredicate::ArithmeticEqualTo => Binary::Equal,
        tree::BinaryPredicate::ArithmeticNotEqualTo => Binary::NotEqual,
        tree::BinaryPredicate::ArithmeticLessThan => Binary::Less,
        tree::BinaryPredicate::ArithmeticLessThanOrEqualTo => Binary::LessOrEqual,
        tree::BinaryPredicate::ArithmeticGreaterThan => Binary::Greater,
        tree::BinaryPredicate::ArithmeticGreaterThanOrEqualTo => Binary::GreaterOrEqual,
        _ => return None,
    })
}
