//! Requests of one browser that overtake each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::routing::post;
use nam::Node;
use nam::server::{Server, ServerConfig};
use nam::web::SessionError;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::relay::Relay;
use crate::shop::{Browser, Instance, Visits, take};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_that_race_to_set_the_cookie_hide_nothing() {
    let instances = Instance::several(3).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let mut seen = 1;
    for round in 0..60 {
        let mut requests = JoinSet::new();
        for request in 0..8_usize {
            let (instance, cookies) = (instances[(round + request) % 3].clone(), [browser.header()]);
            let path = if request % 2 == 0 { "/visit" } else { "/show" };
            requests.spawn(async move { instance.send(path, "", &cookies).await });
        }
        // In the order in which they come: any of them may be the last to set the cookie.
        while let Some(answer) = requests.join_next().await {
            let answer = answer.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            let visits: u64 = answer.text.split('/').next().unwrap().parse().unwrap();
            seen = seen.max(visits);
            browser.keep(&answer);
        }
        for instance in &instances {
            let read = browser.clone().send(instance, "/show", "").await;
            let visits: u64 = read.text.split('/').next().unwrap().parse().unwrap();
            assert!(visits >= seen, "S2: {visits} where a response had {seen}");
        }
    }
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "241//0", "none was lost, none came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_hears_late_asks_before_it_shows_what_a_late_cookie_allows() {
    let daemon = Server::start(&ServerConfig::default()).unwrap();
    let mut relay = Relay::to(daemon.addresses()[0]).await;
    let near = Node::connect([daemon.addresses()[0].to_string()]).await.unwrap();
    let (near, far) = (Instance::new(&near, |builder| builder), Instance::new(&relay.node().await, |builder| builder));
    let mut browser = Browser::default();
    browser.send(&near, "/visit", "").await;
    let mut rounds = 0;
    while rounds < 10 {
        let begun = Instant::now();
        let before = browser.clone();
        let late = browser.send(&near, "/visit", "").await;
        assert_eq!(far.only().await.peek().unwrap().data.visits.to_string(), late.text, "both have it");
        relay.hold();
        let newest = before.clone().send(&near, "/visit", "").await;
        // The browser has seen the newest, and then came the response before it and set the cookie to what that had seen.
        let (instance, cookies) = (far.clone(), [browser.header()]);
        let mut reading = tokio::spawn(async move { instance.send("/show", "", &cookies).await });
        let shown = tokio::select! {
            shown = &mut reading => shown,
            () = relay.sent() => {
                relay.release();
                reading.await
            }
        };
        relay.release();
        // A machine that took longer than instances ask for has to try again.
        if begun.elapsed() < Duration::from_secs(5) {
            assert_eq!(shown.unwrap().text, format!("{}//0", newest.text), "S2: less than what a response had");
            rounds += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_now_that_nobody_waits_for_any_more_takes_effect_whole_or_not_at_all() {
    let daemon = Server::start(&ServerConfig::default()).unwrap();
    let mut relay = Relay::to(daemon.addresses()[0]).await;
    let near = Node::connect([daemon.addresses()[0].to_string()]).await.unwrap();
    let (near, far) = (Instance::new(&near, |builder| builder), Instance::new(&relay.node().await, |builder| builder));
    let (begun, gave_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let with_nothing_before = Arc::new(AtomicBool::new(false));
    let (begin, give_up) = (Arc::clone(&begun), Arc::clone(&gave_up));
    let (is_alone, pause) = (Arc::clone(&with_nothing_before), far.pause.clone());
    let writing = far.with(post(async move |session: Visits| {
        session.read().await?;
        pause.here().await;
        begin.notify_one();
        if !is_alone.load(Ordering::SeqCst) {
            session.update(take("before")).await?;
        }
        let both = session.update_now(|visit| {
            *visit.visits_mut() += 1;
            visit.user_mut().push('x');
        });
        tokio::select! {
            biased; // it has begun before it is given up
            outcome = both => outcome?,
            () = give_up.notified() => {}
        }
        Ok::<_, SessionError>("went on")
    }));
    let mut whole = 0;
    for round in 0..40 {
        let (is_alone, is_browser_gone) = (round % 2 == 0, round % 4 < 2);
        with_nothing_before.store(is_alone, Ordering::SeqCst);
        let mut browser = Browser::default();
        browser.send(&near, "/visit", "").await;
        browser.send(&far, "/visit", "").await;
        far.only().await;
        let request = browser.begin(&writing, "/more").await;
        relay.hold();
        writing.pause.end();
        begun.notified().await;
        relay.sent().await;
        if is_browser_gone {
            request.abort();
        } else {
            gave_up.notify_one();
        }
        let ended = request.await;
        relay.release();
        match ended {
            // What the handler passed over is not known, and what it wrote before went with it.
            Ok(answer) if !is_alone => assert_ne!(answer.status, StatusCode::OK, "{}", answer.text),
            Ok(answer) => assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "went on")),
            Err(gone) => assert!(gone.is_cancelled()),
        }
        // A commit of this instance comes behind one that had left it.
        browser.send(&far, "/put", "behind").await;
        let found = near.only().await.fresh().await.unwrap().data.clone();
        let items = usize::from(!is_alone) + 1;
        match (found.visits, found.user.as_str(), found.items.len()) {
            (2, "", 1) => {}
            (3, "x", count) if count == items => whole += 1,
            half => panic!("{half:?}"),
        }
        browser.send(&near, "/out", "").await;
    }
    assert!(whole > 0, "none was given up late enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_during_ten_requests_ends_none_of_them() {
    let instances = Instance::several(3).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let before = browser.clone();
    let mut running = Vec::new();
    for request in 0..10 {
        let path = if request % 2 == 0 { "/slow" } else { "/slow_to_begin" };
        running.push((request % 3, before.begin(&instances[request % 3], path).await));
    }
    let signed_in = browser.send(&instances[1], "/in", "ann").await;
    assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.text);
    // Of one instance any may be the first that goes on.
    running.iter().for_each(|(at, _)| instances[*at].pause.end());
    for (_, task) in running {
        let answer = task.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "spring-session #1270: {}", answer.text);
        browser.keep(&answer);
    }
    assert_eq!(browser.send(&instances[2], "/show", "").await.text, "1/ann/1", "late responses bring no old name back");
    let late = before.clone().send(&instances[0], "/visit", "").await;
    assert_eq!(late.status, StatusCode::CONFLICT, "the former name begins nothing any more");
    assert_eq!(late.cookies().len(), 0);
    assert_eq!(before.clone().send(&instances[0], "/maybe", "").await.text, "false");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rotations_at_once_are_one() {
    let instances = Instance::several(2).await;
    for _ in 0..20 {
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        let cookies = [browser.header()];
        let (one, two) =
            tokio::join!(instances[0].send("/in", "ann", &cookies), instances[1].send("/in", "ann", &cookies));
        let name = |answer: &crate::shop::Answer| {
            answer.cookies().iter().find(|cookie| cookie.starts_with("__Host-session=")).map(ToString::to_string)
        };
        let names: Vec<String> = [&one, &two].into_iter().filter_map(name).collect();
        assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "S3: {names:?}");
        // One that came after the other was renewed is asked to try again.
        for answer in [&one, &two] {
            assert!(matches!(answer.status, StatusCode::OK | StatusCode::CONFLICT), "{}", answer.text);
            browser.keep(answer);
        }
        assert_eq!(browser.send(&instances[0], "/show", "").await.text, "1/ann/0");
    }
}

#[tokio::test]
async fn a_session_that_ended_during_a_request_does_not_come_back() {
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin_slow(&instances[0]).await;
    let before = browser.clone();
    let out = browser.send(&instances[1], "/out", "").await;
    assert_eq!((out.status, browser.jar.len()), (StatusCode::OK, 0), "the cookies are taken back");
    instances[0].pause.end();
    let late = request.await.unwrap();
    assert_eq!((late.status, late.cookies().len()), (StatusCode::UNAUTHORIZED, 0), "jetty #2907: {}", late.text);
    assert!(instances[0].kept().await.is_empty());
    for instance in &instances {
        assert_eq!(
            before.clone().send(instance, "/maybe", "").await.text,
            "false",
            "the old cookie is dead everywhere"
        );
    }
}
