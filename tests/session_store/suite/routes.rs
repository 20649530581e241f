//! What an application sees through the layer: cookies and values, over routes.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use nam::web::NamStore;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;

use super::sessions::{Expiry, Session, SessionManagerLayer};

fn routes() -> Router {
    let insert = |session: Session| async move { session.insert("foo", 42).await.unwrap() };
    let read = |session: Session| async move { format!("{:?}", session.get::<usize>("foo").await.unwrap()) };
    let remove = |session: Session| async move { drop(session.remove_value("foo").await.unwrap()) };
    let cycle = |session: Session| async move { session.cycle_id().await.unwrap() };
    let flush = |session: Session| async move { session.flush().await.unwrap() };
    let replace = |session: Session| async move {
        session.flush().await.unwrap();
        session.insert("bye", true).await.unwrap();
    };
    let tomorrow = |session: Session| async move {
        session.set_expiry(Some(Expiry::AtDateTime(OffsetDateTime::now_utc() + Duration::days(1))));
    };
    let forever = |session: Session| async move { session.set_expiry(Some(Expiry::OnSessionEnd)) };
    Router::new()
        .route("/", get(|_: Session| async { "hello" }))
        .route("/insert", get(insert))
        .route("/get", get(read))
        .route("/remove", get(remove))
        .route("/cycle_id", get(cycle))
        .route("/flush", get(flush))
        .route("/replace", get(replace))
        .route("/tomorrow", get(tomorrow))
        .route("/forever", get(forever))
}

/// A browser that keeps one cookie.
struct Browser {
    app: Router,
    cookie: Option<String>,
}

/// What came back: the body, and the cookie that was set.
struct Page {
    body: String,
    set: Option<String>,
}

impl Page {
    fn max_age(&self) -> Option<i64> {
        attribute(self.set.as_deref().unwrap(), "Max-Age=").map(|seconds| seconds.parse().unwrap())
    }
}

fn attribute<'a>(cookie: &'a str, name: &str) -> Option<&'a str> {
    cookie.split("; ").find_map(|part| part.strip_prefix(name))
}

impl Browser {
    async fn new(max_age: Option<Duration>, domain: Option<&str>) -> Self {
        let mut layer = SessionManagerLayer::new(NamStore::new(nam::Node::in_process().await.unwrap()));
        if let Some(max_age) = max_age {
            layer = layer.with_expiry(Expiry::OnInactivity(max_age));
        }
        if let Some(domain) = domain {
            layer = layer.with_domain(domain.to_owned());
        }
        Self { app: routes().layer(layer), cookie: None }
    }

