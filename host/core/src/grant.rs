//! Which files an agent may touch, and how: the one matcher that decides it.

use std::sync::Arc;

use crate::{PathPattern, ProjectPath};

/// What can be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// See its content.
    Read,
    /// Change or replace what is there.
    Write,
    /// Make something where nothing is.
    Create,
    /// Remove it, or move it away.
    Delete,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Create, Self::Delete];

    /// The name that profiles and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

/// Path globs per verb. The default grants nothing.
///
/// A verb is granted for what its globs *name*: `src/*` is `src/a` and not `src/a/b`, `src/**` is `src` and all that is
/// beneath it. `deny` wins over everything, *covers* what is beneath what it matches, and hides it: a denied path does
/// not exist. So does one for which nothing is granted, save the directories on the way to what is.
///
/// Paths are those that lead through no link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileGrants {
    /// May be read.
    pub read: Vec<PathPattern>,
    /// May be changed.
    pub write: Vec<PathPattern>,
    /// May be created; as `write` when not given.
    pub create: Option<Vec<PathPattern>>,
    /// May be deleted; as `write` when not given.
    pub delete: Option<Vec<PathPattern>>,
    /// Does not exist for the agent, whatever else is granted.
    pub deny: Vec<PathPattern>,
    /// What else has to grant it, and show it.
    pub within: Option<Arc<Self>>,
}

