//! Two requests write the same: the closures of one run again, unless its handler was given what they found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::AppendHeaders;
use axum::routing::post;
use nam::Change;
use nam::web::SessionError;
use tokio::task::{JoinHandle, JoinSet};

use crate::shop::{Answer, Browser, Instance, VisitMut, Visits, take};

fn one_more(visit: &mut VisitMut<'_>) {
    *visit.visits_mut() += 1;
}

/// Writes down how many there are.
fn say(visit: &mut VisitMut<'_>) {
    let text = format!("number {}", visit.visits);
    visit.user_mut().set(text);
}

/// As `one_more`, and says how many there are.
fn number(visit: &mut VisitMut<'_>) -> u64 {
    *visit.visits_mut() += 1;
    visit.visits
}

/// Sends a request that writes while another one is paused; both instances have heard of that when it goes on.
async fn overtake(browser: &mut Browser, instances: &[Instance], paused: JoinHandle<Answer>) -> Answer {
    let other = browser.send(&instances[1], "/visit", "").await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.text);
    instances[0].only().await;
    instances[0].pause.end();
    paused.await.unwrap()
}

#[tokio::test]
async fn closures_without_a_value_run_again_on_what_another_request_wrote() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    // Before the commit, and before another update.
    let last = instances[0].with(post(async move |session: Visits| {
        session.update(one_more).await?;
        session.update(say).await?;
        pause.here().await;
        Ok::<_, SessionError>(())
    }));
    let pause = instances[0].pause.clone();
    let amid = instances[0].with(post(async move |session: Visits| {
        session.update(one_more).await?;
        pause.here().await;
        session.update(say).await?;
        let view = session.read().await?;
        Ok::<_, SessionError>(format!("{} {}", view.visits, view.user))
    }));
    for (writing, text) in [(last, ""), (amid, "3 number 3")] {
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        let request = browser.begin(&writing, "/more").await;
        let answer = overtake(&mut browser, &instances, request).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, text));
        browser.keep(&answer);
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, "3/number 3/0");
        browser.send(&instances[1], "/out", "").await;
    }
}

#[tokio::test]
async fn a_value_that_the_handler_was_given_is_never_wrong() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let writing = instances[0].with(post(async move |session: Visits| {
        let number = session.update(number).await?;
        pause.here().await;
        Ok::<_, SessionError>((AppendHeaders([("set-cookie", "receipt=1")]), number.to_string()))
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin(&writing, "/more").await;
    let answer = overtake(&mut browser, &instances, request).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.text.contains("`update_now`") && answer.text.contains("without a value"), "{}", answer.text);
    assert!(answer.cookies().iter().all(|cookie| !cookie.starts_with("receipt")), "what the handler promised is gone");
    browser.keep(&answer);
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "2//0", "nothing was written");
    // Nobody in the way, or only somebody at another field.
    let request = browser.begin(&writing, "/more").await;
    browser.send(&instances[1], "/put", "tea").await;
    instances[0].only().await;
    writing.pause.end();
    assert_eq!(request.await.unwrap().text, "3");
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "3//1");
}

#[tokio::test]
async fn a_handler_that_passes_over_a_conflict_does_not_succeed() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let writing = instances[0].with(post(async move |session: Visits| {
        session.update(number).await.unwrap();
        pause.here().await;
        assert!(matches!(session.update(number).await, Err(SessionError::Conflict)));
        assert!(matches!(session.read().await, Err(SessionError::Conflict)));
        assert!(matches!(session.update_now(number).await, Err(SessionError::Conflict)));
        assert!(session.exists().await.unwrap());
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin(&writing, "/more").await;
    let answer = overtake(&mut browser, &instances, request).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "in place of 200");
    browser.keep(&answer);
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "2//0");
}

#[tokio::test]
async fn a_closure_that_refuses_only_when_it_runs_again_is_a_conflict() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let writing = instances[0].with(post(async move |session: Visits| {
        let taken = session.try_update(|visit| {
            if visit.visits > 1 {
                return Err("there was one only");
            }
            *visit.visits_mut() += 1;
            Ok(())
        });
        assert_eq!(taken.await?, Ok(()));
        pause.here().await;
        Ok::<_, SessionError>("yours")
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin(&writing, "/more").await;
    let answer = overtake(&mut browser, &instances, request).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "`{}`", answer.text);
    browser.keep(&answer);
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "2//0");
}

#[tokio::test]
async fn two_requests_append_to_one_text_and_one_runs_again() {
    let instances = Instance::several(2).await;
    let is_first = Arc::new(AtomicBool::new(true));
    let pause = instances[0].pause.clone();
    let append = post(async move |session: Visits, letter: String| {
        let letter = if letter.is_empty() { "a".to_owned() } else { letter };
        session.update(move |visit| visit.user_mut().push_str(&letter)).await?;
        if is_first.swap(false, Ordering::SeqCst) {
            pause.here().await;
        }
        Ok::<_, SessionError>(())
    });
    let writing = instances.iter().map(|instance| instance.with(append.clone())).collect::<Vec<_>>();
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin(&writing[0], "/more").await;
    assert_eq!(browser.send(&writing[1], "/more", "b").await.status, StatusCode::OK);
    instances[0].only().await;
    instances[0].pause.end();
    assert_eq!(request.await.unwrap().status, StatusCode::OK);
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1/ba/0");
}

#[tokio::test]
async fn update_now_commits_what_was_written_before_with_it() {
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let writing = instances[0].with(post(async move |session: Visits, with_a_value: String| {
        if with_a_value == "yes" {
            let is_new = session.update(|visit| visit.items_mut().insert("tea".to_owned(), 1)).await?;
            assert!(!is_new, "{is_new}");
        } else {
            session.update(take("cup")).await?;
        }
        let number = session.update_now(number).await?;
        session.update(|visit| visit.user_mut().push_str("discarded")).await?;
        Ok::<_, SessionError>((StatusCode::PAYMENT_REQUIRED, number.to_string()))
    }));
    for (with_a_value, number) in [("no", "2"), ("yes", "3")] {
        let mut changes = instances[1].only().await.watch();
        let answer = browser.send(&writing, "/more", with_a_value).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::PAYMENT_REQUIRED, number));
        let Change::Applied { changes, .. } = changes.next().await else { panic!("not applied") };
        assert!(changes.data.visits.previous().is_some() && changes.data.items.iter().count() == 1, "one commit");
    }
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "3//2", "it stays, what came later does not");

    let mut first = Browser::default();
    let answer = first.send(&writing, "/more", "no").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::PAYMENT_REQUIRED, "1"));
    assert_eq!(first.send(&instances[1], "/show", "").await.text, "1//1", "a first write stays too");
}

#[tokio::test]
async fn update_now_runs_again_with_all_that_was_written_before() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let writing = instances[0].with(post(async move |session: Visits| {
        session.update(one_more).await?;
        pause.here().await;
        Ok::<_, SessionError>(session.update_now(number).await?.to_string())
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin(&writing, "/more").await;
    let answer = overtake(&mut browser, &instances, request).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "4"));
    browser.keep(&answer);
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "4//0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_now_answers_what_was_committed() {
    let instances = Instance::several(3).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let mut requests = JoinSet::new();
        for instance in instances.iter().chain(&instances) {
            let (instance, cookies) = (instance.clone(), [browser.header()]);
            requests.spawn(async move { instance.send("/count", "", &cookies).await });
        }
        for answer in requests.join_all().await {
            numbers.push(answer.text.parse::<u64>().unwrap());
            browser.keep(&answer);
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=121).collect::<Vec<_>>(), "each number once");
}
