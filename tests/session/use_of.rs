//! What a handler does with its session.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use nam::web::{Session, SessionError};
use tower::ServiceExt;

use crate::shop::{Browser, Instance, Visit};

#[tokio::test]
async fn nothing_is_made_before_the_first_write() {
    let instances = Instance::several(1).await;
    let answer = instances[0].send("/show", "", &[]).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.cookies().len()), (StatusCode::OK, "0//0", 0));
    assert_eq!(answer.headers[header::VARY], "Cookie");
    assert_eq!(instances[0].send("/maybe", "", &[]).await.text, "false");
    let refused = instances[0].send("/refuse", "", &[]).await;
    assert_eq!((refused.status, refused.text.as_str()), (StatusCode::IM_A_TEAPOT, "too many"));
    assert_eq!(refused.cookies().len(), 0);
    assert!(instances[0].kept().await.is_empty());
    let plain = instances[0].send("/", "", &[]).await;
    assert!(plain.headers.get(header::VARY).is_none(), "a route without a session does not depend on cookies");
}

#[tokio::test]
async fn every_instance_reads_what_the_browser_wrote() {
    let instances = Instance::several(3).await;
    let mut browser = Browser::default();
    for round in 0..300_u64 {
        let written = browser.send(&instances[(round % 3) as usize], "/visit", "").await;
        assert_eq!((written.status, written.text), (StatusCode::OK, (round + 1).to_string()));
        let read = browser.send(&instances[((round + 1) % 3) as usize], "/show", "").await;
        assert_eq!(read.text, format!("{}//0", round + 1), "R4: not older than what this browser has seen");
    }
    assert_eq!(browser.send(&instances[2], "/maybe", "").await.text, "true");
    assert_eq!(instances[0].kept().await.len(), 1);
}

#[tokio::test]
async fn a_view_is_one_version_and_follows_own_writes() {
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin_slow(&instances[0]).await;
    browser.send(&instances[1], "/visit", "").await;
    instances[0].only().await;
    instances[0].pause.end();
    let answer = request.await.unwrap();
    assert_eq!(answer.text, "1 2 ", "the version that was read first, then the own write and what it stands on");
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "2//1", "two requests, two fields: both are there");
}

#[tokio::test]
async fn a_session_outlives_its_request() {
    let instances = Instance::several(2).await;
    let (kept, to_keep) = tokio::sync::oneshot::channel();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Some(kept)));
    let keep = get(async move |session: Session<Visit>| {
        session.update(|visit| *visit.visits_mut() += 1).await?;
        kept.lock().unwrap().take().unwrap().send(session).unwrap();
        Ok::<_, SessionError>("kept")
    });
    let layer = nam::web::SessionLayer::<Visit>::builder(instances[0].node.clone()).with_signed(crate::shop::key(1));
    let router = Router::new().route("/keep", keep).layer(layer.build().unwrap());
    let instance = Instance { router, ..instances[0].clone() };
    let mut browser = Browser::default();
    let answer = instance.send("/keep", "", &[]).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "only GET is routed");
    let request = Request::builder().uri("/keep").body(Body::empty()).unwrap();
    let response = instance.router.clone().oneshot(request).await.unwrap();
    let (parts, _) = response.into_parts();
    browser.keep(&crate::shop::Answer { status: parts.status, text: String::new(), headers: parts.headers });
    let stream = to_keep.await.unwrap();
    let mut changes = stream.watch().await.unwrap().unwrap();
    browser.send(&instances[1], "/in", "ann").await;
    stream.update(|visit| *visit.visits_mut() += 10).await.unwrap();
    assert_eq!(
        browser.send(&instances[1], "/show", "").await.text,
        "11/ann/0",
        "a stream survives a rotation, and writes"
    );
    // The new name with the user, and the own write.
    let mut visits = Vec::new();
    for _ in 0..2 {
        let nam::Change::Applied { changes, .. } = changes.next().await else { panic!("not applied") };
        visits.push(changes.data.visits.previous().copied());
    }
    assert_eq!(visits, [None, Some(1)]);
}

#[tokio::test]
async fn without_the_layer_the_line_to_add_is_named() {
    let always = get(async |session: Session<Visit>| session.exists().await.map(|_| ()));
    let maybe = get(async |session: Option<Session<Visit>>| drop(session));
    for route in [always, maybe] {
        let router: Router = Router::new().route("/", route);
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        assert!(String::from_utf8_lossy(&text).contains(".layer(SessionLayer"), "{text:?}");
    }
}
