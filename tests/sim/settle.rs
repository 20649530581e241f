//! The world settles: every core says what it has to say, and everything that is shown is held against the history.

use std::sync::Arc;

use bytes::Bytes;
use nam::ids::Token;
use nam::journal::Frame;
use nam::limits::{PRECEDENCE_MS, SEGMENT_BYTES_MAX, STEP_CELLS_MAX};
use nam::node::{Answer, CoreEvent, LinkState, Replica, Ring, Unreadable};
use nam::repository::ConnectionId;
use nam::wire::{CloseCode, RawRecord, ToNode, ToRepository};

use crate::class::of_version;
use crate::draw::LONG_BYTES;
use crate::network::{Event, LinkName};
use crate::node::{Asked, Node};
use crate::order::Begun;
use crate::readings::{Progress, Reading, Refusal, Shown};
use crate::tasks::Outcome;
use crate::windows::each_record;
use crate::world::World;

/// A segment as its lane carries it.
fn joined(pieces: [Bytes; 2]) -> Bytes {
    pieces.concat().into()
}

/// Bytes of results and notices to one node, which need no room.
const SMALL_RECORDS_BYTES: usize = 4 * 1024;

impl World {
    /// Lets every core say what it has to say, until none has.
    pub(crate) fn settle(&mut self) {
        for shard in 0..self.shards.len() {
            self.settle_shard(shard);
        }
        for node in 0..self.nodes.len() {
            for shard in 0..self.shards.len() {
                self.settle_rings(node, shard);
                self.settle_node(node, shard);
            }
            self.observe(node);
        }
        self.poll_tasks();
        self.poll_groups();
        self.poll_joints();
        self.poll_readings();
    }

    pub(crate) fn settle_shard(&mut self, at: usize) {
        let now = self.now;
        while let Some(append) = self.shards[at].core.poll_append() {
            let shard = &mut self.shards[at];
            let (frame, _) = Frame::decode(&append.frame.bytes).unwrap();
            self.effects.add(now, 1, &append.frame.bytes);
            shard.history.take(&frame, shard.clock.at(now).0);
            shard.check_documents();
            shard.check_index();
            let (incarnation, number) = (shard.incarnation, append.frame.name.number);
            let written_at = shard.plan_write(append, now, &mut self.dice);
            self.agenda.plan(written_at, Event::Durable { shard: at, incarnation, frame: number });
            self.check_ends(at, &frame);
        }
        self.settle_images(at);
        while let Some(connection) = self.shards[at].core.poll_wake() {
            self.send_down(at, connection);
        }
        let shard = &mut self.shards[at];
        while let Some(close) = shard.core.poll_close() {
            // A greeting that was under way when its node began anew may come behind the newer one's.
            let half = shard.links.get(&close.connection).and_then(|n| self.nodes[*n].sides[at].link.as_ref());
            let is_given_up = half.is_none_or(|half| half.connection != close.connection);
            let is_rightful = matches!(close.code, CloseCode::Superseded | CloseCode::Slow | CloseCode::Stopped);
            let is_rightful = is_rightful || is_given_up;
            assert!(is_rightful, "the repository closes a link: {} {}", close.code, close.text);
            self.report.slow += u64::from(close.code == CloseCode::Slow);
            if let Some(node) = shard.links.remove(&close.connection) {
                let link = LinkName { node, shard: at, connection: close.connection };
                self.agenda.plan(now + 1, Event::CutDown { link });
            }
        }
        let made_way = shard.core.made_way();
        self.report.made_way += made_way - std::mem::replace(&mut shard.made_way, made_way);
        if shard.core.contests() > 0 && !std::mem::replace(&mut shard.is_due_planned, true) {
            let due = shard.core.poll_timeout().expect("who goes first has its time");
            let most = shard.clock.at(now).0 + PRECEDENCE_MS;
            assert!(due.0 <= most, "W3: somebody goes first until {due:?}, later than {most}");
            self.agenda.plan(now + shard.clock.until(due, now), Event::Due { shard: at });
        }
        let done = shard.core.work_done();
        assert!(done.cells <= STEP_CELLS_MAX, "a call visits {} cells", done.cells);
        // A text is not cut: a commit beside it copies its page if that is shared, and writes its struct anew.
        assert!(done.bytes <= SEGMENT_BYTES_MAX + 2 * LONG_BYTES, "a call moves {} bytes", done.bytes);
        if shard.core.has_work() && !std::mem::replace(&mut shard.has_step, true) {
            self.agenda.plan(now, Event::Step { shard: at });
        }
    }

