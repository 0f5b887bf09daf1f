//! The lines, out of their files, and the commands that they use.

use std::collections::BTreeSet;

/// A line, and where it stands.
pub(crate) struct Case {
    pub(crate) topic: &'static str,
    pub(crate) number: usize,
    pub(crate) text: String,
}

macro_rules! topics {
    ($($name:literal)*) => {
        /// A file for each topic, and what it holds.
        const TOPICS: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".txt")))),*];
    };
}

topics! {
    "pipelines" "lists" "groups" "redirections" "here_documents" "globs" "braces" "variables" "substitutions" "arithmetic"
    "conditions" "loops" "functions" "options" "environment" "tests" "read" "exec" "exit_codes"
    "listing" "changing_files" "paths" "lines" "sorting" "fields" "characters" "numbers" "dates" "sums"
    "rg" "grep" "find" "sed" "awk" "diff" "patch" "jq" "sqlite" "archives" "tree" "kinds" "python" "tasks"
}

/// The commands that a line may need and a machine may lack: those of a shell are there in any case.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[&str] = &[
    "awk", "b2sum", "base32", "base64", "basename", "basenc", "bash", "cat", "chmod", "cksum", "cmp", "column", "comm",
    "cp", "csplit", "cut", "date", "diff", "dirname", "egrep", "env", "expand", "expr", "factor", "fgrep", "file", "find",
    "fmt", "fold", "grep", "gunzip", "gzip", "head", "install", "join", "jq", "ln", "ls", "md5sum", "mkdir",
    "mktemp", "mv", "nl", "numfmt", "od", "paste", "patch", "pr", "printenv", "python3", "readlink", "realpath", "rg",
    "rm", "rmdir", "sed", "seq", "sh", "sha1sum", "sha224sum", "sha256sum", "sha512sum", "shuf", "sleep", "sort", "split",
    "sqlite3", "stat", "tac", "tail", "tar", "tee", "timeout", "touch", "tr", "tree", "truncate",
    "tsort", "unexpand", "uniq", "unzip", "wc", "which", "xargs", "xxd", "yes", "zcat", "zgrep", "zip",
];

/// Words after which a command may stand.
const BEFORE: &[&str] =
    &["then", "do", "else", "if", "while", "until", "elif", "xargs", "-exec", "-execdir", "env", "command"];

/// All of them, in the order of their files.
pub(crate) fn cases() -> Vec<Case> {
    TOPICS.iter().flat_map(|(topic, text)| read(topic, text)).collect()
}

/// A line of the file is a case; those after it that begin with a tab are further lines of it. Blank lines and those that begin
/// with `#` are not part of any.
fn read(topic: &'static str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match (line.strip_prefix('\t'), cases.last_mut()) {
            (Some(more), Some(case)) => {
                case.text.push('\n');
                case.text.push_str(more);
            }
            (Some(_), None) => panic!("{topic}.txt begins with a tab"),
            (None, _) if line.is_empty() || line.starts_with('#') => {}
            (None, _) => cases.push(Case { topic, number, text: line.to_owned() }),
        }
    }
    cases
}

impl Case {
    /// Those of [`COMMANDS`] that stand where a command may. Where there is doubt, it is one: a line that is left out for want
    /// of a command that it does not need does no harm.
    pub(crate) fn commands(&self) -> BTreeSet<&'static str> {
        COMMANDS.iter().copied().filter(|command| self.uses(command)).collect()
    }

    fn uses(&self, command: &str) -> bool {
        self.text.match_indices(command).any(|(at, _)| {
            let (before, after) = (&self.text[..at], &self.text[at + command.len()..]);
            let ends =
                after.chars().next().is_none_or(|next| next.is_whitespace() || ";|)&<>`\"'".contains(next));
            ends && follows(before)
        })
    }
}

/// Whether a command may begin after this text.
fn follows(before: &str) -> bool {
    let trimmed = before.trim_end_matches(' ');
    let apart = trimmed.len() < before.len();
    let Some(last) = trimmed.chars().next_back() else { return true };
    if "|;&(`{!\n".contains(last) || !apart && "'\"".contains(last) {
        return true;
    }
    let word = trimmed.rsplit(char::is_whitespace).next().unwrap_or_default();
    // What `xargs` runs stands after its options, and their values.
    let runs = trimmed.contains("xargs") || trimmed.contains("timeout");
    let option =
        word.starts_with('-') || word.bytes().all(|byte| byte.is_ascii_digit()) || word.ends_with('\'');
    apart && (BEFORE.contains(&word) || word.contains('=') || runs && option)
}
