//! A machine over the real operating system, and what is compared.

#![expect(
    clippy::disallowed_methods,
    reason = "bash and what both shells run are native programs with native files"
)]

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use longhouse_shell::{
    FileError, Found, Kind, Limits, Machine, Open, Opened, Options, Program, Sink, Source, Start, Stat,
    parse, run,
};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What there is to compare of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) status: i32,
    pub(crate) complains: bool,
    pub(crate) files: Vec<(String, String)>,
}

/// How the two shells differ on a line, if they do.
pub(crate) fn differ(line: &str) -> Option<String> {
    let (ours, theirs) = (shell(line), bash(line));
    (ours != theirs).then(|| format!("{line}\n  ours: {ours:?}\n  bash: {theirs:?}"))
}

/// The files that every line finds.
fn tree() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        ("a.txt", "one\ntwo\nthree\n"),
        ("b.txt", "four\nfive\n"),
        ("c d.txt", "six\n"),
        (".hidden", "hidden\n"),
        ("empty", ""),
        ("conf", "name:value:rest\nkey:word\n"),
        ("src/main.rs", "fn main() {\n    // TODO: write\n}\n"),
        ("src/lib.rs", "// TODO: one\n// TODO: two\npub fn f() {}\n"),
        ("src/deep/mod.rs", "mod x;\n"),
        ("docs/x.md", "# x\n"),
    ];
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(directory.path().join("run.sh"), "#!/bin/sh\necho ran \"$@\"\n").unwrap();
    fs::set_permissions(directory.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("a.txt", directory.path().join("link")).unwrap();
    directory
}

fn contents(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                found.push((name + "/", String::new()));
                left.push(path);
            } else {
                found
                    .push((name, String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned()));
            }
        }
    }
    found.sort();
    found
}

fn ran(root: &Path, stdout: &[u8], stderr: &[u8], status: i32) -> Ran {
    // Both shells run in directories of their own, whose names some lines print.
    let name = root.display().to_string();
    let stdout = String::from_utf8_lossy(stdout).replace(&name, "ROOT");
    let files = contents(root).into_iter().map(|(path, text)| (path, text.replace(&name, "ROOT"))).collect();
    Ran { stdout, status, complains: !stderr.is_empty(), files }
}

fn bash(line: &str) -> Ran {
    let tree = tree();
    let root = tree.path().canonicalize().unwrap();
    let output = Command::new("bash")
        .args(["-c", line, "sh", "first", "second arg", "third"])
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .env("HOME", "/home/agent")
        .current_dir(&root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    ran(&root, &output.stdout, &output.stderr, output.status.code().unwrap_or(-1))
}

/// Runs a line in this shell, in a fresh directory.
pub(crate) fn shell(line: &str) -> Ran {
    let tree = tree();
    let root = tree.path().canonicalize().unwrap();
    let limits = Limits::default();
    let out = || Arc::new(Stream(tempfile::tempfile().unwrap()));
    let (stdout, stderr) = (out(), out());
    let script = match parse(line, &limits) {
        Ok(script) => script,
        Err(error) => return ran(&root, b"", error.to_string().as_bytes(), 2),
    };
    let start = Start {
        name: "sh".to_owned(),
        arguments: ["first", "second arg", "third"].map(str::to_owned).to_vec(),
        environment: [("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/home/agent")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        cwd: root.display().to_string(),
        stdin: Some(Arc::new(Stream(File::open("/dev/null").unwrap()))),
        stdout: Some(stdout.clone()),
        stderr: Some(stderr.clone()),
        options: Options::default(),
    };
    let status = run(&script, start, &Native, &limits).unwrap_or(-2);
    let read = |stream: &Stream| {
        let mut file = &stream.0;
        let mut bytes = Vec::new();
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    ran(&root, &read(&stdout), &read(&stderr), status)
}

struct Native;

/// A file, or an end of the system's pipe: what programs inherit.
struct Stream(File);

impl Source for Stream {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(into)
    }
}

impl Sink for Stream {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }
}

/// A stream as a program gets it, and what has to be done with it while the program runs.
fn input(source: Option<Arc<dyn Source>>) -> (Stdio, Option<Box<dyn FnOnce() + Send>>) {
    let Some(source) = source else { return (Stdio::null(), None) };
    if let Some(stream) = (&*source as &dyn Any).downcast_ref::<Stream>() {
        return (stream.0.try_clone().unwrap().into(), None);
    }
    let (reader, mut writer) = io::pipe().unwrap();
    let pump = move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            if writer.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
    };
    (reader.into(), Some(Box::new(pump)))
}

