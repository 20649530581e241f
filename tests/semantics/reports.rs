//! The wounds of older systems: each report is a scenario that passes, and that fails as it was reported once the rule
//! which keeps it away is switched off.
//!
//! Reports about cookies and requests are scenarios in `tests/session`.

use std::task::{Context, Poll, Waker};

use nam::Token;
use nam::ids::Version;
use nam::node::{Ending, Rule as SlotRule, Settled};
use nam::repository::Rule;

use crate::cart::{Cart, CartMut, rig, several, version_of};
use crate::rig::Rig;
use crate::rig::naive::Naive;

/// W1, W2: two requests at two nodes write two attributes of one session, and one attribute is lost; requests that only
/// read replicate the session.
#[test]
fn hazelcast_7291_two_requests_write_two_attributes_and_reads_replicate() {
    let (mut rig, at_a, at_b) = rig();
    for _ in 0..10 {
        // A request that reads, at each node.
        assert_eq!((rig.read(&at_a).total, rig.read(&at_b).total), (0, 0));
    }
    let before = rig.parties[1].traffic;
    assert_eq!((rig.read(&at_a).version(), before.pushes, before.notices), (Version(1), 0, 0));
    let (a, b) = (Rig::join(&at_a, |cart| *cart.total_mut() = 7), Rig::join(&at_b, |cart| *cart.page_mut() = 9));
    rig.settle();
    version_of(&a);
    version_of(&b);
    let seen = rig.read(&at_a);
    assert_eq!((seen.total, seen.page), (7, 9), "both survive");
}

/// The same with nodes that know nothing of fields, at a repository that does not ask what a commit has not seen.
#[test]
fn hazelcast_7291_without_fields() {
    let mut rig = Rig::new(1);
    let start = Cart { total: 1, page: 1, ..Cart::default() };
    let watcher = rig.create(0, "alice", start.clone());
    let (mut a, mut b) = (Naive::new::<Cart>(&mut rig, "alice"), Naive::new::<Cart>(&mut rig, "alice"));
    rig.switch_off(Some(Rule::Overlap));
    let base = Version(1);
    a.end_request(&mut rig, base, &Cart { total: 7, ..start.clone() });
    b.end_request(&mut rig, base, &Cart { page: 9, ..start.clone() });
    let seen = rig.read(&watcher);
    assert_eq!((seen.total, seen.page), (1, 9), "the first request's attribute is lost");
    let before = (rig.parties[0].traffic.pushes + rig.parties[0].traffic.notices, seen.version());
    a.end_request(&mut rig, before.1, &Cart::clone(&seen));
    let after = (rig.parties[0].traffic.pushes + rig.parties[0].traffic.notices, rig.read(&watcher).version());
    assert!(after.0 > before.0 && after.1 > before.1, "a request that read made every node hear of it: {after:?}");
}

/// W10: a session that was destroyed comes back by the late write of a node that was away.
#[test]
fn jetty_2907_a_destroyed_session_comes_back_by_a_late_write() {
    let late_write = |rule| {
        let (mut rig, at_a, at_b) = rig();
        rig.switch_off(rule);
        rig.update(&at_a, |cart| cart.owner_mut().push_str("alice"));
        let late = Rig::join(&at_b, |cart| *cart.total_mut() = 99);
        rig.cut(1, false);
        rig.destroy(0, &at_a);
        let newcomer = rig.create(0, "alice", Cart::default());
        rig.update(&newcomer, |cart| cart.owner_mut().push_str("bob"));
        rig.connect(1);
        rig.settle();
        (late.settled(), rig.read(&newcomer).total)
    };
    assert_eq!(late_write(None), (Some(Settled::Ended(Ending::Gone)), 0));
    let (settled, total) = late_write(Some(Rule::Birth));
    assert!(
        matches!(settled, Some(Settled::Committed(_))) && total == 99,
        "{settled:?}: the dead one is in the new one"
    );
}

/// F1: after a failover and back, a node serves what it had before as if it were current.
#[test]
fn hazelcast_wm_50_old_data_is_served_after_failback() {
    let failback = |has_rule: bool| {
        let (mut rig, at_a, at_b) = rig();
        if !has_rule {
            at_b.switch_off(SlotRule::Outages);
        }
        rig.cut(1, false);
        rig.update(&at_a, |cart| *cart.total_mut() = 7);
        rig.connect(1);
        let served = at_b.current().map(|seen| seen.total);
        rig.settle();
        (served, at_b.current().map(|seen| seen.total))
    };
    assert_eq!(failback(true), (None, Some(7)), "a read waits for the resume");
    assert_eq!(failback(false), (Some(0), Some(7)), "without the rule the old value is served as current");
}

/// R1: values change under a reader, who sees half of one state and half of another.
#[test]
fn redisson_1868_values_change_under_a_reader() {
    let (mut rig, at_a, at_b) = rig();
    // All of it is in `owner` or in `total`, never in both or neither.
    rig.update(&at_a, |cart| *cart.total_mut() = 100);
    let mut read = |is_guarded: bool| {
        let guard = rig.read(&at_b);
        let total = guard.total;
        rig.update(&at_a, |cart| {
            let (total, page) = (u64::from(cart.page), u32::try_from(cart.total).unwrap());
            *cart.total_mut() = total;
            *cart.page_mut() = page;
        });
        // A live object looks its attributes up one by one.
        let page = if is_guarded { guard.page } else { at_b.peek_with(|cart| cart.page).unwrap().unwrap() };
        total + u64::from(page)
    };
    assert_eq!(read(true), 100);
    assert_eq!(read(true), 100);
    read(true);
    assert_eq!(read(false), 0, "without a guard a state is seen that never was");
}

/// R5: the answer to a read is older than what the browser was shown, and is taken for data.
#[test]
fn distributed_web_sessions_an_older_document_is_taken_for_data() {
    let older_answer = |has_rule: bool| {
        let (mut rig, at_a, at_b) = rig();
        if !has_rule {
            at_b.switch_off(SlotRule::Floor);
        }
        rig.update(&at_a, |cart| *cart.total_mut() = 7);
        let shown = Token { version: Version(5), ..at_b.newest().unwrap().unwrap() };
        let read = at_b.poll_at(shown, Some(shown.version), &Context::from_waker(Waker::noop()));
        match read {
            Poll::Ready(read) => Some(read.unwrap().version()),
            Poll::Pending => None,
        }
    };
    assert_eq!(older_answer(true), None, "what was promised is waited for");
    assert_eq!(older_answer(false), Some(Version(2)), "without the rule the older document is data");
}

/// W8: a change whose answer was lost is sent again, and applied again.
#[test]
fn ignite_a_change_that_is_sent_again_is_applied_twice() {
    let sent_again = |rule| {
        let (mut rig, slots) = several(2);
        rig.switch_off(rule);
        let ticket = Rig::join(&slots[0], |cart: &mut CartMut<'_>| cart.visits_mut().add(5));
        // It arrives; its answer does not.
        rig.cut(0, true);
        rig.settle();
        rig.connect(0);
        rig.settle();
        version_of(&ticket);
        rig.read(&slots[1]).visits
    };
    assert_eq!(sent_again(None), 5);
    assert_eq!(sent_again(Some(Rule::ExactlyOnce)), 10, "without the rule it is applied twice");
}
