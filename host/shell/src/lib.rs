//! Command lines in bash's grammar, on which programs run that the caller provides.
//!
//! [`parse`] reads a script or says where it is wrong; [`run`] runs it with bash's semantics and exit statuses. The crate
//! is pure: files, programs and when to stop come through [`Machine`]. A table of command lines is run by this shell and
//! by bash in `tests/bash.rs`, and must not differ.
//!
//! **What there is.** Pipelines (`|`, `|&`, `!`), `&&`, `||`, `;`, groups, subshells, `if`, `for`, `for ((;;))`, `while`,
//! `until`, `case` with `;&` and `;;&`, functions, `[[ ]]`, `(( ))`; every redirection, here-documents and here-strings;
//! expansion of braces, tildes, parameters, commands and arithmetic, splitting by `IFS`, and paths; `set -e`, `-u`, `-f`
//! and `-o pipefail`; the builtins `:`, `[`, `break`, `cd`, `command`, `continue`, `echo`, `exit`, `export`, `false`,
//! `let`, `local`, `printf`, `pwd`, `read`, `readonly`, `return`, `set`, `shift`, `test`, `true`, `type`, `unset`.
//!
//! **What is refused before anything runs**, with its place: `&` and job control, `coproc`, process substitution, arrays,
//! `select`, `time`, extended patterns, `${!x}`, `${x@…}`, `$!`, `$[ ]`, `for x in; do`, moving a file descriptor, `set -x`
//! and other options, and these commands: `.`, `alias`, `declare`, `eval`, `exec`, `getopts`, `mapfile`, `pushd`, `shopt`,
//! `source`, `trap`, `typeset`, `ulimit`, `umask`, `wait` and what else bash has. Also what the grammar's crate does not
//! know: within `$( )`, a pattern of `case` without its `(`; a here-document without the line that ends it.
//!
//! **What ends a script with status 2 when it is reached**: those commands under a computed name; options of builtins
//! that are not there (`read -n`, `export -p`, `pwd -P`, `printf -v`, …); `local` after an assignment; variables that
//! bash computes (`$RANDOM`, `$SECONDS`, `$LINENO`, `$PIPESTATUS`, …); a regular expression that the `regex` crate
//! reads otherwise; an extended pattern out of a variable.
//!
//! **What differs from bash.** A syntax error is found before anything runs, where bash runs the lines before it. `$$` is
//! always 1. Text is UTF-8: what a substitution or `read` gets that is not becomes U+FFFD, and characters sort by their
//! number, as in `C.UTF-8`. Programs get the file descriptors 0 to 2 alone, and neither `SHLVL` nor `_`. There is no
//! `~name` for other users' homes, and `~` stays as it is without `HOME`. `/dev/null` is the shell's own in redirections;
//! other devices are the machine's. A command that the builtin `printf` does not format is left to the machine's.
//! Messages do not begin with `bash: line N:`. Characters of `[[:alpha:]]` and the like are Unicode's.

mod arithmetic;
mod brace;
mod builtins;
mod expand;
mod glob;
mod limits;
mod machine;
mod parameter;
mod pattern;
mod pipe;
mod redirect;
mod regex;
mod run;
mod shell;
mod syntax;
mod test;
mod variables;

pub use limits::Limits;
pub use machine::{FileError, Found, Kind, Machine, Open, Opened, Program, Sink, Source, Stat};
pub use pipe::pipe;
pub use run::{Start, run};
pub use shell::{Ended, Options};
pub use syntax::{Reason, Script, SyntaxError, parse};
