//! Changes of an object as a whole that wait until its replica, which lost its value to save memory, is open again.
//!
//! The repository takes a destruction and a change of limits from holders only. Invariant: each is sent when the replica is
//! open, or answered when it ended or cannot be opened. Source: own reasoning (V1).

use std::sync::Arc;

use super::commits::{Change, Outstanding};
use super::{Answer, Core};
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, RequestId};
use crate::limits::REQUESTS_MAX;
use crate::node::replica::{Ending, ReplicaId};
use crate::wire::FailureCode;

/// What is to become of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    Destroy,
    Limit(Expiry),
}

impl Wish {
    pub(super) fn change(self, alias: Alias, birth: Birth) -> Change {
        match self {
            Self::Destroy => Change::Destroy { alias, birth },
            Self::Limit(expiry) => Change::Limit { alias, birth, expiry },
        }
    }
}

/// A change that waits.
#[derive(Debug)]
pub(super) struct Deferred {
    request: RequestId,
    replica: ReplicaId,
    wish: Wish,
}

impl Core {
    /// Has a change wait until the replica is open, and opens it.
    pub(super) fn defer(&mut self, replica: ReplicaId, wish: Wish) -> RequestId {
        let request = self.new_request();
        if self.deferred.len() >= REQUESTS_MAX {
            let text = format!("{REQUESTS_MAX} changes wait for their objects");
            self.answer(request, Answer::Failed { code: FailureCode::Limit, text });
            return request;
        }
        self.deferred.push(Deferred { request, replica, wish });
        self.pull_for_replica(replica);
        request
    }

    /// A replica is open: what waited for that goes on.
    pub(super) fn resume_deferred(&mut self, replica: ReplicaId) {
        if self.deferred.is_empty() {
            return;
        }
        let Some(entry) = self.replicas.get(&replica) else { return };
        let Some((alias, birth)) = entry.alias.zip(entry.birth) else { return };
        let whole = Arc::clone(&entry.replica);
        for Deferred { request, wish, .. } in self.take_deferred(replica) {
            let change = wish.change(alias, birth);
            self.submissions.push_back(Outstanding::new(Arc::clone(&whole), Some(request), change));
        }
    }

    /// A replica will not be open: what waited for that hears why.
    pub(super) fn end_deferred(&mut self, replica: ReplicaId, answer: &Answer) {
        for Deferred { request, .. } in self.take_deferred(replica) {
            self.answer(request, answer.clone());
        }
    }

    /// The node closes.
    pub(super) fn close_deferred(&mut self) {
        for Deferred { request, .. } in std::mem::take(&mut self.deferred) {
            self.answer(request, Answer::Ended(Ending::Closed));
        }
    }

    fn take_deferred(&mut self, replica: ReplicaId) -> Vec<Deferred> {
        self.deferred.extract_if(.., |deferred| deferred.replica == replica).collect()
    }
}
