//! What does a session add to a request, and what does a request cost whose session is large?
//!
//! Applications are called as their server would call them, on one thread, without sockets of browsers. The first table
//! is without a network: what the layer itself takes of the processor. The second has a daemon over QUIC, and the same
//! application twice: sessions of its own type, and tower-sessions with the store; each with sessions of four sizes, of which
//! one number changes. Bytes are what the node sent and received by UDP. A load of tower-sessions is a map of its own for
//! each request, whatever the store: what such a copy takes stands beside it. The third has one session that 64 requests
//! change at once, again and again, beside 64 tasks that change its object without the layer.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops when something is wrong"
)]

mod table;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::{get, post};
use criterion::{Criterion, criterion_group, criterion_main};
use nam::server::{Server, ServerConfig};
use nam::web::{Key, NamStore, Session, SessionError, SessionLayer, Stored};
use nam::{Node, Object, Tracked};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower_sessions::SessionManagerLayer;

use table::{Budget, Samples};

/// Bytes of an entry.
const ENTRY_BYTES: usize = 480;

/// Sizes of sessions, and requests that are measured of each kind.
const SIZES: [(&str, usize, usize); 4] =
    [("1 kB", 1_000, 500), ("30 kB", 30_000, 500), ("1 MB", 1_000_000, 100), ("15 MB", 15_000_000, 20)];

/// Before each measurement: who has just copied a large session is put off for as long by a busy machine, and what comes
/// next would pay for it.
const PAUSE: Duration = Duration::from_millis(5);

/// For so long after a write every read asks the repository.
const VALIDATED: Duration = Duration::from_secs(6);

/// Requests at once of one session, how many each sends in a turn, and turns.
const TABS: u64 = 64;
const REQUESTS: u64 = 20;
const TURNS: usize = 9;

#[derive(Tracked, Clone, Default)]
#[nam(name = "bench.Visit")]
struct Visit {
    orders: u64,
    entries: BTreeMap<u64, String>,
}

fn entries(bytes: usize) -> BTreeMap<u64, String> {
    (0..(bytes / ENTRY_BYTES) as u64).map(|entry| (entry, format!("{entry:>ENTRY_BYTES$}"))).collect()
}

/// An application with sessions of its own type.
fn native(node: &Node, bytes: usize) -> Router {
    let make = async move |visit: Session<Visit>| {
        visit.update(move |visit| visit.entries_mut().set(entries(bytes))).await?;
        Ok::<_, SessionError>(StatusCode::NO_CONTENT)
    };
    let read = async |visit: Session<Visit>| Ok::<_, SessionError>(visit.read().await?.orders.to_string());
    let order = async |visit: Session<Visit>| {
        visit.update(|visit| *visit.orders_mut() += 1).await?;
        Ok::<_, SessionError>(StatusCode::NO_CONTENT)
    };
    let order_now = async |visit: Session<Visit>| {
        visit.update_now(|visit| *visit.orders_mut() += 1).await?;
        Ok::<_, SessionError>(StatusCode::NO_CONTENT)
    };
    let note = async |visit: Session<Visit>, note: String| {
        let tab: u64 = note.split(' ').next().unwrap().parse().unwrap();
        let noted = visit.update(move |visit| {
            visit.entries_mut().insert(tab, note.clone());
        });
        noted.await?;
        Ok::<_, SessionError>(StatusCode::NO_CONTENT)
    };
    let numbered = async |visit: Session<Visit>, note: String| {
        let tab: u64 = note.split(' ').next().unwrap().parse().unwrap();
        let noted = visit.update(move |visit| {
            visit.entries_mut().insert(tab, note.clone());
            visit.entries.len()
        });
        Ok::<_, SessionError>(noted.await?.to_string())
    };
    let layer = SessionLayer::<Visit>::builder(node.clone()).with_signed(Key::from(&[7; 64])).build().unwrap();
    let unused = get(async || "0");
    Router::new()
        .route("/make", post(make))
        .route("/read", get(read))
        .route("/order", post(order))
        .route("/order_now", post(order_now))
        .route("/note", post(note))
        .route("/numbered", post(numbered))
        .route("/", unused)
        .layer(layer)
}

