//! The world: shards, nodes, the network between them, and the application's whims.

use std::sync::Arc;

use bytes::Bytes;
use nam::__private::{Class, Reader, Writer};
use nam::ids::FrameNumber;
use nam::journal::Frame;
use nam::limits::{SEGMENT_BYTES_MAX, STEP_CELLS_MAX, UNCONFIRMED_BYTES_MAX};
use nam::node::{Answer, CoreEvent, Replica, Ring, State};
use nam::repository::{ConnectionId, Rules};
use nam::time::Instant;
use nam::wire::{CloseCode, RawRecord, Records};

use crate::class::Desk;
use crate::dice::Dice;
use crate::disk::Written;
use crate::draw::Draw;
use crate::network::{Agenda, Effects, Event, LinkName};
use crate::node::{Half, Node};
use crate::shard::Shard;
use crate::tasks::{Outcome, Task};

const KEYS: [&str; 3] = ["alice", "bob", "carol"];
const ACTIONS: u64 = 260;
/// Beyond this virtual time after the last action something hangs.
const QUIET_MS: u64 = 60_000;

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) effects: u64,
    pub(crate) commits: u64,
    /// Accepted although they had not seen the newest version, or sent back for it.
    pub(crate) stale_commits: u64,
    pub(crate) conflicts: u64,
    pub(crate) cuts: u64,
    pub(crate) crashes: u64,
    /// Writes of which nobody knows what came.
    pub(crate) failures: u64,
    pub(crate) destroyed: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.effects ^= other.effects;
        self.commits += other.commits;
        self.stale_commits += other.stale_commits;
        self.conflicts += other.conflicts;
        self.cuts += other.cuts;
        self.crashes += other.crashes;
        self.failures += other.failures;
        self.destroyed += other.destroyed;
    }
}

#[derive(Debug)]
pub(crate) struct World {
    dice: Dice,
    now: u64,
    agenda: Agenda,
    effects: Effects,
    shards: Vec<Shard>,
    nodes: Vec<Node>,
    tasks: Vec<Task>,
    actions: u64,
    connections: u64,
    joins: u64,
    delay_max: u64,
    /// Whether every record is printed: `NAM_TRACE=1`, for a seed that failed.
    is_traced: bool,
    report: Report,
}

impl World {
    pub(crate) fn new(seed: u64, rules: Rules) -> Self {
        let mut dice = Dice::new(seed);
        let shards = 1 + dice.index(2);
        let nodes = 2 + dice.index(3);
        let delay_max = [5, 30, 120][dice.index(3)];
        let mut world = Self {
            shards: (0..shards).map(|_| Shard::new(&mut dice, rules)).collect(),
            nodes: (0..nodes).map(|n| Node::new(n as u64, shards)).collect(),
            dice,
            now: 0,
            agenda: Agenda::default(),
            effects: Effects::default(),
            tasks: Vec::new(),
            actions: ACTIONS,
            connections: 0,
            joins: 0,
            delay_max,
            is_traced: std::env::var("NAM_TRACE").is_ok(),
            report: Report::default(),
        };
        for shard in 0..shards {
            world.agenda.plan(500, Event::Tick { shard });
            (0..nodes).for_each(|node| world.agenda.plan(0, Event::Connect { node, shard }));
        }
        world.agenda.plan(1, Event::Act);
        world
    }

    pub(crate) fn run(mut self) -> Report {
        let mut quiet_from = None;
        while let Some((at, event)) = self.agenda.next() {
            self.now = self.now.max(at);
            self.handle(event);
            self.settle();
            if self.actions == 0 {
                let from = *quiet_from.get_or_insert(self.now);
                if self.now > from + QUIET_MS {
                    panic!("I5: no quiet after {QUIET_MS} ms: {}", self.unrest());
                }
                if self.now > from + 1_000 && self.is_quiet() && self.pull_stale() {
                    break;
                }
            }
        }
        self.check_quiet();
        self.report.effects = self.effects.number();
        self.report
    }