    fn send_down(&mut self, at: usize, connection: ConnectionId) {
        let shard = &mut self.shards[at];
        let Some(&node) = shard.links.get(&connection) else { return };
        let link = LinkName { node, shard: at, connection };
        let mut bytes = Vec::new();
        shard.core.poll_records(connection, &mut bytes);
        let held = shard.core.record_bytes(connection);
        let held_max = self.swarm.caps.windows.unconfirmed_bytes + SMALL_RECORDS_BYTES;
        assert!(held <= held_max, "I12: {held} bytes of records wait for node {node}");
        let segments: Vec<_> = std::iter::from_fn(|| shard.core.poll_segment(connection).map(joined)).collect();
        let window = shard.windows.entry(connection).or_default();
        self.report.full_windows += segments.iter().map(|bytes| u64::from(window.send(bytes))).sum::<u64>();
        self.report.collapsed.count(&bytes);
        shard.holdings.entry(connection).or_default().send(&bytes, self.swarm.caps.unread_bytes_max);
        if self.is_traced {
            print_records(self.now, &format!("shard {at} to node {node} by {connection:?}"), &bytes, |raw| {
                format!("{:?}", ToNode::decode(raw))
            });
        }
        if !bytes.is_empty() {
            self.effects.add(self.now, 2, &bytes);
            let delay = self.delay();
            if let Some(half) = self.nodes[node].sides[at].link.as_mut().filter(|half| half.connection == connection) {
                half.down_at = half.down_at.max(self.now + delay);
                self.agenda.plan(half.down_at, Event::Down { link, bytes: bytes.into(), is_segment: false });
            }
        }
        for bytes in segments {
            self.effects.add(self.now, 3, &bytes);
            let at = self.now + 2 * self.delay();
            self.agenda.plan(at, Event::Down { link, bytes, is_segment: true });
        }
    }

    fn settle_rings(&mut self, node: usize, shard: usize) {
        loop {
            let rings = std::mem::take(&mut *self.nodes[node].sides[shard].bell.0.lock());
            if rings.is_empty() {
                return;
            }
            for (replica, ring) in rings {
                if ring == Ring::Work {
                    let slot = usize::try_from(replica.0).unwrap();
                    if !std::mem::replace(&mut self.nodes[node].opens[slot].has_work, true) {
                        let at = self.now + self.dice.below(8);
                        self.agenda.plan(at, Event::Work { node, slot });
                    }
                    continue;
                }
                let Node { sides, is_old, .. } = &mut self.nodes[node];
                if let Err(violation) = of_version(*is_old, || sides[shard].core.handle_ring(replica, ring)) {
                    panic!("I4: node {node} finds a violation at {} ms: {violation}", self.now);
                }
            }
        }
    }

