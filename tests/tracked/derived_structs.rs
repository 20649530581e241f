//! What `#[derive(Tracked)]` makes of structs: named, tuple, unit, newtypes.

use std::collections::{BTreeMap, HashMap};

use nam::__private::{Class, Edit};
use nam::Tracked;
use nam::schema::Kind;

use crate::derived::{check, decoded, diff, encoded, kind_of};

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

impl Order {
    fn is_cheap(&self) -> bool {
        self.price < 2.0
    }
}

fn order() -> Order {
    Order { price: 1.0, tags: vec![1, 2], status: Status::Filled { price: 2.0, quantity: 3 }, cache: 7 }
}

#[test]
fn the_bytes_are_those_of_the_expansion_by_hand() {
    check(&order(), 9, |mut order| *order.price_mut() = 5.0);
    check(&order(), 0, |mut order| *order.price_mut() = 1.0);
    check(&order(), 1 + 1 + 2, |mut order| order.status_mut().set(Status::Filled { price: 2.0, quantity: 9 }));
}

#[test]
fn a_struct_keeps_its_size_and_a_cursor_is_two_pointers() {
    struct Plain {
        _price: f64,
        _tags: Vec<u32>,
        _status: Status,
        _cache: u8,
    }
    assert_eq!(size_of::<Order>(), size_of::<Plain>());
    assert_eq!(size_of::<OrderMut<'_>>(), 2 * size_of::<usize>());
}

#[test]
fn a_cursor_reads_as_the_struct() {
    check(&order(), 9, |mut order| {
        assert!(order.is_cheap());
        *order.price_mut() = 3.0;
        assert!(!order.is_cheap());
        assert_eq!((order.price, order.tags[1], order.cache), (3.0, 2, 7));
    });
}

#[test]
fn fields_can_be_written_side_by_side() {
    check(&order(), 9 + 3, |mut order| {
        let OrderFields { mut price, mut status, cache, .. } = order.fields();
        *price += 1.0;
        *cache = 7;
        status.set(Status::New);
        *price += 1.0;
    });
}

#[test]
fn a_consuming_accessor_outlives_the_cursor() {
    fn price(order: OrderMut<'_>) -> nam::__private::Leaf<'_, f64> {
        order.into_price()
    }
    check(&order(), 9, |mut order| {
        let mut leaf = price(order.reborrow());
        *leaf = 4.0;
        *order.into_fields().price += 1.0;
    });
}

#[test]
fn blind_code_and_replacement_leave_the_difference() {
    check(&order(), 9, |mut order| order.edit(|order| order.price *= 2.0));
    check(&order(), 9, |mut order| order.set(Order { price: 7.0, ..self::order() }));
    check(&order(), 0, |mut order| {
        order.set(Order { price: 7.0, ..self::order() });
        order.edit(|order| order.price = 1.0);
    });
}

#[test]
fn watchers_read_what_changed() {
    let mut value = order();
    let mut changes = OrderChanges::default();
    let mut cursor = value.track(&mut changes);
    *cursor.price_mut() = 2.0;
    cursor.tags_mut().push(3);
    assert!(changes.is_changed() && changes.price.is_changed() && changes.tags.is_changed());
    assert_eq!(changes.price.previous(), Some(&1.0));
    assert!(!nam::__private::Changes::is_touched(&changes.status));
    assert_eq!(format!("{changes:?}"), r#"OrderChanges{"price", "tags"}"#);
    assert!(changes.previous().is_none());

    value.track(&mut changes).edit(|order| order.price = 9.0);
    assert_eq!(changes.previous().map(|order| order.price), Some(1.0));
}

#[test]
fn what_is_local_stays_here() {
    assert_eq!(decoded::<Order>(&encoded(&order())).unwrap(), Order { cache: 0, ..order() });
    assert_eq!(diff(&order(), &Order { cache: 1, ..order() }).0, Edit::Same);

    let mut value = order();
    let mut changes = OrderChanges::default();
    value.track(&mut changes).set(Order { price: 2.0, cache: 9, ..order() });
    assert_eq!(value.cache, 7, "neither set nor a remote change replaces it");
    value.cache = 8;
    value.undo(changes);
    assert_eq!(value, Order { cache: 8, ..order() });
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Pair(f64, #[nam(skip)] u8, String);

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Unit;

#[derive(Tracked, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[nam(key)]
struct Symbol(String);

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Price(f64);

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(transparent)]
struct Rate {
    value: f64,
}

#[derive(Tracked, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[nam(key)]
enum Side {
    Buy,
    #[nam(id = 7)]
    Sell,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Book {
    pair: Pair,
    unit: Unit,
    price: Price,
    rate: Rate,
    side: Side,
    by_symbol: HashMap<Symbol, Price>,
    by_side: BTreeMap<Side, u64>,
}

fn book() -> Book {
    Book {
        pair: Pair(1.0, 2, "three".to_owned()),
        unit: Unit,
        price: Price(4.0),
        rate: Rate { value: 5.0 },
        side: Side::Buy,
        by_symbol: HashMap::from([(Symbol("AAPL".to_owned()), Price(6.0))]),
        by_side: BTreeMap::from([(Side::Sell, 1)]),
    }
}

#[test]
fn tuple_structs_have_numbered_accessors() {
    check(&book(), 1 + 9, |mut book| *book.pair_mut()._0_mut() = 2.0);
    check(&book(), 1 + 9, |mut book| {
        let PairFields(mut first, local, _) = book.pair_mut().into_fields();
        *first = 2.0;
        *local = 2;
    });
    check(&book(), 0, |mut book| book.unit_mut().set(Unit));
}

#[test]
fn a_newtype_is_encoded_as_what_it_holds() {
    assert_eq!(encoded(&Price(4.0)), encoded(&4.0));
    assert_eq!(encoded(&Rate { value: 4.0 }), encoded(&4.0));
    assert_eq!((kind_of::<Price>(), kind_of::<Symbol>()), (Kind::F64, Kind::String));
    check(&book(), 9, |mut book| *book.price_mut()._0_mut() = 1.0);
    check(&book(), 9, |mut book| book.price_mut().set(Price(1.0)));
    check(&book(), 9, |mut book| book.price_mut().edit(|price| price.0 = 1.0));
    check(&book(), 9, |mut book| *book.rate_mut().value_mut() = 1.0);
    check(&book(), 0, |mut book| book.price_mut().edit(|price| price.0 *= 1.0));
}

#[test]
fn newtypes_and_plain_enums_are_keys() {
    let key = Symbol("AAPL".to_owned());
    check(&book(), 1 + 5 + 1 + 8, |mut book| *book.by_symbol_mut().get_mut(&key).unwrap()._0_mut() = 7.0);
    check(&book(), 1 + 1 + 1 + 1, |mut book| {
        book.by_side_mut().insert(Side::Buy, 9);
    });
}

#[test]
fn an_enum_without_fields_is_written_by_dereference() {
    check(&book(), 1 + 1 + 1, |mut book| *book.side_mut() = Side::Sell);
    assert_eq!(encoded(&Side::Sell), [1, 7]);
    assert_eq!(decoded::<Side>(&[1, 7]), Ok(Side::Sell));
    assert!(decoded::<Side>(&[1, 1]).is_err());
}

macro_rules! wide {
    ($($field:ident),*) => {
        #[derive(Tracked, Clone, Debug, Default, PartialEq)]
        struct Wide { $($field: f64),* }
    };
}
wide!(
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2, c3, c4, c5, c6, c7, c8,
    c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9
);

#[test]
fn forty_fields_from_a_macro() {
    check(&Wide::default(), 9 + 10, |mut wide| {
        *wide.a0_mut() = 1.0;
        *wide.fields().d9 = 2.0;
    });
    assert_eq!(Wide::schema().root_fields().len(), 40);
}

#[test]
fn raw_names_lose_their_prefix() {
    #[derive(Tracked, Clone, Debug, PartialEq)]
    struct Raw {
        r#type: u64,
    }
    check(&Raw { r#type: 1 }, 2, |mut raw| *raw.type_mut() = 2);
    assert_eq!(Raw::schema().root_fields()[0].name, "type");
}
