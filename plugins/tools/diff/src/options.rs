//! What was asked for.

use std::ffi::OsString;

use lexopt::prelude::*;

pub const HELP: &str = "\
Usage: diff [OPTION]... FILE FILE
Compares two files, or the files in two directories, line by line. - is standard input.

      --normal               what differs, with the commands that would change it (unless said otherwise)
  -u, -U N, --unified[=N]    with N (3) lines around it
  -c, -C N, --context[=N]    the same, in two parts
  -y, --side-by-side         in two columns; -W N, --width=N: so wide in all (130);
                             --left-column, --suppress-common-lines
  -e, --ed                   as a script for ed
  -q, --brief                only whether they differ
  -s, --report-identical-files
      --label LABEL          in place of a file's name and time; may be said twice
  -r, --recursive            also in directories beneath
  -N, --new-file             what is not there is empty
  -x, --exclude=PATTERN      leave out files with such names
  -i, --ignore-case          -E, --ignore-tab-expansion   -Z, --ignore-trailing-space
  -b, --ignore-space-change  -w, --ignore-all-space       -B, --ignore-blank-lines
      --strip-trailing-cr    -a, --text                   -p, --show-c-function (not with -c)
";

/// How differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Normal,
    Unified { around: usize },
    Context { around: usize },
    SideBySide,
    Ed,
    Brief,
}

/// Which differences between lines are none.
#[derive(Debug, Default)]
pub struct Ignored {
    pub case: bool,
    pub tabs: bool,
    pub trailing_space: bool,
    pub space_change: bool,
    pub all_space: bool,
    pub blank_lines: bool,
    pub trailing_cr: bool,
}

#[derive(Debug)]
pub struct Options {
    pub format: Format,
    pub ignored: Ignored,
    pub labels: Vec<String>,
    pub width: usize,
    pub left_column: bool,
    pub suppress_common: bool,
    pub shows_function: bool,
    pub says_identical: bool,
    pub recursive: bool,
    pub new_file: bool,
    pub text: bool,
    pub excluded: Vec<String>,
    /// The options as they were given, for the line before each file's differences.
    pub given: Vec<String>,
}

pub enum Asked {
    Help,
    Version,
    Compare(Options, OsString, OsString),
}

/// Lines around a difference, unless said.
const AROUND: usize = 3;

/// Reads the arguments.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Asked, lexopt::Error> {
    let arguments: Vec<OsString> = arguments.collect();
    let mut options = Options {
        format: Format::Normal,
        ignored: Ignored::default(),
        labels: Vec::new(),
        width: 130,
        left_column: false,
        suppress_common: false,
        shows_function: false,
        says_identical: false,
        recursive: false,
        new_file: false,
        text: false,
        excluded: Vec::new(),
        given: given(&arguments),
    };
    let mut files = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let ignored = &mut options.ignored;
        match argument {
            Long("help") => return Ok(Asked::Help),
            Short('v') | Long("version") => return Ok(Asked::Version),
            Long("normal") => options.format = Format::Normal,
            Short('u') => options.format = Format::Unified { around: AROUND },
            Short('c') => options.format = Format::Context { around: AROUND },
            Short('U') => options.format = Format::Unified { around: parser.value()?.parse()? },
            Short('C') => options.format = Format::Context { around: parser.value()?.parse()? },
            Long("unified") => options.format = Format::Unified { around: around(&mut parser)? },
            Long("context") => options.format = Format::Context { around: around(&mut parser)? },
            Short('y') | Long("side-by-side") => options.format = Format::SideBySide,
            Short('W') | Long("width") => options.width = parser.value()?.parse()?,
            Long("left-column") => options.left_column = true,
            Long("suppress-common-lines") => options.suppress_common = true,
            Short('e') | Long("ed") => options.format = Format::Ed,
            Short('q') | Long("brief") => options.format = Format::Brief,
            Short('s') | Long("report-identical-files") => options.says_identical = true,
            Short('L') | Long("label") => options.labels.push(parser.value()?.string()?),
            Short('p') | Long("show-c-function") => {
                options.shows_function = true;
                if options.format == Format::Normal {
                    options.format = Format::Context { around: AROUND };
                }
            }
            Short('r') | Long("recursive") => options.recursive = true,
            Short('N') | Long("new-file") => options.new_file = true,
            Short('x') | Long("exclude") => options.excluded.push(parser.value()?.string()?),
            Short('a') | Long("text") => options.text = true,
            Short('i') | Long("ignore-case") => ignored.case = true,
            Short('E') | Long("ignore-tab-expansion") => ignored.tabs = true,
            Short('Z') | Long("ignore-trailing-space") => ignored.trailing_space = true,
            Short('b') | Long("ignore-space-change") => ignored.space_change = true,
            Short('w') | Long("ignore-all-space") => ignored.all_space = true,
            Short('B') | Long("ignore-blank-lines") => ignored.blank_lines = true,
            Long("strip-trailing-cr") => ignored.trailing_cr = true,
            // How, not what: the same differences are found, and no terminal shows colours.
            Short('d') | Long("minimal" | "speed-large-files") => {}
            Long("color") => drop(parser.optional_value()),
            Value(file) => files.push(file),
            other => return Err(other.unexpected()),
        }
    }
    match <[OsString; 2]>::try_from(files) {
        Ok([one, other]) => Ok(Asked::Compare(options, one, other)),
        Err(files) => Err(format!("two files are compared, and {} were named", files.len()).into()),
    }
}

fn around(parser: &mut lexopt::Parser) -> Result<usize, lexopt::Error> {
    parser.optional_value().map_or(Ok(AROUND), |value| value.parse())
}

/// The options among the arguments, with the values that stand apart from them.
fn given(arguments: &[OsString]) -> Vec<String> {
    const WITH_VALUE: [&str; 8] = ["-U", "-C", "-W", "-L", "-x", "--label", "--width", "--exclude"];
    let mut given = Vec::new();
    let mut takes_value = false;
    for argument in arguments.iter().map(|argument| argument.to_string_lossy()) {
        if argument == "--" {
            break;
        }
        if takes_value || (argument.starts_with('-') && argument != "-") {
            takes_value = !takes_value && WITH_VALUE.contains(&&*argument);
            given.push(argument.into_owned());
        }
    }
    given
}
