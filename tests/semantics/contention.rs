//! Eight nodes at one object: what never conflicts, what always ends, and that every replica comes to the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nam::limits::{PRECEDENCE_MS, UPDATE_TRIES_MAX};
use nam::node::{Settled, Ticket};
use nam::repository::Rule;
use nam::{Error, InProcess, Node, Object, UpdateError};

use crate::cart::{Cart, CartMut, rig, several, version_of};
use crate::rig::Rig;

const NODES: usize = 8;

/// Nodes as applications have them, each with the cart.
async fn nodes() -> (InProcess, Vec<Node>, Vec<Object<Cart>>) {
    let repository = InProcess::new().unwrap();
    let mut nodes = Vec::new();
    let mut carts = Vec::new();
    for _ in 0..NODES {
        let node = repository.node().await.unwrap();
        carts.push(node.open_or_create("alice", Cart::default).await.unwrap());
        nodes.push(node);
    }
    (repository, nodes, carts)
}

/// Has `tasks` tasks of each node change the cart so often, `change` being told which node it is; answers how often a
/// closure ran.
async fn contend<C>(carts: &[Object<Cart>], tasks: usize, times: usize, change: C) -> u64
where
    C: Fn(&mut CartMut<'_>, usize) + Send + Sync + 'static,
{
    let (change, runs) = (Arc::new(change), Arc::new(AtomicU64::new(0)));
    let mut running = Vec::new();
    for (n, cart) in carts.iter().enumerate() {
        for _ in 0..tasks {
            let (cart, change, runs) = (cart.clone(), Arc::clone(&change), Arc::clone(&runs));
            running.push(tokio::spawn(async move {
                for _ in 0..times {
                    let run = |cart: &mut CartMut<'_>| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        change(cart, n);
                        Ok::<(), Error>(())
                    };
                    cart.update(run).await?;
                }
                Ok::<(), UpdateError<Error>>(())
            }));
        }
    }
    for task in running {
        task.await.unwrap().unwrap();
    }
    runs.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w2_eight_nodes_write_eight_fields_and_nobody_is_in_the_way() {
    let (_repository, _nodes, carts) = nodes().await;
    let runs = contend(&carts, 1, 500, |cart, n| *cart.marks_mut().get_mut(n).unwrap() += 1).await;
    assert_eq!(runs, 500 * NODES as u64, "no closure ran twice");
    for cart in &carts {
        assert_eq!(cart.fresh().await.unwrap().marks, [500; NODES]);
    }
}

/// One task a node, and so many that a node's own tasks wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w3_eight_nodes_read_and_write_one_field_and_every_update_succeeds() {
    for (tasks, times) in [(1, 100), (16, 40), (64, 10)] {
        let (_repository, _nodes, carts) = nodes().await;
        contend(&carts, tasks, times, |cart, _| *cart.total_mut() += 1).await;
        for cart in &carts {
            assert_eq!(cart.fresh().await.unwrap().total, (NODES * tasks * times) as u64);
        }
    }
}

