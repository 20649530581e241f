//! Locks that this node waits for, has, or gives back.
//!
//! ```text
//!            lock             Granted             unlock            Released
//!   nothing ──────▶ waiting ──────────▶ held ──────────────▶ leaving ────────▶ nothing
//!                    │  ▲ link lost: asked again    │ link lost
//!                    │  └─ on the next one          ▼
//!                    └─ given up ─▶ nothing       lost
//! ```
//! A lock is leased with the link: with the link it is lost, here at once and at the repository when that knows, and a
//! link that comes back brings none back. A wait goes on over links, at the end of the line. Invariants: a grant that
//! nobody waits for any more is given back; what was lost is never given back as if it were held. Source: own reasoning
//! (L2).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, Core, LinkState};
use crate::ids::{Alias, Birth, Fence, RequestId};
use crate::limits::REQUESTS_MAX;
use crate::node::replica::{Ending, ReplicaId};
use crate::time::Instant;
use crate::wire::{FailureCode, LockAnswer, LockRequest, ToRepository};

/// Which object a lock is of.
#[derive(Clone, Copy, Debug)]
struct Subject {
    replica: ReplicaId,
    alias: Alias,
    birth: Birth,
}

/// Something asked of a lock.
#[derive(Debug)]
struct Asked {
    replica: ReplicaId,
    goal: Goal,
    /// What it was asked of on this link.
    sent: Option<Subject>,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    /// To have it; asked no more from then on.
    Have(Instant),
    /// To know whether a grant is the current one.
    Join(Fence),
    /// To give it back.
    Leave(Fence),
}

/// The locks of a link.
#[derive(Debug, Default)]
pub(super) struct Locks {
    asked: BTreeMap<RequestId, Asked>,
    held: BTreeMap<Fence, Subject>,
    links_lost: u64,
}

impl Locks {
    pub(super) fn unanswered(&self) -> usize {
        self.asked.len()
    }
}

impl Core {
    /// Waits for the lock of an object, for so long at most; answered by `Locked` or `LockTimeout`.
    pub fn lock(&mut self, replica: ReplicaId, wait: Duration) -> RequestId {
        self.ask_lock_of(replica, Goal::Have(self.now.after(wait)))
    }

    /// Asks whether a grant, of this node or another, is still the current one; answered by `Joined`.
    pub fn join_lock(&mut self, replica: ReplicaId, fence: Fence) -> RequestId {
        self.ask_lock_of(replica, Goal::Join(fence))
    }

    /// Gives a lock back; answered by `Unlocked`, or by a failure if it was lost or given back before.
    pub fn unlock(&mut self, fence: Fence) -> RequestId {
        let request = self.new_request();
        let Some(subject) = self.locks.held.remove(&fence) else {
            self.answer(request, Answer::Failed { code: FailureCode::Fenced, text: String::new() });
            return request;
        };
        let Subject { replica, alias, birth } = subject;
        self.locks.asked.insert(request, Asked { replica, goal: Goal::Leave(fence), sent: Some(subject) });
        self.send(&ToRepository::Lock(LockRequest::Release { request, alias, birth, fence }));
        request
    }

    /// Nobody waits for the answer of [`lock`](Self::lock) any more.
    pub fn give_up_lock(&mut self, request: RequestId) {
        let is_waiting = |asked: &Asked| matches!(asked.goal, Goal::Have(_));
        if let Some(asked) = self.locks.asked.get(&request).filter(|asked| is_waiting(asked)) {
            let is_sent = asked.sent.is_some();
            self.locks.asked.remove(&request);
            if is_sent {
                self.send(&ToRepository::Lock(LockRequest::GiveUp { request }));
            }
        }
    }

    /// Links that were lost so far: a lock that was granted when there were fewer is lost.
    #[must_use]
    pub fn links_lost(&self) -> u64 {
        self.locks.links_lost
    }

    fn ask_lock_of(&mut self, replica: ReplicaId, goal: Goal) -> RequestId {
        let request = self.new_request();
        if self.locks.asked.len() >= REQUESTS_MAX {
            let text = format!("{REQUESTS_MAX} requests about locks wait for an answer");
            self.answer(request, Answer::Failed { code: FailureCode::Limit, text });
            return request;
        }
        self.locks.asked.insert(request, Asked { replica, goal, sent: None });
        self.ask_lock(request);
        request
    }

