//! Division of labour: each part of the project has its owners.

use std::collections::BTreeMap;

use longhouse_policy::{AgentFacts, Conflict, LockFacts, LockRequest, Policy, TaskFacts, Verdict};

/// The settings.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ownership {
    /// The owners of each part: a file, or a directory as `DIR/**`.
    owners: BTreeMap<String, Vec<String>>,
    /// Whether what has no owner may be locked by nobody.
    everything_is_owned: bool,
}

impl Ownership {
    /// Why an agent may not lock what `pattern` names, if it may not.
    fn objection(&self, agent: &AgentFacts, pattern: &str) -> Option<String> {
        let mut parts = self.owners.iter().filter(|(part, _)| meet(part, pattern));
        let foreign = parts.clone().find(|(_, owners)| !owners.iter().any(|owner| is(agent, owner)));
        if let Some((part, owners)) = foreign {
            return Some(format!("{part} belongs to {}; ask them, or lock something narrower", list(owners)));
        }
        // It lies in none of them as a whole.
        let is_within = parts.any(|(part, _)| {
            directory(part).is_some_and(|dir| within(literal(pattern).0, dir)) || part == pattern
        });
        (self.everything_is_owned && !is_within).then(|| format!("{pattern} is not within what has an owner"))
    }
}

/// The directory of `DIR/**`.
fn directory(part: &str) -> Option<&str> {
    part.strip_suffix("/**")
}

/// The path that a glob begins with, as far as it has no wildcards, and whether it has any.
fn literal(pattern: &str) -> (&str, bool) {
    let is_wild = |name: &str| name.contains(['*', '?', '[', '{', '\\']);
    let mut end = 0;
    for name in pattern.split('/') {
        if is_wild(name) {
            return (pattern[..end].trim_end_matches('/'), true);
        }
        end = (end + name.len() + 1).min(pattern.len());
    }
    (pattern, false)
}

/// Whether `path` is `dir` or lies beneath it.
fn within(path: &str, dir: &str) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a part and a glob may have paths in common. What cannot be told from their directories is taken to be so.
fn meet(part: &str, pattern: &str) -> bool {
    let (path, is_wild) = literal(pattern);
    match directory(part) {
        Some(dir) => within(path, dir) || (is_wild && within(dir, path)),
        None => path == part || (is_wild && within(part, path)),
    }
}

/// Whether an owner means this agent.
fn is(agent: &AgentFacts, owner: &str) -> bool {
    match owner.split_once(':') {
        Some(("role", role)) => agent.role == role,
        Some(("profile", profile)) => agent.profile == profile,
        Some(("capability", skill)) => agent.capabilities.iter().any(|own| own == skill),
        Some(_) | None => agent.name == owner,
    }
}

fn list(owners: &[String]) -> String {
    match owners {
        [] => "nobody".to_owned(),
        [owner] => owner.clone(),
        [owners @ .., last] => format!("{} and {last}", owners.join(", ")),
    }
}

impl Policy for Ownership {
    fn check(&self) -> Result<(), String> {
        match self
            .owners
            .keys()
            .find(|part| literal(directory(part).unwrap_or(part)).1 || part.starts_with('/'))
        {
            Some(part) => Err(format!("{part:?} is no part of a project: write a file's path, or DIR/**")),
            None => Ok(()),
        }
    }
}

impl Conflict for Ownership {
    fn decide(&self, request: &LockRequest, held: &[LockFacts]) -> Verdict {
        if let Some(objection) = request.patterns.iter().find_map(|glob| self.objection(&request.agent, glob))
        {
            return Verdict::Deny(objection);
        }
        if held.iter().any(|lock| lock.conflicts) { Verdict::Wait } else { Verdict::Grant }
    }

    fn overlap(&self, _task: &TaskFacts, _running: &[TaskFacts]) -> bool {
        false
    }
}

longhouse_policy::conflict!(Ownership);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{agent, held, lock, policy, refused};

    use super::*;

    fn team() -> Ownership {
        policy(
            r#"{ "owners": {
                "backend/**": ["ann", "capability:rust"],
                "frontend/**": ["bob"],
                "Cargo.toml": ["role:coordinator"]
            } }"#,
        )
    }

    #[test]
    fn owners_lock_their_part_and_nobody_else_does() {
        let team = team();
        for (name, glob, granted) in [
            ("ann", "backend/**", true),
            ("ann", "backend/api/*.rs", true),
            ("ann", "backend", true),
            ("bob", "backend/api/*.rs", false),
            ("bob", "backend", false),
            ("ann", "**", false),
            ("ann", "**/*.rs", false),
            ("ann", "*/x", false),
            ("ann", "back*/x", false),
            ("ann", "docs/**", true),
            ("ann", "backends/a", true),
            ("ann", "Cargo.toml", false),
            ("ann", "Cargo.*", false),
            ("ann", "Cargo.lock", true),
        ] {
            let verdict = team.decide(&lock(name, &[glob]), &[]);
            assert_eq!(verdict == Verdict::Grant, granted, "{name} {glob}: {verdict:?}");
        }
    }

    #[test]
    fn owners_can_be_named_by_what_they_are() {
        let team = team();
        let skilled = AgentFacts { capabilities: vec!["rust".into()], ..agent("eve") };
        let lead = AgentFacts { role: "coordinator".into(), ..agent("lea") };
        let verdict = |agent, glob| team.decide(&LockRequest { agent, ..lock("", &[glob]) }, &[]);
        assert_eq!(verdict(skilled.clone(), "backend/x"), Verdict::Grant);
        assert_eq!(verdict(lead, "Cargo.toml"), Verdict::Grant);
        let denied = verdict(skilled, "frontend/x");
        assert_eq!(
            denied,
            Verdict::Deny("frontend/** belongs to bob; ask them, or lock something narrower".into())
        );
    }

    #[test]
    fn owners_wait_for_each_other() {
        assert_eq!(
            team().decide(&lock("ann", &["backend/x"]), &[held(1, "eve", &["backend/**"])]),
            Verdict::Wait
        );
    }

    #[test]
    fn what_nobody_owns_can_be_closed() {
        let closed: Ownership = policy(r#"{ "owners": { "src/**": ["ann"] }, "everything_is_owned": true }"#);
        assert_eq!(closed.decide(&lock("ann", &["src/x"]), &[]), Verdict::Grant);
        assert!(matches!(closed.decide(&lock("ann", &["docs/x"]), &[]), Verdict::Deny(_)));
        assert!(matches!(closed.decide(&lock("ann", &["src/x", "docs/x"]), &[]), Verdict::Deny(_)));
    }

    #[test]
    fn a_part_is_a_file_or_a_directory() {
        assert!(refused::<Ownership>(r#"{ "owners": { "src/*.rs": ["ann"] } }"#).contains("DIR/**"));
        assert!(refused::<Ownership>(r#"{ "owners": { "/src/**": ["ann"] } }"#).contains("DIR/**"));
    }
}
