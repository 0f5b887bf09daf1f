//! `cd` and `pwd`, and what a command is: `command` and `type`.

use crate::machine::{Found, Kind};
use crate::shell::{Run, Shell};

pub(super) fn cd(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let words = match words.split_first() {
        Some((first, rest)) if first == "--" => rest,
        Some((first, _)) if first.starts_with('-') && first.len() > 1 => {
            return shell.fatal(2, &format!("cd: {first}: not supported"));
        }
        Some(_) | None => words,
    };
    if words.len() > 1 {
        shell.complain("cd: too many arguments");
        return Ok(1);
    }
    let variable = |name: &str| shell.variables.get(name).map(str::to_owned);
    let (to, missing) = match words.first().map(String::as_str) {
        None => (variable("HOME"), "HOME"),
        Some("-") => (variable("OLDPWD"), "OLDPWD"),
        Some(path) => (Some(path.to_owned()), ""),
    };
    let Some(to) = to else {
        shell.complain(&format!("cd: {missing} not set"));
        return Ok(1);
    };
    let path = normal(&shell.cwd, &to);
    let problem = match shell.machine.stat(&shell.cwd, &path) {
        None => Some("No such file or directory"),
        Some(stat) if stat.kind != Kind::Directory => Some("Not a directory"),
        Some(stat) if !stat.executable => Some("Permission denied"),
        Some(_) => None,
    };
    if let Some(problem) = problem {
        shell.complain(&format!("cd: {to}: {problem}"));
        return Ok(1);
    }
    let before = std::mem::replace(&mut shell.cwd, path.clone());
    shell.set("OLDPWD", before)?;
    shell.variables.entry("OLDPWD").exported = true;
    shell.set("PWD", path.clone())?;
    if words.first().is_some_and(|word| word == "-") {
        return shell.write(1, &format!("{path}\n"));
    }
    Ok(0)
}

/// An absolute path without `.` and `..`, which take back a name, link or not.
fn normal(cwd: &str, path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let from = if path.starts_with('/') { "" } else { cwd };
    for name in from.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

pub(super) fn pwd(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    if let Some(word) = words.iter().find(|word| word.starts_with('-') && *word != "-L") {
        return shell.fatal(2, &format!("pwd: {word}: not supported"));
    }
    shell.write(1, &format!("{}\n", shell.cwd))
}

pub(super) fn command(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        None => Ok(0),
        Some(("-v", names)) => {
            let mut found = 1;
            for name in names {
                let what = match what(shell, name) {
                    What::Keyword | What::Function | What::Builtin => name.clone(),
                    What::Program(path) => path,
                    What::Nothing => continue,
                };
                found = 0;
                shell.write(1, &format!("{what}\n"))?;
            }
            Ok(found)
        }
        Some((option, _)) if option.starts_with('-') => {
            shell.fatal(2, &format!("command: {option}: not supported"))
        }
        Some((name, _)) if super::known(name) => super::run(shell, words.to_vec()),
        Some(_) => shell.external(words.to_vec()),
    }
}

pub(super) fn kind(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let (short, names) = match words.split_first() {
        Some((first, rest)) if first == "-t" => (true, rest),
        Some((first, _)) if first.starts_with('-') => {
            return shell.fatal(2, &format!("type: {first}: not supported"));
        }
        Some(_) | None => (false, words),
    };
    let mut status = 0;
    for name in names {
        let (long, word) = match what(shell, name) {
            What::Keyword => (format!("{name} is a shell keyword"), "keyword"),
            What::Function if short => (String::new(), "function"),
            What::Function => return shell.fatal(2, "type: showing a function is not supported"),
            What::Builtin => (format!("{name} is a shell builtin"), "builtin"),
            What::Program(path) => (format!("{name} is {path}"), "file"),
            What::Nothing => {
                if !short {
                    shell.complain(&format!("type: {name}: not found"));
                }
                status = 1;
                continue;
            }
        };
        let line = if short { word } else { &long };
        shell.write(1, &format!("{line}\n"))?;
    }
    Ok(status)
}

enum What {
    Keyword,
    Function,
    Builtin,
    Program(String),
    Nothing,
}

const KEYWORDS: [&str; 19] = [
    "!", "[[", "]]", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "then", "until", "while", "{", "}",
];

fn what(shell: &Shell<'_>, name: &str) -> What {
    if KEYWORDS.contains(&name) {
        return What::Keyword;
    }
    if shell.functions.contains_key(name) {
        return What::Function;
    }
    if super::known(name) {
        return What::Builtin;
    }
    match shell.machine.find(&shell.cwd, name) {
        Found::Program(path) => What::Program(path),
        Found::Denied | Found::Unknown(_) => What::Nothing,
    }
}
