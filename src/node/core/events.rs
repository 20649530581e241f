//! Consumers of events on this node.
//!
//! ```text
//!             consume              Joined              leave, Ended, refused
//!   nothing ──────────▶ joining ──────────▶ consuming ──────────────────────▶ nothing
//!                          ▲   link lost:       │
//!                          └── joined again ◀───┘
//! ```
//! A consumer is named by the request that it joined with, over links too. Invariants: what is acknowledged while there is
//! no link is said on the next one; what is told to nobody is not acknowledged, so it is told again. Source: own
//! reasoning (E4).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Answer, Core, CoreEvent, LinkState};
use crate::event::{EventId, EventKind, Happening};
use crate::ids::{Birth, RequestId};
use crate::limits::{CONSUMERS_MAX, EVENTS_TOLD_MAX};
use crate::node::replica::Ending;
use crate::wire::{EventAnswer, EventRequest, FailureCode, ToRepository};

/// An event that a consumer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The consumer.
    pub consumer: RequestId,
    /// The event.
    pub event: EventId,
    /// Events before it that the group had to give up.
    pub missed: u64,
    /// What became of the object.
    pub kind: EventKind,
    /// Which object of that key.
    pub birth: Birth,
    /// Its key.
    pub key: String,
    /// Its value when it ended, as a delta from nothing.
    pub last: Option<Bytes>,
}

#[derive(Debug)]
struct Consumer {
    class: String,
    group: String,
    is_answered: bool,
    /// What was acknowledged without a link.
    acknowledged: Vec<EventId>,
}

/// The consumers of a link.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    consumers: BTreeMap<RequestId, Consumer>,
    /// Groups that are to be ended.
    endings: BTreeMap<RequestId, (String, String)>,
}

impl Consumers {
    pub(super) fn unanswered(&self) -> usize {
        self.endings.len() + self.consumers.values().filter(|consumer| !consumer.is_answered).count()
    }
}

impl Core {
    /// Becomes a consumer of a group of a class; answered by `Consuming`. What it is told comes as [`CoreEvent::Told`].
    pub fn consume(&mut self, class: &str, group: &str) -> RequestId {
        let request = self.new_request();
        if self.consumers.consumers.len() >= CONSUMERS_MAX {
            let text = format!("the node has {CONSUMERS_MAX} consumers, as many as it may have");
            self.answer(request, Answer::Failed { code: FailureCode::Limit, text });
            return request;
        }
        let (class, group) = (class.to_owned(), group.to_owned());
        let consumer = Consumer { class, group, is_answered: false, acknowledged: Vec::new() };
        self.consumers.consumers.insert(request, consumer);
        if self.link != LinkState::Down {
            self.join_group(request);
        }
        request
    }

    /// The consumer takes nothing any more.
    pub fn leave(&mut self, consumer: RequestId) {
        if self.consumers.consumers.remove(&consumer).is_some() {
            self.send(&ToRepository::Event(EventRequest::Leave { request: consumer }));
        }
    }

    /// An event that a consumer was told was dealt with.
    pub fn acknowledge(&mut self, consumer: RequestId, event: EventId) {
        let link = self.link;
        let Some(known) = self.consumers.consumers.get_mut(&consumer) else { return };
        if link != LinkState::Down {
            self.send(&ToRepository::Event(EventRequest::Acknowledge { request: consumer, event }));
        } else if known.acknowledged.len() < EVENTS_TOLD_MAX {
            known.acknowledged.push(event);
        }
    }

    /// Ends a group for good, with the events that it was not told; answered by `GroupEnded`.
    pub fn end_group(&mut self, class: &str, group: &str) -> RequestId {
        let request = self.new_request();
        self.consumers.endings.insert(request, (class.to_owned(), group.to_owned()));
        self.ask_end_of_group(request);
        request
    }

    fn ask_end_of_group(&mut self, request: RequestId) {
        if let Some((class, group)) = self.consumers.endings.get(&request)
            && self.link != LinkState::Down
        {
            ToRepository::Event(EventRequest::End { request, class, group }).encode(&mut self.out);
        }
    }

    fn join_group(&mut self, request: RequestId) {
        let Some(consumer) = self.consumers.consumers.get_mut(&request) else { return };
        let (class, group) = (consumer.class.as_str(), consumer.group.as_str());
        ToRepository::Event(EventRequest::Join { request, class, group }).encode(&mut self.out);
        for event in std::mem::take(&mut consumer.acknowledged) {
            ToRepository::Event(EventRequest::Acknowledge { request, event }).encode(&mut self.out);
        }
    }

    /// Joins every group again, on a new link.
    pub(super) fn join_groups(&mut self) {
        let consumers: Vec<RequestId> = self.consumers.consumers.keys().copied().collect();
        consumers.into_iter().for_each(|request| self.join_group(request));
        let endings: Vec<RequestId> = self.consumers.endings.keys().copied().collect();
        endings.into_iter().for_each(|request| self.ask_end_of_group(request));
    }

    /// The repository's word. What is told to a consumer that left is nothing: the repository hears of that.
    pub(super) fn event_answered(&mut self, answer: EventAnswer<'_>) {
        match answer {
            EventAnswer::Joined { request } => {
                let consumer = self.consumers.consumers.get_mut(&request);
                if consumer.is_some_and(|consumer| !std::mem::replace(&mut consumer.is_answered, true)) {
                    self.answer(request, Answer::Consuming { consumer: request });
                }
            }
            EventAnswer::Told { request, event, missed, happening } => {
                if !self.consumers.consumers.contains_key(&request) {
                    return;
                }
                let Happening { kind, birth, key, last } = happening;
                let (key, last) = (key.to_owned(), last.map(Bytes::copy_from_slice));
                let told = Told { consumer: request, event, missed, kind, birth, key, last };
                self.events.push_back(CoreEvent::Told(told));
            }
            EventAnswer::Ended { request } => {
                if self.consumers.endings.remove(&request).is_some() {
                    self.answer(request, Answer::GroupEnded);
                } else {
                    self.end_consumer(request, Answer::Ended(Ending::Gone));
                }
            }
        }
    }

    /// The repository refuses a request, which may be about events; answers whether it was.
    pub(super) fn consumer_refused(&mut self, request: RequestId, answer: &Answer) -> bool {
        let is_ending = self.consumers.endings.remove(&request).is_some();
        if is_ending {
            self.answer(request, answer.clone());
        }
        is_ending || self.end_consumer(request, answer.clone())
    }

    fn end_consumer(&mut self, request: RequestId, answer: Answer) -> bool {
        let Some(consumer) = self.consumers.consumers.remove(&request) else { return false };
        if consumer.is_answered {
            self.events.push_back(CoreEvent::ConsumerEnded { consumer: request });
        } else {
            self.answer(request, answer);
        }
        true
    }

    /// The node closes.
    pub(super) fn close_consumers(&mut self) {
        while let Some(request) = self.consumers.consumers.keys().next().copied() {
            self.end_consumer(request, Answer::Ended(Ending::Closed));
        }
        while let Some((request, _)) = self.consumers.endings.pop_first() {
            self.answer(request, Answer::Ended(Ending::Closed));
        }
    }
}
