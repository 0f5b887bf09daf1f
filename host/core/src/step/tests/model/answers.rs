//! Commands and answers by name, and how often each met.

use std::collections::BTreeMap;
use std::fmt;

use crate::*;

/// How often a command had which kind of answer.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<(&'static str, &'static str), u64>);

impl Tally {
    pub(super) fn note(&mut self, command: &'static str, answer: &'static str) {
        *self.0.entry((command, answer)).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (cell, count) in &other.0 {
            *self.0.entry(*cell).or_default() += count;
        }
    }

    /// The cells of `reachable` that were not hit.
    pub(super) fn missing(
        &self,
        reachable: &[(&'static str, &'static str)],
    ) -> Vec<(&'static str, &'static str)> {
        let cells =
            reachable.iter().flat_map(|(row, answers)| answers.split(", ").map(move |answer| (*row, answer)));
        cells.filter(|cell| !self.0.contains_key(cell)).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((row, answer), count) in &self.0 {
            if *row != last {
                write!(f, "\n{row:>14}:")?;
            }
            write!(f, " {answer} {count}")?;
            last = row;
        }
        Ok(())
    }
}

pub(super) fn command(command: &Command) -> &'static str {
    match command {
        Command::AddAgent(_) => "add_agent",
        Command::RemoveAgent(_) => "remove_agent",
        Command::MintToken { .. } => "mint_token",
        Command::SetProfiles(_) => "set_profiles",
        Command::StartRun(_) => "start_run",
        Command::BecomeJob(_) => "become_job",
        Command::EndRun(_) => "end_run",
        Command::KillRun(_) => "kill_run",
        Command::FindRun(_) => "find_run",
        Command::Touch(..) => "touch",
        Command::Leave(_) => "leave",
        Command::Tick => "tick",
        Command::Forgive => "forgive",
        Command::Crew(_) => "crew",
        Command::Lock(_) => "lock",
        Command::Delivered(..) => "delivered",
        Command::Audit(_) => "audit",
        Command::Commit(_) => "commit",
        Command::Policy(_) => "policy",
        Command::Queue(command) => match command {
            QueueCommand::Pause(_) => "pause",
            QueueCommand::Resume(_) => "resume",
            QueueCommand::SetLimits(_) => "set_limits",
            QueueCommand::Find => "find_queue",
        },
        Command::Talk(_) => "talk",
        Command::Task(command) => match command {
            TaskCommand::Create(_) => "create",
            TaskCommand::Claim(request) => match (request.want, request.wait_until) {
                (Want::Next(_), None) => "claim next",
                (Want::Next(_), Some(_)) => "wait for next",
                (Want::Task(_), None) => "claim one",
                (Want::Task(_), Some(_)) => "wait for one",
            },
            TaskCommand::Renew(_) => "renew",
            TaskCommand::Progress(..) => "progress",
            TaskCommand::Complete(completion) => match completion.next {
                None => "complete",
                Some(_) => "complete+claim",
            },
            TaskCommand::Fail(_) => "fail",
            TaskCommand::Release(..) => "release",
            TaskCommand::Ask(..) => "ask",
            TaskCommand::Answer(..) => "answer",
            TaskCommand::Cancel(..) => "cancel",
            TaskCommand::Retry(_) => "retry",
            TaskCommand::Patch(..) => "patch",
            TaskCommand::Checked(_) => "checked",
            TaskCommand::Find(_) => "find",
            TaskCommand::Why(_) => "why",
            TaskCommand::TakeBack(..) => "take_back",
        },
    }
}

pub(super) fn answer(reply: Option<&Reply>) -> &'static str {
    match reply {
        None => "waits",
        Some(Reply::Done) => "done",
        Some(Reply::Refused(why)) => refusal(why),
        Some(Reply::RunStarted(_) | Reply::RunIsLive(_) | Reply::RunIsNotLive(_)) => "run",
        Some(Reply::Queue(_)) => "queue",
        Some(Reply::Policies(_)) => "policies",
        Some(Reply::Lock(_)) => "lock",
        Some(Reply::Crew(_)) => "crew",
        Some(Reply::Talk(_)) => "talk",
        Some(Reply::Commit(_)) => "commit",
        Some(Reply::Task(reply)) => match reply {
            TaskReply::Created(created) if created.iter().all(|task| task.existed) => "existed",
            TaskReply::Created(_) => "created",
            TaskReply::Claimed(claimed) => match (claimed.grants.len(), &claimed.nothing) {
                (0, Some(Nothing::Blocked)) => "nothing for it",
                (0, Some(Nothing::Paused)) => "paused",
                (0, Some(Nothing::Limit { .. })) => "limit",
                (0, Some(Nothing::None)) => "no tasks",
                (0, None) => "ended alone",
                (1, _) => "one",
                (_, _) => "several",
            },
            TaskReply::Held(held) if held.cancel_requested => "held to stop",
            TaskReply::Held(_) => "held",
            TaskReply::Stands(stands) => stands.status.as_str(),
            TaskReply::Live(_) => "live",
            TaskReply::Why(_) => "why",
        },
    }
}

pub(super) fn refusal(why: &Refusal) -> &'static str {
    match why {
        Refusal::CallerGone(_) => "caller_gone",
        Refusal::RoleTooLow { .. } => "role_too_low",
        Refusal::OperatorOnly => "operator_only",
        Refusal::AgentExists(_) => "agent_exists",
        Refusal::NoSuchAgent(_) => "no_such_agent",
        Refusal::NoSuchProfile { .. } => "no_such_profile",
        Refusal::TokenExists => "token_exists",
        Refusal::CommandDenied { .. } => "command_denied",
        Refusal::EmptyCommand => "empty_command",
        Refusal::TooManyRuns { .. } => "too_many_runs",
        Refusal::NotAdmitted(_) => "not_admitted",
        Refusal::NoEarlierPolicy(_) => "no_earlier_policy",
        Refusal::KeyReused => "key_reused",
        Refusal::Superseded => "superseded",
        Refusal::NoSuchRun(_) => "no_such_run",
        Refusal::Lock(_) => "lock",
        Refusal::Crew(_) => "crew",
        Refusal::Talk(_) => "talk",
        Refusal::Commit(_) => "commit",
        Refusal::Task(why) => match why {
            TaskRefusal::NoSuchTask(_) => "no_such_task",
            TaskRefusal::StaleLease { .. } => "stale_lease",
            TaskRefusal::AlreadyClaimed { .. } => "already_claimed",
            TaskRefusal::WrongStatus { .. } => "wrong_status",
            TaskRefusal::NotForYou { .. } => "not_for_you",
            TaskRefusal::NotYours { .. } => "not_yours",
            TaskRefusal::Cycle(_) => "cycle",
            TaskRefusal::NoSuchSibling { .. } => "no_such_sibling",
            TaskRefusal::ParentEnded { .. } => "parent_ended",
            TaskRefusal::Count(_) => "count",
            TaskRefusal::ClaimOutOfRange { .. } => "claim_out_of_range",
            TaskRefusal::DeadlinePassed => "deadline_passed",
            TaskRefusal::Retried(_) => "retried",
            TaskRefusal::Invalid(_) => "invalid",
        },
    }
}
