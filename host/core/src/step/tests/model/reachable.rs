//! What histories must meet. What is not listed cannot be, or is too rare to count on.

/// Commands, and the kinds of their answers, as [`super::answers`] names them.
pub(super) const REACHABLE: &[(&str, &str)] = &[
    (
        "(event)",
        "task.answered, task.asked, task.cancel_requested, task.cancelled, task.check_failed, \
         task.claimed, task.completed, task.created, task.failed, task.lost, task.needs_input, \
         task.patched, task.progressed, task.ready, task.released, task.retried, task.submitted",
    ),
    (
        "(had waited)",
        "caller_gone, ended alone, limit, no tasks, nothing for it, one, paused, several, superseded, \
         wrong_status",
    ),
    ("(restart)", ""),
    ("add_agent", "agent_exists, done, role_too_low"),
    ("answer", "no_such_task, not_yours, pending, wrong_status"),
    ("ask", "cancelled, needs_input, stale_lease"),
    ("cancel", "cancelled, in_progress, no_such_task, not_yours, wrong_status"),
    ("checked", "done, operator_only"),
    (
        "claim next",
        "caller_gone, claim_out_of_range, limit, no tasks, nothing for it, one, operator_only, paused, \
         role_too_low, several",
    ),
    (
        "claim one",
        "already_claimed, claim_out_of_range, limit, no_such_task, not_for_you, nothing for it, one, \
         operator_only, paused, wrong_status",
    ),
    ("complete", "completed, operator_only, stale_lease, verifying"),
    (
        "complete+claim",
        "claim_out_of_range, nothing for it, one, operator_only, paused, several, stale_lease, waits",
    ),
    (
        "create",
        "caller_gone, count, created, cycle, deadline_passed, existed, no_such_agent, no_such_sibling, \
         no_such_task, parent_ended, role_too_low",
    ),
    ("fail", "cancelled, failed, operator_only, pending, scheduled, stale_lease"),
    ("forgive", "done, operator_only"),
    ("leave", "done"),
    (
        "patch",
        "blocked, cycle, in_progress, invalid, needs_input, no_such_agent, no_such_task, not_yours, \
         pending, scheduled, verifying, wrong_status",
    ),
    ("pause", "caller_gone, done, role_too_low"),
    ("progress", "held, held to stop, stale_lease"),
    ("release", "cancelled, pending, stale_lease"),
    ("remove_agent", "caller_gone, done, no_such_agent, role_too_low"),
    ("renew", "held, held to stop, operator_only, stale_lease"),
    (
        "repeat",
        "agent_exists, already_claimed, blocked, caller_gone, cancelled, claim_out_of_range, completed, \
         count, created, deadline_passed, done, failed, held, in_progress, key_reused, limit, \
         needs_input, no tasks, no_such_task, not_for_you, nothing for it, one, operator_only, paused, \
         pending, role_too_low, scheduled, several, stale_lease, verifying, waits, wrong_status",
    ),
    ("resume", "caller_gone, done, role_too_low"),
    ("retry", "blocked, deadline_passed, not_yours, parent_ended, pending, retried, wrong_status"),
    ("set_limits", "caller_gone, done"),
    ("take_back", "done, operator_only"),
    ("tick", "done, operator_only"),
    ("touch", "done, operator_only"),
    ("wait for next", "caller_gone, claim_out_of_range, one, operator_only, role_too_low, several, waits"),
    (
        "wait for one",
        "already_claimed, claim_out_of_range, no_such_task, not_for_you, one, operator_only, waits, \
         wrong_status",
    ),
];
