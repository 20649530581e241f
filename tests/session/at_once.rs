//! What a request does to its session at once, and what that means for what it wrote before.

use axum::http::StatusCode;
use axum::routing::post;
use nam::web::SessionError;
use tokio::sync::mpsc;

use crate::shop::{Browser, Instance, VisitMut, Visits};

fn one_more(visit: &mut VisitMut<'_>) {
    *visit.visits_mut() += 1;
}

#[tokio::test]
async fn after_the_head_no_name_is_given_that_the_browser_would_not_hear_of() {
    let instances = Instance::several(1).await;
    let (keep, mut kept) = mpsc::unbounded_channel();
    let keeping = instances[0].with(post(async move |session: Visits| drop(keep.send(session))));
    let mut browser = Browser::default();
    browser.send(&keeping, "/more", "").await;
    let late = kept.recv().await.unwrap();
    let answered = |outcome: Result<(), SessionError>| assert!(matches!(outcome, Err(SessionError::Answered)));
    answered(late.update(one_more).await);
    answered(late.update_now(one_more).await);
    answered(late.write_later().await.map(drop));
    answered(late.sign_in("alice").await);
    assert!(instances[0].kept().await.is_empty(), "no session that nobody can come back to");
    browser.send(&instances[0], "/visit", "").await;
    browser.send(&keeping, "/more", "").await;
    let late = kept.recv().await.unwrap();
    answered(late.rotate().await);
    answered(late.sign_in("alice").await);
    late.update(one_more).await.unwrap();
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "2//0", "the browser's name is the newest");
}

#[tokio::test]
async fn nobody_needs_no_session() {
    let instances = Instance::several(1).await;
    let mut browser = Browser::default();
    let answer = browser.send(&instances[0], "/enter", "").await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::OK, 0));
    assert!(instances[0].kept().await.is_empty());
    browser.send(&instances[0], "/enter", "alice").await;
    browser.send(&instances[0], "/enter", "").await;
    assert_eq!(browser.send(&instances[0], "/who", "").await.text, "nobody");
}

#[tokio::test]
async fn ending_a_session_discards_what_was_written() {
    let instances = Instance::several(1).await;
    let ending = post(async |session: Visits| {
        session.update(one_more).await?;
        session.destroy().await?;
        assert!(matches!(session.update(one_more).await, Err(SessionError::Ended)));
        assert!(matches!(session.update_now(one_more).await, Err(SessionError::Ended)));
        assert!(!session.exists().await?);
        Ok::<_, SessionError>("gone")
    });
    let everywhere = post(async |session: Visits| {
        session.update(one_more).await?;
        session.sign_out_everywhere().await
    });
    for route in [ending, everywhere] {
        let instance = instances[0].with(route);
        let answer = instance.send("/more", "", &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(instances[0].kept().await.is_empty(), "a first write makes nothing then");
        let mut browser = Browser::default();
        browser.send(&instances[0], "/visit", "").await;
        assert_eq!(browser.send(&instance, "/more", "").await.status, StatusCode::OK);
        assert_eq!((browser.jar.len(), instances[0].kept().await.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_late_writer_takes_along_what_was_written_and_writes_at_once() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let streaming = instances[0].with(post(async move |session: Visits| {
        session.update(one_more).await?;
        let writer = session.write_later().await?;
        session.update(|visit| visit.user_mut().push_str("discarded")).await?;
        let number = writer.update(|visit| {
            *visit.visits_mut() += 1;
            visit.visits
        });
        let number = number.await?;
        let last = writer.update_now(|visit| {
            *visit.visits_mut() += 1;
            visit.visits
        });
        let last = last.await?;
        pause.here().await;
        Ok::<_, SessionError>((StatusCode::INTERNAL_SERVER_ERROR, format!("{number} {last}")))
    }));
    for shown in [3, 6] {
        let mut browser = Browser::default();
        if shown == 6 {
            for _ in 0..3 {
                browser.send(&instances[0], "/visit", "").await;
            }
        }
        let request = browser.begin(&streaming, "/more").await;
        let there = instances[1].only().await;
        let data = there.peek().unwrap().data.clone();
        assert_eq!((data.visits, data.user.as_str()), (shown, ""), "committed while the handler runs");
        streaming.pause.end();
        let answer = request.await.unwrap();
        assert_eq!(answer.text, format!("{} {shown}", shown - 1));
        browser.keep(&answer);
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, format!("{shown}//0"));
        browser.send(&instances[1], "/out", "").await;
    }
}
