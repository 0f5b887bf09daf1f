//! What a run's programs see as `/`: the project, and where that has no such names, a place of the run's own.

use std::io::Read;

use longhouse_core::{ProjectPath, Verb};
use longhouse_workspace::{Create, Follow, Kind, OpenOptions, Opened, View, WorkspaceError};
use rustix::io::Errno;

/// Directories of the run's own, if the project has none that are called so.
const OWN: [&str; 2] = ["tmp", "dev"];

/// Reads as nothing, whatever is written to it.
const NULL: &str = "dev/null";

/// The file systems of a run.
#[derive(Debug, Clone)]
pub(crate) struct Mounts {
    pub(crate) project: View,
    own: Option<View>,
    /// Of [`OWN`], those that are the run's.
    names: Vec<&'static str>,
}

impl Mounts {
    /// The project, and beside it what the run has for itself.
    pub(crate) fn new(project: View, own: Option<View>) -> Self {
        let is_free = |name: &&str| ProjectPath::parse(name).is_ok_and(|path| !project.has(&path));
        let names = if own.is_some() { OWN.into_iter().filter(is_free).collect() } else { Vec::new() };
        Self { project, own, names }
    }

    /// The file system that has this path.
    pub(crate) fn at(&self, path: &ProjectPath) -> &View {
        self.own_at(path).unwrap_or(&self.project)
    }

    fn own_at(&self, path: &ProjectPath) -> Option<&View> {
        let first = path.components().next()?;
        self.own.as_ref().filter(|_| self.names.contains(&first))
    }

    /// The path that `text` names when read from the directory `base`, as [`View::locate`].
    pub(crate) fn locate(&self, base: &ProjectPath, text: &str) -> Result<ProjectPath, WorkspaceError> {
        match self.after_own(base, text) {
            Some(rest) => self.locate_from(&ProjectPath::root(), &rest),
            None => self.locate_from(base, text),
        }
    }

    fn locate_from(&self, base: &ProjectPath, text: &str) -> Result<ProjectPath, WorkspaceError> {
        let named = base.join(text);
        match (self.own_at(base), named.as_ref().ok().and_then(|named| self.own_at(named))) {
            (Some(own), _) => own.locate(base, text),
            (None, None) => self.project.locate(base, text),
            // No link leads there: the text tells it all.
            (None, Some(own)) => {
                let end = if text.ends_with('/') { "/" } else { "" };
                own.locate(&ProjectPath::root(), &format!("/{}{end}", named?.as_str()))
            }
        }
    }

    /// What is left of a text, as an absolute one, that leads out of what is the run's own by a `..`.
    fn after_own(&self, base: &ProjectPath, text: &str) -> Option<String> {
        if self.names.is_empty() || !text.contains("..") {
            return None;
        }
        let mut above: Vec<&str> =
            if text.starts_with('/') { Vec::new() } else { base.components().collect() };
        let mut rest = None;
        for (place, name) in text.split('/').enumerate() {
            match name {
                "" | "." => {}
                ".." => {
                    let is_own = matches!(above.as_slice(), [only] if self.names.contains(only));
                    rest = if is_own { Some(place + 1) } else { rest };
                    above.pop();
                }
                name => above.push(name),
            }
        }
        let rest: Vec<_> = text.split('/').skip(rest?).collect();
        Some(format!("/{}", rest.join("/")))
    }

    /// Opens a file or directory, as [`View::open_at`].
    pub(crate) fn open_at(&self, path: &ProjectPath, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        match self.own_at(path) {
            Some(own) if path.as_str() == NULL && !options.changes() => {
                own.as_it_lies().open_at(path, options)
            }
            Some(own) => own.open_at(path, options),
            None => self.project.open_at(path, options),
        }
    }

    /// Moves `from` to `to`, as [`View::rename`]; from one file system to another, files alone.
    pub(crate) fn rename(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        match self.one_of(from, to) {
            Some(view) => view.rename(from, to),
            None => self.carry(from, to),
        }
    }

