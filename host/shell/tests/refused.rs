//! What is no script, or none of this shell's: before anything runs, and where.

use longhouse_shell::{Limits, Reason, parse};

#[test]
fn what_is_not_supported_is_refused_where_it_stands() {
    let cases = [
        ("sleep 1 &", (1, 1), "running in the background with `&`"),
        ("echo a; sleep 1 & echo b", (1, 9), "running in the background with `&`"),
        ("(sleep 1 &)", (1, 2), "running in the background with `&`"),
        ("coproc cat", (1, 1), "`coproc`"),
        ("diff <(ls) x", (1, 7), "process substitution"),
        ("cat < <(ls)", (1, 8), "process substitution"),
        ("tee >(cat)", (1, 6), "process substitution"),
        ("a=(1 2)", (1, 1), "an array"),
        ("a[1]=2", (1, 1), "an array"),
        ("echo x\necho ${a[0]}", (2, 6), "an array"),
        ("echo ${#a[@]}", (1, 6), "an array"),
        ("local a=(1)", (1, 7), "an array"),
        ("echo ${!x}", (1, 6), "`${!`"),
        ("echo ${x@Q}", (1, 6), "`${NAME@…}`"),
        ("echo $!", (1, 6), "`$!`"),
        ("echo $[1+2]", (1, 6), "`$[`"),
        ("trap 'rm x' EXIT", (1, 1), "`trap`"),
        ("eval echo", (1, 1), "`eval`"),
        ("source x", (1, 1), "`source`"),
        (". ./x", (1, 1), "`.`"),
        ("exec > x", (1, 1), "`exec`"),
        ("declare -A m", (1, 1), "`declare`"),
        ("true && shopt -s extglob", (1, 9), "`shopt`"),
        ("umask 022", (1, 1), "`umask`"),
        ("wait", (1, 1), "`wait`"),
        ("set -x", (1, 5), "`set -x`"),
        ("set -euxo pipefail", (1, 5), "`set -euxo`"),
        ("time ls", (1, 1), "`time`"),
        ("x=$(trap)", (1, 1), "`trap`"),
        ("echo \"$(a=(1))\"", (1, 6), "an array"),
        ("[[ a -ef b ]]", (1, 1), "`-ef`"),
        ("for x in; do :; done", (1, 7), "`for` without a word after `in`"),
        ("echo {fd}> x", (1, 6), "a file descriptor with a name"),
        ("cat 3>&1-", (1, 8), "moving a file descriptor"),
        ("echo $'\\xff'", (1, 6), "within `$'`, a number that is no character"),
    ];
    for (text, (line, column), what) in cases {
        let error = parse(text, &Limits::default()).expect_err(text);
        assert_eq!(error.reason, Reason::Unsupported(what.to_owned()), "{text}");
        assert_eq!((error.line, error.column), (line, column), "{text}");
    }
}

#[test]
fn a_syntax_error_says_where() {
    let cases = [
        ("if true; echo", "line 1, column"),
        ("echo a\necho )", "line 2, column 6: syntax error: unexpected `)`"),
        ("echo 'a", "line 1, column 6: syntax error: `'` is not closed"),
        ("echo\necho \"a", "line 2, column 6: syntax error: `\"` is not closed"),
        ("echo $(a", "line 1, column 1: syntax error: unterminated expansion"),
        ("for", "line 1, column 4: syntax error: unexpected end of the script"),
        ("cat <<EOF\na", "line 1, column 1: syntax error: the here-document has no line `EOF` at its end"),
        ("echo ${x!}", "line 1, column 6: syntax error: bad substitution in `${`"),
        ("echo ${}", "line 1, column 6: syntax error: bad substitution in `${`"),
        ("echo @(a|b)", "line 1, column"),
        ("select x in a b; do :; done", "line 1, column"),
        ("| x", "line 1, column 1: syntax error: unexpected `|`"),
        ("echo 99999999999>x", "line 1, column 6: syntax error: `99999999999` is no file descriptor"),
    ];
    for (text, start) in cases {
        let error = parse(text, &Limits::default()).expect_err(text).to_string();
        assert!(error.starts_with(start), "{text}: {error}");
    }
}

/// bash runs these, and the grammar that this shell uses does not know them.
#[test]
fn what_the_grammar_does_not_know_is_a_syntax_error() {
    let text = "echo $(case x in x) echo yes;; esac)";
    let error = parse(text, &Limits::default()).expect_err(text);
    assert!(matches!(error.reason, Reason::Grammar(_)), "{error}");
}

#[test]
fn hostile_text_is_answered() {
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(30), close.repeat(30));
    let texts = [
        nested("$((x ", ") )"),
        nested("echo $((x ", ") )"),
        nested("a[$((", ") )]"),
        nested("case x in a) ", " esac"),
        nested("${a[", "]}"),
        format!("echo {}", "{".repeat(100_000)),
        format!("echo {}", "{a,".repeat(500)),
        format!("echo ~+{}", "9".repeat(50)),
        format!("echo {{1..{}}}", "9".repeat(50)),
        "(".repeat(100_000),
        "$(".repeat(100_000),
        "`".repeat(100_001),
        "'".repeat(100_001),
        "<<a ".repeat(3_000),
        "a\0b \u{feff} \u{202e}".to_owned(),
    ];
    for text in texts {
        // Whether it is a script does not matter: that there is an answer does.
        drop(parse(&text, &Limits::default()));
    }
}
