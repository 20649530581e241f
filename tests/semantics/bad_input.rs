//! What applications get wrong: each is refused by a typed error that says what happened, and other nodes see nothing.
//!
//! Objects of several shards in one group are in `tests/e2e/nodes.rs`, references to what is gone in
//! `tests/client/references.rs`, closures that panic under a lock in `locks`, in a group in `groups`.

use std::time::Duration;

use nam::{Error, Object, Token, UpdateError};

use crate::cart::{Cart, CartMut, nodes};

/// Adds one to the total.
fn add(cart: &mut CartMut<'_>) -> Result<(), Error> {
    *cart.total_mut() += 1;
    Ok(())
}

/// That an object is as it was created, for whoever asks the repository.
async fn assert_untouched(object: &Object<Cart>) {
    let seen = object.fresh().await.unwrap();
    assert_eq!((seen.version().0, &*seen), (1, &Cart::default()), "I8");
}

#[tokio::test]
async fn r4_a_token_of_another_object_or_no_token_is_refused() {
    let (_repository, [(a, here), (_b, there)]) = nodes().await;
    let other = a.create("bob", Cart::default()).await.unwrap();
    let token = other.update(add).await.unwrap().version;
    let token = Token { version: token, ..other.token().unwrap() };
    for object in [&here, &there] {
        let refused = object.read_at(token).await;
        assert!(matches!(&refused, Err(Error::Gone { object }) if object.key == "alice"), "{refused:?}");
    }
    for text in ["", "alice", "1.2.3-4-5-6"] {
        assert!(matches!(text.parse::<Token>(), Err(Error::Corrupt { why }) if why.contains("no token")), "{text}");
    }
    let above = Token { version: nam::ids::Version(99), ..here.token().unwrap() };
    assert!(matches!(there.read_at(above).await, Err(Error::LostWrite { .. })), "one that never was");
    assert_untouched(&there).await;
}

#[tokio::test]
async fn l2_a_lock_that_is_released_twice_is_the_next_ones_all_the_same() {
    let (_repository, [(_a, here), (b, there)]) = nodes().await;
    let lock = here.lock().await.unwrap();
    lock.release().await.unwrap();
    let next = there.lock().await.unwrap();
    assert!(matches!(lock.release().await, Err(Error::LockLost { object }) if object.key == "alice"));
    drop(lock);
    match here.lock_within(Duration::ZERO).await {
        Err(Error::LockTimeout { holder, .. }) => assert_eq!(holder, b.id(), "it has it still"),
        other => panic!("{other:?}"),
    }
    assert_eq!(next.update(add).await.unwrap().version.0, 2);
}

#[tokio::test]
async fn l3_a_commit_with_an_old_fencing_token_changes_nothing() {
    let (_repository, [(_a, here), (_b, there)]) = nodes().await;
    let lock = here.lock().await.unwrap();
    let joined = there.join_lock(lock.token()).await.unwrap();
    lock.release().await.unwrap();
    let newer = here.lock().await.unwrap();
    // This node knows no better: the repository refuses it.
    assert!(!joined.is_lost());
    let late = joined.update(add).await;
    assert!(
        matches!(late, Err(UpdateError::Failed(Error::LockLost { ref object })) if object.key == "alice"),
        "{late:?}"
    );
    assert!(joined.is_lost());
    assert_untouched(&here).await;
    assert_eq!(newer.update(add).await.unwrap().version.0, 2);
}

#[tokio::test]
async fn w4_an_addition_that_overflows_is_refused_and_nothing_of_its_update_stays() {
    let (_repository, [(a, here), (_b, there)]) = nodes().await;
    let most = |cart: &mut CartMut<'_>| {
        cart.small_mut().add(200);
        Ok::<(), Error>(())
    };
    here.update(most).await.unwrap();
    for object in [&here, &there] {
        let refused = object.update(|cart| add(cart).and_then(|()| most(cart))).await;
        assert!(matches!(&refused, Err(UpdateError::Failed(Error::Limit { .. }))), "{refused:?}");
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("overflows `small`"), "{text}");
    }
    // The additions of one closure together, wherever it runs, and no other commit is blamed.
    let twice = |cart: &mut CartMut<'_>| most(cart).and_then(|()| most(cart));
    let (mut steps, mut group) = (here.begin().unwrap(), a.begin_group());
    for refused in [steps.with(twice).await, group.with(&here, twice).await] {
        assert!(
            matches!(&refused, Err(UpdateError::Failed(Error::Limit { why })) if why.contains("range")),
            "{refused:?}"
        );
    }
    let refused = here.update(twice).await;
    assert!(matches!(&refused, Err(UpdateError::Failed(Error::Limit { .. }))), "{refused:?}");
    for object in [&here, &there] {
        let seen = object.fresh().await.unwrap();
        assert_eq!((seen.version().0, seen.small, seen.total), (2, 200, 0), "I8");
    }
}

#[tokio::test]
async fn w10_a_key_is_free_once_another_node_has_destroyed_its_object() {
    let (_repository, [(a, here), (b, _there)]) = nodes().await;
    let mut former = here.reference().unwrap();
    for _ in 0..50 {
        b.destroy::<Cart>("alice").await.unwrap();
        // Whether or not this node was told of the end by now.
        let newcomer = a.create("alice", Cart::default()).await.unwrap();
        let reference = newcomer.reference().unwrap();
        assert_ne!(std::mem::replace(&mut former, reference.clone()), reference);
        assert!(matches!(a.create("alice", Cart::default()).await, Err(Error::Exists { .. })));
    }
}

#[tokio::test]
async fn w7_objects_of_another_node_are_not_read_together_with_this_ones() {
    let (_repository, [(a, here), (_b, there)]) = nodes().await;
    match a.read_group((&here, &there)).await {
        Err(Error::Invalid { why }) => assert!(why.contains("another node"), "{why}"),
        read => panic!("{:?}", read.map(drop)),
    }
}

#[tokio::test]
async fn w11_what_a_closure_wrote_before_it_panics_is_seen_by_nobody() {
    let (_repository, [(_a, here), (_b, there)]) = nodes().await;
    let doomed = here.clone();
    let panicked = tokio::spawn(async move {
        let panics = |cart: &mut CartMut<'_>| -> Result<(), Error> {
            add(cart)?;
            panic!("a closure panics")
        };
        doomed.update_isolated(panics).await
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_untouched(&there).await;
    assert_eq!(here.update(add).await.unwrap().version.0, 2, "the object is in use as before");
}
