//! What was refused for want of a right, added up until somebody collects it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use longhouse_core::{Act, AgentName, Denial, Denied, FileGrants, ProjectPath, Ruling, RunId, Verb};

use crate::View;

/// What refuses a path that leads out of the project.
pub const OUTSIDE: &str = "outside the project";

/// What refuses a path to the server's own directory.
pub const PRIVATE: &str = "the server's own";

/// Refusals since they were last collected. There are at most as many kinds as runs and rules.
#[derive(Debug, Default)]
pub struct Audit(Mutex<BTreeMap<Denial, Denied>>);

/// Puts on record what somebody is refused.
#[derive(Debug, Clone)]
pub struct Auditor {
    /// Where.
    pub audit: Arc<Audit>,
    /// Who tries.
    pub agent: AgentName,
    /// In which run.
    pub run: Option<RunId>,
}

impl Audit {
    /// Adds one.
    pub fn add(&self, denial: Denial, named: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(denial).or_insert_with_key(|denial| Denied::none(denial.clone())).add(1, [named]);
    }

    /// Takes all of them.
    pub fn take(&self) -> Vec<Denied> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_values().collect()
    }
}

impl View {
    /// The same, of which is put on record what is refused.
    #[must_use]
    pub fn audited(self, auditor: Auditor) -> Self {
        Self { auditor: Some(Arc::new(auditor)), ..self }
    }

    /// This may not be done with `path`.
    pub(crate) fn refused(&self, verb: Verb, path: &ProjectPath) {
        self.on_record(verb, || rule(&self.grants, verb, path), || path.to_string());
    }

    /// There is nothing at `path`, or nothing that is to be known of: that is a refusal.
    pub(crate) fn nothing_at(&self, path: &ProjectPath) {
        if !self.grants.show(path) && !self.grants.show_directory(path) {
            self.refused(Verb::Read, path);
        }
    }

    /// What is asked for is in no project, or in the part of it that is the server's own.
    pub(crate) fn beyond(&self, rule: &'static str, named: impl FnOnce() -> String) {
        self.on_record(Verb::Read, || rule.to_owned(), named);
    }

    fn on_record(&self, verb: Verb, rule: impl FnOnce() -> String, named: impl FnOnce() -> String) {
        let Some(Auditor { audit, agent, run }) = self.auditor.as_deref() else { return };
        let denial = Denial { agent: agent.clone(), run: *run, act: Act::File(verb), rule: rule() };
        audit.add(denial, named());
    }
}

/// What refuses it, as the configuration calls it.
fn rule(grants: &FileGrants, verb: Verb, path: &ProjectPath) -> String {
    match grants.ruling(verb, path) {
        Ruling::Denied(glob) => format!("files.deny: {glob}"),
        Ruling::NotGranted | Ruling::Granted(_) => format!("files.{}", grants.list(verb)),
    }
}