fn output(sink: Option<Arc<dyn Sink>>) -> (Stdio, Option<Box<dyn FnOnce() + Send>>) {
    let Some(sink) = sink else { return (Stdio::null(), None) };
    if let Some(stream) = (&*sink as &dyn Any).downcast_ref::<Stream>() {
        return (stream.0.try_clone().unwrap().into(), None);
    }
    let (mut reader, writer) = io::pipe().unwrap();
    let pump = move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sink.write(&buffer[..count]).is_err() {
                break;
            }
        }
    };
    (writer.into(), Some(Box::new(pump)))
}

fn at(cwd: &str, path: &str) -> PathBuf {
    Path::new(cwd).join(path)
}

fn why(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::NotFound,
        io::ErrorKind::PermissionDenied => FileError::Denied,
        io::ErrorKind::IsADirectory => FileError::IsDirectory,
        io::ErrorKind::NotADirectory => FileError::NotDirectory,
        _ => FileError::Other(error.to_string()),
    }
}

impl Machine for Native {
    fn find(&self, _: &str, name: &str) -> Found {
        let runs = |path: &Path| {
            path.is_file() && fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
        };
        if name.contains('/') {
            // Relative to where the program starts, which `run` finds out.
            return Found::Program(name.to_owned());
        }
        let found = PATH.split(':').map(|directory| Path::new(directory).join(name)).find(|path| runs(path));
        found.map_or(Found::Unknown(None), |path| Found::Program(path.display().to_string()))
    }

    fn run(&self, program: Program) -> i32 {
        let (stdin, feed) = input(program.stdin);
        let (stdout, drain) = output(program.stdout);
        let (stderr, complain) = output(program.stderr);
        let path = match program.argv[0].as_str() {
            name if name.contains('/') => at(&program.cwd, name),
            name => PathBuf::from(name),
        };
        let mut command = Command::new(&path);
        command.args(&program.argv[1..]).env_clear().envs(program.environment).current_dir(&program.cwd);
        let spawned = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn();
        drop(command);
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return 127,
            Err(_) => return 126,
        };
        if let Some(feed) = feed {
            std::thread::spawn(feed);
        }
        let drains: Vec<_> = [drain, complain].into_iter().flatten().map(std::thread::spawn).collect();
        let status = child.wait().unwrap();
        for drain in drains {
            drain.join().unwrap();
        }
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    fn open(&self, cwd: &str, path: &str, how: Open) -> Result<Opened, FileError> {
        let mut options = File::options();
        match how {
            Open::Read => options.read(true),
            Open::Truncate => options.write(true).create(true).truncate(true),
            Open::Append => options.append(true).create(true),
            Open::ReadWrite => options.read(true).write(true).create(true).truncate(false),
        };
        let stream = Arc::new(Stream(options.open(at(cwd, path)).map_err(|error| why(&error))?));
        let (reads, writes) = match how {
            Open::Read => (true, false),
            Open::Truncate | Open::Append => (false, true),
            Open::ReadWrite => (true, true),
        };
        let source = reads.then(|| stream.clone() as Arc<dyn Source>);
        let sink = writes.then(|| stream.clone() as Arc<dyn Sink>);
        Ok(Opened { source, sink })
    }

    fn list(&self, cwd: &str, path: &str) -> Result<Vec<String>, FileError> {
        let entries = fs::read_dir(at(cwd, path)).map_err(|error| why(&error))?;
        Ok(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
    }

    fn stat(&self, cwd: &str, path: &str) -> Option<Stat> {
        let meta = fs::metadata(at(cwd, path)).ok()?;
        let kind = match () {
            () if meta.is_file() => Kind::File,
            () if meta.is_dir() => Kind::Directory,
            () => Kind::Other,
        };
        let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Stat {
            kind,
            size: meta.len(),
            readable: true,
            writable: true,
            executable: meta.permissions().mode() & 0o111 != 0,
            modified_ns: modified.as_nanos(),
        })
    }

    fn is_link(&self, cwd: &str, path: &str) -> bool {
        fs::symlink_metadata(at(cwd, path)).is_ok_and(|meta| meta.is_symlink())
    }

    fn stop(&self) -> bool {
        false
    }

    fn pipe(&self, _: usize) -> io::Result<(Arc<dyn Sink>, Arc<dyn Source>)> {
        let (reader, writer) = io::pipe()?;
        let file = |fd: std::os::fd::OwnedFd| Stream(File::from(fd));
        Ok((Arc::new(file(writer.into())), Arc::new(file(reader.into()))))
    }
}
