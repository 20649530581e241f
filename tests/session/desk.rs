//! The desk of `examples/desk`: a session of 15 MB on two instances, and a page that follows it.

#[path = "../../examples/desk/app/mod.rs"]
mod app;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use nam::InProcess;
use nam::web::SessionLayer;
use tower::ServiceExt;

use crate::shop::{Answer, Browser, key, send};
use crate::site::Instance;
use app::Desk;

async fn instances() -> Vec<Router> {
    let repository = InProcess::new().unwrap();
    let mut instances = Vec::new();
    for name in ["one", "two"] {
        let node = repository.node().await.unwrap();
        let sessions = SessionLayer::builder(node.clone()).with_signed(key(1)).build().unwrap();
        instances.push(app::app(Desk::open(Instance::new(node, name), None).unwrap(), sessions));
    }
    instances
}

/// What a browser sees where a form leads.
async fn press(browser: &mut Browser, router: &Router, path: &str, form: &str) -> Answer {
    let answer = send(router, "POST", path, form, &[browser.header()]).await;
    browser.keep(&answer);
    answer
}

async fn see(browser: &Browser, router: &Router, path: &str) -> String {
    let answer = send(router, "GET", path, "", &[browser.header()]).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    answer.text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_is_traded_on_two_instances_and_followed_by_a_page() {
    let desks = instances().await;
    let mut alice = Browser::default();
    assert!(see(&alice, &desks[0], "/").await.contains("no session yet"));
    assert_eq!(press(&mut alice, &desks[0], "/open", "").await.status, StatusCode::SEE_OTHER);
    let page = see(&alice, &desks[1], "/?q=00042").await;
    assert!(page.contains("data-symbol=\"00042.XX\"") && page.matches("<li>").count() == 1, "{page}");
    assert!(page.contains("<b id=instance>two</b>") && page.contains(" MB</b> in memory"), "{page}");

    let request = Request::builder().uri("/live?symbols=00042.XX").header(header::COOKIE, alice.header());
    let response = desks[1].clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut events = response.into_body();
    let bought = press(&mut alice, &desks[0], "/trade", "symbol=00042.XX&side=buy&q=00042").await;
    assert_eq!(
        (bought.status, &bought.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/?q=00042".parse().unwrap())
    );
    // The page moves prices itself; a trade elsewhere comes between them.
    let followed = loop {
        let told = String::from_utf8(events.frame().await.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap();
        if !told.contains("\"cash\":\"1,000,000.00\"") {
            break told;
        }
    };
    assert!(!followed.contains("\"holdings\":\"0.00\""), "{followed}");

    let refused = press(&mut alice, &desks[1], "/trade", "symbol=00001.XX&side=sell").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("You do not have so many."), "{}", refused.text);
    let blotter = see(&alice, &desks[1], "/blotter").await;
    assert_eq!(blotter.matches("bought 10").count(), 1, "{blotter}");
    assert!(blotter.contains("<td class=sum>one"), "which instance did it: {blotter}");

    press(&mut alice, &desks[1], "/close", "").await;
    while let Some(frame) = events.frame().await {
        let told = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        if told.contains("event: closed") {
            return;
        }
    }
    panic!("a page whose desk was closed elsewhere is told so");
}
