//! A request that changes its session copies none of it, unless it keeps a view or reads what it wrote before its response.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use nam::web::{Session, SessionError, SessionLayer};

use crate::shop::{Browser, key, send};

/// How often a desk was copied in this process; one test only has desks.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// Stands for a session of 15 MB.
#[derive(nam::Tracked, Debug, Default)]
#[nam(name = "shop.Copied")]
struct Desk {
    orders: u64,
    owner: String,
}

impl Clone for Desk {
    fn clone(&self) -> Self {
        COPIES.fetch_add(1, Ordering::SeqCst);
        Self { orders: self.orders, owner: self.owner.clone() }
    }
}

type Visit = Session<Desk>;

fn one_more(desk: &mut DeskMut<'_>) {
    *desk.orders_mut() += 1;
}

/// Reads, and writes twice.
async fn order(desk: Visit) -> Result<String, SessionError> {
    let before = desk.read().await?.orders;
    desk.update(one_more).await?;
    desk.update(one_more).await?;
    Ok(before.to_string())
}

/// What an update answers needs no copy.
async fn number(desk: Visit) -> Result<String, SessionError> {
    let number = desk.update(|desk| {
        *desk.orders_mut() += 1;
        desk.orders
    });
    Ok(number.await?.to_string())
}

async fn at_once(desk: Visit) -> Result<String, SessionError> {
    let before = desk.read().await?.orders;
    desk.update(one_more).await?;
    let number = desk.update_now(|desk| {
        *desk.orders_mut() += 1;
        desk.orders
    });
    Ok(format!("{before} {} {}", number.await?, desk.read().await?.orders))
}

/// Reads what it wrote, twice after one write and once after another.
async fn look(desk: Visit) -> Result<String, SessionError> {
    let before = desk.read().await?.orders;
    desk.update(one_more).await?;
    let between = desk.read().await?.orders;
    assert_eq!(desk.read().await?.orders, between);
    desk.update(one_more).await?;
    Ok(format!("{before} {between} {}", desk.read().await?.orders))
}

/// Keeps a view over its write.
async fn keep(desk: Visit) -> Result<String, SessionError> {
    let kept = desk.read().await?;
    desk.update(one_more).await?;
    Ok(kept.orders.to_string())
}

async fn enter(desk: Visit) -> Result<String, SessionError> {
    let orders = desk.read().await?.orders;
    desk.sign_in("alice").await?;
    Ok(format!("{orders} {}", desk.principal().await?.unwrap_or_default()))
}

/// Asks for what a write does not change, between a write and the commit.
async fn who(desk: Visit) -> Result<String, SessionError> {
    desk.update(one_more).await?;
    desk.rotate().await?;
    desk.update(one_more).await?;
    Ok(format!("{} {}", desk.exists().await?, desk.principal().await?.unwrap_or_default()))
}

async fn live(desk: Visit) -> Result<String, SessionError> {
    let orders = desk.read().await?.orders;
    let desk = desk.write_later().await?;
    desk.update(one_more).await?;
    Ok(orders.to_string())
}

/// As a stream does: hears of its own change, and looks.
async fn watch(desk: Visit) -> Result<String, SessionError> {
    let before = desk.read().await?.orders;
    let mut changes = desk.watch().await?.unwrap();
    for _ in 0..2 {
        desk.update_now(one_more).await?;
        let nam::Change::Applied { .. } = changes.next().await else { panic!("not applied") };
        let newest = desk.newest().await?;
        assert!(newest.orders > before && newest.memory_bytes() > size_of::<Desk>());
    }
    Ok(format!("{before} {}", desk.newest().await?.orders))
}

async fn refuse(desk: Visit) -> Result<String, SessionError> {
    let orders = desk.read().await?.orders;
    let refused = desk.try_update(|desk| {
        *desk.orders_mut() += 100;
        Err::<(), _>("no")
    });
    Ok(format!("{orders} {} {}", refused.await?.unwrap_err(), desk.read().await?.orders))
}

#[tokio::test]
async fn a_session_is_changed_in_place_unless_the_handler_keeps_a_view() {
    let node = nam::Node::in_process().await.unwrap();
    let layer = SessionLayer::<Desk>::builder(node).with_signed(key(1)).build().unwrap();
    let router = Router::new()
        .route("/order", post(order))
        .route("/keep", post(keep))
        .route("/enter", post(enter))
        .route("/number", post(number))
        .route("/now", post(at_once))
        .route("/look", post(look))
        .route("/who", post(who))
        .route("/live", post(live))
        .route("/watch", post(watch))
        .route("/refuse", post(refuse))
        .layer(layer);
    let mut browser = Browser::default();
    for (path, text, copies) in [
        ("/order", "0", 0),
        ("/order", "2", 0),
        ("/number", "5", 0),
        ("/now", "5 7 7", 0),
        ("/enter", "7 alice", 0),
        ("/who", "true alice", 0),
        ("/refuse", "9 no 9", 0),
        ("/live", "9", 0),
        ("/keep", "10", 1),
        ("/look", "11 12 13", 2),
        ("/order", "13", 0),
        ("/watch", "15 17", 0),
    ] {
        let before = COPIES.load(Ordering::SeqCst);
        let answer = send(&router, "POST", path, "", &[browser.header()]).await;
        browser.keep(&answer);
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, text), "{path}");
        assert_eq!(COPIES.load(Ordering::SeqCst) - before, copies, "copies by {path}");
    }
}
