//! `export`, `readonly`, `local`, `unset` and `let`.

use crate::shell::{Run, Shell};
use crate::variables::{ReadOnly, is_name};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Export,
    ReadOnly,
    Local,
}

pub(super) fn export(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    if let Some(("-n", names)) = words.split_first().map(|(first, names)| (first.as_str(), names)) {
        for name in names {
            shell.variables.entry(name).exported = false;
        }
        return Ok(0);
    }
    mark(shell, "export", Mark::Export, words)
}

pub(super) fn readonly(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    mark(shell, "readonly", Mark::ReadOnly, words)
}

pub(super) fn local(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    if shell.calls == 0 {
        shell.complain("local: can only be used in a function");
        return Ok(1);
    }
    mark(shell, "local", Mark::Local, words)
}

fn mark(shell: &mut Shell<'_>, command: &str, mark: Mark, words: &[String]) -> Run<i32> {
    if words.is_empty() || words.iter().any(|word| word.starts_with('-')) {
        let what = words.first().map_or("listing variables", String::as_str);
        return shell.fatal(2, &format!("{command}: {what} is not supported"));
    }
    let mut status = 0;
    for word in words {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let (name, append) =
            name.strip_suffix('+').filter(|_| value.is_some()).map_or((name, false), |name| (name, true));
        if !is_name(name) {
            shell.complain(&format!("{command}: `{word}': not a valid identifier"));
            status = 1;
            continue;
        }
        if mark == Mark::Local
            && let Err(ReadOnly) = shell.variables.localize(name)
        {
            shell.complain(&format!("{command}: {name}: readonly variable"));
            status = 1;
            continue;
        }
        if let Some(value) = value {
            let before = shell.variables.get(name).filter(|_| append).unwrap_or_default();
            let value = format!("{before}{value}");
            if let Err(ReadOnly) = shell.variables.set(name, value) {
                shell.complain(&format!("{name}: readonly variable"));
                status = 1;
                continue;
            }
        }
        let variable = shell.variables.entry(name);
        match mark {
            Mark::Export => variable.exported = true,
            Mark::ReadOnly => variable.read_only = true,
            Mark::Local => {}
        }
    }
    Ok(status)
}

pub(super) fn unset(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let (functions, variables, names) =
        match words.split_first().map(|(first, names)| (first.as_str(), names)) {
            Some(("-f", names)) => (true, false, names),
            Some(("-v", names)) => (false, true, names),
            _ => (false, false, words),
        };
    let mut status = 0;
    for name in names {
        if !functions && shell.variables.get(name).is_some() {
            if let Err(ReadOnly) = shell.variables.unset(name) {
                shell.complain(&format!("unset: {name}: cannot unset: readonly variable"));
                status = 1;
            }
        } else if !variables && shell.functions.remove(name).is_some() {
        } else if !is_name(name) && !functions {
            shell.complain(&format!("unset: `{name}': not a valid identifier"));
            status = 1;
        }
    }
    Ok(status)
}

pub(super) fn compute(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let mut value = 0;
    for word in words {
        match crate::arithmetic::evaluate(word, shell) {
            Ok(now) => value = now,
            Err(error) => {
                shell.complain(&format!("let: {error}"));
                return Ok(1);
            }
        }
    }
    Ok(i32::from(value == 0))
}
