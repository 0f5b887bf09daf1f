//! The commands that a shell has itself.

mod flow;
mod print;
mod read;
mod set;
mod test;
mod vars;
mod whereabouts;

use crate::shell::{Run, Shell};
pub(crate) use set::supported as settable;

type Builtin = fn(&mut Shell<'_>, &[String]) -> Run<i32>;

const BUILTINS: [(&str, Builtin); 23] = [
    (":", |_, _| Ok(0)),
    ("[", test::bracket),
    ("break", flow::leave),
    ("cd", whereabouts::cd),
    ("command", whereabouts::command),
    ("continue", flow::go_on),
    ("echo", print::echo),
    ("exit", flow::exit),
    ("export", vars::export),
    ("false", |_, _| Ok(1)),
    ("local", vars::local),
    ("printf", print::printf),
    ("pwd", whereabouts::pwd),
    ("read", read::read),
    ("readonly", vars::readonly),
    ("return", flow::give_back),
    ("set", set::set),
    ("shift", flow::shift),
    ("test", test::test),
    ("true", |_, _| Ok(0)),
    ("type", whereabouts::kind),
    ("unset", vars::unset),
    ("let", vars::compute),
];

/// What bash has and this shell does not: never looked for among the machine's commands.
const REFUSED: [&str; 38] = [
    ".",
    "alias",
    "bg",
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "enable",
    "eval",
    "exec",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "select",
    "shopt",
    "source",
    "suspend",
    "times",
    "trap",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
];

pub(crate) fn refused(name: &str) -> bool {
    REFUSED.contains(&name) || name == "wait"
}

pub(crate) fn known(name: &str) -> bool {
    BUILTINS.iter().any(|(known, _)| *known == name)
}

/// Builtins that no function may be called like, because it would never be called, or could not do the same.
pub(crate) fn special(name: &str) -> bool {
    ["break", "continue", "return", "exit", "local", "set", "shift", "export", "readonly", "unset", ":"]
        .contains(&name)
}

/// Runs the builtin that the first of `words` names, which is [`known`].
pub(crate) fn run(shell: &mut Shell<'_>, mut words: Vec<String>) -> Run<i32> {
    let name = words.remove(0);
    match BUILTINS.iter().find(|(known, _)| *known == name) {
        Some((_, builtin)) => builtin(shell, &words),
        None => Ok(127),
    }
}
