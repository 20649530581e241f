//! The shop: a cart over three instances, one of which is killed, an order, and a cookie that is worth nothing any more.

use std::collections::BTreeSet;

use crate::browser::{Browser, Screen};
use crate::site::Site;

impl Browser {
    /// Puts an article into the cart; answers which instance served the page that shows it.
    async fn add(&self, article: &str) -> String {
        self.click(&format!("form:has([value={article}]) button")).await;
        self.text("#instance").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_outlives_an_instance_and_is_ordered_once() {
    let mut site = Site::open("shop");
    let alice = Browser::open(Screen::Desktop).await;
    alice.go(&site.address).await;
    assert!(alice.cookies().await.is_empty(), "who only looks has no cookie");
    alice.picture("shop-1-catalogue").await;

    alice.go(&format!("{}/sign-in", site.address)).await;
    alice.picture("shop-2-sign-in").await;
    alice.write("input[name=name]", "Alice").await;
    alice.click("main button").await;
    assert_eq!(alice.path().await, "/cart");

    alice.go(&site.address).await;
    let mut served = BTreeSet::new();
    for _ in 0..6 {
        served.insert(alice.add("cup").await);
    }
    assert_eq!(served.len(), 3, "each instance served some of it: {served:?}");
    let shipped = alice.text("#shipped").await;
    assert!(shipped.ends_with(" bytes") && shipped != "0 bytes", "what a change sent: {shipped}");
    site.kill("two");
    for _ in 0..6 {
        served.insert(alice.add("honey").await);
    }
    alice.go(&format!("{}/cart", site.address)).await;
    assert!(alice.text("nav").await.contains("Cart (12)"), "nothing was lost with the instance");
    assert_eq!(alice.text("td.sum b").await, "153.00 €");
    alice.picture("shop-3-cart").await;

    press_twice_at_once(&alice, &site).await;
    for address in site.instances.iter().map(|instance| &instance.address).chain([&site.address]) {
        alice.go(&format!("{address}/orders")).await;
        let orders = alice.count(".order").await;
        assert_eq!(orders, 1, "ordered once, though the button was pressed on two instances at once");
        assert!(alice.text(".order").await.contains("153.00 €") && alice.text("nav").await.contains("Cart (0)"));
    }
    alice.picture("shop-4-orders").await;

    let cookies = alice.cookies().await;
    alice.click("nav button").await;
    assert!(alice.text("nav").await.contains("Sign in"));
    alice.picture("shop-5-signed-out").await;
    for instance in &site.instances {
        alice.bring(&cookies).await;
        alice.go(&format!("{}/orders", instance.address)).await;
        assert_eq!(alice.path().await, "/sign-in", "the cookie is worth nothing on instance {}", instance.name);
    }
}

/// Presses the button of the cart's page on both instances that are left, before either has answered.
async fn press_twice_at_once(browser: &Browser, site: &Site) {
    let [left, right] = &site.instances[..] else { panic!("two are left") };
    let press = |address: &str| {
        format!("fetch('{address}/checkout', {{ method: 'POST', mode: 'no-cors', credentials: 'include' }})")
    };
    let both = format!("return (await Promise.all([{}, {}])).length", press(&left.address), press(&right.address));
    assert_eq!(browser.promised(&both).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_is_used_on_a_phone_and_by_keyboard() {
    let site = Site::open("shop");
    let bob = Browser::open(Screen::Phone).await;
    bob.go(&format!("{}/sign-in", site.address)).await;
    bob.picture("shop-phone-1-sign-in").await;
    // The field has the focus; Enter sends the form.
    bob.client.active_element().await.unwrap().send_keys("Bob").await.unwrap();
    bob.enter().await;
    assert!(bob.text("nav").await.contains("Bob"));
    bob.go(&site.address).await;
    bob.add("kettle").await;
    bob.picture("shop-phone-2-catalogue").await;
    bob.go(&format!("{}/cart", site.address)).await;
    bob.picture("shop-phone-3-cart").await;
    bob.client.execute("document.getElementById('order').focus()", Vec::new()).await.unwrap();
    bob.enter().await;
    assert_eq!(bob.count(".order").await, 1);
    bob.picture("shop-phone-4-orders").await;
}
