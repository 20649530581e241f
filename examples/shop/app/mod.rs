//! The application: what is kept, what the handlers do, and what the pages look like.

mod handlers;
mod pages;

use std::collections::BTreeMap;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use nam::web::SessionLayer;
use nam::{Object, Ref, Tracked};

use crate::site::{Instance, shipped, spoken};

/// What is kept of a visitor: the session.
#[derive(Tracked, Clone, Default)]
#[nam(name = "shop.Visitor")]
pub(crate) struct Visitor {
    /// The catalogue that the visitor began to choose from: its prices stay while the next one is printed.
    pub(crate) catalogue: Option<Ref<Catalogue>>,
    /// How many of which article.
    pub(crate) cart: BTreeMap<String, u32>,
    /// Orders by number that left the cart and are not yet known to be placed.
    pub(crate) placing: BTreeMap<String, Order>,
}

/// What there is to buy: one object, however many sessions refer to it.
#[derive(Tracked, Clone)]
#[nam(name = "shop.Catalogue")]
pub(crate) struct Catalogue {
    pub(crate) articles: BTreeMap<String, Article>,
}

#[derive(Tracked, Clone)]
#[nam(name = "shop.Article")]
pub(crate) struct Article {
    pub(crate) name: String,
    pub(crate) words: String,
    pub(crate) cents: u64,
}

/// What somebody bought; stays when the session has ended.
#[derive(Tracked, Clone)]
#[nam(name = "shop.Order")]
pub(crate) struct Order {
    #[nam(index)]
    pub(crate) account: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Tracked, Clone)]
#[nam(name = "shop.Line")]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) count: u32,
    pub(crate) cents: u64,
}

impl Order {
    pub(crate) fn cents(&self) -> u64 {
        self.lines.iter().map(|line| line.cents * u64::from(line.count)).sum()
    }
}

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Shop {
    instance: Instance,
}

impl Shop {
    pub(crate) fn new(instance: Instance) -> Self {
        Self { instance }
    }

    /// The catalogue of now: a look into memory, and printed anew if it is lost.
    async fn catalogue(&self) -> Result<Object<Catalogue>, nam::Error> {
        self.instance.node.open_or_create("spring", Catalogue::spring).await
    }
}

impl AsRef<Instance> for Shop {
    fn as_ref(&self) -> &Instance {
        &self.instance
    }
}

impl Catalogue {
    fn spring() -> Self {
        let articles = [
            ("kettle", "Kettle", "Enamel, for a litre and a half. Whistles.", 3_900),
            ("cup", "Cup", "Stoneware, glazed by hand, no two alike.", 1_450),
            ("tea", "Assam", "A quarter of a pound, second flush.", 890),
            ("honey", "Honey", "Lime blossom, from the roof.", 1_100),
            ("tray", "Tray", "Ash, oiled, with a raised edge.", 2_800),
            ("spoon", "Spoon", "For the honey.", 350),
        ];
        let article =
            |name: &str, words: &str, cents| Article { name: name.to_owned(), words: words.to_owned(), cents };
        Self { articles: articles.map(|(id, name, words, cents)| (id.to_owned(), article(name, words, cents))).into() }
    }
}

/// One instance of the shop.
pub(crate) fn app(shop: Shop, sessions: SessionLayer<Visitor>) -> Router {
    Router::new()
        .route("/", get(handlers::catalogue))
        .route("/cart", get(handlers::cart).post(handlers::put))
        .route("/cart/remove", post(handlers::remove))
        .route("/checkout", post(handlers::checkout))
        .route("/orders", get(handlers::orders))
        .route("/sign-in", get(handlers::entrance).post(handlers::sign_in))
        .route("/sign-out", post(handlers::sign_out))
        .route("/sign-out/everywhere", post(handlers::sign_out_everywhere))
        .layer(sessions)
        .layer(from_fn_with_state((shop.instance.clone(), pages::BRAND), spoken))
        .layer(from_fn_with_state(shop.instance.clone(), shipped))
        .with_state(shop)
}
