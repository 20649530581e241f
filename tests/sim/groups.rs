//! Groups under way: commits of several objects that must be all or nothing, and reads that must show one time (W7).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::__private::Tracked;
use nam::ids::{Fence, RequestId, Token};
use nam::node::{
    AloneTurn, Answer, Guard, Mark, Replica, ReplicaId, Reservation, Settled, Slot, Step, Steps, Ticket, Unreadable,
};
use nam::wire::FailureCode;

use crate::class::{Desk, of_version};
use crate::dice::Dice;
use crate::draw::Draw;
use crate::guards::Part;
use crate::history::{Claim, History};
use crate::node::Asked;
use crate::order::Order;
use crate::world::World;

/// One object of a group.
#[derive(Debug)]
struct Member {
    slot: Arc<Slot<Desk>>,
    seed: u64,
    fence: Option<Fence>,
    required: Vec<Part>,
    turn: Option<AloneTurn<Desk>>,
    /// The object that it was run on, at whatever version.
    object: Option<Token>,
    steps: Option<Steps>,
    claim: Option<Claim>,
    reservation: Option<Reservation<Desk>>,
    ticket: Option<Ticket>,
}

/// A commit of several objects of one shard on one node.
#[derive(Debug)]
pub(crate) struct Grouping {
    node: usize,
    shard: usize,
    is_old: bool,
    /// By the order of their replicas.
    members: Vec<Member>,
}

/// What became of a group.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    /// It left nothing, and somebody may try again.
    Nothing,
    /// All of it is in tickets.
    Departed,
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Member {
    fn new(slot: &Arc<Slot<Desk>>, fence: Option<Fence>, dice: &mut Dice) -> Self {
        let seed = dice.next();
        let required = Part::draw_some(&mut Dice::new(seed.wrapping_add(1)));
        Self {
            slot: Arc::clone(slot),
            seed,
            fence,
            required,
            turn: Some(slot.queue_alone()),
            object: None,
            steps: None,
            claim: None,
            reservation: None,
            ticket: None,
        }
    }

    /// Runs the closure once.
    fn run(&mut self, order: u64, answered: &Order) -> Fate {
        let Ok(mut steps) = self.slot.begin() else { return Fate::Nothing };
        if let Some(fence) = self.fence {
            steps.fence(fence);
        }
        if let Ok(Some(newest)) = self.slot.newest() {
            self.object = Some(newest);
        }
        let (seed, required, mut seen) = (self.seed, &self.required, None);
        let mut closure = |desk: &mut Desk, changes: &mut <Desk as Tracked>::Changes| {
            let before = desk.clone();
            let mut dice = Dice::new(seed);
            required.iter().for_each(|part| part.require(desk.track(changes)));
            // Some only require.
            for _ in 0..dice.below(4) {
                Desk::change(desk.track(changes), &mut dice);
            }
            seen = Some((before, desk.clone()));
            Ok::<(), ()>(())
        };
        match self.slot.poll_step(&mut steps, &context(), &mut closure) {
            Poll::Pending => Fate::Waiting,
            Poll::Ready(Step::Unchanged(..)) => {
                let (before, after) = seen.unwrap();
                let (begun, required) = (answered.begin(self.object.unwrap()), self.required.clone());
                self.claim = Some(Claim { order, begun, before, after, required });
                self.steps = Some(steps);
                Fate::Departed
            }
            Poll::Ready(Step::Ended(_) | Step::Unreadable(_)) => Fate::Nothing,
            Poll::Ready(step) => panic!("a step of a group ended as {step:?}"),
        }
    }

    /// Whether the slot is kept for the group.
    fn reserve(&mut self) -> Fate {
        match self.slot.poll_reserve(&context()) {
            Poll::Pending => Fate::Waiting,
            Poll::Ready(Err(_)) => Fate::Nothing,
            Poll::Ready(Ok(reservation)) => {
                self.reservation = Some(reservation);
                Fate::Departed
            }
        }
    }
}

impl Grouping {
    /// Goes on as far as it can; `Departed` when all of it is in flight or was.
    fn poll(&mut self, order: &mut u64, answered: &Order) -> Fate {
        let is_old = self.is_old;
        for member in self.members.iter_mut().filter(|member| member.steps.is_none() && member.ticket.is_none()) {
            *order += 1;
            match of_version(is_old, || member.run(*order, answered)) {
                Fate::Departed => {}
                fate => return fate,
            }
        }
        for member in self.members.iter_mut().filter(|member| member.steps.is_some() && member.reservation.is_none()) {
            match member.reserve() {
                Fate::Departed => {}
                fate => return fate,
            }
        }
        Fate::Departed
    }
}

