//! W7: several objects of one shard change together or not at all, and are read as of one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nam::client::{InProcess, Node, Object};
use nam::error::{Error, UpdateError};
use nam::limits::{GROUP_BYTES_MAX, GROUP_OBJECTS_MAX};
use nam::node::{Answer, Replica, Settled, Slot, Ticket};
use nam::repository::Rule;
use nam::wire::Delivery;
use nam::{Group, Tracked};

use crate::cart::version_of;
use crate::rig::Rig;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Purse")]
struct Purse {
    cash: i64,
    notes: String,
    #[nam(add)]
    moves: u64,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Ledger")]
struct Ledger {
    total: i64,
}

fn of(cash: i64) -> Purse {
    Purse { cash, ..Purse::default() }
}

async fn nodes() -> (InProcess, Node, Node) {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    (repository, a, b)
}

/// The same purses on two nodes.
async fn purses(a: &Node, b: &Node, cash: [i64; 2]) -> [[Object<Purse>; 2]; 2] {
    let [x, y] = [a.create("{u}x", of(cash[0])).await.unwrap(), a.create("{u}y", of(cash[1])).await.unwrap()];
    [[x, y], [b.open("{u}x").await.unwrap(), b.open("{u}y").await.unwrap()]]
}

async fn add(group: &mut Group, purse: &Object<Purse>, cash: i64) -> Result<(), UpdateError<&'static str>> {
    let step = group.with(purse, |purse| {
        *purse.cash_mut() += cash;
        if purse.cash < 0 { Err("too little") } else { Ok(()) }
    });
    step.await
}

async fn shift(
    node: &Node,
    from: &Object<Purse>,
    to: &Object<Purse>,
    cash: i64,
) -> Result<(), UpdateError<&'static str>> {
    let done = node.update_group(|mut group| async move {
        add(&mut group, from, -cash).await?;
        add(&mut group, to, cash).await?;
        Ok((group, ()))
    });
    done.await.map(|_| ())
}

#[tokio::test]
async fn w7_all_of_a_group_takes_effect_or_nothing() {
    let (_repository, a, b) = nodes().await;
    let [[x, y], [there_x, there_y]] = purses(&a, &b, [10, 0]).await;
    shift(&a, &x, &y, 4).await.unwrap();
    assert_eq!((x.read().await.unwrap().cash, y.read().await.unwrap().cash), (6, 4));
    let (seen_x, seen_y) = b.read_group((&there_x, &there_y)).await.unwrap();
    assert_eq!((seen_x.cash, seen_y.cash), (6, 4));
    assert_eq!(shift(&b, &there_x, &there_y, 7).await, Err(UpdateError::Aborted("too little")));
    // The second step fails, and the first leaves nothing either.
    assert_eq!(shift(&b, &there_x, &there_y, -5).await, Err(UpdateError::Aborted("too little")));
    let seen = b.read_group(&[there_x, there_y][..]).await.unwrap();
    assert_eq!(seen.iter().map(|purse| purse.cash).collect::<Vec<_>>(), [6, 4], "I8");
}

