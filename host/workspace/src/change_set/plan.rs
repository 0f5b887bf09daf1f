//! From what is seen to what has to be done, in an order in which it can be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use longhouse_core::{ChangeKind, Changes, Isolation, PathChange, ProjectPath, Reads};
use rustix::fs::OFlags;

use super::tree::{Entry, Node};
use super::{ChangeSet, Listed, Seen, Staged};
use crate::publish::Files;
use crate::resolve::target;
use crate::{Kind, Root, Stat, WorkspaceError};

/// One thing to be done.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Where.
    pub(crate) path: ProjectPath,
    /// What the project has there, by its path before anything is done, unless it is moved away before.
    pub(crate) over: Option<ProjectPath>,
    pub(crate) act: Act,
}

#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A staged entry comes to lie there.
    Put(Arc<Staged>),
    /// What the project has at this path comes to lie there.
    Move {
        /// Its path before anything is done.
        base: ProjectPath,
        /// Its path when it is moved.
        from: ProjectPath,
    },
    /// What the project has there goes.
    Remove,
}

/// All that has to be done, in order, and what it was made in the belief of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    bases: super::Bases,
    removed: HashSet<ProjectPath>,
    moved: BTreeMap<ProjectPath, usize>,
    isolation: Isolation,
    listed: HashMap<ProjectPath, Listed>,
}

impl Plan {
    /// What was seen and matters beside what is changed.
    pub(crate) fn reads(&self) -> Reads {
        Reads {
            entries: self.seen_entries().cloned().collect(),
            listed: self.listed.keys().cloned().collect(),
        }
    }

    /// The paths of which it matters what was seen there, beside those that are changed.
    pub(crate) fn seen_entries(&self) -> impl Iterator<Item = &ProjectPath> {
        let all = match self.isolation {
            Isolation::Writes => None,
            Isolation::Serializable => Some(&self.bases),
        };
        let entries = all.into_iter().flatten().filter(|(_, base)| !base.seen.is_directory());
        entries.map(|(path, _)| path)
    }

    /// The directories of which it matters which names were in them.
    pub(crate) const fn listed(&self) -> &HashMap<ProjectPath, Listed> {
        &self.listed
    }

    /// What was seen at `base`, as the change set was made, and whether it was something else later.
    pub(crate) fn seen(&self, base: &ProjectPath) -> (Option<Seen>, bool) {
        self.bases.get(base).map_or((None, false), |base| (Some(base.seen), base.is_torn))
    }

    /// Whether what lies at `path`, beneath the directory `base`, is moved out of that before it goes.
    pub(crate) fn is_moved_out(&self, base: &ProjectPath, path: &ProjectPath) -> bool {
        self.moved.contains_key(path)
            || nearest(&self.moved, path).is_some_and(|(above, _)| above.len() > base.as_str().len())
    }

    /// Whether `path` of the project was removed on purpose.
    pub(crate) fn is_removed(&self, path: &ProjectPath) -> bool {
        self.removed.contains(path)
    }

    /// The steps, as they are told.
    pub(crate) fn outline(&self) -> Vec<PathChange> {
        let change = |act: &Act| match act {
            Act::Put(_) => ChangeKind::Put,
            Act::Move { base, .. } => ChangeKind::Move { from: base.clone() },
            Act::Remove => ChangeKind::Remove,
        };
        let steps = self.steps.iter();
        steps.map(|Step { path, act, .. }| PathChange { path: path.clone(), change: change(act) }).collect()
    }

    /// Makes all that is staged safe, and tells its versions: what takes long, before anybody has to wait for it.
    pub(crate) fn settle(&self, files: &Files) -> Result<(), WorkspaceError> {
        let staged: Vec<_> = self.staged().map(|staged| (staged.name(), staged.kind())).collect();
        files.sync_staged(&staged)?;
        self.staged().try_for_each(|staged| staged.version().map(drop))
    }

    /// What is staged is a commit's from now on, or may be.
    pub(crate) fn give(&self) {
        self.staged().for_each(|staged| staged.give());
    }

    /// It is not after all.
    pub(crate) fn take_back(&self) {
        self.staged().for_each(|staged| staged.take_back());
    }

    fn staged(&self) -> impl Iterator<Item = &Staged> {
        self.steps.iter().filter_map(|step| match &step.act {
            Act::Put(staged) => Some(&**staged),
            Act::Move { .. } | Act::Remove => None,
        })
    }

