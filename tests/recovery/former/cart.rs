//! Objects of which a fixture is made that has more than objects: an index, groups of consumers and atomic groups.
//!
//! Compiled by former versions of nam, as `desk.rs` is.

use std::convert::Infallible;

use nam::{EventKind, Events, Node, Tracked, UpdateError};

const GROUP: &str = "billing";

/// Carts that come and go in a round, and of which nobody says that he has dealt with them.
const PASSING: u64 = 3;

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(name = "former.Cart")]
pub(crate) struct Cart {
    #[nam(index)]
    owner: String,
    total: i64,
}

fn cart(owner: &str, total: i64) -> Cart {
    Cart { owner: owner.to_owned(), total }
}

/// Founds the group of consumers and creates two carts, of which the group is told.
pub(crate) async fn create(node: &Node) -> Result<(), UpdateError<Infallible>> {
    let mut events = node.events::<Cart>(GROUP).await?;
    node.create("{alice}cash", cart("alice 0", 1_000)).await?;
    node.create("{alice}savings", cart("alice 0", 0)).await?;
    for _ in 0..2 {
        events.next().await?.acknowledge();
    }
    Ok(())
}

/// Moves something between the two, and has others come and go; nobody listens.
pub(crate) async fn change(node: &Node, round: u64) -> Result<(), UpdateError<Infallible>> {
    let cash = node.open::<Cart>("{alice}cash").await?;
    let savings = node.open::<Cart>("{alice}savings").await?;
    let mut group = node.begin_group();
    for (object, sum) in [(&cash, -4), (&savings, 4)] {
        let moved = group.with(object, |cart| {
            *cart.total_mut() += sum;
            cart.owner_mut().set(format!("alice {round}"));
            Ok::<_, Infallible>(())
        });
        moved.await?;
    }
    group.commit().await?;
    for passing in 0..PASSING {
        let key = format!("{round} of {passing}");
        node.create(&key, cart("bob", round as i64)).await?;
        node.destroy::<Cart>(&key).await?;
    }
    Ok(())
}

/// Whether the two are found as they are after so many rounds.
pub(crate) async fn check(node: &Node, rounds: u64) -> Result<(), UpdateError<Infallible>> {
    let moved = 4 * rounds as i64;
    for (key, total) in [("{alice}cash", 1_000 - moved), ("{alice}savings", moved)] {
        assert_eq!(*node.open::<Cart>(key).await?.read().await?, cart(&format!("alice {rounds}"), total));
    }
    let found = node.find(Cart::OWNER, &format!("alice {rounds}")).await?;
    let gone = node.find(Cart::OWNER, "bob").await?;
    assert_eq!((found.len(), gone.len()), (2, 0), "after {rounds} rounds");
    Ok(())
}

/// Whether the group is told of all that came and went in so many rounds, in order, and of nothing else: then it has
/// dealt with that.
pub(crate) async fn check_events(
    node: &Node,
    rounds: std::ops::RangeInclusive<u64>,
) -> Result<(), UpdateError<Infallible>> {
    let mut events: Events<Cart> = node.events::<Cart>(GROUP).await?;
    let mut left: Vec<(String, EventKind)> = Vec::new();
    for round in rounds.clone() {
        for passing in 0..PASSING {
            left.extend([EventKind::Created, EventKind::Destroyed].map(|kind| (format!("{round} of {passing}"), kind)));
        }
    }
    while !left.is_empty() {
        let event = events.next().await?;
        let round: i64 = event.key.split(' ').next().and_then(|round| round.parse().ok()).unwrap_or_default();
        // Of one key in order; the keys are of several shards.
        let first = left.iter().position(|(key, _)| *key == event.key);
        let first = first.unwrap_or_else(|| panic!("{} was told and is not expected", event.key));
        assert_eq!(left.remove(first).1, event.kind, "{}", event.key);
        let last = (event.kind == EventKind::Destroyed).then(|| cart("bob", round));
        assert_eq!((&event.last, event.missed), (&last, 0), "{}", event.key);
        event.acknowledge();
    }
    Ok(())
}
