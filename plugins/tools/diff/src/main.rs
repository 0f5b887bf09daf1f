//! Compares files line by line, with GNU diff's options and output.
//!
//! Exits with 0 if nothing differs, 1 if something does, 2 if something could not be compared.

mod compare;
mod options;
mod paths;
mod print;
mod text;

use std::io::Write as _;
use std::process::ExitCode;

use options::Asked;

fn main() -> ExitCode {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let code = match options::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => {
            let _ = out.write_all(options::HELP.as_bytes());
            0
        }
        Ok(Asked::Version) => {
            let _ = writeln!(out, "diff {}", env!("CARGO_PKG_VERSION"));
            0
        }
        Ok(Asked::Compare(options, one, other)) => paths::compare(&options, &one, &other, &mut out),
        Err(why) => {
            eprintln!("diff: {why}");
            2
        }
    };
    if out.flush().is_err() { ExitCode::from(2) } else { ExitCode::from(code) }
}
