//! F2: what may be read and written while the repository cannot be reached, class by class.

use std::convert::Infallible;
use std::time::Duration;

use nam::client::{Node, NodeState};
use nam::{Delivery, Error, Tracked, UpdateError};

use crate::kill::Daemon;
use crate::scratch::Scratch;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "outage.Page")]
struct Page {
    visits: u64,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "outage.Rights")]
struct Rights {
    may_pay: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_without_the_repository_copies_are_read_and_marked_or_not_read_at_all() {
    let scratch = Scratch::new("outage");
    let daemon = Daemon::start("127.0.0.1:0", &scratch.0.join("data"));
    let address = daemon.address.clone();
    let builder = Node::builder().address(address.clone()).patience(Duration::from_millis(300));
    let node = builder.fail_closed::<Rights>().connect().await.unwrap();
    let page = node.create("page", Page { visits: 6 }).await.unwrap();
    let rights = node.create("rights", Rights { may_pay: true }).await.unwrap();
    assert!(page.read().await.unwrap().is_current() && rights.read().await.unwrap().is_current());
    // Another node was told that its copy is stale, and asks for what it has missed when the daemon is gone already.
    let patient = Node::builder().address(address.clone()).patience(Duration::from_secs(600)).connect().await.unwrap();
    let there = patient.open::<Page>("page").await.unwrap();
    there.set_delivery(Delivery::Notice);
    there.read().await.unwrap();
    page.edit(|page| page.visits = 7).await.unwrap();
    while there.peek().unwrap().is_current() {
        tokio::task::yield_now().await;
    }
    drop(daemon);
    let seen = there.read().await.unwrap();
    assert_eq!((seen.visits, seen.is_current()), (6, false), "a read under way ends with the copy when the link does");
    while node.state() == NodeState::Ready {
        // Waits for an answer that does not come; the link is missed in the end.
        let _ = page.fresh().await;
    }
    let seen = page.read().await.unwrap();
    assert_eq!((seen.visits, seen.is_current()), (7, false), "read, and marked");
    assert!(!page.peek().unwrap().is_current());
    for refused in
        [rights.read().await, rights.peek(), rights.fresh().await, rights.read_at(rights.token().unwrap()).await]
    {
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    }
    assert!(matches!(rights.peek_with(|rights| rights.may_pay), Err(Error::Unavailable { .. })));
    let refused = page.update(|page| {
        *page.visits_mut() += 1;
        Ok::<(), Infallible>(())
    });
    let refused = refused.await;
    assert!(matches!(refused, Err(UpdateError::Failed(Error::Unavailable { .. }))), "{refused:?}");

    let _daemon = Daemon::start(&address, &scratch.0.join("data"));
    while !matches!(rights.read().await, Ok(seen) if seen.may_pay && seen.is_current()) {}
    assert_eq!(page.fresh().await.unwrap().visits, 7, "what was refused left nothing");
}
