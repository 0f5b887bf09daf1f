//! The point of no return.

use std::sync::Arc;

use super::super::{Answer, Context};
use super::answer;
use super::authority::check;
use crate::{Commit, CommitNumber, CommitRefusal, CommitReply, CommitRow, RedoList, ReservationId, Row};

/// Looks again at everything that the set stands on, and gives it its number.
pub(super) fn intend(context: &mut Context<'_>, id: ReservationId, redo: RedoList) -> Answer {
    let set = context.state.commits.live(id).ok_or(CommitRefusal::NoSuchReservation(id))?;
    let facts = &set.facts;
    check(context, facts.by.as_ref(), facts.paths.changes())?;
    if redo.is_found() != Some(facts.by.is_none()) {
        return Err(CommitRefusal::MixedOrigin.into());
    }
    if let Some(path) = redo.paths().find(|path| !facts.paths.covers(path)) {
        return Err(CommitRefusal::NotReserved { path: path.clone(), reservation: id }.into());
    }
    let number = CommitNumber(context.state.commits.last.0 + 1);
    let commit = Arc::new(Commit {
        number,
        reservation: id,
        agent: facts.agent().cloned(),
        task: facts.task(),
        run: facts.run,
        keyed: facts.keyed.clone(),
        at: context.now,
        redo,
    });
    context.step.rows.push(Row::Commit(CommitRow::Insert(Arc::clone(&commit))));
    context.state.commits.intend(id, commit);
    answer(CommitReply::Intended(number))
}
