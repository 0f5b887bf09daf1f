//! Command lines in bash's grammar.

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
pub use shell::Ended;
pub use syntax::{Reason, Script, SyntaxError, parse};
