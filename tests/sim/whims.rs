//! The application's whims.

use std::sync::Arc;

use bytes::Bytes;
use nam::__private::{Class, Writer};
use nam::node::Replica;
use nam::wire::Delivery;

use crate::class::Desk;
use crate::draw::Draw;
use crate::network::Event;
use crate::node::{Asked, Node};
use crate::readings::{Reading, Shown};
use crate::swarm::Mutant;
use crate::tasks::Task;
use crate::watching::Watching;
use crate::world::World;

const KEYS: [&str; 3] = ["alice", "bob", "carol"];

/// Tokens that are remembered.
const TOKENS: usize = 12;

impl World {
    /// The application does something.
    pub(crate) fn act(&mut self) {
        if self.actions == 0 {
            return;
        }
        self.actions -= 1;
        let lull = self.swarm.lull(&mut self.dice);
        let at = self.now + self.dice.below(9) + lull;
        self.agenda.plan(at, Event::Act);
        let (node, shard) = (self.dice.index(self.nodes.len()), self.dice.index(self.shards.len()));
        match self.dice.below(100) {
            // What ends while everybody rests after a start ends by the start's rules.
            _ if lull > 0 && self.dice.one_in(3) => return self.crash(shard),
            0 | 1 => return self.cut(node, shard),
            2 if self.dice.one_in(3) => return self.crash(shard),
            3 | 4 => return self.find_title(node, shard),
            5..9 => return self.read_token(),
            9 if self.dice.one_in(4) => return self.end_process(node, shard),
            10 if self.dice.one_in(2) => return self.shards[shard].back_up(),
            11 if self.dice.one_in(3) => return self.restore(shard),
            12..16 if self.swarm.has_consumers => return self.use_events(node, shard),
            16..22 => return self.begin_group(node, shard),
            22..27 => return self.begin_joint(node, shard),
            _ if self.swarm.fills > 0 && self.dice.one_in(self.swarm.fills) => return self.fill(shard),
            _ if self.swarm.pauses > 0 && self.dice.one_in(self.swarm.pauses) => return self.pause(node, shard),
            _ => {}
        }
        let key = KEYS[self.dice.index(KEYS.len())];
        match self.nodes[node].find(shard, key) {
            Some(slot) => self.use_slot(node, slot),
            None => self.find_object(node, shard, key),
        }
    }

    fn find_object(&mut self, node: usize, shard: usize, key: &str) {
        let slot = self.nodes[node].add_slot(shard, key);
        #[cfg(feature = "mutants")]
        if let Some(Mutant::OfSlot(rule)) = self.mutant {
            self.nodes[node].opens[slot].slot.switch_off(rule);
        }
        let replica = self.nodes[node].replica(slot);
        let expiry = self.swarm.expiry(&mut self.dice);
        let request = if self.dice.one_in(2) {
            let value = Desk::draw(&mut self.dice);
            let mut w = Writer::new();
            value.encode_root(&mut w);
            let body = w.into_bytes();
            let schema = Desk::schema();
            let pieces = nam::delta::cut(&schema, &body, self.swarm.piece_bytes).map(|piece| piece.unwrap().into());
            let pieces: Vec<Bytes> = pieces.collect();
            self.nodes[node].opens[slot].slot.draft(value, body.len());
            self.nodes[node].sides[shard].core.create(replica, pieces, expiry)
        } else {
            self.nodes[node].sides[shard].core.open(replica)
        };
        self.nodes[node].sides[shard].requests.insert(request, Asked::Object(slot));
    }

