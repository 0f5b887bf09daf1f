//! Whether something may be changed, as far as leases and locks decide.

use super::super::{Answer, Context, task};
use super::take::lock_in_force;
use crate::{Authority, Changes, Lock, LockRefusal, PathPattern, ProjectPath, Refusal, Reply};

pub(super) fn check(context: &Context<'_>, authority: &Authority, changes: &Changes) -> Answer {
    context.not_an_agent()?;
    may_change(context, authority, changes)?;
    Ok(Reply::Done)
}

/// Whether changes may be published now: the lease is in force and so is every lock that was named, and whatever is
/// locked of the changed paths is locked by their changer.
pub(in super::super) fn may_change(
    context: &Context<'_>,
    authority: &Authority,
    changes: &Changes,
) -> Result<(), Refusal> {
    let Authority { holder, locks } = authority;
    if let Some(hold) = holder.task {
        task::held_by(context, &holder.agent, hold)?;
    }
    for (id, fence) in locks {
        lock_in_force(context, *id, *fence, |lock| lock.terms.holder.admits(holder))?;
    }
    let mut others = context.state.locks.all().filter(|lock| !lock.terms.holder.admits(holder));
    let locked = others.find_map(|lock| Some((lock, first_locked(lock, changes)?)));
    locked.map_or(Ok(()), |(lock, path)| {
        let (path, holder) = (path.clone(), lock.terms.holder.agent.clone());
        Err(LockRefusal::PathLocked { path, lock: lock.id, holder, left_ms: lock.left_ms(context.now) }
            .into())
    })
}

fn first_locked<'a>(lock: &Lock, changes: &'a Changes) -> Option<&'a ProjectPath> {
    let patterns = &lock.terms.patterns;
    let entry = changes.entries.iter().find(|path| patterns.iter().any(|pattern| pattern.matches(path)));
    entry.or_else(|| {
        changes.subtrees.iter().find(|path| {
            let subtree = PathPattern::of(path);
            patterns.iter().any(|pattern| pattern.overlaps(&subtree))
        })
    })
}
