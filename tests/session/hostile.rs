//! Cookies of strangers, and sessions that are too large.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::http::StatusCode;
use axum::routing::post;
use nam::web::SessionError;

use crate::shop::{Browser, Instance, Visits, key};

/// A fresh session, as for a browser without a cookie; nothing is adopted, nothing is a server error.
async fn is_fresh(instance: &Instance, cookies: &[String]) {
    let read = instance.send("/show", "", cookies).await;
    assert_eq!((read.status, read.text.as_str()), (StatusCode::OK, "0//0"), "{cookies:?}");
    let written = instance.send("/visit", "", cookies).await;
    assert_eq!((written.status, written.text.as_str()), (StatusCode::OK, "1"), "{cookies:?}");
    assert_eq!(written.cookies().len(), 2, "a name of its own");
}

#[tokio::test]
async fn what_is_no_cookie_of_ours_is_a_fresh_session() {
    let instances = Instance::several(1).await;
    let instance = &instances[0];
    let mut browser = Browser::default();
    for _ in 0..3 {
        browser.send(instance, "/visit", "").await;
    }
    let name = browser.jar["__Host-session"].clone();
    let seen = browser.jar["__Host-session-seen"].clone();
    let mut stranger = Browser::default();
    stranger.send(instance, "/visit", "").await;
    let other = stranger.jar["__Host-session"].clone();
    for value in [
        String::new(),
        "x".to_owned(),
        name[..name.len() - 1].to_owned(),
        format!("{name}0"),
        name.replace('.', ".1"),
        format!("{}{}", &name[..44], &other[44..]),
        format!("{}{}", &seen[..44], &name[44..]),
        "00112233445566778899aabbccddeeff.0".to_owned(),
        name.chars().rev().collect(),
        "y".repeat(100_000),
    ] {
        is_fresh(instance, &[format!("__Host-session={value}")]).await;
        is_fresh(instance, &[format!("__Host-session-seen={value}")]).await;
    }
    is_fresh(instance, &[format!("__Host-session={seen}; __Host-session-seen={name}")]).await;
    is_fresh(instance, &[format!("__Host-session={name}; __Host-session={other}")]).await;
    is_fresh(instance, &[format!("__Host-session={name}"), format!("__Host-session={other}")]).await;
    let both = format!("__Host-session=forged; __Host-session={name}; __Host-session-seen=forged");
    assert_eq!(instance.send("/show", "", &[both]).await.text, "3//0", "exactly one valid is accepted");
    let alien = format!("__Host-session={name}; __Host-session-seen={}", stranger.jar["__Host-session-seen"]);
    assert_eq!(instance.send("/show", "", &[alien]).await.text, "3//0", "what another has seen says nothing here");
}

/// What an instance logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_cookie_that_counts_for_nothing_is_logged_without_what_it_holds() {
    let instance = &Instance::several(1).await[0];
    let stranger = Instance::sealed(&instance.node, |builder| builder.with_signed(key(9)));
    let mut browser = Browser::default();
    browser.send(&stranger, "/visit", "").await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let began = Instant::now();
    is_fresh(instance, &[browser.header()]).await;
    is_fresh(instance, &["__Host-session=00112233445566778899aabbccddeeff.0".to_owned()]).await;
    for _ in 0..500 {
        instance.send("/show", "", &["__Host-session=forged; __Host-session-seen=forged".to_owned()]).await;
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("sealed with no key of this instance"), "instances with two keys are noticed: {text}");
    let lines = text.matches("sealed with no key").count() as u64;
    let seconds = began.elapsed().as_secs();
    assert!(lines <= 1 + seconds, "a stranger fills no log: {lines} lines in {seconds} s");
    let is_told = |value: &str| value.split(['=', '.']).any(|part| part.len() > 8 && text.contains(part));
    assert!(
        !browser.jar.values().any(|value| is_told(value)) && !is_told("00112233445566778899aabbccddeeff"),
        "{text}"
    );
}

#[tokio::test]
async fn a_replayed_cookie_of_a_session_that_ended_is_a_fresh_session() {
    let instances = Instance::several(1).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let before = browser.clone();
    browser.send(&instances[0], "/out", "").await;
    is_fresh(&instances[0], &[before.header()]).await;
}

#[tokio::test]
async fn a_session_that_would_be_too_large_is_refused_and_stays_as_it_was() {
    let instances = Instance::several(1).await;
    // One text beyond what a request may change, which is 64 MiB.
    let enormous = instances[0].with(post(async |session: Visits| {
        session.update(|visit| visit.user_mut().set("k".repeat((64 << 20) + 1))).await?;
        Ok::<_, SessionError>("done")
    }));
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let item = "k".repeat(40_000);
    for (instance, path) in [(&instances[0], "/put"), (&enormous, "/more")] {
        let refused = browser.send(instance, path, &item).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", refused.text);
        assert!(!refused.text.contains("kkk"), "a session's content is never shown");
        assert_eq!(browser.send(&instances[0], "/show", "").await.text, "1//0");
    }
}
