//! A commit comes to its object: judged at once, or when it is its turn.
//!
//! It waits while another of that object takes steps or is held for its group, while the object is loaded, and while a node
//! goes first that lost too often. Invariant: only a node that holds the object changes it. Source: own reasoning.

use bytes::Bytes;

use super::Core;
use super::holders::Place;
use super::objects::{Offer, Terms};
use super::work::Work;
use crate::ids::{Alias, Sequence};

impl Core {
    /// Takes a commit of one object.
    pub(super) fn offer(&mut self, place: Place, sequence: Sequence, alias: Alias, terms: Terms, delta: Bytes) {
        let Some(connection) = self.nodes.at(place).map(|node| node.connection) else { return };
        self.take_offer(alias, Offer { connection, place, sequence, terms, delta, is_orphan: false, is_part: false });
    }

    /// Judges a commit of one object, when it is its turn.
    pub(super) fn take_offer(&mut self, alias: Alias, offer: Offer) {
        if !self.is_held(offer.place, alias) {
            self.refuse_gone(alias, &offer);
            return;
        }
        let (now, is_spent) = (self.now, offer.is_part && self.cost.is_spent());
        let Some(object) = self.objects.at_mut(alias) else { return };
        object.use_at(now);
        let (is_busy, is_cold) = (object.is_busy(), object.cold().is_some());
        let waits = if is_busy { !self.may_overtake(alias, &offer) } else { is_cold || self.makes_way(alias, &offer) };
        if !waits && !is_spent {
            self.judge(alias, offer);
            return;
        }
        if waits {
            self.note_wait(alias, &offer);
        } else {
            self.work.push_back(Work::Commit(alias));
        }
        if let Some(object) = self.objects.at_mut(alias) {
            object.turn().waiting.push_back(offer);
            if is_cold && !is_busy {
                self.ask_load(alias);
            }
        }
    }

    /// Whether the node holds the object and it lives.
    pub(super) fn is_held(&self, place: Place, alias: Alias) -> bool {
        let object = self.objects.at(alias).filter(|object| object.is_living());
        let is_misled = self.nodes.at(place).is_none_or(|node| node.misled.contains(&alias));
        !is_misled && object.is_some_and(|object| object.holders.find(place).is_some())
    }
}
