//! A shop, its instances, and a browser.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::routing::{get, post};
use nam::web::{Key, Session, SessionError, SessionLayer, SessionLayerBuilder};
use nam::{InProcess, Node};
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
    /// Slow handlers meet the test here when they have read.
    pub(crate) has_read: Arc<Barrier>,
    /// And take one of these before they write, in the order in which they came.
    pub(crate) goes_on: Arc<Semaphore>,
}

pub(crate) type Visits = Session<Visit>;

async fn visit(session: Visits) -> Result<String, SessionError> {
    let visits = session.update(|visit| {
        *visit.visits_mut() += 1;
        visit.visits
    });
    Ok(visits.await?.to_string())
}

async fn show(session: Visits) -> Result<String, SessionError> {
    let visit = session.read().await?;
    Ok(format!("{}/{}/{}", visit.visits, visit.user, visit.items.len()))
}

async fn maybe(session: Option<Visits>) -> String {
    format!("{}", session.is_some())
}

async fn put(session: Visits, item: String) -> Result<String, SessionError> {
    let count = session.update(|visit| {
        visit.items_mut().insert(item.clone(), 1);
        visit.items.len()
    });
    Ok(count.await?.to_string())
}

async fn sign_in(session: Visits, user: String) -> Result<(), SessionError> {
    session.rotate().await?;
    session.update(|visit| visit.user_mut().set(user.clone())).await
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

/// Counts a visit if it succeeds, and answers the status that the body names.
async fn later(session: Visits, status: String) -> StatusCode {
    session.on_success(|visit| *visit.visits_mut() += 1);
    session.on_success(|visit| {
        visit.items_mut().insert("later".to_owned(), 1);
    });
    let status: u16 = status.parse().unwrap();
    StatusCode::from_u16(status).unwrap()
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
        let builder = SessionLayer::<Visit>::builder(node.clone()).with_signed(key(1));
        let layer = build(builder).build().unwrap();
        let (has_read, goes_on) = (Arc::new(Barrier::new(2)), Arc::new(Semaphore::new(0)));
        let (met, taken) = (Arc::clone(&has_read), Arc::clone(&goes_on));
        let slow = async move |session: Visits| {
            let before = session.read().await?.visits;
            met.wait().await;
            taken.acquire().await.unwrap().forget();
            session.update(|visit| visit.items_mut().insert("slow".to_owned(), 1)).await?;
            let view = session.read().await?;
            Ok::<_, SessionError>(format!("{before} {} {}", view.visits, view.user))
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
            .route("/enter", post(enter))
            .route("/who", get(who))
            .route("/leave", post(leave_everywhere))
            .route("/later", post(later))
            .route("/live", post(live))
            .layer(layer.clone());
        Self { node: node.clone(), router, sessions: layer, has_read, goes_on }
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
        self.node.keys::<nam::web::Stored<Visit>>("").await.unwrap()
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

    /// Begins a request that stays open until the instance's `goes_on` is given one more, and waits until it has read.
    pub(crate) async fn begin_slow(&self, instance: &Instance) -> JoinHandle<Answer> {
        let (slow, cookies) = (instance.clone(), [self.header()]);
        let request = tokio::spawn(async move { slow.send("/slow", "", &cookies).await });
        instance.has_read.wait().await;
        request
    }
}