    /// Asks what was not asked on this link: of one replica, or of all, in the order of their requests.
    pub(super) fn ask_locks(&mut self, replica: Option<ReplicaId>) {
        let is_due = |asked: &Asked| asked.sent.is_none() && replica.is_none_or(|id| id == asked.replica);
        let due = self.locks.asked.iter().filter(|(_, asked)| is_due(asked));
        let due: Vec<RequestId> = due.map(|(request, _)| *request).collect();
        due.into_iter().for_each(|request| self.ask_lock(request));
    }

    fn ask_lock(&mut self, request: RequestId) {
        if self.link == LinkState::Down {
            return;
        }
        let Some(asked) = self.locks.asked.get_mut(&request) else { return };
        let Some(entry) = self.replicas.get(&asked.replica) else {
            self.end_lock_request(request, Ending::Closed);
            return;
        };
        let Some((alias, birth)) = entry.alias.zip(entry.birth) else {
            // Its value was dropped: it is opened first.
            let replica = asked.replica;
            self.pull_for_replica(replica);
            return;
        };
        asked.sent = Some(Subject { replica: asked.replica, alias, birth });
        let record = match asked.goal {
            Goal::Have(until) => {
                let wait_ms = u64::try_from(until.since(self.now).as_millis()).unwrap_or(u64::MAX);
                LockRequest::Wait { request, alias, birth, wait_ms }
            }
            Goal::Join(fence) => LockRequest::Join { request, alias, birth, fence },
            Goal::Leave(fence) => LockRequest::Release { request, alias, birth, fence },
        };
        self.send(&ToRepository::Lock(record));
    }

    /// The repository's word. One that was given up before it came is nothing: the repository hears of that.
    pub(super) fn lock_answered(&mut self, answer: LockAnswer) {
        let (LockAnswer::Granted { request, .. }
        | LockAnswer::Released { request }
        | LockAnswer::TimedOut { request, .. }) = answer;
        let Some(asked) = self.locks.asked.remove(&request) else { return };
        let answer = match answer {
            LockAnswer::Granted { .. } if matches!(asked.goal, Goal::Join(_)) => Answer::Joined,
            LockAnswer::Granted { fence, .. } => {
                self.locks.held.extend(asked.sent.map(|subject| (fence, subject)));
                Answer::Locked { fence, links_lost: self.locks.links_lost }
            }
            LockAnswer::Released { .. } => Answer::Unlocked,
            LockAnswer::TimedOut { holder, held_ms, .. } => {
                Answer::LockTimeout { holder, held: Duration::from_millis(held_ms) }
            }
        };
        self.answer(request, answer);
    }

    /// The repository refuses a request, which may be about a lock.
    pub(super) fn lock_refused(&mut self, request: RequestId, answer: &Answer) {
        if self.locks.asked.remove(&request).is_some() {
            self.answer(request, answer.clone());
        }
    }

    /// The link is lost, and with it every lock; waits go on, on the next one.
    pub(super) fn lose_locks(&mut self) {
        self.locks.links_lost += 1;
        self.locks.held.clear();
        let is_leaving = |asked: &mut Asked| matches!(asked.goal, Goal::Leave(_));
        let left = self.locks.asked.extract_if(.., |_, asked| is_leaving(asked));
        let left: Vec<RequestId> = left.map(|(request, _)| request).collect();
        left.into_iter().for_each(|request| self.answer(request, Answer::Unlocked));
        self.locks.asked.values_mut().for_each(|asked| asked.sent = None);
    }

    /// The node closes.
    pub(super) fn close_locks(&mut self) {
        self.lose_locks();
        while let Some((request, _)) = self.locks.asked.pop_first() {
            self.answer(request, Answer::Ended(Ending::Closed));
        }
    }

    /// A replica is given up, or its object is gone.
    pub(super) fn end_locks_of(&mut self, replica: ReplicaId, ending: Ending) {
        let of_replica = self.locks.asked.iter().filter(|(_, asked)| asked.replica == replica);
        let requests: Vec<RequestId> = of_replica.map(|(request, _)| *request).collect();
        requests.into_iter().for_each(|request| self.end_lock_request(request, ending));
    }

    fn end_lock_request(&mut self, request: RequestId, ending: Ending) {
        let Some(asked) = self.locks.asked.remove(&request) else { return };
        let is_open = asked.sent.is_some() && matches!(asked.goal, Goal::Have(_));
        if is_open && ending == Ending::Closed {
            self.send(&ToRepository::Lock(LockRequest::GiveUp { request }));
        }
        self.answer(request, Answer::Ended(ending));
    }
}
