//! Tables for what is documented; globset and exhaustive search as references for the rest.

use globset::GlobBuilder;
use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> PathPattern {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

mod tables {
    use super::*;

    fn check_normal_form(normal: &str, spellings: &[&str]) {
        for text in spellings {
            assert_eq!(pattern(text).as_str(), normal, "{text:?}");
            assert_eq!(pattern(text), pattern(normal), "{text:?}");
        }
    }

    fn check_refused(expected: InvalidPattern, texts: &[&str]) {
        for text in texts {
            assert_eq!(PathPattern::parse(text), Err(expected), "{text:?}");
        }
    }

    fn check_covers(text: &str, covered: &[&str], others: &[&str]) {
        for name in covered {
            assert!(pattern(text).matches(&path(name)), "{text:?} does not cover {name:?}");
        }
        for name in others {
            assert!(!pattern(text).matches(&path(name)), "{text:?} covers {name:?}");
        }
    }

    fn check_overlaps(expected: bool, pairs: &[(&str, &str)]) {
        for (a, b) in pairs {
            assert_eq!(pattern(a).overlaps(&pattern(b)), expected, "{a:?} and {b:?}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), expected, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn spellings_of_one_pattern_have_one_normal_form() {
        check_normal_form("a/b", &["a/b", "/a//b", "./a/./b", "a/x/../b", r"a\/b", r"\a/[b]", r"a/.\./a/b"]);
        check_normal_form("**", &["", "/", ".", "a/..", "**", "**/", "/**/a/..", "[.]", "./"]);
        check_normal_form("src/**", &["src/", "src/**", "src/**/", "src//", "src/./"]);
        check_normal_form("*/**", &["*/", "*/b/../"]);
        check_normal_form("*/b", &["/*/./a/../b"]);
        check_normal_form("a,b!^-]", &["a,b!^-]", r"a\,b\!\^\-\]"]);
        check_normal_form(r"\*\?\[\{\}\\", &[r"\*\?\[\{\}\\", r"[*][?][[][{][}][\]"]);
        check_normal_form(r"\a*/{x//y,.}", &[r"\a*/{x//y,.}", r"z/../\a*//{x//y,.}"]);
    }

    #[test]
    fn a_path_is_the_pattern_of_its_escaped_text() {
        for (name, normal) in [("", "**"), ("a/b", "a/b"), ("[id]/{x}*?\\\\", r"\[id]/\{x\}\*\?\\\\")] {
            assert_eq!(PathPattern::of(&path(name)), pattern(normal));
            assert_eq!(PathPattern::of(&path(name)).as_str(), normal);
        }
        let longest = path(&format!("{}/a/", "*".repeat(255)).repeat(15));
        assert_eq!(PathPattern::of(&longest), pattern(PathPattern::of(&longest).as_str()));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        check_refused(InvalidPattern::UnclosedClass, &["[", "[a", "[]", "[!]", "a/[b/c"]);
        check_refused(InvalidPattern::EmptyClass, &["[/]", "a[/]", "[!\u{1}-\u{10ffff}]"]);
        check_refused(InvalidPattern::ReversedRange('b', 'a'), &["[b-a]", "x/[!b-a]"]);
        check_refused(InvalidPattern::UnclosedBrace, &["{", "{a,b", "{a,{b}"]);
        check_refused(InvalidPattern::UnopenedBrace, &["}", "a}b", "{a}}"]);
        check_refused(InvalidPattern::DanglingEscape, &["\\", "a\\"]);
    }

    #[test]
    fn what_no_path_can_be_is_refused() {
        check_refused(InvalidPath::OutsideProject.into(), &["..", "../*", "a/../..", r"\.\."]);
        check_refused(InvalidPattern::ParentOfWildcard, &["*/..", "**/..", "*/a/../..", "{..,a}", "a{/..,}"]);
        check_refused(
            InvalidPath::Private.into(),
            &[".longhouse", "a/.longhouse/*", "[.]longhouse", "*/.longhouse"],
        );
        check_refused(InvalidPath::Private.into(), &["{.longhouse,a}", ".long{house,boat}"]);
        check_refused(InvalidPath::Nul.into(), &["a\0", "*\0", "[\0]"]);
        check_refused(
            InvalidPath::TooLong.into(),
            &[&"n".repeat(256), &"n/".repeat(2049), &"/".repeat(8193)],
        );
    }

    #[test]
    fn length_and_alternatives_are_limited() {
        let longest = "a/".repeat(511);
        assert_eq!(pattern(&format!("{longest}*a")).as_str().len(), 1024);
        check_refused(InvalidPattern::TooLong, &[&format!("{longest}*ab")]);

        pattern("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}");
        check_refused(InvalidPattern::TooManyAlternatives, &["{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{,a}"]);
        check_refused(InvalidPattern::TooManyAlternatives, &[&format!("{{{}}}", "a,".repeat(64))]);

        let half = "?".repeat(507);
        pattern(&format!("{half}{{a,b,c,d}}{half}"));
        check_refused(InvalidPattern::TooManyAlternatives, &[&format!("{half}{{a,b,c,d,}}{half}")]);

        pattern(&format!("{}a{}", "{".repeat(511), "}".repeat(511)));
    }

    #[test]
    fn a_pattern_covers_what_it_matches_and_what_is_beneath() {
        check_covers("src", &["src", "src/a.rs", "src/a/b"], &["", "sr", "src2", "a/src"]);
        check_covers("src/**", &["src", "src/a.rs", "src/a/b"], &["", "src2", "a/src"]);
        check_covers("**", &["", "a", "a/b"], &[]);
        check_covers("*", &["a", ".a", "a/b"], &[""]);
        check_covers("*.rs", &["a.rs", ".rs", "a.rs/b"], &["src/a.rs", "a.rsx", "rs"]);
        check_covers("**/*.rs", &["a.rs", "src/a.rs", "src/b/a.rs/c"], &["a", "rs/a"]);
        check_covers("a/**/b", &["a/b", "a/x/b", "a/x/y/b/c"], &["a", "a/x", "b"]);
        check_covers("a/**/b/**/c", &["a/b/c", "a/b/b/x/c"], &["a/c/b", "a/b"]);
    }

    #[test]
    fn wildcards_match_within_a_component() {
        check_covers("a?c", &["abc", "a.c", "aéc"], &["ac", "abbc", "a/c"]);
        check_covers("a*bc*d", &["abcd", "axbxbcd", "abcbcd"], &["abd", "abcx", "a/bcd", "acbd"]);
        check_covers("ab*ba", &["abba", "abxba"], &["aba"]);
        check_covers("a**b", &["ab", "axb"], &["a/b"]);
        check_covers("***", &["a"], &[""]);
        check_covers("[a-c]x", &["ax", "cx"], &["dx", "x"]);
        check_covers("[!a-c]x", &["dx", ".x", "éx"], &["ax", "x"]);
        check_covers("[^a]", &["b", "^", "!"], &["a"]);
        check_covers(r"[]\-]", &["]", "\\", "-"], &["a"]);
        check_covers(r"\*[*]", &["**"], &["a*", "*a"]);
    }

    #[test]
    fn braces_stand_for_each_alternative() {
        check_covers("{a,b/c}/d", &["a/d", "b/c/d"], &["a", "b/d", "b/c"]);
        check_covers("x{a,{b,c}d,}y", &["xay", "xbdy", "xcdy", "xy"], &["xby", "xdy"]);
        check_covers("{a/,}b", &["a/b", "b"], &["a"]);
        check_covers("{a,}", &["", "b"], &[]);
        check_covers("{**,a}/b", &["b", "x/b", "a/b"], &["a"]);
        check_covers("{*,}*", &["a"], &[""]);
        check_covers(r"{a\,b,[,]}", &["a,b", ","], &["a", "b"]);
    }

    #[test]
    fn patterns_overlap_when_a_path_is_covered_by_both() {
        check_overlaps(true, &[("src", "src/a/b"), ("src/**", "src"), ("**", ""), ("", "a"), ("*", "a/b")]);
        check_overlaps(true, &[("*.rs", "a*"), ("a*", "*b"), ("a*b*c", "*d*"), ("a*", "ab*")]);
        check_overlaps(true, &[("**/*.rs", "src"), ("**/a", "**/b"), ("a/**/b", "a/c/d")]);
        check_overlaps(true, &[("[a-c]", "[c-e]"), ("[!a]", "[!b]"), ("?", "é"), ("ab*", "?b")]);
        check_overlaps(true, &[("{a,b}/c", "{b,d}"), ("x{,y}", "xy/z")]);
    }

    #[test]
    fn patterns_that_cannot_meet_do_not_overlap() {
        check_overlaps(false, &[("a", "b"), ("src/a", "src/b"), ("src", "src2"), ("a/*/c", "a/b/d")]);
        check_overlaps(
            false,
            &[("*.rs", "*.md"), ("a*", "b*"), ("ab*", "?c*"), ("*ab", "*?c"), ("a*a", "a")],
        );
        check_overlaps(false, &[("src/**/a", "lib/**"), ("[a-c]", "[d-e]"), ("[!a]", "a"), ("?", "ab")]);
        check_overlaps(false, &[("{a,b}/c", "{b,d}/e"), ("*b*", "ac"), ("*ab*ab*", "xabx")]);
    }

    #[test]
    fn names_nobody_can_use_are_the_only_false_overlaps() {
        check_overlaps(true, &[(".longhous?", "?longhouse"), (".?", "?.")]);
    }

    #[test]
    fn the_first_overlapping_pair_is_the_lowest() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| pattern(text)).collect::<Vec<_>>();
        let ours = patterns(&["a", "b/*", "c"]);
        assert_eq!(overlap(&ours, &patterns(&["d", "c", "b/x", "b"])), Some((1, 2)));
        assert_eq!(overlap(&ours, &patterns(&["d"])), None);
        assert_eq!(overlap(&ours, &[]), None);
    }
}

/// Every path of up to `deepest` names of 1 to `longest` characters of `alphabet`.
fn paths(alphabet: &str, longest: usize, deepest: usize) -> Vec<ProjectPath> {
    let longer = |start: &String| alphabet.chars().map(move |c| format!("{start}{c}")).collect();
    let names = grown(String::new(), longest, longer);
    let below = |above: &ProjectPath| names.iter().skip(1).map(|name| above.join(name).unwrap()).collect();
    grown(ProjectPath::root(), deepest, below)
}

/// What grows from `seed` in up to `steps` steps, itself first.
fn grown<T: Clone>(seed: T, steps: usize, step: impl Fn(&T) -> Vec<T>) -> Vec<T> {
    let mut all = vec![seed];
    let mut last = 0;
    for _ in 0..steps {
        let next: Vec<T> = all[last..].iter().flat_map(&step).collect();
        last = all.len();
        all.extend(next);
    }
    all
}

fn globset(text: &str) -> Result<globset::GlobMatcher, globset::Error> {
    let mut builder = GlobBuilder::new(text);
    builder.literal_separator(true).backslash_escape(true).empty_alternates(true);
    Ok(builder.build()?.compile_matcher())
}

/// One character, in the ways a pattern can say it. No class has `/`, which globset would match.
const CHARACTER: &str = r"(a|b|-|\?|\\a|\\\*|\[ab\]|\[!a/\]|\[\^/-b\]|\[a-\]|\[\]b\]|\[\]-b\])";
/// What may stand between two characters. No `**` component in braces, where globset takes it for `*`.
const BETWEEN: &str = r"(|\*|\*\*|-|\{,b\}|\{a,/,b/a\}|\{\*\*a,\{/a/,\?\}b\})";

/// A component of which braces leave no part empty.
fn component() -> impl Strategy<Value = String> {
    let character = || proptest::string::string_regex(CHARACTER).unwrap();
    let mixed = format!(r"(\*|\*\*\*|{CHARACTER}){BETWEEN}{CHARACTER}(\*{CHARACTER})?");
    prop_oneof![
        Just("**".to_owned()),
        Just("*".to_owned()),
        character(),
        proptest::string::string_regex(&mixed).unwrap(),
    ]
}

/// Text that is a pattern more often than not.
fn text() -> impl Strategy<Value = String> {
    r"((/|a|b|\.|\*|\*\*|\?|\[a|\[!|\]|-|\{|,|\}|\\|\[ab\]|\{a,b/\}|/\*\*/){0,8}|[ab*?/]{0,8})"
}

fn any_pattern() -> impl Strategy<Value = PathPattern> {
    text().prop_filter_map("not a pattern", |text| text.parse().ok())
}

fn witness<'p>(a: &PathPattern, b: &PathPattern, paths: &'p [ProjectPath]) -> Option<&'p ProjectPath> {
    paths.iter().find(|path| a.matches(path) && b.matches(path))
}

