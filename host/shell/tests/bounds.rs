//! What a script may not do ends it with a sentence, and leaves nothing behind.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use longhouse_shell::{
    Ended, FileError, Found, Limits, Machine, Open, Opened, Options, Program, Sink, Source, Start, Stat,
    parse, run,
};

/// A machine with a few programs of its own, in which pipes are the crate's.
#[derive(Default)]
struct Small {
    /// How often `stop` says no; never yes if 0.
    patience: usize,
    asked: AtomicUsize,
}

impl Machine for Small {
    fn find(&self, _: &str, name: &str) -> Found {
        match name {
            "yes" | "head" | "cat" | "count" => Found::Program(format!("/bin/{name}")),
            "sudo" => Found::Denied,
            _ => Found::Unknown(None),
        }
    }

    fn run(&self, program: Program) -> i32 {
        let (Some(stdin), Some(stdout)) = (program.stdin, program.stdout) else { return 1 };
        let mut buffer = [0; 1000];
        match program.argv.first().map(String::as_str) {
            Some("yes") => {
                while stdout.write(b"y\n").is_ok() && !self.stop() {}
                1
            }
            Some("head") => {
                let mut byte = [0];
                while stdin.read(&mut byte).is_ok_and(|count| count == 1) {
                    if stdout.write(&byte).is_err() || byte == *b"\n" {
                        break;
                    }
                }
                0
            }
            Some("cat") => loop {
                match stdin.read(&mut buffer) {
                    Ok(0) | Err(_) => return 0,
                    Ok(count) if stdout.write(buffer.get(..count).unwrap_or_default()).is_err() => return 1,
                    Ok(_) => {}
                }
            },
            Some("count") => {
                let mut total = 0;
                while let Ok(count @ 1..) = stdin.read(&mut buffer) {
                    total += count;
                }
                i32::from(stdout.write(format!("{total}\n").as_bytes()).is_err())
            }
            Some(_) | None => 1,
        }
    }

    fn open(&self, _: &str, _: &str, _: Open) -> Result<Opened, FileError> {
        Err(FileError::NotFound)
    }

    fn list(&self, _: &str, _: &str) -> Result<Vec<String>, FileError> {
        Err(FileError::NotFound)
    }

    fn stat(&self, _: &str, _: &str) -> Option<Stat> {
        None
    }

    fn is_link(&self, _: &str, _: &str) -> bool {
        false
    }

    fn stop(&self) -> bool {
        self.patience > 0 && self.asked.fetch_add(1, Ordering::Relaxed) > self.patience
    }
}

#[derive(Default)]
struct Text(Mutex<Vec<u8>>);

impl Sink for Text {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(bytes);
        Ok(())
    }
}

impl Text {
    fn get(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
            .into_owned()
    }
}

struct Empty;

