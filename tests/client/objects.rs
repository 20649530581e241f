//! Nodes of one process that share a repository: what one commits, the others see, wholly and in order.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_core::Stream;
use nam::Tracked;
use nam::client::{Change, Committed, InProcess, Node, Object, Token};
use nam::error::{Error, UpdateError};

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Cart")]
pub(crate) struct Cart {
    pub owner: String,
    pub total: u64,
    pub items: BTreeMap<String, u32>,
    pub notes: Vec<String>,
    #[nam(add)]
    pub visits: u64,
}

/// Two nodes on one repository, each with the object `key`.
async fn two(key: &str) -> (InProcess, [(Node, Object<Cart>); 2]) {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let at_a = a.open_or_create(key, Cart::default).await.unwrap();
    let at_b = b.open_or_create(key, Cart::default).await.unwrap();
    (repository, [(a, at_a), (b, at_b)])
}

async fn add(object: &Object<Cart>, amount: u64) -> u64 {
    let add = |cart: &mut CartMut<'_>| {
        *cart.total_mut() += amount;
        Ok::<(), Error>(())
    };
    object.update(add).await.unwrap().version.0
}

#[tokio::test]
async fn what_one_node_commits_the_other_reads() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = two("alice").await;
    let Committed { value, version } = at_a
        .update(|cart| {
            cart.owner_mut().push_str("alice");
            cart.items_mut().insert("pear".to_owned(), 3);
            Ok::<_, Error>(cart.items.len())
        })
        .await
        .unwrap();
    assert_eq!((value, version.0), (1, 2));
    let token: Token = at_a.token().unwrap().to_string().parse().unwrap();
    let seen = at_b.read_at(token).await.unwrap();
    assert_eq!((&seen.owner[..], seen.items["pear"], seen.version()), ("alice", 3, version));
    assert_eq!(*at_b.fresh().await.unwrap(), *at_a.read().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_updates_combine_and_add_up() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = two("hot").await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let object = at_a.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    add(&object, 1).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let last = at_a.read().await.unwrap();
    assert_eq!(last.total, 640);
    assert!(last.version().0 < 500, "640 updates made {} commits", last.version());
    assert_eq!(*at_b.read_at(last.token()).await.unwrap(), *last);
}

#[tokio::test]
async fn a_watch_hears_own_and_others_changes_in_order() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = two("watch").await;
    let mut watch = at_a.watch();
    let mut version = 1;
    for i in 0..10_u64 {
        let writer = if i % 2 == 0 { &at_a } else { &at_b };
        writer.fresh().await.unwrap();
        let committed = add(writer, 1).await;
        while version < committed {
            let Change::Applied { changes, version: heard } = watch.next().await else { panic!("the watch lagged") };
            assert_eq!(heard.0, version + 1);
            assert_eq!(changes.total.previous(), Some(&(version - 1)));
            version = heard.0;
        }
    }
}

/// What a task that outlives its request takes, an axum `Sse` above all.
fn streams<S: Stream + Send + 'static>(stream: S) -> S {
    stream
}

