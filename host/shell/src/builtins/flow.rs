//! `break`, `continue`, `return`, `exit` and `shift`.

use crate::shell::{Interrupt, Run, Shell};

pub(super) fn leave(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    levels(shell, "break", words, Interrupt::Break)
}

pub(super) fn go_on(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    levels(shell, "continue", words, Interrupt::Continue)
}

fn levels(shell: &Shell<'_>, name: &str, words: &[String], make: fn(usize) -> Interrupt) -> Run<i32> {
    if shell.loops == 0 {
        shell.complain(&format!("{name}: only meaningful in a `for', `while', or `until' loop"));
        return Ok(0);
    }
    match words.first().map_or(Ok(1), |levels| levels.parse::<usize>()) {
        Ok(levels) if levels > 0 => Err(make(levels.min(shell.loops))),
        Ok(_) | Err(_) => {
            shell.complain(&format!("{name}: loop count out of range"));
            Err(Interrupt::Break(shell.loops))
        }
    }
}

pub(super) fn exit(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    Err(Interrupt::Exit(status(shell, "exit", words)))
}

pub(super) fn give_back(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    if shell.calls == 0 {
        shell.complain("return: can only `return' from a function or sourced script");
        return Ok(2);
    }
    Err(Interrupt::Return(status(shell, "return", words)))
}

fn status(shell: &Shell<'_>, name: &str, words: &[String]) -> i32 {
    let Some(word) = words.first() else { return shell.status };
    match word.parse::<i64>() {
        Ok(status) => i32::try_from(status & 0xff).unwrap_or(2),
        Err(_) => {
            shell.complain(&format!("{name}: {word}: numeric argument required"));
            2
        }
    }
}

pub(super) fn shift(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    match words.first().map_or(Ok(1), |count| count.parse::<usize>()) {
        Ok(count) if count <= shell.arguments.len() => {
            shell.arguments.drain(..count);
            Ok(0)
        }
        Ok(_) => Ok(1),
        Err(_) => {
            shell.complain("shift: numeric argument required");
            Ok(1)
        }
    }
}
