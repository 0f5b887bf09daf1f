//! Writes `foreach_fixture!`, from the directories that there are. Builds no guest.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    // Asked when it runs: one target directory may serve several clones, and with them one build of this script.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let fixtures = Path::new(&package).join("../../plugins/fixtures");
    println!("cargo::rerun-if-changed={}", fixtures.display());
    let mut names: Vec<String> = std::fs::read_dir(fixtures)
        .expect("plugins/fixtures is a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("fixtures have plain names"))
        // Policies are no commands: `tests/it/policies.rs` has them.
        .filter(|name| !name.starts_with("policy-"))
        .collect();
    names.sort();

    let mut text =
        String::from("/// Hands the names of all fixtures, as identifiers, to a macro.\n#[macro_export]\n");
    text.push_str("macro_rules! foreach_fixture {\n    ($macro:ident) => { $macro!(");
    for name in names {
        write!(text, "{} ", name.replace('-', "_")).expect("a String can be written");
    }
    text.push_str("); };\n}\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("fixtures.rs"), text).expect("OUT_DIR can be written");
}