    fn delay(&mut self) -> u64 {
        1 + self.dice.below(self.delay_max)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Act => self.act(),
            Event::Work { node, slot } => {
                self.nodes[node].opens[slot].has_work = false;
                self.nodes[node].opens[slot].slot.work();
            }
            Event::Step { shard } => {
                self.shards[shard].has_step = false;
                self.shards[shard].core.poll_work();
            }
            Event::Tick { shard } => {
                self.shards[shard].core.handle_timeout(Instant(self.now));
                self.agenda.plan(self.now + 500, Event::Tick { shard });
            }
            Event::Durable { shard, incarnation, frame } => self.durable(shard, incarnation, frame),
            Event::Connect { node, shard } => self.connect(node, shard),
            Event::Up { link, bytes, is_segment } => self.arrive_up(link, &bytes, is_segment),
            Event::Down { link, bytes, is_segment } => self.arrive_down(link, &bytes, is_segment),
            Event::CutUp { link } => {
                if self.shards[link.shard].links.remove(&link.connection).is_some() {
                    self.shards[link.shard].core.handle_disconnected(Instant(self.now), link.connection);
                }
            }
            Event::CutDown { link } => self.disconnect_node(link),
        }
    }

    fn connect(&mut self, node: usize, shard: usize) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let side = &mut self.nodes[node].sides[shard];
        side.is_connecting = false;
        side.link = Some(Half { connection, up_at: self.now, down_at: self.now });
        side.core.handle_connected();
        self.shards[shard].links.insert(connection, node);
        self.shards[shard].core.handle_connected(Instant(self.now), connection);
    }

    fn disconnect_node(&mut self, link: LinkName) {
        let side = &mut self.nodes[link.node].sides[link.shard];
        if side.link.as_ref().is_some_and(|half| half.connection == link.connection) {
            side.link = None;
            side.core.handle_disconnected();
            self.reconnect_later(link.node, link.shard);
        }
    }

    fn reconnect_later(&mut self, node: usize, shard: usize) {
        let side = &mut self.nodes[node].sides[shard];
        if !std::mem::replace(&mut side.is_connecting, true) {
            let at = self.now + 1 + self.dice.below(60);
            self.agenda.plan(at, Event::Connect { node, shard });
        }
    }

    /// Both sides lose the link, each when it notices; what is under way is lost.
    fn cut(&mut self, node: usize, shard: usize) {
        let Some(half) = &self.nodes[node].sides[shard].link else { return };
        let link = LinkName { node, shard, connection: half.connection };
        self.report.cuts += 1;
        self.disconnect_node(link);
        let at = self.now + self.dice.below(150);
        self.agenda.plan(at, Event::CutUp { link });
    }

    fn arrive_up(&mut self, link: LinkName, bytes: &Bytes, is_segment: bool) {
        let shard = &mut self.shards[link.shard];
        if !shard.links.contains_key(&link.connection) {
            return;
        }
        if is_segment {
            shard.core.handle_segment(Instant(self.now), link.connection, bytes);
        } else {
            shard.core.handle_records(Instant(self.now), link.connection, bytes);
        }
    }

    fn arrive_down(&mut self, link: LinkName, bytes: &Bytes, is_segment: bool) {
        let side = &mut self.nodes[link.node].sides[link.shard];
        if side.link.as_ref().is_none_or(|half| half.connection != link.connection) {
            return;
        }
        let answer = if is_segment { side.core.handle_segment(bytes) } else { side.core.handle_records(bytes) };
        if let Err(violation) = answer {
            panic!("I4: node {} finds a violation at {} ms: {violation}", link.node, self.now);
        }
    }

    fn durable(&mut self, at: usize, incarnation: u64, frame: FrameNumber) {
        let shard = &mut self.shards[at];
        if shard.incarnation != incarnation {
            return;
        }
        match shard.write(&mut self.dice) {
            Written::Durable(written) => {
                assert_eq!(written, frame);
                shard.core.handle_durable(Instant(self.now), frame);
            }
            Written::InDoubt => {
                self.report.failures += 1;
                shard.core.handle_append_failed(Instant(self.now));
                self.settle_shard(at);
                self.crash(at);
            }
        }
    }

    fn crash(&mut self, at: usize) {
        self.report.crashes += 1;
        let links = std::mem::take(&mut self.shards[at].links);
        self.shards[at].crash(self.now, &mut self.dice);
        for (connection, node) in links {
            let after = self.delay();
            self.agenda.plan(self.now + after, Event::CutDown { link: LinkName { node, shard: at, connection } });
        }
    }

    /// Lets every core say what it has to say, until none has.
    fn settle(&mut self) {
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
    }

    fn settle_shard(&mut self, at: usize) {
        let now = self.now;
        let shard = &mut self.shards[at];
        while let Some(append) = shard.core.poll_append() {
            let (frame, _) = Frame::decode(&append.frame.bytes).unwrap();
            self.effects.add(now, 1, &append.frame.bytes);
            shard.history.take(&frame);
            shard.check_documents();
            let (incarnation, frame) = (shard.incarnation, append.frame.name.number);
            let written_at = shard.plan_write(append, now, &mut self.dice);
            self.agenda.plan(written_at, Event::Durable { shard: at, incarnation, frame });
        }
        while let Some(connection) = self.shards[at].core.poll_wake() {
            self.send_down(at, connection);
        }
        let shard = &mut self.shards[at];
        while let Some(close) = shard.core.poll_close() {
            let is_rightful = matches!(close.code, CloseCode::Superseded | CloseCode::Slow | CloseCode::Stopped);
            assert!(is_rightful, "the repository closes a link: {} {}", close.code, close.text);
            if let Some(node) = shard.links.remove(&close.connection) {
                let link = LinkName { node, shard: at, connection: close.connection };
                self.agenda.plan(now + 1, Event::CutDown { link });
            }
        }
        let done = shard.core.work_done();
        assert!(done.cells <= 2 * STEP_CELLS_MAX, "a call visits {} cells", done.cells);
        assert!(done.bytes <= 3 * SEGMENT_BYTES_MAX, "a call moves {} bytes", done.bytes);
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
        assert!(shard.core.record_bytes(connection) <= 2 * UNCONFIRMED_BYTES_MAX, "I12: the records of node {node}");
        let segments: Vec<_> = std::iter::from_fn(|| shard.core.poll_segment(connection)).collect();
        if self.is_traced {
            print_records(self.now, &format!("shard {at} to node {node} by {connection:?}"), &bytes, |raw| {
                format!("{:?}", nam::wire::ToNode::decode(raw))
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
                } else if let Err(violation) = self.nodes[node].sides[shard].core.handle_ring(replica, ring) {
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
        let segments: Vec<_> = std::iter::from_fn(|| side.core.poll_segment()).collect();
        let events: Vec<_> = std::iter::from_fn(|| side.core.poll_event()).collect();
        if let Some(connection) = side.link.as_ref().map(|half| half.connection) {
            let link = LinkName { node, shard: at, connection };
            if self.is_traced {
                print_records(now, &format!("node {node} to shard {at} by {connection:?}"), &bytes, |raw| {
                    format!("{:?}", nam::wire::ToRepository::decode(raw))
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
            CoreEvent::SchemaRefused { text, .. } => panic!("the schema was refused: {text}"),
            CoreEvent::Answered { request, answer } => {
                let Some(slot) = self.nodes[node].sides[shard].requests.remove(&request) else { return };
                match answer {
                    Answer::Missing | Answer::Exists | Answer::Failed { .. } => {
                        let open = &mut self.nodes[node].opens[slot];
                        open.is_open = false;
                        self.tasks.retain(|task| !Arc::ptr_eq(&task.slot, &open.slot));
                    }
                    Answer::Destroyed => self.report.destroyed += 1,
                    _ => {}
                }
            }
        }
    }

    /// Reads every slot of a node and holds it against the history.
    fn observe(&mut self, node: usize) {
        let shards = &self.shards;
        for open in self.nodes[node].opens.iter_mut().filter(|open| open.is_open) {
            let Ok(guard) = open.slot.peek() else {
                open.is_open = false;
                open.guard = None;
                continue;
            };
            let Some(guard) = guard else { continue };
            let now = (guard.birth(), guard.version());
            if open.seen == Some(now) {
                continue;
            }
            if let Some((birth, version)) = open.seen {
                assert!(birth != now.0 || version <= now.1, "I3: {} goes from {version} to {}", open.key, now.1);
            }
            open.seen = Some(now);
            let history = &shards[open.shard].history;
            history.check_seen(&format!("node {node}"), now.0, now.1, &guard);
        }
    }

    fn poll_tasks(&mut self) {
        let mut at = 0;
        while at < self.tasks.len() {
            self.joins += 1;
            let order = self.joins;
            let task = &mut self.tasks[at];
            let history = &mut self.shards[task.shard].history;
            match task.poll(order) {
                Outcome::Pending => {
                    at += 1;
                    continue;
                }
                Outcome::Again => {
                    self.report.conflicts += 1;
                    continue;
                }
                Outcome::Nothing => {}
                Outcome::Committed(birth, version, claim) => {
                    if history.objects.contains_key(&birth) {
                        history.claim(birth, version, claim);
                    }
                }
                Outcome::Unknown(birth) => birth.into_iter().for_each(|birth| history.taint(birth)),
            }
            self.tasks.remove(at);
        }
    }

    /// The application does something.
    fn act(&mut self) {
        if self.actions == 0 {
            return;
        }
        self.actions -= 1;
        let at = self.now + self.dice.below(9);
        self.agenda.plan(at, Event::Act);
        let (node, shard) = (self.dice.index(self.nodes.len()), self.dice.index(self.shards.len()));
        match self.dice.below(100) {
            0 | 1 => return self.cut(node, shard),
            2 if self.dice.one_in(3) => return self.crash(shard),
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
        let replica = self.nodes[node].replica(slot);
        let request = if self.dice.one_in(2) {
            let value = Desk::draw(&mut self.dice);
            let mut w = Writer::new();
            value.encode_root(&mut w);
            let body = w.into_bytes();
            let schema = Desk::schema();
            let pieces = nam::delta::cut(&schema, &body, SEGMENT_BYTES_MAX / 8).map(|piece| piece.unwrap().into());
            let pieces: Vec<Bytes> = pieces.collect();
            self.nodes[node].opens[slot].slot.draft(value, body.len());
            self.nodes[node].sides[shard].core.create(replica, pieces, nam::Expiry::NEVER)
        } else {
            self.nodes[node].sides[shard].core.open(replica)
        };
        self.nodes[node].sides[shard].requests.insert(request, slot);
    }

    fn use_slot(&mut self, node: usize, slot: usize) {
        let Node { sides, opens } = &mut self.nodes[node];
        let open = &mut opens[slot];
        let (shard, id) = (open.shard, open.slot.id());
        let core = &mut sides[shard].core;
        // An object is given up or dropped only when no answer about it is under way.
        let is_settled = core.unanswered() == 0 && matches!(open.slot.state(), State::Current | State::Stale);
        match self.dice.below(40) {
            0 => {
                let request = core.destroy(id);
                sides[shard].requests.insert(request, slot);
            }
            1 if is_settled => {
                core.release(id);
                open.is_open = false;
            }
            2 if is_settled => {
                core.evict(id);
            }
            3 if is_settled => {
                core.pull(id);
            }
            4..7 => {
                if let Ok(Some(guard)) = open.slot.peek() {
                    let copy = Desk::clone(&guard);
                    open.guard = Some((guard, copy));
                }
            }
            7..10 => {
                if let Some((guard, copy)) = open.guard.take() {
                    assert_eq!(*guard, copy, "I13: a value changed under its guard");
                }
            }
            10 => {
                let _ = open.slot.current();
            }
            _ => {
                let slot = Arc::clone(&open.slot);
                for _ in 0..=self.dice.below(2) {
                    self.tasks.push(Task::new(shard, &slot, &mut self.dice));
                }
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        for node in &mut self.nodes {
            node.opens.iter_mut().for_each(|open| open.guard = None);
        }
        let is_idle = |node: &Node| {
            node.sides.iter().all(|side| {
                side.link.is_some()
                    && side.core.link() == nam::node::LinkState::Ready
                    && side.core.unsettled() == 0
                    && side.core.unanswered() == 0
            })
        };
        self.agenda.is_quiet()
            && self.tasks.is_empty()
            && self.nodes.iter().all(is_idle)
            && self.shards.iter().all(|shard| shard.appending.is_empty() && !shard.has_step)
    }

    /// What is not quiet.
    fn unrest(&self) -> String {
        let mut unrest = String::new();
        for (n, node) in self.nodes.iter().enumerate() {
            for side in &node.sides {
                let core = &side.core;
                unrest += &format!("node {n} {:?} {} {}; ", core.link(), core.unsettled(), core.unanswered());
            }
            for open in node.opens.iter().filter(|open| open.is_open) {
                let guard = open.slot.peek().ok().flatten().map(|guard| guard.version());
                let newest = open.slot.newest().ok().flatten().map(|(_, version)| version);
                let (key, state) = (&open.key, open.slot.state());
                unrest += &format!("{key} {state:?} {guard:?} of {newest:?} work {}; ", open.has_work);
            }
        }
        for task in &self.tasks {
            unrest += &format!("{task:?}; ");
        }
        unrest
    }

    /// Has every replica that is not current asked for; answers whether all are.
    fn pull_stale(&mut self) -> bool {
        let mut is_current = true;
        for node in &mut self.nodes {
            for open in node.opens.iter().filter(|open| open.is_open) {
                let state = open.slot.state();
                if matches!(state, State::Stale | State::Shell | State::Unverified | State::Loading) {
                    is_current = false;
                    if matches!(state, State::Stale | State::Shell) {
                        node.sides[open.shard].core.pull(open.slot.id());
                    }
                }
            }
        }
        is_current
    }

    /// The world is quiet: everybody has the newest, and nothing is left that nobody did.
    fn check_quiet(&mut self) {
        for (n, node) in self.nodes.iter().enumerate() {
            for open in node.opens.iter().filter(|open| open.is_open) {
                let history = &self.shards[open.shard].history;
                let Ok(Some(guard)) = open.slot.peek() else { continue };
                let (birth, version) = (guard.birth(), guard.version());
                assert_eq!(open.slot.state(), State::Current, "I5: node {n} with {}", open.key);
                let head = history.head(birth);
                let Some((head, value)) = head else { panic!("I11: node {n} holds {}, which is destroyed", open.key) };
                assert_eq!(version, head, "I5: node {n} is current and old with {}", open.key);
                assert_eq!(*guard, *value, "I2: node {n} at the head of {}", open.key);
            }
        }
        for shard in &mut self.shards {
            let living: Vec<_> =
                shard.history.objects.iter().map(|(birth, object)| (*birth, object.key.clone())).collect();
            for (birth, key) in living {
                let Some((version, value)) = shard.history.head(birth) else { continue };
                let seen = shard.core.inspect(Desk::NAME, &key).unwrap_or_else(|| panic!("I2: {key} is not there"));
                assert_eq!((seen.birth, seen.version), (birth, version), "I1: the head of {key}");
                let document = Desk::decode_root(Reader::new(&seen.value)).unwrap();
                assert_eq!(document, *value, "I2: the document of {key} at {version}");
            }
            shard.history.check_claims();
            self.report.commits += shard.history.commits;
            self.report.stale_commits += shard.history.stale_commits;
        }
        self.report.stale_commits += self.report.conflicts;
        self.report.commits += self.report.conflicts;
    }
}

/// Prints records that leave, one a line, cut short.
fn print_records(now: u64, what: &str, bytes: &[u8], print: impl Fn(RawRecord<'_>) -> String) {
    let mut records = Records::new();
    records.push(bytes);
    while let Ok(Some(raw)) = records.next() {
        println!("{now:6} {what}: {}", print(raw).chars().take(150).collect::<String>());
    }
}
