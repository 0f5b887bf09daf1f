//! What may happen, so generally that it fits whatever happened before.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::*;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) struct Action {
    /// So long after the one before, in milliseconds.
    pub(super) after_ms: u64,
    pub(super) by: By,
    pub(super) seed: u64,
    pub(super) keyed: bool,
    pub(super) what: What,
}

/// Who does it.
#[derive(Debug, Clone)]
pub(super) enum By {
    /// One of those who may.
    Entitled(Index),
    /// Anybody.
    Anybody(Index),
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Create(Vec<Blueprint>),
    Claim(Claim),
    Work(Index, FencePick, Work),
    Answer(Index),
    Cancel(Index),
    Patch(Index, Change),
    /// Answer, cancel or patch whatever task, whether it makes sense or not.
    Meddle(Index, u8),
    Retry {
        task: Index,
        outdated: bool,
    },
    Checked {
        task: Index,
        fence: FencePick,
        passed: bool,
    },
    TakeBack(Index, FencePick),
    Touch(Index, Option<u8>),
    Leave(Index),
    Pause(Option<Label>),
    Resume(Option<Label>),
    SetLimits(QueueLimits),
    AddAgent(Index),
    RemoveAgent(Index),
    Tick,
    Forgive,
    Restart,
    /// Send again what was sent under a key.
    Repeat {
        which: Index,
        other_body: bool,
    },
}

/// What is done by a task's holder.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Renew,
    Progress(u32),
    Complete(Option<Claim>),
    Fail(Again),
    Release,
    Ask,
}

/// Which fence is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum FencePick {
    InForce,
    Earlier(u64),
    Later,
}

#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) want: WantPick,
    pub(super) ttl_ms: u64,
    pub(super) max_lease_ms: u64,
    pub(super) session: Option<u8>,
    pub(super) wait_ms: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum WantPick {
    Next(u32),
    /// One that is live.
    Live(Index),
    /// Any number, of a task or not.
    Any(Index),
}

/// A task to be made, times relative to when it is.
#[derive(Debug, Clone)]
pub(super) struct Blueprint {
    pub(super) spec: TaskSpec,
    pub(super) assigned_to: Option<Index>,
    pub(super) not_before_ms: Option<u64>,
    pub(super) deadline_ms: Option<u64>,
    pub(super) parents: Vec<ParentPick>,
    pub(super) part_of: Option<Index>,
}