    fn settle_node(&mut self, node: usize, at: usize) {
        let now = self.now;
        let side = &mut self.nodes[node].sides[at];
        let mut bytes = Vec::new();
        side.core.poll_records(&mut bytes);
        let segments: Vec<_> = std::iter::from_fn(|| side.core.poll_segment().map(joined)).collect();
        self.report.shed += std::iter::from_fn(|| side.core.poll_dropped()).count() as u64;
        let events: Vec<_> = std::iter::from_fn(|| side.core.poll_event()).collect();
        if let Some(connection) = side.link.as_ref().map(|half| half.connection) {
            let link = LinkName { node, shard: at, connection };
            if self.is_traced {
                print_records(now, &format!("node {node} to shard {at} by {connection:?}"), &bytes, |raw| {
                    format!("{:?}", ToRepository::decode(raw))
                });
            }
            if !bytes.is_empty() {
                self.effects.add(now, 4, &bytes);
                let delay = self.delay();
                if let Some(half) = &mut self.nodes[node].sides[at].link {
                    half.up_at = half.up_at.max(now + delay);
                    self.agenda.plan(half.up_at, Event::Up { link, bytes: bytes.into(), is_segment: false });
                }
            }
            for bytes in segments {
                self.effects.add(now, 5, &bytes);
                let at = now + 2 * self.delay();
                self.agenda.plan(at, Event::Up { link, bytes, is_segment: true });
            }
        }
        for event in events {
            self.hear(node, at, event);
        }
    }

    fn hear(&mut self, node: usize, shard: usize, event: CoreEvent) {
        match event {
            CoreEvent::Ready => {}
            CoreEvent::Told(told) => self.hear_of_event(node, shard, told),
            CoreEvent::ConsumerEnded { consumer } => self.lose_consumer(node, shard, consumer),
            CoreEvent::SchemaRefused { text, .. } => panic!("the schema was refused: {text}"),
            CoreEvent::Answered { request, answer } => {
                if matches!(answer, Answer::Ended(_)) {
                    self.lose_consumer(node, shard, request);
                }
                match self.nodes[node].sides[shard].requests.remove(&request) {
                    Some(Asked::Object(slot)) if is_void(&answer) => {
                        let open = &mut self.nodes[node].opens[slot];
                        open.is_open = false;
                        self.tasks.retain(|task| !Arc::ptr_eq(&task.slot, &open.slot));
                    }
                    Some(Asked::End) if answer == Answer::Destroyed => self.report.destroyed += 1,
                    Some(Asked::Fresh(slot, begun)) => self.hear_fresh(node, shard, slot, begun, &answer),
                    Some(Asked::Found) => self.found(node, shard, request, &answer),
                    Some(Asked::Joint) => self.joint_answered(node, shard, request, &answer),
                    Some(Asked::Lock(slot)) => self.hear_of_lock(node, shard, slot, request, &answer),
                    Some(Asked::Join(fence)) if answer == Answer::Joined => {
                        self.shards[shard].history.locks.check_shown(fence);
                    }
                    _ => {}
                }
                let is_of = |reading: &&mut Reading| {
                    (reading.node, reading.shown.shard, reading.request) == (node, shard, Some(request))
                };
                if let Some(reading) = self.readings.iter_mut().find(is_of) {
                    reading.answered(&answer);
                }
            }
        }
    }

    /// A fresh read is answered: with what is here, or comes by the same stream.
    fn hear_fresh(&mut self, node: usize, shard: usize, slot: usize, begun: Begun, answer: &Answer) {
        let newest = self.nodes[node].opens[slot].slot.newest();
        if let (Answer::Pulled(version), Ok(Some(newest))) = (answer, newest) {
            assert!(newest.version >= *version, "R5: {version} was promised, {} is known", newest.version);
            self.shards[shard].history.order.see(begun, Token { version: *version, ..newest });
            self.report.fresh += 1;
        }
    }