    /// Copies a file to the other file system, and removes it where it was.
    fn carry(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        let source = self.at(from);
        if source.stat(from, Follow::No)?.kind != Kind::File {
            return Err(Errno::XDEV.into());
        }
        let mut file = source.read_file(from)?;
        if !source.grants(Verb::Delete, &file.path) {
            return Err(WorkspaceError::NotGranted { verb: Verb::Delete, path: file.path });
        }
        let options =
            OpenOptions { write: true, create: Create::IfMissing, truncate: true, ..OpenOptions::default() };
        let mut copy = self.at(to).open_at(to, options)?;
        if let Some(own) = &copy.own {
            own.grow(&copy.file, file.stat.size)?;
        }
        let most = file.stat.size;
        std::io::copy(&mut Read::take(&mut file.file, most), &mut copy.file).map_err(WorkspaceError::Io)?;
        source.remove_file(from)
    }

    /// Makes a copy, as [`View::copy_file`]; not from one file system to another.
    pub(crate) fn copy_file(
        &self,
        from: &ProjectPath,
        follow: Follow,
        to: &ProjectPath,
    ) -> Result<(), WorkspaceError> {
        self.one_of(from, to).ok_or(Errno::XDEV)?.copy_file(from, follow, to)
    }

    /// The file system that has both paths.
    fn one_of(&self, one: &ProjectPath, other: &ProjectPath) -> Option<&View> {
        (self.own_at(one).is_some() == self.own_at(other).is_some()).then(|| self.at(one))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use longhouse_core::FileGrants;
    use longhouse_workspace::Root;

    use super::*;

    fn view(dirs: &[&str]) -> (tempfile::TempDir, View) {
        let dir = tempfile::tempdir().unwrap();
        dirs.iter().for_each(|path| std::fs::create_dir_all(dir.path().join(path)).unwrap());
        let root = Arc::new(Root::open(dir.path()).unwrap());
        (dir, View::new(root, Arc::new(FileGrants::everything())))
    }

    #[test]
    fn a_text_leads_from_one_file_system_to_the_other() {
        let (_project, project) = view(&["src/deep"]);
        let (_own, own) = view(&["tmp/d", "dev"]);
        let mounts = Mounts::new(project, Some(own));
        for (base, text, expected) in [
            ("", "tmp/x", "tmp/x"),
            ("src", "/tmp/d/", "tmp/d"),
            ("src/deep", "../../tmp/d/x", "tmp/d/x"),
            ("tmp", "../src/deep/x", "src/deep/x"),
            ("", "tmp/../src", "src"),
            ("", "/tmp/d/../../src/.", "src"),
            ("tmp/d", "..", "tmp"),
            ("tmp/d", "../..", ""),
            ("tmp", "../tmp/x", "tmp/x"),
            ("tmp", "../dev/null", "dev/null"),
        ] {
            let located = mounts.locate(&ProjectPath::parse(base).unwrap(), text).unwrap();
            assert_eq!(located.as_str(), expected, "{text} from {base}");
        }
        let root = ProjectPath::root();
        assert!(matches!(mounts.locate(&root, "tmp/../.."), Err(WorkspaceError::OutsideProject)));
        assert!(matches!(mounts.locate(&root, "tmp/none/x/"), Err(WorkspaceError::NotFound)));
    }

    #[test]
    fn a_directory_of_the_project_comes_before_the_run_s_own() {
        let (_project, project) = view(&["tmp"]);
        let (_own, own) = view(&["tmp", "dev"]);
        let mounts = Mounts::new(project, Some(own));
        assert!(mounts.own_at(&"tmp/x".parse().unwrap()).is_none());
        assert!(mounts.own_at(&"dev/null".parse().unwrap()).is_some());
        assert!(mounts.own_at(&"src/tmp".parse().unwrap()).is_none());
    }
}
