//! What closures may do beside changing their object, and that one closure's mistake is nobody else's.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use nam::client::{InProcess, Object};
use nam::error::{Error, UpdateError};
use tokio::runtime::{Builder, Runtime};

use crate::objects::Cart;

async fn cart(key: &str) -> (InProcess, Object<Cart>) {
    let repository = InProcess::new().unwrap();
    let node = repository.node().await.unwrap();
    let cart = node.create(key, Cart::default()).await.unwrap();
    (repository, cart)
}

/// Updates by each of two threads: enough that their closures meet.
const UPDATES: u64 = 250;

/// Two objects of one node, for threads that each wait on their own.
fn two() -> (Runtime, InProcess, [Object<Cart>; 2]) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (repository, objects) = runtime.block_on(async {
        let repository = InProcess::new().unwrap();
        let node = repository.node().await.unwrap();
        let [a, b] = ["a", "b"].map(|key| node.create(key, Cart::default()));
        (repository, [a.await.unwrap(), b.await.unwrap()])
    });
    (runtime, repository, objects)
}

#[tokio::test]
async fn what_cannot_be_accepted_fails_alone() {
    let (_repository, cart) = cart("alice").await;
    for _ in 0..20 {
        let bad = cart.update(|cart| {
            cart.items_mut().insert("k".repeat(40_000), 1);
            Ok::<_, Error>(())
        });
        let good = cart.update(|cart| {
            *cart.total_mut() += 1;
            Ok::<_, Error>(())
        });
        let (bad, good) = tokio::join!(bad, good);
        assert!(matches!(bad, Err(UpdateError::Failed(Error::Limit { .. }))), "{bad:?}");
        good.unwrap();
    }
    let mut steps = cart.begin().unwrap();
    let step = steps.with(|cart| {
        cart.items_mut().insert("k".repeat(40_000), 1);
        Ok::<_, Error>(())
    });
    let step = step.await;
    assert!(matches!(step, Err(UpdateError::Failed(Error::Limit { .. }))), "{step:?}");
    let seen = cart.read().await.unwrap();
    assert_eq!((seen.total, seen.items.len()), (20, 0));
}

/// A class whose values can be more than each of the limits inside of an object allows.
#[derive(nam::Tracked, Clone, Debug, Default)]
#[nam(name = "test.Trunk")]
struct Trunk {
    names: BTreeMap<String, u8>,
    #[nam(leaf)]
    memo: String,
    next: Option<Box<Self>>,
}

/// So many inside of each other.
fn nested(levels: usize) -> Trunk {
    (0..levels).fold(Trunk::default(), |inner, _| Trunk { next: Some(Box::new(inner)), ..Trunk::default() })
}

#[tokio::test]
async fn what_is_over_a_limit_inside_is_told_with_its_field() {
    let node = nam::Node::in_process().await.unwrap();
    let trunk = node.create("trunk", Trunk::default()).await.unwrap();
    let long = "x".repeat(40_000);
    let inside = |inner: Trunk| Trunk { next: Some(Box::new(inner)), ..Trunk::default() };
    let cases = [
        (Trunk { memo: long.clone(), ..Trunk::default() }, "`memo`: 40003 leaf bytes, 32768 are allowed"),
        (
            inside(Trunk { names: BTreeMap::from([(long.clone(), 1)]), ..Trunk::default() }),
            "`next.names`: 40003 key bytes, 32768 are allowed",
        ),
        (nested(70), "`next.next.next.next.next.next.…`: values are nested deeper than 64 levels"),
    ];
    for (value, says) in cases {
        let refused = [
            node.create("more", value.clone()).await.map(drop).unwrap_err(),
            trunk.edit(|trunk| *trunk = value.clone()).await.map(drop).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.to_string(), format!("a limit is reached: {says}"));
        }
    }
    assert_eq!(node.keys::<Trunk>("").await.unwrap(), ["trunk"], "nothing was done by halves");
    assert!(trunk.read().await.unwrap().next.is_none());
}

#[tokio::test]
async fn a_closure_that_reads_its_own_object_is_told_so() {
    let (_repository, cart) = cart("alice").await;
    let done = cart
        .update(|_| {
            assert!(matches!(cart.peek_with(|cart| cart.total), Err(Error::Invalid { .. })));
            assert!(matches!(cart.peek(), Err(Error::Invalid { .. })));
            Ok::<_, Error>(())
        })
        .await;
    done.unwrap();
}

#[test]
fn a_closure_reads_another_object_that_is_being_changed() {
    let (runtime, _repository, [a, b]) = two();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..UPDATES {
                let done = b.update(|cart| {
                    *cart.total_mut() += 1;
                    Ok::<_, Error>(())
                });
                runtime.block_on(done).unwrap();
            }
        });
        for _ in 0..UPDATES {
            let done = a.update(|cart| {
                *cart.total_mut() = b.peek_with(|other| other.total)?;
                Ok::<_, Error>(())
            });
            runtime.block_on(done).unwrap();
        }
    });
    let seen = a.peek_with(|cart| cart.total).unwrap();
    assert!(seen <= UPDATES, "{seen} of {UPDATES}");
}

#[test]
fn closures_that_read_each_others_objects_do_not_hang() {
    let (runtime, _repository, [a, b]) = two();
    let barrier = Barrier::new(2);
    let change = |own: &Object<Cart>, other: &Object<Cart>| {
        let mut is_first = true;
        let done = own.update(|cart| {
            if std::mem::take(&mut is_first) {
                barrier.wait();
            }
            other.peek_with(|other| other.total)?;
            *cart.total_mut() += 1;
            Ok::<_, Error>(())
        });
        runtime.block_on(done)
    };
    let answers = thread::scope(|scope| {
        let first = scope.spawn(|| change(&a, &b));
        [change(&b, &a), first.join().unwrap()]
    });
    for answer in answers {
        assert!(matches!(answer, Ok(_) | Err(UpdateError::Aborted(Error::Invalid { .. }))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_destroyed_object_is_gone_for_those_who_ask_anew() {
    let (repository, cart) = cart("alice").await;
    let other = repository.node().await.unwrap();
    other.destroy::<Cart>("alice").await.unwrap();
    for _ in 0..2 {
        let fresh = cart.fresh().await;
        assert!(matches!(fresh, Err(Error::Gone { .. })), "{fresh:?}");
    }
}
