//! A new name is given with the response, and with it who signs in: whoever gets no response keeps the name that the browser has.

use axum::http::StatusCode;
use axum::routing::post;
use nam::web::SessionError;

use crate::shop::{Browser, Instance, VisitMut, Visits};

fn one_more(visit: &mut VisitMut<'_>) {
    *visit.visits_mut() += 1;
}

/// The status that a body names.
fn status(text: &str) -> StatusCode {
    StatusCode::from_u16(text.parse().unwrap()).unwrap()
}

/// Whether an instance knows a browser as it was.
async fn is_known(browser: &Browser, instance: &Instance) -> bool {
    browser.clone().send(instance, "/maybe", "").await.text == "true"
}

#[tokio::test]
async fn signing_in_makes_the_session_with_a_response_that_succeeds() {
    let instances = Instance::several(2).await;
    let entering = instances[0].with(post(async |session: Visits, text: String| {
        session.update(one_more).await?;
        session.sign_in("bob").await?;
        session.sign_in("").await?;
        assert_eq!(session.principal().await?, None);
        session.sign_in("alice").await?;
        session.update(one_more).await?;
        assert_eq!((session.read().await?.visits, session.principal().await?.as_deref()), (2, Some("alice")));
        Ok::<_, SessionError>(status(&text))
    }));
    let mut browser = Browser::default();
    let failed = browser.send(&entering, "/more", "500").await;
    assert_eq!((failed.status, failed.cookies().len()), (StatusCode::INTERNAL_SERVER_ERROR, 0));
    assert!(instances[0].kept().await.is_empty(), "who did not sign in has no session");
    let answer = browser.send(&entering, "/more", "200").await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::OK, 2), "{}", answer.text);
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "2//0");
    assert_eq!(browser.send(&instances[1], "/who", "").await.text, "alice");
    assert_eq!(instances[0].only().await.token().unwrap().version().0, 1, "one commit");
}

