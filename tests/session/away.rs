//! The repository goes away and comes back.

use axum::http::{StatusCode, header};
use nam::server::{Server, ServerConfig};
use nam::web::Away;
use nam::{Node, NodeState};
use std::time::Duration;

use crate::shop::{Browser, Instance};

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
    while node.state() == NodeState::Ready {
        tokio::task::yield_now().await;
    }
    let read = browser.send(&local, "/show", "").await;
    assert_eq!((read.status, read.text.as_str()), (StatusCode::OK, "1//0"), "from the local copy");
    for (instance, path) in [(&strict, "/show"), (&strict, "/visit"), (&local, "/visit"), (&local, "/later")] {
        let answer = browser.clone().send(instance, path, "200").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text);
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
        assert!(!answer.text.is_empty(), "never a bare error");
    }
}
