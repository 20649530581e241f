//! A node's budget of memory: what goes, what stays, and that everything stays usable (V1).

use std::time::Duration;

use nam::client::{InProcess, Node, Object};
use nam::error::Error;
use nam::{Change, Expiry, Tracked};

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "budget.Desk")]
struct Desk {
    cash: u64,
    notes: Vec<u8>,
}

const MEMORY_MAX: usize = 1_000_000;

/// A desk of which three fit.
fn desk() -> Desk {
    Desk { cash: 1, notes: vec![7; 300_000] }
}

/// A node with room for three desks, and two desks on it that were created elsewhere.
async fn two() -> (InProcess, [Node; 2], [Object<Desk>; 2]) {
    let repository = InProcess::new().unwrap();
    let author = repository.node().await.unwrap();
    for key in ["a", "b", "c", "d", "e", "f"] {
        author.create(key, desk()).await.unwrap();
    }
    let node = Node::builder().memory_max(MEMORY_MAX).in_process(&repository).await.unwrap();
    let (a, b) = (node.open("a").await.unwrap(), node.open("b").await.unwrap());
    (repository, [author, node], [a, b])
}

/// Whether the value is here, as a call says that never waits.
fn is_here(object: &Object<Desk>) -> bool {
    match object.peek() {
        Ok(_) => true,
        Err(Error::Unavailable { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn v1_what_was_not_used_for_longest_goes_first() {
    let (_repository, [_, node], [a, b]) = two().await;
    let c: Object<Desk> = node.open("c").await.unwrap();
    a.read().await.unwrap();
    let d: Object<Desk> = node.open("d").await.unwrap();
    assert!(is_here(&a) && is_here(&d), "one was read lately, one is new");
    assert!(node.memory_used() <= MEMORY_MAX);
    assert!(!is_here(&b) && !is_here(&c));
    for object in [&a, &b, &c, &d, &a] {
        assert_eq!(*object.read().await.unwrap(), desk());
        object.edit(|desk| desk.cash += 1).await.unwrap();
        object.edit(|desk| desk.cash -= 1).await.unwrap();
    }
    assert!(node.memory_used() <= MEMORY_MAX + MEMORY_MAX / 3, "{}", node.memory_used());
}

#[tokio::test]
async fn v1_what_a_transaction_is_open_on_stays_so_that_memory_is_no_conflict() {
    let (_repository, [_, node], [a, b]) = two().await;
    let mut transaction = a.begin().unwrap();
    let step = transaction.with(|desk| {
        *desk.cash_mut() += 1;
        Ok::<(), Error>(())
    });
    step.await.unwrap();
    for key in ["c", "d", "e", "f", "c"] {
        node.open::<Desk>(key).await.unwrap();
    }
    assert!(is_here(&a) && !is_here(&b));
    transaction.commit().await.unwrap();
    for key in ["d", "e", "f"] {
        node.open::<Desk>(key).await.unwrap();
    }
    assert!(!is_here(&a), "and no longer");
    assert_eq!(a.read().await.unwrap().cash, 2);
}

#[tokio::test]
async fn v1_what_a_guard_shows_or_somebody_watches_stays_and_counts() {
    let (_repository, [author, node], [a, b]) = two().await;
    let guard = a.read().await.unwrap();
    let mut cash = b.watch_path(|desk| desk.cash);
    for key in ["c", "d", "e", "f", "c"] {
        node.open::<Desk>(key).await.unwrap();
    }
    let d: Object<Desk> = node.open("d").await.unwrap();
    assert!(is_here(&a) && is_here(&b) && is_here(&d));
    assert_eq!((guard.cash, guard.notes.len()), (1, 300_000));
    let elsewhere = author.open::<Desk>("b").await.unwrap();
    elsewhere.edit(|desk| desk.cash = 5).await.unwrap();
    assert_eq!(cash.next().await.unwrap().unwrap().value, 5);
    // The guard keeps a version that is no longer the newest: both count, so one of the others has to go.
    a.edit(|desk| desk.cash = 2).await.unwrap();
    b.fresh().await.unwrap();
    assert!(is_here(&a) != is_here(&d), "{} B", node.memory_used());
    assert_eq!((guard.cash, a.read().await.unwrap().cash), (1, 2));
}

#[tokio::test]
async fn v1_an_object_whose_value_was_dropped_is_as_good_as_any() {
    let (_repository, [author, node], [a, b]) = two().await;
    let token = a.token().unwrap();
    for key in ["c", "d", "e", "f"] {
        node.open::<Desk>(key).await.unwrap();
    }
    assert_eq!(a.token().unwrap(), token, "what it is stays known");
    let before = nam::Token { lossy_epoch: Default::default(), ..token };
    assert!(matches!(a.read_at(before).await, Err(Error::LostWrite { .. })), "a token is judged without the value");
    let lock = b.lock().await.unwrap();
    for key in ["c", "d", "e", "f"] {
        node.open::<Desk>(key).await.unwrap();
    }
    lock.update(|desk| {
        *desk.cash_mut() = 9;
        Ok::<(), Error>(())
    })
    .await
    .unwrap();
    lock.release().await.unwrap();
    for key in ["c", "d", "e", "f"] {
        node.open::<Desk>(key).await.unwrap();
    }
    b.set_expiry(Expiry::idle(Duration::from_secs(600))).await.unwrap();
    for key in ["c", "d", "e", "f"] {
        node.open::<Desk>(key).await.unwrap();
    }
    let mut watch = b.watch();
    author.open::<Desk>("b").await.unwrap().edit(|desk| desk.cash += 1).await.unwrap();
    assert!(!matches!(watch.next().await, Change::Ended(_)), "a watch brings it back, or it would hear nothing");
    drop(watch);
    for key in ["c", "d", "e", "f"] {
        node.open::<Desk>(key).await.unwrap();
    }
    node.destroy::<Desk>("b").await.unwrap();
    assert!(matches!(b.read().await, Err(Error::Gone { .. })));
    author.destroy::<Desk>("a").await.unwrap();
    assert!(matches!(node.open::<Desk>("a").await, Err(Error::Gone { .. })), "nobody told of the end");
}

#[tokio::test]
async fn v1_what_is_read_or_changed_together_may_be_more_than_the_budget() {
    let (_repository, [_, node], _) = two().await;
    let mut desks: Vec<Object<Desk>> = Vec::new();
    for key in ["a", "b", "c", "d", "e", "f"] {
        desks.push(node.open(key).await.unwrap());
    }
    let cash = async || {
        let seen = node.read_group(&desks[..]).await.unwrap();
        seen.iter().map(|desk| desk.cash).collect::<Vec<_>>()
    };
    assert_eq!(cash().await, [1; 6]);
    let done = node.update_group(|mut group| {
        let desks = &desks;
        async move {
            for desk in desks {
                let step = group.with(desk, |desk| {
                    *desk.cash_mut() += 1;
                    Ok::<(), Error>(())
                });
                step.await?;
            }
            Ok((group, ()))
        }
    });
    done.await.unwrap();
    assert_eq!(cash().await, [2; 6]);
    // The guards are gone, and nothing else happens.
    while node.memory_used() > MEMORY_MAX {
        tokio::task::yield_now().await;
    }
    // A transaction may begin on what was dropped, and stands while the others come.
    let mut steps = desks[0].begin().unwrap();
    let step = steps.with(|desk| {
        *desk.cash_mut() = 9;
        Ok::<(), Error>(())
    });
    step.await.unwrap();
    for desk in &desks[1..] {
        desk.fresh().await.unwrap();
    }
    steps.commit().await.unwrap();
    assert_eq!(desks[0].read().await.unwrap().cash, 9);
}
