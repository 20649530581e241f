//! What closures may do beside changing their object, and that one closure's mistake is nobody else's.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use nam::client::{InProcess, Object};
use nam::error::{Error, UpdateError};
use nam::node::{Replica, Ring, Scope, Slot, Step, Unreadable};
use tokio::runtime::{Builder, Runtime};

use crate::objects::{Cart, CartMut};
use crate::slot::{Desk, held, step};

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

/// A class with a value whose own serializer refuses some.
#[derive(nam::Tracked, Clone, Debug)]
#[nam(name = "test.Stamped")]
struct Stamped {
    #[nam(leaf)]
    at: SystemTime,
}

#[tokio::test]
async fn a_value_that_refuses_to_be_encoded_is_no_conflict() {
    let node = nam::Node::in_process().await.unwrap();
    let stamped = node.create("now", Stamped { at: SystemTime::UNIX_EPOCH }).await.unwrap();
    let turn_back = |stamped: &mut StampedMut<'_>| {
        stamped.at_mut().set(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        Ok::<_, Error>(())
    };
    let mut steps = stamped.begin().unwrap();
    for refused in [stamped.update(turn_back).await.err(), steps.with(turn_back).await.err()] {
        assert!(matches!(refused, Some(UpdateError::Failed(Error::Invalid { .. }))), "{refused:?}");
    }
    steps.commit().await.unwrap();
    assert_eq!(stamped.read().await.unwrap().at, SystemTime::UNIX_EPOCH);
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

/// Looks at a future once.
fn poll<F: Future>(work: Pin<&mut F>) -> Poll<F::Output> {
    work.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future answers at once: inside of a closure nothing can be waited for.
fn at_once<F: Future>(work: F) -> F::Output {
    match poll(std::pin::pin!(work)) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits for the closure that it is called from"),
    }
}

/// Whether every way to change or read `own` says that it cannot be used in here.
fn is_refused_everywhere(own: &Object<Cart>) -> bool {
    let add = |cart: &mut CartMut<'_>| {
        *cart.total_mut() += 1;
        Ok::<(), Error>(())
    };
    let changes = [at_once(own.update(add)).err(), at_once(own.update_isolated(add)).err()];
    let is_invalid = |error: &Error| matches!(error, Error::Invalid { .. });
    let are_changes_refused =
        changes.iter().all(|error| matches!(error, Some(UpdateError::Failed(error)) if is_invalid(error)));
    let others = [
        at_once(own.edit(|cart| cart.total = 7)).err(),
        at_once(own.read()).err(),
        own.peek().err(),
        own.peek_with(|cart| cart.total).err(),
        own.token().err(),
        own.begin().err(),
    ];
    are_changes_refused && others.iter().all(|error| error.as_ref().is_some_and(is_invalid))
}

#[tokio::test]
async fn an_object_cannot_be_used_in_its_own_closures_and_nothing_waits_for_itself() {
    let repository = InProcess::new().unwrap();
    let node = repository.node().await.unwrap();
    let [cart, other] = ["alice", "bob"].map(|key| node.create(key, Cart::default()));
    let (cart, other) = (cart.await.unwrap(), other.await.unwrap());
    let refused = cart.update(|_| Ok::<_, Error>(is_refused_everywhere(&cart))).await.unwrap();
    assert!(refused.value, "in an update");
    let refused = cart.update(|_| {
        let round = at_once(other.update(|_| Ok::<_, Error>(is_refused_everywhere(&cart))));
        Ok::<_, Error>(matches!(round, Ok(refused) if refused.value))
    });
    assert!(refused.await.unwrap().value, "in an update of another one within");
    assert!(cart.peek_with(|_| is_refused_everywhere(&cart)).unwrap(), "in a look");
    let mut steps = cart.begin().unwrap();
    assert!(steps.with(|_| Ok::<_, Error>(is_refused_everywhere(&cart))).await.unwrap(), "in a step");
    let opened = cart.update(|_| Ok::<_, Error>(at_once(node.open::<Cart>("alice")).is_ok()));
    assert!(opened.await.unwrap().value, "another handle is no use");
    assert_eq!(cart.read().await.unwrap().total, 0, "nothing is half done");
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has an update wait; answers what counts its wake-ups.
fn wait(slot: &Slot<Desk>) -> Arc<Woken> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let waiting: Poll<Step<(), ()>> =
        slot.poll_update(Scope::Shared, &Context::from_waker(&waker), &mut |_, _| panic!("it has to wait"));
    assert!(waiting.is_pending());
    woken
}

