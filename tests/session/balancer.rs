//! Three instances behind HAProxy, with the configuration of `examples/site`: real connections, requests in turn.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use axum::http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nam::Node;
use nam::server::{Server, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::shop::{Answer, Browser, Instance, LIVE_VISITS};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/site/haproxy.cfg");

/// A daemon, instances of an application that listen, and a balancer before them.
struct Site {
    address: SocketAddr,
    balancer: Child,
    instances: Vec<JoinHandle<()>>,
    _daemon: Server,
}

impl Drop for Site {
    fn drop(&mut self) {
        drop((self.balancer.kill(), self.balancer.wait()));
    }
}

impl Site {
    async fn open(is_sticky: bool) -> Self {
        let daemon = Server::start(&ServerConfig::default()).unwrap();
        let mut haproxy = Command::new("haproxy");
        let mut instances = Vec::new();
        for number in 1..=3 {
            let node = Node::connect([daemon.addresses()[0].to_string()]).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            haproxy.env(format!("INSTANCE_{number}"), listener.local_addr().unwrap().to_string());
            let router = Instance::new(&node, |builder| builder).router;
            instances.push(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        }
        // The balancer inherits a socket that listens already: whoever connects waits for it.
        let browsers = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::io::fcntl_setfd(&browsers, rustix::io::FdFlags::empty()).unwrap();
        haproxy.env("SITE_BIND", format!("fd@{}", browsers.as_raw_fd()));
        haproxy.env("STICKY", if is_sticky { "1" } else { "" });
        let balancer = haproxy.args(["-db", "-q", "-f", CONFIGURATION]).spawn();
        let balancer = balancer.expect("HAProxy is needed: `apt-get install haproxy`");
        Self { address: browsers.local_addr().unwrap(), balancer, instances, _daemon: daemon }
    }
}

/// One of a browser's connections.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    async fn open(site: &Site) -> Self {
        Self::to(TcpStream::connect(site.address).await.unwrap()).await.unwrap()
    }

    pub(crate) async fn to(stream: TcpStream) -> hyper::Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    async fn send(&mut self, path: &str, cookies: &str) -> Answer {
        self.try_send(path, "", cookies).await.unwrap()
    }

    /// Sends a request, which is answered 200 if it is answered.
    pub(crate) async fn try_send(&mut self, path: &str, body: &str, cookies: &str) -> hyper::Result<Answer> {
        let method = if path == "/show" { "GET" } else { "POST" };
        let request = Request::builder().uri(path).method(method).header(header::HOST, "shop");
        let request = request.header(header::COOKIE, cookies).body(Full::from(body.to_owned())).unwrap();
        self.0.ready().await?;
        let (parts, body) = self.0.send_request(request).await?.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
        assert_eq!(parts.status, StatusCode::OK, "{path}: {text}");
        Ok(Answer { status: parts.status, text, headers: parts.headers })
    }
}

/// What a response shows: how many visits.
pub(crate) fn visits(answer: &Answer) -> u64 {
    answer.text.split('/').next().unwrap().parse().unwrap()
}

/// Requests one after the other: each shows exactly what the browser has done.
async fn in_turn(site: &Site, browser: &mut Browser, requests: u64) {
    let mut connection = Connection::open(site).await;
    let before = visits(&connection.send("/show", &browser.header()).await);
    for request in 0..requests {
        let path = if request % 2 == 0 { "/visit" } else { "/show" };
        let answer = connection.send(path, &browser.header()).await;
        browser.keep(&answer);
        assert_eq!(visits(&answer), before + request / 2 + 1, "request {request}");
    }
}

/// Requests of one browser over several connections: none shows less than a response that came before it was sent.
async fn at_once(site: &Site, browser: &mut Browser, connections: usize, requests: usize) {
    let state = Arc::new(Mutex::new((browser.clone(), 0)));
    let mut running = JoinSet::new();
    for number in 0..connections {
        let (mut connection, state) = (Connection::open(site).await, Arc::clone(&state));
        running.spawn(async move {
            for request in 0..requests {
                let (cookies, seen) = {
                    let state = state.lock().unwrap();
                    (state.0.header(), state.1)
                };
                let path = if (number + request) % 4 == 0 { "/visit" } else { "/show" };
                let answer = connection.send(path, &cookies).await;
                let shown = visits(&answer);
                assert!(shown >= seen, "S2: {shown} where a response had {seen}");
                let mut state = state.lock().unwrap();
                state.0.keep(&answer);
                state.1 = state.1.max(shown);
            }
        });
    }
    running.join_all().await;
    *browser = state.lock().unwrap().0.clone();
}

/// Asks until everything that goes on after its response has been counted.
async fn all_of_live(site: &Site, browser: &Browser, wanted: u64) {
    let (mut connection, mut seen) = (Connection::open(site).await, 0);
    for _ in 0..100_000 {
        let shown = visits(&connection.send("/show", &browser.header()).await);
        assert!((seen..=wanted).contains(&shown), "S2: {shown} after {seen}, of {wanted}");
        seen = shown;
        if shown == wanted {
            return;
        }
    }
    panic!("{seen} of {wanted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_instance_the_balancer_chooses_a_browser_reads_what_it_has_seen() {
    let site = Site::open(false).await;
    let mut browser = Browser::default();
    in_turn(&site, &mut browser, 10_000).await;
    at_once(&site, &mut browser, 8, 1_250).await;
    let before = visits(&Connection::open(&site).await.send("/show", &browser.header()).await);
    let live = Connection::open(&site).await.send("/live", &browser.header()).await;
    browser.keep(&live);
    at_once(&site, &mut browser, 8, 120).await;
    all_of_live(&site, &browser, before + 8 * 120 / 4 + LIVE_VISITS).await;
    site.instances[1].abort();
    in_turn(&site, &mut browser, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sticky_balancer_changes_nothing() {
    let site = Site::open(true).await;
    let mut browser = Browser::default();
    in_turn(&site, &mut browser, 100).await;
    let home = browser.jar["INSTANCE"].clone();
    at_once(&site, &mut browser, 8, 20).await;
    assert_eq!(browser.jar["INSTANCE"], home);
    let number = ["one", "two", "three"].iter().position(|name| *name == home).unwrap();
    site.instances[number].abort();
    in_turn(&site, &mut browser, 100).await;
}
