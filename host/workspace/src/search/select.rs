//! Which of the files that a walk comes to are wanted.

use longhouse_core::{InvalidPattern, PathPattern, ProjectPath};

/// Files by globs that are read from a directory. The default takes all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    base: ProjectPath,
    include: Vec<PathPattern>,
    exclude: Vec<PathPattern>,
}

impl Selection {
    /// Takes what one of the globs names, or everything if none does more than exclude; and of that nothing that a glob
    /// with a leading `!` matches, or that lies beneath. A glob without `/` is of a name in any directory.
    ///
    /// # Errors
    /// The first glob that is none, and why.
    pub fn new<'a>(
        base: ProjectPath,
        globs: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (&'a str, InvalidPattern)> {
        let mut selection = Self { base, ..Self::default() };
        for text in globs {
            let (list, glob) = match text.strip_prefix('!') {
                Some(glob) => (&mut selection.exclude, glob),
                None => (&mut selection.include, text),
            };
            let anywhere = if glob.contains('/') { glob.to_owned() } else { format!("**/{glob}") };
            list.push(anywhere.parse().map_err(|invalid| (text, invalid))?);
        }
        Ok(selection)
    }

    /// The same, read from another directory.
    pub(super) fn moved(self, base: ProjectPath) -> Self {
        Self { base, ..self }
    }

    /// Whether a file is wanted.
    pub fn takes(&self, path: &ProjectPath) -> bool {
        let Some(path) = beneath(&self.base, path) else { return false };
        let included = self.include.is_empty() || self.include.iter().any(|glob| glob.names(&path));
        included && !self.excludes(&path)
    }

    /// Whether nothing beneath a directory is wanted.
    pub(super) fn leaves_out(&self, directory: &ProjectPath) -> bool {
        beneath(&self.base, directory).is_some_and(|path| {
            self.excludes(&path)
                || (!self.include.is_empty() && !self.include.iter().any(|glob| glob.reaches(&path)))
        })
    }

    fn excludes(&self, path: &ProjectPath) -> bool {
        self.exclude.iter().any(|glob| glob.matches(path))
    }
}

/// `path` as it reads from `base`, if it lies there.
fn beneath(base: &ProjectPath, path: &ProjectPath) -> Option<ProjectPath> {
    let rest = path.as_str().strip_prefix(base.as_str())?;
    let rest = if base.is_root() { rest } else { rest.strip_prefix('/').filter(|rest| !rest.is_empty())? };
    rest.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ProjectPath {
        text.parse().unwrap()
    }

    fn takes(base: &str, globs: &[&str], text: &str) -> bool {
        Selection::new(path(base), globs.iter().copied()).unwrap().takes(&path(text))
    }

    #[test]
    fn globs_are_read_from_the_directory_and_names_from_anywhere() {
        assert!(takes("", &[], "a/b"));
        assert!(takes("", &["*.rs"], "a/b/c.rs") && takes("a", &["*.rs"], "a/b/c.rs"));
        assert!(!takes("a", &["*.rs"], "b/c.rs"), "it is elsewhere");
        assert!(takes("a", &["b/*.rs"], "a/b/c.rs") && !takes("a", &["b/*.rs"], "a/b/c/d.rs"));
        assert!(takes("a", &["/b/**"], "a/b/c/d.rs") && !takes("", &["/b/**"], "a/b/c"));
        assert!(takes("", &["*.{rs,md}"], "x.md") && !takes("", &["*.rs"], "x.md"));
        assert!(!takes("ab", &[], "abc/d"), "a name is not a part of another");
    }

    #[test]
    fn what_is_excluded_goes_with_all_that_is_beneath() {
        assert!(!takes("", &["!target"], "target/debug/a.rs") && takes("", &["!target"], "src/a.rs"));
        assert!(!takes("", &["*.rs", "!**/tests/**"], "src/tests/a.rs"));
        assert!(takes("", &["*.rs", "!**/tests/**"], "src/a.rs"));
    }

    #[test]
    fn a_directory_in_which_nothing_can_be_wanted_is_left_out() {
        let selection = Selection::new(path(""), ["src/**/*.rs", "!src/gen"]).unwrap();
        assert!(selection.leaves_out(&path("docs")) && selection.leaves_out(&path("src/gen/x")));
        assert!(!selection.leaves_out(&path("src")) && !selection.leaves_out(&path("src/a/b")));
        assert_eq!(Selection::new(path(""), ["a", "!b{"]).unwrap_err().0, "!b{");
    }
}
