//! The world: shards, nodes, the network between them, and what happens to them.
//!
//! What everybody says then stands in `settle`, what the application does in `whims`, how it must end in `quiet`.

use bytes::Bytes;
use nam::ids::FrameNumber;
use nam::node::Replica;
use nam::repository::ConnectionId;

use crate::class::of_version;
use crate::clock::Clock;
use crate::dice::Dice;
use crate::disk::Written;
use crate::finds::Finding;
use crate::groups::{Grouping, Joining};
use crate::locks::Grant;
use crate::network::{Agenda, Effects, Event, LinkName};
use crate::node::{Half, Node};
use crate::readings::{Reading, Shown};
use crate::shard::Shard;
use crate::swarm::{Mutant, Swarm};
use crate::tasks::Task;
use crate::windows::{Collapsed, SegmentWindow};

const ACTIONS: u64 = 320;
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
    /// How often a disk was full, and updates that were refused for it.
    pub(crate) filled: u64,
    pub(crate) turned_away: u64,
    pub(crate) destroyed: u64,
    /// How often a node stopped reading, and how often it was given up for that.
    pub(crate) pauses: u64,
    pub(crate) slow: u64,
    pub(crate) collapsed: Collapsed,
    /// How often a transfer waited for its node with as many segments as may be unconfirmed.
    pub(crate) full_windows: u64,
    /// Reads with a token that showed what was promised, and those that said why not.
    pub(crate) kept: u64,
    pub(crate) refused: u64,
    /// How often a shard came back from a backup, and tokens that were refused for what that lost.
    pub(crate) restored: u64,
    pub(crate) lost: u64,
    /// Values that nodes dropped to keep within their budgets.
    pub(crate) shed: u64,
    /// What watches of a part of an object told.
    pub(crate) watched: u64,
    /// Groups that took effect, and joint reads that showed several objects.
    pub(crate) grouped: u64,
    pub(crate) joint: u64,
    /// Objects that were found by their title.
    pub(crate) found: u64,
    /// Objects that ended by themselves, and how often nodes told of use.
    pub(crate) expired: u64,
    pub(crate) touches: u64,
    /// Locks that nodes were told to have, waits that ended in vain, updates that a lost lock did not let through.
    pub(crate) locked: u64,
    pub(crate) waited_in_vain: u64,
    pub(crate) fenced_off: u64,
    /// Events that consumers were told, and those that their groups had been told before.
    pub(crate) told: u64,
    pub(crate) told_again: u64,
    /// Consumers whose group was ended.
    pub(crate) groups_ended: u64,
    /// Updates whose outcome the repository had forgotten.
    pub(crate) unremembered: u64,
    /// Nodes that ended, with and without a goodbye.
    pub(crate) left: u64,
    /// Images and tombstones put in force, documents brought to memory, cuts of the journal.
    pub(crate) imaged: u64,
    /// Images that wrote no page.
    pub(crate) tails: u64,
    pub(crate) loaded: u64,
    pub(crate) forgotten: u64,
    /// Values that an old node could not read, and those that it could again.
    pub(crate) unreadable: u64,
    pub(crate) readable_again: u64,
    /// How often nodes told that what was pushed was read.
    pub(crate) reads_told: u64,
    /// Fresh reads that were answered.
    pub(crate) fresh: u64,
    /// How often a commit waited because somebody went first.
    pub(crate) made_way: u64,
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
        self.filled += other.filled;
        self.turned_away += other.turned_away;
        self.destroyed += other.destroyed;
        self.pauses += other.pauses;
        self.slow += other.slow;
        self.collapsed.merged += other.collapsed.merged;
        self.collapsed.notices += other.collapsed.notices;
        self.full_windows += other.full_windows;
        self.kept += other.kept;
        self.refused += other.refused;
        self.restored += other.restored;
        self.lost += other.lost;
        self.shed += other.shed;
        self.watched += other.watched;
        self.grouped += other.grouped;
        self.joint += other.joint;
        self.found += other.found;
        self.expired += other.expired;
        self.touches += other.touches;
        self.locked += other.locked;
        self.waited_in_vain += other.waited_in_vain;
        self.fenced_off += other.fenced_off;
        self.told += other.told;
        self.told_again += other.told_again;
        self.groups_ended += other.groups_ended;
        self.unremembered += other.unremembered;
        self.left += other.left;
        self.imaged += other.imaged;
        self.tails += other.tails;
        self.loaded += other.loaded;
        self.forgotten += other.forgotten;
        self.unreadable += other.unreadable;
        self.readable_again += other.readable_again;
        self.reads_told += other.reads_told;
        self.made_way += other.made_way;
        self.fresh += other.fresh;
    }

    /// Whether many seeds together did what they are for.
    pub(crate) fn check_draws(&self) {
        assert!(self.stale_commits * 10 >= self.commits * 3, "too few commits meet others: {self:?}");
        let collapsed = [self.slow, self.collapsed.merged, self.collapsed.notices, self.full_windows];
        assert!(collapsed.iter().all(|count| *count > 0), "too few nodes are slow: {self:?}");
        assert!(self.found > 0, "nothing is found: {self:?}");
        assert!(self.filled > 0 && self.turned_away > 0, "too few disks are full: {self:?}");
        assert!(self.grouped > 0 && self.joint > 0, "too few groups: {self:?}");
        assert!(self.kept > 0 && self.refused > 0, "too few tokens are read: {self:?}");
        assert!(self.restored > 0 && self.lost > 0, "too little is lost by restores: {self:?}");
        let imaged = [self.imaged, self.tails, self.loaded, self.forgotten];
        assert!(imaged.iter().all(|count| *count > 0), "too little is imaged: {self:?}");
        assert!(self.unreadable > 0 && self.readable_again > 0, "too little is unreadable: {self:?}");
        assert!(self.watched > 0, "too little is watched: {self:?}");
        assert!(self.shed > 100, "too little memory is short: {self:?}");
        assert!(self.reads_told > 0, "too few nodes read what is pushed: {self:?}");
        assert!(self.fresh > 100, "too few reads are fresh: {self:?}");
        assert!(self.made_way > 0, "nobody goes first: {self:?}");
        assert!(self.unremembered > 0, "no outcome is forgotten: {self:?}");
        assert!(self.expired > 0 && self.touches > 0, "too few objects expire: {self:?}");
        assert!(self.groups_ended > 0, "no group is ended: {self:?}");
        assert!(self.told > 0 && self.told_again > 0, "too few events are told: {self:?}");
        let locks = [self.locked, self.waited_in_vain, self.fenced_off, self.left];
        assert!(locks.iter().all(|count| *count > 0), "too few locks are waited for, had and lost: {self:?}");
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) swarm: Swarm,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) now: u64,
    pub(crate) agenda: Agenda,
    pub(crate) effects: Effects,
    pub(crate) shards: Vec<Shard>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) groupings: Vec<Grouping>,
    pub(crate) joinings: Vec<Joining>,
    pub(crate) finds: Vec<Finding>,
    /// What was shown lately, anywhere.
    pub(crate) tokens: Vec<Shown>,
    /// What was committed or read lately, likewise.
    pub(crate) lately: Vec<Shown>,
    /// What nodes were told to have the locks of, the newest last.
    pub(crate) grants: Vec<Grant>,
    pub(crate) actions: u64,
    connections: u64,
    pub(crate) processes: u64,
    pub(crate) joins: u64,
    /// Whether every record is printed: `NAM_TRACE=1`, for a seed that failed.
    pub(crate) is_traced: bool,
    pub(crate) report: Report,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut dice = Dice::new(seed);
        let shards = 1 + dice.index(2);
        let nodes = 2 + dice.index(3);
        #[cfg_attr(not(feature = "mutants"), expect(unused_mut, reason = "faults are made with that feature only"))]
        let mut swarm = Swarm::draw(&mut dice);
        #[cfg(feature = "mutants")]
        (swarm.caps.tuning.tail_fault = Mutant::tail_fault(mutant));
        let rules = Mutant::rules(mutant);
        let mut world = Self {
            shards: (0..shards).map(|_| Shard::new(&mut dice, swarm.caps, swarm.images, rules)).collect(),
            nodes: (0..nodes as u64)
                // Their clocks differ by days.
                .map(|n| (n, Clock::draw(&mut dice, n * 100_000_007)))
                .map(|(n, clock)| Node::new(n, n == 0 && swarm.has_old, shards, (&swarm, mutant), clock))
                .collect(),
            dice,
            swarm,
            mutant,
            now: 0,
            agenda: Agenda::default(),
            effects: Effects::default(),
            tasks: Vec::new(),
            readings: Vec::new(),
            groupings: Vec::new(),
            joinings: Vec::new(),
            finds: Vec::new(),
            tokens: Vec::new(),
            lately: Vec::new(),
            actions: ACTIONS,
            grants: Vec::new(),
            connections: 0,
            processes: 0,
            joins: 0,
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
                self.take_events();
                if self.now > from + QUIET_MS {
                    panic!("I5: no quiet after {QUIET_MS} ms: {}", self.unrest());
                }
                if self.now > from + 1_000 && self.is_quiet() && self.pull_stale() {
                    break;
                }
            }
        }
        self.check_quiet();
        self.check_budgets();
        for node in std::mem::take(&mut self.nodes) {
            let memory = std::sync::Arc::clone(&node.memory);
            drop(node);
            assert_eq!(memory.used(), 0, "V1: what nobody has is counted");
        }
        self.report.effects = self.effects.number();
        self.report
    }

    pub(crate) fn delay(&mut self) -> u64 {
        1 + self.dice.below(self.swarm.delay_max)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Act => self.act(),
            Event::Work { node, slot } => {
                let Node { opens, is_old, .. } = &mut self.nodes[node];
                opens[slot].has_work = false;
                of_version(*is_old, || opens[slot].slot.work());
            }
            Event::Step { shard } => {
                self.shards[shard].has_step = false;
                self.shards[shard].core.poll_work();
                self.shards[shard].note_read();
            }
            Event::Tick { shard } => {
                let Shard { core, clock, .. } = &mut self.shards[shard];
                core.handle_timeout(clock.at(self.now));
                for node in &mut self.nodes {
                    node.sides[shard].core.handle_timeout(node.clock.at(self.now));
                }
                self.agenda.plan(self.now + 500, Event::Tick { shard });
            }
            Event::Due { shard } => {
                let Shard { core, clock, is_due_planned, .. } = &mut self.shards[shard];
                *is_due_planned = false;
                core.handle_timeout(clock.at(self.now));
            }
            Event::Imaged { shard, incarnation } => self.imaged(shard, incarnation),
            Event::Loaded { shard, incarnation } => self.loaded(shard, incarnation),
            Event::Cut { shard, incarnation } => self.forgotten(shard, incarnation),
            Event::Durable { shard, incarnation, frame } => self.durable(shard, incarnation, frame),
            Event::Connect { node, shard } => self.connect(node, shard),
            Event::Up { link, bytes, is_segment } => self.arrive_up(link, &bytes, is_segment),
            Event::Down { link, bytes, is_segment } => self.arrive_down(link, &bytes, is_segment),
            Event::CutUp { link } => {
                let Shard { core, clock, links, .. } = &mut self.shards[link.shard];
                if links.remove(&link.connection).is_some() {
                    core.handle_disconnected(clock.at(self.now), link.connection);
                }
            }
            Event::CutDown { link } => self.disconnect_node(link),
            Event::Room { shard } => {
                self.shards[shard].is_full = false;
                let Shard { core, clock, .. } = &mut self.shards[shard];
                core.handle_room(clock.at(self.now), true);
            }
            Event::Read { node, shard } => self.read_on(node, shard),
        }
    }

    fn connect(&mut self, node: usize, shard: usize) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let side = &mut self.nodes[node].sides[shard];
        side.is_connecting = false;
        side.link = Some(Half { connection, up_at: self.now, down_at: self.now });
        side.core.handle_connected();
        let Shard { core, clock, links, windows, .. } = &mut self.shards[shard];
        links.insert(connection, node);
        windows.insert(connection, SegmentWindow::default());
        core.handle_connected(clock.at(self.now), connection);
    }

    fn disconnect_node(&mut self, link: LinkName) {
        let side = &mut self.nodes[link.node].sides[link.shard];
        if side.link.as_ref().is_some_and(|half| half.connection == link.connection) {
            side.link = None;
            side.unread.clear();
            side.core.handle_disconnected();
            self.forget_reads(link.node, link.shard);
            self.reconnect_later(link.node, link.shard);
        }
    }

    pub(crate) fn reconnect_later(&mut self, node: usize, shard: usize) {
        let side = &mut self.nodes[node].sides[shard];
        if !std::mem::replace(&mut side.is_connecting, true) {
            let at = self.now + 1 + self.dice.below(60);
            self.agenda.plan(at, Event::Connect { node, shard });
        }
    }

    /// Both sides lose the link, each when it notices; what is under way is lost.
    pub(crate) fn cut(&mut self, node: usize, shard: usize) {
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
            shard.core.handle_segment(shard.clock.at(self.now), link.connection, bytes);
        } else {
            shard.windows.entry(link.connection).or_default().confirm(bytes);
            self.report.reads_told += shard.holdings.entry(link.connection).or_default().take(bytes);
            shard.note_locks(link.connection, bytes);
            shard.core.handle_records(shard.clock.at(self.now), link.connection, bytes);
            shard.note_read();
            self.note_touches(link.shard, bytes);
        }
    }

    fn arrive_down(&mut self, link: LinkName, bytes: &Bytes, is_segment: bool) {
        let side = &mut self.nodes[link.node].sides[link.shard];
        if side.link.as_ref().is_none_or(|half| half.connection != link.connection) {
            return;
        }
        side.unread.push_back((bytes.clone(), is_segment));
        if !side.is_paused {
            self.take_unread(link.node, link.shard);
        }
    }

    /// A node takes what arrived.
    fn take_unread(&mut self, node: usize, shard: usize) {
        let Node { sides, is_old, .. } = &mut self.nodes[node];
        let side = &mut sides[shard];
        while let Some((bytes, is_segment)) = side.unread.pop_front() {
            let core = &mut side.core;
            let answer = of_version(*is_old, || match is_segment {
                true => core.handle_segment(&bytes),
                false => core.handle_records(&bytes),
            });
            if let Err(violation) = answer {
                panic!("I4: node {node} finds a violation at {} ms: {violation}", self.now);
            }
        }
    }

    /// A node stops reading: what it is sent waits, and nothing of it is confirmed.
    pub(crate) fn pause(&mut self, node: usize, shard: usize) {
        let side = &mut self.nodes[node].sides[shard];
        if !std::mem::replace(&mut side.is_paused, true) {
            self.report.pauses += 1;
            self.forget_reads(node, shard);
            let at = self.now + self.swarm.pause(&mut self.dice);
            self.agenda.plan(at, Event::Read { node, shard });
        }
    }

    fn read_on(&mut self, node: usize, shard: usize) {
        self.nodes[node].sides[shard].is_paused = false;
        self.take_unread(node, shard);
    }

    fn durable(&mut self, at: usize, incarnation: u64, frame: FrameNumber) {
        let shard = &mut self.shards[at];
        if shard.incarnation != incarnation {
            return;
        }
        match shard.write(&mut self.dice) {
            Written::Durable(written) => {
                assert_eq!(written, frame);
                shard.core.handle_durable(shard.clock.at(self.now), frame);
            }
            Written::InDoubt => {
                self.report.failures += 1;
                shard.core.handle_append_failed(shard.clock.at(self.now));
                self.settle_shard(at);
                self.crash(at);
            }
        }
    }

    /// A shard comes back from its backup, if it has one.
    pub(crate) fn restore(&mut self, at: usize) {
        if self.shards[at].plan_restore() {
            self.report.restored += 1;
            self.crash(at);
        }
    }

    pub(crate) fn crash(&mut self, at: usize) {
        self.report.crashes += 1;
        let links = std::mem::take(&mut self.shards[at].links);
        self.shards[at].crash(self.now, &mut self.dice);
        for (connection, node) in links {
            let after = self.delay();
            self.agenda.plan(self.now + after, Event::CutDown { link: LinkName { node, shard: at, connection } });
        }
    }
}
