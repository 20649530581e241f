//! R1–R5: what a read shows, and when it asks.

use std::task::{Context, Poll, Waker};

use nam::Token;
use nam::ids::Version;
use nam::limits::{PACKET_BYTES, SLOT_QUEUE_BYTES_MAX};
use nam::node::{Answer, Ending, Guard, Replica, Slot, State, Unreadable};
use nam::wire::Delivery;

use crate::cart::{Cart, nodes, rig};

fn may_cross_awaits<G: Send + 'static>(_: &G) {}

#[test]
fn r1_a_guard_shows_one_version_and_is_in_no_writers_way() {
    let (mut rig, at_a, at_b) = rig();
    let held = rig.read(&at_b);
    may_cross_awaits(&held);
    for total in 1..5 {
        rig.update(&at_a, |cart| *cart.total_mut() = total);
        rig.update(&at_b, |cart| cart.owner_mut().push('b'));
        assert_eq!((held.total, held.owner.as_str(), held.version()), (0, "", Version(1)));
    }
    let newest = rig.read(&at_b);
    assert_eq!((newest.total, newest.owner.as_str(), newest.version()), (4, "bbbb", Version(9)));
    let under_the_lock = at_b.peek_with(|cart| (cart.total, cart.owner.len()));
    assert_eq!(under_the_lock, Ok(Some((4, 4))));
}

#[tokio::test]
async fn r1_a_guard_moves_on_when_it_is_refreshed() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let mut guard = at_b.read().await.unwrap();
    let version = at_a.edit(|cart| cart.total = 5).await.unwrap().version;
    let mine = at_a.read().await.unwrap();
    assert_eq!(at_a.edit(|cart| cart.total += 1).await.unwrap().version, version.next());
    assert_eq!((guard.total, mine.total), (0, 5));
    at_b.read_at(at_a.token().unwrap()).await.unwrap();
    assert!(guard.refresh(&at_b).await.unwrap());
    assert_eq!(guard.total, 6);
}

#[test]
fn r1_what_waits_behind_a_guard_for_too_long_is_pulled_again() {
    let (mut rig, at_a, at_b) = rig();
    rig.parties[1].is_lazy = true;
    let guard = at_b.current().unwrap();
    for i in 0..6 {
        rig.update(&at_a, |cart| cart.owner_mut().push_str(&i.to_string().repeat(SLOT_QUEUE_BYTES_MAX / 4)));
    }
    assert!(at_b.current().is_none() && guard.owner.is_empty());
    rig.parties[1].is_lazy = false;
    rig.settle();
    assert_eq!(*rig.read(&at_b), *at_a.current().unwrap());
}

#[test]
fn r2_a_read_of_a_current_replica_asks_nobody_and_of_a_stale_one_once() {
    let (mut rig, at_a, at_b) = rig();
    rig.parties[1].core.set_delivery(at_b.id(), Delivery::Notice);
    rig.settle();
    (0..100).for_each(|_| drop(rig.read(&at_b)));
    assert_eq!(rig.parties[1].traffic.bytes, 0);
    rig.update(&at_a, |cart| *cart.total_mut() = 7);
    assert_eq!(at_b.state(), State::Stale);
    (0..100).for_each(|_| assert_eq!(rig.read(&at_b).total, 7));
    assert_eq!((rig.parties[1].traffic.pulls, rig.parties[1].traffic.pushes), (1, 0));
}

#[test]
fn r3_peek_shows_what_is_here_and_fresh_asks_in_one_small_round() {
    let (mut rig, at_a, at_b) = rig();
    let request = rig.parties[1].core.pull(at_b.id());
    rig.settle();
    assert_eq!(rig.answer(1, request), Some(Answer::Pulled(Version(1))));
    let asked = rig.parties[1].traffic;
    assert!(asked.pulls == 1 && asked.bytes <= 2 * (PACKET_BYTES + 12), "no data when nothing changed: {asked:?}");
    rig.cut(1, false);
    rig.update(&at_a, |cart| *cart.total_mut() = 7);
    assert_eq!(at_b.peek().unwrap().unwrap().total, 0, "whatever is here");
    rig.connect(1);
    rig.settle();
    assert_eq!(at_b.peek().unwrap().unwrap().total, 7, "and never back");
}

/// What a read with a token finds, once the repository answered `pulled` to a pull.
fn read_at(slot: &Slot<Cart>, token: Token, pulled: Option<Version>) -> Poll<Result<Guard<Cart>, Unreadable>> {
    slot.poll_at(token, pulled, &Context::from_waker(Waker::noop()))
}

#[test]
fn r4_a_token_is_waited_for_and_one_from_before_a_loss_or_of_another_birth_says_so() {
    let (mut rig, at_a, at_b) = rig();
    rig.parties[1].is_deaf = true;
    let version = rig.update(&at_a, |cart| *cart.total_mut() = 7);
    let token = at_a.newest().unwrap().unwrap();
    assert!(token.version == version && token.to_string().len() <= 40);
    assert_eq!(token.to_string().parse(), Ok(token));
    assert!(read_at(&at_b, token, None).is_pending(), "the push is under way");
    rig.listen(1);
    let Poll::Ready(Ok(seen)) = read_at(&at_b, token, None) else { panic!("the push came") };
    assert_eq!(seen.total, 7);

    rig.destroy(0, &at_a);
    let newcomer = rig.create(0, "alice", Cart::default());
    assert_eq!(read_at(&newcomer, token, None).map(|read| read.err()), Poll::Ready(Some(Unreadable::Another)), "Gone");

    let before = newcomer.newest().unwrap().unwrap();
    rig.restart(9, false);
    (0..2).for_each(|at| rig.connect(at));
    rig.settle();
    assert_eq!(newcomer.peek().err(), Some(Unreadable::Ended(Ending::Lost)), "a lossy epoch is told");
    let again = rig.create(0, "alice", Cart::default());
    let read = read_at(&again, before, None).map(|read| read.err());
    assert_eq!(read, Poll::Ready(Some(Unreadable::Unknown)), "LostWrite");
}

#[test]
fn r5_an_answer_older_than_promised_is_an_error() {
    let (mut rig, at_a, at_b) = rig();
    rig.update(&at_a, |cart| *cart.total_mut() = 7);
    let promised = Token { version: Version(5), ..at_b.newest().unwrap().unwrap() };
    let read = read_at(&at_b, promised, Some(Version(2))).map(|read| read.err());
    assert_eq!(read, Poll::Ready(Some(Unreadable::Unknown)), "LostWrite");
    assert!(read_at(&at_b, promised, Some(Version(5))).is_pending(), "promised, and not here yet");
}
