//! The compiler of guests: rustup's, or where that has no WebAssembly target, Debian's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// Where the compiler comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Rustup,
    Debian,
}

/// A compiler with what has to be linked into what it makes.
pub struct Compiler {
    kind: Kind,
    identity: String,
    /// The linker and the shims, compiled. Named by the identity: cargo builds anew when a path among its
    /// settings changes, not when a file there does.
    shims: PathBuf,
    build: PathBuf,
}

/// Debian's wasi-libc, and beside it the headers for C code in crates.
const SYSROOT: &str = "/usr/lib/wasm32-wasi";
const BUILTINS: &str = "/usr/lib/llvm-22/lib/clang/22/lib/wasi/libclang_rt.builtins-wasm32.a";
/// What is linked into guests, in `plugins/toolchain`, and the linker that does it.
const SHIMS: [&str; 4] = ["start.c", "crt1.c", "libc.c", "link"];
/// Every engine has had 128-bit vectors for years, and what searches text is written for them: `rg` in a project
/// of 20,000 files takes a seventh less time.
const FEATURES: &str = "-Ctarget-feature=+simd128";
const CFLAGS: &str = "--target=wasm32-wasip1 --sysroot=/usr -isystem /usr/include/wasm32-wasi -O2 \
    -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_MMAN";

impl Compiler {
    /// The wanted compiler, or the first that is there.
    pub fn find(wanted: Option<Kind>, toolchain: &Path, out: &Path) -> anyhow::Result<Self> {
        let kind = match wanted {
            Some(kind) => kind,
            None if rustup_has_targets() => Kind::Rustup,
            None => Kind::Debian,
        };
        let complete = match kind {
            Kind::Rustup => rustup_has_targets() && output(plain(clang(kind)).arg("--version")).is_ok(),
            Kind::Debian => {
                ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/bin/rust-lld", "/usr/bin/clang-22", BUILTINS]
                    .iter()
                    .all(|path| Path::new(path).exists())
            }
        };
        ensure!(complete, "the compiler for guests is not installed: run `make toolchain`");
        let mut identity = blake3::Hasher::new();
        identity.update(output(plain(rustc(kind)).arg("-vV"))?.as_bytes());
        // The settings below, and what is linked.
        identity.update(include_bytes!("compiler.rs"));
        for name in SHIMS {
            identity.update(&std::fs::read(toolchain.join(name))?);
        }
        let identity = identity.finalize().to_hex().to_string();
        let shims = out.join("shims").join(&identity);
        let compiler = Self { kind, identity, shims, build: out.join("build") };
        if !compiler.shims.is_dir() {
            compiler.compile_shims(toolchain)?;
        }
        Ok(compiler)
    }

    /// What tells this compiler, with its settings and shims, from any other.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// A `cargo` that builds for `target` into [`Compiler::build_dir`]; a subcommand is still to be added.
    pub fn cargo(&self, subcommand: &str, target: &str) -> Command {
        let mut cargo = plain(match self.kind {
            Kind::Rustup => "cargo",
            Kind::Debian => "/usr/bin/cargo",
        });
        cargo.arg(subcommand).args(["--target", target]).env("CARGO_TARGET_DIR", &self.build);
        // As in `plugins/Cargo.toml`, also for crates that bring a profile of their own.
        for (key, value) in [
            ("OPT_LEVEL", "2"),
            ("LTO", "off"),
            ("CODEGEN_UNITS", "16"),
            ("PANIC", "abort"),
            ("STRIP", "true"),
            ("DEBUG", "false"),
        ] {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
        let start = self.shims.join("start.o");
        match self.kind {
            Kind::Rustup => {
                let flags =
                    format!("{FEATURES} -Clink-arg={} -Clink-arg=--export=cabi_realloc", start.display());
                cargo.env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", flags);
            }
            Kind::Debian => {
                let flags = format!("{FEATURES} -Clink-self-contained=no -Lnative={SYSROOT}");
                cargo
                    .arg("-Zbuild-std=std,panic_abort")
                    .env("RUSTC", rustc(self.kind))
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_WASIP1_LINKER", self.shims.join("link"))
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "rust-lld")
                    .env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", flags)
                    .env("CC_wasm32_wasip1", "clang-22")
                    .env("AR_wasm32_wasip1", "llvm-ar-22")
                    .env("CFLAGS_wasm32_wasip1", CFLAGS);
            }
        }
        cargo
    }

    /// Where [`Compiler::cargo`] puts what it builds for `target`.
    pub fn build_dir(&self, target: &str) -> PathBuf {
        self.build.join(target).join("release")
    }

    fn compile_shims(&self, toolchain: &Path) -> anyhow::Result<()> {
        let unfinished = self.shims.with_extension("unfinished");
        std::fs::create_dir_all(&unfinished)?;
        let compile = |name: &str| {
            let object = unfinished.join(name).with_extension("o");
            let mut command = plain(clang(self.kind));
            command.args(CFLAGS.split_whitespace()).args(["-Wall", "-Wextra", "-c"]);
            run(command.arg(toolchain.join(name)).arg("-o").arg(&object)).map(|()| object)
        };
        compile("start.c")?;
        if self.kind == Kind::Debian {
            compile("crt1.c")?;
            let libc = compile("libc.c")?;
            run(plain("llvm-ar-22").arg("rcs").arg(unfinished.join("libshims.a")).arg(libc))?;
            std::fs::copy(BUILTINS, unfinished.join("libclang_rt.builtins-wasm32.a"))?;
            std::fs::copy(toolchain.join("link"), unfinished.join("link"))?;
        }
        Ok(std::fs::rename(unfinished, &self.shims)?)
    }
}

fn clang(kind: Kind) -> &'static str {
    match kind {
        Kind::Rustup => "clang",
        Kind::Debian => "clang-22",
    }
}

fn rustc(kind: Kind) -> &'static str {
    match kind {
        Kind::Rustup => "rustc",
        Kind::Debian => "/usr/bin/rustc",
    }
}

fn rustup_has_targets() -> bool {
    ["wasm32-wasip1", "wasm32-unknown-unknown"].iter().all(|target| {
        output(plain("rustc").args(["--print", "target-libdir", "--target", target]))
            .is_ok_and(|dir| Path::new(dir.trim()).is_dir())
    })
}

/// A command without what the cargo that runs this program has put into the environment.
fn plain(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let kept =
            ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_TERM_", "CARGO_SOURCE_"];
        let cargos = text.starts_with("CARGO") && !kept.iter().any(|prefix| text.starts_with(prefix));
        let rusts =
            ["RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTC_BOOTSTRAP", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"];
        if cargos || rusts.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("failed to start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("failed to start {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