impl Source for Empty {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// How a script ends, and what it printed on standard output and standard error.
fn end(text: &str, machine: &Small, limits: &Limits) -> (Result<i32, Ended>, String, String) {
    let (stdout, stderr) = (Arc::new(Text::default()), Arc::new(Text::default()));
    let start = Start {
        name: "sh".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
        cwd: "/".to_owned(),
        stdin: Some(Arc::new(Empty)),
        stdout: Some(stdout.clone()),
        stderr: Some(stderr.clone()),
        options: Options::default(),
    };
    let ended = match parse(text, limits) {
        Ok(script) => run(&script, start, machine, limits),
        Err(error) => return (Ok(2), String::new(), error.to_string()),
    };
    (ended, stdout.get(), stderr.get())
}

fn plain(text: &str) -> (Result<i32, Ended>, String, String) {
    end(text, &Small::default(), &Limits::default())
}

#[test]
fn a_script_that_takes_too_much_is_ended() {
    let pipeline = vec!["cat"; 1_000].join(" | ");
    let deep = format!("{}cat{}", "( cat | ".repeat(70), " )".repeat(70));
    let cases = [
        (":(){ :; }", "line 1, column 1: syntax error: `:` is no name for a function"),
        ("f() { f | f; }; f", ""),
        ("f() { f; }; f", "functions and subshells are nested too deeply"),
        ("f() { (f); }; f", "functions and subshells are nested too deeply"),
        ("f() { x=$(f); }; f", "functions and subshells are nested too deeply"),
        ("while :; do :; done", "too many commands were started"),
        ("while :; do (:); done", "too many commands were started"),
        ("while :; do : | :; done", "too many commands were started"),
        ("echo {1..1000000000}", "an expansion is too large"),
        (
            "echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
            "an expansion is too large",
        ),
        ("x=a; while :; do x=$x$x; done", ""),
        ("x=$(yes)", "an expansion is too large"),
        ("x=aaaaaaaaaa; for i in {1..16}; do x=$x$x; done; echo", ""),
        (
            "x=aaaaaaaa; for i in {1..16}; do x=$x$x; done; a=$x b=$x c=$x; echo no",
            "the variables are too large",
        ),
        (&pipeline, "a pipeline has too many stages"),
        (&deep, "functions and subshells are nested too deeply"),
    ];
    for (text, sentence) in cases {
        let (ended, stdout, stderr) = plain(text);
        let shown = text.get(..60.min(text.len())).unwrap_or_default();
        if sentence.is_empty() {
            assert!(matches!(ended, Err(_) | Ok(0)), "{shown}: {ended:?}");
        } else {
            assert_eq!(stderr.trim_end(), sentence, "{shown}");
            assert!(stdout.len() < 10_000, "{shown}");
        }
        assert_eq!(ended.is_err(), !sentence.starts_with("line") && !stderr.is_empty(), "{shown}: {ended:?}");
    }
}

#[test]
fn what_is_nested_too_deeply_is_no_script() {
    let nested = |open: &str, inside: &str, close: &str, count: usize| {
        format!("{}{inside}{}", open.repeat(count), close.repeat(count))
    };
    for count in [101, 1_000, 5_000, 20_000] {
        let texts = [
            nested("( ", "cat", " )", count),
            nested("{ ", "cat;", " };", count),
            nested("if cat; then ", "cat; ", "fi; ", count),
            nested("echo $(", "cat", ")", count),
            nested("echo \"$(", "cat", ")\"", count),
            nested("echo ${x:-", "x", "}", count),
            nested("echo $((", "1", "))", count),
            nested("case x in x) ", "cat ", ";; esac ", count),
            nested("[[ ", "a", " ]]", 1).replace('a', &nested("( ", "a", " )", count)),
            format!("[[ {} ]]", vec!["a"; count + 1].join(" && ")),
            format!("[[ {} a ]]", "! ".repeat(count)),
            nested("f() { ", "cat; ", "}; ", count),
        ];
        for text in texts {
            let (ended, _, stderr) = plain(&text);
            let shown = text.get(..30).unwrap_or_default();
            assert_eq!(ended, Ok(2), "{count} {shown}");
            assert!(stderr.contains("the script is too large"), "{count} {shown}: {stderr}");
        }
    }
}

#[test]
fn what_is_long_may_not_be_deep_as_well() {
    let text = format!("echo {}{}{}", "$(echo ".repeat(90), "a ".repeat(200_000), ")".repeat(90));
    assert!(plain(&text).2.contains("too long for how deep it is"));
    let text = format!("x=$({}:)", ": a; ".repeat(1_000));
    assert_eq!(plain(&text).0, Ok(0));
}

#[test]
fn what_is_nested_less_deeply_runs() {
    let text = format!("{}cat;{}", "{ ".repeat(95), " };".repeat(95));
    assert_eq!(plain(&text), (Ok(0), String::new(), String::new()));
    let text = format!("f() {{ {}f;{} }}; f", "{ ".repeat(90), " };".repeat(90));
    assert_eq!(plain(&text).0, Err(Ended::Depth));
    let text = format!("echo $(({}1{}))", "(".repeat(30), ")".repeat(30));
    assert_eq!(plain(&text).1, "1\n");
    let text = format!("echo $(({}1{}))", "(".repeat(30_000), ")".repeat(30_000));
    assert_eq!(plain(&text).0, Ok(1));
    let text = format!("echo $(({}1))", "- ".repeat(30_000));
    assert_eq!(plain(&text).0, Ok(1));
}

#[test]
fn a_script_ends_when_it_is_stopped() {
    for text in [
        "while :; do :; done",
        "for ((;;)); do ((i++)); done",
        "yes | cat | cat > /dev/null",
        "until false; do :; done",
    ] {
        let machine = Small { patience: 1_000, ..Small::default() };
        let (ended, _, stderr) = end(text, &machine, &Limits { commands: u64::MAX, ..Limits::default() });
        assert_eq!(ended, Err(Ended::Stopped), "{text}");
        assert_eq!(stderr, "the script was stopped\n", "{text}");
    }
}

#[test]
fn what_is_not_there_ends_a_script_when_it_is_reached() {
    for text in ["f() { x=1 local y=2; echo $y; }; f", "read -n 1 x", "c=eval; $c echo", "echo $RANDOM"] {
        let (ended, stdout, stderr) = plain(text);
        assert_eq!((ended, stdout.as_str()), (Ok(2), ""), "{text}: {stderr}");
        assert!(stderr.contains("not supported") || stderr.contains("RANDOM"), "{text}: {stderr}");
    }
}

#[test]
fn a_pipe_waits_and_ends() {
    assert_eq!(plain("yes | head"), (Ok(0), "y\n".to_owned(), String::new()));
    assert_eq!(plain("yes | cat | cat | head; echo $?").1, "y\n0\n");
    assert_eq!(plain("while :; do echo y; done | head").1, "y\n");
    assert_eq!(plain("set -o pipefail; yes | head; echo $?").1, "y\n1\n");
    assert_eq!(
        plain("x=$(for i in {1..5000}; do echo 0123456789012345678; done); echo \"$x\" | cat | count").1,
        "100000\n"
    );
    let pipeline = vec!["cat"; 64].join(" | ");
    assert_eq!(plain(&format!("echo through | {}", pipeline.trim_start_matches("cat | "))).1, "through\n");
}

#[test]
fn a_command_that_is_not_there_or_not_allowed_is_a_status() {
    assert_eq!(
        plain("nothing; echo $?"),
        (Ok(0), "127\n".to_owned(), "nothing: command not found\n".to_owned())
    );
    assert_eq!(plain("sudo x; echo $?"), (Ok(0), "126\n".to_owned(), "sudo: Permission denied\n".to_owned()));
    assert_eq!(plain("cat < x"), (Ok(1), String::new(), "x: No such file or directory\n".to_owned()));
}
