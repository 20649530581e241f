//! A request that changes its session copies none of it, unless it keeps a view.

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

/// Reads between two updates; no view is kept over any of them.
async fn order(desk: Visit) -> Result<String, SessionError> {
    let before = desk.read().await?.orders;
    desk.update(|desk| *desk.orders_mut() += 1).await?;
    let between = desk.read().await?.orders;
    desk.update(|desk| *desk.orders_mut() += 1).await?;
    Ok(format!("{before} {between} {}", desk.read().await?.orders))
}

async fn keep(desk: Visit) -> Result<String, SessionError> {
    let kept = desk.read().await?;
    desk.update(|desk| *desk.orders_mut() += 1).await?;
    Ok(format!("{} {}", kept.orders, desk.read().await?.orders))
}

async fn enter(desk: Visit) -> Result<String, SessionError> {
    let orders = desk.read().await?.orders;
    desk.sign_in("alice").await?;
    Ok(format!("{orders} {}", desk.principal().await?.unwrap_or_default()))
}

async fn later(desk: Visit) -> Result<String, SessionError> {
    let orders = desk.read().await?.orders;
    desk.on_success(|desk| *desk.orders_mut() += 1);
    Ok(orders.to_string())
}

async fn live(desk: Visit) -> Result<String, SessionError> {
    let orders = desk.read().await?.orders;
    let desk = desk.write_later().await?;
    desk.update(|desk| *desk.orders_mut() += 1).await?;
    Ok(orders.to_string())
}

/// As a stream does: hears of its own change, and looks.
async fn watch(desk: Visit) -> Result<String, SessionError> {
    let before = desk.read().await?.orders;
    let mut changes = desk.watch().await?.unwrap();
    for _ in 0..2 {
        desk.update(|desk| *desk.orders_mut() += 1).await?;
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
        .route("/later", post(later))
        .route("/live", post(live))
        .route("/watch", post(watch))
        .route("/refuse", post(refuse))
        .layer(layer);
    let mut browser = Browser::default();
    for (path, text, copies) in [
        ("/order", "0 1 2", 0),
        ("/order", "2 3 4", 0),
        ("/enter", "4 alice", 0),
        ("/later", "4", 0),
        ("/refuse", "5 no 5", 0),
        ("/live", "5", 0),
        ("/keep", "6 7", 1),
        ("/order", "7 8 9", 0),
        ("/watch", "9 11", 0),
    ] {
        let before = COPIES.load(Ordering::SeqCst);
        let answer = send(&router, "POST", path, "", &[browser.header()]).await;
        browser.keep(&answer);
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, text), "{path}");
        assert_eq!(COPIES.load(Ordering::SeqCst) - before, copies, "copies by {path}");
    }
}