    async fn go(&mut self, path: &str) -> Page {
        let mut request = Request::builder().uri(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let response = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let set = response.headers().get(header::SET_COOKIE).map(|set| set.to_str().unwrap().to_owned());
        if let Some(set) = &set {
            self.cookie = set.split("; ").next().map(str::to_owned);
        }
        let body = to_bytes(response.into_body(), 4_096).await.unwrap();
        Page { body: String::from_utf8(body.to_vec()).unwrap(), set }
    }
}

#[tokio::test]
async fn a_session_that_is_not_used_sets_no_cookie() {
    assert_eq!(Browser::new(Some(Duration::hours(1)), None).await.go("/").await.set, None);
}

#[tokio::test]
async fn an_id_that_nobody_gave_is_not_adopted() {
    let mut browser = Browser::new(Some(Duration::hours(1)), None).await;
    browser.cookie = Some("id=AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    assert!(!browser.go("/insert").await.set.unwrap().contains("AAAAAAAAAAAAAAAAAAAAAA"));
    assert_eq!(browser.go("/get").await.body, "Some(42)");
}

#[tokio::test]
async fn a_malformed_cookie_is_taken_back() {
    let mut browser = Browser::new(Some(Duration::hours(1)), None).await;
    browser.cookie = Some("id=malformed".to_owned());
    let page = browser.go("/").await;
    assert!(!page.set.is_some_and(|set| set.contains("malformed")));
}

#[tokio::test]
async fn a_first_value_sets_a_cookie_with_its_attributes() {
    let page = Browser::new(Some(Duration::hours(1)), None).await.go("/insert").await;
    assert!(page.max_age().unwrap() <= 3_600);
    let set = page.set.unwrap();
    assert!(set.starts_with("id="), "{set}");
    for wanted in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(set.split("; ").any(|part| part == wanted), "{wanted} in {set}");
    }
}

#[tokio::test]
async fn without_an_expiry_the_cookie_has_no_age() {
    let page = Browser::new(None, None).await.go("/insert").await;
    assert_eq!(page.max_age(), None);
}

#[tokio::test]
async fn the_next_request_reads_the_value() {
    let mut browser = Browser::new(Some(Duration::hours(1)), None).await;
    browser.go("/insert").await;
    assert_eq!(browser.go("/get").await.body, "Some(42)");
}

#[tokio::test]
async fn a_value_that_nobody_wrote_is_none() {
    assert_eq!(Browser::new(Some(Duration::hours(1)), None).await.go("/get").await.body, "None");
}

#[tokio::test]
async fn the_last_value_can_be_removed() {
    let mut browser = Browser::new(Some(Duration::hours(1)), None).await;
    browser.go("/insert").await;
    browser.go("/remove").await;
    assert_eq!(browser.go("/get").await.body, "None");
}

#[tokio::test]
async fn a_new_id_has_the_values_and_the_former_one_is_dead() {
    let mut browser = Browser::new(Some(Duration::hours(1)), None).await;
    browser.go("/insert").await;
    let former = browser.cookie.clone();
    browser.go("/cycle_id").await;
    assert_ne!(browser.cookie, former);
    assert_eq!(browser.go("/get").await.body, "Some(42)");
    browser.cookie = former;
    assert_eq!(browser.go("/get").await.body, "None");
}

#[tokio::test]
async fn flushing_takes_the_cookie_back() {
    for domain in [None, Some("localhost")] {
        let mut browser = Browser::new(Some(Duration::hours(1)), domain).await;
        browser.go("/insert").await;
        let former = browser.cookie.clone();
        let page = browser.go("/flush").await;
        assert_eq!(page.max_age(), Some(0));
        let set = page.set.unwrap();
        assert!(set.starts_with("id=;") && set.contains("Path=/"), "{set}");
        assert_eq!(attribute(&set, "Domain="), domain);
        browser.cookie = former;
        assert_eq!(browser.go("/get").await.body, "None");
    }
}

#[tokio::test]
async fn a_session_after_a_flush_has_another_id() {
    let mut browser = Browser::new(Some(Duration::hours(1)), None).await;
    browser.go("/insert").await;
    let former = browser.cookie.clone();
    browser.go("/replace").await;
    assert_ne!(browser.cookie, former, "an id that was signed out does not come back to life");
    assert_eq!(browser.go("/get").await.body, "None");
}

#[tokio::test]
async fn another_expiry_changes_the_age_of_the_cookie() {
    let mut browser = Browser::new(Some(Duration::hours(1)), Some("localhost")).await;
    let first = browser.go("/insert").await.max_age().unwrap();
    assert!((3_590..=3_600).contains(&first));
    let then = browser.go("/tomorrow").await.max_age().unwrap();
    assert!((86_390..=86_400).contains(&then));
}

#[tokio::test]
async fn the_kind_of_expiry_can_change() {
    let mut browser = Browser::new(None, Some("localhost")).await;
    assert_eq!(browser.go("/insert").await.max_age(), None);
    assert!(browser.go("/tomorrow").await.max_age().is_some());
    assert_eq!(browser.go("/forever").await.max_age(), None);
    assert_eq!(browser.go("/get").await.body, "Some(42)");
}