    /// Reads every slot of a node and holds it against the history.
    fn observe(&mut self, node: usize) {
        let shards = &self.shards;
        let Node { sides, opens, is_old, .. } = &mut self.nodes[node];
        for open in opens.iter().filter(|open| open.is_open) {
            let is_linked = sides[open.shard].core.link() != LinkState::Down;
            assert!(is_linked || !open.slot.is_current(), "F1: node {node} has {} as current", open.key);
        }
        for open in opens.iter_mut().filter(|open| open.is_open && !Self::is_seen(open)) {
            let history = &shards[open.shard].history;
            let guard = match open.slot.inspect() {
                Ok(Some(guard)) => guard,
                Ok(None) => continue,
                Err(Unreadable::Value(_)) => {
                    assert!(*is_old, "node {node} knows everything");
                    self.report.unreadable += u64::from(!std::mem::replace(&mut open.is_unreadable, true));
                    history.check_unreadable(&open.slot);
                    continue;
                }
                Err(_) => {
                    open.is_open = false;
                    open.guard = None;
                    continue;
                }
            };
            self.report.readable_again += u64::from(std::mem::take(&mut open.is_unreadable));
            let now = (guard.birth(), guard.version());
            if open.seen == Some(now) {
                continue;
            }
            if let Some((birth, version)) = open.seen {
                assert!(birth != now.0 || version <= now.1, "I3: {} goes from {version} to {}", open.key, now.1);
            }
            open.seen = Some(now);
            history.check_seen(&format!("node {node}"), guard.token(), &guard);
        }
    }

    fn poll_tasks(&mut self) {
        let mut at = 0;
        while at < self.tasks.len() {
            self.joins += 1;
            let order = self.joins;
            let task = &mut self.tasks[at];
            let history = &mut self.shards[task.shard].history;
            match task.poll(order, &history.order) {
                Outcome::Pending => {
                    at += 1;
                    continue;
                }
                Outcome::Again => {
                    self.report.conflicts += 1;
                    continue;
                }
                Outcome::Full => {
                    assert!(self.report.filled > 0, "no disk was full");
                    self.report.turned_away += 1;
                    continue;
                }
                Outcome::Nothing | Outcome::Ended => {}
                Outcome::Fenced => self.report.fenced_off += 1,
                Outcome::Committed(at, claim) => {
                    history.claim(at, claim);
                    let shown = Shown { shard: task.shard, key: task.slot.name().key.clone(), token: at };
                    if self.dice.one_in(4) {
                        self.remember(shown);
                    }
                }
                Outcome::Unknown(at, claim) => history.orphan(at.birth, claim),
                Outcome::Forgotten(at, claim) => {
                    assert!(self.swarm.is_forgetful(), "W8: an outcome is forgotten before its time");
                    self.report.unremembered += 1;
                    history.orphan(at.birth, claim);
                }
            }
            self.tasks.remove(at);
        }
    }

    fn poll_readings(&mut self) {
        let mut at = 0;
        while at < self.readings.len() {
            let reading = &mut self.readings[at];
            let (node, shown) = (reading.node, reading.shown.clone());
            let side = &mut self.nodes[node].sides[shown.shard];
            let history = &self.shards[shown.shard].history;
            match reading.poll(self.now) {
                Progress::Waiting => {
                    at += 1;
                    continue;
                }
                Progress::Pull => {
                    let request = side.core.pull(reading.slot.id());
                    reading.request = Some(request);
                    side.requests.insert(request, Asked::Newest);
                    at += 1;
                    continue;
                }
                Progress::Shown(guard) => {
                    history.check_kept(&shown, guard.token());
                    history.check_seen(&format!("node {node}, with a token,"), guard.token(), &guard);
                    self.report.kept += 1;
                    let token = guard.token();
                    self.remember(Shown { token, ..shown });
                }
                Progress::Unreadable => history.check_unreadable(&reading.slot),
                Progress::Refused(refusal) => {
                    history.check_refused(&shown, reading.here, refusal);
                    self.report.refused += 1;
                    self.report.lost += u64::from(refusal == Refusal::Lost && history.is_restored());
                }
            }
            self.readings.remove(at);
        }
    }
}

/// Whether an answer says that a slot will never hold what it was made for.
fn is_void(answer: &Answer) -> bool {
    matches!(answer, Answer::Missing | Answer::Exists | Answer::Failed { .. })
}

/// Prints records that leave, one a line, cut short.
fn print_records(now: u64, what: &str, bytes: &[u8], print: impl Fn(RawRecord<'_>) -> String) {
    each_record(bytes, |raw| println!("{now:6} {what}: {}", print(raw).chars().take(260).collect::<String>()));
}
