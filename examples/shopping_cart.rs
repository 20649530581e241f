//! "Two servers share one shopping cart": both write to it at once, nobody loses anything.
//!
//! Run it with `cargo run --example shopping_cart`; no daemon is needed.

use std::collections::BTreeMap;

use nam::{InProcess, Tracked, UpdateError};

#[derive(Tracked, Clone, Default)]
#[nam(name = "shop.Cart")]
struct Cart {
    owner: String,
    items: BTreeMap<String, Item>,
    paid: bool,
}

#[derive(Tracked, Clone, Default)]
struct Item {
    count: u32,
    cents: u64,
}

impl Cart {
    fn total_cents(&self) -> u64 {
        self.items.values().map(|item| u64::from(item.count) * item.cents).sum()
    }
}

/// Puts one more of an article into the cart: plain code over cursors.
fn put(cart: &mut CartMut<'_>, article: &str, cents: u64) {
    let mut items = cart.items_mut();
    let mut item = items.get_or_insert_with(article.to_owned(), || Item { count: 0, cents });
    *item.count_mut() += 1;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repository = InProcess::new()?;
    let (left, right) = (repository.node().await?, repository.node().await?);
    let cart = left.create("alice", Cart { owner: "alice".into(), ..Cart::default() }).await?;
    let same = right.open::<Cart>("alice").await?;

    // Both servers at once: different articles never conflict, the same article is counted twice.
    let (one, two) = tokio::join!(
        cart.update(|cart| -> Result<(), String> {
            put(cart, "tea", 450);
            put(cart, "cups", 1_200);
            Ok(())
        }),
        same.update(|cart| -> Result<(), String> {
            put(cart, "tea", 450);
            Ok(())
        }),
    );
    let newest = one?.version.max(two?.version);
    println!("both updates took effect, the cart is at version {newest}");

    // A token carries what one server has seen to the other.
    let seen = cart.fresh().await?.token();
    let now = same.read_at(seen).await?;
    println!("{} has {} articles for {} cents", now.owner, now.items.len(), now.total_cents());
    assert_eq!((now.items["tea"].count, now.total_cents()), (2, 2 * 450 + 1_200));

    // Checkout must not happen twice: anything newer in the cart makes it run again.
    for server in [&cart, &same] {
        let paid = server.update_isolated(|cart| {
            if cart.paid {
                return Err("this cart is paid already");
            }
            *cart.paid_mut() = true;
            Ok(cart.total_cents())
        });
        match paid.await {
            Ok(done) => println!("paid {} cents", done.value),
            Err(UpdateError::Aborted(why)) => println!("refused: {why}"),
            Err(UpdateError::Failed(error)) => return Err(error.into()),
        }
    }
    Ok(())
}
