//! W1–W12, W7 aside, which `groups` has: what travels, what conflicts, what takes effect, and what takes effect once.

use std::task::{Context, Poll, Waker};

use nam::Tracked;
use nam::error::{Error, UpdateError};
use nam::limits::{OUTCOMES_KEPT_MS, PACKET_BYTES, UPDATE_TRIES_MAX};
use nam::node::{Scope, Settled, Step};
use nam::repository::Rule;
use nam::wire::FailureCode;

use crate::cart::{Cart, CartChanges, CartMut, Item, nodes, rig, version_of};
use crate::rig::Rig;

#[test]
fn w1_only_what_was_written_travels() {
    let (mut rig, at_a, at_b) = rig();
    rig.update(&at_a, |cart| {
        cart.owner_mut().push_str(&"x".repeat(5_000));
        cart.items_mut().insert("pear".to_owned(), Item::default());
    });
    let before = rig.parties[1].traffic.bytes;
    rig.update(&at_a, |cart| *cart.total_mut() = cart.owner.len() as u64 + cart.items.len() as u64);
    let one = rig.parties[1].traffic.bytes - before;
    assert!(one <= PACKET_BYTES + 11, "what was only read does not travel: {one} B");
    Rig::join_nothing(&at_a, |cart| {
        let total = cart.total;
        *cart.total_mut() = total;
    });
    rig.settle();
    assert_eq!(rig.parties[1].traffic.bytes - before, one, "an equal write is nothing");
    assert_eq!(rig.read(&at_b).version(), rig.read(&at_a).version());
}

#[test]
fn w2_an_older_base_is_good_where_nobody_else_wrote_and_what_was_missed_comes_first() {
    let (mut rig, at_a, at_b) = rig();
    let a = Rig::join(&at_a, |cart| *cart.total_mut() = 7);
    let b = Rig::join(&at_b, |cart| cart.owner_mut().push('b'));
    rig.settle();
    assert_eq!((version_of(&a), version_of(&b)), (2, 3));
    for slot in [&at_a, &at_b] {
        let seen = rig.read(slot);
        assert_eq!((seen.total, seen.owner.as_str(), seen.version().0), (7, "b", 3));
    }
}

#[test]
fn w2_changes_of_one_list_merge_in_different_places_and_meet_in_one() {
    type Change = fn(&mut CartMut<'_>);
    let both = |a: Change, b: Change| {
        let (mut rig, at_a, at_b) = rig();
        rig.update(&at_a, |cart| cart.lines_mut().extend([1, 2, 3, 4]));
        rig.settle();
        let (a, b) = (Rig::join(&at_a, a), Rig::join(&at_b, b));
        rig.settle();
        assert_eq!(version_of(&a), 3);
        let lines = rig.read(&at_a).lines.clone();
        assert_eq!(rig.read(&at_b).lines, lines);
        (b.settled() != Some(Settled::Conflict)).then_some(lines)
    };
    let front: Change = |cart| assert!(cart.lines_mut().insert(0, 10));
    let back: Change = |cart| cart.lines_mut().push(20);
    let last: Change = |cart| assert!(cart.lines_mut().pop());
    let clear: Change = |cart| cart.lines_mut().clear();
    assert_eq!(both(front, back), Some(vec![10, 1, 2, 3, 4, 20]));
    assert_eq!(both(front, last), Some(vec![10, 1, 2, 3]));
    assert_eq!(both(back, last), Some(vec![1, 2, 3, 20]));
    assert_eq!(both(back, clear), Some(vec![20]), "it takes what it saw");
    assert_eq!(both(front, |cart| cart.lines_mut().get_mut(2).unwrap().set(33)), Some(vec![10, 1, 2, 33, 4]));
    assert_eq!(both(front, front), None, "one gap");
    assert_eq!(both(back, back), None, "one gap");
    assert_eq!(both(last, last), None, "one element");
    assert_eq!(both(|cart| cart.lines_mut().last_mut().unwrap().set(44), last), None, "one element");
    assert_eq!(both(front, |cart| assert!(cart.lines_mut().swap(1, 2))), None, "what moves meets everything");
}

/// Also spring-session #253: without the rule the second write wins, and the first is lost.
#[test]
fn w3_of_two_that_read_and_write_one_field_one_runs_again() {
    let raise = |cart: &mut CartMut<'_>| *cart.total_mut() += 1;
    let both = |rule| {
        let (mut rig, at_a, at_b) = rig();
        rig.switch_off(rule);
        let (a, b) = (Rig::join(&at_a, raise), Rig::join(&at_b, raise));
        rig.settle();
        assert_eq!(version_of(&a), 2);
        if b.settled() == Some(Settled::Conflict) {
            rig.update(&at_b, raise);
        } else {
            assert_eq!(version_of(&b), 3);
        }
        rig.read(&at_a).total
    };
    assert_eq!(both(None), 2);
    assert_eq!(both(Some(Rule::Overlap)), 1, "both are told that they took effect, and one is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w3_two_nodes_lose_no_update() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let tasks = [at_a.clone(), at_b.clone()].map(|object| {
        tokio::spawn(async move {
            let mut runs = 0;
            for _ in 0..50 {
                let add = |cart: &mut CartMut<'_>| {
                    runs += 1;
                    *cart.total_mut() += 1;
                    cart.visits_mut().add(1);
                    Ok::<(), Error>(())
                };
                object.update(add).await.unwrap();
            }
            runs
        })
    });
    let mut runs = 0;
    for task in tasks {
        runs += task.await.unwrap();
    }
    let last = at_a.fresh().await.unwrap();
    assert_eq!((last.total, last.visits), (100, 100));
    assert!((100..100 * UPDATE_TRIES_MAX).contains(&runs), "{runs} runs");
    assert_eq!(*at_b.fresh().await.unwrap(), *last);
}

