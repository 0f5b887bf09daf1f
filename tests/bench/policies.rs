//! What a scheduler adds to a claim: the same claims, decided by the host and by guests.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use longhouse_core::{
    BootNumber, Caller, ClaimRequest, Command, Completion, Decide, Envelope, Grant, NewAgent, NewTask,
    PolicyCommand, PolicyKind, Profile, Reply, Role, Seed, State, Step, TaskBody, TaskCommand, TaskReply,
    TaskSpec, Timestamp, TokenHash, Waiter, step,
};
use longhouse_engine::policy::{PolicyConfig, PolicyDecider, PolicyEngine, PolicyRecords, Shelf, WarmPolicy};

use crate::report::Samples;

/// A project's coordination, without its database.
struct Bench {
    state: State,
    now: u64,
    decide: PolicyDecider,
    shelf: Arc<Shelf>,
    records: Arc<PolicyRecords>,
}

impl Bench {
    fn new() -> anyhow::Result<Self> {
        let profiles = [("full".parse()?, Profile::default())].into();
        let state = State::rebuild(Seed { boot: Some(BootNumber(1)), profiles, ..Seed::default() });
        let (shelf, records) = (Arc::<Shelf>::default(), Arc::<PolicyRecords>::default());
        let decide = PolicyDecider::new(Arc::clone(&shelf), Arc::clone(&records), channel().0);
        let mut bench = Self { state, now: 1_000, decide, shelf, records };
        let (name, token) = ("ann".parse()?, TokenHash([1; 32]));
        let (role, profile, capabilities) = (Role::Worker, "full".parse()?, Vec::new());
        bench
            .tell(Caller::Operator, Command::AddAgent(NewAgent { name, role, profile, capabilities, token }));
        Ok(bench)
    }

    fn tell(&mut self, caller: Caller, command: Command) -> Step {
        let now = Timestamp::from_millis(self.now);
        let envelope = Envelope { waiter: Waiter(1), caller, now, seed: 1, command, keyed: None };
        step(&mut self.state, envelope, &mut self.decide)
    }

    fn ann(&mut self, command: TaskCommand) -> anyhow::Result<Step> {
        Ok(self.tell(Caller::Agent("ann".parse()?), Command::Task(command)))
    }

    /// Ten tenants, a task each in turn.
    fn make(&mut self, count: usize) -> anyhow::Result<()> {
        let new = |number: usize| -> anyhow::Result<NewTask> {
            let body = TaskBody { title: "t".into(), description: "".into() };
            let labels = [format!("tenant:{}", number % 10).parse()?].into();
            let spec = TaskSpec { labels, max_attempts: 1, ..TaskSpec::default() };
            Ok(NewTask { body, spec, parents: Vec::new() })
        };
        self.ann(TaskCommand::Create((0..count).map(new).collect::<anyhow::Result<_>>()?)).map(drop)
    }

    /// Lets this decide, and waits until all is ranked by it; how long the longest step was meanwhile, in microseconds.
    fn decide_by(&mut self, engine: &PolicyEngine, name: &str) -> anyhow::Result<f64> {
        let version = if name == "host" {
            None
        } else {
            let path = longhouse_tests::guests("policies").join(format!("policy-{name}.wasm"));
            let policy = WarmPolicy::new(engine.load(&std::fs::read(path)?)?, "{}")?;
            let version = policy.version().clone();
            self.shelf.put(policy);
            Some(version)
        };
        let command = PolicyCommand::Set { kind: PolicyKind::Scheduler, version: version.clone() };
        let mut longest = 0.0_f64;
        self.tell(Caller::Operator, Command::Policy(command));
        while self.state.is_being_ranked() {
            self.now += 10;
            let begun = Instant::now();
            self.tell(Caller::Server, Command::Tick);
            longest = longest.max(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(longest)
    }

    fn claim(&mut self, took: &mut Samples) -> anyhow::Result<Grant> {
        let command = Command::Task(TaskCommand::Claim(ClaimRequest::next()));
        let caller = Caller::Agent("ann".parse()?);
        let begun = Instant::now();
        let step = self.tell(caller, command);
        took.add(begun.elapsed());
        match step.replies.into_iter().next() {
            Some((_, Reply::Task(TaskReply::Claimed(claimed)))) => {
                claimed.grants.into_iter().next().context("nothing was granted")
            }
            reply => anyhow::bail!("{reply:?}"),
        }
    }
}

/// Claims are timed in blocks, with pauses, so that no policy has had its share of the time.
pub fn policies(rounds: usize) -> anyhow::Result<()> {
    let engine = PolicyEngine::new(PolicyConfig::default())?;
    for pending in [1_000, 1_000_000] {
        let mut bench = Bench::new()?;
        for _ in 0..pending / 1_000 {
            bench.make(1_000)?;
        }
        let mut host = None;
        for name in ["host", "priority", "fair-share"] {
            let longest = bench.decide_by(&engine, name)?;
            let mut took = Samples::default();
            let mut ignored = Samples::default();
            for round in 0..rounds {
                let samples = if round < rounds / 10 { &mut ignored } else { &mut took };
                let grant = bench.claim(samples)?;
                let completion = Completion { hold: grant.hold(), result: "".into(), next: None };
                bench.now += 5;
                bench.ann(TaskCommand::Complete(completion))?;
                bench.make(1)?;
                if round % 50 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
            let more = took.median() - *host.get_or_insert(took.median());
            println!("{pending} pending, a claim by {name}: {took}; {more:.1} µs more");
            println!("  it took over in steps of at most {:.1} ms", longest / 1e3);
            if let Some(version) = bench.state.policies().of(PolicyKind::Scheduler).cloned() {
                let record = bench.records.of(&version);
                ensure!(record.faults == 0, "{record:?}");
                println!("  {} calls, {} skipped", record.calls, record.skipped);
                ensure!(bench.decide.offers(&version), "it was ejected");
            }
        }
    }
    Ok(())
}
