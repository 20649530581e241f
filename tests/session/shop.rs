//! A shop, its instances, and a browser.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::routing::{MethodRouter, get, post};
use nam::web::{Key, Session, SessionError, SessionLayer, SessionLayerBuilder, Stored};
use nam::{InProcess, Node, Object};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// What the shop keeps of a visitor.
#[derive(nam::Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "shop.Visit")]
pub(crate) struct Visit {
    pub(crate) visits: u64,
    pub(crate) user: String,
    pub(crate) items: BTreeMap<String, u32>,
}

/// Of all instances.
pub(crate) fn key(byte: u8) -> Key {
    Key::from(&[byte; 64])
}

/// How many visits `/live` counts after its response.
pub(crate) const LIVE_VISITS: u64 = 500;

/// One instance of the shop.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) node: Node,
    pub(crate) router: Router,
    pub(crate) sessions: SessionLayer<Visit>,
    pub(crate) pause: Pause,
}

/// Where handlers wait for a test.
#[derive(Clone)]
pub(crate) struct Pause {
    /// They meet the test here,
    pub(crate) has_read: Arc<Barrier>,
    /// and take one of these before they go on, in the order in which they came.
    pub(crate) goes_on: Arc<Semaphore>,
}

impl Pause {
    /// Waits, in a handler.
    pub(crate) async fn here(&self) {
        self.has_read.wait().await;
        self.goes_on.acquire().await.unwrap().forget();
    }

    /// Has the handler go on that came first.
    pub(crate) fn end(&self) {
        self.goes_on.add_permits(1);
    }
}

pub(crate) type Visits = Session<Visit>;

async fn visit(session: Visits) -> Result<String, SessionError> {
    session.update(|visit| *visit.visits_mut() += 1).await?;
    Ok(session.read().await?.visits.to_string())
}

/// As `visit`, and answers a number that no other request is answered.
async fn count(session: Visits) -> Result<String, SessionError> {
    let visits = session.update_now(|visit| {
        *visit.visits_mut() += 1;
        visit.visits
    });
    Ok(visits.await?.to_string())
}

