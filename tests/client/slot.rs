//! The slot by itself: what combines, what waits, what is undone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use nam::Tracked;
use nam::coding::Writer;
use nam::ids::{Birth, CommitNumber, Epoch, Token, Version};
use nam::limits::{SLOT_QUEUE_BYTES_MAX, WATCH_EVENTS_MAX};
use nam::node::{
    Applied, Change, Ending, Host, Outgoing, Refusal, Replica, ReplicaId, Ring, Scope, Settled, Settlement, Slot,
    State, Step, Ticket, Unreadable,
};
use nam::tracked::{Changes, Class, Edit};
use parking_lot::Mutex;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Desk {
    pub cash: f64,
    pub owner: String,
    pub prices: BTreeMap<String, f64>,
    #[nam(add)]
    pub requests: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Rings(Mutex<Vec<Ring>>);

impl Host for Rings {
    fn ring(&self, _replica: ReplicaId, ring: Ring) {
        self.0.lock().push(ring);
    }
}

impl Rings {
    pub(crate) fn take(&self) -> Vec<Ring> {
        std::mem::take(&mut self.0.lock())
    }
}

const BIRTH: Birth = Birth(CommitNumber { epoch: Epoch(7), n: 1 });

/// A version of the object, as of the loss before term 5.
fn at(version: Version) -> Token {
    Token { lossy_epoch: Epoch(5), birth: BIRTH, version }
}

/// A current replica of `desk` at version 1.
pub(crate) fn held(desk: &Desk) -> (Arc<Slot<Desk>>, Arc<Rings>) {
    let rings = Arc::new(Rings::default());
    let slot = Slot::<Desk>::new(ReplicaId(1), "a", Arc::clone(&rings) as _);
    slot.load_whole(at(Version(1)), &root(desk)).unwrap();
    (slot, rings)
}

fn root(desk: &Desk) -> Vec<u8> {
    let mut w = Writer::new();
    desk.encode_root(&mut w);
    w.into_bytes()
}

/// The delta that `change` makes of `desk`.
pub(crate) fn delta(desk: &Desk, change: impl FnOnce(&mut DeskMut<'_>)) -> Vec<u8> {
    let (mut desk, mut changes) = (desk.clone(), <Desk as Tracked>::Changes::default());
    change(&mut desk.track(&mut changes));
    let mut w = Writer::new();
    assert!(desk.encode_delta(&changes, &mut w));
    w.into_bytes()
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub(crate) fn step<V, E>(
    slot: &Slot<Desk>,
    scope: Scope,
    mut closure: impl FnMut(&mut DeskMut<'_>) -> Result<V, E>,
) -> Poll<Step<V, E>> {
    slot.poll_update(scope, &context(), &mut |value, changes| closure(&mut value.track(changes)))
}

/// An update that joins the batch.
fn join(slot: &Slot<Desk>, closure: impl Fn(&mut DeskMut<'_>)) -> Ticket {
    let run = |p: &mut DeskMut<'_>| {
        closure(p);
        Ok::<(), ()>(())
    };
    match step(slot, Scope::Shared, run) {
        Poll::Ready(Step::Joined((), ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

fn now(slot: &Slot<Desk>) -> (Desk, u64) {
    let guard = slot.current().expect("the replica is current");
    (Desk::clone(&guard), guard.version().0)
}

#[test]
fn updates_combine_into_one_commit_and_leave_the_value_alone() {
    let (slot, rings) = held(&Desk::default());
    let tickets: Vec<Ticket> = (0..10).map(|_| join(&slot, |p| *p.cash_mut() += 1.5)).collect();
    assert_eq!(rings.take(), [Ring::Batch]);
    assert_eq!(now(&slot), (Desk::default(), 1), "the value is the committed version");

    let Outgoing { base, is_isolated, delta: sent, .. } = slot.take_batch().unwrap();
    assert_eq!((base, is_isolated), (Version(1), false));
    assert_eq!(sent, delta(&Desk::default(), |p| *p.cash_mut() = 15.0));
    assert!(slot.take_batch().is_none(), "one commit of an object is in flight at a time");

    slot.settle(Settlement::AsSent).unwrap();
    assert_eq!(now(&slot), (Desk { cash: 15.0, ..Desk::default() }, 2));
    assert!(tickets.iter().all(|ticket| ticket.settled() == Some(Settled::Committed(Version(2)))));
}

#[test]
fn updates_that_take_each_other_back_are_judged() {
    let (slot, _rings) = held(&Desk::default());
    let tickets = [join(&slot, |p| *p.cash_mut() += 1.0), join(&slot, |p| *p.cash_mut() -= 1.0)];
    let Outgoing { is_isolated, delta: sent, .. } = slot.take_batch().unwrap();
    assert!(is_isolated && sent.is_empty(), "they saw what may be old: anything newer is in their way");
    slot.settle(Settlement::Conflict).unwrap();
    assert!(tickets.iter().all(|ticket| ticket.settled() == Some(Settled::Conflict)));

    let cash = |cash| move |p: &mut DeskMut<'_>| *p.cash_mut() = cash;
    [1.0, 0.0].into_iter().for_each(|value| drop(join(&slot, cash(value))));
    drop(join(&slot, cash(2.0)));
    assert!(!slot.take_batch().unwrap().is_isolated, "what they wrote conflicts by itself");
    let nothing = join(&slot, cash(2.0));
    slot.settle(Settlement::AsSent).unwrap();
    assert!(slot.take_batch().is_none() && nothing.settled() == Some(Settled::Committed(Version(2))), "it read");
}

/// The queue to a node's thread has no cap of its own: this is what bounds it, however long the thread looks away.
#[test]
fn a_thread_that_looks_away_is_rung_once_for_each_kind() {
    let (slot, rings) = held(&Desk::default());
    slot.expect_use(true);
    let tickets: Vec<_> = (1..=5_000_u32).map(|n| join(&slot, |p| *p.cash_mut() = f64::from(n))).collect();
    for _ in 0..5_000 {
        drop(slot.current());
    }
    slot.overtake(Version(7)).unwrap();
    for _ in 0..5_000 {
        assert!(slot.poll_current(&context()).is_pending());
    }
    assert_eq!(rings.take(), [Ring::Batch, Ring::Used, Ring::Pull]);
    assert!(tickets.iter().all(|ticket| ticket.settled().is_none()));
}

#[test]
fn the_next_batch_gathers_on_the_commit_in_flight() {
    let (slot, _rings) = held(&Desk::default());
    let _first = join(&slot, |p| *p.cash_mut() += 1.0);
    slot.take_batch().unwrap();
    let second = join(&slot, |p| *p.cash_mut() += 1.0);
    slot.settle(Settlement::AsSent).unwrap();
    assert_eq!(second.settled(), None, "it is a commit of its own");
    let outgoing = slot.take_batch().unwrap();
    assert_eq!((outgoing.base, outgoing.delta), (Version(2), delta(&Desk::default(), |p| *p.cash_mut() = 2.0).into()));
    slot.settle(Settlement::AsSent).unwrap();
    assert_eq!(now(&slot).0.cash, 2.0);
}

#[test]
fn what_did_not_come_true_runs_again() {
    let (slot, _rings) = held(&Desk::default());
    let first = join(&slot, |p| *p.cash_mut() += 1.0);
    slot.take_batch().unwrap();
    let second = join(&slot, |p| *p.cash_mut() += 1.0);
    slot.apply(1, &delta(&Desk::default(), |p| *p.cash_mut() = 100.0)).unwrap();
    assert!(step(&slot, Scope::Shared, |_| Ok::<(), ()>(())).is_pending(), "nobody knows what it would run on");
    slot.settle(Settlement::Conflict).unwrap();
    assert_eq!(first.settled(), Some(Settled::Conflict));
    assert_eq!(second.settled(), Some(Settled::Rerun));
    assert_eq!(now(&slot).0.cash, 100.0);
}

#[test]
fn a_delta_before_the_batch_leaves_keeps_its_base() {
    let (slot, _rings) = held(&Desk::default());
    let _first = join(&slot, |p| *p.cash_mut() += 1.0);
    let theirs = delta(&Desk::default(), |p| p.owner_mut().push_str("them"));
    slot.apply(1, &theirs).unwrap();
    assert!(step(&slot, Scope::Shared, |_| Ok::<(), ()>(())).is_pending(), "a sealed batch takes nobody");
    assert_eq!(slot.take_batch().unwrap().base, Version(1));
}

#[test]
fn operations_add_up_in_a_batch_and_foresee_their_result() {
    let (slot, _rings) = held(&Desk { requests: 5, ..Desk::default() });
    for _ in 0..3 {
        drop(join(&slot, |p| p.requests_mut().add(2)));
    }
    slot.take_batch().unwrap();
    let next = join(&slot, |p| p.requests_mut().add(1));
    // The repository answers an operation with its value.
    let mut w = Writer::new();
    let (after, before) = (Desk { requests: 11, ..Desk::default() }, Desk { requests: 5, ..Desk::default() });
    assert_eq!(after.encode_diff(&before, &mut w), Edit::Edited);
    slot.apply(1, w.as_slice()).unwrap();
    slot.settle(Settlement::Accepted(Version(2))).unwrap();
    assert_eq!(now(&slot), (Desk { requests: 11, ..Desk::default() }, 2));
    assert_eq!(next.settled(), None, "what it saw came true");
    assert_eq!(slot.take_batch().unwrap().base, Version(2));
}

#[test]
fn a_moot_commit_foresees_nothing() {
    let (slot, _rings) = held(&Desk::default());
    let first = join(&slot, |p| p.requests_mut().add(2));
    slot.take_batch().unwrap();
    let next = join(&slot, |p| p.requests_mut().add(1));
    // The next version is not what `next` saw, but that of somebody else, who left nothing to do.
    slot.apply(1, &delta(&Desk::default(), |p| *p.cash_mut() = 100.0)).unwrap();
    slot.settle(Settlement::Moot(Version(2))).unwrap();
    assert_eq!((first.settled(), next.settled()), (Some(Settled::Committed(Version(2))), Some(Settled::Rerun)));
    assert_eq!(now(&slot).1, 2);
}

#[test]
fn errors_and_panics_leave_no_trace() {
    let (slot, _rings) = held(&Desk::default());
    let good = join(&slot, |p| *p.cash_mut() = 1.0);
    let failed = step(&slot, Scope::Shared, |p| {
        *p.cash_mut() = 9.0;
        p.prices_mut().insert("AAPL".to_owned(), 1.0);
        Err::<(), _>("no")
    });
    assert!(matches!(failed, Poll::Ready(Step::Aborted("no"))));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        step(&slot, Scope::Shared, |p| -> Result<(), ()> {
            *p.cash_mut() = 9.0;
            panic!("of the closure")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(slot.take_batch().unwrap().delta, delta(&Desk::default(), |p| *p.cash_mut() = 1.0));
    slot.settle(Settlement::AsSent).unwrap();
    assert_eq!(good.settled(), Some(Settled::Committed(Version(2))));
    assert_eq!(now(&slot).0, Desk { cash: 1.0, ..Desk::default() });
}

#[test]
fn a_closure_that_uses_its_own_object_is_told_so() {
    let (slot, _rings) = held(&Desk::default());
    let outcome = step(&slot, Scope::Shared, |_| {
        assert!(slot.current().is_none() && slot.peek().is_err());
        Ok::<_, ()>(matches!(step(&slot, Scope::Shared, |_| Ok::<(), ()>(())), Poll::Ready(Step::Nested)))
    });
    assert!(matches!(outcome, Poll::Ready(Step::Unchanged(true, Version(1)))));
}

#[test]
fn a_guard_keeps_its_version_while_the_value_moves_on() {
    let (slot, rings) = held(&Desk::default());
    let guard = slot.current().unwrap();
    assert_eq!(slot.apply(1, &delta(&Desk::default(), |p| *p.cash_mut() = 2.0)), Ok(Applied::Taken));
    assert_eq!(rings.take(), [Ring::Work], "a guard is in the way: a copy is made elsewhere");
    assert!(slot.current().is_none() && slot.copy_patience().is_some());
    slot.work();
    assert_eq!((guard.cash, guard.version()), (0.0, Version(1)));
    assert_eq!(now(&slot), (Desk { cash: 2.0, ..Desk::default() }, 2));

    let mine = slot.current().unwrap();
    assert!(step(&slot, Scope::Shared, |_| Ok::<(), ()>(())).is_pending());
    assert_eq!(rings.take(), [Ring::Work]);
    drop(mine);
    slot.work();
    let _ticket = join(&slot, |p| *p.cash_mut() = 3.0);
    let _mine = slot.current().unwrap();
    slot.take_batch().unwrap();
    slot.settle(Settlement::AsSent).unwrap();
    assert_eq!(_ticket.settled(), None, "a task hears of its commit when the value has it");
    slot.work();
    assert_eq!(_ticket.settled(), Some(Settled::Committed(Version(3))));
}

#[test]
fn too_much_behind_a_guard_turns_the_replica_stale() {
    let (slot, _rings) = held(&Desk::default());
    let _guard = slot.current().unwrap();
    let large = delta(&Desk::default(), |p| p.owner_mut().push_str(&"x".repeat(SLOT_QUEUE_BYTES_MAX / 2)));
    assert_eq!(slot.apply(1, &large), Ok(Applied::Taken));
    assert_eq!(slot.apply(1, &large), Ok(Applied::Overflowed));
    assert_eq!((slot.state(), slot.reached()), (State::Stale, Some((BIRTH, Version(1)))));
    assert_eq!(slot.apply(1, &large), Ok(Applied::Dropped));
    slot.catch_up(Version(1), Version(4), Some(&delta(&Desk::default(), |p| *p.cash_mut() = 4.0))).unwrap();
    slot.confirm().unwrap();
    slot.work();
    assert_eq!(now(&slot), (Desk { cash: 4.0, ..Desk::default() }, 4));
}

#[test]
fn a_delta_applies_wholly_or_not_at_all() {
    let (slot, _rings) = held(&Desk { owner: "me".to_owned(), ..Desk::default() });
    let mut broken = delta(&Desk::default(), |p| {
        *p.cash_mut() = 8.0;
        p.prices_mut().insert("AAPL".to_owned(), 1.0);
    });
    broken.truncate(broken.len() - 3);
    assert!(matches!(slot.apply(1, &broken), Err(Refusal::Delta(_))));
    assert_eq!(*slot.peek().unwrap().unwrap(), Desk { owner: "me".to_owned(), ..Desk::default() });
    assert!(matches!(slot.catch_up(Version(9), Version(10), None), Err(Refusal::Base { .. })));
}

#[test]
fn a_snapshot_loads_in_segments_with_deltas_behind_it() {
    let rings = Arc::new(Rings::default());
    let slot = Slot::<Desk>::new(ReplicaId(1), "a", Arc::clone(&rings) as _);
    slot.begin_load(at(Version(5)), 0).unwrap();
    slot.apply(1, &delta(&Desk::default(), |p| *p.cash_mut() = 6.0)).unwrap();
    let transfer = nam::ids::TransferId(1);
    slot.load_segment(transfer, 0, false, root(&Desk::default()).into());
    slot.load_segment(transfer, 1, true, delta(&Desk::default(), |p| p.owner_mut().push_str("me")).into());
    slot.work();
    assert_eq!(now(&slot), (Desk { cash: 6.0, owner: "me".to_owned(), ..Desk::default() }, 6));
    assert_eq!(rings.take().last(), Some(&Ring::Loaded));

    slot.begin_load(at(Version(9)), 0).unwrap();
    slot.load_segment(transfer, 0, true, Bytes::new());
    slot.disconnect();
    slot.work();
    assert_eq!((slot.state(), slot.peek().unwrap().unwrap().version()), (State::Unverified, Version(6)));
}

#[test]
fn watchers_hear_every_change_in_order_or_that_they_lag() {
    let (slot, _rings) = held(&Desk::default());
    let (mut quick, mut slow) = (slot.watch(), slot.watch());
    for i in 0..=WATCH_EVENTS_MAX as u64 {
        let cash = i as f64;
        let theirs = delta(&Desk { cash, ..Desk::default() }, |p| *p.cash_mut() += 1.0);
        slot.apply(1, &theirs).unwrap();
        let Poll::Ready(Change::Applied { changes, version }) = quick.poll_next(&mut context()) else { panic!() };
        assert_eq!((version, changes.cash.previous()), (Version(i + 2), Some(&cash)));
        assert!(!changes.owner.is_touched());
    }
    assert!(matches!(slow.poll_next(&mut context()), Poll::Ready(Change::Lagged)));
    assert!(matches!(slow.poll_next(&mut context()), Poll::Ready(Change::Applied { version: Version(66), .. })));
    slot.end(Ending::Gone);
    assert!(matches!(slow.poll_next(&mut context()), Poll::Ready(Change::Ended(Ending::Gone))));
    assert!(quick.poll_next(&mut context()).is_ready());
}

#[test]
fn a_watch_of_a_part_tells_once_of_what_is_another() {
    let (slot, rings) = held(&Desk::default());
    let mut watch = slot.watch_path(Box::new(|desk: &Desk| desk.prices.get("AAPL").copied()));
    let mut here = Desk::default();
    let mut apply = |change: &dyn Fn(&mut DeskMut<'_>)| {
        let theirs = delta(&here, |desk| change(desk));
        slot.apply(1, &theirs).unwrap();
        here = Desk::clone(&slot.peek().unwrap().unwrap());
    };
    let price = |price: f64| {
        move |desk: &mut DeskMut<'_>| {
            desk.prices_mut().insert("AAPL".to_owned(), price);
        }
    };
    let mut told = || match watch.poll_next(&mut context()) {
        Poll::Ready(Some(Ok(change))) => Some((change.previous, change.value, change.version.0)),
        _ => None,
    };
    apply(&|desk| *desk.cash_mut() += 1.0);
    assert_eq!(told(), None, "another part");
    apply(&price(1.0));
    apply(&price(2.0));
    assert_eq!((told(), told()), (Some((Some(None), Some(2.0), 4)), None), "one for both");
    apply(&price(3.0));
    apply(&price(2.0));
    assert_eq!(told(), None, "it is as it was");
    slot.load_whole(at(Version(9)), &root(&Desk::default())).unwrap();
    assert_eq!(told(), Some((Some(Some(2.0)), None, 9)), "nothing is missed by a load");
    rings.take();
    slot.overtake(Version(10)).unwrap();
    assert_eq!(rings.take(), [Ring::Pull], "who watches asks for what is newer");
    slot.end(Ending::Gone);
    assert!(matches!(watch.poll_next(&mut context()), Poll::Ready(Some(Err(Ending::Gone)))));
    assert!(matches!(watch.poll_next(&mut context()), Poll::Ready(None)));
}

/// What one side does to a ledger; the other side does the same or another.
type Write = fn(&mut BookMut<'_>);

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    pub left: u64,
    pub right: u64,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
pub(crate) struct Book {
    pub pages: BTreeMap<u32, Page>,
    pub lines: Vec<Page>,
    pub title: String,
    pub cover: Option<Page>,
    #[nam(add)]
    pub readers: u64,
    #[nam(lww)]
    pub mood: u8,
    #[nam(lww)]
    pub motto: String,
    #[nam(lww)]
    pub shelf: BTreeMap<u32, Page>,
}

#[test]
fn a_transaction_goes_on_past_changes_beside_its_own() {
    let left: Write = |book| *book.pages_mut().get_mut(&1).unwrap().left_mut() += 1;
    let right: Write = |book| *book.pages_mut().get_mut(&1).unwrap().right_mut() += 1;
    let whole: Write = |book| assert!(book.pages_mut().remove(&1));
    let other: Write = |book| *book.pages_mut().get_mut(&2).unwrap().left_mut() += 1;
    let first: Write = |book| *book.lines_mut().get_mut(0).unwrap().left_mut() += 1;
    let second: Write = |book| *book.lines_mut().get_mut(1).unwrap().left_mut() += 1;
    let longer: Write = |book| book.lines_mut().push(Page::default());
    let title: Write = |book| book.title_mut().push_str("!");
    let cover: Write = |book| *book.cover_mut().as_mut().unwrap().left_mut() += 1;
    let readers: Write = |book| book.readers_mut().add(1);
    let mood: Write = |book| book.mood_mut().set(9);
    let motto: Write = |book| book.motto_mut().push_str("!");
    let shelved: Write = |book| {
        book.shelf_mut().insert(1, Page { left: 7, right: 7 });
    };
    let cleared: Write = |book| assert!(book.shelf_mut().remove(&1));
    let turned: Write = |book| *book.shelf_mut().get_mut(&1).unwrap().left_mut() += 1;
    let cases = [
        (left, left, false),
        (left, right, true),
        (left, whole, false),
        (left, other, true),
        (first, second, true),
        (first, first, false),
        (first, longer, false),
        (title, title, false),
        (cover, cover, false),
        (cover, title, true),
        (readers, title, true),
        (mood, mood, true),
        // The later one wins where it puts something, not where it says where in a text.
        (motto, motto, false),
        (motto, title, true),
        (shelved, shelved, true),
        (shelved, turned, true),
        (turned, shelved, true),
        (cleared, turned, true),
        (turned, cleared, false),
    ];
    for (case, (mine, theirs, is_apart)) in cases.into_iter().enumerate() {
        let book = Book {
            pages: [1, 2].map(|page| (page, Page::default())).into(),
            lines: vec![Page::default(); 2],
            cover: Some(Page::default()),
            motto: "quietly".to_owned(),
            shelf: BTreeMap::from([(1, Page::default())]),
            ..Book::default()
        };
        let slot = Slot::<Book>::new(ReplicaId(1), "a", Arc::new(Rings::default()));
        let mut w = Writer::new();
        book.encode_root(&mut w);
        slot.load_whole(at(Version(1)), w.as_slice()).unwrap();
        let mut steps = slot.begin().unwrap();
        let mut run = |value: &mut Book, changes: &mut BookChanges| {
            mine(&mut value.track(changes));
            Ok::<(), ()>(())
        };
        assert!(matches!(slot.poll_step(&mut steps, &context(), &mut run), Poll::Ready(Step::Unchanged((), _))));
        let (mut theirs_value, mut changes) = (book.clone(), BookChanges::default());
        theirs(&mut theirs_value.track(&mut changes));
        let mut w = Writer::new();
        assert!(theirs_value.encode_delta(&changes, &mut w));
        slot.apply(1, w.as_slice()).unwrap();
        let commit = slot.poll_commit(&mut steps, &context());
        assert_eq!(matches!(commit, Poll::Ready(Step::Joined(..))), is_apart, "case {case}: {commit:?}");
        assert_eq!(matches!(commit, Poll::Ready(Step::Overlapped)), !is_apart, "case {case}");
    }
}

#[test]
fn tokens_are_judged_by_what_is_known_here() {
    let (slot, _) = held(&Desk::default());
    let context = Context::from_waker(Waker::noop());
    let read = |token, pulled: Option<u64>| match slot.poll_at(token, pulled.map(Version), &context) {
        Poll::Ready(Ok(guard)) => Ok(guard.token() == at(Version(1))),
        Poll::Ready(Err(unreadable)) => Err(Some(unreadable)),
        Poll::Pending => Err(None),
    };
    let (seen, newer) = (at(Version(1)), at(Version(2)));
    assert_eq!(read(seen, None), Ok(true));
    assert_eq!(read(Token { lossy_epoch: Epoch(4), ..seen }, None), Err(Some(Unreadable::Unknown)), "before the loss");
    let other = Birth(CommitNumber { epoch: Epoch(4), n: 1 });
    assert_eq!(read(Token { birth: other, ..seen }, None), Err(Some(Unreadable::Another)));
    let both = Token { lossy_epoch: Epoch(4), birth: other, ..seen };
    assert_eq!(read(both, None), Err(Some(Unreadable::Unknown)), "it was lost, whatever its name has now");
    assert_eq!(read(newer, None), Err(None), "it may be on its way");
    assert_eq!(read(newer, Some(1)), Err(Some(Unreadable::Unknown)), "the repository has no such version");
    let later = Token { lossy_epoch: Epoch(6), ..seen };
    assert_eq!(read(later, None), Err(None), "a loss that is not known here: the repository is asked");
    assert_eq!(read(later, Some(1)), Err(Some(Unreadable::Unknown)), "it knows of none either");
}
