//! Answers, and the kinds of them.

use crate::*;

/// An answer as the reference gives it.
pub(super) fn as_told(reply: &Reply) -> Result<Reply, &'static str> {
    let Reply::Refused(why) = reply else { return Ok(reply.clone()) };
    Err(match why {
        Refusal::CallerGone(_) => "caller_gone",
        Refusal::RoleTooLow { .. } => "role_too_low",
        Refusal::NoSuchAgent(_) => "no_such_agent",
        Refusal::AgentExists(_) => "agent_exists",
        Refusal::KeyReused => "key_reused",
        Refusal::Task(TaskRefusal::NoSuchTask(_)) => "no_such_task",
        Refusal::Talk(why) => match why {
            TalkRefusal::Recipients { .. } => "recipients",
            TalkRefusal::Nobody(_) => "nobody",
            TalkRefusal::NotHeld(_) => "not_held",
            TalkRefusal::InboxFull { .. } => "inbox_full",
            TalkRefusal::NoSuchMessage(_) => "no_such_message",
            TalkRefusal::Ahead { .. } => "ahead",
            TalkRefusal::TooManyChannels { .. } => "too_many_channels",
            TalkRefusal::Stale { .. } => "stale",
            TalkRefusal::NoSuchKey(_) => "unknown_key",
            TalkRefusal::StateFull { .. } => "state_full",
        },
        other => panic!("nothing here leads to {other:?}"),
    })
}

/// What kind of answer it is.
pub(super) fn kind(told: Option<&Result<Reply, &'static str>>) -> &'static str {
    match told {
        None => "waits",
        Some(Err(why)) => why,
        Some(Ok(Reply::Talk(reply))) => match reply {
            TalkReply::Sent(sent) if sent.left_out.is_empty() => "sent",
            TalkReply::Sent(_) => "left_out",
            TalkReply::Acked(acked) if acked.acked == 0 => "nothing",
            TalkReply::Acked(_) => "acked",
            TalkReply::Mail(facts) if facts.last <= facts.after => "nothing",
            TalkReply::Mail(_) => "mail",
            TalkReply::Version(_) => "version",
        },
        Some(Ok(_)) => "done",
    }
}