#[tokio::test]
async fn a_new_name_is_one_commit_with_what_was_written_or_nothing() {
    let instances = Instance::several(2).await;
    let entering = instances[0].with(post(async |session: Visits, text: String| {
        session.update(one_more).await?;
        session.rotate().await?;
        session.update(one_more).await?;
        session.sign_in("alice").await?;
        assert_eq!((session.read().await?.visits, session.principal().await?.as_deref()), (3, Some("alice")));
        Ok::<_, SessionError>(status(&text))
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let before = browser.clone();
    let failed = browser.send(&entering, "/more", "401").await;
    assert_eq!((failed.status, failed.cookies().len()), (StatusCode::UNAUTHORIZED, 0), "{}", failed.text);
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1//0");
    assert_eq!(browser.send(&instances[1], "/who", "").await.text, "nobody");
    let answer = browser.send(&entering, "/more", "303").await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::SEE_OTHER, 2), "{}", answer.text);
    assert_eq!(instances[1].only().await.token().unwrap().version().0, 2, "one commit");
    assert_eq!(browser.send(&instances[1], "/show", "").await.text, "3//0");
    assert_eq!(browser.send(&instances[1], "/who", "").await.text, "alice");
    assert!(!is_known(&before, &instances[1]).await, "the former name is dead");
    let renaming = instances[0].with(post(async |session: Visits| {
        session.update(one_more).await?;
        session.rotate().await
    }));
    let mut first = Browser::default();
    assert_eq!(first.send(&renaming, "/more", "").await.cookies().len(), 2, "what is made has a name");
    assert_eq!(first.send(&instances[1], "/show", "").await.text, "1//0");
}

#[tokio::test]
async fn a_handler_that_panics_and_a_browser_that_goes_away_lock_nobody_out() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let entering = instances[0].with(post(async move |session: Visits, what: String| -> Result<(), SessionError> {
        if what == "new name" {
            session.rotate().await?;
        } else {
            session.sign_in("alice").await?;
        }
        session.update(one_more).await?;
        pause.here().await;
        panic!("a handler's mistake");
    }));
    for what in ["new name", "alice"] {
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        for is_panic in [true, false] {
            let (instance, cookies) = (entering.clone(), [browser.header()]);
            let request = tokio::spawn(async move { instance.send("/more", what, &cookies).await });
            entering.pause.has_read.wait().await;
            if is_panic {
                entering.pause.end();
            } else {
                request.abort();
            }
            assert_eq!(request.await.unwrap_err().is_panic(), is_panic);
            for instance in &instances {
                assert_eq!(browser.send(instance, "/show", "").await.text, "1//0");
                assert_eq!(browser.send(instance, "/who", "").await.text, "nobody");
            }
        }
        assert_eq!(browser.send(&instances[1], "/enter", "alice").await.status, StatusCode::OK);
        assert_eq!(browser.send(&instances[0], "/out", "").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn update_now_commits_a_new_name_whatever_the_response_is() {
    let instances = Instance::several(2).await;
    let entering = instances[0].with(post(async |session: Visits, with_a_value: String| {
        if with_a_value == "yes" {
            session.update(|visit| visit.visits).await?;
        }
        session.sign_in("alice").await?;
        session.update_now(one_more).await?;
        assert_eq!(session.principal().await?.as_deref(), Some("alice"));
        session.sign_in("bob").await?;
        Ok::<_, SessionError>(StatusCode::INTERNAL_SERVER_ERROR)
    }));
    for with_a_value in ["no", "yes"] {
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        let before = browser.clone();
        let answer = browser.send(&entering, "/more", with_a_value).await;
        assert_eq!((answer.status, answer.cookies().len()), (StatusCode::INTERNAL_SERVER_ERROR, 2), "{}", answer.text);
        assert_eq!(browser.send(&instances[1], "/who", "").await.text, "alice");
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, "2//0");
        assert!(!is_known(&before, &instances[1]).await);
    }
}

#[tokio::test]
async fn a_request_under_way_at_a_renewal_hears_of_the_new_name_only_if_it_says_who_signs_in() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let renewing = instances[0].with(post(async move |session: Visits, account: String| {
        pause.here().await;
        if account.is_empty() { session.rotate().await } else { session.sign_in(&account).await }
    }));
    for (account, is_told) in [("", false), ("mallory", false), ("alice", true)] {
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        let (instance, cookies) = (renewing.clone(), [browser.header()]);
        let request = tokio::spawn(async move { instance.send("/more", account, &cookies).await });
        renewing.pause.has_read.wait().await;
        browser.send(&instances[1], "/enter", "alice").await;
        renewing.pause.end();
        let answer = request.await.unwrap();
        let is_named = answer.cookies().iter().any(|cookie| cookie.starts_with("__Host-session="));
        assert_eq!((answer.status == StatusCode::OK, is_named), (is_told, is_told), "{account}: {}", answer.text);
        assert_eq!(browser.send(&instances[0], "/who", "").await.text, "alice");
    }
}

#[tokio::test]
async fn a_request_that_came_before_the_commit_of_a_renewal_was_under_way() {
    let instances = Instance::several(1).await;
    let pause = instances[0].pause.clone();
    // With a value the renewal is not run again for the commit.
    for with_a_value in [false, true] {
        let pause = pause.clone();
        let entering = instances[0].with(post(async move |session: Visits| {
            if with_a_value {
                session.update(|visit| visit.visits).await?;
            }
            session.sign_in("alice").await?;
            pause.here().await;
            Ok::<_, SessionError>(())
        }));
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        let before = browser.clone();
        let signing_in = before.begin(&entering, "/more").await;
        let slow = before.begin(&instances[0], "/slow_to_begin").await;
        entering.pause.end();
        browser.keep(&signing_in.await.unwrap());
        instances[0].pause.end();
        let answer = slow.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "spring-session #1270: {}", answer.text);
        assert_eq!(browser.send(&instances[0], "/show", "").await.text, "1//1");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_signs_in_although_the_first_answer_is_dropped() {
    let instances = Instance::several(2).await;
    let refused = instances[1].with(post(async |session: Visits| {
        session.sign_in("alice").await?;
        Ok::<_, SessionError>(StatusCode::BAD_REQUEST)
    }));
    let curious = instances[1].with(post(async |session: Visits| {
        let told =
            [session.sign_in("mallory").await.is_ok(), session.read().await.is_ok(), session.rotate().await.is_ok()];
        format!("{told:?}")
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    browser.clone().send(&instances[0], "/enter", "alice").await;
    for account in ["mallory", ""] {
        let answer = instances[1].send("/enter", account, &[browser.header()]).await;
        assert_eq!((answer.status, answer.cookies().len()), (StatusCode::CONFLICT, 0), "{account}: {}", answer.text);
    }
    assert_eq!(browser.send(&curious, "/more", "").await.text, "[false, false, false]");
    assert_eq!(browser.send(&refused, "/more", "").await.status, StatusCode::BAD_REQUEST);
    assert!(!is_known(&browser, &instances[1]).await, "an error tells no name");
    assert_eq!(browser.send(&instances[1], "/enter", "alice").await.status, StatusCode::OK);
    assert_eq!(browser.send(&instances[0], "/who", "").await.text, "alice");
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "1//0", "nothing is lost");
}

#[tokio::test]
async fn who_is_nobody_joins_no_renewal() {
    let instance = &Instance::several(1).await[0];
    let mut browser = Browser::default();
    browser.send(instance, "/visit", "").await;
    let before = browser.clone();
    let renewing = instance.with(post(async |session: Visits| session.rotate().await));
    browser.send(&renewing, "/more", "").await;
    let answer = before.clone().send(instance, "/enter", "").await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::CONFLICT, 0), "a planted cookie stays dead");
    assert_eq!(browser.send(instance, "/show", "").await.text, "1//0");
}
