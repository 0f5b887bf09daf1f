//! Policies: components without WASI, built for bare WebAssembly.

use anyhow::ensure;
use wit_component::{ComponentEncoder, DecodedWasm, decode};
use wit_parser::WorldKey;

use crate::Build;
use crate::cache::{Guest, Key, install};
use crate::compiler::run;

const TARGET: &str = "wasm32-unknown-unknown";

pub fn build(build: &Build) -> anyhow::Result<()> {
    let mut key = Key::new(build, "policies")?;
    key.add_files(build, &build.sources("policies")?)?;
    key.add_files(build, &[build.plugins.join("Cargo.toml"), build.plugins.join("Cargo.lock")])?;
    install(build, key, "policies", || make(build))
}

fn make(build: &Build) -> anyhow::Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for entry in std::fs::read_dir(build.plugins.join("policies"))? {
        let name = format!("policy-{}", entry?.file_name().to_string_lossy());
        let mut cargo = build.compiler.cargo("build", TARGET);
        cargo.args(["--release", "--locked", "--package", &name]).current_dir(&build.plugins);
        run(&mut cargo)?;
        let module = format!("{}.wasm", name.replace('-', "_"));
        let module = std::fs::read(build.compiler.build_dir(TARGET).join(module))?;
        let component = ComponentEncoder::default().module(&module)?.validate(true).encode()?;
        ensure_no_wasi(&name, &component)?;
        guests.push(Guest { kind: "policies", name, component, manifest: None });
    }
    Ok(guests)
}

/// A policy decides from what it is told: with a clock or a file, its decisions could not be replayed.
fn ensure_no_wasi(name: &str, component: &[u8]) -> anyhow::Result<()> {
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
