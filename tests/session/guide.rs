//! The guide's program, an example word for word, does what the guide says.

#[path = "../../examples/visits/main.rs"]
#[allow(dead_code, unreachable_pub, reason = "a program, whose own start connects to a daemon")]
mod program;

use axum::Router;
use nam::InProcess;

use crate::shop::{Browser, key, send};

#[test]
fn the_program_of_the_guide_is_an_example() {
    let guide = include_str!("../../docs/web.md");
    let block = guide.split_once("```rust,no_run\n").unwrap().1.split_once("```\n").unwrap().0;
    let (_, example) = include_str!("../../examples/visits/main.rs").split_once("\n\n").unwrap();
    assert!(block == example, "docs/web.md differs from examples/visits/main.rs");
}

impl Browser {
    async fn ask(&mut self, instance: &Router, method: &str, path: &str, body: &str) -> String {
        let answer = send(instance, method, path, body, &[self.header()]).await;
        self.keep(&answer);
        format!("{} {}", answer.status.as_u16(), answer.text)
    }
}

#[tokio::test]
async fn what_is_put_in_on_one_instance_is_shown_and_ordered_on_the_other() {
    let repository = InProcess::new().unwrap();
    let one = program::app(repository.node().await.unwrap(), key(1)).unwrap();
    let two = program::app(repository.node().await.unwrap(), key(1)).unwrap();
    let mut browser = Browser::default();
    assert_eq!(browser.ask(&one, "GET", "/", "").await, "200 : 0 items");
    assert!(browser.jar.is_empty());
    assert_eq!(browser.ask(&one, "POST", "/put", "tea").await, "200 it is in the cart");
    assert_eq!(browser.ask(&two, "GET", "/", "").await, "200 : 1 items");
    assert_eq!(browser.ask(&two, "POST", "/in", "alice").await, "200 ");
    let signed_in = browser.clone();
    assert_eq!(browser.ask(&one, "GET", "/", "").await, "200 alice: 1 items");
    assert_eq!(browser.ask(&one, "POST", "/order", "").await, "200 thank you");
    assert_eq!(browser.ask(&two, "GET", "/", "").await, "200 alice: 0 items");
    assert_eq!(browser.ask(&two, "POST", "/out/everywhere", "").await, "200 ");
    for instance in [&one, &two] {
        assert_eq!(signed_in.clone().ask(instance, "GET", "/", "").await, "200 : 0 items");
    }
}
