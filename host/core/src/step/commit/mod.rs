//! Changes to files, from the wish for paths to the end.

mod authority;
mod finish;
mod intend;
mod reserve;
#[cfg(test)]
mod tests;
mod waiting;

pub(super) use authority::{knows_its_leases, lease_lost, under};
pub(super) use waiting::{author_removed, expire, forgive, give_up_waiting, serve_waiting, stop_waiting};

use super::{Answer, Context};
use crate::{CommitCommand, CommitReply, Refusal, Reply};

/// The reply, unless it is to come later.
pub(super) fn dispatch(context: &mut Context<'_>, command: CommitCommand) -> Result<Option<Reply>, Refusal> {
    context.not_an_agent()?;
    match command {
        CommitCommand::Reserve(request) => return reserve::reserve(context, request),
        CommitCommand::Renew(id) => reserve::renew(context, id),
        CommitCommand::Intend(id, redo) => intend::intend(context, id, redo),
        CommitCommand::Publish(number) => finish::publish(context, number),
        CommitCommand::Retire(numbers) => finish::retire(context, &numbers),
        CommitCommand::Abort(what, why) => finish::abort(context, what, why),
        CommitCommand::Unfinished => answer(CommitReply::Unfinished(context.state.unfinished_commits())),
        CommitCommand::Brief(agent) => {
            knows_its_leases(context, &agent);
            Ok(Reply::Done)
        }
    }
    .map(Some)
}

fn answer(reply: CommitReply) -> Answer {
    Ok(Reply::Commit(reply))
}
