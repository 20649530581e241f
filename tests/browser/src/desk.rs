//! The desk: a session of 15 MB whose prices move on the page, and what a trade sends of it.

use crate::browser::{Browser, Screen};
use crate::site::Site;

/// Resolves when the page has been told another price.
const PRICE_MOVES: &str = "return await new Promise(moved => {
    const watch = new MutationObserver(() => { watch.disconnect(); moved(document.getElementById('live').textContent) });
    document.querySelectorAll('.price').forEach(cell => watch.observe(cell, { childList: true }));
})";

/// Opens a desk, trades, and looks at each page.
async fn trade(browser: &Browser, site: &Site, screen: &str) {
    browser.go(&site.address).await;
    browser.picture(&format!("desk-{screen}-1-entrance")).await;
    browser.click("#open").await;
    let session = browser.text("#session").await;
    let size: f64 = session.strip_suffix(" MB").unwrap().parse().unwrap();
    assert!(size > 15.0, "{session}");
    assert!(browser.text("#shipped").await.ends_with(" MB"), "once it is sent whole");
    browser.click("button[value=buy]").await;
    let shipped: u64 = browser.text("#shipped").await.strip_suffix(" bytes").unwrap().parse().unwrap();
    assert!((1..1_000).contains(&shipped), "a trade sends what it changed: {shipped} of {session}");
    assert!(browser.text("#cash").await.starts_with("99"), "it was paid");
    let live = browser.promised(PRICE_MOVES).await;
    assert!(live.as_str().unwrap().starts_with("live prices from instance"), "{live}");
    browser.picture(&format!("desk-{screen}-2-prices")).await;
    browser.write("input[name=q]", "fund 777").await;
    browser.click("form[role=search] button").await;
    browser.click("button[value=sell]").await;
    assert_eq!(browser.text("h1").await, "Not done");
    browser.picture(&format!("desk-{screen}-3-refused")).await;
    browser.go(&format!("{}/blotter", site.address)).await;
    assert_eq!(browser.count("tr").await, 2);
    browser.picture(&format!("desk-{screen}-4-blotter")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_of_15_mb_is_traded_and_followed() {
    let mut site = Site::open("desk");
    let alice = Browser::open(Screen::Desktop).await;
    trade(&alice, &site, "desktop").await;
    // The page's prices go on when their instance is gone.
    alice.go(&site.address).await;
    let live = alice.promised(PRICE_MOVES).await;
    let from = live.as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
    site.kill(&from);
    let other = format!(
        "const live = document.getElementById('live'); \
         while (!live.textContent.startsWith('live') || live.textContent.endsWith('{from}')) \
           await new Promise(changed => new MutationObserver(changed).observe(live, {{ childList: true }})); \
         return live.textContent"
    );
    let live = alice.promised(&other).await;
    assert!(!live.as_str().unwrap().ends_with(&from), "{live} after {from} was killed");
    alice.click("nav button").await;
    assert_eq!(alice.text("h1").await, "Good morning");

    let bob = Browser::open(Screen::Phone).await;
    trade(&bob, &site, "phone").await;
}
