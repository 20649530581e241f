//! What is written with a response, if that is a success.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use nam::web::Session;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::shop::{Browser, Instance, Visit, Visits};

/// An instance with one more route.
fn with(instance: &Instance, route: axum::routing::MethodRouter) -> Instance {
    let router = Router::new().route("/more", route).layer(instance.sessions.clone());
    Instance { router, ..instance.clone() }
}

#[tokio::test]
async fn a_status_below_400_commits_and_any_other_discards() {
    let instances = Instance::several(2).await;
    for status in [200, 204, 302, 303, 304, 399] {
        let mut browser = Browser::default();
        let answer = browser.send(&instances[0], "/later", &status.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.cookies().len()), (status, 2), "{}", answer.text);
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1//1", "committed before the head: {status}");
    }
    let kept = instances[0].kept().await.len();
    for status in [400, 401, 404, 409, 422, 500, 503] {
        let mut browser = Browser::default();
        let answer = browser.send(&instances[0], "/later", &status.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.cookies().len()), (status, 0));
        browser.send(&instances[0], "/visit", "").await;
        browser.send(&instances[0], "/later", &status.to_string()).await;
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1//0", "S4: discarded by {status}");
    }
    assert_eq!(instances[0].kept().await.len(), kept + 7, "only what `/visit` made");
}

#[tokio::test]
async fn a_panic_discards() {
    let instances = Instance::several(1).await;
    let route = post(async |session: Visits| -> StatusCode {
        session.on_success(|visit| *visit.visits_mut() += 1);
        panic!("a handler's mistake");
    });
    let broken = with(&instances[0], route);
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let cookies = [browser.header()];
    let ended = tokio::spawn(async move { broken.send("/more", "", &cookies).await }).await;
    assert!(ended.unwrap_err().is_panic());
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "1//0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_all_count() {
    let instances = Instance::several(3).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    for _ in 0..20 {
        let mut requests = JoinSet::new();
        for instance in instances.iter().chain(&instances) {
            let (instance, cookies) = (instance.clone(), [browser.header()]);
            requests.spawn(async move { instance.send("/later", "200", &cookies).await });
        }
        for answer in requests.join_all().await {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            browser.keep(&answer);
        }
    }
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "121//1", "closures run again, none is lost");
}

#[tokio::test]
async fn a_browser_that_goes_away_does_not_stop_the_commit() {
    let instances = Instance::several(1).await;
    let request = Request::builder().uri("/later").method("POST").body(Body::from("200")).unwrap();
    let mut answering = Box::pin(instances[0].router.clone().oneshot(request));
    // The handler answers within one poll; the task that commits has not run yet on this one thread.
    let answer = answering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Pending));
    drop(answering);
    for _ in 0..10_000 {
        if !instances[0].kept().await.is_empty() {
            return;
        }
    }
    panic!("the commit ended with its request");
}

#[tokio::test]
async fn what_comes_after_the_response_is_not_written() {
    let instances = Instance::several(1).await;
    let kept: Arc<Mutex<Option<Session<Visit>>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let instance = with(&instances[0], post(async move |session: Visits| drop(keep.lock().unwrap().replace(session))));
    assert_eq!(instance.send("/more", "", &[]).await.status, StatusCode::OK);
    let session = kept.lock().unwrap().take().unwrap();
    session.on_success(|visit| *visit.visits_mut() += 1);
    drop(session);
    assert!(instance.kept().await.is_empty());
}

#[tokio::test]
async fn the_end_of_a_session_ends_what_waits_for_the_response() {
    let instances = Instance::several(1).await;
    let (has_read, goes_on) = (Arc::clone(&instances[0].has_read), Arc::clone(&instances[0].goes_on));
    let waiting = with(
        &instances[0],
        post(async move |session: Visits| {
            session.on_success(|visit| *visit.visits_mut() += 1);
            let is_there = session.exists().await.unwrap();
            has_read.wait().await;
            goes_on.acquire().await.unwrap().forget();
            is_there.to_string()
        }),
    );
    let leaving = with(
        &instances[0],
        post(async |session: Visits| {
            session.on_success(|visit| *visit.visits_mut() += 1);
            session.destroy().await
        }),
    );
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let cookies = [browser.header()];
    let request = tokio::spawn(async move { waiting.send("/more", "", &cookies).await });
    instances[0].has_read.wait().await;
    let left = browser.send(&leaving, "/more", "").await;
    assert_eq!((left.status, browser.jar.len()), (StatusCode::OK, 0), "who ended it has nothing to write");
    instances[0].goes_on.add_permits(1);
    let late = request.await.unwrap();
    assert_eq!(late.status, StatusCode::UNAUTHORIZED, "the layer answers in place of `{}`", late.text);
    assert!(instances[0].kept().await.is_empty(), "nothing came back");
}
