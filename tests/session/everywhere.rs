//! Who is signed in, and signing out on every device.

use axum::http::StatusCode;
use nam::web::Stored;
use nam::{Change, Watch};

use crate::shop::{Browser, Instance, Visit};

/// A browser that has visited and signed in.
async fn signed_in(instance: &Instance, account: &str) -> Browser {
    let mut browser = Browser::default();
    browser.send(instance, "/visit", "").await;
    let answer = browser.send(instance, "/enter", account).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    browser
}

/// Every session on every instance, in memory and watched.
async fn watched(instances: &[Instance]) -> Vec<(String, Watch<Stored<Visit>>)> {
    let mut watches = Vec::new();
    for instance in instances {
        for key in instance.kept().await {
            watches.push((key.clone(), instance.node.open::<Stored<Visit>>(&key).await.unwrap().watch()));
        }
    }
    watches
}

/// Waits until every instance has heard of the end of every session that is no more.
async fn heard(instances: &[Instance], watches: Vec<(String, Watch<Stored<Visit>>)>) {
    let kept = instances[0].kept().await;
    for (_, mut watch) in watches.into_iter().filter(|(key, _)| !kept.contains(key)) {
        while !matches!(watch.next().await, Change::Ended(_)) {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_everywhere_ends_every_session_of_one_person_and_no_other() {
    let instances = Instance::several(3).await;
    let mut alice = [signed_in(&instances[0], "alice").await, signed_in(&instances[1], "alice").await];
    let (mut bob, mut anyone) = (signed_in(&instances[2], "bob").await, Browser::default());
    anyone.send(&instances[0], "/visit", "").await;
    for browser in &mut alice {
        for instance in &instances {
            assert_eq!(browser.send(instance, "/who", "").await.text, "alice");
        }
    }
    let watches = watched(&instances).await;
    assert_eq!(instances[2].sessions.sign_out_everywhere("alice").await.unwrap(), 2);
    heard(&instances, watches).await;
    for instance in &instances {
        for browser in &mut alice {
            let answer = browser.send(instance, "/maybe", "").await;
            assert_eq!(answer.text, "false", "the cookie is dead on every instance");
            assert_eq!(browser.send(instance, "/who", "").await.text, "nobody");
        }
        assert_eq!(bob.send(instance, "/who", "").await.text, "bob");
        assert_eq!(anyone.send(instance, "/show", "").await.text, "1//0");
    }
    assert_eq!(instances[0].sessions.sign_out_everywhere("alice").await.unwrap(), 0);
    assert_eq!(instances[0].sessions.sign_out_everywhere("").await.unwrap(), 0, "nobody is no one");
    assert_eq!(instances[0].kept().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_out_on_all_own_devices() {
    let instances = Instance::several(3).await;
    let mut browsers = [signed_in(&instances[0], "alice").await, signed_in(&instances[1], "alice").await];
    let stolen = browsers[1].clone();
    let watches = watched(&instances).await;
    let answer = browsers[0].send(&instances[2], "/leave", "").await;
    assert_eq!((answer.status, browsers[0].jar.len()), (StatusCode::OK, 0), "the cookies are taken back");
    heard(&instances, watches).await;
    for instance in &instances {
        assert_eq!(stolen.clone().send(instance, "/who", "").await.text, "nobody");
    }
    assert!(instances[1].kept().await.is_empty());
    let again = browsers[0].send(&instances[1], "/leave", "").await;
    assert_eq!(again.status, StatusCode::OK, "who is signed in nowhere is signed out");
}

#[tokio::test]
async fn signing_in_gives_the_session_a_new_name_and_keeps_what_is_in_it() {
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    assert_eq!(browser.send(&instances[0], "/who", "").await.text, "nobody");
    browser.send(&instances[0], "/visit", "").await;
    let before = browser.clone();
    browser.send(&instances[0], "/enter", "alice").await;
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1//0");
    assert_eq!(before.clone().send(&instances[1], "/visit", "").await.status, StatusCode::CONFLICT, "renewed");
    assert_eq!(before.clone().send(&instances[1], "/maybe", "").await.text, "false");
    browser.send(&instances[1], "/enter", "").await;
    assert_eq!(browser.send(&instances[0], "/who", "").await.text, "nobody", "the session stays, its user has left");
    assert_eq!(instances[0].sessions.sign_out_everywhere("alice").await.unwrap(), 0);

    let mut first = Browser::default();
    assert_eq!(first.send(&instances[0], "/enter", "bob").await.status, StatusCode::OK, "without a visit before");
    assert_eq!(first.send(&instances[1], "/who", "").await.text, "bob");
    let refused = Browser::default().send(&instances[0], "/enter", &"b".repeat(257)).await;
    assert_eq!((refused.status, refused.cookies().len()), (StatusCode::PAYLOAD_TOO_LARGE, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_sign_in_at_once_with_one_session_one_does() {
    let instances = Instance::several(2).await;
    for _ in 0..20 {
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        let cookies = [browser.header()];
        let (alice, bob) =
            tokio::join!(instances[0].send("/enter", "alice", &cookies), instances[1].send("/enter", "bob", &cookies));
        let winner = match (alice.status, bob.status) {
            (StatusCode::OK, StatusCode::CONFLICT) => ("alice", &alice),
            (StatusCode::CONFLICT, StatusCode::OK) => ("bob", &bob),
            statuses => panic!("{statuses:?}"),
        };
        browser.keep(winner.1);
        assert_eq!(browser.send(&instances[0], "/who", "").await.text, winner.0);
    }
}
