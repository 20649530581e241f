//! The repository goes away and comes back.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::AppendHeaders;
use axum::routing::post;
use nam::server::{Server, ServerConfig};
use nam::web::{Away, SessionError};
use nam::{Node, NodeState};

use crate::shop::{Browser, Instance, Visits};

/// Waits until a node has noticed that its repository is away.
async fn notice(node: &Node) {
    while node.state() == NodeState::Ready {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_or_not_as_the_route_says_and_writes_say_when_to_try_again() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let address = server.addresses()[0].to_string();
    let node = Node::builder().address(address).patience(Duration::from_millis(300)).connect().await.unwrap();
    let local = Instance::new(&node, |builder| builder);
    let strict = Instance::new(&node, |builder| builder.when_away(Away::Refuse));
    let mut browser = Browser::default();
    browser.send(&local, "/visit", "").await;
    server.stop();
    notice(&node).await;
    let read = browser.send(&local, "/show", "").await;
    assert_eq!((read.status, read.text.as_str()), (StatusCode::OK, "1//0"), "from the local copy");
    for (instance, path) in
        [(&strict, "/show"), (&strict, "/visit"), (&local, "/visit"), (&local, "/count"), (&local, "/status")]
    {
        let answer = browser.clone().send(instance, path, "200").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text);
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
        assert!(!answer.text.is_empty(), "never a bare error");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_cannot_be_kept_is_replaced_and_nothing_of_it_is_promised() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let address = server.addresses()[0].to_string();
    let node = Node::builder().address(address).patience(Duration::from_secs(2)).connect().await.unwrap();
    let plain = Instance::new(&node, |builder| builder);
    let pause = plain.pause.clone();
    let writing = plain.with(post(async move |session: Visits| {
        session.update(|visit| *visit.visits_mut() += 1).await?;
        pause.here().await;
        let visits = session.read().await.map_or(0, |visit| visit.visits);
        Ok::<_, SessionError>((AppendHeaders([("set-cookie", "receipt=1")]), format!("{visits} visits")))
    }));
    let (mut known, stranger) = (Browser::default(), Browser::default());
    known.send(&plain, "/visit", "").await;
    let requests = [known.begin(&writing, "/more").await, stranger.begin(&writing, "/more").await];
    server.stop();
    notice(&node).await;
    for request in requests {
        writing.pause.end();
        let answer = request.await.unwrap();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        assert_eq!((&answer.headers[header::RETRY_AFTER], answer.cookies().len()), (&"1".parse().unwrap(), 0));
        assert!(!answer.text.contains("visits"), "{}", answer.text);
    }
    assert_eq!(known.send(&plain, "/show", "").await.text, "1//0");
}
