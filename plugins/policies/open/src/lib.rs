//! Every run that its profile allows begins.

use longhouse_policy::{Admission, Admit, AgentFacts, Policy, RunRequest};

/// Has no settings.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {}

impl Policy for Open {}

impl Admission for Open {
    fn review(&self, _run: &RunRequest, _agent: &AgentFacts) -> Admit {
        Admit::Allow
    }
}

longhouse_policy::admission!(Open);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{agent, policy, run};

    use super::*;

    #[test]
    fn whatever_the_profile_allows_begins() {
        let open: Open = policy("{}");
        assert_eq!(open.review(&run(&["rg", "x"]), &agent("ann")), Admit::Allow);
    }
}