#[derive(Debug, Clone)]
pub(super) enum ParentPick {
    Live(Index),
    Any(Index),
    /// One that comes earlier in the list; now and then one that comes later, or is not in it.
    Sibling(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Priority(i64),
    Capabilities(Box<[Capability]>),
    AssignedTo(Option<Index>),
    Touches(Vec<PathPattern>),
    Labels(Box<[Label]>),
    Attempts(u32),
    NotBefore(Option<u64>),
    Deadline(Option<u64>),
    Verify(Option<Verify>),
    DependsOn(Vec<ParentPick>),
}

pub(super) fn any_history(most: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(any_action(), most / 2..=most)
}

fn any_action() -> BoxedStrategy<Action> {
    let after_ms = prop_oneof![
        40 => Just(0),
        40 => 1..900_u64,
        12 => 900..15_000_u64,
        4 => 15_000..180_000_u64,
        1 => prop_oneof![6 => 600_000..7_200_000_u64, 1 => Just(90_000_000)],
    ];
    let by =
        prop_oneof![30 => any::<Index>().prop_map(By::Entitled), 1 => any::<Index>().prop_map(By::Anybody)];
    (after_ms, by, 0..1_000_u64, prop::bool::weighted(0.3), any_what())
        .prop_map(|(after_ms, by, seed, keyed, what)| Action { after_ms, by, seed, keyed, what })
        .boxed()
}

fn any_what() -> BoxedStrategy<What> {
    let index = any::<Index>;
    let label = || prop::option::of(any_label());
    prop_oneof![
        14 => prop_oneof![
            20 => prop::collection::vec(any_blueprint(), 1..4), 1 => Just(Vec::new())
        ].prop_map(What::Create),
        26 => any_claim().prop_map(What::Claim),
        30 => (index(), any_fence(), any_work()).prop_map(|(task, fence, work)| What::Work(task, fence, work)),
        4 => index().prop_map(What::Answer),
        2 => index().prop_map(What::Cancel),
        6 => (index(), any_change()).prop_map(|(task, change)| What::Patch(task, change)),
        1 => (index(), 0..3_u8).prop_map(|(task, how)| What::Meddle(task, how)),
        3 => (index(), prop::bool::weighted(0.2)).prop_map(|(task, outdated)| What::Retry { task, outdated }),
        4 => (index(), any_fence(), any::<bool>())
            .prop_map(|(task, fence, passed)| What::Checked { task, fence, passed }),
        1 => (index(), any_fence()).prop_map(|(task, fence)| What::TakeBack(task, fence)),
        3 => (index(), prop::option::of(0..2_u8)).prop_map(|(agent, session)| What::Touch(agent, session)),
        1 => index().prop_map(What::Leave),
        1 => label().prop_map(What::Pause),
        2 => label().prop_map(What::Resume),
        1 => any_limits().prop_map(What::SetLimits),
        2 => index().prop_map(What::AddAgent),
        1 => index().prop_map(What::RemoveAgent),
        2 => Just(What::Tick),
        1 => Just(What::Forgive),
        1 => Just(What::Restart),
        4 => (index(), prop::bool::weighted(0.2))
            .prop_map(|(which, other_body)| What::Repeat { which, other_body }),
    ]
        .boxed()
}

fn any_work() -> BoxedStrategy<Work> {
    prop_oneof![
        3 => Just(Work::Renew),
        2 => (0..9_u32).prop_map(Work::Progress),
        8 => prop::option::of(any_claim()).prop_map(Work::Complete),
        4 => prop_oneof![4 => Just(Again::IfAttemptsAreLeft), 1 => Just(Again::Never)].prop_map(Work::Fail),
        2 => Just(Work::Release),
        2 => Just(Work::Ask),
    ]
    .boxed()
}

fn any_fence() -> BoxedStrategy<FencePick> {
    prop_oneof![
        16 => Just(FencePick::InForce),
        1 => (1..9_u64).prop_map(FencePick::Earlier),
        1 => Just(FencePick::Later),
    ]
    .boxed()
}

fn any_claim() -> BoxedStrategy<Claim> {
    let want = prop_oneof![
        60 => (1..4_u32).prop_map(WantPick::Next),
        16 => any::<Index>().prop_map(WantPick::Live),
        1 => any::<Index>().prop_map(WantPick::Any),
        1 => select(vec![0, 101]).prop_map(WantPick::Next),
    ];
    let ttl_ms =
        prop_oneof![40 => select(vec![1_000, 60_000, 600_000, 600_000]), 1 => select(vec![0, 90_000_000])];
    let max_lease_ms = prop_oneof![1 => Just(20_000), 4 => Just(ClaimRequest::DEFAULT_MAX_LEASE_MS)];
    let wait_ms = prop_oneof![3 => Just(None), 2 => (0..50_000_u64).prop_map(Some)];
    (want, ttl_ms, max_lease_ms, prop::option::of(0..2_u8), wait_ms)
        .prop_map(|(want, ttl_ms, max_lease_ms, session, wait_ms)| Claim {
            want,
            ttl_ms,
            max_lease_ms,
            session,
            wait_ms,
        })
        .boxed()
}

fn any_blueprint() -> BoxedStrategy<Blueprint> {
    let how = (-100..=100_i64, any_capabilities(), any_touches(), any_verify(), 1..4_u32);
    let rest = (any_labels(), prop::option::weighted(0.15, 0..20_u8), 0..3_u8, select(vec![0, 10, 5_000]));
    let when = (
        prop::option::weighted(0.2, 0..60_000_u64),
        prop::option::weighted(0.2, prop_oneof![20 => 1..600_000_u64, 1 => Just(0)]),
    );
    let who = (prop::option::weighted(0.1, any::<Index>()), prop::option::weighted(0.1, any::<Index>()));
    let parents = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(any_parent(), 1..3)];
    (how, rest, when, who, parents)
        .prop_map(|(how, rest, when, who, parents)| {
            let (priority, capabilities, touches, verify, max_attempts) = how;
            let (labels, key, on_failure, base_ms) = rest;
            let spec = TaskSpec {
                priority: priority.try_into().unwrap(),
                capabilities,
                touches,
                verify,
                max_attempts,
                backoff: Backoff { base_ms, max_ms: 8_000 },
                key: key.map(|key| format!("task-{key}").parse().unwrap()),
                labels,
                on_parent_failure: [OnParentFailure::Cancel, OnParentFailure::Run, OnParentFailure::Ignore]
                    [usize::from(on_failure)],
                ..TaskSpec::default()
            };
            let (not_before_ms, deadline_ms) = when;
            let (assigned_to, part_of) = who;
            Blueprint { spec, assigned_to, not_before_ms, deadline_ms, parents, part_of }
        })
        .boxed()
}

