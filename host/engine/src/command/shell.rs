//! `sh` and `bash`: a command line, a script, or what comes in on standard input.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::sync::Arc;

use longhouse_core::{Outcome, ProjectPath};
use longhouse_shell::{Ended, Limits, Options, Program, Source, Start, parse, run};
use longhouse_workspace::WorkspaceError;

use super::machine::{Outside, why};
use super::programs::{AT_ONCE, complain};
use super::{Programs, Started};

/// What is read and run, and how.
#[derive(Debug, PartialEq, Eq)]
struct Invocation {
    text: Text,
    name: String,
    arguments: Vec<String>,
    options: Options,
}

#[derive(Debug, PartialEq, Eq)]
enum Text {
    Line(String),
    File(String),
    Stdin,
}

/// Options without a meaning here: there is no terminal, and no file that is read at the start.
const IGNORED: [&str; 4] = ["--login", "--noprofile", "--norc", "--posix"];

/// A script of a run has so many threads for the stages of its pipelines, those in subshells included.
const THREADS: usize = 32;

fn limits() -> Limits {
    Limits { stages: AT_ONCE.try_into().unwrap_or(1), threads: THREADS, ..Limits::default() }
}

/// Runs it as the whole of a run.
pub(crate) fn outcome(programs: &Arc<Programs>, started: Started) -> Outcome {
    match shell(programs, started) {
        Ok(status) => Outcome::Exited(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(Ended::Stopped) => programs.run.stop.outcome(),
        // What it has done so far is not what it was to do.
        Err(why) => Outcome::Killed(why.to_string()),
    }
}

/// Runs it as a program among others, and says its exit status.
pub(super) fn status(programs: &Arc<Programs>, started: Started) -> i32 {
    shell(programs, started).unwrap_or_else(|why| if why == Ended::Stopped { 143 } else { 2 })
}

fn shell(programs: &Arc<Programs>, started: Started) -> Result<i32, Ended> {
    let Started { program, depth } = started;
    let Program { argv, environment, cwd, stdin, stdout, stderr } = program;
    let called = argv.first().map_or("sh", String::as_str);
    let say = |what: &str| complain(stderr.as_deref(), called, what);
    let Invocation { text, name, arguments, options } = match invocation(&argv) {
        Ok(invocation) => invocation,
        Err(what) => {
            say(&what);
            return Ok(2);
        }
    };
    let limits = limits();
    let text = match text {
        Text::Line(text) => Ok(text),
        Text::File(path) => file(programs, &cwd, &path, limits.text),
        Text::Stdin => self::text(&mut Reading(stdin.clone()), limits.text).map_err(|what| (what, 2)),
    };
    let text = match text {
        Ok(text) => text,
        Err((what, status)) => {
            say(&what);
            return Ok(status);
        }
    };
    let script = match parse(&text, &limits) {
        Ok(script) => script,
        Err(error) => {
            say(&error.to_string());
            return Ok(2);
        }
    };
    let start = Start { name, arguments, environment, cwd, stdin, stdout, stderr, options };
    run(&script, start, &Outside { programs, depth: depth + 1 }, &limits)
}

/// What a shell's arguments ask for.
///
/// # Errors
/// What is wrong with them, in a sentence.
fn invocation(argv: &[String]) -> Result<Invocation, String> {
    let mut words: VecDeque<String> = argv.iter().cloned().collect();
    let called = words.pop_front().unwrap_or_default();
    let mut options = Options::default();
    let (mut is_line, mut is_input) = (false, false);
    while let Some(word) = words.pop_front_if(|word| word.len() > 1 && word.starts_with(['-', '+'])) {
        if word == "--" {
            break;
        }
        if IGNORED.contains(&word.as_str()) {
            continue;
        }
        let on = word.starts_with('-');
        for flag in word.chars().skip(1) {
            let name = match (flag, on) {
                ('c', true) => {
                    is_line = true;
                    continue;
                }
                ('s', true) => {
                    is_input = true;
                    continue;
                }
                ('l', _) => continue,
                ('o', _) => words.pop_front().ok_or("-o: the name of an option is missing")?,
                (flag, _) => Options::name(flag).ok_or_else(|| format!("{word}: not supported"))?.to_owned(),
            };
            if !options.set(&name, on) {
                return Err(format!("option `{name}` is not supported"));
            }
        }
    }
    if is_line {
        let line = words.pop_front().ok_or("-c: a command line is missing")?;
        let name = words.pop_front().unwrap_or(called);
        return Ok(Invocation { text: Text::Line(line), name, arguments: words.into(), options });
    }
    let file = if is_input { None } else { words.pop_front() };
    Ok(match file {
        Some(file) => {
            Invocation { text: Text::File(file.clone()), name: file, arguments: words.into(), options }
        }
        None => Invocation { text: Text::Stdin, name: called, arguments: words.into(), options },
    })
}

/// The text of a script, or what to say and the exit status.
fn file(programs: &Programs, cwd: &str, path: &str, most: usize) -> Result<String, (String, i32)> {
    let at = ProjectPath::parse(cwd).map_err(WorkspaceError::from);
    let opened = at
        .and_then(|cwd| programs.mounts.locate(&cwd, path))
        .and_then(|at| programs.mounts.at(&at).read_file(&at));
    let failed = |error: WorkspaceError| {
        let status = if matches!(error, WorkspaceError::NotFound) { 127 } else { 126 };
        (format!("{path}: {}", why(error)), status)
    };
    let mut file = opened.map_err(failed)?.file;
    text(&mut file, most).map_err(|what| (format!("{path}: {what}"), 126))
}

fn text(from: &mut dyn io::Read, most: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > most {
        return Err(format!("longer than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "cannot execute binary file".to_owned())
}

/// A source of the shell's, to be read as a file.
struct Reading(Option<Arc<dyn Source>>);

impl io::Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.as_ref().map_or(Ok(0), |source| source.read(into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(argv: &[&str]) -> Result<Invocation, String> {
        invocation(&argv.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_line_has_its_name_and_arguments_after_it() {
        let asked = asked(&["bash", "-euo", "pipefail", "-c", "echo $1", "me", "a", "-b"]).unwrap();
        assert_eq!(asked.text, Text::Line("echo $1".into()));
        assert_eq!((asked.name.as_str(), asked.arguments), ("me", strings(&["a", "-b"])));
        let mut options = Options::default();
        assert!(["errexit", "nounset", "pipefail"].iter().all(|name| options.set(name, true)));
        assert_eq!(asked.options, options);
    }

    #[test]
    fn what_is_no_option_is_a_file_and_without_one_the_script_is_read() {
        let file = asked(&["sh", "-l", "--norc", "x.sh", "-c"]).unwrap();
        assert_eq!((file.text, file.arguments), (Text::File("x.sh".into()), strings(&["-c"])));
        assert_eq!(asked(&["sh"]).unwrap().text, Text::Stdin);
        let input = asked(&["bash", "-s", "--", "one"]).unwrap();
        assert_eq!((input.text, input.name.as_str()), (Text::Stdin, "bash"));
        assert_eq!(input.arguments, strings(&["one"]));
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert_eq!(asked(&["sh", "-x"]).unwrap_err(), "-x: not supported");
        assert_eq!(asked(&["sh", "-o", "vi"]).unwrap_err(), "option `vi` is not supported");
        assert_eq!(asked(&["sh", "-c"]).unwrap_err(), "-c: a command line is missing");
    }
}