impl World {
    /// The application changes several objects at once.
    pub(crate) fn begin_group(&mut self, node: usize, shard: usize) {
        let slots = self.some_slots(node, shard);
        if slots.len() < 2 {
            return;
        }
        let members = slots.iter().map(|slot| {
            let fence = self.some_fence(shard, slot);
            Member::new(slot, fence, &mut self.dice)
        });
        let members = members.collect();
        let is_old = self.nodes[node].is_old;
        self.groupings.push(Grouping { node, shard, is_old, members });
    }

    /// Two or three open objects of a shard, by the order of their replicas.
    fn some_slots(&mut self, node: usize, shard: usize) -> Vec<Arc<Slot<Desk>>> {
        let opens = self.nodes[node].opens.iter().filter(|open| open.is_open && open.shard == shard);
        let opens = opens.filter(|open| matches!(open.slot.newest(), Ok(Some(_))));
        let mut slots: Vec<_> = opens.map(|open| Arc::clone(&open.slot)).collect();
        if slots.len() > 2 && self.dice.one_in(2) {
            slots.remove(self.dice.index(slots.len()));
        }
        slots.sort_by_key(|slot| slot.id());
        slots
    }

    pub(crate) fn poll_groups(&mut self) {
        let mut at = 0;
        while at < self.groupings.len() {
            let grouping = &mut self.groupings[at];
            let fate = grouping.poll(&mut self.joins, &self.shards[grouping.shard].history.order);
            match fate {
                Fate::Waiting => {
                    at += 1;
                    continue;
                }
                Fate::Departed if self.has_departed(at) => {}
                Fate::Departed => {
                    at += 1;
                    continue;
                }
                Fate::Nothing => {}
            }
            self.groupings.remove(at);
        }
    }

    /// Sends a group whose slots are all kept for it, and hears of one that was sent; answers whether it is over.
    fn has_departed(&mut self, at: usize) -> bool {
        let Self { groupings, nodes, .. } = self;
        let Grouping { node, shard, members, .. } = &mut groupings[at];
        if members.iter().any(|member| member.reservation.is_some()) {
            let is_standing = |member: &mut Member| {
                let steps = member.steps.as_mut().unwrap();
                member.reservation.as_mut().unwrap().check(steps)
            };
            if !members.iter_mut().all(is_standing) {
                return true;
            }
            let parts = members.iter_mut().filter_map(|member| {
                member.turn = None;
                let (reservation, steps) = (member.reservation.take().unwrap(), member.steps.take().unwrap());
                if steps.is_empty() {
                    return None;
                }
                let (outgoing, ticket) = reservation.depart(steps);
                member.ticket = Some(ticket);
                Some((Arc::clone(&member.slot) as Arc<dyn Replica>, outgoing))
            });
            let parts: Vec<_> = parts.collect();
            members.retain(|member| member.ticket.is_some());
            let is_empty = parts.is_empty();
            nodes[*node].sides[*shard].core.commit_group(parts);
            return is_empty;
        }
        let settled: Option<Vec<Settled>> = members.iter().map(|member| member.ticket.as_ref()?.settled()).collect();
        let Some(settled) = settled else { return false };
        let members = std::mem::take(members);
        let shard = *shard;
        self.conclude(shard, members, settled);
        true
    }

    fn conclude(&mut self, shard: usize, members: Vec<Member>, settled: Vec<Settled>) {
        let is_fenced = members.iter().any(|member| member.fence.is_some());
        let is_ended = |one: &Settled| match one {
            Settled::Ended(_) => true,
            Settled::Refused(refused) => matches!(refused.code, FailureCode::Gone | FailureCode::Forgotten),
            _ => false,
        };
        let mut outcomes = settled.iter().filter(|one| !is_ended(one));
        let first = outcomes.next();
        let is_same = |one: &Settled| std::mem::discriminant(one) == std::mem::discriminant(first.unwrap());
        assert!(outcomes.all(is_same), "W7: a group ended as {settled:?}");
        let is_unknown = settled.iter().any(is_ended);
        let history = &mut self.shards[shard].history;
        self.report.grouped += u64::from(matches!(first, Some(Settled::Committed(_))));
        for (member, settled) in members.into_iter().zip(settled) {
            let (object, claim) = (member.object.unwrap(), member.claim.unwrap());
            match settled {
                Settled::Committed(version) => history.claim(Token { version, ..object }, claim),
                Settled::Conflict if !is_unknown => self.report.conflicts += 1,
                Settled::Refused(refused) if refused.code == FailureCode::Fenced => {
                    assert!(is_fenced, "I15: a group that names no lock is refused for one");
                    self.report.fenced_off += 1;
                }
                Settled::Refused(refused) if refused.code == FailureCode::Unavailable => {}
                _ if is_unknown => history.orphan(object.birth, claim),
                settled => panic!("a part of a group ended as {settled:?}"),
            }
        }
    }
}

