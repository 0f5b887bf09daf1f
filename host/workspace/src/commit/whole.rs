//! Whoever reads several files at once sees a commit whole, or not at all.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use longhouse_core::{ProjectPath, RedoList};

use super::Workspace;

/// How often is read anew before commits have to wait.
const TRIES: usize = 3;

/// How many commits are remembered.
const REMEMBERED: usize = 64;

/// Commits of several paths: those being put in place, and those that lately were.
#[derive(Debug, Default)]
pub(super) struct Renames {
    state: Mutex<State>,
    /// Shared by those who put such commits in place; a reader that came upon them too often has it alone.
    turn: RwLock<()>,
}

#[derive(Debug, Default)]
struct State {
    clock: u64,
    /// With the time at which it began.
    under_way: Vec<(u64, RedoList)>,
    /// With the time at which it ended.
    recent: VecDeque<(u64, RedoList)>,
    /// The end of the last that is not remembered.
    forgotten: u64,
}

impl Renames {
    /// Puts a commit in place.
    pub(super) fn make<T>(&self, redo: &RedoList, make: impl FnOnce() -> T) -> T {
        if redo.paths().nth(1).is_none() {
            // It is whole by itself.
            return make();
        }
        let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
        let began = {
            let mut state = self.lock();
            state.clock += 1;
            let began = state.clock;
            state.under_way.push((began, redo.clone()));
            began
        };
        let made = make();
        let mut state = self.lock();
        state.clock += 1;
        let ended = state.clock;
        state.under_way.retain(|(at, _)| *at != began);
        state.recent.push_back((ended, redo.clone()));
        if state.recent.len() > REMEMBERED {
            state.forgotten = state.recent.pop_front().map_or(state.forgotten, |(ended, _)| ended);
        }
        made
    }

    /// Whether a commit of several of these paths was under way at the time `since`, or later.
    fn tore(&self, since: u64, looks_at: &impl Fn(&ProjectPath) -> bool) -> bool {
        let state = self.lock();
        let mut candidates = state.recent.iter().filter(|(ended, _)| *ended > since).chain(&state.under_way);
        state.forgotten > since
            || candidates.any(|(_, redo)| redo.paths().filter(|path| looks_at(path)).nth(1).is_some())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workspace {
    /// What `read` returns, who looks at paths for which `looks_at` holds, and at no others: it was read when every commit was
    /// in place as a whole, or not at all. Should it look at none but one path, it is so by itself.
    ///
    /// It is read anew if a commit of several such paths came in between. When that happens too often, such commits wait.
    pub fn read_whole<T>(&self, looks_at: impl Fn(&ProjectPath) -> bool, mut read: impl FnMut() -> T) -> T {
        for _ in 0..TRIES {
            let since = self.renames.lock().clock;
            let found = read();
            if !self.renames.tore(since, &looks_at) {
                return found;
            }
        }
        let _turn = self.renames.turn.write().unwrap_or_else(PoisonError::into_inner);
        read()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{TryRecvError, channel};

    use super::super::tests::{Project, path, write};
    use super::super::{Expected, Wish};

    /// Reads two files that every commit makes the same, while commits are made. Returns how often they were not.
    fn torn(
        read: impl Fn(
            &Project,
            &mut dyn FnMut() -> (Option<String>, Option<String>),
        ) -> (Option<String>, Option<String>),
    ) -> usize {
        let project = Project::new();
        let set = |n: usize| {
            [
                write("a.txt", &n.to_string(), Expected::Anything),
                write("d/b.txt", &n.to_string(), Expected::Anything),
            ]
        };
        project.commit(&set(0)).unwrap();
        let (stop, stopped) = channel::<()>();
        std::thread::scope(|scope| {
            let _stop = stop;
            scope.spawn({
                let (project, set) = (&project, &set);
                move || {
                    let mut n = 1;
                    while stopped.try_recv() == Err(TryRecvError::Empty) {
                        project.commit(&set(n)).unwrap();
                        n += 1;
                    }
                }
            });
            let mut torn = 0;
            for _ in 0..3_000 {
                let mut both = || {
                    let first = project.read("a.txt");
                    std::thread::yield_now();
                    (first, project.read("d/b.txt"))
                };
                let (one, other) = read(&project, &mut both);
                torn += usize::from(one != other);
            }
            torn
        })
    }

    #[test]
    fn two_files_are_seen_as_one_commit_left_them() {
        let both = [path("a.txt"), path("d/b.txt")];
        assert_eq!(torn(|project, read| project.workspace.read_whole(|path| both.contains(path), read)), 0);
        assert_ne!(torn(|_, read| read()), 0, "nothing tears them anyway");
    }

    #[test]
    fn a_directory_that_moves_is_in_one_place() {
        let project = Project::new();
        let (stop, stopped) = channel::<()>();
        std::thread::scope(|scope| {
            let _stop = stop;
            let door = &project;
            scope.spawn(move || {
                let mut places = [path("d"), path("e")];
                while stopped.try_recv() == Err(TryRecvError::Empty) {
                    let [from, to] = places.clone();
                    door.commit(&[Wish::Move { from, to, expected: Expected::Absent }]).unwrap();
                    places.reverse();
                }
            });
            for _ in 0..3_000 {
                let found = project.workspace.read_whole(
                    |_| true,
                    || [project.read("d/b.txt").is_some(), project.read("e/b.txt").is_some()],
                );
                assert!(found[0] != found[1], "{found:?}");
            }
        });
    }
}
