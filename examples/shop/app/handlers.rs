//! What happens at each address.
//!
//! Placing an order exactly once: one commit takes the cart out of the session, under a number, before anything else is
//! done; of two that press the button at once, on whatever instances, one finds the cart empty. The order is then created
//! under its number, as often as somebody tries, and the number leaves the session. Whoever dies in between, the next page
//! goes on there.

use std::hash::{BuildHasher, RandomState};

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use nam::web::{Session, SessionError};
use nam::{Error, Guard};
use serde::Deserialize;

use super::pages::{self, Frame};
use super::{Catalogue, Line, Order, Shop, Visitor};
use crate::site::Figures;

/// Of one article in a cart.
const COUNT_MAX: u32 = 99;

type Visit = Session<Visitor>;
type Answer<T = Html<String>> = Result<T, SessionError>;

#[derive(Deserialize)]
pub(super) struct Choice {
    article: String,
}

#[derive(Deserialize)]
pub(super) struct Name {
    name: String,
}

/// What is around every page.
async fn frame(mut figures: Figures, visit: &Visit) -> Answer<Frame> {
    let visitor = visit.read().await?;
    figures.session_bytes = visitor.memory_bytes();
    Ok(Frame { figures, account: visit.principal().await?, count: visitor.cart.values().sum() })
}

/// The catalogue that this visitor chooses from.
async fn articles(shop: &Shop, visit: &Visit) -> Answer<Guard<Catalogue>> {
    let chosen = visit.read().await?.catalogue.clone();
    if let Some(reference) = chosen {
        match shop.instance.node.resolve(&reference).await {
            Err(Error::Gone { .. }) => {} // sold out
            found => return Ok(found?.read().await?),
        }
    }
    Ok(shop.catalogue().await?.read().await?)
}

pub(super) async fn catalogue(State(shop): State<Shop>, visit: Visit, figures: Figures) -> Answer {
    let articles = articles(&shop, &visit).await?;
    Ok(pages::catalogue(&frame(figures, &visit).await?, &articles))
}

pub(super) async fn cart(State(shop): State<Shop>, visit: Visit, figures: Figures) -> Answer {
    let articles = articles(&shop, &visit).await?;
    Ok(pages::cart(&frame(figures, &visit).await?, &visit.read().await?.cart, &articles))
}

pub(super) async fn put(State(shop): State<Shop>, visit: Visit, Form(choice): Form<Choice>) -> Answer<Response> {
    if !articles(&shop, &visit).await?.articles.contains_key(&choice.article) {
        return Ok((StatusCode::NOT_FOUND, "there is no such article").into_response());
    }
    let reference = shop.catalogue().await?.reference()?;
    let put = visit.update(move |visitor| {
        if visitor.catalogue.is_none() {
            visitor.catalogue_mut().set(Some(reference.clone()));
        }
        let mut cart = visitor.cart_mut();
        let mut count = cart.get_or_insert_with(choice.article.clone(), || 0);
        *count = (*count + 1).min(COUNT_MAX);
    });
    put.await?;
    Ok(Redirect::to("/").into_response())
}

pub(super) async fn remove(visit: Visit, Form(choice): Form<Choice>) -> Answer<Redirect> {
    let removed = visit.update(move |visitor| {
        visitor.cart_mut().remove(&choice.article);
    });
    removed.await?;
    Ok(Redirect::to("/cart"))
}

pub(super) async fn checkout(State(shop): State<Shop>, visit: Visit) -> Answer<Redirect> {
    let Some(account) = visit.principal().await? else { return Ok(Redirect::to("/sign-in")) };
    let articles = articles(&shop, &visit).await?;
    let number = format!("{:016x}", RandomState::new().hash_one(&account));
    let taken = visit.update_now(|visitor| {
        let lines: Vec<Line> = visitor.cart.iter().filter_map(|(id, count)| line(&articles, id, *count)).collect();
        if !lines.is_empty() {
            visitor.placing_mut().insert(number.clone(), Order { account: account.clone(), lines });
            visitor.cart_mut().clear();
            visitor.catalogue_mut().clear();
        }
    });
    taken.await?;
    place(&shop, &visit).await?;
    Ok(Redirect::to("/orders"))
}

fn line(catalogue: &Catalogue, id: &str, count: u32) -> Option<Line> {
    let article = catalogue.articles.get(id)?;
    Some(Line { name: article.name.clone(), count, cents: article.cents })
}

/// Places the orders that left the cart.
async fn place(shop: &Shop, visit: &Visit) -> Answer<()> {
    let waiting = visit.read().await?.placing.clone();
    for (number, order) in waiting {
        match shop.instance.node.create(&number, order).await {
            // Somebody else placed it, another press of the button or an earlier page.
            Ok(_) | Err(Error::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        visit.update(move |visitor| drop(visitor.placing_mut().take(&number))).await?;
    }
    Ok(())
}

pub(super) async fn orders(State(shop): State<Shop>, visit: Visit, figures: Figures) -> Answer<Response> {
    place(&shop, &visit).await?;
    let Some(account) = visit.principal().await? else { return Ok(Redirect::to("/sign-in").into_response()) };
    let mut orders = Vec::new();
    for reference in shop.instance.node.find(Order::ACCOUNT, account.as_str()).await? {
        orders.push((reference.key().to_owned(), shop.instance.node.resolve(&reference).await?.read().await?));
    }
    Ok(pages::orders(&frame(figures, &visit).await?, &orders).into_response())
}

pub(super) async fn entrance(visit: Visit, figures: Figures) -> Answer {
    Ok(pages::entrance(&frame(figures, &visit).await?))
}

pub(super) async fn sign_in(visit: Visit, Form(Name { name }): Form<Name>) -> Answer<Redirect> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(Redirect::to("/sign-in"));
    }
    visit.sign_in(name).await?;
    Ok(Redirect::to("/cart"))
}

pub(super) async fn sign_out(State(shop): State<Shop>, visit: Visit) -> Answer<Redirect> {
    place(&shop, &visit).await?;
    visit.destroy().await?;
    Ok(Redirect::to("/"))
}

pub(super) async fn sign_out_everywhere(State(shop): State<Shop>, visit: Visit) -> Answer<Redirect> {
    place(&shop, &visit).await?;
    visit.sign_out_everywhere().await?;
    Ok(Redirect::to("/"))
}
