//! The shop of `examples/shop`: three instances, and people who press buttons twice.

#[path = "../../examples/shop/app/mod.rs"]
mod app;

use axum::Router;
use axum::http::{StatusCode, header};
use nam::web::SessionLayer;
use nam::{InProcess, Node};

use crate::shop::{Answer, Browser, key, send};
use crate::site::Instance;
use app::{Catalogue, Order, Shop};

/// The instances, and the node of each.
async fn instances() -> Vec<(Router, Node)> {
    let repository = InProcess::new().unwrap();
    let mut instances = Vec::new();
    for name in ["one", "two", "three"] {
        let node = repository.node().await.unwrap();
        let sessions = SessionLayer::builder(node.clone()).with_signed(key(1)).build().unwrap();
        instances.push((app::app(Shop::new(Instance::new(node.clone(), name)), sessions), node));
    }
    instances
}

impl Browser {
    async fn see(&mut self, (router, _): &(Router, Node), path: &str) -> String {
        let answer = send(router, "GET", path, "", &[self.header()]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        self.keep(&answer);
        answer.text
    }

    /// Fills a form in; answers where that leads.
    async fn press(&mut self, (router, _): &(Router, Node), path: &str, form: &str) -> String {
        let answer = send(router, "POST", path, form, &[self.header()]).await;
        self.keep(&answer);
        led_to(&answer)
    }
}

fn led_to(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.headers[header::LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_is_filled_on_three_instances_and_ordered_once() {
    let shops = instances().await;
    let mut alice = Browser::default();
    assert!(alice.see(&shops[0], "/").await.contains("Cart (0)"));
    assert!(alice.jar.is_empty(), "who only looks has no cookie");
    for (shop, article) in shops.iter().zip(["kettle", "cup", "cup"]) {
        alice.press(shop, "/cart", &format!("article={article}")).await;
    }
    assert_eq!(alice.press(&shops[1], "/checkout", "").await, "/sign-in", "somebody has to be there to order");
    alice.press(&shops[0], "/sign-in", "name=alice").await;
    let cart = alice.see(&shops[2], "/cart").await;
    assert!(cart.contains("id=session>") && cart.contains("id=shipped>"), "what a page says of itself: {cart}");
    assert!(cart.contains("68.00 €") && cart.contains("alice") && cart.contains("<b id=instance>three</b>"), "{cart}");

    let cookies = [alice.header()];
    let (left, right) = tokio::join!(
        send(&shops[0].0, "POST", "/checkout", "", &cookies),
        send(&shops[1].0, "POST", "/checkout", "", &cookies)
    );
    for answer in [&left, &right] {
        assert_eq!(led_to(answer), "/orders");
        alice.keep(answer);
    }
    for shop in &shops {
        let orders = alice.see(shop, "/orders").await;
        assert_eq!(orders.matches("class=\"order ").count(), 1, "once, though the button was pressed twice: {orders}");
        assert!(orders.contains("68.00 €") && orders.contains("Cart (0)"));
    }
    assert_eq!(shops[0].1.keys::<Order>("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_instance_that_ends_takes_no_cart_with_it_and_its_order_is_placed_by_the_next() {
    let mut shops = instances().await;
    let mut alice = Browser::default();
    alice.press(&shops[0], "/sign-in", "name=alice").await;
    alice.press(&shops[0], "/cart", "article=tray").await;
    shops.remove(0).1.close().await.unwrap();
    assert!(alice.see(&shops[0], "/cart").await.contains("Tray"));
    // As if the instance had ended after the order left the cart.
    let key = shops[0].1.keys::<nam::web::Stored<app::Visitor>>("").await.unwrap().remove(0);
    let session = shops[0].1.open::<nam::web::Stored<app::Visitor>>(&key).await.unwrap();
    let line = app::Line { name: "Tray".to_owned(), count: 1, cents: 2_800 };
    let order = Order { account: "alice".to_owned(), lines: vec![line] };
    let left = session.update(|stored| {
        stored.data_mut().cart_mut().clear();
        stored.data_mut().placing_mut().insert("7".to_owned(), order.clone());
        Ok::<(), nam::Error>(())
    });
    left.await.unwrap();
    for shop in &shops {
        assert_eq!(alice.see(shop, "/orders").await.matches("class=\"order ").count(), 1);
    }
    assert!(session.fresh().await.unwrap().data.placing.is_empty());
}

#[tokio::test]
async fn a_catalogue_that_is_lost_is_printed_anew_also_for_those_who_chose_from_it() {
    let shops = instances().await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    alice.press(&shops[0], "/cart", "article=tray").await;
    shops[0].1.destroy::<Catalogue>("spring").await.unwrap();
    for shop in &shops {
        assert!(bob.see(shop, "/").await.contains("Kettle"));
        assert!(alice.see(shop, "/cart").await.contains("Tray"));
    }
}

#[tokio::test]
async fn what_a_browser_invents_is_text_or_not_there() {
    let shops = instances().await;
    let mut mallory = Browser::default();
    let answer = send(&shops[0].0, "POST", "/cart", "article=%3Cb%3E", &[]).await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::NOT_FOUND, 0));
    assert!(answer.text.starts_with("<!doctype html>") && answer.text.contains("no such article"), "{}", answer.text);
    for (path, status, words) in [
        ("/nowhere", StatusCode::NOT_FOUND, "not found"),
        ("/checkout", StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
    ] {
        let answer = send(&shops[0].0, "GET", path, "", &[]).await;
        assert_eq!((answer.status, answer.cookies().len()), (status, 0));
        assert!(answer.text.contains(words) && answer.text.contains("To the first page"), "{path}: {}", answer.text);
    }
    mallory.press(&shops[0], "/sign-in", "name=%3Cscript%3E%26%27%22").await;
    let page = mallory.see(&shops[1], "/").await;
    assert!(page.contains("&lt;script&gt;&amp;&#39;&quot;") && !page.contains("<script"), "{page}");
    assert_eq!(mallory.press(&shops[0], "/sign-in", "name=+").await, "/sign-in");
    for _ in 0..120 {
        mallory.press(&shops[0], "/cart", "article=spoon").await;
    }
    assert!(mallory.see(&shops[1], "/").await.contains("Cart (99)"));
    mallory.press(&shops[1], "/cart/remove", "article=spoon").await;
    assert!(mallory.see(&shops[0], "/cart").await.contains("Nothing in it yet"));
}

#[tokio::test]
async fn signing_out_leaves_orders_and_takes_the_cart() {
    let shops = instances().await;
    let (mut alice, mut phone) = (Browser::default(), Browser::default());
    for browser in [&mut alice, &mut phone] {
        browser.press(&shops[0], "/sign-in", "name=alice").await;
        browser.press(&shops[0], "/cart", "article=honey").await;
    }
    assert_eq!(phone.press(&shops[0], "/checkout", "").await, "/orders");
    assert_eq!(alice.press(&shops[0], "/sign-out/everywhere", "").await, "/");
    assert_eq!(alice.jar.keys().collect::<Vec<_>>(), ["shipped"], "of the session nothing is left");
    assert!(phone.see(&shops[0], "/").await.contains("Cart (0)"), "the other device is signed out as well");
    let strange = send(&shops[1].0, "GET", "/orders", "", &[]).await;
    assert_eq!(led_to(&strange), "/sign-in");
    alice.press(&shops[1], "/sign-in", "name=alice").await;
    assert!(alice.see(&shops[2], "/orders").await.contains("11.00 €"));
}
