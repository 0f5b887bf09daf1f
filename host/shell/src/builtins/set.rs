//! `set`.

use crate::shell::{Options, Run, Shell};

/// Whether an option of `set` is one of this shell's; asked before a script runs, too.
pub(crate) fn supported(option: &str) -> bool {
    option.chars().all(|c| "eufo".contains(c))
}

pub(super) fn set(shell: &mut Shell<'_>, words: &[String]) -> Run<i32> {
    if words.is_empty() {
        return shell.fatal(2, "set: listing variables is not supported");
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let on = word.starts_with('-');
        match word.strip_prefix(['-', '+']) {
            Some("-") => {
                shell.arguments = words.cloned().collect();
                return Ok(0);
            }
            Some(flags) if !flags.is_empty() => {
                if !supported(flags) {
                    return shell.fatal(2, &format!("set: {word}: not supported"));
                }
                for flag in flags.chars() {
                    // Of those that are supported, `o` alone is followed by a name.
                    let name = Options::name(flag).unwrap_or_else(|| words.next().map_or("", String::as_str));
                    if !shell.options.set(name, on) {
                        return shell.fatal(2, &format!("set: option `{name}` is not supported"));
                    }
                }
            }
            Some(_) | None => {
                shell.arguments = std::iter::once(word).chain(words).cloned().collect();
                return Ok(0);
            }
        }
    }
    Ok(0)
}
