//! One test for each promise that is easily broken by hand.

mod authority;
mod life;
mod order;
mod requests;

use super::*;

impl World {
    /// What the server is answered at once, if anything.
    fn ask(&mut self, command: CommitCommand) -> Option<Reply> {
        self.by(Caller::Server, Command::Commit(command))
    }

    fn by(&mut self, caller: Caller, command: Command) -> Option<Reply> {
        self.now += 1;
        let replies = self.step(caller, command, None).replies;
        replies.into_iter().find(|(to, _)| to.0 == self.last_waiter).map(|(_, reply)| reply)
    }

    fn reserve(&mut self, author: Author, paths: &[&str], wait: u64) -> Option<Reply> {
        let wait_until = (wait > 0).then(|| Timestamp::from_millis(self.now + wait));
        self.ask(CommitCommand::Reserve(ReserveRequest { paths: set(paths), author, wait_until }))
    }

    fn reserved(&mut self, author: Author, paths: &[&str]) -> Reserved {
        match self.reserve(author, paths, 0) {
            Some(Reply::Commit(CommitReply::Reserved(reserved))) => reserved,
            reply => panic!("{reply:?}"),
        }
    }

    fn why_not(&mut self, author: Author, paths: &[&str]) -> Reason {
        refused(self.reserve(author, paths, 0))
    }

    /// Waits, and says so.
    fn waits(&mut self, author: Author, paths: &[&str]) -> Waiter {
        assert_eq!(self.reserve(author, paths, 500_000), None);
        Waiter(self.last_waiter)
    }

    fn intend(&mut self, reserved: Reserved, paths: &[&str]) -> Option<Reply> {
        let changes = paths.iter().map(|text| change(text, false)).collect();
        self.ask(CommitCommand::Intend(reserved.reservation, RedoList::new(changes).unwrap()))
    }

    fn intended(&mut self, reserved: Reserved, paths: &[&str]) -> CommitNumber {
        match self.intend(reserved, paths) {
            Some(Reply::Commit(CommitReply::Intended(number))) => number,
            reply => panic!("{reply:?}"),
        }
    }

    /// Agent 1's change of these, on its way.
    fn in_flight(&mut self, paths: &[&str]) -> CommitNumber {
        let reserved = self.reserved(by(1), paths);
        self.intended(reserved, paths)
    }

    /// What `command` leads to for whoever waits.
    fn tells(&mut self, command: CommitCommand) -> Vec<(Waiter, Said)> {
        self.now += 1;
        let replies = self.step(Caller::Server, Command::Commit(command), None).replies;
        let others = replies.iter().filter(|(to, _)| to.0 != self.last_waiter);
        others.map(|(to, reply)| (*to, said(reply))).collect()
    }

    fn claim(&mut self, n: u8) -> Hold {
        let request = ClaimRequest { ttl_ms: 20_000, ..ClaimRequest::next() };
        match self.by(Caller::Agent(name(n)), Command::Task(TaskCommand::Claim(request))) {
            Some(Reply::Task(TaskReply::Claimed(claimed))) => claimed.grants[0].hold(),
            reply => panic!("{reply:?}"),
        }
    }

    fn lock(&mut self, n: u8, text: &str) -> Taken {
        let request = LockRequest::new(LockMode::Exclusive, vec![PathPattern::of(&path(text))]);
        match self.by(Caller::Agent(name(n)), Command::Lock(LockCommand::Take(request))) {
            Some(Reply::Lock(LockReply::Taken(taken))) => taken,
            reply => panic!("{reply:?}"),
        }
    }

    fn pass(&mut self, ms: u64) -> Vec<(Waiter, Said)> {
        self.now += ms;
        let replies = self.step(Caller::Server, Command::Tick, None).replies;
        let others = replies.iter().filter(|(to, _)| to.0 != self.last_waiter);
        others.map(|(to, reply)| (*to, said(reply))).collect()
    }

    /// The server is started again, by another process.
    fn starts_again(&mut self) {
        self.boot += 1;
        self.state = self.stored.rebuild(self.boot, 0, self.now);
    }
}

fn set(paths: &[&str]) -> Reservation {
    let entries = paths.iter().map(|text| path(text)).collect();
    Reservation::new(Changes { entries, subtrees: Vec::new() }).unwrap()
}

fn refused(reply: Option<Reply>) -> Reason {
    match reply {
        Some(Reply::Refused(refusal)) => reason(&refusal),
        reply => panic!("{reply:?}"),
    }
}

fn by(n: u8) -> Author {
    Author::Agent(Authorship::of(name(n)))
}

fn under(n: u8, under: Under) -> Author {
    Author::Agent(Authorship { under, ..Authorship::of(name(n)) })
}

fn with(n: u8, lock: Taken) -> Author {
    Author::Agent(Authorship { locks: vec![(lock.lock, lock.fence)], ..Authorship::of(name(n)) })
}

fn once(n: u8, hash: u64) -> Author {
    let keyed = Keyed { key: "k".parse().unwrap(), hash };
    Author::Agent(Authorship { keyed: Some(keyed), ..Authorship::of(name(n)) })
}

fn failed() -> Abort {
    Abort::Failed { detail: "why".into() }
}

fn is_reserved(told: &[(Waiter, Said)], waiter: Waiter) -> bool {
    matches!(told, [(to, Said::Reserved(..))] if *to == waiter)
}
