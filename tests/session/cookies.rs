//! What the browser is told, and what a layer refuses to be.

use std::time::Duration;

use axum::http::header;
use nam::Expiry;
use nam::web::{BuildError, SameSite, SessionLayer, SessionLayerBuilder};

use crate::shop::{Browser, Instance, Visit, key};

#[tokio::test]
async fn cookies_are_closed_by_default_and_sent_only_when_they_changed() {
    let instances = Instance::several(2).await;
    let mut browser = Browser::default();
    let first = browser.send(&instances[0], "/visit", "").await;
    let cookies = first.cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for (cookie, name) in cookies.iter().zip(["__Host-session=", "__Host-session-seen="]) {
        assert!(cookie.starts_with(name), "{cookie}");
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(cookie.split("; ").any(|part| part == attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Domain") && cookie.len() < 400, "{cookie}");
    }
    assert_eq!(
        (&first.headers[header::VARY], &first.headers[header::CACHE_CONTROL]),
        (&"Cookie".parse().unwrap(), &"private".parse().unwrap())
    );
    let read = browser.send(&instances[1], "/show", "").await;
    assert_eq!(read.cookies().len(), 0, "nothing changed");
    assert!(read.headers.get(header::CACHE_CONTROL).is_none());
    let second = browser.send(&instances[1], "/visit", "").await;
    assert!(matches!(second.cookies()[..], [seen] if seen.starts_with("__Host-session-seen=")), "only what was seen");
    for key in instances[0].kept().await {
        assert!(
            !browser.header().contains(&key) || !browser.jar["__Host-session"].contains(&key),
            "only its hash is a key"
        );
    }
}

#[tokio::test]
async fn a_key_is_replaced_while_sessions_go_on() {
    let instances = Instance::several(1).await;
    let mut browser = Browser::default();
    browser.send(&instances[0], "/visit", "").await;
    let next = Instance::new(&instances[0].node, |builder| builder.with_signed(key(2)).with_former_key(key(1)));
    let answer = browser.send(&next, "/visit", "").await;
    assert_eq!(answer.text, "2");
    assert!(answer.cookies()[0].starts_with("__Host-session="), "sealed anew");
    let last = Instance::new(&instances[0].node, |builder| builder.with_signed(key(2)));
    assert_eq!(browser.send(&last, "/visit", "").await.text, "3", "the former key is not needed any more");
    let private = Instance::new(&instances[0].node, |builder| builder.with_private(key(2)));
    assert_eq!(browser.send(&private, "/show", "").await.text, "0//0", "a signed cookie is no private one");
    let mut other = Browser::default();
    other.send(&private, "/visit", "").await;
    assert_eq!(other.send(&private, "/visit", "").await.text, "2");
}

#[tokio::test]
async fn what_cannot_work_is_refused_when_the_layer_is_built() {
    let node = nam::Node::in_process().await.unwrap();
    let build = |set: fn(SessionLayerBuilder<Visit>) -> SessionLayerBuilder<Visit>| {
        set(SessionLayer::<Visit>::builder(node.clone()).with_signed(key(1))).build()
    };
    let unsigned = SessionLayer::<Visit>::builder(node.clone()).build();
    assert!(matches!(unsigned, Err(BuildError::NoKey)));
    for name in ["", "a b", "a;b", "a=b", "a\r\nSet-Cookie: b", "caf\u{e9}"] {
        let layer = SessionLayer::<Visit>::builder(node.clone()).with_signed(key(1)).with_name(name).build();
        let Err(refused @ BuildError::Name { .. }) = layer else { panic!("{name:?} was accepted") };
        assert!(!refused.to_string().contains('\n'), "no line of its own in a log: {refused}");
    }
    assert!(matches!(build(|b| b.with_name("__Host-x").with_path("/shop")), Err(BuildError::Name { .. })));
    assert!(matches!(build(|b| b.with_name("__Host-x").with_domain("example.org")), Err(BuildError::Name { .. })));
    assert!(matches!(build(|b| b.with_name("__Secure-x").with_secure(false)), Err(BuildError::Name { .. })));
    assert!(matches!(build(|b| b.with_name("__Http-x").with_secure(false)), Err(BuildError::Name { .. })));
    for path in ["", "shop", "/\r\nX: y", "/a; Secure", "/a?b", "/a#b", "/caf\u{e9}"] {
        let layer = SessionLayer::<Visit>::builder(node.clone()).with_signed(key(1)).with_path(path).build();
        assert!(matches!(layer, Err(BuildError::Attribute { what: "path", .. })), "{path:?}");
    }
    for domain in
        ["", ".", "a..b", "a.org; Secure", "https://a.org", "a.org:80", "a.org/shop", "*.a.org", "a.org\r\nX: y"]
    {
        let layer = SessionLayer::<Visit>::builder(node.clone()).with_signed(key(1)).with_domain(domain).build();
        let Err(refused @ BuildError::Attribute { what: "domain", .. }) = layer else {
            panic!("{domain:?} was accepted")
        };
        assert!(!refused.to_string().contains('\n'), "no line of its own in a log: {refused}");
    }
    for domain in ["example.org", ".example.org", "localhost", "192.0.2.1"] {
        let layer = SessionLayer::<Visit>::builder(node.clone()).with_signed(key(1)).with_domain(domain).build();
        assert!(layer.is_ok(), "{domain}");
    }
    assert!(matches!(build(|b| b.with_secure(false).with_same_site(SameSite::None)), Err(BuildError::SameSite)));
    assert!(matches!(build(|b| b.with_expiry(Expiry::idle(Duration::ZERO))), Err(BuildError::Expiry(_))));
    assert!(build(|b| b.with_name("shop").with_path("/shop").with_domain("example.org")).is_ok());
}

#[tokio::test]
async fn the_preset_for_development_has_a_cookie_that_plain_http_keeps() {
    let node = nam::Node::in_process().await.unwrap();
    let instance = Instance::new(&node, SessionLayerBuilder::development);
    let answer = instance.send("/visit", "", &[]).await;
    assert!(answer.cookies()[0].starts_with("session=") && !answer.cookies()[0].contains("Secure"));
}

#[tokio::test]
async fn a_session_that_was_not_used_ends() {
    let node = nam::Node::in_process().await.unwrap();
    let instance = Instance::new(&node, |builder| builder.with_expiry(Expiry::after(Duration::from_secs(1))));
    let mut browser = Browser::default();
    browser.send(&instance, "/visit", "").await;
    while !instance.kept().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(browser.send(&instance, "/show", "").await.text, "0//0", "signed out, not an error");
    assert_eq!(browser.send(&instance, "/visit", "").await.text, "1", "and a new session begins");
    assert_eq!(instance.kept().await.len(), 1);
}
