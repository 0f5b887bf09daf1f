//! Running a script.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::expand::settle;
use crate::limits::Limits;
use crate::machine::{Found, Machine, Opened, Program, Sink, Source};
use crate::shell::{Ended, Interrupt, Options, Run, Shared, Shell};
use crate::syntax::Script;
use crate::syntax::ast::{
    AndOr, Arm, Command, Compound, Connector, Function, List, Pipeline, Simple, Test, Then, Until, Word,
};
use crate::variables::Variables;
use crate::{builtins, variables};

/// With what a script begins.
#[derive(Clone)]
pub struct Start {
    /// `$0`, which is also how the shell is called.
    pub name: String,
    /// `$1` and so on.
    pub arguments: Vec<String>,
    /// Exported variables. What is no name of a variable is left out. `PWD` is set to `cwd`.
    pub environment: Vec<(String, String)>,
    /// The directory that relative paths start from; absolute, without `.`, `..` or a `/` at its end.
    pub cwd: String,
    /// Standard input; `None` is closed.
    pub stdin: Option<Arc<dyn Source>>,
    /// Standard output; `None` is closed.
    pub stdout: Option<Arc<dyn Sink>>,
    /// Standard error; `None` is closed.
    pub stderr: Option<Arc<dyn Sink>>,
    /// What is switched on from the start.
    pub options: Options,
}

