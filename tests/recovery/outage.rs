//! F2: what may be read and written while the repository cannot be reached, class by class.

use std::convert::Infallible;
use std::time::Duration;

use nam::client::{Node, NodeState};
use nam::{Delivery, Error, Tracked, UpdateError};

use crate::kill::Daemon;
use crate::scratch::Scratch;

/// Longer than this test ever takes.
const PATIENT: Duration = Duration::from_secs(600);

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

/// Tries until it is in time: nobody knows how busy the machine is.
async fn in_time<R>(attempt: impl AsyncFn() -> Result<R, Error>) -> R {
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(Error::TimedOut { .. } | Error::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f2_without_the_repository_copies_are_read_and_marked_or_not_read_at_all() {
    let scratch = Scratch::new("outage");
    let daemon = Daemon::start("127.0.0.1:0", &scratch.0.join("data"));
    let address = daemon.address.clone();
    let writer = Node::builder().address(address.clone()).patience(PATIENT).connect().await.unwrap();
    let written = writer.create("page", Page { visits: 6 }).await.unwrap();
    writer.create("rights", Rights { may_pay: true }).await.unwrap();
    let hasty = || Node::builder().address(address.clone()).patience(Duration::from_millis(300));
    let node = in_time(async || hasty().fail_closed::<Rights>().connect().await).await;
    let page = in_time(async || node.open::<Page>("page").await).await;
    let rights = in_time(async || node.open::<Rights>("rights").await).await;
    // Another node was told that its copy is stale, and asks for what it has missed when the daemon is gone already.
    let patient = Node::builder().address(address.clone()).patience(PATIENT).connect().await.unwrap();
    let there = patient.open::<Page>("page").await.unwrap();
    there.set_delivery(Delivery::Notice);
    // The answer comes behind what was said before the question: from here on no change is pushed.
    there.fresh().await.unwrap();
    while there.peek().unwrap().is_current() {
        written.edit(|page| page.visits += 1).await.unwrap();
    }
    let visits = written.peek().unwrap().visits;
    assert_eq!(in_time(async || page.fresh().await).await.visits, visits);
    assert!(in_time(async || rights.read().await).await.is_current());
    drop(daemon);
    // A read under way ends with the copy when the link does, not when there is no patience left.
    while there.read().await.unwrap().is_current() {}
    while node.state() == NodeState::Ready {
        // Waits for an answer that does not come; the link is missed in the end.
        let _ = page.fresh().await;
    }
    let seen = page.read().await.unwrap();
    assert_eq!((seen.visits, seen.is_current()), (visits, false), "read, and marked");
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
    let seen = in_time(async || rights.fresh().await).await;
    assert!(seen.may_pay && seen.is_current());
    assert_eq!(there.fresh().await.unwrap().visits, visits, "what was refused left nothing");
}
