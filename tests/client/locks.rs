//! Locks as an application has them: between two nodes of one repository, and over links that break (L1–L3).

use std::time::Duration;

use nam::node::{Answer, ReplicaId, Scope, Settled};
use nam::wire::FailureCode;
use nam::{Error, InProcess, Lock, Object, UpdateError};

use crate::links::{Ledger, World, join_by};

async fn pair() -> (Object<Ledger>, Object<Ledger>, nam::Node, nam::Node) {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let here = a.create("a", Ledger::default()).await.unwrap();
    let there = b.open::<Ledger>("a").await.unwrap();
    (here, there, a, b)
}

async fn add(lock: &Lock<Ledger>) -> Result<u64, UpdateError<Error>> {
    let done = lock.update(|ledger| {
        *ledger.total_mut() += 1;
        Ok(ledger.total)
    });
    done.await.map(|done| done.value)
}

fn is_lost<V>(outcome: &Result<V, UpdateError<Error>>) -> bool {
    matches!(outcome, Err(UpdateError::Failed(Error::LockLost { .. })))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_under_the_lock_before_is_seen_under_the_next() {
    let (here, there, ..) = pair().await;
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
async fn a_wait_that_was_dropped_is_not_in_the_way() {
    let (here, there, ..) = pair().await;
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
async fn a_time_out_names_the_holder_and_how_long_it_has_the_lock() {
    let (here, there, a, _) = pair().await;
    let _lock = here.lock().await.unwrap();
    match there.lock_within(Duration::from_millis(30)).await {
        Err(Error::LockTimeout { object, waited, holder, held }) => {
            assert_eq!((object.key.as_str(), waited, holder), ("a", Duration::from_millis(30), a.id()));
            assert!(held >= Duration::from_millis(20) && held < Duration::from_secs(5), "{held:?}");
        }
        other => panic!("{other:?}"),
    }
    // L1: the lock is in nobody's way who does not ask for it.
    there.edit(|ledger| ledger.total = 5).await.unwrap();
}

#[tokio::test]
async fn a_clean_close_releases_at_once() {
    let (here, there, a, _) = pair().await;
    let lock = here.lock().await.unwrap();
    let (next, closed) = tokio::join!(there.lock(), a.close());
    closed.unwrap();
    assert!(lock.is_lost() && is_lost(&add(&lock).await));
    assert!(matches!(lock.release().await, Err(Error::LockLost { .. })));
    assert_eq!(add(&next.unwrap()).await.unwrap(), 1);
}

#[tokio::test]
async fn wrong_tokens_are_told_what_is_wrong() {
    let (here, there, a, b) = pair().await;
    let lock = here.lock().await.unwrap();
    let token = lock.token();
    lock.release().await.unwrap();
    assert!(matches!(there.join_lock(token).await, Err(Error::LockLost { .. })), "an old one");
    assert!(matches!("nonsense".parse::<nam::LockToken>(), Err(Error::Corrupt { .. })));
    let other = a.create("b", Ledger::default()).await.unwrap();
    assert!(matches!(other.join_lock(token).await, Err(Error::Gone { .. })), "one of another object");
    let lock = here.lock().await.unwrap();
    let waiting = tokio::spawn({
        let there = there.clone();
        async move { there.lock().await.map(drop) }
    });
    b.destroy::<Ledger>("a").await.unwrap();
    assert!(matches!(there.join_lock(token).await, Err(Error::Gone { .. })), "one of an object that ended");
    assert!(matches!(waiting.await.unwrap(), Err(Error::Gone { .. } | Error::LockTimeout { .. })));
    assert!(matches!(add(&lock).await, Err(UpdateError::Failed(Error::Gone { .. }))));
    assert!(matches!(there.lock().await, Err(Error::Gone { .. })));
    let newer = b.create("a", Ledger::default()).await.unwrap();
    assert!(matches!(newer.join_lock(token).await, Err(Error::Gone { .. })), "one of an earlier birth");
}

#[tokio::test]
async fn a_closure_that_panics_under_a_lock_leaves_nothing_and_releases_it() {
    let (here, there, ..) = pair().await;
    let panicked = tokio::spawn(async move {
        let lock = here.lock().await.unwrap();
        let _ = lock
            .update(|ledger| {
                *ledger.total_mut() = 9;
                if ledger.total == 9 {
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

#[test]
fn a_link_that_comes_back_brings_no_lock_back() {
    let (mut world, slots) = World::with_object(2, &Ledger::default());
    let request = world.nodes[0].core.lock(ReplicaId(0), WAIT);
    world.settle();
    let Some(Answer::Locked { fence, links_lost }) = world.answer(0, request) else { panic!("it was free") };
    let waiting = world.nodes[1].core.lock(ReplicaId(1), WAIT);
    world.settle();
    assert!(world.answer(1, waiting).is_none());

    // An update under the lock is on its way when the link breaks; whether it arrived or not, its outcome is known.
    for is_sent in [true, false] {
        let ticket = join_by(&slots[0], Scope::Fenced(fence), |ledger| *ledger.total_mut() += 1);
        world.cut(0, is_sent);
        assert!(world.nodes[0].core.links_lost() > links_lost, "the guard is told that it is lost");
        world.connect(0);
        world.settle();
        let settled = ticket.settled().unwrap();
        match is_sent {
            true => assert!(matches!(settled, Settled::Committed(_)), "{settled:?}"),
            false => assert!(matches!(settled, Settled::Refused(ref why) if why.code == FailureCode::Fenced)),
        }
        if is_sent {
            assert!(matches!(world.answer(1, waiting), Some(Answer::Locked { .. })), "the next in line has it");
        }
    }
    let again = world.nodes[0].core.unlock(fence);
    world.settle();
    assert!(matches!(world.answer(0, again), Some(Answer::Failed { code: FailureCode::Fenced, .. })));
}

#[test]
fn a_wait_goes_on_over_links_at_the_end_of_the_line() {
    let (mut world, _slots) = World::with_object(3, &Ledger::default());
    let first = world.nodes[0].core.lock(ReplicaId(0), WAIT);
    world.settle();
    let second = world.nodes[1].core.lock(ReplicaId(1), WAIT);
    world.settle();
    let third = world.nodes[2].core.lock(ReplicaId(2), WAIT);
    world.settle();
    world.cut(1, true);
    world.connect(1);
    world.settle();
    let Some(Answer::Locked { fence, .. }) = world.answer(0, first) else { panic!("it was free") };
    let left = world.nodes[0].core.unlock(fence);
    world.settle();
    assert_eq!(world.answer(0, left), Some(Answer::Unlocked));
    let Some(Answer::Locked { fence, .. }) = world.answer(2, third) else { panic!("it is next") };
    assert!(world.answer(1, second).is_none());
    // Given back while there is no link: it is over with the link, and asked of nobody.
    world.cut(2, true);
    let left = world.nodes[2].core.unlock(fence);
    world.settle();
    assert!(matches!(world.answer(2, left), Some(Answer::Failed { code: FailureCode::Fenced, .. })));
    assert!(matches!(world.answer(1, second), Some(Answer::Locked { .. })));
}

#[test]
fn an_evicted_replica_is_opened_for_its_lock() {
    let (mut world, _slots) = World::with_object(2, &Ledger::default());
    assert!(world.nodes[1].core.evict(ReplicaId(1)));
    let request = world.nodes[1].core.lock(ReplicaId(1), WAIT);
    world.settle();
    let Some(Answer::Locked { fence, .. }) = world.answer(1, request) else { panic!("it was free") };
    // The lock outlives the value.
    assert!(world.nodes[1].core.evict(ReplicaId(1)));
    let left = world.nodes[1].core.unlock(fence);
    world.settle();
    assert_eq!(world.answer(1, left), Some(Answer::Unlocked));
}

#[test]
fn a_restart_ends_every_lock_and_no_token_comes_back() {
    let (mut world, slots) = World::with_object(1, &Ledger::default());
    let request = world.nodes[0].core.lock(ReplicaId(0), WAIT);
    world.settle();
    let Some(Answer::Locked { fence, .. }) = world.answer(0, request) else { panic!("it was free") };
    let ticket = join_by(&slots[0], Scope::Fenced(fence), |ledger| *ledger.total_mut() += 1);
    world.restart(2);
    world.connect(0);
    world.settle();
    let settled = ticket.settled().unwrap();
    assert!(matches!(settled, Settled::Refused(ref why) if why.code == FailureCode::Fenced), "{settled:?}");
    let request = world.nodes[0].core.lock(ReplicaId(0), WAIT);
    world.settle();
    let Some(Answer::Locked { fence: newer, .. }) = world.answer(0, request) else { panic!("it was free") };
    assert!(newer > fence, "epochs rise");
}
