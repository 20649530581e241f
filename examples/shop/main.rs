//! A small shop: one instance of several that have the same sessions.
//!
//! `examples/shop/run` starts a daemon and three instances; each serves `http://127.0.0.1:` and its port:
//!
//! ```text
//! shop INSTANCE ADDRESS REPOSITORY        SHOP_SECRET: 64 characters or more, the same for all instances
//! ```

mod app;

use std::error::Error;

use app::{Shop, app};
use nam::Node;
use nam::web::{Key, SessionLayer};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [instance, address, repository] = arguments.as_slice() else {
        return Err("usage: shop INSTANCE ADDRESS REPOSITORY".into());
    };
    let secret = std::env::var("SHOP_SECRET").unwrap_or_default();
    let key = Key::try_from(secret.as_bytes()).map_err(|_| "SHOP_SECRET has to be of 64 characters or more")?;

    let node = Node::connect([repository.as_str()]).await?;
    // Plain HTTP, for a look at it on one machine; behind TLS without this line.
    let sessions = SessionLayer::builder(node.clone()).with_signed(key).development().build()?;
    let shop = Shop::open(node, instance).await?;
    let listener = TcpListener::bind(address).await?;
    println!("instance {instance}: http://{}", listener.local_addr()?);
    axum::serve(listener, app(shop, sessions)).await?;
    Ok(())
}
