//! One scheduler after another: what is ready is always in the order of the one that serves.

use std::collections::BTreeMap;

use crate::decide::rank_by_priority;
use crate::*;

/// Ranks by version: the first numbers forwards, others backwards; chooses the last it is shown.
#[derive(Default)]
struct Versions {
    /// They cannot say now.
    is_busy: bool,
}

impl Versions {
    fn place(by: Option<&PolicyVersion>, task: &Task) -> (Rank, Group) {
        let id = i64::try_from(task.id.0).unwrap();
        match by.map(PolicyVersion::as_str) {
            None => (rank_by_priority(task), Group::default()),
            Some("forwards") => (Rank(id), Group::default()),
            Some(_) => (Rank(-id), Group::new(if task.id.0.is_multiple_of(3) { "threes" } else { "others" })),
        }
    }
}

impl Decide for Versions {
    fn offers(&mut self, version: &PolicyVersion) -> bool {
        version.as_str() != "missing"
    }

    fn choosing(&mut self, by: Option<&PolicyVersion>) -> Choosing {
        match by.map(PolicyVersion::as_str) {
            Some("chooses") => Choosing::Yes { wants_near: false },
            Some(_) | None => Choosing::No,
        }
    }

    fn rank(
        &mut self,
        by: Option<&PolicyVersion>,
        tasks: &[&Task],
        _now: Timestamp,
    ) -> Option<Vec<(Rank, Group)>> {
        let can_say = by.is_none() || !self.is_busy;
        can_say.then(|| tasks.iter().map(|task| Self::place(by, task)).collect())
    }

    fn choose(&mut self, _by: &PolicyVersion, choice: &Choice<'_>) -> Vec<Pick> {
        for facts in &choice.groups {
            assert!(facts.ready > 0, "{facts:?}");
        }
        vec![Pick { index: choice.window.len() - 1, reason: "the last".into() }]
    }

    fn may_overlap(&mut self, _: Option<&PolicyVersion>, _: &Task, _: &[&Task]) -> bool {
        true
    }
}

struct World {
    state: State,
    now: u64,
    held: Vec<Grant>,
    is_busy: bool,
}

impl World {
    fn new() -> Self {
        let profiles: Profiles = [("full".parse().unwrap(), Profile::default())].into();
        let state = State::rebuild(Seed { boot: Some(BootNumber(1)), profiles, ..Seed::default() });
        let mut world = Self { state, now: 1_000, held: Vec::new(), is_busy: false };
        let agent = NewAgent {
            name: "ann".parse().unwrap(),
            role: Role::Worker,
            profile: "full".parse().unwrap(),
            capabilities: vec!["api".parse().unwrap()],
            token: TokenHash([1; 32]),
        };
        world.tell(Caller::Operator, Command::AddAgent(agent));
        world
    }

    fn tell(&mut self, caller: Caller, command: Command) -> Step {
        let now = Timestamp::from_millis(self.now);
        let envelope = Envelope { waiter: Waiter(1), caller, now, seed: 1, command, keyed: None };
        step(&mut self.state, envelope, &mut Versions { is_busy: self.is_busy })
    }

    fn ann(&mut self, command: TaskCommand) -> Reply {
        let step = self.tell(Caller::Agent("ann".parse().unwrap()), Command::Task(command));
        step.replies.into_iter().next().map_or(Reply::Done, |(_, reply)| reply)
    }

    fn make(&mut self, count: usize, with: impl Fn(usize) -> TaskSpec) {
        let new = |number| NewTask {
            body: TaskBody { title: "title".into(), description: "".into() },
            spec: with(number),
            parents: Vec::new(),
        };
        self.ann(TaskCommand::Create((0..count).map(new).collect()));
    }

    fn set(&mut self, version: Option<&str>) {
        let (kind, version) = (PolicyKind::Scheduler, version.map(PolicyVersion::new));
        self.tell(Caller::Operator, Command::Policy(PolicyCommand::Set { kind, version }));
    }

    fn claim(&mut self) -> Option<u64> {
        let Reply::Task(TaskReply::Claimed(claimed)) = self.ann(TaskCommand::Claim(ClaimRequest::next()))
        else {
            panic!("no claim")
        };
        self.held.extend(claimed.grants.iter().cloned());
        claimed.grants.first().map(|grant| grant.task.0)
    }

    /// Lets some time pass; whether anything is still to be ranked.
    fn tick(&mut self) -> bool {
        self.now += 10;
        self.tell(Caller::Server, Command::Tick);
        self.state.queue.ready.next_due().is_some()
    }