/// Runs a script to its end and says its exit status, 0 to 255.
///
/// Blocks; takes one thread of its own and one more for every stage of a running pipeline but the last. All threads have
/// ended when it returns.
///
/// # Errors
///
/// The script broke a limit or was stopped. A line on standard error said so.
pub fn run(script: &Script, start: Start, machine: &dyn Machine, limits: &Limits) -> Result<i32, Ended> {
    let shared = Shared::default();
    std::thread::scope(|scope| {
        let body = || {
            let mut shell = begin(start, machine, limits, &shared);
            match shell.run_to_end(&script.0) {
                Ok(status) => Ok(status & 0xff),
                Err(Interrupt::Ended(why)) => {
                    shell.complain(&why.to_string());
                    Err(why)
                }
                Err(
                    Interrupt::Exit(_) | Interrupt::Return(_) | Interrupt::Break(_) | Interrupt::Continue(_),
                ) => Ok(1),
            }
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, body);
        let Ok(thread) = thread else { return Err(Ended::Threads) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Of every thread that runs commands. Reserved, and used as far as commands are nested.
pub(crate) const STACK: usize = 16 << 20;

fn begin<'m>(start: Start, machine: &'m dyn Machine, limits: &'m Limits, shared: &'m Shared) -> Shell<'m> {
    let mut variables = Variables::default();
    let pwd = ("PWD".to_owned(), start.cwd.clone());
    for (name, value) in start
        .environment
        .into_iter()
        .chain([pwd])
        .filter(|(name, _)| variables::is_name(name) && name != "IFS")
    {
        // Nothing is read-only yet.
        drop(variables.set(&name, value));
        variables.entry(&name).exported = true;
    }
    // Whoever keeps it and puts it back has to find it.
    drop(variables.set("IFS", " \t\n".to_owned()));
    let files = BTreeMap::from([
        (0, Opened { source: start.stdin, sink: None }),
        (1, Opened { source: None, sink: start.stdout }),
        (2, Opened { source: None, sink: start.stderr }),
    ]);
    Shell {
        machine,
        limits,
        shared,
        variables,
        functions: HashMap::new(),
        name: start.name,
        arguments: start.arguments,
        cwd: start.cwd,
        files,
        options: start.options,
        status: 0,
        substituted: None,
        depth: 0,
        nesting: 0,
        loops: 0,
        calls: 0,
        conditions: 0,
    }
}

/// What a loop does after a round of its body.
enum Round {
    Next,
    Leave,
}

impl Shell<'_> {
    /// Runs a list as the whole of a shell or subshell.
    pub(crate) fn run_to_end(&mut self, list: &List) -> Run<i32> {
        let result = self.list(list);
        settle(result)
    }

    fn list(&mut self, list: &List) -> Run<i32> {
        let mut status = 0;
        for item in &list.0 {
            status = self.and_or(item)?;
        }
        Ok(status)
    }

    fn and_or(&mut self, item: &AndOr) -> Run<i32> {
        let mut status = self.and_or_part(&item.first, !item.rest.is_empty())?;
        for (at, (connector, pipeline)) in item.rest.iter().enumerate() {
            let runs = match connector {
                Connector::And => status == 0,
                Connector::Or => status != 0,
            };
            if runs {
                status = self.and_or_part(pipeline, at + 1 < item.rest.len())?;
            }
        }
        Ok(status)
    }

    fn and_or_part(&mut self, pipeline: &Pipeline, more: bool) -> Run<i32> {
        if more || pipeline.negated {
            self.conditions += 1;
            let status = self.pipeline(pipeline);
            self.conditions -= 1;
            return status;
        }
        self.pipeline(pipeline)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Run<i32> {
        let status = match pipeline.stages.as_slice() {
            [] => 0,
            [command] => self.command(command)?,
            stages => {
                let status = self.stages(stages)?;
                self.status = status;
                self.fail(status)?;
                status
            }
        };
        let status = if pipeline.negated { i32::from(status == 0) } else { status };
        self.status = status;
        Ok(status)
    }

    /// `set -e`.
    fn fail(&self, status: i32) -> Run<()> {
        if status != 0 && self.options.exit_on_error && self.conditions == 0 {
            return Err(Interrupt::Exit(status));
        }
        Ok(())
    }

    fn stages(&mut self, stages: &[Command]) -> Run<i32> {
        if stages.len() > self.limits.stages {
            return Err(self.shared.end(Ended::Stages));
        }
        self.tick()?;
        let threads = stages.len() - 1;
        self.shared.begin(threads, self.limits)?;
        let statuses = self.run_stages(stages);
        self.shared.done(threads);
        let statuses = statuses?.into_iter().collect::<Run<Vec<i32>>>()?;
        let failed = statuses.iter().rev().find(|status| **status != 0).filter(|_| self.options.pipe_fail);
        Ok(failed.or(statuses.last()).copied().unwrap_or(0))
    }

    fn run_stages(&self, stages: &[Command]) -> Run<Vec<Run<i32>>> {
        let mut shells = Vec::new();
        let mut source = None;
        for (at, stage) in stages.iter().enumerate() {
            let mut shell = self.subshell()?;
            if let Some(source) = source.take() {
                shell.files.insert(0, Opened { source: Some(source), sink: None });
            }
            if at + 1 < stages.len() {
                let pipe = self.machine.pipe(self.limits.pipe);
                let (sink, next) = pipe.or_else(|error| self.fatal(1, &format!("pipe: {error}")))?;
                shell.files.insert(1, Opened { source: None, sink: Some(sink) });
                source = Some(next);
            }
            shells.push((shell, stage));
        }
        let run = |(mut shell, stage): (Shell<'_>, &Command)| {
            let result = shell.command(stage);
            settle(result)
        };
        let last = shells.pop();
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for stage in shells {
                let thread =
                    std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || run(stage));
                threads.push(thread.map_err(|_| self.shared.end(Ended::Threads)));
            }
            let last = last.map(run);
            let mut statuses = Vec::new();
            for thread in threads {
                statuses.push(thread.and_then(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }));
            }
            statuses.extend(last);
            Ok(statuses)
        })
    }

    fn command(&mut self, command: &Command) -> Run<i32> {
        self.tick()?;
        self.nest()?;
        let status = match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => self
                .redirected(redirects, |shell| shell.compound(compound))
                .and_then(|status| status.map_or(Ok(1), Ok)),
            Command::Function(name, function) => {
                self.functions.insert(name.clone(), function.clone());
                Ok(0)
            }
        };
        self.nesting -= 1;
        let status = status?;
        self.status = status;
        let counts = match command {
            Command::Simple(_) => true,
            Command::Compound(compound, _) => {
                matches!(compound, Compound::Subshell(_) | Compound::Arithmetic(_) | Compound::Test(_))
            }
            Command::Function(..) => false,
        };
        if counts {
            self.fail(status)?;
        }
        Ok(status)
    }

    fn simple(&mut self, simple: &Simple) -> Run<i32> {
        self.count_command()?;
        self.substituted = None;
        let mut words = self.fields(&simple.words)?;
        if words.is_empty() {
            for assignment in &simple.assignments {
                let value = self.assigned(assignment)?;
                self.set(&assignment.name, value)?;
            }
            let status = self.substituted.unwrap_or(0);
            return Ok(self.redirected(&simple.redirects, |_| Ok(status))?.unwrap_or(1));
        }
        let ran = self.redirected(&simple.redirects, |shell| {
            let mut assignments = Vec::new();
            let mut size = 0;
            for assignment in &simple.assignments {
                let value = shell.assigned(assignment)?;
                size += value.len();
                shell.too_large(size)?;
                assignments.push((assignment.name.clone(), value));
            }
            let name = words.first().cloned().unwrap_or_default();
            if let Some(function) = shell.functions.get(&name).cloned() {
                words.remove(0);
                return shell.with(assignments, |shell| shell.call(&function, words));
            }
            if name == "local" && !assignments.is_empty() {
                // What lasts as long as the command and what lasts as long as the function would be one.
                return shell
                    .fatal(2, "local: not supported after an assignment; put it on a line of its own");
            }
            if builtins::known(&name) {
                return shell.with(assignments, |shell| builtins::run(shell, words));
            }
            shell.with(assignments, |shell| shell.external(words))
        })?;
        Ok(ran.unwrap_or(1))
    }

    fn assigned(&mut self, assignment: &crate::syntax::ast::Assignment) -> Run<String> {
        let value = self.value(&assignment.value)?;
        match self.variables.get(&assignment.name) {
            Some(before) if assignment.append => {
                let value = format!("{before}{value}");
                self.too_large(value.len())?;
                Ok(value)
            }
            Some(_) | None => Ok(value),
        }
    }

    /// Runs with variables that are exported and last no longer than this.
    fn with(
        &mut self,
        assignments: Vec<(String, String)>,
        run: impl FnOnce(&mut Self) -> Run<i32>,
    ) -> Run<i32> {
        if assignments.is_empty() {
            return run(self);
        }
        self.variables.enter();
        for (name, value) in assignments {
            if self.variables.localize(&name).is_err() {
                self.variables.leave();
                return self.fatal(1, &format!("{name}: readonly variable"));
            }
            if let Err(interrupt) = self.set(&name, value) {
                self.variables.leave();
                return Err(interrupt);
            }
            self.variables.entry(&name).exported = true;
        }
        let status = run(self);
        self.variables.leave();
        status
    }

    fn call(&mut self, function: &Function, arguments: Vec<String>) -> Run<i32> {
        self.deeper()?;
        let before = std::mem::replace(&mut self.arguments, arguments);
        let loops = std::mem::take(&mut self.loops);
        self.calls += 1;
        self.variables.enter();
        let ran = self.redirected(&function.redirects, |shell| shell.compound(&function.body));
        self.variables.leave();
        self.calls -= 1;
        self.loops = loops;
        self.arguments = before;
        self.depth -= 1;
        match ran {
            Ok(status) => Ok(status.unwrap_or(1)),
            Err(Interrupt::Return(status)) => Ok(status),
            Err(other) => Err(other),
        }
    }

    /// Runs a program of the machine's, by whatever name.
    pub(crate) fn external(&mut self, argv: Vec<String>) -> Run<i32> {
        let name = argv.first().cloned().unwrap_or_default();
        if builtins::refused(&name) {
            return self.fatal(2, &format!("{name}: not supported"));
        }
        match self.machine.find(&self.cwd, &name) {
            Found::Program(_) => {}
            Found::Denied => {
                self.complain(&format!("{name}: Permission denied"));
                return Ok(126);
            }
            Found::Unknown(meant) => {
                let path = name.contains('/');
                let why = if path { "No such file or directory" } else { "command not found" };
                let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                self.complain(&format!("{name}: {why}{hint}"));
                return Ok(127);
            }
        }
        let file = |fd| self.files.get(&fd).cloned().unwrap_or_default();
        let program = Program {
            argv,
            environment: self.variables.environment(),
            cwd: self.cwd.clone(),
            stdin: file(0).source,
            stdout: file(1).sink,
            stderr: file(2).sink,
        };
        let status = self.machine.run(program) & 0xff;
        self.tick()?;
        Ok(status)
    }

    fn compound(&mut self, compound: &Compound) -> Run<i32> {
        match compound {
            Compound::Group(list) => self.list(list),
            Compound::Subshell(list) => {
                let mut shell = self.subshell()?;
                shell.run_to_end(list)
            }
            Compound::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.condition(condition)? == 0 {
                        return self.list(body);
                    }
                }
                otherwise.as_ref().map_or(Ok(0), |body| self.list(body))
            }
            Compound::Loop { until, condition, body } => {
                let mut status = 0;
                loop {
                    self.loops += 1;
                    let condition = self.condition(condition);
                    self.loops -= 1;
                    let going = match (&condition, until) {
                        (Ok(status), Until::Fails) => *status == 0,
                        (Ok(status), Until::Succeeds) => *status != 0,
                        (Err(_), _) => true,
                    };
                    if !going {
                        return Ok(status);
                    }
                    if let Err(interrupt) = condition {
                        match self.interrupted(interrupt)? {
                            Round::Next => continue,
                            Round::Leave => return Ok(0),
                        }
                    }
                    match self.round(body, &mut status)? {
                        Round::Next => {}
                        Round::Leave => return Ok(status),
                    }
                }
            }
            Compound::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words)?,
                    None => self.arguments.clone(),
                };
                let mut status = 0;
                for value in values {
                    self.set(name, value)?;
                    match self.round(body, &mut status)? {
                        Round::Next => {}
                        Round::Leave => break,
                    }
                }
                Ok(status)
            }
            Compound::ForArithmetic { start, condition, step, body } => {
                let mut status = 0;
                self.arithmetic_or(start.as_ref(), 0)?;
                while self.arithmetic_or(condition.as_ref(), 1)? != 0 {
                    match self.round(body, &mut status)? {
                        Round::Next => {}
                        Round::Leave => break,
                    }
                    self.arithmetic_or(step.as_ref(), 0)?;
                }
                Ok(status)
            }
            Compound::Case { subject, arms } => self.case(subject, arms),
            Compound::Arithmetic(expression) => {
                let text = self.text(expression)?;
                match crate::arithmetic::evaluate(&text, self) {
                    Ok(value) => Ok(i32::from(value == 0)),
                    Err(error) => {
                        self.complain(&format!("((: {error}"));
                        Ok(1)
                    }
                }
            }
            Compound::Test(test) => self.test(test).map(|holds| i32::from(!holds)),
        }
    }

    fn arithmetic_or(&mut self, expression: Option<&Word>, otherwise: i64) -> Run<i64> {
        expression.map_or(Ok(otherwise), |expression| self.arithmetic(expression))
    }

    fn condition(&mut self, list: &List) -> Run<i32> {
        self.conditions += 1;
        let status = self.list(list);
        self.conditions -= 1;
        status
    }

    fn round(&mut self, body: &List, status: &mut i32) -> Run<Round> {
        self.tick()?;
        self.loops += 1;
        let ran = self.list(body);
        self.loops -= 1;
        match ran {
            Ok(ran) => {
                *status = ran;
                Ok(Round::Next)
            }
            Err(interrupt) => {
                let round = self.interrupted(interrupt)?;
                *status = 0;
                Ok(round)
            }
        }
    }

    /// What `break` or `continue` mean to the innermost loop.
    fn interrupted(&self, interrupt: Interrupt) -> Run<Round> {
        match interrupt {
            Interrupt::Break(levels) if levels > 1 && self.loops > 0 => Err(Interrupt::Break(levels - 1)),
            Interrupt::Continue(levels) if levels > 1 && self.loops > 0 => {
                Err(Interrupt::Continue(levels - 1))
            }
            Interrupt::Break(_) => Ok(Round::Leave),
            Interrupt::Continue(_) => Ok(Round::Next),
            other @ (Interrupt::Exit(_) | Interrupt::Return(_) | Interrupt::Ended(_)) => Err(other),
        }
    }

    fn case(&mut self, subject: &Word, arms: &[Arm]) -> Run<i32> {
        let subject = self.text(subject)?;
        let mut status = 0;
        let mut runs = false;
        for arm in arms {
            for pattern in &arm.patterns {
                runs = runs || self.pattern(pattern)?.matches(&subject);
            }
            if !runs {
                continue;
            }
            status = self.list(&arm.body)?;
            match arm.then {
                Then::Leave => break,
                Then::RunNext => {}
                Then::TestNext => runs = false,
            }
        }
        Ok(status)
    }

    fn test(&mut self, test: &Test) -> Run<bool> {
        self.nest()?;
        let holds = match test {
            Test::And(left, right) => self.test(left)? && self.test(right)?,
            Test::Or(left, right) => self.test(left)? || self.test(right)?,
            Test::Not(test) => !self.test(test)?,
            Test::Unary(unary, word) => {
                let text = self.text(word)?;
                unary.holds(self.machine, &self.cwd, &text, |name| self.variables.get(name).is_some())
            }
            Test::Binary(binary, left, right) => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                let (machine, cwd) = (self.machine, self.cwd.clone());
                binary.holds(machine, &cwd, (&left, &right), |text| self.number(text))?
            }
            Test::Matches(left, right) => self.matches(left, right)?,
            Test::Differs(left, right) => !self.matches(left, right)?,
            Test::Regex(left, right) => {
                let text = self.text(left)?;
                let marked = self.marked(right)?;
                match crate::regex::compile(&marked) {
                    Ok(regex) => regex.is_match(&text),
                    Err(error) => {
                        self.nesting -= 1;
                        return self.fatal(2, &format!("=~: {error}"));
                    }
                }
            }
        };
        self.nesting -= 1;
        Ok(holds)
    }

    fn matches(&mut self, text: &Word, pattern: &Word) -> Run<bool> {
        let text = self.text(text)?;
        let marked = self.marked(pattern)?;
        if crate::pattern::extended(&marked) {
            return self.fatal(2, "an extended pattern is not supported");
        }
        Ok(crate::pattern::Pattern::new(&marked).matches(&text))
    }
}