#[tokio::test]
async fn w7_a_group_that_meets_another_begins_again_as_a_whole() {
    let (_repository, a, b) = nodes().await;
    let [[x, y], [there_x, _]] = purses(&a, &b, [10, 0]).await;
    let mut group = a.begin_group();
    add(&mut group, &x, -1).await.unwrap();
    add(&mut group, &y, 1).await.unwrap();
    there_x.edit(|purse| purse.cash = 100).await.unwrap();
    assert!(matches!(group.commit().await, Err(Error::Conflict { .. })));
    assert_eq!(b.read_group((&there_x,)).await.unwrap().0.cash, 100);
    assert_eq!(y.fresh().await.unwrap().cash, 0, "I8");
    let runs = AtomicU64::new(0);
    let (from, to, there) = (&x, &y, &there_x);
    let done = a.update_group(|mut group| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            add(&mut group, from, -1).await?;
            if run == 0 {
                there.edit(|purse| purse.cash += 1).await?;
            }
            add(&mut group, to, 1).await?;
            Ok((group, ()))
        }
    });
    let done = done.await.unwrap();
    assert_eq!(runs.into_inner(), 2);
    assert_eq!(done.version_of(&x), Some(x.read().await.unwrap().version()));
    assert_eq!((x.read().await.unwrap().cash, y.read().await.unwrap().cash), (100, 1));
    // What others wrote beside it is not in its way, and operations are in nobody's.
    let mut group = a.begin_group();
    add(&mut group, &x, -1).await.unwrap();
    add(&mut group, &y, 1).await.unwrap();
    there_x.edit(|purse| purse.notes.push('!')).await.unwrap();
    group.commit().await.unwrap();
    let (seen_x, seen_y) = a.read_group((&x, &y)).await.unwrap();
    assert_eq!((seen_x.cash, seen_x.notes.as_str(), seen_y.cash), (99, "!", 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn w7_what_moves_between_purses_is_neither_lost_nor_seen_half() {
    const MOVES: i64 = 60;
    let (_repository, a, b) = nodes().await;
    let [here, there] = purses(&a, &b, [1_000, 1_000]).await;
    let readers = [(a.clone(), here.clone()), (b.clone(), there.clone())].map(|(node, [x, y])| {
        tokio::spawn(async move {
            for _ in 0..200 {
                let (x, y) = node.read_group((&x, &y)).await.unwrap();
                assert_eq!(x.cash + y.cash, 2_000, "W7: half of a group is seen");
            }
        })
    });
    let tasks = [(a.clone(), here.clone()), (b.clone(), there.clone())].into_iter().flat_map(|(node, [x, y])| {
        [(x.clone(), y.clone()), (y, x)].map(|(from, to)| {
            let node = node.clone();
            tokio::spawn(async move {
                for _ in 0..MOVES {
                    while let Err(error) = shift(&node, &from, &to, 1).await {
                        assert!(error.is_retryable(), "{error}");
                    }
                    from.update(|purse| {
                        purse.moves_mut().add(1);
                        Ok::<_, Error>(())
                    })
                    .await
                    .unwrap();
                }
            })
        })
    });
    for task in tasks.chain(readers) {
        task.await.unwrap();
    }
    let (x, y) = a.read_group((&here[0], &here[1])).await.unwrap();
    assert_eq!((x.cash, y.cash), (1_000, 1_000), "as much went there as came back");
    assert_eq!(x.moves + y.moves, 4 * MOVES.unsigned_abs());
}

#[tokio::test]
async fn w7_objects_of_several_classes_share_a_group() {
    let (_repository, a, _) = nodes().await;
    let (purse, ledger) =
        (a.create("{u}x", of(5)).await.unwrap(), a.create("{u}ledger", Ledger::default()).await.unwrap());
    let mut group = a.begin_group();
    let cash = group.with(&purse, |purse| Ok::<_, Error>(std::mem::take(&mut *purse.cash_mut()))).await.unwrap();
    let step = group.with(&ledger, |ledger| {
        *ledger.total_mut() += cash;
        Ok::<_, Error>(())
    });
    step.await.unwrap();
    assert_eq!(format!("{group:?}").matches("test.").count(), 2);
    group.commit().await.unwrap();
    let (purse, ledger) = a.read_group((&purse, &ledger)).await.unwrap();
    assert_eq!((purse.cash, ledger.total), (0, 5));
}

#[tokio::test]
async fn w7_what_a_group_requires_of_one_object_protects_what_it_writes_to_another() {
    let (_repository, a, b) = nodes().await;
    let [[x, y], [there_x, _]] = purses(&a, &b, [10, 0]).await;
    let pay = async |is_late: bool| {
        let mut group = a.begin_group();
        let rich = group.with(&x, |purse| Ok::<_, Error>(*purse.require_cash() >= 10)).await.unwrap();
        if is_late {
            there_x.edit(|purse| purse.cash = 3).await.unwrap();
        }
        let step = group.with(&y, |purse| {
            *purse.cash_mut() = if rich { 1 } else { -1 };
            Ok::<_, Error>(())
        });
        step.await.unwrap();
        group.commit().await
    };
    let done = pay(false).await.unwrap();
    let versions = (done.version_of(&x).unwrap().0, done.version_of(&y).unwrap().0);
    assert_eq!(versions, (1, 2), "what is only required makes no version");
    assert!(matches!(pay(true).await, Err(Error::Conflict { .. })), "W5");
    assert_eq!(y.fresh().await.unwrap().version().0, 2);
}

#[tokio::test]
async fn w7_one_destroyed_object_takes_the_group_with_it_and_is_named() {
    let (_repository, a, b) = nodes().await;
    let [[x, y], [_, there_y]] = purses(&a, &b, [10, 0]).await;
    let mut group = a.begin_group();
    add(&mut group, &x, -1).await.unwrap();
    add(&mut group, &y, 1).await.unwrap();
    b.destroy::<Purse>(there_y.key()).await.unwrap();
    let gone = group.commit().await;
    assert!(matches!(&gone, Err(Error::Gone { object }) if object.key == "{u}y"), "{gone:?}");
    assert_eq!(x.fresh().await.unwrap().cash, 10);
    let gone = a.read_group((&x, &y)).await.map(|_| ());
    assert!(matches!(&gone, Err(Error::Gone { object }) if object.key == "{u}y"), "{gone:?}");
    // What is left is as free as before.
    x.edit(|purse| purse.cash += 1).await.unwrap();
    let mut group = a.begin_group();
    add(&mut group, &x, 1).await.unwrap();
    group.commit().await.unwrap();
    assert_eq!(x.read().await.unwrap().cash, 12);
}

#[tokio::test]
async fn w7_a_group_under_a_lock_takes_effect_only_while_that_is_held() {
    let (_repository, a, b) = nodes().await;
    let [[x, y], [there_x, _]] = purses(&a, &b, [10, 0]).await;
    let lock = x.lock().await.unwrap();
    let mut group = a.begin_group();
    group.under(&lock).unwrap();
    add(&mut group, &x, -1).await.unwrap();
    add(&mut group, &y, 1).await.unwrap();
    group.commit().await.unwrap();
    let mut group = a.begin_group();
    group.under(&lock).unwrap();
    add(&mut group, &y, 1).await.unwrap();
    // The part of the lock's object neither writes nor requires anything, and counts.
    lock.release().await.unwrap();
    let _other = there_x.lock().await.unwrap();
    assert!(matches!(group.commit().await, Err(Error::LockLost { object }) if object.key == "{u}x"));
    assert_eq!(y.fresh().await.unwrap().cash, 1);
    assert!(matches!(a.begin_group().under(&lock), Err(Error::LockLost { .. })));
}

#[tokio::test]
async fn w7_too_many_and_too_large_and_strangers_are_refused_at_the_call() {
    let (_repository, a, b) = nodes().await;
    let [[x, y], [there_x, _]] = purses(&a, &b, [10, 0]).await;
    let mut group = a.begin_group();
    let stranger = add(&mut group, &there_x, 1).await;
    assert!(matches!(stranger, Err(UpdateError::Failed(Error::Invalid { .. }))), "{stranger:?}");
    for purse in [&x, &y] {
        let step = group.with(purse, |purse| {
            purse.notes_mut().push_str(&"x".repeat(GROUP_BYTES_MAX / 2 + 1));
            Ok::<_, Error>(())
        });
        step.await.unwrap();
    }
    assert!(matches!(group.commit().await, Err(Error::Limit { .. })));
    let mut purses = Vec::new();
    for number in 0..=GROUP_OBJECTS_MAX {
        purses.push(a.create(&format!("{{u}}{number}"), of(1)).await.unwrap());
    }
    assert!(matches!(a.read_group(&purses[..]).await, Err(Error::Limit { .. })));
    assert_eq!(a.read_group(&purses[1..]).await.unwrap().len(), GROUP_OBJECTS_MAX);
    let mut group = a.begin_group();
    for purse in &purses[1..] {
        add(&mut group, purse, 1).await.unwrap();
    }
    assert!(matches!(add(&mut group, &purses[0], 1).await, Err(UpdateError::Failed(Error::Limit { .. }))));
    group.commit().await.unwrap();
    assert!(a.read_group(&purses[1..]).await.unwrap().iter().all(|purse| purse.cash == 2));
    assert_eq!(a.begin_group().commit().await.unwrap().version_of(&x), None, "a group of nothing is done");
    assert!(a.read_group(&purses[..0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn w7_a_closure_that_panics_and_a_group_that_is_dropped_leave_everything_free() {
    let (_repository, a, _) = nodes().await;
    let x = a.create("{u}x", of(1)).await.unwrap();
    let (node, purse) = (a.clone(), x.clone());
    let panicked = tokio::spawn(async move {
        let mut group = node.begin_group();
        add(&mut group, &purse, 1).await.unwrap();
        let step = group.with(&purse, |purse| -> Result<(), Error> {
            *purse.cash_mut() = 77;
            panic!("no such luck")
        });
        step.await
    });
    assert!(panicked.await.is_err());
    let mut group = a.begin_group();
    add(&mut group, &x, 5).await.unwrap();
    drop(group);
    let counted = Arc::new(AtomicU64::new(0));
    x.update(|purse| {
        counted.fetch_add(1, Ordering::Relaxed);
        *purse.cash_mut() += 1;
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    assert_eq!((x.read().await.unwrap().cash, counted.load(Ordering::Relaxed)), (2, 1));
    a.close().await.unwrap();
    assert!(matches!(a.read_group((&x,)).await, Err(Error::Closed)));
    assert!(matches!(add(&mut a.begin_group(), &x, 1).await, Err(UpdateError::Failed(Error::Closed))));
}

/// Two purses on two nodes without a clock.
fn rig() -> (Rig, [[Arc<Slot<Purse>>; 2]; 2]) {
    let mut rig = Rig::new(2);
    let here = ["x", "y"].map(|key| rig.create(0, key, of(10)));
    let there = ["x", "y"].map(|key| rig.open(1, key));
    (rig, [here, there])
}

/// Moves one from the first purse to the second; nothing is sent yet.
fn depart(rig: &mut Rig, at: usize, purses: &[Arc<Slot<Purse>>; 2]) -> Vec<Ticket> {
    let [from, to] = purses;
    let moved = [Rig::depart(from, |purse| *purse.cash_mut() -= 1), Rig::depart(to, |purse| *purse.cash_mut() += 1)];
    let (parts, tickets) = moved.into_iter().unzip();
    rig.parties[at].core.commit_group(parts);
    tickets
}

fn cash(rig: &mut Rig, purses: &[Arc<Slot<Purse>>; 2]) -> [i64; 2] {
    [rig.read(&purses[0]).cash, rig.read(&purses[1]).cash]
}

#[test]
fn w7_a_group_whose_result_was_lost_is_sent_again_as_a_whole_and_takes_effect_once() {
    for is_sent in [false, true] {
        let (mut rig, [here, there]) = rig();
        let tickets = depart(&mut rig, 0, &here);
        rig.cut(0, is_sent);
        rig.connect(0);
        rig.settle();
        assert_eq!(tickets.iter().map(version_of).collect::<Vec<_>>(), [2, 2]);
        assert_eq!((cash(&mut rig, &here), cash(&mut rig, &there)), ([9, 11], [9, 11]), "W8");
        let again = depart(&mut rig, 1, &there);
        rig.settle();
        assert_eq!(again.iter().map(version_of).collect::<Vec<_>>(), [3, 3]);
        rig.restart(2, true);
        (0..2).for_each(|at| rig.connect(at));
        rig.settle();
        assert_eq!((cash(&mut rig, &here), cash(&mut rig, &there)), ([8, 12], [8, 12]), "I7");
    }
}

#[test]
fn w7_without_the_rule_one_half_of_a_group_stays() {
    let half = |rule| {
        let (mut rig, [here, there]) = rig();
        rig.switch_off(rule);
        let tickets = depart(&mut rig, 0, &here);
        let first = Rig::join(&there[1], |purse| *purse.cash_mut() = 50);
        rig.hear_first(1);
        rig.settle();
        assert_eq!(version_of(&first), 2);
        assert!(tickets.iter().all(|ticket| ticket.settled() == Some(Settled::Conflict)));
        cash(&mut rig, &there)
    };
    assert_eq!(half(None), [10, 50]);
    assert_eq!(half(Some(Rule::Group)), [9, 50]);
}

#[test]
fn w7_a_joint_read_names_what_was_told_by_a_notice_and_is_asked_again_once_that_is_here() {
    let (mut rig, [here, there]) = rig();
    rig.parties[1].core.set_delivery(there[1].id(), Delivery::Notice);
    rig.settle();
    let tickets = depart(&mut rig, 0, &here);
    rig.settle();
    assert_eq!(tickets.iter().map(version_of).collect::<Vec<_>>(), [2, 2]);
    let read = |rig: &mut Rig| {
        let marks = [&there[0], &there[1]].map(|slot| slot.expect_mark().unwrap());
        let ids = there.iter().zip(&marks).map(|(slot, mark)| (slot.id(), mark.id()));
        let request = rig.parties[1].core.read_group(ids.collect());
        rig.settle();
        assert_eq!(rig.answer(1, request), Some(Answer::Marked));
        marks.map(|mark| Rig::kept(&mark).map(|purse| purse.cash))
    };
    assert_eq!(read(&mut rig), [Some(9), None], "the second is told of, and not here");
    assert_eq!(cash(&mut rig, &there), [9, 11]);
    assert_eq!(read(&mut rig), [Some(9), Some(11)]);
}