    /// Whatever is ready has the place that the order in force says, and whatever is held is counted so.
    fn check(&self) {
        let queue = &self.state.queue;
        let by = queue.ready.serving().order.by.clone();
        let expected = self.state.policies.of(PolicyKind::Scheduler);
        assert_eq!(by.as_ref(), expected.filter(|version| version.as_str() != "missing"));
        for (id, (_, _, rank)) in queue.ready.serving().places() {
            assert_eq!(rank, Versions::place(by.as_ref(), queue.get(id).unwrap()).0, "{id} under {by:?}");
        }
        let mut held = BTreeMap::<Group, u32>::new();
        for task in queue.tasks().filter(|task| queue.running.is_counted(task)) {
            *held.entry(Versions::place(by.as_ref(), task).1).or_default() += 1;
        }
        for group in ["", "threes", "others"].map(Group::new) {
            let (count, _) = queue.running.of_group(&group, Timestamp::from_millis(self.now));
            assert_eq!(count, held.get(&group).copied().unwrap_or_default(), "{group:?} under {by:?}");
        }
    }
}

fn plain(_: usize) -> TaskSpec {
    TaskSpec { max_attempts: 3, ..TaskSpec::default() }
}

#[test]
fn the_old_order_serves_until_all_are_ranked_by_the_new_one() {
    let mut world = World::new();
    (0..3).for_each(|_| world.make(1_000, plain));
    world.set(Some("backwards"));
    assert_eq!(world.claim(), Some(1), "nothing is ranked by the new order yet");
    assert!(world.tick());
    assert_eq!(world.claim(), Some(2), "a third is");
    world.make(1, plain);
    while world.tick() {}
    world.check();
    assert_eq!(world.claim(), Some(3_001), "also what came meanwhile");
}

#[test]
fn what_a_scheduler_could_not_rank_it_ranks_later() {
    let mut world = World::new();
    world.set(Some("backwards"));
    while world.tick() {}
    world.is_busy = true;
    world.make(3, plain);
    assert_eq!(world.claim(), Some(1), "in the host's order");
    (0..50).for_each(|_| assert!(world.tick(), "there is something to be asked again"));
    world.is_busy = false;
    while world.tick() {}
    world.check();
    assert_eq!(world.claim(), Some(3));
}

#[test]
fn a_scheduler_that_cannot_be_asked_leaves_it_to_the_host() {
    let mut world = World::new();
    world.make(3, plain);
    world.set(Some("missing"));
    while world.tick() {}
    world.check();
    assert_eq!(world.claim(), Some(1));
}

#[test]
fn what_a_scheduler_chooses_is_granted_and_why_is_told() {
    let mut world = World::new();
    world.make(5, plain);
    world.set(Some("chooses"));
    while world.tick() {}
    let step = world
        .tell(Caller::Agent("ann".parse().unwrap()), Command::Task(TaskCommand::Claim(ClaimRequest::next())));
    let claimed = step.events.iter().find_map(|event| match &event.kind {
        EventKind::Task(AboutTask { task, event: TaskEvent::Claimed { choice, .. } }) => Some((task, choice)),
        _ => None,
    });
    let grounds = Grounds {
        by: Some(PolicyVersion::new("chooses")),
        chosen: Chosen::Picked("the last".into()),
        rank: Rank(-1),
        group: Group::new("others"),
    };
    assert_eq!(claimed, Some((&TaskId(1), &grounds)));
}

#[test]
fn orders_follow_each_other_while_tasks_come_and_go() {
    for seed in 0..100_u64 {
        let mut world = World::new();
        let mut random = seed;
        let mut next = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % end
        };
        world.make(700, plain);
        for _ in 0..60 {
            match next(9) {
                8 => world.is_busy = !world.is_busy,
                0 => {
                    let version =
                        [None, Some("forwards"), Some("backwards"), Some("chooses"), Some("missing")];
                    world.set(version[usize::try_from(next(5)).unwrap()]);
                }
                1 => world.make(usize::try_from(next(900)).unwrap(), |number| TaskSpec {
                    capabilities: if number % 2 == 0 { ["api".parse().unwrap()].into() } else { [].into() },
                    touches: if number % 5 == 0 { vec!["src/**".parse().unwrap()] } else { Vec::new() },
                    ..plain(number)
                }),
                2 | 3 => drop(world.claim()),
                4 => {
                    if let Some(grant) = world.held.pop() {
                        world.ann(TaskCommand::Release(grant.hold(), "".into()));
                    }
                }
                5 => {
                    if let Some(grant) = world.held.pop() {
                        let completion = Completion { hold: grant.hold(), result: "".into(), next: None };
                        world.ann(TaskCommand::Complete(completion));
                    }
                }
                6 => {
                    let limits = QueueLimits {
                        per_agent: Some(100 + u32::try_from(next(9)).unwrap()),
                        ..QueueLimits::default()
                    };
                    let command = Command::Queue(QueueCommand::SetLimits(Box::new(limits)));
                    world.tell(Caller::Operator, command);
                }
                _ => drop(world.tick()),
            }
        }
        world.is_busy = false;
        while world.tick() {}
        println!("seed {seed}");
        world.check();
    }
}