#[test]
fn w4_policies_give_their_result_in_repository_order_and_never_conflict() {
    let mut rig = Rig::new(3);
    let mut slots = vec![rig.create(0, "alice", Cart { lowest: 50, ..Cart::default() })];
    slots.extend([1, 2].map(|at| rig.open(at, "alice")));
    let mut log = Vec::new();
    for round in 0..5_u32 {
        let tickets: Vec<_> = (0..3_u32)
            .map(|n| {
                let mine = round * 3 + n;
                Rig::join(&slots[n as usize], move |cart| {
                    cart.visits_mut().add(u64::from(n) + 1);
                    cart.highest_mut().max(u64::from(mine) * 7 % 11);
                    cart.lowest_mut().min(i64::from(mine) * 5 % 13 - 9);
                    cart.seen_mut().insert(mine % 4);
                    cart.log_mut().push(mine);
                    *cart.page_mut() = mine;
                })
            })
            .collect();
        rig.settle();
        let mut order: Vec<_> = (0..3_u32).map(|n| (version_of(&tickets[n as usize]), round * 3 + n)).collect();
        order.sort_unstable();
        log.extend(order.into_iter().map(|(_, mine)| mine));
    }
    for slot in &slots {
        let seen = rig.read(slot);
        assert_eq!((seen.visits, seen.highest, seen.lowest), (30, 10, -9));
        assert_eq!(seen.seen.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!((&seen.log, Some(&seen.page)), (&log, log.last()));
    }
    let [a, b] = [0, 1].map(|at| Rig::join(&slots[at], |cart| cart.small_mut().add(200)));
    rig.settle();
    version_of(&a);
    assert!(matches!(b.settled(), Some(Settled::Refused(refused)) if refused.code == FailureCode::Overflow));
    assert_eq!(rig.read(&slots[1]).small, 200);
}

#[test]
fn w4_additions_that_only_together_leave_their_range_take_effect_one_after_the_other() {
    let (mut rig, at_a, at_b) = rig();
    rig.update(&at_b, |cart| cart.balance_mut().add(-100));
    rig.settle();
    let context = Context::from_waker(Waker::noop());
    let mut earn = |cart: &mut Cart, changes: &mut CartChanges| {
        cart.track(changes).balance_mut().add(90);
        Ok::<(), ()>(())
    };
    let Poll::Ready(Step::Joined((), first)) = at_a.poll_update(Scope::Shared, &context, &mut earn) else {
        panic!("nothing is in its way")
    };
    let second = at_a.poll_update(Scope::Shared, &context, &mut earn);
    assert!(second.is_pending(), "180 is no change of an i8: {second:?}");
    rig.settle();
    let Poll::Ready(Step::Joined((), second)) = at_a.poll_update(Scope::Shared, &context, &mut earn) else {
        panic!("the first has left")
    };
    rig.settle();
    assert_eq!((version_of(&first), version_of(&second), rig.read(&at_b).balance), (3, 4, 80));
}

/// What is required is in `requirements`.
#[test]
fn w5_reads_are_protected_by_an_isolated_update_only() {
    for (scope, is_protected) in [(Scope::Shared, false), (Scope::Isolated, true)] {
        let (mut rig, at_a, at_b) = rig();
        drop(Rig::join(&at_a, |cart| *cart.total_mut() = 1));
        let checkout = Rig::join_by(&at_b, scope, |cart| {
            assert_eq!(cart.total, 0);
            cart.owner_mut().push_str("checked out");
        });
        rig.settle();
        assert_eq!(checkout.settled() == Some(Settled::Conflict), is_protected, "{scope:?}");
    }
}

#[test]
fn w6_what_was_replaced_or_removed_is_not_the_newcomer() {
    let (mut rig, at_a, at_b) = rig();
    let put = |cart: &mut CartMut<'_>| {
        cart.items_mut().insert("pear".to_owned(), Item::default());
    };
    rig.update(&at_a, put);
    let replaced = Rig::join(&at_a, |cart| {
        cart.items_mut().remove("pear");
    });
    let late = Rig::join(&at_b, |cart| *cart.items_mut().get_mut("pear").unwrap().count_mut() = 9);
    rig.settle();
    rig.update(&at_a, put);
    assert_eq!((version_of(&replaced), late.settled()), (3, Some(Settled::Conflict)));
    assert_eq!(rig.read(&at_b).items["pear"].count, 0);
}

