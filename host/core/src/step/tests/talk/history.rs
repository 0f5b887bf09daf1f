//! What may happen.

use proptest::prelude::*;

use crate::{Extent, Precondition, Which};

/// Everybody who may be there.
pub(super) const NAMES: [&str; 5] = ["ada", "cora", "wes", "wim", "ovid"];
pub(super) const KEYS: [&str; 3] = ["a", "a/b", "c"];
pub(super) const CHANNELS: [&str; 2] = ["build", "api"];

/// Numbers stand for whatever there is then.
#[derive(Debug, Clone)]
pub(super) struct Action {
    /// How much time passes before, in milliseconds.
    pub(super) pause: u64,
    pub(super) who: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Send {
        to: Vec<To>,
        ack: bool,
    },
    Inbox {
        after: Option<i64>,
        which: Which,
        wait: Option<u64>,
    },
    /// Goes on where the client was, as one that wants each message once.
    ReadOn {
        wait: Option<u64>,
    },
    Ack {
        back: i64,
        extent: Extent,
    },
    Follow(usize),
    Unfollow(usize),
    Set(usize, Expect),
    Delete(usize, Expect),
    Look {
        key: usize,
        after: Option<i64>,
        wait: Option<u64>,
    },
    /// Reads a counter, to write it later.
    Fetch,
    /// Writes one more, if the counter still has the version that was read.
    Increment,
    Progress,
    Remove,
    Add,
    Leave(usize),
    /// The last change again, under its key; or another one.
    Repeat {
        same: bool,
    },
    Restart,
}

#[derive(Debug, Clone)]
pub(super) enum To {
    Agent(usize),
    Nobody,
    Role(usize),
    Task(u64),
    Channel(usize),
    Everyone,
}

/// What a writer expects, by how far its version is behind.
#[derive(Debug, Clone)]
pub(super) enum Expect {
    Is(Precondition),
    Behind(u64),
}

pub(super) fn any_history(length: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(any_action(), length)
}

fn any_action() -> impl Strategy<Value = Action> {
    (0..40u64, 0..NAMES.len(), any_what()).prop_map(|(pause, who, what)| Action { pause, who, what })
}

fn any_what() -> impl Strategy<Value = What> {
    let wait = || prop::option::weighted(0.6, 1..400u64);
    let key = 0..KEYS.len();
    let channel = 0..CHANNELS.len();
    prop_oneof![
        8 => (prop::collection::vec(any_to(), 0..3), any::<bool>()).prop_map(|(to, ack)| What::Send { to, ack }),
        4 => (prop::option::of(-4..2i64), prop::sample::select(vec![Which::All, Which::Unread]), wait())
            .prop_map(|(after, which, wait)| What::Inbox { after, which, wait }),
        6 => wait().prop_map(|wait| What::ReadOn { wait }),
        5 => (-4..2i64, prop::sample::select(vec![Extent::One, Extent::UpTo]))
            .prop_map(|(back, extent)| What::Ack { back, extent }),
        2 => channel.clone().prop_map(What::Follow),
        1 => channel.prop_map(What::Unfollow),
        5 => (key.clone(), any_expect()).prop_map(|(key, expect)| What::Set(key, expect)),
        3 => (key.clone(), any_expect()).prop_map(|(key, expect)| What::Delete(key, expect)),
        5 => (key, prop::option::weighted(0.8, -1..1i64), wait())
            .prop_map(|(key, after, wait)| What::Look { key, after, wait }),
        4 => Just(What::Fetch),
        4 => Just(What::Increment),
        1 => Just(What::Progress),
        1 => Just(What::Remove),
        5 => Just(What::Add),
        2 => (0..8usize).prop_map(What::Leave),
        3 => prop::bool::weighted(0.8).prop_map(|same| What::Repeat { same }),
        1 => Just(What::Restart),
    ]
}

fn any_to() -> impl Strategy<Value = To> {
    prop_oneof![
        6 => (0..NAMES.len()).prop_map(To::Agent),
        1 => Just(To::Nobody),
        2 => (0..4usize).prop_map(To::Role),
        2 => (0..4u64).prop_map(To::Task),
        3 => (0..CHANNELS.len()).prop_map(To::Channel),
        2 => Just(To::Everyone),
    ]
}

fn any_expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        2 => Just(Expect::Is(Precondition::Any)),
        1 => Just(Expect::Is(Precondition::Absent)),
        1 => Just(Expect::Is(Precondition::Present)),
        2 => (0..2u64).prop_map(Expect::Behind),
    ]
}
