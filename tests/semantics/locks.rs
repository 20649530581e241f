//! L1–L3: who has a lock, for how long, and what is committed under it.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use nam::ids::{Fence, RequestId, Version};
use nam::node::{Answer, Replica, Scope, Settled};
use nam::repository::Rule;
use nam::wire::FailureCode;
use nam::{Error, Lock, UpdateError};

use crate::cart::{Cart, nodes, several};
use crate::rig::Rig;

async fn add(lock: &Lock<Cart>) -> Result<u64, UpdateError<Error>> {
    let done = lock.update(|cart| {
        *cart.total_mut() += 1;
        Ok(cart.total)
    });
    done.await.map(|done| done.value)
}

fn is_lost<V>(outcome: &Result<V, UpdateError<Error>>) -> bool {
    matches!(outcome, Err(UpdateError::Failed(Error::LockLost { .. })))
}

#[tokio::test(flavor = "multi_thread")]
async fn l1_what_was_done_under_the_lock_before_is_seen_under_the_next() {
    let (_repository, [(_a, here), (_b, there)]) = nodes().await;
    let mut tasks = Vec::new();
    for object in [here.clone(), there.clone(), here.clone(), there.clone()] {
        tasks.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..25 {
                let lock = object.lock().await.unwrap();
                let before = object.read().await.unwrap().total;
                let after = add(&lock).await.unwrap();
                assert_eq!(after, before + 1, "nobody came between the read and the write");
                seen.push(after);
            }
            seen
        }));
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.extend(task.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=100).collect::<Vec<u64>>());
}