#[test]
fn w8_a_commit_takes_effect_once_whether_or_not_it_arrived_before_the_link_broke() {
    for is_sent in [false, true] {
        let (mut rig, at_a, at_b) = rig();
        let ticket = Rig::join(&at_a, |cart| cart.visits_mut().add(5));
        rig.cut(0, is_sent);
        rig.settle();
        rig.connect(0);
        rig.settle();
        assert_eq!(version_of(&ticket), 2);
        for slot in [&at_a, &at_b] {
            assert_eq!(rig.read(slot).visits, 5);
        }
    }
}

#[test]
fn w8_who_comes_back_after_ten_minutes_is_told_that_nobody_knows_and_nothing_is_done_twice() {
    for rule in [None, Some(Rule::Forgotten)] {
        let (mut rig, at_a, at_b) = rig();
        rig.switch_off(rule);
        let update = |slot| Rig::join(slot, |cart: &mut CartMut<'_>| cart.visits_mut().add(5));
        let tickets = [update(&at_a), update(&at_a)];
        rig.cut(0, true);
        rig.settle();
        assert_eq!(rig.read(&at_b).visits, 10);
        rig.pass(OUTCOMES_KEPT_MS);
        rig.connect(0);
        rig.settle();
        for ticket in tickets {
            let Some(settled) = ticket.settled() else { panic!("nobody is told") };
            let is_undecided = matches!(settled, Settled::Refused(why) if why.code == FailureCode::Forgotten);
            assert_eq!(is_undecided, rule.is_none(), "both that share the commit, and neither runs again by itself");
        }
        let seen = if rule.is_none() { 10 } else { 20 };
        rig.update(&at_a, |cart| cart.visits_mut().add(1));
        assert_eq!((rig.read(&at_a).visits, rig.read(&at_b).visits), (seen + 1, seen + 1));
    }
}

#[test]
fn w8_large_things_survive_a_link_that_breaks_in_between() {
    let mut rig = Rig::new(2);
    let at_a = rig.create(0, "large", Cart { lines: (0..40_000).collect(), ..Cart::default() });
    let at_b = rig.open::<Cart>(1, "large");
    let ticket = Rig::join(&at_a, |cart| {
        let mut lines = cart.lines_mut();
        (0..lines.len()).for_each(|at| *lines.get_mut(at).unwrap() += 1);
    });
    rig.cut(0, true);
    rig.connect(0);
    rig.settle();
    version_of(&ticket);
    rig.cut(1, true);
    rig.connect(1);
    rig.settle();
    let seen = rig.read(&at_b);
    assert_eq!((seen.lines[39_999], &*seen), (40_000, &*rig.read(&at_a)));
}

#[test]
fn w9_an_outcome_is_unknown_until_it_is_asked_for_again() {
    let (mut rig, at_a, at_b) = rig();
    rig.is_durable = false;
    let ticket = Rig::join(&at_a, |cart| *cart.total_mut() = 7);
    rig.settle();
    assert_eq!(ticket.settled(), None, "taken, and not durable");
    rig.cut(0, false);
    assert_eq!(ticket.settled(), None, "the link broke: nobody guesses");
    rig.is_durable = true;
    rig.settle();
    rig.connect(0);
    rig.settle();
    assert_eq!((version_of(&ticket), rig.read(&at_b).total), (2, 7));
}

#[test]
fn w10_destroyed_stays_destroyed() {
    let (mut rig, at_a, at_b) = rig();
    let birth = rig.read(&at_a).birth();
    let late = Rig::join(&at_b, |cart| *cart.total_mut() = 7);
    rig.destroy(0, &at_a);
    let late = late.settled();
    assert!(matches!(&late, Some(Settled::Refused(why)) if why.code == FailureCode::Gone), "{late:?}");
    let newcomer = rig.create(1, "alice", Cart::default());
    assert!(newcomer.newest().unwrap().unwrap().birth > birth);
    assert_eq!(rig.read(&newcomer).total, 0);
}

#[tokio::test]
async fn w11_an_error_or_a_panic_contributes_nothing() {
    let (_repository, [(_a, cart), _]) = nodes().await;
    let aborted = cart.update(|cart| {
        *cart.total_mut() = 9;
        Err::<(), _>("sold out")
    });
    assert_eq!(aborted.await, Err(UpdateError::Aborted("sold out")));
    let doomed = cart.clone();
    let panicked = tokio::spawn(async move {
        let panics = |cart: &mut CartMut<'_>| -> Result<(), Error> {
            *cart.total_mut() = 9;
            panic!("a closure panics")
        };
        doomed.update(panics).await
    });
    assert!(panicked.await.is_err());
    let good = cart.update(|cart| {
        cart.visits_mut().add(1);
        Ok::<_, Error>(())
    });
    let done = good.await.unwrap();
    let seen = cart.fresh().await.unwrap();
    assert_eq!((done.version.0, seen.total, seen.visits), (2, 0, 1));
}

