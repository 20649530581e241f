//! What a request writes is committed with its response, if that is a success, and read by the request before.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::post;
use nam::web::{Session, SessionError};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

use crate::shop::{Browser, Instance, Visit, VisitMut, Visits, take};

fn one_more(visit: &mut VisitMut<'_>) {
    *visit.visits_mut() += 1;
}

#[tokio::test]
async fn a_status_below_400_commits_and_any_other_discards() {
    let instances = Instance::several(2).await;
    for status in [200, 204, 302, 303, 304, 399] {
        let mut browser = Browser::default();
        let answer = browser.send(&instances[0], "/status", &status.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.cookies().len()), (status, 2), "{}", answer.text);
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1//1", "committed before the head: {status}");
    }
    let kept = instances[0].kept().await.len();
    for status in [400, 401, 404, 409, 422, 500, 503] {
        let mut browser = Browser::default();
        let answer = browser.send(&instances[0], "/status", &status.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.cookies().len()), (status, 0), "nothing is promised");
        browser.send(&instances[0], "/visit", "").await;
        browser.send(&instances[0], "/status", &status.to_string()).await;
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, "1//0", "S4: discarded by {status}");
    }
    assert_eq!(instances[0].kept().await.len(), kept + 7, "only what `/visit` made");
}

#[tokio::test]
async fn a_panic_discards() {
    let instances = Instance::several(1).await;
    let broken = instances[0].with(post(async |session: Visits| -> StatusCode {
        session.update(one_more).await.unwrap();
        panic!("a handler's mistake");
    }));
    let mut browser = Browser::default();
    for shown in ["0//0", "1//0"] {
        let (broken, cookies) = (broken.clone(), [browser.header()]);
        let ended = tokio::spawn(async move { broken.send("/more", "", &cookies).await }).await;
        assert!(ended.unwrap_err().is_panic());
        assert_eq!(browser.send(&instances[0], "/show", "").await.text, shown);
        browser.send(&instances[0], "/visit", "").await;
    }
    assert_eq!(instances[0].kept().await.len(), 1);
}

#[tokio::test]
async fn an_error_of_the_service_discards() {
    let instances = Instance::several(1).await;
    let failing = instances[0].sessions.layer(service_fn(async |request: Request<Body>| {
        let session = request.extensions().get::<Visits>().unwrap().clone();
        session.update(one_more).await.unwrap();
        Err::<Response<Body>, _>("the service behind is away")
    }));
    let ended = failing.oneshot(Request::new(Body::empty())).await;
    assert_eq!(ended.unwrap_err(), "the service behind is away");
    assert!(instances[0].kept().await.is_empty());
}

#[tokio::test]
async fn a_closure_that_refuses_or_panics_leaves_what_was_written_before() {
    let instances = Instance::several(1).await;
    let route = post(async |session: Visits| {
        session.update(one_more).await?;
        let refused = session.try_update(|visit| {
            *visit.visits_mut() += 100;
            Err::<(), _>("too many")
        });
        assert_eq!(refused.await?, Err("too many"));
        let careless = session.clone();
        let ended = tokio::spawn(async move {
            let broken = careless.update(|visit| {
                *visit.visits_mut() += 100;
                panic!("a closure's mistake");
            });
            broken.await
        });
        assert!(ended.await.unwrap_err().is_panic());
        Ok::<_, SessionError>(session.read().await?.visits.to_string())
    });
    let (instance, mut browser) = (instances[0].with(route), Browser::default());
    for visits in ["1", "2"] {
        assert_eq!(browser.send(&instance, "/more", "").await.text, visits);
        assert_eq!(browser.send(&instances[0], "/show", "").await.text, format!("{visits}//0"));
    }
}