    /// What has to be reserved.
    pub(crate) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for Step { path, over, act } in &self.steps {
            let replaces_directory = || {
                let seen = over.as_ref().and_then(|over| self.bases.get(over));
                seen.is_some_and(|base| base.seen.is_directory())
            };
            match act {
                Act::Move { base, .. } => changes.subtrees.extend([path.clone(), base.clone()]),
                Act::Put(_) | Act::Remove if replaces_directory() => changes.subtrees.push(path.clone()),
                Act::Put(_) | Act::Remove => changes.entries.push(path.clone()),
            }
        }
        changes
    }
}

impl ChangeSet {
    /// What has to be done so that all see what this set's view sees.
    ///
    /// Things that take each other's places in a circle are copied instead of moved.
    pub(crate) fn plan(&self, root: &Root) -> Result<Plan, WorkspaceError> {
        loop {
            let (draft, mut plan) = {
                let state = self.lock();
                let mut draft = Draft::default();
                draft.collect(state.tree.root(), &ProjectPath::root(), None);
                let plan = Plan {
                    steps: Vec::new(),
                    bases: state.bases.clone(),
                    removed: state.removed.clone(),
                    moved: BTreeMap::new(),
                    isolation: self.isolation,
                    listed: state.listed.clone(),
                };
                (draft, plan)
            };
            match draft.order() {
                Ok(order) => {
                    plan.steps = draft.steps(&order);
                    plan.moved = draft.moved;
                    return Ok(plan);
                }
                Err(circular) => self.copy_instead(root, &circular)?,
            }
        }
    }

    /// What is moved to `path` becomes a copy there.
    fn copy_instead(&self, root: &Root, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let entry = self.lock().tree.entry(path).cloned().ok_or(WorkspaceError::Unstable)?;
        let copied = self.copied(root, entry)?;
        self.lock().tree.put(path, copied)?;
        Ok(())
    }

    fn copied(&self, root: &Root, entry: Entry) -> Result<Entry, WorkspaceError> {
        let Node::Base(base) = &entry.node else { return Ok(entry) };
        self.lock().removed.insert(base.clone());
        let fd = root.beneath.open(base, OFlags::PATH | OFlags::NOFOLLOW)?;
        let staged = match Stat::of_open(&fd)?.kind {
            Kind::File => {
                let file = root.beneath.open(base, OFlags::RDONLY | OFlags::NONBLOCK)?.into();
                self.copy(&file, Some(base))?
            }
            Kind::Link => {
                let target = target(&fd)?;
                self.stage(Kind::Link, |name| self.files.create_staged_link(&target, name))?.0
            }
            Kind::Directory => {
                let (staged, ()) = self.stage(Kind::Directory, |name| self.files.create_staged_dir(name))?;
                let mut copied = Entry::new(Node::Own(staged));
                let mut beneath = entry.beneath;
                for (name, _) in root.all_names(base)? {
                    let of_base = || Ok::<_, WorkspaceError>(Entry::new(Node::Base(base.join(&name)?)));
                    let child = beneath.remove(&name).map_or_else(of_base, Ok)?;
                    if !child.is_gone() {
                        copied.beneath.insert(name, self.copied(root, child)?);
                    }
                }
                copied.beneath.extend(beneath.into_iter().filter(|(_, entry)| !entry.is_gone()));
                return Ok(copied);
            }
        };
        Ok(Entry::new(Node::Own(staged)))
    }
}

/// Steps, not yet in order.
#[derive(Default)]
struct Draft {
    steps: Vec<(Step, Option<usize>)>,
    /// By where they lie in the project, the steps that move something.
    moved: BTreeMap<ProjectPath, usize>,
}

impl Draft {
    /// Adds what `entry`, seen at `path`, asks for, each step with the one that its directory comes from.
    fn collect(&mut self, entry: &Entry, path: &ProjectPath, above: Option<usize>) {
        for (name, child) in &entry.beneath {
            // The tree has no paths that are none.
            let Ok(path) = path.join(name) else { continue };
            let over = entry.natural(name);
            let act = match &child.node {
                Node::Base(base) if over.as_ref() == Some(base) => None,
                Node::Base(base) => {
                    self.moved.insert(base.clone(), self.steps.len());
                    Some(Act::Move { base: base.clone(), from: base.clone() })
                }
                Node::Own(staged) => Some(Act::Put(Arc::clone(staged))),
                Node::Gone => over.is_some().then_some(Act::Remove),
            };
            let beneath = match act {
                Some(act) => {
                    self.steps.push((Step { path: path.clone(), over, act }, above));
                    Some(self.steps.len() - 1)
                }
                None => above,
            };
            if !child.is_gone() {
                self.collect(child, &path, beneath);
            }
        }
    }

