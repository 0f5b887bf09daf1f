//! Bounds what agents run, beyond what their profiles say.

use longhouse_policy::{Admission, Admit, AgentFacts, Narrowing, Policy, RunRequest};

/// The settings.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// All that fit a run hold for it.
    rules: Vec<Rule>,
}

/// What holds for some runs.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rule {
    /// Of these agents; of all if there are none.
    agents: Vec<String>,
    /// Of agents with these roles.
    roles: Vec<String>,
    /// Of agents with these profiles.
    profiles: Vec<String>,
    /// Of these commands.
    commands: Vec<String>,
    /// How many runs of an agent may be going on at the same time.
    live_runs: Option<u32>,
    /// How long an agent's runs may have computed lately, in milliseconds.
    recent_cpu_ms: Option<u64>,
    /// How long a run may take, in milliseconds.
    wall_ms: Option<u64>,
    /// How long it may compute, in milliseconds.
    cpu_ms: Option<u64>,
    /// How much memory it may have, in bytes.
    memory: Option<u64>,
    /// How much output is kept, in bytes.
    output: Option<u64>,
    /// The only files that it may change, as globs.
    write: Option<Vec<String>>,
    /// It may not begin at all, for this reason.
    deny: Option<String>,
}

impl Rule {
    fn fits(&self, run: &RunRequest, agent: &AgentFacts) -> bool {
        let among = |list: &[String], text: &str| list.is_empty() || list.iter().any(|entry| entry == text);
        among(&self.agents, &agent.name)
            && among(&self.roles, &agent.role)
            && among(&self.profiles, &agent.profile)
            && among(&self.commands, run.argv.first().map_or("", String::as_str))
    }

    fn objection(&self, agent: &AgentFacts) -> Option<String> {
        if let Some(reason) = &self.deny {
            return Some(reason.clone());
        }
        if let Some(most) = self.live_runs.filter(|most| agent.live_runs >= *most) {
            let live = agent.live_runs;
            return Some(format!("{live} of your runs are going on, and {most} may be; wait for one to end"));
        }
        let most = self.recent_cpu_ms.filter(|most| agent.recent_cpu_ms >= *most)?;
        let (spent, most) = (agent.recent_cpu_ms / 1_000, most / 1_000);
        Some(format!(
            "your runs computed for {spent} s of late, and may for {most} s; half of it is forgotten in an hour"
        ))
    }
}

impl Policy for Quota {
    fn check(&self) -> Result<(), String> {
        let too_long = |rule: &&Rule| rule.deny.as_ref().is_some_and(|reason| reason.len() > 300);
        match self.rules.iter().find(too_long) {
            Some(_) => Err("a reason to `deny` has more than 300 bytes".to_owned()),
            None => Ok(()),
        }
    }
}

impl Admission for Quota {
    fn review(&self, run: &RunRequest, agent: &AgentFacts) -> Admit {
        let rules: Vec<&Rule> = self.rules.iter().filter(|rule| rule.fits(run, agent)).collect();
        if let Some(objection) = rules.iter().find_map(|rule| rule.objection(agent)) {
            return Admit::Deny(objection);
        }
        let least = |limit: fn(&Rule) -> Option<u64>| rules.iter().filter_map(|rule| limit(rule)).min();
        let narrowing = Narrowing {
            wall_ms: least(|rule| rule.wall_ms),
            cpu_ms: least(|rule| rule.cpu_ms),
            memory: least(|rule| rule.memory),
            output: least(|rule| rule.output),
            write: rules.iter().filter_map(|rule| rule.write.clone()).collect(),
        };
        if narrowing == nothing() { Admit::Allow } else { Admit::Narrow(narrowing) }
    }
}

const fn nothing() -> Narrowing {
    Narrowing { wall_ms: None, cpu_ms: None, memory: None, output: None, write: Vec::new() }
}

longhouse_policy::admission!(Quota);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{agent, policy, run};

    use super::*;

    #[test]
    fn what_no_rule_is_about_begins() {
        let quota: Quota = policy(r#"{ "rules": [{ "agents": ["bob"], "deny": "not you" }] }"#);
        assert_eq!(quota.review(&run(&["ls"]), &agent("ann")), Admit::Allow);
        assert_eq!(quota.review(&run(&["ls"]), &agent("bob")), Admit::Deny("not you".into()));
    }

    #[test]
    fn the_narrowest_of_the_rules_that_fit_holds() {
        let quota: Quota = policy(
            r#"{ "rules": [
                { "wall_ms": 10000, "memory": 1000 },
                { "commands": ["rg"], "wall_ms": 5000 },
                { "roles": ["coordinator"], "wall_ms": 1 }
            ] }"#,
        );
        let narrowed = Narrowing { wall_ms: Some(5_000), memory: Some(1_000), ..nothing() };
        assert_eq!(quota.review(&run(&["rg", "x"]), &agent("ann")), Admit::Narrow(narrowed));
        let narrowed = Narrowing { wall_ms: Some(10_000), memory: Some(1_000), ..nothing() };
        assert_eq!(quota.review(&run(&["ls"]), &agent("ann")), Admit::Narrow(narrowed));
    }

    #[test]
    fn a_run_keeps_to_the_files_of_every_rule() {
        let quota: Quota = policy(r#"{ "rules": [{ "write": ["a/**"] }, { "write": ["**/*.rs", "b"] }] }"#);
        let write = vec![vec!["a/**".to_owned()], vec!["**/*.rs".to_owned(), "b".to_owned()]];
        let narrowed = Narrowing { write, ..nothing() };
        assert_eq!(quota.review(&run(&["ls"]), &agent("ann")), Admit::Narrow(narrowed));
    }

    #[test]
    fn runs_at_once_and_computing_have_an_end() {
        let quota: Quota = policy(r#"{ "rules": [{ "live_runs": 2, "recent_cpu_ms": 60000 }] }"#);
        let review = |live_runs, recent_cpu_ms| {
            quota.review(&run(&["ls"]), &AgentFacts { live_runs, recent_cpu_ms, ..agent("ann") })
        };
        assert_eq!(review(1, 59_999), Admit::Allow);
        assert!(matches!(review(2, 0), Admit::Deny(reason) if reason.contains("wait for one to end")));
        assert!(matches!(review(0, 60_000), Admit::Deny(reason) if reason.contains("60 s of late")));
    }
}
