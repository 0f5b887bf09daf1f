//! From a reservation to its end.

use super::*;

impl Model {
    pub(in super::super) fn renew(&mut self, waiter: Waiter, id: ReservationId) {
        let now = self.now;
        let said = match self.sets.iter_mut().find(|set| set.id == id) {
            Some(Set { hold, stage: Stage::Has { deadline, hard_end }, .. }) => {
                *deadline = (*deadline).max((now + RESERVED).min(*hard_end));
                Said::Reserved(id, *hold, *deadline)
            }
            _ => Said::Refused("no_such_reservation"),
        };
        self.tell(waiter, said);
    }

    pub(in super::super) fn intend(
        &mut self,
        waiter: Waiter,
        id: ReservationId,
        paths: &[&'static str],
        found: Option<bool>,
    ) {
        let n = self.place(id).filter(|n| matches!(self.sets[*n].stage, Stage::Has { .. }));
        let Some(n) = n else { return self.tell(waiter, Said::Refused("no_such_reservation")) };
        let (wish, hold) = (&self.sets[n].wish, self.sets[n].hold);
        let beneath =
            |path: &str| wish.subtrees.iter().any(|high| meet(path, high) && path.len() >= high.len());
        let refused = self.forbids(wish, hold).or_else(|| {
            if found != Some(wish.agent.is_none()) {
                Some("mixed_origin")
            } else if paths.iter().any(|path| !wish.entries.contains(path) && !beneath(path)) {
                Some("not_reserved")
            } else {
                None
            }
        });
        if let Some(why) = refused {
            return self.tell(waiter, Said::Refused(why));
        }
        self.last_number += 1;
        let number = self.last_number;
        self.sets[n].stage =
            Stage::Flies { number, published: false, synced: false, recovered: false, keeps: true };
        self.tell(waiter, Said::Intended(number));
    }

    fn flight(&mut self, wanted: u64) -> Option<usize> {
        self.sets.iter().position(|set| matches!(set.stage, Stage::Flies { number, .. } if number == wanted))
    }

    pub(in super::super) fn publish(&mut self, waiter: Waiter, number: u64) {
        let Some(n) = self.flight(number) else { return self.tell(waiter, Said::Refused("no_such_commit")) };
        let wish = self.sets[n].wish.clone();
        let Stage::Flies { published, recovered, keeps, .. } = &mut self.sets[n].stage else { panic!() };
        let was_published = std::mem::replace(published, true);
        (*recovered, *keeps) = (false, false);
        self.tell(waiter, Said::Done);
        if let Some(key) = wish.key().filter(|_| !was_published) {
            if self.agents.contains_key(&key.0) {
                self.kept.push((key.clone(), wish.keyed.unwrap().1, number));
            }
            if let Some((follower, ..)) = self.followers.remove(&key) {
                self.tell(follower, Said::Committed(number));
            }
        }
    }

    pub(in super::super) fn retire(&mut self, waiter: Waiter, numbers: &[u64]) {
        for number in numbers {
            let refused = match self.flight(*number).map(|n| &self.sets[n].stage) {
                Some(Stage::Flies { published: false, .. }) => "wrong_status",
                None if *number == 0 || *number > self.last_number => "no_such_commit",
                _ => continue,
            };
            return self.tell(waiter, Said::Refused(refused));
        }
        for number in numbers {
            if let Some(n) = self.flight(*number)
                && let Stage::Flies { synced, recovered, keeps, .. } = &mut self.sets[n].stage
            {
                (*synced, *recovered, *keeps) = (true, false, false);
            }
        }
        self.tell(waiter, Said::Done);
        self.finish();
    }

    /// Forgets what is safe and has nothing unsafe before it.
    fn finish(&mut self) {
        loop {
            let first = self.sets.iter().filter_map(|set| match set.stage {
                Stage::Flies { number, synced, .. } => Some((number, synced)),
                Stage::Waits { .. } | Stage::Has { .. } => None,
            });
            let Some((number, true)) = first.min() else { return };
            let n = self.flight(number).unwrap();
            self.sets.remove(n);
        }
    }

    pub(in super::super) fn abort_reserved(&mut self, waiter: Waiter, id: ReservationId) {
        let n = self.place(id).filter(|n| matches!(self.sets[*n].stage, Stage::Has { .. }));
        let Some(n) = n else { return self.tell(waiter, Said::Refused("no_such_reservation")) };
        self.tell(waiter, Said::Done);
        self.drop_set(n);
    }

    pub(in super::super) fn abort(&mut self, waiter: Waiter, number: u64) {
        let Some(n) = self.flight(number) else { return self.tell(waiter, Said::Refused("no_such_commit")) };
        if let Stage::Flies { published: true, .. } = self.sets[n].stage {
            return self.tell(waiter, Said::Refused("wrong_status"));
        }
        self.tell(waiter, Said::Done);
        self.drop_set(n);
        self.finish();
    }

    pub(in super::super) fn unfinished(&mut self, waiter: Waiter) {
        let left = self.sets.iter().filter_map(|set| match set.stage {
            Stage::Flies { number, published, recovered: true, .. } => Some((number, published)),
            _ => None,
        });
        let mut left: Vec<_> = left.collect();
        left.sort_unstable();
        self.tell(waiter, Said::Unfinished(left));
    }

    /// An agent is no more.
    pub(in super::super) fn remove(&mut self, agent: &AgentName) {
        for key in self.followers.keys().filter(|(of, _)| of == agent).cloned().collect::<Vec<_>>() {
            let (waiter, ..) = self.followers.remove(&key).unwrap();
            self.tell(waiter, Said::Refused("caller_gone"));
        }
        for set in std::mem::take(&mut self.sets) {
            let is_theirs = set.wish.agent.as_ref() == Some(agent);
            match set.stage {
                Stage::Waits { waiter, .. } if is_theirs => self.tell(waiter, Said::Refused("caller_gone")),
                Stage::Has { .. } if is_theirs => {}
                Stage::Waits { .. } | Stage::Has { .. } | Stage::Flies { .. } => self.sets.push(set),
            }
        }
    }

    pub(in super::super) fn leave(&mut self, gone: Waiter) {
        let waits = |set: &Set| matches!(set.stage, Stage::Waits { waiter, .. } if waiter == gone);
        if let Some(n) = self.sets.iter().position(waits) {
            self.drop_set(n);
        }
        self.followers.retain(|_, (waiter, ..)| *waiter != gone);
    }

    pub(in super::super) fn forgive(&mut self) {
        let now = self.now;
        for set in &mut self.sets {
            if let Stage::Has { deadline, hard_end } = &mut set.stage {
                *deadline = (*deadline).max((now + RESERVED).min(*hard_end));
            }
        }
    }

    /// A state is rebuilt: in another process, or in the same after so many reservations.
    pub(in super::super) fn restart(&mut self, now: u64, boot: u32, last_id: u64) {
        (self.now, self.boot, self.last_id) = (now, boot, last_id);
        self.sets.retain(|set| matches!(set.stage, Stage::Flies { .. }));
        for set in &mut self.sets {
            if let Stage::Flies { synced, recovered, keeps, .. } = &mut set.stage {
                (*synced, *recovered, *keeps) = (false, true, true);
            }
        }
        self.followers.clear();
        self.again.clear();
    }

    /// A commit keeps only what it does, not what else was reserved for it.
    pub(in super::super) fn narrow(&mut self, done: impl Fn(u64) -> Vec<&'static str>) {
        for set in &mut self.sets {
            if let Stage::Flies { number, .. } = set.stage {
                (set.wish.entries, set.wish.subtrees) = (done(number), Vec::new());
            }
        }
    }

    /// Nobody has what another has; nobody waits for somebody who waits for them; whoever waits, waits for somebody.
    pub(in super::super) fn check(&self) {
        let has = |set: &&Set| !matches!(set.stage, Stage::Waits { .. });
        let recovered = |set: &Set| matches!(set.stage, Stage::Flies { recovered: true, .. });
        for (n, one) in self.sets.iter().enumerate() {
            for other in self.sets[..n].iter().filter(has).filter(|_| has(&one)) {
                let both_recovered = recovered(one) && recovered(other);
                assert!(both_recovered || !other.conflicts(&one.keeping()), "{one:?} and {other:?}");
            }
            let waits = !has(&one);
            let kept = self.sets[..n].iter().any(|earlier| earlier.conflicts(&one.wish));
            assert!(!waits || kept, "{one:?} waits for nobody");
        }
        let first = self.sets.iter().position(|set| !has(&set));
        if let Some(n) = first {
            let by = self.sets[..n].iter().find(|set| set.conflicts(&self.sets[n].wish));
            assert!(by.is_some_and(|set| has(&set)), "the first that waits waits for one that waits");
        }
    }
}