/// That two patterns overlap exactly when one of `paths` is covered by both.
fn check_overlap(a: &str, b: &str, paths: &[ProjectPath]) -> Result<(), TestCaseError> {
    let (a, b) = (pattern(a), pattern(b));
    let witness = witness(&a, &b, paths);
    prop_assert_eq!(a.overlaps(&b), witness.is_some(), "{} and {}: {:?}", a, b, witness);
    prop_assert_eq!(b.overlaps(&a), witness.is_some(), "{} and {}: {:?}", b, a, witness);
    Ok(())
}

proptest! {
    #[test]
    fn covering_agrees_with_globset(components in prop::collection::vec(component(), 1..4)) {
        let text = components.join("/");
        let ours = pattern(&text);
        // To globset `a/**` is what is beneath `a` alone.
        let itself = text.trim_end_matches("/**");
        let theirs = [&text, itself, &format!("{text}/**")].map(|text| globset(text).unwrap());
        // Not the root, which to globset is an empty name and matches `*`.
        let long_names = paths("ab", 6, 1);
        for path in paths("ab-*", 2, 3).iter().skip(1).chain(long_names.iter().skip(1)) {
            let expected = theirs.iter().any(|glob| glob.is_match(path.as_str()));
            prop_assert_eq!(ours.matches(path), expected, "{:?} and {:?}", text, path);
        }
    }

    #[test]
    fn naming_agrees_with_globset_and_reaching_with_naming(components in prop::collection::vec(component(), 1..4)) {
        let text = components.join("/");
        let ours = pattern(&text);
        let itself = text.trim_end_matches("/**");
        let theirs = [&text, itself].map(|text| globset(text).unwrap());
        let all = paths("ab-*", 2, 3);
        for path in all.iter().skip(1) {
            let expected = theirs.iter().any(|glob| glob.is_match(path.as_str()));
            prop_assert_eq!(ours.names(path), expected, "{:?} and {:?}", text, path);
        }
        // Of short directories alone: what is named beneath a longer one may be longer than these paths.
        for directory in paths("ab-*", 2, 1) {
            let beneath = |path: &&ProjectPath| path.components().zip(directory.components()).all(|(a, b)| a == b);
            let named = all.iter().filter(beneath).any(|path| ours.names(path));
            prop_assert!(ours.reaches(&directory) || !named, "{:?} and {:?}", text, directory);
        }
    }

    #[test]
    fn classes_agree_with_globset(text in r"\[[]!^a\\c-]{0,6}\]") {
        let (ours, theirs) = (PathPattern::parse(&text), globset(&text));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} and {:?}", ours, theirs);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            for path in paths("!^]\\-abc", 2, 1).iter().skip(1) {
                prop_assert_eq!(ours.matches(path), theirs.is_match(path.as_str()), "{:?} and {:?}", text, path);
            }
        }
    }

    #[test]
    fn names_overlap_exactly_when_they_share_one(
        a in r"(a|b|\*|\*|\?|\[ab\]|\[!a\]){1,5}",
        b in r"(a|b|\*|\*|\?|\[bc\]|\{a\*,b\}){1,5}",
    ) {
        // Two globs that both have a star need a name of all their other characters at most.
        check_overlap(&a, &b, &paths("ab", 9, 1))?;
    }

    #[test]
    fn paths_overlap_exactly_when_they_share_one(
        a in r"(a|b|\?|\*|\*\*|\{a,b/a\})(/(a|b|\*|\*\*|\{b,a/\*\*\})){0,2}",
        b in r"(a|b|\?|\*|\*\*|\{b,b/a\})(/(a|b|\*|\*\*|\{\*\*,a/b\})){0,2}",
    ) {
        // Braces lengthen each component to two; what follows one's `**` comes after all of the other.
        check_overlap(&a, &b, &paths("ab", 1, 10))?;
    }

    #[test]
    fn no_overlap_is_missed(a in any_pattern(), b in any_pattern()) {
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        if let Some(path) = witness(&a, &b, &paths("ab-", 2, 3)) {
            prop_assert!(a.overlaps(&b), "{} and {} share {}", a, b, path);
        }
    }

    #[test]
    fn a_normal_form_is_its_own(pattern in any_pattern()) {
        prop_assert_eq!(PathPattern::parse(pattern.as_str()), Ok(pattern));
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(text in prop_oneof![any::<String>(), text()]) {
        if let Ok(pattern) = PathPattern::parse(&text) {
            prop_assert_eq!(PathPattern::parse(pattern.as_str()), Ok(pattern));
        }
    }

    #[test]
    fn a_path_is_covered_by_its_own_pattern(name in r"[ab*?{},!\[\]\\/-]{0,12}") {
        let path = path(&name);
        let own = PathPattern::of(&path);
        prop_assert!(own.matches(&path));
        prop_assert_eq!(PathPattern::parse(own.as_str()), Ok(own));
    }
}