/// The same with two objects that change together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_groups_of_eight_nodes_at_the_same_objects_all_succeed() {
    for (tasks, times) in [(1, 20), (16, 4)] {
        let (_repository, nodes, carts) = nodes().await;
        let mut running = Vec::new();
        for (node, cart) in nodes.iter().zip(&carts) {
            let other = node.open_or_create("bob", Cart::default).await.unwrap();
            for _ in 0..tasks {
                let (node, carts) = (node.clone(), [cart.clone(), other.clone()]);
                running.push(tokio::spawn(async move {
                    for _ in 0..times {
                        let carts = &carts;
                        let done = node.update_group(|mut group| async move {
                            for cart in carts {
                                let step = group.with(cart, |cart| {
                                    *cart.total_mut() += 1;
                                    Ok(())
                                });
                                step.await?;
                            }
                            Ok((group, ()))
                        });
                        done.await?;
                    }
                    Ok::<(), UpdateError<Error>>(())
                }));
            }
        }
        for task in running {
            task.await.unwrap().unwrap();
        }
        let due = (NODES * tasks * times) as u64;
        for node in &nodes {
            let both = [node.open::<Cart>("alice").await.unwrap(), node.open("bob").await.unwrap()];
            let totals = node.read_group(&both[..]).await.unwrap();
            assert!(totals.iter().all(|cart| cart.total == due), "{due}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w4_eight_nodes_add_ten_thousand_times_each() {
    let (_repository, _nodes, carts) = nodes().await;
    contend(&carts, 20, 500, |cart, _| cart.visits_mut().add(1)).await;
    for cart in &carts {
        assert_eq!(cart.fresh().await.unwrap().visits, 80_000);
    }
}

/// The same, and every commit is accepted as it comes, at whatever version the repository is.
#[test]
fn w4_of_eighty_thousand_adds_none_is_in_the_way() {
    let (mut rig, slots) = several(NODES as u64);
    for _ in 0..1_000 {
        let tickets: Vec<Ticket> = slots
            .iter()
            .flat_map(|slot| (0..10).map(move |_| Rig::join(slot, |cart| cart.visits_mut().add(1))))
            .collect();
        rig.settle();
        assert!(tickets.iter().all(|ticket| version_of(ticket) > 1));
    }
    for slot in &slots {
        assert_eq!(rig.read(slot).visits, 80_000);
    }
}

/// What a closure of a round writes with the policies.
fn write(cart: &mut CartMut<'_>, mine: u32) {
    cart.visits_mut().add(u64::from(mine));
    cart.highest_mut().max(u64::from(mine) * 7_919 % 10_007);
    cart.lowest_mut().min(-(i64::from(mine) * 6_007 % 9_001));
    cart.seen_mut().insert(mine * 31 % 257);
    cart.log_mut().push(mine);
    *cart.page_mut() = mine;
}

#[test]
fn w4_policies_come_to_the_same_everywhere_although_links_break() {
    let (mut rig, slots) = several(NODES as u64);
    let mut dice = 1_u64;
    let mut draw = |below: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % below
    };
    let mut written: Vec<(Ticket, u32)> = Vec::new();
    for round in 0..400_u32 {
        let late = draw(NODES as u64 + 1) as usize;
        for n in (0..NODES).filter(|n| *n != late) {
            let mine = round * 8 + n as u32;
            rig.read(&slots[n]);
            written.push((Rig::join(&slots[n], |cart| write(cart, mine)), mine));
        }
        // Some links break before what was sent arrives, some after it, and what they bring back is lost.
        let broken: BTreeSet<usize> = (0..draw(3)).map(|_| draw(NODES as u64) as usize).collect();
        broken.iter().for_each(|at| rig.cut(*at, draw(2) == 0));
        rig.settle();
        broken.iter().for_each(|at| rig.connect(*at));
        rig.settle();
    }
    let mut order: Vec<(u64, u32)> = written.iter().map(|(ticket, mine)| (version_of(ticket), *mine)).collect();
    order.sort_unstable();
    let mut expected = Cart::default();
    for (_, mine) in &order {
        let mut changes = Default::default();
        write(&mut nam::Tracked::track(&mut expected, &mut changes), *mine);
    }
    assert_eq!(expected.log.len(), order.len());
    for slot in &slots {
        assert_eq!(*rig.read(slot), expected);
    }
}

/// Node a always has the newest base first, and its commit arrives first: how often does b lose to it?
fn losses(rule: Option<Rule>) -> u32 {
    let (mut rig, at_a, at_b) = rig();
    rig.switch_off(rule);
    let raise = |cart: &mut CartMut<'_>| *cart.total_mut() += 1;
    let mut a = Rig::join(&at_a, raise);
    for losses in 0..UPDATE_TRIES_MAX {
        if a.settled().is_some() {
            a = Rig::join(&at_a, raise);
        }
        let b = Rig::join(&at_b, raise);
        rig.settle();
        match b.settled() {
            Some(Settled::Committed(_)) => return losses,
            other => assert_eq!(other, Some(Settled::Conflict)),
        }
    }
    UPDATE_TRIES_MAX
}

#[test]
fn w3_who_lost_twice_goes_first() {
    assert_eq!(losses(None), 2);
    assert_eq!(losses(Some(Rule::Precedence)), UPDATE_TRIES_MAX, "without the rule one node wins for ever");
}

#[test]
fn w3_who_goes_first_keeps_nobody_for_long_and_only_those_in_its_way() {
    let (mut rig, at_a, at_b) = rig();
    for _ in 0..2 {
        let raise = |cart: &mut CartMut<'_>| *cart.total_mut() += 1;
        let (a, b) = (Rig::join(&at_a, raise), Rig::join(&at_b, raise));
        rig.settle();
        version_of(&a);
        assert_eq!(b.settled(), Some(Settled::Conflict));
    }
    // b goes first now, and does not come.
    let beside = Rig::join(&at_a, |cart| cart.visits_mut().add(1));
    rig.settle();
    version_of(&beside);
    let in_its_way = Rig::join(&at_a, |cart| *cart.total_mut() += 1);
    rig.settle();
    rig.pass(PRECEDENCE_MS - 1);
    assert_eq!((in_its_way.settled(), rig.repository.contests()), (None, 1));
    rig.pass(1);
    assert_eq!(version_of(&in_its_way), 5);
    rig.pass(PRECEDENCE_MS);
    assert_eq!(rig.repository.contests(), 0, "nothing is left of it");
}
