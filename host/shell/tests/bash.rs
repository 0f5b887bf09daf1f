//! The same command lines, in the same directory, run by this shell and by bash.

#[cfg(test)]
mod bash {
    pub(crate) mod machine;
    pub(crate) mod table;
}

use bash::machine::{Ran, differ};

#[test]
fn it_does_what_bash_does() {
    let table = bash::table::LINES;
    assert!(table.len() >= 150, "{} lines", table.len());
    let differences: Vec<String> = table.iter().filter_map(|line| differ(line)).collect();
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        table.len(),
        differences.join("\n")
    );
}

/// The comparison notices a difference: this line prints a number that bash takes from its process.
#[test]
fn a_difference_is_noticed() {
    assert!(differ("echo $$").is_some());
    assert!(differ("echo out; exit 3").is_none());
    let Ran { stdout, .. } = bash::machine::shell("echo out");
    assert_eq!(stdout, "out\n");
}
