//! The project that every line starts from. A flat table, and long for that reason.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// Writes the project into `root`, which need not be there.
///
/// # Errors
/// When something cannot be written.
pub(crate) fn write(root: &Path) -> io::Result<()> {
    let files = FILES.iter().map(|(path, text)| (*path, text.as_bytes())).chain(BYTES.iter().copied());
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, content)?;
    }
    for path in EXECUTABLE {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o755))?;
    }
    for path in EMPTY_DIRECTORIES {
        fs::create_dir_all(root.join(path))?;
    }
    for (path, target) in LINKS {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        symlink(target, path)?;
    }
    Ok(())
}

const EXECUTABLE: &[&str] = &["scripts/build.sh", "scripts/greet"];

const EMPTY_DIRECTORIES: &[&str] = &["build/cache", "build/out"];

const LINKS: &[(&str, &str)] =
    &[("links/readme", "../README.md"), ("links/source", "../src"), ("links/broken", "../missing.txt")];

/// What is not text, or ends in an unusual way.
const BYTES: &[(&str, &[u8])] = &[
    ("assets/logo.bin", b"LOGO\x00\x01\x02\x03\xff\xfe\x80TODO\x00\x7fend"),
    ("assets/zeros.bin", &[0; 64]),
    ("docs/windows.txt", b"first line\r\nsecond line\r\nthird line\r\n"),
    ("data/no_newline.txt", b"alpha\nbeta\ngamma"),
];

