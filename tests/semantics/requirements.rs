//! W5: what a closure read and required was as it read it when its commit took effect, whatever else it wrote.

use std::cell::Cell;

use nam::error::{Error, UpdateError};

use crate::cart::{CartMut, Item, nodes};

fn set_total(total: u64) -> impl FnMut(&mut CartMut<'_>) -> Result<(), Error> {
    move |cart| {
        *cart.total_mut() = total;
        Ok(())
    }
}

#[tokio::test]
async fn w5_an_update_runs_again_when_what_it_required_changed() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let before = at_b.read().await.unwrap().version();
    at_a.update(set_total(5)).await.unwrap();
    // b's node is told of it before its own commit is judged, at the latest by the conflict.
    let done = at_b
        .update(|cart| {
            let total = *cart.require_total();
            cart.owner_mut().set(format!("saw {total}"));
            Ok::<_, Error>(total)
        })
        .await
        .unwrap();
    assert!(done.version > before);
    assert_eq!((done.value, &*at_b.fresh().await.unwrap().owner), (5, "saw 5"));
}

/// Without the guard the two would meet in different fields, and both would pay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_of_many_that_require_one_field_one_pays() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let tasks: Vec<_> = (0..16)
        .map(|click| {
            let cart = if click % 2 == 0 { at_a.clone() } else { at_b.clone() };
            tokio::spawn(async move {
                let pay = |cart: &mut CartMut<'_>| {
                    let is_paid = !cart.require_items().is_empty();
                    if !is_paid {
                        cart.items_mut().insert(format!("receipt {click}"), Item::default());
                        cart.visits_mut().add(1);
                    }
                    Ok::<_, Error>(is_paid)
                };
                cart.update(pay).await.unwrap().value
            })
        })
        .collect();
    let mut paid = 0;
    for task in tasks {
        paid += u32::from(!task.await.unwrap());
    }
    let last = at_a.fresh().await.unwrap();
    assert_eq!((paid, last.items.len(), last.visits), (1, 1, 1));
}

#[tokio::test]
async fn w5_a_check_alone_is_answered_at_a_version_where_it_stands() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let newest = at_a.update(set_total(7)).await.unwrap().version;
    let check = |cart: &mut CartMut<'_>| Ok::<_, Error>(*cart.require_total());
    let done = at_b.update(check).await.unwrap();
    assert_eq!((done.value, done.version), (7, newest));
    assert_eq!(at_a.fresh().await.unwrap().version(), newest, "nothing was committed");
}

#[tokio::test]
async fn w5_a_transaction_fails_early_when_what_a_step_required_changed() {
    let (_repository, [(_a, at_a), _]) = nodes().await;
    let mut steps = at_a.begin().unwrap();
    let step = steps.with(|cart| Ok::<_, Error>(cart.items_mut().require_key("pear").is_none()));
    assert!(step.await.unwrap());
    let other = at_a.update(|cart| {
        cart.items_mut().insert("plum".to_owned(), Item::default());
        Ok::<_, Error>(())
    });
    other.await.unwrap();
    let step = steps.with(|cart| {
        cart.notes_mut().push("no pear".to_owned());
        Ok::<_, Error>(())
    });
    step.await.expect("plums are no pears");
    let other = at_a.update(|cart| {
        cart.items_mut().insert("pear".to_owned(), Item::default());
        Ok::<_, Error>(())
    });
    other.await.unwrap();
    let step = steps.with(set_total(1)).await;
    assert!(matches!(step, Err(UpdateError::Failed(Error::Conflict { .. }))), "{step:?}");
    assert!(matches!(steps.commit().await, Err(Error::Conflict { .. })));
    assert!(at_a.fresh().await.unwrap().notes.is_empty());
}

#[tokio::test]
async fn w5_a_transaction_that_wrote_nothing_checks_at_its_end() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let mut steps = at_a.begin().unwrap();
    steps.with(|cart| Ok::<_, Error>(*cart.require_total())).await.unwrap();
    at_b.update(set_total(9)).await.unwrap();
    assert!(matches!(steps.commit().await, Err(Error::Conflict { .. })));
    let mut steps = at_a.begin().unwrap();
    let newest = at_a.fresh().await.unwrap().version();
    steps.with(|cart| Ok::<_, Error>(*cart.require_total())).await.unwrap();
    assert_eq!(steps.commit().await.unwrap().version, newest);
}

#[tokio::test]
async fn w5_more_than_a_commit_can_name_requires_the_whole_object() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let runs = Cell::new(0);
    at_a.update(set_total(1)).await.unwrap();
    let done = at_b.update(|cart| {
        runs.set(runs.get() + 1);
        for key in 0..2_000 {
            cart.items_mut().require_key(&key.to_string());
        }
        let seen = cart.total.to_string();
        cart.owner_mut().set(seen);
        Ok::<_, Error>(())
    });
    done.await.unwrap();
    assert_eq!(at_b.fresh().await.unwrap().owner, "1");
    assert!(runs.get() >= 1);
}

#[tokio::test]
async fn w5_an_aborted_closure_requires_nothing() {
    let (_repository, [(_a, at_a), _]) = nodes().await;
    let aborted = at_a.update(|cart| {
        cart.require_total();
        Err::<(), _>("no")
    });
    let good = at_a.update(set_total(3));
    let (aborted, good) = tokio::join!(aborted, good);
    assert_eq!(aborted, Err(UpdateError::Aborted("no")));
    assert_eq!(good.unwrap().version.0, 2);
}
