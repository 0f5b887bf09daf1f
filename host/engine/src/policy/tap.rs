//! Decisions about locks and runs, passed on as they are made to policies that decide nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

use longhouse_core::{Admit, LockVerdict, PolicyKind};

use super::types::{AgentFacts, LockFacts, LockRequest, RunRequest};
use super::{Fault, WarmPolicy, facts};

/// How many decisions wait to be followed. More are left out: nobody waits for a policy that decides nothing.
const WAITING: usize = 1_024;

/// A decision, with what it was made of.
#[derive(Debug)]
pub enum Decided {
    /// A lock that was asked for.
    Lock {
        /// By whom, and for what.
        request: LockRequest,
        /// The locks in force about some of the same paths.
        held: Vec<LockFacts>,
        /// What was decided.
        verdict: LockVerdict,
    },
    /// A run that its profile allows.
    Run {
        /// Of what.
        run: RunRequest,
        /// Whose.
        agent: AgentFacts,
        /// What was decided.
        admit: Admit,
    },
}

/// Who follows which decisions.
#[derive(Debug, Default)]
pub struct Taps {
    senders: Mutex<HashMap<PolicyKind, SyncSender<Decided>>>,
    /// Looked at with every decision.
    has_some: AtomicBool,
}

impl Taps {
    /// All decisions of this kind from now on, until what is returned is dropped. Who followed them before does no more.
    pub fn follow(&self, kind: PolicyKind) -> Receiver<Decided> {
        let (sender, receiver) = sync_channel(WAITING);
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, sender);
        self.has_some.store(true, Relaxed);
        receiver
    }

    /// Nobody follows decisions of this kind any more.
    pub fn end(&self, kind: PolicyKind) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.remove(&kind);
        self.has_some.store(!senders.is_empty(), Relaxed);
    }

    /// Passes a decision on, if anybody follows.
    pub(super) fn pass(&self, kind: PolicyKind, decided: impl FnOnce() -> Decided) {
        if !self.has_some.load(Relaxed) {
            return;
        }
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = senders.get(&kind) else { return };
        if let Err(TrySendError::Disconnected(_)) = sender.try_send(decided()) {
            senders.remove(&kind);
            self.has_some.store(!senders.is_empty(), Relaxed);
        }
    }
}

/// What a policy would have decided, in words, and whether that is something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What was decided.
    pub decided: String,
    /// What it would have decided.
    pub instead: String,
    /// Whether these differ in anything but their reasons.
    pub differs: bool,
}

/// Asks a policy what it would have decided; with what it printed.
///
/// # Errors
/// What it does wrong.
pub fn opinion(policy: &mut WarmPolicy, decided: &Decided) -> (Result<Opinion, Fault>, String) {
    match decided {
        Decided::Lock { request, held, verdict } => {
            let (asked, printed) = policy.ask_patiently(|policy| policy.decide(request, held));
            let compared = asked.map(|asked| {
                let asked = facts::verdict(asked);
                let differs = match (verdict, &asked) {
                    (LockVerdict::Deny(_), LockVerdict::Deny(_)) => false,
                    (one, other) => one != other,
                };
                Opinion { decided: lock_words(verdict), instead: lock_words(&asked), differs }
            });
            (compared, printed)
        }
        Decided::Run { run, agent, admit } => {
            let (asked, printed) = policy.ask_patiently(|policy| facts::admit(policy.review(run, agent)?));
            let compared = asked.map(|asked| {
                let differs = match (admit, &asked) {
                    (Admit::Deny(_), Admit::Deny(_)) => false,
                    (one, other) => one != other,
                };
                Opinion { decided: run_words(admit), instead: run_words(&asked), differs }
            });
            (compared, printed)
        }
    }
}

fn lock_words(verdict: &LockVerdict) -> String {
    match verdict {
        LockVerdict::Allow => "allowed".to_owned(),
        LockVerdict::Deny(reason) => format!("denied: {reason}"),
        LockVerdict::Break(locks) => format!("allowed, breaking {} locks", locks.len()),
    }
}

fn run_words(admit: &Admit) -> String {
    match admit {
        Admit::Allow => "allowed".to_owned(),
        Admit::Narrow(..) => "allowed within limits".to_owned(),
        Admit::Deny(reason) => format!("denied: {reason}"),
    }
}
