//! Facts to begin with: change what a test is about with `..`.

use crate::{AgentFacts, LockFacts, LockMode, LockRequest, RunLimits, RunRequest, TaskFacts};

/// A task of no priority, made when time began by the operator, that asks for nothing and touches nothing.
pub fn task(id: u64) -> TaskFacts {
    TaskFacts {
        id,
        priority: 0,
        created_at_ms: 0,
        deadline_at_ms: None,
        creator: None,
        assigned_to: None,
        attempt: 0,
        lost_count: 0,
        labels: Vec::new(),
        capabilities: Vec::new(),
        touches: Vec::new(),
    }
}

/// A worker that has nothing to do and did nothing lately.
pub fn agent(name: &str) -> AgentFacts {
    AgentFacts {
        name: name.to_owned(),
        role: "worker".to_owned(),
        profile: "full".to_owned(),
        capabilities: Vec::new(),
        tasks_held: 0,
        live_runs: 0,
        recent_cpu_ms: 0,
    }
}

/// A request of a worker for ten minutes to lock these exclusively.
pub fn lock(name: &str, patterns: &[&str]) -> LockRequest {
    LockRequest {
        agent: agent(name),
        task: None,
        mode: LockMode::Exclusive,
        patterns: patterns.iter().map(|&glob| glob.to_owned()).collect(),
        ttl_ms: 600_000,
        reason: String::new(),
    }
}

/// A lock in force that conflicts with what is asked for.
pub fn held(id: u64, holder: &str, patterns: &[&str]) -> LockFacts {
    LockFacts {
        id,
        holder: holder.to_owned(),
        task: None,
        mode: LockMode::Exclusive,
        patterns: patterns.iter().map(|&glob| glob.to_owned()).collect(),
        left_ms: 600_000,
        reason: String::new(),
        conflicts: true,
    }
}

/// A run in the project's root, on no task, within what profiles give by default.
pub fn run(argv: &[&str]) -> RunRequest {
    RunRequest {
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        cwd: String::new(),
        task: None,
        limits: RunLimits { wall_ms: 60_000, cpu_ms: 30_000, memory: 512 << 20, output: 1 << 20 },
    }
}
