//! What the examples of several instances share: how an instance starts, and what is around each of its pages.
//!
//! ```text
//! EXAMPLE INSTANCE ADDRESS REPOSITORY        SITE_SECRET: 64 characters or more, the same for all instances
//! ```
//! `examples/site/run` starts them; the first line of an instance says where it listens.

mod figures;
mod page;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use nam::Node;
use nam::tracked::Class;
use nam::web::{Key, SessionLayer};
use tokio::net::TcpListener;

pub(crate) use figures::{Figures, shipped};
pub(crate) use page::{Brand, Page, plain, spoken};

/// One instance of several that have the same sessions.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) node: Node,
    pub(crate) name: Arc<str>,
}

impl Instance {
    pub(crate) fn new(node: Node, name: &str) -> Self {
        Self { node, name: name.into() }
    }
}

/// Runs an instance as its arguments say, until it is ended.
#[allow(dead_code, reason = "tests take the pages, and start instances of their own")]
pub(crate) async fn serve<T: Class + Default>(
    app: impl AsyncFnOnce(Instance, SessionLayer<T>) -> Result<Router, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, address, repository] = arguments.as_slice() else {
        return Err("usage: EXAMPLE INSTANCE ADDRESS REPOSITORY".into());
    };
    let secret = std::env::var("SITE_SECRET").unwrap_or_default();
    let key = Key::try_from(secret.as_bytes()).map_err(|_| "SITE_SECRET has to be of 64 characters or more")?;

    let node = Node::connect([repository.as_str()]).await?;
    // Plain HTTP, for a look at it on one machine; behind TLS without this line.
    // A browser gives its cookies to every port of a machine: each example has names of its own.
    let sessions = SessionLayer::builder(node.clone()).with_name(T::NAME).with_signed(key).development().build()?;
    let app = app(Instance::new(node, name), sessions).await?;
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