#[tokio::test]
async fn a_slow_watch_of_a_part_hears_once_of_all_that_came() {
    let (_repository, [(a, at_a), (_b, at_b)]) = two("part").await;
    let mut total = streams(at_b.watch_path(|cart| cart.total));
    let mut whole = streams(at_b.watch());
    for _ in 0..200 {
        add(&at_a, 1).await;
    }
    at_b.read_at(at_a.token().unwrap()).await.unwrap();
    let told = total.next().await.unwrap().unwrap();
    assert_eq!((told.previous, told.value, told.version), (Some(0), 200, at_a.token().unwrap().version));
    a.destroy::<Cart>("part").await.unwrap();
    assert!(matches!(total.next().await, Some(Err(Error::Gone { .. }))));
    assert!(total.next().await.is_none());
    assert!(matches!(whole.next().await, Change::Lagged), "the other kind tells of each, or that it could not");
    let rest = poll_fn(|context| {
        while let Poll::Ready(change) = Pin::new(&mut whole).poll_next(context) {
            if change.is_none() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    });
    rest.await;
}

#[tokio::test]
async fn a_destroyed_object_is_gone_for_everybody() {
    let (_repository, [(a, at_a), (b, at_b)]) = two("doomed").await;
    let token = at_b.token().unwrap();
    a.destroy::<Cart>("doomed").await.unwrap();
    assert!(matches!(at_a.read().await, Err(Error::Gone { .. })));
    let mut watch = at_b.watch();
    assert!(matches!(watch.next().await, Change::Ended(_)));
    let late = at_b.update(|_| Ok::<(), Error>(())).await;
    assert!(matches!(late, Err(UpdateError::Failed(Error::Gone { .. }))));
    assert!(matches!(b.open::<Cart>("doomed").await, Err(Error::Gone { .. })));

    let again = b.create("doomed", Cart { total: 7, ..Cart::default() }).await.unwrap();
    assert_eq!(again.read().await.unwrap().total, 7);
    assert!(matches!(again.read_at(token).await, Err(Error::Gone { .. })), "another birth");
    assert!(matches!(b.create("doomed", Cart::default()).await, Err(Error::Exists { .. })));
}

#[tokio::test]
async fn keys_are_found_by_prefix() {
    let repository = InProcess::new().unwrap();
    let node = repository.node().await.unwrap();
    for key in ["a:2", "b:1", "a:1"] {
        node.create(key, Cart::default()).await.unwrap();
    }
    assert_eq!(node.keys::<Cart>("a:").await.unwrap(), ["a:1", "a:2"]);
    assert_eq!(node.keys::<Cart>("").await.unwrap().len(), 3);
    assert!(matches!(node.open::<Cart>("").await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn large_objects_travel_in_segments() {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let items = (0..60_000).map(|i| (format!("item number {i:06}"), i)).collect();
    let cart = Cart { items, ..Cart::default() };
    let at_a = a.create("large", cart.clone()).await.unwrap();
    let at_b = b.open::<Cart>("large").await.unwrap();
    assert_eq!(*at_b.read().await.unwrap(), cart);
    let many = at_b.edit(|cart| cart.items.values_mut().for_each(|count| *count += 1_000_000)).await.unwrap();
    let seen = at_a.read_at(at_b.token().unwrap()).await.unwrap();
    assert_eq!((seen.version(), seen.items["item number 000007"]), (many.version, 1_000_007));
    assert_eq!(*seen, *at_b.read().await.unwrap());
}

#[tokio::test]
async fn a_closed_node_says_so() {
    let (_repository, [(a, at_a), (_b, at_b)]) = two("closed").await;
    add(&at_a, 1).await;
    a.close().await.unwrap();
    assert!(matches!(at_a.read().await, Err(Error::Closed)));
    assert!(matches!(a.open::<Cart>("other").await, Err(Error::Closed)));
    assert_eq!(at_b.fresh().await.unwrap().total, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolated_updates_and_transactions_get_their_turn() {
    let (_repository, [(_a, at_a), _]) = two("turn").await;
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let object = at_a.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    add(&object, 1).await;
                }
            })
        })
        .collect();
    let note = |cart: &mut CartMut<'_>| {
        let seen = cart.total;
        cart.notes_mut().push(format!("{seen}"));
        Ok::<(), Error>(())
    };
    at_a.update_isolated(note).await.unwrap();
    let mut transaction = at_a.begin().unwrap();
    let own = |cart: &mut CartMut<'_>| {
        cart.owner_mut().push_str("me");
        Ok::<(), Error>(())
    };
    transaction.with(own).await.unwrap();
    transaction.commit().await.unwrap();
    for task in busy {
        task.await.unwrap();
    }
    let last = at_a.fresh().await.unwrap();
    assert_eq!((last.total, last.notes.len(), &last.owner[..]), (400, 1, "me"));
}

mod older {
    #[derive(nam::Tracked, Clone, Debug, Default)]
    #[nam(name = "test.Wallet")]
    pub(super) struct Wallet {
        pub cash: f64,
    }
}

mod newer {
    #[derive(nam::Tracked, Clone, Debug, Default)]
    #[nam(name = "test.Wallet")]
    pub(super) struct Wallet {
        pub cash: String,
    }
}

#[tokio::test]
async fn an_incompatible_class_is_refused_in_words_and_the_rest_goes_on() {
    let repository = InProcess::new().unwrap();
    let (old, new) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let wallet = old.create("alice", older::Wallet { cash: 1.0 }).await.unwrap();
    let refusals = [
        new.open::<newer::Wallet>("alice").await.unwrap_err(),
        new.create("bob", newer::Wallet::default()).await.unwrap_err(),
        new.open_or_create("carol", newer::Wallet::default).await.unwrap_err(),
    ];
    for refusal in refusals {
        let Error::Incompatible { why } = &refusal else { panic!("{refusal:?}") };
        assert!(why.contains("cash") && why.contains("#[nam("), "it says what to paste: {why}");
    }
    assert_eq!(wallet.fresh().await.unwrap().cash, 1.0);
    let other = new.open_or_create("alice", Cart::default).await.unwrap();
    assert_eq!(other.read().await.unwrap().total, 0);
    assert_eq!(old.keys::<older::Wallet>("").await.unwrap(), ["alice"]);
}

#[tokio::test]
async fn any_number_of_large_objects_is_created_at_a_time() {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let cart = Cart { owner: "x".repeat(200_000), ..Cart::default() };
    // Twice: the second time every one of them is refused while its value is on its way.
    for round in 0..2 {
        let creations = (0..12).map(|i| {
            let (a, cart) = (if round == 0 { a.clone() } else { b.clone() }, cart.clone());
            tokio::spawn(async move { a.create(&format!("large {i}"), cart).await })
        });
        for creation in creations.collect::<Vec<_>>() {
            let outcome = creation.await.unwrap();
            assert!(matches!((round, &outcome), (0, Ok(_)) | (1, Err(Error::Exists { .. }))), "{outcome:?}");
        }
    }
    let late = b.create("one more", cart.clone()).await.unwrap();
    assert_eq!(*late.read().await.unwrap(), cart);
}
