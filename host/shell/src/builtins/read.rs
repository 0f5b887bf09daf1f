//! `read`.

use crate::shell::{Run, Shell};
use crate::variables::is_name;

pub(super) fn read(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    let mut raw = false;
    let mut names = words;
    while let Some((option, rest)) = names.split_first().filter(|(first, _)| first.starts_with('-')) {
        names = rest;
        match option.as_str() {
            "-r" => raw = true,
            "--" => break,
            _ => return shell.fatal(2, &format!("read: {option}: not supported")),
        }
    }
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        shell.complain(&format!("read: `{name}': not a valid identifier"));
        return Ok(1);
    }
    let Some(source) = shell.files.get(&0).and_then(|file| file.source.clone()) else {
        shell.complain("read: read error: 0: Bad file descriptor");
        return Ok(1);
    };
    // A byte at a time: what follows the line is for whoever reads next.
    let mut line = Vec::new();
    let mut ended = false;
    let mut escaped = false;
    loop {
        shell.too_large(line.len())?;
        let mut byte = [0];
        match source.read(&mut byte) {
            Ok(0) => {
                ended = true;
                break;
            }
            Ok(_) => {}
            Err(error) => {
                shell.complain(&format!("read: read error: {error}"));
                ended = true;
                break;
            }
        }
        let [byte] = byte;
        match byte {
            b'\n' if escaped && !raw => {
                line.pop();
                escaped = false;
                continue;
            }
            b'\n' => break,
            0 => continue,
            byte => line.push(byte),
        }
        escaped = byte == b'\\' && !escaped;
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    assign(shell, names, &text, raw)?;
    Ok(i32::from(ended))
}

fn assign(shell: &mut Shell<'_>, names: &[String], line: &str, raw: bool) -> Run<()> {
    // Characters, and whether they may separate.
    let mut chars = Vec::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' if !raw => chars.extend(rest.next().map(|c| (c, false))),
            c => chars.push((c, true)),
        }
    }
    let separators = shell.separators().to_owned();
    if names.is_empty() {
        return shell.set("REPLY", chars.iter().map(|(c, _)| *c).collect());
    }
    let space = |(c, bare): &(char, bool)| *bare && separators.contains(*c) && c.is_ascii_whitespace();
    let separator = |(c, bare): &(char, bool)| *bare && separators.contains(*c);
    let mut left = chars.as_slice();
    let trim = |text: &mut &[(char, bool)]| {
        while let Some((_, rest)) = text.split_first().filter(|(first, _)| space(first)) {
            *text = rest;
        }
    };
    trim(&mut left);
    for (at, name) in names.iter().enumerate() {
        let end = left.iter().position(separator).unwrap_or(left.len());
        let (mut field, mut after) = left.split_at(end);
        trim(&mut after);
        if let Some((_, rest)) = after.split_first().filter(|(first, _)| separator(first)) {
            after = rest;
            trim(&mut after);
        }
        if at + 1 == names.len() && !after.is_empty() {
            field = left;
            while let Some((_, rest)) = field.split_last().filter(|(last, _)| space(last)) {
                field = rest;
            }
        }
        shell.set(name, field.iter().map(|(c, _)| *c).collect())?;
        left = after;
    }
    Ok(())
}
