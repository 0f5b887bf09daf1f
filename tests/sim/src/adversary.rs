//! Policies that decide as they like: at worst the order of work is theirs, and no promise.

use longhouse_core::{
    Choice, Choosing, Decide, Group, HostOrder, LockAsked, LockHeld, LockVerdict, Pick, PolicyVersion, Rank,
    Task, Timestamp,
};

use crate::random::Random;

/// Asked about one request. Whatever it can answer, it may.
pub struct Adversary(Random);

impl Adversary {
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed ^ 0xad5e_7541))
    }
}

impl Decide for Adversary {
    /// Now and then it cannot be asked, and the host's order takes over.
    fn offers(&mut self, _version: &PolicyVersion) -> bool {
        !self.0.permille(20)
    }

    fn choosing(&mut self, by: Option<&PolicyVersion>) -> Choosing {
        match by {
            None => Choosing::No,
            Some(_) if self.0.permille(300) => Choosing::No,
            Some(_) => Choosing::Yes { wants_near: self.0.permille(500) },
        }
    }

    fn rank(
        &mut self,
        by: Option<&PolicyVersion>,
        tasks: &[&Task],
        now: Timestamp,
    ) -> Option<Vec<(Rank, Group)>> {
        if by.is_none() {
            return HostOrder.rank(by, tasks, now);
        }
        if self.0.permille(100) {
            return None;
        }
        let mut place = |_: &&Task| {
            let rank = match self.0.below(4) {
                0 => i64::MIN,
                1 => i64::MAX,
                _ => self.0.next().cast_signed(),
            };
            (Rank(rank), Group::new(&self.0.below(5).to_string()))
        };
        Some(tasks.iter().map(&mut place).collect())
    }

    /// Anything at all: also what is not there, the same again, and nothing.
    fn choose(&mut self, _by: &PolicyVersion, choice: &Choice<'_>) -> Vec<Pick> {
        let count = self.0.below(5);
        let mut pick = || Pick { index: self.0.below(choice.window.len() + 3), reason: "so".into() };
        (0..count).map(|_| pick()).collect()
    }

    fn judge(&mut self, by: Option<&PolicyVersion>, _: &LockAsked<'_>, _: &[LockHeld<'_>]) -> LockVerdict {
        match by {
            Some(_) if self.0.permille(100) => LockVerdict::Deny("no".into()),
            Some(_) | None => LockVerdict::Allow,
        }
    }

    fn may_overlap(&mut self, by: Option<&PolicyVersion>, _: &Task, _: &[&Task]) -> bool {
        by.is_some() && self.0.permille(500)
    }
}
