//! Tasks, from the wish to the end.

mod ask;
mod cancel;
mod change;
mod claim;
mod create;
mod finish;
mod hold;
mod patch;
mod waiting;
mod why;

pub(super) use ask::budget_spent;
pub(super) use change::{end, lost};
pub(super) use claim::next_for;
pub(super) use finish::give_all_back;
pub(super) use hold::{held, held_by, keep};
pub(super) use waiting::{answer_waiting, give_up_waiting, refuse_waiting, serve_waiting, stop_waiting};

use super::Context;
use crate::{Keyed, Refusal, Reply, TaskCommand, TaskReply};

/// The reply, unless it is to come later.
pub(super) fn dispatch(
    context: &mut Context<'_>,
    command: TaskCommand,
    keyed: Option<&Keyed>,
) -> Result<Option<Reply>, Refusal> {
    match command {
        TaskCommand::Claim(request) => return claim::claim(context, request, keyed, None),
        TaskCommand::Complete(completion) => return finish::complete(context, completion, keyed),
        TaskCommand::Create(new) => create::create(context, new),
        TaskCommand::Renew(hold) => hold::renew(context, hold),
        TaskCommand::Progress(hold, progress) => hold::progress(context, hold, progress),
        TaskCommand::Fail(failure) => finish::fail(context, failure),
        TaskCommand::Release(hold, note) => finish::release(context, hold, &note),
        TaskCommand::Ask(hold, question) => ask::ask(context, hold, &question),
        TaskCommand::Answer(id, text) => ask::answer(context, id, &text),
        TaskCommand::Cancel(id, reason) => cancel::cancel(context, id, &reason),
        TaskCommand::Retry(stored) => cancel::retry(context, *stored),
        TaskCommand::Patch(id, patch) => patch::patch(context, id, *patch),
        TaskCommand::Checked(verdict) => finish::checked(context, &verdict),
        TaskCommand::Why(id) => why::why(context, id),
        TaskCommand::TakeBack(agent, holds) => finish::take_back(context, &agent, &holds),
        TaskCommand::Find(ids) => {
            let live = ids.iter().filter_map(|id| context.state.queue.get(*id)).cloned().collect();
            Ok(Reply::Task(TaskReply::Live(live)))
        }
    }
    .map(Some)
}