#[tokio::test]
async fn a_request_reads_what_it_wrote_and_nobody_else_does() {
    let instances = Instance::several(2).await;
    let pause = instances[0].pause.clone();
    let route = post(async move |session: Visits| {
        let (existed, before) = (session.exists().await?, session.read().await?.visits);
        session.update(one_more).await?;
        let own = session.read().await?;
        assert!(session.exists().await? && own.memory_bytes() > size_of::<Visit>());
        pause.here().await;
        session.update(one_more).await?;
        let newest = session.newest().await?.visits;
        assert_eq!(own.visits, before + 1, "a view does not change");
        Ok::<_, SessionError>(format!("{existed} {before} {} {newest}", session.read().await?.visits))
    });
    let writing = instances[0].with(route);
    let mut browser = Browser::default();
    for (existed, before, kept) in [(false, 0, 0), (true, 2, 1)] {
        let request = browser.begin(&writing, "/more").await;
        assert_eq!(instances[0].kept().await.len(), kept, "nothing is made yet");
        for instance in &instances {
            assert_eq!(browser.clone().send(instance, "/show", "").await.text, format!("{before}//0"));
        }
        writing.pause.end();
        let answer = request.await.unwrap();
        assert_eq!(answer.text, format!("{existed} {before} {0} {0}", before + 2));
        browser.keep(&answer);
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, format!("{}//0", before + 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_updates_of_a_request_are_one_version() {
    let instances = Instance::several(1).await;
    let route = post(async |session: Visits| {
        let mut tasks = JoinSet::new();
        for task in 0..20 {
            let session = session.clone();
            tasks.spawn(async move {
                session.update(take(&task.to_string())).await?;
                session.update(one_more).await?;
                session.read().await.map(drop)
            });
        }
        tasks.join_all().await.into_iter().collect::<Result<(), SessionError>>()
    });
    let (instance, mut browser) = (instances[0].with(route), Browser::default());
    for version in [1, 2] {
        let answer = browser.send(&instance, "/more", "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(instance.only().await.token().unwrap().version().0, version, "one commit");
        assert_eq!(browser.send(&instances[0], "/show", "").await.text, format!("{}//20", 20 * version));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_all_count() {
    let instances = Instance::several(3).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    for _ in 0..20 {
        let mut requests = JoinSet::new();
        for instance in instances.iter().chain(&instances) {
            let (instance, cookies) = (instance.clone(), [browser.header()]);
            requests.spawn(async move { instance.send("/status", "200", &cookies).await });
        }
        for answer in requests.join_all().await {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            browser.keep(&answer);
        }
    }
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "121//1", "closures run again, none is lost");
}

#[tokio::test]
async fn a_browser_that_goes_away_does_not_stop_the_commit() {
    let instances = Instance::several(1).await;
    let request = Request::builder().uri("/status").method("POST").body(Body::from("200")).unwrap();
    let mut answering = Box::pin(instances[0].router.clone().oneshot(request));
    // The handler answers within one poll; the task that commits has not run yet on this one thread.
    let answer = answering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Pending));
    drop(answering);
    for _ in 0..10_000 {
        if !instances[0].kept().await.is_empty() {
            return;
        }
    }
    panic!("the commit ended with its request");
}

/// A route that writes once and gives its session to the test; then it pauses.
fn kept(instance: &Instance) -> (Instance, Arc<Mutex<Option<Session<Visit>>>>) {
    let session: Arc<Mutex<Option<Session<Visit>>>> = Arc::default();
    let (keep, pause) = (Arc::clone(&session), instance.pause.clone());
    let route = post(async move |session: Visits| {
        session.update(one_more).await?;
        drop(keep.lock().unwrap().replace(session));
        pause.here().await;
        Ok::<_, SessionError>(())
    });
    (instance.with(route), session)
}

#[tokio::test]
async fn after_the_head_an_update_is_a_commit_of_its_own() {
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let (instance, kept) = kept(&instances[0]);
    let request = browser.begin(&instance, "/more").await;
    instance.pause.end();
    browser.keep(&request.await.unwrap());
    let session = kept.lock().unwrap().take().unwrap();
    for visits in 3..6 {
        let value = session.update(|visit| {
            *visit.visits_mut() += 1;
            visit.visits
        });
        assert_eq!(value.await.unwrap(), visits);
        let there = instances[1].only().await;
        assert_eq!((there.token().unwrap().version().0, there.peek().unwrap().data.visits), (visits, visits));
    }
    let refused = session.try_update(|visit| {
        *visit.visits_mut() += 100;
        Err::<(), _>("no")
    });
    assert_eq!(refused.await.unwrap(), Err("no"));
    assert_eq!((session.read().await.unwrap().visits, session.update_now(|visit| visit.visits).await.unwrap()), (5, 5));
}

#[tokio::test]
async fn what_a_request_without_a_response_leaves_behind_is_discarded_and_its_tasks_write_at_once() {
    let instances = Instance::several(1).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let (instance, kept) = kept(&instances[0]);
    let request = browser.begin(&instance, "/more").await;
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(session.read().await.unwrap().visits, 2);
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(session.read().await.unwrap().visits, 1, "what was gathered went with the request");
    session.update(|visit| *visit.visits_mut() += 10).await.unwrap();
    assert_eq!(browser.send(&instances[0], "/show", "").await.text, "11//0");
}

#[tokio::test]
async fn the_end_of_a_session_ends_what_waits_for_the_response() {
    let instances = Instance::several(1).await;
    let pause = instances[0].pause.clone();
    let waiting = instances[0].with(post(async move |session: Visits| {
        session.update(one_more).await?;
        pause.here().await;
        Ok::<_, SessionError>("what the layer answers in place of")
    }));
    let leaving = instances[0].with(post(async |session: Visits| {
        session.update(one_more).await?;
        session.destroy().await
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let request = browser.begin(&waiting, "/more").await;
    let left = browser.send(&leaving, "/more", "").await;
    assert_eq!((left.status, browser.jar.len()), (StatusCode::OK, 0), "who ended it has nothing to write");
    waiting.pause.end();
    let late = request.await.unwrap();
    assert_eq!((late.status, late.cookies().len()), (StatusCode::UNAUTHORIZED, 0), "jetty #2907: {}", late.text);
    assert!(instances[0].kept().await.is_empty(), "nothing came back");
}

#[tokio::test]
async fn what_a_handler_made_of_nothing_is_too_large_for_its_response() {
    let instances = Instance::several(1).await;
    let large = instances[0].with(post(async |session: Visits| {
        session.update(take(&"k".repeat(40_000))).await?;
        Ok::<_, SessionError>("done")
    }));
    let refused = large.send("/more", "", &[]).await;
    assert_eq!((refused.status, refused.cookies().len()), (StatusCode::PAYLOAD_TOO_LARGE, 0), "{}", refused.text);
    assert!(instances[0].kept().await.is_empty());
}

#[tokio::test]
async fn requests_that_end_together_share_commits() {
    const REQUESTS: u64 = 32;
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let meeting = Arc::new(tokio::sync::Barrier::new(REQUESTS as usize));
    let met = Arc::clone(&meeting);
    let silent = post(async move |session: Visits, item: String| {
        session.update(take(&item)).await?;
        met.wait().await;
        Ok::<_, SessionError>(())
    });
    // What was answered cannot run again: it is committed as it ran, or not at all.
    let answered = post(async move |session: Visits, item: String| {
        let mut put = take(&item);
        let items = session.update(move |visit| {
            put(visit);
            visit.items.len()
        });
        let items = items.await?;
        meeting.wait().await;
        Ok::<_, SessionError>(items.to_string())
    });
    let mut before = 1;
    for (round, route) in [(1, silent), (2, answered)] {
        let together = instances[0].with(route);
        let mut requests = JoinSet::new();
        for request in 0..REQUESTS {
            let (together, cookies, item) = (together.clone(), [browser.header()], format!("{round} {request}"));
            requests.spawn(async move { together.send("/more", &item, &cookies).await.status });
        }
        assert!(requests.join_all().await.iter().all(|status| *status == StatusCode::OK));
        assert_eq!(browser.send(&instances[1], "/show", "").await.text, format!("1//{}", round * REQUESTS));
        let version = instances[1].only().await.fresh().await.unwrap().version().0;
        let commits = version - std::mem::replace(&mut before, version);
        assert!(commits < REQUESTS / 2, "{commits} commits for {REQUESTS} requests");
    }
}
