//! Updates and transactions of one object in random turns: each takes effect once or not at all, whoever shares a commit.
//!
//! Every one that takes effect appends its number to the log, a field that nobody conflicts over. So the log is the order in
//! which they took effect; a plain value that goes through them in that order must see what each saw, and come to the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::limits::PRECEDENCE_MS;
use nam::node::{AloneTurn, Scope, Settled, Slot, Step, Steps, Ticket};
use nam::{Error, Tracked};

use crate::cart::{Cart, CartChanges, CartMut, Item, nodes, rig};

const KEYS: [&str; 4] = ["fig", "kiwi", "pear", "plum"];
const LINES: u64 = 3;
const SEEDS: u64 = 150;
const TURNS: usize = 120;

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A part of what somebody does: it sees something, and mostly writes it.
#[derive(Clone, Copy, Debug)]
enum Part {
    Count(&'static str),
    Note(&'static str),
    Whole(&'static str),
    /// Only reads, and requires it.
    Require(&'static str),
    Push,
    Line(usize),
    /// At most 255 together.
    Small,
    /// More than two at once are no change of an `i8`.
    Balance(i8),
    Visit,
}

impl Part {
    fn draw(dice: &mut Dice) -> Self {
        let key = KEYS[dice.below(KEYS.len() as u64) as usize];
        match dice.below(20) {
            0..5 => Self::Count(key),
            5..9 => Self::Note(key),
            9 => Self::Whole(key),
            10..13 => Self::Require(key),
            13 => Self::Push,
            14..16 => Self::Line(dice.below(LINES) as usize),
            16 => Self::Small,
            17 => Self::Balance(if dice.one_in(2) { 60 } else { -60 }),
            _ => Self::Visit,
        }
    }

    /// What must not change between this and the commit.
    fn see(self, cart: &Cart) -> String {
        match self {
            Self::Count(key) => cart.items[key].count.to_string(),
            Self::Note(key) => cart.items[key].note.clone(),
            Self::Whole(key) | Self::Require(key) => format!("{:?}", cart.items[key]),
            Self::Push => cart.lines.len().to_string(),
            Self::Line(at) => cart.lines[at].to_string(),
            Self::Small | Self::Balance(_) | Self::Visit => String::new(),
        }
    }

    fn track(self, number: u32, cart: &mut CartMut<'_>) {
        match self {
            Self::Count(key) => *cart.items_mut().get_mut(key).unwrap().count_mut() += number,
            Self::Note(key) => cart.items_mut().get_mut(key).unwrap().note_mut().set(number.to_string()),
            Self::Whole(key) => {
                cart.items_mut().insert(key.to_owned(), whole(number));
            }
            Self::Require(key) => assert!(cart.items_mut().require_key(key).is_some()),
            Self::Push => cart.lines_mut().push(number.into()),
            Self::Line(at) => *cart.lines_mut().get_mut(at).unwrap() += u64::from(number),
            Self::Small => cart.small_mut().add(40),
            Self::Balance(more) => cart.balance_mut().add(more),
            Self::Visit => cart.visits_mut().add(1),
        }
    }

    /// The same to a plain value.
    fn play(self, number: u32, cart: &mut Cart) {
        match self {
            Self::Count(key) => cart.items.get_mut(key).unwrap().count += number,
            Self::Note(key) => cart.items.get_mut(key).unwrap().note = number.to_string(),
            Self::Whole(key) => drop(cart.items.insert(key.to_owned(), whole(number))),
            Self::Require(_) => {}
            Self::Push => cart.lines.push(number.into()),
            Self::Line(at) => cart.lines[at] += u64::from(number),
            Self::Small => cart.small = cart.small.checked_add(40).unwrap(),
            // What a commit adds counts together: in between it may be more than the field holds.
            Self::Balance(more) => cart.balance = cart.balance.wrapping_add(more),
            Self::Visit => cart.visits += 1,
        }
    }
}

/// Differs in all of it from what anybody else writes.
fn whole(number: u32) -> Item {
    Item { count: 1_000 * number, note: format!("whole {number}") }
}

/// How far somebody is.
enum State {
    Running,
    Joined(Ticket),
    /// It took effect in this version.
    Done(u64),
    Refused,
}

/// Somebody who updates, or has a transaction, and tries as a client does.
struct Actor {
    number: u32,
    at: usize,
    parts: Vec<Part>,
    /// What each part saw in the run that counts.
    seen: Vec<String>,
    steps: Option<Steps>,
    /// Parts of the transaction that have run, and whether its number is in the log.
    ran: usize,
    is_logged: bool,
    scope: Scope,
    turn: Option<AloneTurn<Cart>>,
    state: State,
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Actor {
    fn new(number: u32, at: usize, slot: &Arc<Slot<Cart>>, dice: &mut Dice) -> Self {
        let parts = (0..=dice.below(3)).map(|_| Part::draw(dice)).collect();
        let steps = (!dice.one_in(3)).then(|| slot.begin().unwrap());
        let scope = if dice.one_in(8) { Scope::Alone } else { Scope::Shared };
        let turn = (steps.is_none() && scope == Scope::Alone).then(|| slot.queue_alone());
        let (seen, state) = (Vec::new(), State::Running);
        Self { number, at, parts, seen, steps, ran: 0, is_logged: false, scope, turn, state }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Done(_) | State::Refused)
    }

    /// Goes on by one call.
    fn poll(&mut self, slot: &Arc<Slot<Cart>>) {
        match &self.state {
            State::Running if self.steps.is_none() => self.update(slot),
            State::Running if self.ran < self.parts.len() || !self.is_logged => self.step(slot),
            State::Running => self.commit(slot),
            State::Joined(ticket) => {
                if let Some(settled) = ticket.settled() {
                    self.hear(slot, settled);
                }
            }
            State::Done(_) | State::Refused => {}
        }
        if self.is_over() {
            (self.turn, self.steps) = (None, None);
        }
    }

    fn update(&mut self, slot: &Arc<Slot<Cart>>) {
        let (number, parts, mut seen) = (self.number, &self.parts, Vec::new());
        let mut run = |value: &mut Cart, changes: &mut CartChanges| {
            seen.clear();
            let mut cart = value.track(changes);
            for part in parts {
                seen.push(part.see(&cart));
                part.track(number, &mut cart);
            }
            cart.log_mut().push(number);
            Ok::<(), ()>(())
        };
        match slot.poll_update(self.scope, &context(), &mut run) {
            Poll::Ready(Step::Joined((), ticket)) => (self.seen, self.state) = (seen, State::Joined(ticket)),
            // Additions that are no number together.
            Poll::Ready(Step::Unfit(_)) => self.state = State::Refused,
            Poll::Ready(step) => panic!("{step:?}"),
            Poll::Pending => {}
        }
    }

    /// Runs one part, the last one with the number for the log.
    fn step(&mut self, slot: &Arc<Slot<Cart>>) {
        let (number, part, mut seen) = (self.number, self.parts.get(self.ran).copied(), None);
        let mut run = |value: &mut Cart, changes: &mut CartChanges| {
            let mut cart = value.track(changes);
            match part {
                Some(part) => {
                    seen = Some(part.see(&cart));
                    part.track(number, &mut cart);
                }
                None => cart.log_mut().push(number),
            }
            Ok::<(), ()>(())
        };
        match slot.poll_step(self.steps.as_mut().unwrap(), &context(), &mut run) {
            Poll::Ready(Step::Unchanged((), _)) => {
                self.seen.extend(seen);
                self.is_logged |= part.is_none();
                self.ran += usize::from(part.is_some());
            }
            Poll::Ready(Step::Overlapped | Step::Unfit(_)) => self.state = State::Refused,
            Poll::Ready(step) => panic!("{step:?}"),
            Poll::Pending => {}
        }
    }

    fn commit(&mut self, slot: &Arc<Slot<Cart>>) {
        match slot.poll_commit(self.steps.as_mut().unwrap(), &context()) {
            Poll::Ready(Step::Joined((), ticket)) => self.state = State::Joined(ticket),
            Poll::Ready(Step::Overlapped) => self.state = State::Refused,
            Poll::Ready(step) => panic!("{step:?}"),
            Poll::Pending => {}
        }
    }

    fn hear(&mut self, slot: &Arc<Slot<Cart>>, settled: Settled) {
        let is_alone = self.turn.is_some();
        self.state = match settled {
            Settled::Committed(version) => State::Done(version.0),
            Settled::Refused(_) => State::Refused,
            Settled::Conflict if self.steps.is_some() && is_alone => State::Refused,
            Settled::Rerun => State::Running,
            Settled::Conflict if self.steps.is_none() => State::Running,
            Settled::Conflict | Settled::RerunAlone => {
                self.scope = Scope::Alone;
                self.steps.iter_mut().for_each(Steps::alone);
                self.turn.get_or_insert_with(|| slot.queue_alone());
                State::Running
            }
            Settled::Ended(ending) => panic!("{ending:?}"),
        };
    }
}

/// What came of all seeds together.
#[derive(Debug, Default)]
struct Tally {
    updates: usize,
    transactions: usize,
    refused: usize,
    /// Commits of several transactions, and of a transaction behind an update.
    shared: usize,
    mixed: usize,
}

/// What a replica showed: by its version the length of the log, by that the value.
#[derive(Default)]
struct Shown(BTreeMap<u64, usize>, BTreeMap<usize, Cart>);

impl Shown {
    fn look(&mut self, slot: &Slot<Cart>) {
        let Ok(Some(guard)) = slot.peek() else { return };
        let (version, length) = (guard.version().0, guard.log.len());
        assert_eq!(*self.0.entry(version).or_insert(length), length, "I13: half of version {version}");
        let known = self.1.entry(length).or_insert_with(|| Cart::clone(&guard));
        assert_eq!(known, &*guard, "I13: with the same {length} in the log");
    }
}

fn play(seed: u64, tally: &mut Tally) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut rig, at_a, at_b) = rig();
    rig.update(&at_a, |cart| {
        for key in KEYS {
            cart.items_mut().insert(key.to_owned(), Item::default());
        }
        cart.lines_mut().extend(0..LINES);
    });
    let first = Cart::clone(&rig.read(&at_b));
    let slots = [at_a, at_b];
    let (mut actors, mut shown) = (Vec::<Actor>::new(), Shown::default());
    for _ in 0..TURNS {
        match dice.below(15) {
            12 | 13 => rig.hear_first(1),
            14 if dice.one_in(4) => {
                let at = dice.below(2) as usize;
                rig.cut(at, dice.one_in(2));
                rig.connect(at);
            }
            0..3 => {
                // From one: who adds nothing writes nothing.
                let (number, at) = (actors.len() as u32 + 1, usize::from(dice.one_in(2)));
                actors.push(Actor::new(number, at, &slots[at], &mut dice));
            }
            3 => rig.settle(),
            4 => rig.hear_first(dice.below(2) as usize),
            5 => rig.is_durable = !rig.is_durable,
            _ if actors.is_empty() => {}
            _ => {
                let at = dice.below(actors.len() as u64) as usize;
                let actor = &mut actors[at];
                actor.poll(&slots[actor.at]);
            }
        }
        slots.iter().for_each(|slot| shown.look(slot));
    }
    rig.is_durable = true;
    for _ in 0..TURNS {
        for actor in &mut actors {
            actor.poll(&slots[actor.at]);
            slots.iter().for_each(|slot| shown.look(slot));
        }
        // A node that lost twice goes first for a while.
        rig.pass(PRECEDENCE_MS);
    }
    let last = [0, 1].map(|at| Cart::clone(&rig.read(&slots[at])));
    assert_eq!(last[0], last[1]);
    slots.iter().for_each(|slot| shown.look(slot));
    check(&actors, &first, &last[0].log, &shown);
    tally.add(&actors);
}

/// Goes through the log, and holds what everybody saw against it.
fn check(actors: &[Actor], first: &Cart, log: &[u32], shown: &Shown) {
    let mut cart = first.clone();
    for (length, number) in log.iter().enumerate() {
        let actor = &actors[*number as usize - 1];
        assert!(matches!(actor.state, State::Done(_)), "I8: {number} took effect, and was told otherwise");
        for (part, seen) in actor.parts.iter().zip(&actor.seen) {
            assert_eq!(part.see(&cart), *seen, "I9: {number} of {log:?} is {:?} and saw otherwise", actor.parts);
            part.play(*number, &mut cart);
        }
        cart.log.push(*number);
        if let Some(seen) = shown.1.get(&(length + 1)) {
            assert_eq!(*seen, cart, "I13: what was shown behind {number} of {log:?}");
        }
    }
    let effects = |number| log.iter().filter(|other| **other == number).count();
    for actor in actors {
        let due = match actor.state {
            State::Done(_) => 1,
            State::Refused => 0,
            State::Running | State::Joined(_) => panic!("{} waits for ever", actor.number),
        };
        assert_eq!(effects(actor.number), due, "{} took effect so often", actor.number);
    }
}

impl Tally {
    fn add(&mut self, actors: &[Actor]) {
        let mut commits: BTreeMap<u64, [usize; 2]> = BTreeMap::new();
        for actor in actors {
            match actor.state {
                State::Done(version) => commits.entry(version).or_default()[usize::from(actor.is_logged)] += 1,
                _ => self.refused += 1,
            }
        }
        for [updates, transactions] in commits.into_values() {
            self.updates += updates;
            self.transactions += transactions;
            self.shared += usize::from(transactions > 1);
            self.mixed += usize::from(updates > 0 && transactions > 0);
        }
    }
}

#[test]
fn w12_updates_and_transactions_in_any_turn_take_effect_once_or_not_at_all() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(seed, &mut tally)));
        played.unwrap_or_else(|panic| {
            println!("seed {seed}");
            std::panic::resume_unwind(panic)
        });
    }
    println!("{tally:?}");
    let few = SEEDS as usize;
    let Tally { updates, transactions, refused, shared, mixed } = tally;
    assert!(updates > few && transactions > few && refused > few && shared > few / 4 && mixed > few / 4, "{tally:?}");
}

#[tokio::test]
async fn w12_a_transaction_does_not_pay_for_those_it_shares_a_commit_with() {
    const ROUNDS: usize = 50;
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let raise = |cart: &mut CartMut<'_>| {
        *cart.total_mut() += 1;
        Ok::<(), Error>(())
    };
    for _ in 0..ROUNDS {
        let mut steps = at_a.begin().unwrap();
        let sign = |cart: &mut CartMut<'_>| {
            cart.owner_mut().push('x');
            Ok::<(), Error>(())
        };
        steps.with(sign).await.unwrap();
        // Two nodes at one field: mostly one of them loses, and the transaction with it if that is its own.
        let (there, here, done) = tokio::join!(at_b.update(raise), at_a.update(raise), steps.commit());
        there.unwrap();
        here.unwrap();
        done.unwrap();
    }
    let seen = at_a.fresh().await.unwrap();
    assert_eq!((seen.total, seen.owner.len()), (2 * ROUNDS as u64, ROUNDS));
}