/// The same with tower-sessions.
fn stored(node: &Node, bytes: usize) -> Router {
    type Any = tower_sessions::Session;
    let make = async move |visit: Any| {
        visit.insert("entries", entries(bytes)).await.unwrap();
        visit.insert("orders", 0).await.unwrap();
        StatusCode::NO_CONTENT
    };
    let read = async |visit: Any| visit.get::<u64>("orders").await.unwrap().unwrap_or_default().to_string();
    let order = async |visit: Any| {
        let orders = visit.get::<u64>("orders").await.unwrap().unwrap_or_default();
        visit.insert("orders", orders + 1).await.unwrap();
        StatusCode::NO_CONTENT
    };
    let layer = SessionManagerLayer::new(NamStore::new(node.clone()));
    Router::new().route("/make", post(make)).route("/read", get(read)).route("/order", post(order)).layer(layer)
}

/// Sends a request of a browser and takes the answer's cookies.
async fn send(app: &Router, path: &str, cookies: &mut BTreeMap<String, String>) {
    say(app, path, String::new(), cookies).await;
}

/// The same with a body.
async fn say(app: &Router, path: &str, body: String, cookies: &mut BTreeMap<String, String>) {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let method = if matches!(path, "/" | "/read") { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(path).header(header::COOKIE, pairs.join("; "));
    let response = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    for cookie in response.headers().get_all(header::SET_COOKIE) {
        let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }
    to_bytes(response.into_body(), 1_000).await.unwrap();
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What the layer takes of the processor.
fn overhead() {
    let runtime = one_thread();
    let node = runtime.block_on(Node::in_process()).unwrap();
    let (app, bare) = (native(&node, 30_000), Router::new().route("/", get(async || "0")));
    let mut cookies = BTreeMap::new();
    runtime.block_on(async {
        send(&app, "/make", &mut cookies).await;
        send(&app, "/order", &mut cookies).await;
        // Behind the time in which reads ask the repository.
        tokio::time::sleep(VALIDATED).await;
    });
    let (mut first, mut second, mut third) = (cookies.clone(), cookies.clone(), cookies);
    let [without, unused, read] = table::in_turn(
        200,
        100,
        [
            &mut || runtime.block_on(send(&bare, "/", &mut first)),
            &mut || runtime.block_on(send(&app, "/", &mut second)),
            &mut || runtime.block_on(send(&app, "/read", &mut third)),
        ],
    );
    table::title("a request that only reads, a session of 30 kB: what the layer takes");
    table::time("no session", without.p50(), None, Budget::None);
    table::time(
        "a session that the handler does not use",
        unused.p50() - without.p50(),
        None,
        Budget::Nanoseconds(5e3),
    );
    table::time("a session that it reads", read.p50() - without.p50(), None, Budget::Nanoseconds(5e3));
}

/// A browser at one of the two applications.
struct Party {
    app: Router,
    node: Node,
    cookies: BTreeMap<String, String>,
    read: Samples,
    order: Samples,
    bytes: u64,
}

impl Party {
    async fn new(address: &str, build: impl FnOnce(&Node) -> Router) -> Self {
        let node = Node::connect([address]).await.unwrap();
        let (app, mut cookies) = (build(&node), BTreeMap::new());
        send(&app, "/make", &mut cookies).await;
        send(&app, "/order", &mut cookies).await;
        Self { app, node, cookies, read: Samples::default(), order: Samples::default(), bytes: 0 }
    }

    async fn turn(&mut self) {
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        send(&self.app, "/read", &mut self.cookies).await;
        self.read.add(begun.elapsed());
        let (begun, before) = (Instant::now(), self.node.traffic().bytes());
        send(&self.app, "/order", &mut self.cookies).await;
        self.order.add(begun.elapsed());
        self.bytes += self.node.traffic().bytes() - before;
    }
}

fn sizes() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let address = server.addresses()[0].to_string();
    for (name, bytes, requests) in SIZES {
        one_thread().block_on(async {
            let mut own = Party::new(&address, |node| native(node, bytes)).await;
            let mut store = Party::new(&address, |node| stored(node, bytes)).await;
            let mut copied = Samples::default();
            let record = HashMap::from([
                ("entries".to_owned(), serde_json::to_value(entries(bytes)).unwrap()),
                ("orders".to_owned(), Value::from(0)),
            ]);
            for _ in 0..requests {
                own.turn().await;
                store.turn().await;
                tokio::time::sleep(PAUSE).await;
                let begun = Instant::now();
                drop(record.clone());
                copied.add(begun.elapsed());
            }
            let each = |party: &Party| format!("{} B", party.bytes / requests as u64);
            table::title(&format!("a session of {name}: a read within 5 s of a write, and a change of one number"));
            table::time("read, a session of its own type", own.read.p50(), None, Budget::None);
            table::time("read, the store", store.read.p50(), Some(("its own", own.read.p50())), Budget::None);
            table::time("a copy of the store's map", copied.p50(), None, Budget::None);
            table::time("change, a session of its own type", own.order.p50(), None, Budget::None);
            table::time("change, the store", store.order.p50(), Some(("its own", own.order.p50())), Budget::None);
            let beside = format!("{} by the store", each(&store));
            table::row("bytes both ways by a change, of its own type", &each(&own), &beside, "", true);
            own.node.close().await.unwrap();
            store.node.close().await.unwrap();
        });
    }
    server.stop();
}

/// Requests of one session by all browsers' tabs together; each changes a place of its own, if the path has such.
async fn crowd(app: &Router, cookies: &BTreeMap<String, String>, path: &'static str) {
    let mut tabs = JoinSet::new();
    for tab in 0..TABS {
        let (app, mut cookies) = (app.clone(), cookies.clone());
        tabs.spawn(async move {
            for request in 0..REQUESTS {
                say(&app, path, format!("{tab} {request}"), &mut cookies).await;
            }
        });
    }
    tabs.join_all().await;
}

/// The same without requests.
async fn tasks(session: &Object<Stored<Visit>>) {
    let mut tasks = JoinSet::new();
    for _ in 0..TABS {
        let session = session.clone();
        tasks.spawn(async move {
            for _ in 0..REQUESTS {
                let more = session.update(|stored| {
                    *stored.data_mut().orders_mut() += 1;
                    Ok::<(), nam::Error>(())
                });
                more.await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

fn hot() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let runtime = one_thread();
    let (party, session) = runtime.block_on(async {
        let party = Party::new(&server.addresses()[0].to_string(), |node| native(node, 30_000)).await;
        let key = party.node.keys::<Stored<Visit>>("").await.unwrap().remove(0);
        let session = party.node.open::<Stored<Visit>>(&key).await.unwrap();
        (party, session)
    });
    let (app, cookies) = (&party.app, &party.cookies);
    let [bare, read, order, note, numbered, now] = table::in_turn(
        TURNS,
        1,
        [
            &mut || runtime.block_on(tasks(&session)),
            &mut || runtime.block_on(crowd(app, cookies, "/read")),
            &mut || runtime.block_on(crowd(app, cookies, "/order")),
            &mut || runtime.block_on(crowd(app, cookies, "/note")),
            &mut || runtime.block_on(crowd(app, cookies, "/numbered")),
            &mut || runtime.block_on(crowd(app, cookies, "/order_now")),
        ],
    );
    table::title("one session of 30 kB, 64 requests at once: a second");
    let a_second = |samples: &Samples| (TABS * REQUESTS) as f64 * 1e9 / samples.p50();
    let bare_a_second = a_second(&bare);
    table::row("updates of its object without a layer", &format!("{bare_a_second:.0}"), "", "", true);
    for (what, samples) in [
        ("requests that read, within 5 s of a write", read),
        ("requests that `update` one field", order),
        ("requests that `update` a field each", note),
        ("requests that `update` a field each and are given a value", numbered),
        ("requests that `update_now` one field", now),
    ] {
        let beside = format!("{:.2} × without a layer", a_second(&samples) / bare_a_second);
        table::row(what, &format!("{:.0}", a_second(&samples)), &beside, "", true);
    }
    runtime.block_on(party.node.close()).unwrap();
    server.stop();
}

fn web(_: &mut Criterion) {
    overhead();
    sizes();
    hot();
}

criterion_group!(benches, web);
criterion_main!(benches);
