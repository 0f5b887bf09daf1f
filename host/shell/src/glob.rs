//! Pathname expansion.

use crate::pattern::{Marked, Pattern, Plain};
use crate::shell::{Run, Shell};

/// The paths that match, sorted; none if there are none.
pub(crate) fn expand(shell: &Shell<'_>, field: &[Marked]) -> Run<Vec<String>> {
    let mut found = vec![String::new()];
    let mut size = 0;
    let names: Vec<&[Marked]> = field.split_inclusive(|(c, _)| *c == '/').collect();
    for (at, name) in names.iter().enumerate() {
        let slash = name.last().is_some_and(|(c, _)| *c == '/');
        let name = if slash { name.split_last().map_or(*name, |(_, name)| name) } else { name };
        let special = name.iter().any(|(c, plain)| *plain == Plain::No && "*?[".contains(*c));
        let mut next = Vec::new();
        for before in found {
            shell.tick()?;
            if special {
                let pattern = Pattern::new(name);
                let directory = if before.is_empty() { "." } else { &before };
                for entry in shell.machine.list(&shell.cwd, directory).unwrap_or_default() {
                    if pattern.matches(&entry) && (!entry.starts_with('.') || pattern.starts_with('.')) {
                        next.push(format!("{before}{entry}"));
                    }
                }
            } else {
                next.push(format!("{before}{}", Pattern::new(name).text()));
            }
        }
        let last = at + 1 == names.len();
        found = next;
        found.retain(|path| path.is_empty() || !(last || special || slash) || exists(shell, path, slash));
        if slash {
            found.iter_mut().for_each(|path| path.push('/'));
        }
        size += found.iter().map(String::len).sum::<usize>();
        shell.too_large(size)?;
    }
    found.sort();
    Ok(found)
}

fn exists(shell: &Shell<'_>, path: &str, directory: bool) -> bool {
    match shell.machine.stat(&shell.cwd, path) {
        Some(stat) => !directory || stat.kind == crate::machine::Kind::Directory,
        None => !directory && shell.machine.is_link(&shell.cwd, path),
    }
}