#[tokio::test]
async fn l1_a_wait_that_was_dropped_is_not_in_the_way() {
    let (_repository, [(_a, here), (_b, there)]) = nodes().await;
    let lock = here.lock().await.unwrap();
    for _ in 0..20 {
        let waiting = tokio::time::timeout(Duration::from_millis(2), there.lock());
        assert!(waiting.await.is_err(), "it is held");
    }
    drop(lock);
    // Dropped at any moment, also when the grant is on its way.
    for pause in 0..50 {
        let waiting = tokio::time::timeout(Duration::from_micros(20 * pause), there.lock());
        let _ = waiting.await;
    }
    here.lock().await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn l2_a_time_out_names_the_holder_and_how_long_it_has_the_lock() {
    let (_repository, [(a, here), (_b, there)]) = nodes().await;
    let _lock = here.lock().await.unwrap();
    match there.lock_within(Duration::from_millis(30)).await {
        Err(Error::LockTimeout { object, waited, holder, held }) => {
            assert_eq!((object.key.as_str(), waited, holder), ("alice", Duration::from_millis(30), a.id()));
            assert!(held >= Duration::from_millis(20) && held < Duration::from_secs(5), "{held:?}");
        }
        other => panic!("{other:?}"),
    }
    // L1: the lock is in nobody's way who does not ask for it.
    there.edit(|cart| cart.total = 5).await.unwrap();
}

#[tokio::test]
async fn l2_a_clean_close_releases_at_once() {
    let (_repository, [(a, here), (_b, there)]) = nodes().await;
    let lock = here.lock().await.unwrap();
    let (next, closed) = tokio::join!(there.lock(), a.close());
    closed.unwrap();
    assert!(lock.is_lost() && is_lost(&add(&lock).await));
    assert!(matches!(lock.release().await, Err(Error::LockLost { .. })));
    assert_eq!(add(&next.unwrap()).await.unwrap(), 1);
}

/// Whether nobody is told yet that a lock is over.
fn is_quiet(lock: &Lock<Cart>) -> bool {
    pin!(lock.lost()).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn l2_whoever_has_a_lock_is_told_when_it_is_over() {
    let (_repository, [(a, here), (b, there)]) = nodes().await;
    let lock = here.lock().await.unwrap();
    let joined = there.join_lock(lock.token()).await.unwrap();
    assert!(is_quiet(&lock) && is_quiet(&joined));
    let ((), released) = tokio::join!(lock.lost(), lock.release());
    released.unwrap();
    assert!(is_quiet(&joined), "of another node's lock nobody tells");
    let ((), refused) = tokio::join!(joined.lost(), add(&joined));
    assert!(is_lost(&refused));

    let lock = here.lock().await.unwrap();
    let ((), destroyed) = tokio::join!(lock.lost(), b.destroy::<Cart>("alice"));
    destroyed.unwrap();
    assert!(lock.is_lost() && matches!(add(&lock).await, Err(UpdateError::Failed(Error::Gone { .. }))));

    let other = a.create("bob", Cart::default()).await.unwrap();
    let lock = other.lock().await.unwrap();
    let ((), closed) = tokio::join!(lock.lost(), a.close());
    closed.unwrap();
    lock.lost().await;
    assert!(lock.is_lost(), "and whoever asks late is told at once");
}

#[tokio::test]
async fn l2_wrong_tokens_are_told_what_is_wrong() {
    let (_repository, [(a, here), (b, there)]) = nodes().await;
    let lock = here.lock().await.unwrap();
    let token = lock.token();
    lock.release().await.unwrap();
    assert!(matches!(there.join_lock(token).await, Err(Error::LockLost { .. })), "an old one");
    assert!(matches!("nonsense".parse::<nam::LockToken>(), Err(Error::Corrupt { .. })));
    let other = a.create("bob", Cart::default()).await.unwrap();
    assert!(matches!(other.join_lock(token).await, Err(Error::Gone { .. })), "one of another object");
    let lock = here.lock().await.unwrap();
    let waiting = tokio::spawn({
        let there = there.clone();
        async move { there.lock().await.map(drop) }
    });
    b.destroy::<Cart>("alice").await.unwrap();
    assert!(matches!(there.join_lock(token).await, Err(Error::Gone { .. })), "one of an object that ended");
    assert!(matches!(waiting.await.unwrap(), Err(Error::Gone { .. } | Error::LockTimeout { .. })));
    assert!(matches!(add(&lock).await, Err(UpdateError::Failed(Error::Gone { .. }))));
    assert!(matches!(there.lock().await, Err(Error::Gone { .. })));
    let newer = b.create("alice", Cart::default()).await.unwrap();
    assert!(matches!(newer.join_lock(token).await, Err(Error::Gone { .. })), "one of an earlier birth");
}

#[tokio::test]
async fn l2_a_closure_that_panics_under_a_lock_leaves_nothing_and_releases_it() {
    let (_repository, [(_a, here), (_b, there)]) = nodes().await;
    let panicked = tokio::spawn(async move {
        let lock = here.lock().await.unwrap();
        let _ = lock
            .update(|cart| {
                *cart.total_mut() = 9;
                if cart.total == 9 {
                    panic!("no")
                }
                Ok::<(), Error>(())
            })
            .await;
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let lock = there.lock().await.unwrap();
    assert_eq!(add(&lock).await.unwrap(), 1);
}

const WAIT: Duration = Duration::from_secs(15);

/// The grant that a wait was answered with.
fn granted(rig: &mut Rig, at: usize, request: RequestId) -> Fence {
    match rig.answer(at, request) {
        Some(Answer::Locked { fence, .. }) => fence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn l1_no_lock_is_needed_to_write_and_the_line_is_served_in_order() {
    let (mut rig, slots) = several(4);
    let first = rig.parties[0].core.lock(slots[0].id(), WAIT);
    rig.settle();
    let mut fence = granted(&mut rig, 0, first);
    let waits = [2, 3, 1].map(|at| {
        let request = rig.parties[at].core.lock(slots[at].id(), WAIT);
        rig.settle();
        (at, request)
    });
    rig.update(&slots[1], |cart| *cart.total_mut() = 5);
    let mut holder = 0;
    for (at, request) in waits {
        assert_eq!(rig.answer(at, request), None, "one after the other");
        rig.parties[holder].core.unlock(fence);
        rig.settle();
        let next = granted(&mut rig, at, request);
        assert!(next > fence, "L3: grants are numbers that rise");
        (holder, fence) = (at, next);
    }
}

#[test]
fn l3_what_is_committed_under_a_lock_carries_its_grant() {
    let late = |rule| {
        let (mut rig, slots) = several(2);
        rig.switch_off(rule);
        let request = rig.parties[0].core.lock(slots[0].id(), WAIT);
        rig.settle();
        let fence = granted(&mut rig, 0, request);
        // The holder is taken for dead, goes on, and another has the lock.
        rig.cut(0, false);
        let request = rig.parties[1].core.lock(slots[1].id(), WAIT);
        rig.settle();
        assert!(granted(&mut rig, 1, request) > fence);
        rig.connect(0);
        rig.settle();
        let late = Rig::join_by(&slots[0], Scope::Fenced(fence), |cart| *cart.total_mut() = 9);
        rig.settle();
        (late.settled(), rig.read(&slots[1]).total)
    };
    let (settled, total) = late(None);
    assert!(matches!(settled, Some(Settled::Refused(why)) if why.code == FailureCode::Fenced) && total == 0);
    assert_eq!(late(Some(Rule::Fence)), (Some(Settled::Committed(Version(2))), 9), "without the rule both have it");
}

#[test]
fn l2_a_link_that_comes_back_brings_no_lock_back() {
    let (mut rig, slots) = several(2);
    let request = rig.parties[0].core.lock(slots[0].id(), WAIT);
    rig.settle();
    let Some(Answer::Locked { fence, links_lost }) = rig.answer(0, request) else { panic!("it was free") };
    let waiting = rig.parties[1].core.lock(slots[1].id(), WAIT);
    rig.settle();
    assert!(rig.answer(1, waiting).is_none());

    // An update under the lock is on its way when the link breaks; whether it arrived or not, its outcome is known.
    for is_sent in [true, false] {
        let ticket = Rig::join_by(&slots[0], Scope::Fenced(fence), |cart| *cart.total_mut() += 1);
        rig.cut(0, is_sent);
        assert!(rig.parties[0].core.links_lost() > links_lost, "the guard is told that it is lost");
        rig.connect(0);
        rig.settle();
        let settled = ticket.settled().unwrap();
        match is_sent {
            true => assert!(matches!(settled, Settled::Committed(_)), "{settled:?}"),
            false => assert!(matches!(settled, Settled::Refused(ref why) if why.code == FailureCode::Fenced)),
        }
        if is_sent {
            assert!(matches!(rig.answer(1, waiting), Some(Answer::Locked { .. })), "the next in line has it");
        }
    }
    let again = rig.parties[0].core.unlock(fence);
    rig.settle();
    assert!(matches!(rig.answer(0, again), Some(Answer::Failed { code: FailureCode::Fenced, .. })));
}

#[test]
fn l2_a_wait_goes_on_over_links_at_the_end_of_the_line() {
    let (mut rig, slots) = several(3);
    let first = rig.parties[0].core.lock(slots[0].id(), WAIT);
    rig.settle();
    let second = rig.parties[1].core.lock(slots[1].id(), WAIT);
    rig.settle();
    let third = rig.parties[2].core.lock(slots[2].id(), WAIT);
    rig.settle();
    rig.cut(1, true);
    rig.connect(1);
    rig.settle();
    let Some(Answer::Locked { fence, .. }) = rig.answer(0, first) else { panic!("it was free") };
    let left = rig.parties[0].core.unlock(fence);
    rig.settle();
    assert_eq!(rig.answer(0, left), Some(Answer::Unlocked));
    let Some(Answer::Locked { fence, .. }) = rig.answer(2, third) else { panic!("it is next") };
    assert!(rig.answer(1, second).is_none());
    // Given back while there is no link: it is over with the link, and asked of nobody.
    rig.cut(2, true);
    let left = rig.parties[2].core.unlock(fence);
    rig.settle();
    assert!(matches!(rig.answer(2, left), Some(Answer::Failed { code: FailureCode::Fenced, .. })));
    assert!(matches!(rig.answer(1, second), Some(Answer::Locked { .. })));
}

#[test]
fn l2_an_evicted_replica_is_opened_for_its_lock() {
    let (mut rig, slots) = several(2);
    assert!(rig.parties[1].core.evict(slots[1].id()));
    let request = rig.parties[1].core.lock(slots[1].id(), WAIT);
    rig.settle();
    let Some(Answer::Locked { fence, .. }) = rig.answer(1, request) else { panic!("it was free") };
    // The lock outlives the value.
    assert!(rig.parties[1].core.evict(slots[1].id()));
    let left = rig.parties[1].core.unlock(fence);
    rig.settle();
    assert_eq!(rig.answer(1, left), Some(Answer::Unlocked));
}

#[test]
fn l3_a_restart_ends_every_lock_and_no_token_comes_back() {
    let (mut rig, slots) = several(1);
    let request = rig.parties[0].core.lock(slots[0].id(), WAIT);
    rig.settle();
    let Some(Answer::Locked { fence, .. }) = rig.answer(0, request) else { panic!("it was free") };
    let ticket = Rig::join_by(&slots[0], Scope::Fenced(fence), |cart| *cart.total_mut() += 1);
    rig.restart(2, true);
    rig.connect(0);
    rig.settle();
    let settled = ticket.settled().unwrap();
    assert!(matches!(settled, Settled::Refused(ref why) if why.code == FailureCode::Fenced), "{settled:?}");
    let request = rig.parties[0].core.lock(slots[0].id(), WAIT);
    rig.settle();
    let Some(Answer::Locked { fence: newer, .. }) = rig.answer(0, request) else { panic!("it was free") };
    assert!(newer > fence, "epochs rise");
}
