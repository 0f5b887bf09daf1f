//! Makes one text of `wit/`, which each policy generates its exports from.

use std::fmt::Write as _;
use std::path::Path;

const FILES: [&str; 8] =
    ["types", "console", "lifecycle", "ranking", "selection", "locking", "review", "worlds"];

fn main() {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let wit = Path::new(&package).join("../../wit");
    println!("cargo::rerun-if-changed={}", wit.display());
    let mut text = String::new();
    for name in FILES {
        let file = std::fs::read_to_string(wit.join(name).with_extension("wit")).expect("a file of wit/");
        let (package, rest) = file.split_once(";\n").expect("a file begins with its package");
        if text.is_empty() {
            writeln!(text, "{package};").expect("a String can be written");
        }
        text.push_str(rest);
    }
    let macros = format!(
        "wit_bindgen::generate!({{ inline: {text:?}, world: \"sdk\", generate_all,
            additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize] }});

/// What a policy exports, as its world says.
#[doc(hidden)]
#[macro_export]
macro_rules! world {{
    ($world:literal) => {{
        $crate::wit_bindgen::generate!({{
            inline: {text:?},
            world: $world,
            runtime_path: \"::longhouse_policy::wit_bindgen::rt\",
            with: {{
                \"longhouse:policy/types@0.1.0\": ::longhouse_policy::types,
                \"longhouse:policy/console@0.1.0\": ::longhouse_policy::console,
            }},
        }});
    }};
}}
"
    );
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("world.rs"), macros).expect("OUT_DIR can be written");
}