#[test]
fn what_a_closure_gives_back_is_free_behind_it() {
    let (slot, rings) = held(&Desk::default());
    let context = Context::from_waker(Waker::noop());
    let reserve = || match slot.poll_reserve(&context) {
        Poll::Ready(Ok(reservation)) => reservation,
        other => panic!("{other:?}"),
    };
    let has_worked = |woken: &Woken| {
        assert_eq!((rings.take(), woken.0.load(Ordering::Relaxed)), (vec![Ring::Work], 0));
        slot.work();
        woken.0.load(Ordering::Relaxed) == 1
    };
    let reservation = reserve();
    let woken = wait(&slot);
    slot.peek_with(|_| drop(reservation)).unwrap();
    assert!(has_worked(&woken), "a reservation that is dropped in a look");

    let mut turn = Some(slot.queue_alone());
    let woken = wait(&slot);
    let outcome = step(&slot, Scope::Alone, |_| {
        turn = None;
        Err::<(), ()>(())
    });
    assert!(matches!(outcome, Poll::Ready(Step::Aborted(()))));
    assert!(has_worked(&woken), "a turn that is dropped in an update");

    // Within a closure of another object as well: somebody's closure may wait for that here.
    let (other, _) = held(&Desk::default());
    let reservation = reserve();
    let woken = wait(&slot);
    other.peek_with(|_| drop(reservation)).unwrap();
    assert!(has_worked(&woken));
    let nested = other.peek_with(|_| matches!(slot.poll_reserve(&context), Poll::Ready(Err(Unreadable::Nested))));
    assert_eq!(nested, Ok(Some(true)), "a group is not committed within a closure");
    assert!(matches!(step(&slot, Scope::Shared, |_| Ok::<(), ()>(())), Poll::Ready(Step::Unchanged(..))));
}

#[tokio::test]
async fn what_ends_within_a_closure_of_its_object_is_in_nobodys_way() {
    let node = InProcess::new().unwrap().node().await.unwrap();
    let [cart, other] = ["alice", "bob"].map(|key| node.create(key, Cart::default()));
    let (cart, other) = (cart.await.unwrap(), other.await.unwrap());
    let add = |cart: &mut CartMut<'_>| {
        *cart.total_mut() += 1;
        Ok::<(), Error>(())
    };
    for _ in 0..50 {
        let mut group = node.begin_group();
        group.with(&cart, add).await.unwrap();
        group.with(&other, add).await.unwrap();
        // The group has the first object and waits for the second one.
        let mut beside = Box::pin(other.update(add));
        assert!(poll(beside.as_mut()).is_pending());
        let mut commit = Box::pin(group.commit());
        assert!(poll(commit.as_mut()).is_pending());
        cart.peek_with(|_| drop(commit)).unwrap();
        beside.await.unwrap();

        let mut first = Box::pin(cart.update(add));
        assert!(poll(first.as_mut()).is_pending());
        let mut isolated = Some(Box::pin(cart.update_isolated(add)));
        assert!(poll(isolated.as_mut().unwrap().as_mut()).is_pending());
        let mut behind = Box::pin(cart.update(add));
        assert!(poll(behind.as_mut()).is_pending());
        cart.peek_with(|_| isolated = None).unwrap();
        first.await.unwrap();
        behind.await.unwrap();
    }
}

mod others {
    #[derive(nam::Tracked, Clone, Debug, Default)]
    #[nam(name = "test.Cart")]
    pub(super) struct Cart {
        pub(super) rights: u64,
    }
}

#[tokio::test]
async fn two_types_of_one_class_name_are_told_apart() {
    let (repository, _cart) = cart("alice").await;
    let node = repository.node().await.unwrap();
    node.open::<Cart>("alice").await.unwrap();
    for refused in [
        node.open::<others::Cart>("alice").await.err(),
        node.create("bob", others::Cart { rights: 7 }).await.err(),
        node.keys::<others::Cart>("").await.err(),
    ] {
        let Some(Error::Incompatible { why }) = refused else { panic!("{refused:?}") };
        assert!(why.contains("objects::Cart") && why.contains("others::Cart") && why.contains("#[nam(name"), "{why}");
    }
}
