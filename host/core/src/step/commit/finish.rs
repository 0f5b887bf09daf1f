//! The end of a commit, or of a set before it became one.

use super::super::{Answer, Context};
use crate::{
    Abort, AboutCommit, Commit, CommitEvent, CommitNumber, CommitRefusal, CommitReply, CommitRow,
    CommitStatus, EventKind, Reply, Row, Undo,
};

/// Those who wait for the paths may have them now. Again for a commit that was recovered: then it is known that all of
/// it is in place.
pub(super) fn publish(context: &mut Context<'_>, number: CommitNumber) -> Answer {
    let in_flight = context.state.commits.in_flight(number).ok_or(CommitRefusal::NoSuchCommit(number))?;
    let (commit, is_published) = (in_flight.commit.clone(), in_flight.is_published);
    let follower = context.state.commits.publish(number);
    if is_published {
        return Ok(Reply::Done);
    }
    context.step.rows.push(Row::Commit(CommitRow::Publish(number, context.now)));
    if let Some(agent) = &commit.agent {
        context.state.lately.note_changed(agent, commit.redo.paths());
    }
    tell(context, &commit, CommitEvent::published(&commit.redo));
    let reply = Reply::Commit(CommitReply::Committed(number));
    if let (Some(agent), Some(keyed)) = (&commit.agent, &commit.keyed) {
        context.keep(agent, keyed.clone(), &reply);
    }
    context.step.replies.extend(follower.map(|follower| (follower.waiter, reply)));
    Ok(Reply::Done)
}

/// All of them, or none if one is not published. Those that are finished already are left alone.
pub(super) fn retire(context: &mut Context<'_>, numbers: &[CommitNumber]) -> Answer {
    for number in numbers {
        let commits = &context.state.commits;
        match commits.in_flight(*number) {
            Some(in_flight) if in_flight.is_published => {}
            Some(in_flight) => {
                let (status, needs) = (in_flight.status(), CommitStatus::Published);
                return Err(CommitRefusal::WrongStatus { commit: *number, status, needs }.into());
            }
            None if (1..=commits.last.0).contains(&number.0) => {}
            None => return Err(CommitRefusal::NoSuchCommit(*number).into()),
        }
    }
    for number in numbers {
        context.state.commits.sync(*number);
    }
    retire_what_is_safe(context);
    Ok(Reply::Done)
}

pub(super) fn abort(context: &mut Context<'_>, what: Undo, why: Abort) -> Answer {
    let number = match what {
        Undo::Reserved(id) => {
            context.state.commits.drop_live(id).ok_or(CommitRefusal::NoSuchReservation(id))?;
            return Ok(Reply::Done);
        }
        Undo::Intended(number) => number,
    };
    let in_flight = context.state.commits.in_flight(number).ok_or(CommitRefusal::NoSuchCommit(number))?;
    if in_flight.is_published {
        let (status, needs) = (in_flight.status(), CommitStatus::Intended);
        return Err(CommitRefusal::WrongStatus { commit: number, status, needs }.into());
    }
    let (commit, why) = (in_flight.commit.clone(), why.bounded());
    context.state.commits.abort(number);
    context.step.rows.push(Row::Commit(CommitRow::Abort(number, context.now, why.clone())));
    tell(context, &commit, CommitEvent::Aborted { why });
    retire_what_is_safe(context);
    Ok(Reply::Done)
}

/// A commit is finished when all before it are: what lies at a path tells of the last that changed it alone, so an
/// earlier one could not be recovered without the later ones.
fn retire_what_is_safe(context: &mut Context<'_>) {
    if let Some(last) = context.state.commits.retire() {
        context.step.rows.push(Row::Commit(CommitRow::RetireThrough(last)));
    }
}

fn tell(context: &mut Context<'_>, commit: &Commit, event: CommitEvent) {
    let task = commit.task.map(|hold| hold.task);
    let about = AboutCommit { commit: commit.number, task, run: commit.run, event };
    context.event(commit.agent.clone(), EventKind::Commit(about));
}