/// An update without a value.
pub(crate) fn take(item: &str) -> impl FnMut(&mut VisitMut<'_>) + Send + 'static {
    let item = item.to_owned();
    move |visit| {
        visit.items_mut().insert(item.clone(), 1);
    }
}

async fn show(session: Visits) -> Result<String, SessionError> {
    let visit = session.read().await?;
    Ok(format!("{}/{}/{}", visit.visits, visit.user, visit.items.len()))
}

async fn maybe(session: Option<Visits>) -> String {
    format!("{}", session.is_some())
}

async fn put(session: Visits, item: String) -> Result<String, SessionError> {
    let count = session.update(move |visit| {
        visit.items_mut().insert(item.clone(), 1);
        visit.items.len()
    });
    Ok(count.await?.to_string())
}

async fn sign_in(session: Visits, user: String) -> Result<(), SessionError> {
    session.rotate().await?;
    session.update(move |visit| visit.user_mut().set(user.clone())).await
}

async fn sign_out(session: Visits) -> Result<(), SessionError> {
    session.destroy().await
}

async fn enter(session: Visits, account: String) -> Result<(), SessionError> {
    session.sign_in(&account).await
}

async fn who(session: Visits) -> Result<String, SessionError> {
    Ok(session.principal().await?.unwrap_or_else(|| "nobody".to_owned()))
}

async fn leave_everywhere(session: Visits) -> Result<(), SessionError> {
    session.sign_out_everywhere().await
}

/// Counts a visit, and answers the status that the body names.
async fn status(session: Visits, status: String) -> Result<StatusCode, SessionError> {
    session.update(|visit| *visit.visits_mut() += 1).await?;
    session.update(take("later")).await?;
    Ok(StatusCode::from_u16(status.parse().unwrap()).unwrap())
}

/// Goes on counting after its response, as a socket would.
async fn live(session: Visits) -> Result<(), SessionError> {
    let session = session.write_later().await?;
    tokio::spawn(async move {
        for _ in 0..LIVE_VISITS {
            session.update(|visit| *visit.visits_mut() += 1).await.unwrap();
        }
    });
    Ok(())
}

async fn refuse(session: Visits) -> Result<(StatusCode, String), SessionError> {
    let refused = session.try_update(|visit| {
        *visit.visits_mut() += 100;
        Err::<(), _>("too many")
    });
    Ok((StatusCode::IM_A_TEAPOT, refused.await?.unwrap_err().to_owned()))
}

impl Instance {
    pub(crate) fn new(
        node: &Node,
        build: impl FnOnce(SessionLayerBuilder<Visit>) -> SessionLayerBuilder<Visit>,
    ) -> Self {
        Self::sealed(node, |builder| build(builder.with_signed(key(1))))
    }

    /// As `new`, with keys of its own.
    pub(crate) fn sealed(
        node: &Node,
        build: impl FnOnce(SessionLayerBuilder<Visit>) -> SessionLayerBuilder<Visit>,
    ) -> Self {
        let layer = build(SessionLayer::builder(node.clone())).build().unwrap();
        let (has_read, goes_on) = (Arc::new(Barrier::new(2)), Arc::new(Semaphore::new(0)));
        let pause = Pause { has_read, goes_on };
        let own = pause.clone();
        let slow = async move |session: Visits| {
            let before = session.read().await?.visits;
            own.here().await;
            session.update(take("slow")).await?;
            let view = session.read().await?;
            Ok::<_, SessionError>(format!("{before} {} {}", view.visits, view.user))
        };
        let own = pause.clone();
        let slow_to_begin = async move |session: Visits| {
            own.here().await;
            session.update(take("slow")).await?;
            let view = session.read().await?;
            Ok::<_, SessionError>(format!("{} {}", view.visits, view.user))
        };
        let router = Router::new()
            .route("/", get(|| async { "nothing of a session" }))
            .route("/visit", post(visit))
            .route("/show", get(show))
            .route("/maybe", get(maybe))
            .route("/put", post(put))
            .route("/in", post(sign_in))
            .route("/out", post(sign_out))
            .route("/refuse", post(refuse))
            .route("/slow", post(slow))
            .route("/slow_to_begin", post(slow_to_begin))
            .route("/enter", post(enter))
            .route("/who", get(who))
            .route("/leave", post(leave_everywhere))
            .route("/status", post(status))
            .route("/count", post(count))
            .route("/live", post(live))
            .layer(layer.clone());
        Self { node: node.clone(), router, sessions: layer, pause }
    }

    /// The same with one more route, `/more`.
    pub(crate) fn with(&self, route: MethodRouter) -> Self {
        let router = Router::new().route("/more", route).layer(self.sessions.clone());
        Self { router, ..self.clone() }
    }

    /// Instances with one repository between them.
    pub(crate) async fn several(count: usize) -> Vec<Self> {
        let repository = InProcess::new().unwrap();
        let mut instances = Vec::new();
        for _ in 0..count {
            instances.push(Self::new(&repository.node().await.unwrap(), |builder| builder));
        }
        instances
    }

    /// Sends a request with these cookies.
    pub(crate) async fn send(&self, path: &str, body: &str, cookies: &[String]) -> Answer {
        let is_get = matches!(path, "/" | "/show" | "/maybe" | "/who");
        send(&self.router, if is_get { "GET" } else { "POST" }, path, body, cookies).await
    }

    pub(crate) async fn kept(&self) -> Vec<String> {
        self.node.keys::<Stored<Visit>>("").await.unwrap()
    }

    /// The only session, as this instance has it once it has heard of everything.
    pub(crate) async fn only(&self) -> Object<Stored<Visit>> {
        let [key] = &self.kept().await[..] else { panic!("one session") };
        let session = self.node.open::<Stored<Visit>>(key).await.unwrap();
        session.fresh().await.unwrap();
        session
    }
}

/// Sends a request to an application.
pub(crate) async fn send(router: &Router, method: &str, path: &str, body: &str, cookies: &[String]) -> Answer {
    let mut request = Request::builder().uri(path).method(method);
    request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for cookie in cookies {
        request = request.header(header::COOKIE, cookie);
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, text, headers: parts.headers }
}

/// What an instance answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) headers: HeaderMap,
}

impl Answer {
    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// A browser: keeps the cookies that it is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    pub(crate) jar: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn header(&self) -> String {
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    pub(crate) fn keep(&mut self, answer: &Answer) {
        for cookie in answer.cookies() {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub(crate) async fn send(&mut self, instance: &Instance, path: &str, body: &str) -> Answer {
        let answer = instance.send(path, body, &[self.header()]).await;
        self.keep(&answer);
        answer
    }

    /// Begins a request of `/slow`, which reads, and writes when its pause has ended.
    pub(crate) async fn begin_slow(&self, instance: &Instance) -> JoinHandle<Answer> {
        self.begin(instance, "/slow").await
    }

    /// Begins a request whose handler pauses, and waits until it does.
    pub(crate) async fn begin(&self, instance: &Instance, path: &'static str) -> JoinHandle<Answer> {
        let (slow, cookies) = (instance.clone(), [self.header()]);
        let request = tokio::spawn(async move { slow.send(path, "", &cookies).await });
        instance.pause.has_read.wait().await;
        request
    }
}
