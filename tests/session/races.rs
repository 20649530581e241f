//! Requests of one browser that overtake each other.

use axum::http::StatusCode;
use tokio::task::JoinSet;

use crate::shop::{Browser, Instance};

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
    for (at, task) in running {
        instances[at].pause.end();
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