    fn use_slot(&mut self, node: usize, slot: usize) {
        let Node { sides, opens, is_old, .. } = &mut self.nodes[node];
        let open = &mut opens[slot];
        let (shard, id) = (open.shard, open.slot.id());
        let core = &mut sides[shard].core;
        // Until its object is here an application has no handle to ask by.
        let has_handle = matches!(open.slot.newest(), Ok(Some(_)));
        if open.slot.unreadable().is_some_and(|(found, newest)| newest > found) && self.dice.one_in(4) {
            let request = core.open(Arc::clone(&open.slot) as _);
            sides[shard].requests.insert(request, Asked::Newest);
            return;
        }
        if self.dice.one_in(self.swarm.destroys) {
            let request = core.destroy(id);
            sides[shard].requests.insert(request, Asked::End);
            return;
        }
        if has_handle && self.dice.one_in(self.swarm.locks) {
            return self.use_lock(node, slot);
        }
        match self.dice.below(40) {
            0 => {
                core.release(id);
                open.is_open = false;
            }
            1 if self.dice.one_in(2) => {
                core.evict(id);
            }
            1..3 if has_handle => self.read_fresh(node, slot),
            3 => {
                if let Ok(Some(token)) = open.slot.newest() {
                    if self.tokens.len() == TOKENS {
                        self.tokens.remove(0);
                    }
                    self.tokens.push(Shown { shard, key: open.key.clone(), token });
                }
            }
            4..7 => {
                if let Ok(Some(guard)) = open.slot.peek() {
                    let copy = Desk::clone(&guard);
                    open.guard = Some((guard, copy));
                    self.note_read(node, slot);
                }
            }
            7..10 => {
                if let Some((guard, copy)) = open.guard.take() {
                    assert_eq!(*guard, copy, "I13: a value changed under its guard");
                }
            }
            10 if self.dice.one_in(3) => {
                let choices = [Delivery::Adaptive, Delivery::Push, Delivery::Notice];
                core.set_delivery(id, choices[self.dice.index(choices.len())]);
            }
            10 if open.slot.current().is_some() => self.note_read(node, slot),
            12..14 if has_handle => self.use_watch(node, slot),
            11 if has_handle => {
                let request = core.limit(id, self.swarm.expiry(&mut self.dice));
                sides[shard].requests.insert(request, Asked::Newest);
            }
            _ => {
                let (slot, is_old) = (Arc::clone(&open.slot), *is_old);
                for _ in 0..=self.dice.below(2) {
                    let task = Task::new(shard, &slot, is_old, &mut self.dice);
                    self.tasks.push(task);
                }
            }
        }
    }

    /// Somebody was shown something, and may come to any node with that.
    pub(crate) fn remember(&mut self, shown: Shown) {
        if self.lately.len() == TOKENS {
            self.lately.remove(0);
        }
        self.lately.push(shown);
    }

    /// The application asks the repository for the newest.
    fn read_fresh(&mut self, node: usize, slot: usize) {
        let Node { sides, opens, .. } = &mut self.nodes[node];
        let open = &opens[slot];
        let Ok(Some(object)) = open.slot.newest() else { return };
        let begun = self.shards[open.shard].history.order.begin(object);
        if matches!(self.mutant, Some(Mutant::Asking)) {
            let here = open.slot.inspect().ok().flatten().map(|guard| guard.token());
            here.into_iter().for_each(|here| self.shards[open.shard].history.order.see(begun, here));
            return;
        }
        let request = sides[open.shard].core.pull(open.slot.id());
        sides[open.shard].requests.insert(request, Asked::Fresh(slot, begun));
    }

    /// The application begins to watch a part of an object, looks what it was told, or does not care any more.
    fn use_watch(&mut self, node: usize, slot: usize) {
        let is_over = self.dice.one_in(7);
        let open = &mut self.nodes[node].opens[slot];
        match &mut open.watching {
            Some(_) if is_over => open.watching = None,
            Some(watching) => self.report.watched += watching.look(&self.shards[open.shard].history),
            None => {
                open.watching = Some(Watching::new(&open.slot));
                self.note_read(node, slot);
            }
        }
    }

    /// Somebody who was shown something somewhere comes to some node.
    fn read_token(&mut self) {
        let tokens = if self.dice.one_in(3) { &self.lately } else { &self.tokens };
        if tokens.is_empty() {
            return;
        }
        let shown = tokens[self.dice.index(tokens.len())].clone();
        let node = self.dice.index(self.nodes.len());
        match self.nodes[node].find(shown.shard, &shown.key) {
            Some(slot) => {
                let slot = &self.nodes[node].opens[slot].slot;
                self.readings.extend(Reading::new(self.now, node, slot, shown));
            }
            None => self.find_object(node, shown.shard, &shown.key),
        }
    }
}
