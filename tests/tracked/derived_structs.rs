//! What `#[derive(Tracked)]` makes of structs.

use nam::__private::Edit;
use nam::Tracked;

use crate::derived::{check, decoded, diff, encoded};

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(name = "desk.Order", reserved(3))]
pub struct Order {
    pub price: f64,
    #[nam(id = 4, default)]
    pub tags: Vec<u32>,
    #[nam(id = 5)]
    pub status: Status,
    #[nam(skip)]
    pub cache: u8,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
pub enum Status {
    New,
    Filled { price: f64, quantity: u64 },
    Rejected(u32),
}

fn order() -> Order {
    Order { price: 1.0, tags: vec![1, 2], status: Status::Filled { price: 2.0, quantity: 3 }, cache: 7 }
}

#[test]
fn a_scalar_costs_its_tag_and_itself() {
    check(&order(), 9, |mut order| *order.price_mut() = 5.0);
    check(&order(), 0, |mut order| *order.price_mut() = 1.0);
}

#[test]
fn an_enum_edits_in_place_while_the_variant_stays() {
    check(&order(), 1 + 1 + 2, |mut order| match order.status_mut().variant_mut() {
        StatusVariantMut::Filled { mut quantity, .. } => *quantity = 9,
        _ => unreachable!(),
    });
    check(&order(), 1 + 1 + 2, |mut order| order.status_mut().set(Status::Filled { price: 2.0, quantity: 9 }));
    check(&order(), 1 + 1 + 1, |mut order| order.status_mut().set(Status::New));
}

#[test]
fn a_full_value_comes_back_without_what_is_local() {
    assert_eq!(decoded::<Order>(&encoded(&order())).unwrap(), Order { cache: 0, ..order() });
    assert_eq!(diff(&order(), &Order { cache: 1, ..order() }).0, Edit::Same);
}