fn any_parent() -> impl Strategy<Value = ParentPick> {
    prop_oneof![
        8 => any::<Index>().prop_map(ParentPick::Live),
        1 => any::<Index>().prop_map(ParentPick::Any),
        4 => (0..40_usize).prop_map(ParentPick::Sibling),
    ]
}

fn any_change() -> BoxedStrategy<Change> {
    prop_oneof![
        (-100..=100_i64).prop_map(Change::Priority),
        any_capabilities().prop_map(Change::Capabilities),
        prop::option::of(any::<Index>()).prop_map(Change::AssignedTo),
        any_touches().prop_map(Change::Touches),
        any_labels().prop_map(Change::Labels),
        (0..4_u32).prop_map(Change::Attempts),
        prop::option::of(0..60_000_u64).prop_map(Change::NotBefore),
        prop::option::of(0..600_000_u64).prop_map(Change::Deadline),
        any_verify().prop_map(Change::Verify),
        prop::collection::vec(any_parent(), 0..3).prop_map(Change::DependsOn),
    ]
    .boxed()
}

fn any_capabilities() -> impl Strategy<Value = Box<[Capability]>> {
    let some = select(vec![vec!["api"], vec!["db"], vec!["api", "db"]]);
    prop_oneof![3 => Just(Vec::new()), 1 => some]
        .prop_map(|names| names.iter().map(|name| name.parse().unwrap()).collect())
}

fn any_touches() -> impl Strategy<Value = Vec<PathPattern>> {
    prop_oneof![3 => Just(None), 1 => select(vec!["src", "src/*.rs", "docs/**"]).prop_map(Some)]
        .prop_map(|pattern| pattern.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

fn any_verify() -> impl Strategy<Value = Option<Verify>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Verify::Run(vec!["make".to_owned()]))),
        1 => Just(Some(Verify::Agent("check".parse().unwrap()))),
    ]
}

fn any_label() -> impl Strategy<Value = Label> {
    select(vec!["db", "ui", "ci"]).prop_map(|label| label.parse().unwrap())
}

fn any_labels() -> impl Strategy<Value = Box<[Label]>> {
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::btree_set(any_label(), 1..3).prop_map(|set| set.into_iter().collect())]
        .prop_map(Vec::into_boxed_slice)
}

fn any_limits() -> BoxedStrategy<QueueLimits> {
    let limit = (prop::option::of(0..4_u32), prop::option::of(0..3_u32))
        .prop_map(|(concurrent, starts_per_second)| LabelLimit { concurrent, starts_per_second });
    (
        prop::collection::btree_map(any_label(), limit, 0..3),
        prop::option::of(1..5_u32),
        prop::option::of(1..5_u32),
    )
        .prop_map(|(labels, per_agent, wes)| QueueLimits {
            labels,
            per_agent,
            agents: wes.map(|limit| ("wes".parse().unwrap(), limit)).into_iter().collect(),
            ..QueueLimits::default()
        })
        .boxed()
}
