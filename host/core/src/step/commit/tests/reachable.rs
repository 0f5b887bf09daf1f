//! What histories must meet. What is not listed cannot be, or is too rare to count on.

/// Commands, and the kinds of their answers.
pub(super) const REACHABLE: &[(&str, &str)] = &[
    ("(restart)", "again, anew"),
    (
        "(waited)",
        "caller_gone, committed, path_locked, path_reserved, reserved, stale_lease, stale_lock, superseded",
    ),
    ("abort", "done, no_such_commit, wrong_status"),
    ("brief", "done"),
    ("by an agent", "operator_only"),
    ("drop", "done, no_such_reservation"),
    (
        "intend",
        "intended, mixed_origin, no_such_reservation, not_reserved, path_locked, stale_lease, stale_lock",
    ),
    ("publish", "done, no_such_commit"),
    ("renew", "no_such_reservation, reserved"),
    ("reserve", "caller_gone, path_locked, path_reserved, reserved, role_too_low, stale_lease, stale_lock"),
    (
        "reserve once",
        "caller_gone, committed, key_reused, path_locked, path_reserved, reserved, role_too_low, \
         stale_lease, stale_lock, still_running",
    ),
    ("reserve outside", "path_reserved, reserved, waits"),
    ("retire", "done, no_such_commit, wrong_status"),
    ("reuse", "key_reused"),
    ("unfinished", "none, some"),
    ("wait", "caller_gone, path_locked, reserved, role_too_low, stale_lease, stale_lock, waits"),
    (
        "wait once",
        "caller_gone, committed, key_reused, path_locked, reserved, role_too_low, stale_lease, \
         stale_lock, waits",
    ),
];