const FILES: &[(&str, &str)] = &[
    (".git/HEAD", "ref: refs/heads/main\n"),
    (".git/config", "[core]\n\tbare = false\n"),
    (".gitignore", "target/\nnode_modules/\n*.tmp\n"),
    (".editorconfig", "root = true\n\n[*]\nindent_style = space\nindent_size = 4\n"),
    (".config/settings.ini", "[server]\nport = 8080\nhost = localhost\n\n[log]\nlevel = info\n"),
    ("VERSION", "1.4.2\n"),
    ("empty.txt", ""),
    ("scratch.tmp", "TODO: ignored\n"),
    (
        "Cargo.toml",
        r#"[package]
name = "tally"
version = "1.4.2"
edition = "2021"

[dependencies]
regex = "1.10"
serde = { version = "1.0", features = ["derive"] }

[dev-dependencies]
tempfile = "3"
"#,
    ),
    (
        "README.md",
        "# Tally\n\nCounts things in text files.\n\n## Install\n\n    cargo install tally\n\n## Usage\n\nRun `tally FILE`.\n\
         See [the guide](docs/guide.md) and [the API](docs/api.md).\n\n## License\n\nMIT\n",
    ),
    (
        "CHANGELOG.md",
        "# Changelog\n\n## 1.4.2 - 2024-03-01\n\n- Fix a crash on empty input (#31)\n- Faster lexer\n\n## 1.4.1 - 2024-01-15\n\n\
         - Fix wrong totals (#28)\n\n## 1.4.0 - 2023-11-30\n\n- Add `--json`\n- Add colours\n",
    ),
    (
        "src/main.rs",
        r#"//! The command line.

use std::env;
use std::fs;

mod parser;
mod util;

fn main() {
    let args: Vec<String> = env::args().collect();
    if args.len() < 2 {
        eprintln!("usage: tally FILE");
        std::process::exit(2);
    }
    // TODO: read standard input when no file is given
    let text = fs::read_to_string(&args[1]).unwrap();
    let entries = parser::parse(&text);
    println!("{} entries", entries.len());
}
"#,
    ),
    (
        "src/lib.rs",
        r#"//! Counting.

pub mod parser;
pub mod util;

pub use parser::parse;

/// How often a word occurs.
pub fn count(text: &str, word: &str) -> usize {
    text.split_whitespace().filter(|w| *w == word).count()
}

// TODO(anna): make this generic
pub fn total(values: &[u64]) -> u64 {
    values.iter().sum()
}
"#,
    ),
    (
        "src/util.rs",
        "/// Trims a line.   \npub fn trim_line(line: &str) -> &str {\n\tline.trim()\n}\n\npub fn is_blank(line: &str) -> bool {\n\
         \ttrim_line(line).is_empty()\n}\n",
    ),
    (
        "src/parser/mod.rs",
        r#"mod lexer;

use lexer::Token;

pub struct Entry {
    pub name: String,
    pub value: i64,
}

/// Reads entries, one a line.
pub fn parse(text: &str) -> Vec<Entry> {
    // FIXME: errors are ignored
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let tokens = lexer::tokens(line);
    match tokens.as_slice() {
        [Token::Word(name), Token::Number(value)] => Some(Entry { name: name.clone(), value: *value }),
        _ => None, // TODO: report it
    }
}
"#,
    ),
    (
        "src/parser/lexer.rs",
        r#"pub enum Token {
    Word(String),
    Number(i64),
}

/// Splits a line into tokens.
pub fn tokens(line: &str) -> Vec<Token> {
    line.split(' ')
        .map(|part| match part.parse() {
            Ok(number) => Token::Number(number),
            Err(_) => Token::Word(part.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(tokens("a 1").len(), 2);
    }
}
"#,
    ),
    (
        "tests/parser_test.rs",
        "use tally::parse;\n\n#[test]\nfn one_entry() {\n    assert_eq!(parse(\"a 1\").len(), 1);\n}\n\n#[test]\nfn no_entry() {\n\
         \x20   assert_eq!(parse(\"\").len(), 0);\n}\n",
    ),
    ("tests/data/input.txt", "apples 3\npears 5\nplums 2\nno value\napples 4\n"),
    ("tests/data/expected.txt", "apples 7\npears 5\nplums 2\n"),
    ("tests/data/actual.txt", "apples 7\npears 6\nplums 2\ncherries 1\n"),
    (
        "web/app.js",
        r#"import { load } from "./api.js";

// TODO: show errors
export async function start(root) {
  const users = await load("/users");
  console.log("loaded", users.length);
  for (const user of users) {
    const item = document.createElement("li");
    item.textContent = user.name;
    root.append(item);
  }
}

var legacy = true;
console.log("ready");
"#,
    ),
    (
        "web/api.js",
        r#"const BASE = "http://localhost:8080";

export async function load(path) {
  const response = await fetch(BASE + path);
  if (!response.ok) {
    throw new Error(`HTTP ${response.status}`);
  }
  return response.json();
}
"#,
    ),
    (
        "web/package.json",
        r#"{
  "name": "tally-web",
  "version": "0.3.0",
  "scripts": {
    "build": "vite build",
    "test": "vitest run",
    "lint": "eslint ."
  },
  "dependencies": {
    "lit": "^3.1.0"
  },
  "devDependencies": {
    "eslint": "^8.57.0",
    "vite": "^5.1.0",
    "vitest": "^1.3.0"
  }
}
"#,
    ),
    (
        "web/index.html",
        "<!doctype html>\n<html>\n<head>\n  <title>Tally</title>\n  <link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n\
         \x20 <h1>Tally</h1>\n  <ul id=\"users\"></ul>\n  <script type=\"module\" src=\"app.js\"></script>\n</body>\n</html>\n",
    ),
    (
        "web/style.css",
        "body {\n  color: #333333;\n  margin: 0;\n}\n\nh1 {\n  color: #cc0000;\n  font-size: 20px;\n}\n",
    ),
    ("web/img/a.PNG", "png a\n"),
    ("web/img/b.png", "png b\n"),
    ("web/img/c d.jpeg", "jpeg c d\n"),
    (
        "scripts/build.sh",
        "#!/bin/sh\n# Builds everything.\nset -e\nmkdir -p build/out\necho \"built $1\" > build/out/result.txt\n",
    ),
    ("scripts/greet", "#!/bin/bash\nname=${1:-world}\necho \"hello, $name\"\n[ \"$name\" != nobody ]\n"),
    (
        "scripts/report.py",
        r#"import sys


def main():
    total = 0
    for line in sys.stdin:
        total += int(line.split(",")[3])
    print(total)


if __name__ == "__main__":
    main()
"#,
    ),
    (
        "docs/guide.md",
        "# Guide\n\nStart with `tally FILE`.\n\n## Words\n\nA word is what stands between blanks.\n\n## Numbers\n\nNumbers are whole.\n\n\
         TODO: explain dates\n",
    ),
    (
        "docs/api.md",
        "# API\n\n| function | returns |\n|---|---|\n| `parse` | entries |\n| `count` | a number |\n| `total` | a number |\n\n\
         See <https://example.org/tally> and http://localhost:8080/docs.\n",
    ),
    ("docs/release notes.md", "# Release notes\n\nFaster. Smaller. Nicer.\n"),
    ("docs/grüße.md", "# Grüße\n\nViele Grüße aus Köln – äöü ß.\n"),
    ("notes/todo list.txt", "[x] write the lexer\n[ ] write the docs\n[ ] release 1.5\n[x] fix the totals\n"),
    ("notes/old/meeting 1.txt", "Anna, Ben\nlexer is slow\n"),
    ("notes/old/meeting 2.txt", "Anna, Carl\nlexer is fast\n"),
    ("notes/-dash.txt", "a name that looks like an option\n"),
    (
        "data/users.csv",
        "id,name,email,role,age\n1,Anna Berg,anna@example.org,admin,34\n2,Ben Ode,ben@example.org,editor,27\n\
         3,Carl Lund,carl@example.com,viewer,45\n4,Dora Falk,dora@example.org,editor,31\n5,Emil Roth,emil@example.net,viewer,27\n\
         6,Frida Holm,frida@example.com,viewer,52\n",
    ),
    (
        "data/orders.csv",
        "id,user,item,amount,date\n101,1,keyboard,49.90,2024-01-05\n102,3,monitor,199.00,2024-01-17\n103,2,mouse,19.50,2024-02-02\n\
         104,1,cable,7.25,2024-02-11\n105,5,monitor,189.00,2024-02-20\n106,2,keyboard,45.00,2024-03-01\n107,1,mouse,21.00,2024-03-03\n",
    ),
    ("data/scores.tsv", "anna\tmaths\t90\nben\tmaths\t72\nanna\tart\t85\ncarl\tmaths\t64\nben\tart\t91\n"),
    (
        "data/users.json",
        r#"[
  {"id": 1, "name": "Anna", "roles": ["admin", "dev"], "age": 34, "active": true},
  {"id": 2, "name": "Ben", "roles": ["dev"], "age": 27, "active": false},
  {"id": 3, "name": "Carl", "roles": [], "age": 45, "active": true, "address": {"city": "Lund", "zip": "22100"}},
  {"id": 4, "name": "Dora", "roles": ["ops", "dev"], "age": 31, "active": true, "address": {"city": "Kiel", "zip": null}}
]
"#,
    ),
    (
        "data/config.json",
        r#"{
  "name": "tally",
  "debug": false,
  "server": {"host": "localhost", "port": 8080, "tls": null},
  "paths": ["src", "docs", "tests"],
  "limits": {"memory_mb": 512, "files": 100}
}
"#,
    ),
    (
        "data/events.jsonl",
        r#"{"time":"08:00","level":"info","msg":"start","ms":3}
{"time":"08:05","level":"warn","msg":"slow","ms":1520}
{"time":"08:07","level":"error","msg":"timeout","ms":5000,"code":504}
{"time":"08:11","level":"info","msg":"request","ms":12}
{"time":"08:12","level":"error","msg":"refused","ms":1,"code":502}
"#,
    ),
    ("data/fruits.txt", "banana\napple\ncherry\napple\nBanana\ndate\ncherry\napple\n"),
    ("data/numbers.txt", "10\n9\n2\n33\n1\n-4\n2\n2.5\n"),
    ("data/sizes.txt", "4K a\n1M b\n512 c\n2G d\n10K e\n"),
    ("data/versions.txt", "v1.10.0\nv1.2.0\nv1.9.3\nv2.0.0\nv1.2.10\n"),
    (
        "logs/app.log",
        "2024-03-01T08:00:01Z INFO  server: started port=8080\n2024-03-01T08:00:05Z INFO  http: GET /index.html 200 12ms\n\
         2024-03-01T08:01:12Z WARN  db: slow query took=1520ms table=orders\n2024-03-01T08:02:40Z ERROR db: timeout after=5000ms\n\
         2024-03-01T08:02:41Z ERROR http: GET /orders 504 5003ms\n2024-03-01T08:03:00Z INFO  db: reconnected\n\
         2024-03-01T09:10:22Z INFO  http: GET /users 200 48ms\n2024-03-01T09:12:10Z WARN  http: unknown path /favicon.ico\n\
         2024-03-01T09:15:45Z ERROR auth: bad token user=carl\n2024-03-01T09:20:00Z DEBUG cache: evicted=17\n\
         2024-03-02T07:59:59Z INFO  server: stopped\n",
    ),
    (
        "logs/access.log",
        "10.0.0.1 - - [01/Mar/2024:08:00:05 +0000] \"GET /index.html HTTP/1.1\" 200 512\n\
         10.0.0.2 - - [01/Mar/2024:08:00:09 +0000] \"GET /app.js HTTP/1.1\" 200 2048\n\
         10.0.0.1 - - [01/Mar/2024:08:02:41 +0000] \"GET /orders HTTP/1.1\" 504 0\n\
         10.0.0.3 - - [01/Mar/2024:08:05:00 +0000] \"POST /login HTTP/1.1\" 401 64\n\
         10.0.0.1 - - [01/Mar/2024:09:10:22 +0000] \"GET /users HTTP/1.1\" 200 1024\n\
         10.0.0.2 - - [01/Mar/2024:09:12:10 +0000] \"GET /favicon.ico HTTP/1.1\" 404 32\n\
         10.0.0.3 - - [01/Mar/2024:09:15:45 +0000] \"POST /login HTTP/1.1\" 200 128\n\
         10.0.0.1 - - [01/Mar/2024:09:16:02 +0000] \"GET /users HTTP/1.1\" 200 1024\n",
    ),
    ("target/debug/tally.d", "target/debug/tally: src/main.rs\n"),
    ("node_modules/pad/index.js", "// TODO: not ours\nmodule.exports = s => s;\n"),
];