/// A joint read on some node.
#[derive(Debug)]
pub(crate) struct Joining {
    node: usize,
    shard: usize,
    slots: Vec<Arc<Slot<Desk>>>,
    /// What keeps those that are here while others come, once not all were.
    pins: Option<BTreeMap<ReplicaId, Guard<Desk>>>,
    marks: Vec<Mark<Desk>>,
    pub(crate) request: Option<RequestId>,
}

impl World {
    /// The application reads several objects as of one time.
    pub(crate) fn begin_joint(&mut self, node: usize, shard: usize) {
        let slots = self.some_slots(node, shard);
        if slots.len() > 1 {
            self.joinings.push(Joining { node, shard, slots, pins: None, marks: Vec::new(), request: None });
        }
    }

    /// A request of a joint read was answered.
    pub(crate) fn joint_answered(&mut self, node: usize, shard: usize, request: RequestId, answer: &Answer) {
        let is_it =
            |joining: &&mut Joining| (joining.node, joining.shard, joining.request) == (node, shard, Some(request));
        if let Some(joining) = self.joinings.iter_mut().find(is_it)
            && *answer != Answer::Marked
        {
            // To be asked again.
            joining.marks.clear();
        }
    }

    pub(crate) fn poll_joints(&mut self) {
        let mut at = 0;
        while at < self.joinings.len() {
            if self.poll_joint(at) {
                self.joinings.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Goes on with a joint read; answers whether it is over.
    fn poll_joint(&mut self, at: usize) -> bool {
        let Joining { node, shard, slots, pins, marks, request } = &mut self.joinings[at];
        let is_over = |unreadable: &Unreadable| matches!(unreadable, Unreadable::Ended(_) | Unreadable::Value(_));
        if slots.iter().any(|slot| slot.peek().is_err_and(|why| is_over(&why))) {
            return true;
        }
        if marks.is_empty() {
            for slot in slots.iter() {
                match slot.poll_current(&context()) {
                    Poll::Pending => {
                        pins.get_or_insert_default();
                        return false;
                    }
                    Poll::Ready(Err(_)) => return true,
                    Poll::Ready(Ok(guard)) => drop(pins.as_mut().map(|pins| pins.insert(slot.id(), guard))),
                }
            }
            *marks = slots.iter().map(|slot| slot.expect_mark().unwrap()).collect();
            *pins = None;
            let ids = slots.iter().zip(marks.iter()).map(|(slot, mark)| (slot.id(), mark.id()));
            let side = &mut self.nodes[*node].sides[*shard];
            let asked = side.core.read_group(ids.collect());
            *request = Some(asked);
            side.requests.insert(asked, Asked::Joint);
            return false;
        }
        let polled = marks.iter().map(|mark| match mark.poll(&context()) {
            Poll::Pending => None,
            Poll::Ready(kept) => Some(kept),
        });
        let Some(kept) = polled.collect::<Option<Vec<Option<Guard<Desk>>>>>() else { return false };
        let Some(guards) = kept.into_iter().collect::<Option<Vec<Guard<Desk>>>>() else {
            marks.clear();
            return false;
        };
        let history = &self.shards[*shard].history;
        for guard in &guards {
            history.check_seen(&format!("node {node}, jointly,"), guard.token(), guard);
        }
        history.check_joint(&guards.iter().map(Guard::token).collect::<Vec<_>>());
        self.report.joint += 1;
        true
    }
}

impl History {
    /// A joint read shows versions that were all the newest at one point of the repository's order.
    fn check_joint(&self, shown: &[Token]) {
        if shown.iter().any(|at| at.lossy_epoch < self.lossy_epoch) {
            return;
        }
        let reigns: Vec<(u64, u64)> = shown.iter().map(|at| self.reign(*at)).collect();
        let latest = reigns.iter().map(|(from, _)| *from).max();
        let earliest = reigns.iter().map(|(_, to)| *to).min();
        assert!(latest < earliest, "W7: a joint read shows {shown:?}, which were the newest in {reigns:?}");
    }
}
