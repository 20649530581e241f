//! V1, F1–F3: what a node may forget, and what it shows when a link or the repository was away.
//!
//! V1 by bytes is in `budget`; F2 with a daemon, and a class that fails closed, in `tests/recovery/outage.rs`.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::node::{Ending, LinkState, Replica, Scope, State, Step, Unreadable};
use nam::{Token, Tracked};

use crate::cart::{Cart, CartChanges, rig, version_of};
use crate::rig::Rig;

#[test]
fn v1_a_value_is_dropped_at_will_and_what_it_was_stays_known() {
    let (mut rig, at_a, at_b) = rig();
    assert!(rig.parties[1].core.evict(at_b.id()));
    assert_eq!(at_b.state(), State::Shell, "nobody was asked");
    // That the node holds it no longer is never told.
    rig.cut(1, false);
    rig.connect(1);
    rig.settle();
    let token = at_b.newest().unwrap().unwrap();
    assert_eq!(token.version.0, 1);
    let lost = Token { lossy_epoch: Default::default(), ..token };
    let context = Context::from_waker(Waker::noop());
    assert!(matches!(at_b.poll_at(lost, None, &context), Poll::Ready(Err(_))), "judged without the value");
    rig.update(&at_a, |cart| *cart.total_mut() = 7);
    assert_eq!(rig.read(&at_b).total, 7, "opened again");
    let held = rig.read(&at_b);
    rig.parties[1].core.evict(at_b.id());
    rig.update(&at_a, |cart| *cart.total_mut() = 8);
    assert_eq!((held.total, rig.read(&at_b).total), (7, 8), "a guard keeps what it shows");
}

#[test]
fn f1_what_was_not_committed_is_lost_with_its_node_and_copies_are_verified_before_they_are_current() {
    let (mut rig, at_a, at_b) = rig();
    drop(Rig::join(&at_b, |cart| *cart.total_mut() = 9));
    // The node dies before it sends, and comes back as one that has nothing under way.
    rig.cut(1, false);
    rig.settle();
    assert_eq!((rig.read(&at_a).total, at_b.state()), (0, State::Unverified));
    rig.update(&at_a, |cart| cart.owner_mut().push('a'));
    rig.connect(1);
    assert_eq!(rig.parties[1].core.link(), LinkState::Resuming);
    assert!(at_b.current().is_none(), "nothing is current before the resume has ended");
    rig.settle();
    assert_eq!(at_b.current().unwrap().owner, "a");
}

#[test]
fn f1_a_node_that_was_away_gets_what_it_missed() {
    let (mut rig, at_a, at_b) = rig();
    rig.cut(1, false);
    (0..5).for_each(|_| {
        rig.update(&at_a, |cart| cart.owner_mut().push_str("line "));
    });
    rig.connect(1);
    rig.settle();
    let seen = at_b.current().unwrap();
    assert_eq!((seen.version().0, seen.owner.as_str()), (6, &*"line ".repeat(5)));
}

#[test]
fn f2_without_a_link_copies_are_read_and_marked_and_writes_wait() {
    let (mut rig, at_a, at_b) = rig();
    rig.cut(1, false);
    rig.update(&at_a, |cart| *cart.total_mut() = 7);
    let seen = at_b.peek().unwrap().unwrap();
    assert_eq!((seen.total, seen.is_current()), (0, false));
    let context = Context::from_waker(Waker::noop());
    let mut raise = |cart: &mut Cart, changes: &mut CartChanges| {
        *cart.track(changes).total_mut() += 1;
        Ok::<u64, ()>(cart.total)
    };
    assert!(at_b.poll_update(Scope::Shared, &context, &mut raise).is_pending());
    rig.connect(1);
    rig.settle();
    let Poll::Ready(Step::Joined(total, ticket)) = at_b.poll_update(Scope::Shared, &context, &mut raise) else {
        panic!("the link is back")
    };
    rig.settle();
    assert_eq!((total, version_of(&ticket), rig.read(&at_a).total), (8, 3, 8));
}

/// A backup has the object by its birth, so the node opens what it has just been told is lost.
#[test]
fn f3_what_is_opened_behind_a_loss_is_not_closed_with_what_was_lost() {
    let (mut rig, at_a, _) = rig();
    rig.restore(9);
    rig.parties[0].is_deaf = true;
    (0..2).for_each(|at| rig.connect(at));
    rig.settle();
    // The word that it is lost is on its way.
    rig.parties[0].core.release(at_a.id());
    let at_a = rig.slot::<Cart>(0, "alice");
    rig.parties[0].core.open(Arc::clone(&at_a) as _);
    rig.settle();
    rig.listen(0);
    let at_b = rig.open::<Cart>(1, "alice");
    rig.update(&at_b, |cart| *cart.total_mut() = 7);
    assert_eq!(rig.read(&at_a).total, 7, "I5: it is told what others write");
}

#[test]
fn f3_a_restart_with_its_journal_loses_nothing_and_one_without_says_so() {
    let (mut rig, at_a, at_b) = rig();
    rig.update(&at_a, |cart| *cart.total_mut() = 7);
    rig.restart(2, true);
    (0..2).for_each(|at| rig.connect(at));
    rig.settle();
    assert_eq!(rig.update(&at_b, |cart| *cart.total_mut() += 1).0, 3, "versions go on");
    assert_eq!(rig.read(&at_a).total, 8);
    rig.restart(3, false);
    (0..2).for_each(|at| rig.connect(at));
    rig.settle();
    for slot in [&at_a, &at_b] {
        assert_eq!(slot.peek().err(), Some(Unreadable::Ended(Ending::Lost)));
    }
}