    /// The steps that have to be done before this one.
    fn before(&self, index: usize) -> Vec<usize> {
        let Some((Step { over, act, .. }, above)) = self.steps.get(index) else { return Vec::new() };
        let mut before: Vec<usize> = above.iter().copied().collect();
        if let Act::Move { base, .. } = act {
            // What it lies in is moved as it is, and only then taken apart.
            before.extend(nearest(&self.moved, base).map(|(_, index)| index));
        }
        match over.as_ref().map(|over| (over, self.moved.get(over))) {
            Some((_, Some(moved))) => before.push(*moved),
            Some((over, None)) => before.extend(self.moved_from_beneath(over)),
            None => {}
        }
        before.retain(|before| *before != index);
        before
    }

    fn moved_from_beneath(&self, path: &ProjectPath) -> impl Iterator<Item = usize> {
        let from = format!("{}/", path.as_str());
        let beneath = self.moved.range(path.clone()..).skip_while({
            let from = from.clone();
            move |(base, _)| !base.as_str().starts_with(&from) && base.as_str() < from.as_str()
        });
        beneath.take_while(move |(base, _)| base.as_str().starts_with(&from)).map(|(_, index)| *index)
    }

    /// Every step after those that have to come before it.
    ///
    /// # Errors
    /// Where something is moved to that is part of a circle.
    fn order(&self) -> Result<Vec<usize>, ProjectPath> {
        let mut marks = vec![Mark::New; self.steps.len()];
        let mut order = Vec::with_capacity(self.steps.len());
        for first in 0..self.steps.len() {
            let mut stack = vec![(first, None::<Vec<usize>>)];
            while let Some((index, before)) = stack.last_mut() {
                let index = *index;
                match (marks.get(index), &before) {
                    (Some(Mark::Done) | None, _) => {
                        stack.pop();
                        continue;
                    }
                    (Some(Mark::New | Mark::Begun), _) => {}
                }
                let left = before.get_or_insert_with(|| self.before(index));
                if let Some(mark) = marks.get_mut(index) {
                    *mark = Mark::Begun;
                }
                match left.pop() {
                    Some(next) => match marks.get(next) {
                        Some(Mark::Begun) => {
                            let circle = stack.iter().rev().map(|(index, _)| *index);
                            return Err(self.a_move_of(circle, next));
                        }
                        Some(Mark::New) => stack.push((next, None)),
                        Some(Mark::Done) | None => {}
                    },
                    None => {
                        if let Some(mark) = marks.get_mut(index) {
                            *mark = Mark::Done;
                        }
                        order.push(index);
                        stack.pop();
                    }
                }
            }
        }
        Ok(order)
    }

    /// Where something is moved to, of the steps up to `last`, one of which moves something.
    fn a_move_of(&self, circle: impl Iterator<Item = usize>, last: usize) -> ProjectPath {
        for index in circle {
            if let Some((Step { path, act: Act::Move { .. }, .. }, _)) = self.steps.get(index) {
                return path.clone();
            }
            if index == last {
                break;
            }
        }
        ProjectPath::root()
    }

    /// The steps in this order, as they are done then.
    fn steps(&self, order: &[usize]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(order.len());
        for (Step { path, over, act }, _) in order.iter().filter_map(|index| self.steps.get(*index)) {
            let is_away = over.as_ref().is_some_and(|over| self.moved.contains_key(over));
            let act = match act {
                Act::Remove if is_away => continue,
                Act::Move { base, .. } => Act::Move { base: base.clone(), from: self.lies_now(base) },
                act @ (Act::Put(_) | Act::Remove) => act.clone(),
            };
            steps.push(Step { path: path.clone(), over: over.clone().filter(|_| !is_away), act });
        }
        steps
    }

    /// Where what lies at `base` is when the directory above it was moved.
    fn lies_now(&self, base: &ProjectPath) -> ProjectPath {
        let moved = nearest(&self.moved, base).and_then(|(above, index)| {
            let (Step { path, .. }, _) = self.steps.get(index)?;
            path.join(base.as_str().get(above.len() + 1..)?).ok()
        });
        moved.unwrap_or_else(|| base.clone())
    }
}

#[derive(Debug, Clone, Copy)]
enum Mark {
    New,
    Begun,
    Done,
}

/// Which of the directories above `path` is moved, the lowest one, and by which step.
fn nearest<'a>(moved: &BTreeMap<ProjectPath, usize>, path: &'a ProjectPath) -> Option<(&'a str, usize)> {
    if moved.is_empty() {
        return None;
    }
    path.above().filter(|above| !above.is_empty()).find_map(|above| {
        let key = ProjectPath::parse(above).ok()?;
        moved.get(&key).map(|index| (above, *index))
    })
}
