//! The program of `docs/web.md`, word for word.

use std::{env, error::Error, fs};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use nam::web::{Key, Session, SessionError, SessionLayer};

#[derive(nam::Tracked, Clone, Default)]
#[nam(name = "shop.Visit")]
struct Visit {
    items: Vec<String>,
    orders: u32,
}

async fn show(visit: Session<Visit>) -> Result<String, SessionError> {
    let user = visit.principal().await?.unwrap_or_default();
    let visit = visit.read().await?; // memory; one version for the whole request
    Ok(format!("{user}: {} items", visit.items.len()))
}

async fn put(visit: Session<Visit>, item: String) -> Result<&'static str, SessionError> {
    visit.update(move |visit| visit.items_mut().push(item.clone())).await?; // committed with the response
    Ok("it is in the cart")
}

async fn order(visit: Session<Visit>) -> Result<(StatusCode, &'static str), SessionError> {
    let ordered = visit.update(|visit| {
        visit.items_mut().clear();
        *visit.orders_mut() += 1;
    });
    ordered.await?;
    Ok(match pay().await {
        Ok(()) => (StatusCode::OK, "thank you"),
        Err(why) => (StatusCode::PAYMENT_REQUIRED, why), // an error response: the cart stays as it was
    })
}

async fn sign_in(visit: Session<Visit>, user: String) -> Result<(), SessionError> {
    visit.sign_in(&user).await // a new name: the cookie so far is worth nothing
}

pub fn app(node: nam::Node, key: Key) -> Result<Router, nam::web::BuildError> {
    let sessions = SessionLayer::<Visit>::builder(node).with_signed(key).build()?;
    Ok(Router::new()
        .route("/", get(show))
        .route("/put", post(put))
        .route("/order", post(order))
        .route("/in", post(sign_in))
        .route("/out", post(async |visit: Session<Visit>| visit.destroy().await))
        .route("/out/everywhere", post(async |visit: Session<Visit>| visit.sign_out_everywhere().await))
        .layer(sessions))
}

async fn pay() -> Result<(), &'static str> {
    Ok(()) // a bank
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = nam::Node::connect(["localhost:7420"]).await?; // a daemon on this machine
    let key = Key::try_from(&fs::read("session.key")?[..])?; // 64 random bytes, the same for all instances
    let address = env::args().nth(1).unwrap_or("127.0.0.1:8001".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(node, key)?).await?;
    Ok(())
}