fn pay(cart: &mut CartMut<'_>) -> Result<u64, Error> {
    *cart.total_mut() += 5;
    Ok(cart.total)
}

#[tokio::test]
async fn w12_a_transaction_shows_nothing_before_its_commit_and_fails_early() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let mut good = at_a.begin().unwrap();
    assert_eq!(good.with(pay).await.unwrap(), 5);
    assert_eq!(at_a.fresh().await.unwrap().total, 0);
    good.commit().await.unwrap();
    let mut late = at_a.begin().unwrap();
    late.with(pay).await.unwrap();
    at_b.fresh().await.unwrap();
    at_b.update(pay).await.unwrap();
    at_a.fresh().await.unwrap();
    let failed = late.with(|_| Ok::<(), Error>(())).await;
    assert!(matches!(failed, Err(UpdateError::Failed(Error::Conflict { .. }))), "{failed:?}");
    drop(late);
    assert_eq!(at_a.fresh().await.unwrap().total, 10);
}

#[tokio::test]
async fn w12_steps_of_a_transaction_see_the_newest_and_commit_at_once() {
    let (_repository, [(_a, at_a), (_b, at_b)]) = nodes().await;
    let mut transaction = at_a.begin().unwrap();
    let add_pear = |cart: &mut CartMut<'_>| {
        cart.items_mut().insert("pear".to_owned(), Item::default());
        Ok::<(), Error>(())
    };
    transaction.with(add_pear).await.unwrap();
    let failed = transaction
        .with(|cart| {
            cart.items_mut().insert("fig".to_owned(), Item::default());
            Err::<(), _>("sold out")
        })
        .await;
    assert_eq!(failed, Err(UpdateError::Aborted("sold out")));
    at_b.edit(|cart| cart.total = 30).await.unwrap();
    at_a.fresh().await.unwrap();
    let buy = |cart: &mut CartMut<'_>| {
        assert_eq!((cart.total, cart.items.len()), (30, 1), "others' commits and its own writes");
        *cart.total_mut() += 12;
        Ok::<_, Error>(cart.total)
    };
    assert_eq!(transaction.with(buy).await.unwrap(), 42);
    assert_eq!(at_a.read().await.unwrap().total, 30, "nothing shows before the commit");
    let done = transaction.commit().await.unwrap();
    let seen = at_b.read_at(at_a.token().unwrap()).await.unwrap();
    assert_eq!((seen.version(), seen.total, seen.items.len()), (done.version, 42, 1));
}
