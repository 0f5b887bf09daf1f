//! Policies: components without WASI, built for bare WebAssembly.

use anyhow::ensure;
use wit_component::{ComponentEncoder, DecodedWasm, decode};
use wit_parser::WorldKey;

use crate::Build;
use crate::cache::{Guest, Key, install};
use crate::compiler::run;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// What the names of those fixtures begin with that are policies.
pub const FIXTURE: &str = "policy-";

pub fn build(build: &Build) -> anyhow::Result<()> {
    let mut key = Key::new(build, "policies")?;
    let wit = build.plugins.join("../wit").canonicalize()?;
    for sources in ["policies", "fixtures", "sdk"] {
        key.add_files(build, &build.sources(sources)?)?;
    }
    key.add_files_of(&wit, &crate::files(&wit)?)?;
    key.add_files(build, &[build.plugins.join("Cargo.toml"), build.plugins.join("Cargo.lock")])?;
    install(build, key, "policies", || make(build))?;
    remove_others(build)
}

/// What shipped once and does not any more is not to be found by a server.
fn remove_others(build: &Build) -> anyhow::Result<()> {
    let ships = names(build, "policies")?;
    for entry in std::fs::read_dir(build.out.join("policies"))? {
        let file = entry?;
        if !ships.iter().any(|name| *file.file_name() == *format!("policy-{name}.wasm")) {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Those that ship, and among the fixtures those that misbehave; all built by one cargo.
fn make(build: &Build) -> anyhow::Result<Vec<Guest>> {
    let shipped = names(build, "policies")?.into_iter().map(|name| ("policies", format!("policy-{name}")));
    let fixtures = names(build, "fixtures")?.into_iter().filter(|name| name.starts_with(FIXTURE));
    let fixtures = fixtures.map(|name| ("fixture-policies", format!("fixture-{name}")));
    let all: Vec<_> = shipped.chain(fixtures).collect();
    let mut cargo = build.compiler.cargo("build", TARGET);
    cargo.args(["--release", "--locked"]).current_dir(&build.plugins);
    for (_, name) in &all {
        cargo.args(["--package", name]);
    }
    run(&mut cargo)?;
    all.into_iter().map(|(kind, name)| guest(build, kind, name)).collect()
}

fn names(build: &Build, beneath: &str) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(build.plugins.join(beneath))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn guest(build: &Build, kind: &'static str, name: String) -> anyhow::Result<Guest> {
    let module = format!("{}.wasm", name.replace('-', "_"));
    let module = std::fs::read(build.compiler.build_dir(TARGET).join(module))?;
    let component = ComponentEncoder::default().module(&module)?.validate(true).encode()?;
    ensure_no_wasi(&name, &component)?;
    Ok(Guest { kind, name, component, manifest: None })
}

/// A policy decides from what it is told: with a clock or a file, its decisions could not be replayed.
pub fn ensure_no_wasi(name: &str, component: &[u8]) -> anyhow::Result<()> {
    if let DecodedWasm::Component(resolve, world) = decode(component)? {
        for import in resolve.worlds[world].imports.keys() {
            let import = match import {
                WorldKey::Name(name) => name.clone(),
                WorldKey::Interface(id) => resolve.id_of(*id).unwrap_or_default(),
            };
            ensure!(!import.starts_with("wasi:"), "{name} imports {import}; policies get no WASI");
        }
    }
    Ok(())
}