/// Why something may or may not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling<'a> {
    /// This glob grants it.
    Granted(&'a PathPattern),
    /// This glob denies the path, and hides it.
    Denied(&'a PathPattern),
    /// No glob grants it.
    NotGranted,
}

impl FileGrants {
    /// Everything is granted.
    pub fn everything() -> Self {
        let everything = || vec![PathPattern::of(&ProjectPath::root())];
        Self { read: everything(), write: everything(), ..Self::default() }
    }

    /// As far as these reach, and `narrow` does, too.
    #[must_use]
    pub fn narrowed(&self, narrow: Self) -> Self {
        let within = Self { within: self.within.clone(), ..narrow };
        Self { within: Some(Arc::new(within)), ..self.clone() }
    }

    /// Whether nothing at all may be written, created or deleted.
    pub fn is_read_only(&self) -> bool {
        [Verb::Write, Verb::Create, Verb::Delete].iter().all(|verb| self.globs(*verb).is_empty())
            || self.within.as_ref().is_some_and(|within| within.is_read_only())
    }

    /// What decides whether this may be done.
    pub fn ruling(&self, verb: Verb, path: &ProjectPath) -> Ruling<'_> {
        if let Some(glob) = self.deny.iter().find(|glob| glob.matches(path)) {
            return Ruling::Denied(glob);
        }
        let Some(granting) = self.globs(verb).iter().find(|glob| glob.names(path)) else {
            return Ruling::NotGranted;
        };
        match self.within.as_ref().map(|within| within.ruling(verb, path)) {
            Some(Ruling::Granted(_)) | None => Ruling::Granted(granting),
            Some(other) => other,
        }
    }

    /// Whether this may be done.
    pub fn grant(&self, verb: Verb, path: &ProjectPath) -> bool {
        matches!(self.ruling(verb, path), Ruling::Granted(_))
    }

    /// Whether this may be done with every path there is.
    pub fn grant_everywhere(&self, verb: Verb) -> bool {
        self.deny.is_empty()
            && self.globs(verb).iter().any(PathPattern::is_everything)
            && self.all_within(|within| within.grant_everywhere(verb))
    }

    /// Whether `path` exists for the agent, should something that is no directory lie there.
    pub fn show(&self, path: &ProjectPath) -> bool {
        !self.hide(path)
            && self.any_glob(|glob| glob.names(path))
            && self.all_within(|within| within.show(path))
    }

    /// Whether `path` exists for the agent, should a directory lie there: one that is granted, or on the way to
    /// something that may be.
    pub fn show_directory(&self, path: &ProjectPath) -> bool {
        let is_shown = || !self.hide(path) && self.any_glob(|glob| glob.reaches(path));
        path.is_root() || (is_shown() && self.all_within(|within| within.show_directory(path)))
    }

    /// The globs that grant this, as far as what else has to does.
    pub fn globs(&self, verb: Verb) -> &[PathPattern] {
        match verb {
            Verb::Read => &self.read,
            Verb::Write => &self.write,
            Verb::Create => self.create.as_ref().unwrap_or(&self.write),
            Verb::Delete => self.delete.as_ref().unwrap_or(&self.write),
        }
    }

    /// Whether whatever others may read can be read with these, as far as globs tell: each that grants it to them grants it here,
    /// and what is denied here is to them, too, or nothing that they may read is beneath it.
    pub fn cover_reads_of(&self, others: &Self) -> bool {
        let is_granted = |glob: &PathPattern| self.read.iter().any(|own| own.is_everything() || own == glob);
        let is_denied = |glob: &PathPattern| {
            others.deny.contains(glob) || others.read.iter().all(|read| !read.overlaps(glob))
        };
        others.read.iter().all(is_granted)
            && self.deny.iter().all(is_denied)
            && self.all_within(|within| within.cover_reads_of(others))
    }

    /// Which list of a profile's is asked about this: that of `write` for what has none of its own.
    pub const fn list(&self, verb: Verb) -> &'static str {
        match verb {
            Verb::Create if self.create.is_none() => Verb::Write.as_str(),
            Verb::Delete if self.delete.is_none() => Verb::Write.as_str(),
            Verb::Read | Verb::Write | Verb::Create | Verb::Delete => verb.as_str(),
        }
    }

    /// Whether `path` is denied, and so does not exist for the agent.
    pub fn hide(&self, path: &ProjectPath) -> bool {
        self.deny.iter().any(|glob| glob.matches(path)) || !self.all_within(|within| !within.hide(path))
    }

    fn all_within(&self, holds: impl FnOnce(&Self) -> bool) -> bool {
        self.within.as_ref().is_none_or(|within| holds(within))
    }

    fn any_glob(&self, fits: impl Fn(&PathPattern) -> bool) -> bool {
        Verb::ALL.iter().any(|verb| self.globs(*verb).iter().any(&fits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn globs(texts: &[&str]) -> Vec<PathPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn path(text: &str) -> ProjectPath {
        text.parse().unwrap()
    }

    fn backend() -> FileGrants {
        FileGrants {
            read: globs(&["backend/**", "docs/*.md"]),
            write: globs(&["backend/**"]),
            delete: Some(globs(&["backend/tmp/*"])),
            deny: globs(&["**/.env*", "backend/secrets"]),
            ..FileGrants::default()
        }
    }

    #[test]
    fn a_verb_is_granted_for_what_its_globs_name() {
        let grants = backend();
        for (verb, text, granted) in [
            (Verb::Read, "backend", true),
            (Verb::Read, "backend/a/b", true),
            (Verb::Read, "docs/a.md", true),
            (Verb::Read, "docs/a.md/b", false),
            (Verb::Read, "docs/a/b.md", false),
            (Verb::Read, "docs", false),
            (Verb::Write, "docs/a.md", false),
            (Verb::Create, "backend/new", true),
            (Verb::Delete, "backend/a", false),
            (Verb::Delete, "backend/tmp/a", true),
            (Verb::Delete, "backend/tmp/a/b", false),
        ] {
            assert_eq!(grants.grant(verb, &path(text)), granted, "{} {text}", verb.as_str());
        }
    }

    #[test]
    fn a_denied_path_does_not_exist_nor_does_anything_beneath() {
        let grants = backend();
        for text in ["backend/.env", "backend/.env.local/a", "backend/secrets", "backend/secrets/a/b"] {
            assert!(!grants.show(&path(text)) && !grants.show_directory(&path(text)), "{text}");
            assert!(matches!(grants.ruling(Verb::Read, &path(text)), Ruling::Denied(_)), "{text}");
        }
    }

    #[test]
    fn directories_on_the_way_to_what_is_granted_exist() {
        let grants = backend();
        let shown = |text: &str| (grants.show_directory(&path(text)), grants.show(&path(text)));
        assert_eq!(shown(""), (true, false));
        assert_eq!(shown("docs"), (true, false));
        assert_eq!(shown("docs/sub"), (false, false));
        assert_eq!(shown("docs/a.md"), (true, true));
        assert_eq!(shown("frontend"), (false, false));
        assert_eq!(shown("backend/tmp"), (true, true));
    }

    #[test]
    fn nothing_is_granted_by_default_and_everything_by_everything() {
        let (nothing, everything) = (FileGrants::default(), FileGrants::everything());
        assert!(nothing.is_read_only() && !everything.is_read_only() && !backend().is_read_only());
        for verb in Verb::ALL {
            assert!(!nothing.grant(verb, &path("a")) && everything.grant(verb, &path("a/b")));
            assert!(everything.grant_everywhere(verb) && !backend().grant_everywhere(verb));
        }
        assert!(!nothing.show(&path("a")) && nothing.show_directory(&ProjectPath::root()));
        let deny = globs(&["a"]);
        assert!(!FileGrants { deny, ..FileGrants::everything() }.grant_everywhere(Verb::Read));
    }

    #[test]
    fn what_is_narrowed_is_granted_by_both() {
        let narrow = FileGrants {
            write: globs(&["backend/a/**", "frontend/**"]),
            deny: globs(&["backend/a/x"]),
            ..FileGrants::everything()
        };
        let grants = backend().narrowed(narrow);
        for (verb, text, granted) in [
            (Verb::Read, "backend/b", true),
            (Verb::Write, "backend/b", false),
            (Verb::Write, "backend/a/b", true),
            (Verb::Write, "frontend/a", false),
            (Verb::Delete, "backend/tmp/a", false),
            (Verb::Read, "backend/a/x", false),
        ] {
            assert_eq!(grants.grant(verb, &path(text)), granted, "{} {text}", verb.as_str());
        }
        assert!(grants.hide(&path("backend/a/x/y")) && grants.hide(&path("backend/.env")));
        assert!(!grants.show(&path("backend/a/x")) && !grants.show_directory(&path("backend/a/x")));
        assert!(!grants.grant_everywhere(Verb::Read) && !grants.is_read_only());
        let reading = FileGrants { write: Vec::new(), ..FileGrants::everything() };
        assert!(FileGrants::everything().narrowed(reading.clone()).is_read_only());
        let twice = FileGrants::everything().narrowed(reading).narrowed(FileGrants::everything());
        assert!(twice.is_read_only() && twice.grant_everywhere(Verb::Read));
    }

    #[test]
    fn grants_cover_others_when_each_glob_says_so() {
        let (everything, nothing) = (FileGrants::everything(), FileGrants::default());
        assert!(everything.cover_reads_of(&backend()) && !backend().cover_reads_of(&everything));
        assert!(
            backend().cover_reads_of(&backend())
                && backend().cover_reads_of(&FileGrants {
                    deny: globs(&["**/.env*", "backend/secrets"]),
                    ..nothing.clone()
                })
        );
        assert!(!nothing.cover_reads_of(&backend()) && everything.cover_reads_of(&nothing));
        let all_but = FileGrants { deny: globs(&["secrets"]), ..FileGrants::everything() };
        assert!(all_but.cover_reads_of(&backend()) && everything.cover_reads_of(&all_but));
        let all_but = FileGrants { deny: globs(&["backend/a"]), ..FileGrants::everything() };
        assert!(!all_but.cover_reads_of(&backend()));
        let narrowed = everything.narrowed(backend());
        assert!(!narrowed.cover_reads_of(&everything) && narrowed.cover_reads_of(&backend()));
    }

    proptest! {
        #[test]
        fn whatever_is_granted_exists_and_so_do_the_directories_on_the_way(
            read in r"(a|\*|\*\*|a\*)(/(a|b|\*|\*\*)){0,3}",
            deny in r"(|a/b|\*\*/b|b)",
            text in r"(a|b)(/(a|b)){0,4}",
        ) {
            let deny = globs(&if deny.is_empty() { vec![] } else { vec![&*deny] });
            let grants = FileGrants { read: globs(&[&read]), deny, ..FileGrants::default() };
            let at = path(&text);
            if grants.grant(Verb::Read, &at) {
                prop_assert!(grants.show(&at) && grants.show_directory(&at));
                for directory in at.above() {
                    prop_assert!(grants.show_directory(&path(directory)), "{} above {}", directory, text);
                }
            }
        }
    }
}
