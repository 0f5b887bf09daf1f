//! The coordinator as whoever works on the files sees it.

use longhouse_core::{
    Abort, Author, Caller, Command, CommitCommand, CommitGate, CommitNumber, CommitReply, GateError, Granted,
    Journaled, RedoList, Reply, Reservation, ReservationId, ReserveRequest, Timestamp, Undo, Unfinished,
};

use crate::{Coordinator, StoreError, SubmitError};

impl CommitGate for Coordinator {
    fn reserve(
        &self,
        paths: &Reservation,
        author: &Author,
        wait_until: Option<Timestamp>,
    ) -> Result<Granted, GateError> {
        let request = ReserveRequest { paths: paths.clone(), author: author.clone(), wait_until };
        match ask(self, CommitCommand::Reserve(request))? {
            CommitReply::Reserved(reserved) => Ok(Granted::Reserved(reserved)),
            CommitReply::Committed(number) => Ok(Granted::Committed(number)),
            CommitReply::Intended(_) | CommitReply::Unfinished(_) => Err(GateError::Mismatch),
        }
    }

    fn renew(&self, reserved: ReservationId) -> Result<Timestamp, GateError> {
        match ask(self, CommitCommand::Renew(reserved))? {
            CommitReply::Reserved(reserved) => Ok(reserved.deadline),
            CommitReply::Intended(_) | CommitReply::Committed(_) | CommitReply::Unfinished(_) => {
                Err(GateError::Mismatch)
            }
        }
    }

    fn intent(&self, reserved: ReservationId, redo: &RedoList) -> Result<CommitNumber, GateError> {
        match ask(self, CommitCommand::Intend(reserved, redo.clone()))? {
            CommitReply::Intended(number) => Ok(number),
            CommitReply::Reserved(_) | CommitReply::Committed(_) | CommitReply::Unfinished(_) => {
                Err(GateError::Mismatch)
            }
        }
    }

    fn published(&self, commit: CommitNumber) {
        tell(self, CommitCommand::Publish(commit));
    }

    fn retired(&self, commits: &[CommitNumber]) {
        tell(self, CommitCommand::Retire(commits.to_vec()));
    }

    fn abort(&self, what: Undo, why: Abort) {
        tell(self, CommitCommand::Abort(what, why));
    }

    fn last_commit(&self) -> Result<CommitNumber, GateError> {
        self.reads().last_commit().map_err(|error| unreadable(&error))
    }

    fn journal(&self, after: CommitNumber, limit: u32) -> Result<Vec<Journaled>, GateError> {
        self.reads().journal(after, limit).map_err(|error| unreadable(&error))
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, GateError> {
        match ask(self, CommitCommand::Unfinished)? {
            CommitReply::Unfinished(unfinished) => Ok(unfinished),
            CommitReply::Reserved(_) | CommitReply::Intended(_) | CommitReply::Committed(_) => {
                Err(GateError::Mismatch)
            }
        }
    }
}

fn unreadable(error: &StoreError) -> GateError {
    tracing::error!(%error, "the journal cannot be read");
    GateError::Unreadable
}

fn ask(coordinator: &Coordinator, command: CommitCommand) -> Result<CommitReply, GateError> {
    match coordinator.submit_blocking(Caller::Server, Command::Commit(command)) {
        Ok(Reply::Commit(reply)) => Ok(reply),
        Ok(Reply::Refused(refusal)) => Err(refusal.into()),
        Ok(
            Reply::Done
            | Reply::RunStarted(_)
            | Reply::RunIsLive(_)
            | Reply::RunIsNotLive(_)
            | Reply::Task(_)
            | Reply::Queue(_)
            | Reply::Policies(_)
            | Reply::Lock(_)
            | Reply::Talk(_)
            | Reply::Crew(_),
        ) => Err(GateError::Mismatch),
        Err(SubmitError::CommitUnknown) => Err(GateError::CommitUnknown),
        Err(SubmitError::Busy) => Err(GateError::Busy),
        Err(SubmitError::Suspended(why)) => Err(GateError::Suspended(why)),
        Err(SubmitError::Closed) => Err(GateError::Closed),
    }
}

fn tell(coordinator: &Coordinator, command: CommitCommand) {
    coordinator.tell(Caller::Server, Command::Commit(command));
}
