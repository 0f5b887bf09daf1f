//! Tools: binaries of published crates, built with the lock file that they were published with.

use anyhow::Context as _;
use longhouse_engine::componentize;

use crate::Build;
use crate::cache::{Guest, Key, install};
use crate::compiler::run;
use crate::recipe::{Manifest, Recipe};

const TARGET: &str = "wasm32-wasip1";

pub fn build(build: &Build) -> anyhow::Result<()> {
    for file in build.sources("tools")?.iter().filter(|file| file.ends_with("tool.toml")) {
        let text = std::fs::read_to_string(file)?;
        let mut recipe: Recipe =
            toml::from_str(&text).with_context(|| format!("failed to read {}", file.display()))?;
        if let Some(reduced) = recipe.reduced.take_if(|_| !build.complete) {
            recipe.commands = reduced.commands;
            recipe.krate.features = reduced.features;
        }
        let mut key = Key::new(build, &recipe.name)?;
        key.add(text.as_bytes());
        key.add(recipe.krate.features.join(",").as_bytes());
        let what = format!("{} {}", recipe.krate.name, recipe.krate.version);
        install(build, key, &what, || make(build, &recipe))?;
    }
    Ok(())
}

fn make(build: &Build, recipe: &Recipe) -> anyhow::Result<Vec<Guest>> {
    let Recipe { name, summary, commands, krate, reduced: _ } = recipe;
    let root = build.out.join("build/install").join(name);
    let mut cargo = build.compiler.cargo("install", TARGET);
    cargo.args(["--locked", "--force", "--no-track", &krate.name, "--version", &krate.version]);
    cargo.args(["--no-default-features", "--features", &krate.features.join(","), "--bin", &krate.binary]);
    if krate.optimise {
        for (key, value) in [("OPT_LEVEL", "3"), ("LTO", "fat"), ("CODEGEN_UNITS", "1")] {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
    }
    run(cargo.arg("--root").arg(&root))?;

    let module = std::fs::read(root.join("bin").join(format!("{}.wasm", krate.binary)))?;
    let component = componentize(&module)?;
    let manifest = toml::to_string(&Manifest { name, version: &krate.version, summary, commands })?;
    Ok(vec![Guest { kind: "tools", name: name.clone(), component, manifest: Some(manifest) }])
}
