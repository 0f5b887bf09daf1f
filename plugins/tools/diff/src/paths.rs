//! What two names are, and which files are compared.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use crate::compare::changes;
use crate::options::{Format, Options};
use crate::print;
use crate::text::Side;

/// What became of a comparison, as exit codes: the greater one of several counts.
const SAME: u8 = 0;
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

/// Compares what two names are, and says the exit code.
pub fn compare(options: &Options, one: &OsStr, other: &OsStr, out: &mut dyn Write) -> u8 {
    let (one, other) = (PathBuf::from(one), PathBuf::from(other));
    // A file and a directory: what is called so in the directory.
    let beneath = |directory: &Path, file: &Path| match file.file_name() {
        Some(name) if is_directory(directory) && !is_directory(file) && file != Path::new("-") => {
            directory.join(name)
        }
        _ => directory.to_owned(),
    };
    let (one, other) = (beneath(&one, &other), beneath(&other, &one));
    let compared = if is_directory(&one) && is_directory(&other) {
        directories(options, &one, &other, out)
    } else {
        files(options, &one, &other, out)
    };
    compared.unwrap_or_else(|error| trouble(&error))
}

fn trouble(error: &io::Error) -> u8 {
    eprintln!("diff: {error}");
    TROUBLE
}

fn is_directory(path: &Path) -> bool {
    path != Path::new("-") && path.is_dir()
}

fn directories(options: &Options, one: &Path, other: &Path, out: &mut dyn Write) -> io::Result<u8> {
    let (ours, theirs) = (names(options, one)?, names(options, other)?);
    let mut worst = SAME;
    for name in ours.union(&theirs) {
        let (one, other) = (one.join(name), other.join(name));
        let code = match (ours.contains(name), theirs.contains(name)) {
            (true, true) => entries(options, &one, &other, out)?,
            _ if options.new_file && (one.is_file() || other.is_file()) => told(options, &one, &other, out)?,
            (is_ours, _) => {
                let only = if is_ours { &one } else { &other };
                writeln!(out, "Only in {}: {name}", only.parent().unwrap_or(only).display())?;
                DIFFERENT
            }
        };
        worst = worst.max(code);
    }
    Ok(worst)
}

fn names(options: &Options, directory: &Path) -> io::Result<BTreeSet<String>> {
    let entries = fs::read_dir(directory).map_err(|error| named(directory, &error))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !options.excluded.iter().any(|pattern| glob_match::glob_match(pattern, &name)) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// What both directories have under one name.
fn entries(options: &Options, one: &Path, other: &Path, out: &mut dyn Write) -> io::Result<u8> {
    match (is_directory(one), is_directory(other)) {
        (true, true) if options.recursive => directories(options, one, other, out),
        (true, true) => {
            writeln!(out, "Common subdirectories: {} and {}", one.display(), other.display())?;
            Ok(SAME)
        }
        (false, false) => told(options, one, other, out),
        (is_ours, _) => {
            let kind = |is_directory| if is_directory { "a directory" } else { "a regular file" };
            let (one, other) = (one.display(), other.display());
            writeln!(out, "File {one} is {} while file {other} is {}", kind(is_ours), kind(!is_ours))?;
            Ok(DIFFERENT)
        }
    }
}

/// Two files of two directories: which they are is told before their differences.
fn told(options: &Options, one: &Path, other: &Path, out: &mut dyn Write) -> io::Result<u8> {
    let mut differences = Vec::new();
    let code = files(options, one, other, &mut differences).unwrap_or_else(|error| trouble(&error));
    let is_sentence = options.format == Format::Brief || differences.starts_with(b"Binary files ");
    if code == DIFFERENT && !is_sentence {
        let given: String = options.given.iter().map(|option| format!("{} ", quoted(option))).collect();
        writeln!(out, "diff {given}{} {}", one.display(), other.display())?;
    }
    out.write_all(&differences)?;
    Ok(code)
}

/// An option as a shell would be given it.
fn quoted(option: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=./,:+@%".contains(c);
    if option.chars().all(is_plain) {
        option.to_owned()
    } else {
        format!("'{}'", option.replace('\'', "'\\''"))
    }
}

fn files(options: &Options, one: &Path, other: &Path, out: &mut dyn Write) -> io::Result<u8> {
    let (one, other) = match (read(options, one), read(options, other)) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
        (Err(first), Err(second)) => {
            trouble(&first);
            return Err(second);
        }
    };
    if one.content == other.content && options.format != Format::SideBySide {
        if options.says_identical {
            writeln!(out, "Files {} and {} are identical", one.name, other.name)?;
        }
        return Ok(SAME);
    }
    if !options.text && (one.is_binary() || other.is_binary()) {
        let binary = if options.format == Format::Brief { "Files" } else { "Binary files" };
        writeln!(out, "{binary} {} and {} differ", one.name, other.name)?;
        return Ok(DIFFERENT);
    }
    let changes = changes(&one.lines(), &other.lines(), &options.ignored);
    print::print(options, &one, &other, &changes, out)?;
    if changes.iter().all(|change| change.is_ignored) {
        if options.says_identical {
            writeln!(out, "Files {} and {} are identical", one.name, other.name)?;
        }
        return Ok(SAME);
    }
    Ok(DIFFERENT)
}

fn read(options: &Options, path: &Path) -> io::Result<Side> {
    let name = path.display().to_string();
    let mut content = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut content)?;
        return Ok(Side { name, changed: None, content });
    }
    match fs::read(path) {
        Ok(content) => {
            let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
            Ok(Side { name, changed, content })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && options.new_file => {
            Ok(Side { name, changed: Some(std::time::UNIX_EPOCH), content })
        }
        Err(error) => Err(named(path, &error)),
    }
}

/// An error that says what it is about, in the words of other programs.
fn named(path: &Path, error: &io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "Is a directory".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{}: {why}", path.display()))
}
