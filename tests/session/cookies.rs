//! What the browser is told, and what a layer refuses to be.

use std::time::Duration;

use axum::http::{StatusCode, header};
use nam::Expiry;
use nam::web::{BuildError, SameSite, SessionLayer, SessionLayerBuilder};

use crate::shop::{Answer, Browser, Instance, Visit, key};

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
        assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "until the browser is closed: {cookie}");
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
    let next = Instance::sealed(&instances[0].node, |builder| builder.with_signed(key(2)).with_former_key(key(1)));
    let answer = browser.send(&next, "/visit", "").await;
    assert_eq!(answer.text, "2");
    let sealed_anew = browser.send(&next, "/show", "").await;
    assert_eq!((sealed_anew.text.as_str(), sealed_anew.cookies().len()), ("2//0", 0), "by the answer before");
    let last = Instance::sealed(&instances[0].node, |builder| builder.with_signed(key(2)));
    assert_eq!(browser.send(&last, "/visit", "").await.text, "3", "the former key is not needed any more");
    let private = Instance::sealed(&instances[0].node, |builder| builder.with_private(key(2)));
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
    let two = [build(|b| b.with_private(key(1))), build(|b| b.with_signed(key(2)))];
    assert!(two.iter().all(|layer| matches!(layer, Err(BuildError::SeveralKeys))), "which one would it be?");
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
async fn two_layers_around_a_route_need_two_names() {
    #[derive(nam::Tracked, Clone, Default)]
    #[nam(name = "shop.Guest")]
    struct Guest {
        visits: u64,
    }
    let node = nam::Node::in_process().await.unwrap();
    let count = async |guest: nam::web::Session<Guest>| guest.update(|guest| *guest.visits_mut() += 1).await;
    let instance = Instance::new(&node, |builder| builder.with_name("a"));
    for (name, is_refused) in [("a", true), ("a-seen", true), ("b", false)] {
        let guests = SessionLayer::<Guest>::builder(node.clone()).with_signed(key(1)).with_name(name).build().unwrap();
        let router = instance.router.clone().route("/guest", axum::routing::post(count)).layer(guests);
        let both = Instance { router, ..instance.clone() };
        let answer = both.send("/visit", "", &[]).await;
        assert_eq!(answer.status == StatusCode::INTERNAL_SERVER_ERROR, is_refused, "{name}");
        assert_eq!(answer.text.contains("`with_name`"), is_refused, "{}", answer.text);
        assert_eq!(both.send("/guest", "", &[]).await.status, StatusCode::OK, "only the one layer is around it");
    }
}

#[tokio::test]
async fn the_preset_for_development_has_a_cookie_that_plain_http_keeps() {
    let node = nam::Node::in_process().await.unwrap();
    let instance = Instance::new(&node, SessionLayerBuilder::development);
    let answer = instance.send("/visit", "", &[]).await;
    assert!(answer.cookies()[0].starts_with("session=") && !answer.cookies()[0].contains("Secure"));
}

/// The `Max-Age` of each cookie of an answer.
fn max_ages(answer: &Answer) -> Vec<Option<&str>> {
    answer
        .cookies()
        .into_iter()
        .map(|cookie| cookie.split("; ").find_map(|part| part.strip_prefix("Max-Age=")))
        .collect()
}

#[tokio::test]
async fn cookies_last_as_long_as_their_session() {
    let node = nam::Node::in_process().await.unwrap();
    let (hour, day) = (Duration::from_secs(3_600), Duration::from_secs(24 * 3_600));
    for (expiry, age) in [
        (Expiry::idle(hour), Some("4500")),
        (Expiry::idle(day).or_after(hour), Some("3600")),
        (Expiry::after(day), Some("86400")),
        (Expiry::NEVER, Some("34560000")),
    ] {
        let instance = Instance::new(&node, |builder| builder.with_expiry(expiry));
        let mut browser = Browser::default();
        let first = browser.send(&instance, "/visit", "").await;
        assert_eq!(max_ages(&first), [age, age], "{expiry:?}");
        assert_eq!(browser.send(&instance, "/show", "").await.cookies().len(), 0, "nothing is due yet");
        assert_eq!(max_ages(&browser.send(&instance, "/in", "ann").await).len(), 2, "a new name comes with both");
        let removal = browser.send(&instance, "/out", "").await;
        assert_eq!((max_ages(&removal), browser.jar.len()), (vec![Some("0"), Some("0")], 0));
        let closed = Instance::new(&node, |builder| builder.with_expiry(expiry).until_browser_closes());
        assert_eq!(max_ages(&Browser::default().send(&closed, "/visit", "").await), [None, None]);
    }
}

#[tokio::test]
async fn a_cookie_is_sent_again_while_its_session_is_used_and_the_name_stays_when_the_first_cookie_has_ended() {
    let instances = Instance::several(1).await;
    let instance =
        Instance::new(&instances[0].node, |builder| builder.with_expiry(Expiry::idle(Duration::from_secs(4))));
    let mut browser = Browser::default();
    browser.send(&instance, "/visit", "").await;
    let mut sent = Vec::new();
    while sent.is_empty() {
        let read = browser.send(&instance, "/show", "").await;
        sent = read.cookies().into_iter().map(ToOwned::to_owned).collect();
    }
    assert!(
        matches!(&sent[..], [seen] if seen.starts_with("__Host-session-seen=") && seen.contains("Max-Age=5")),
        "{sent:?}"
    );
    browser.jar.remove("__Host-session");
    let answer = browser.send(&instance, "/visit", "").await;
    assert_eq!((answer.text.as_str(), answer.cookies().len()), ("2", 1), "the same session");
    browser.send(&instance, "/in", "ann").await;
    assert_eq!(browser.jar.len(), 2, "a new name is a cookie of its own");
    browser.send(&instance, "/out", "").await;
    assert_eq!(browser.jar.len(), 0);
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
