//! Parameters, bounds and recursion.

use std::collections::HashMap;
use std::hash::Hash;

use nam::__private::{Class, Key};
use nam::Tracked;

use crate::derived::{check, decoded, encoded};

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Book<L, const N: usize = 2>
where
    L: PartialEq,
{
    best: Option<L>,
    levels: Vec<L>,
    nested: Vec<(u8, Self)>,
    top: [u64; N],
}

#[derive(Tracked, Clone, Debug, PartialEq)]
enum Either<A, B> {
    Left(A),
    Right { value: B },
    Neither,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Wrap<T>(T);

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(bound = "K: Key + Hash, V: Tracked")]
struct Index<K: Eq + Hash, V> {
    by_key: HashMap<K, V>,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Level {
    price: f64,
    quantity: u64,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Desk {
    book: Book<Level>,
    either: Either<u64, Wrap<Level>>,
    index: Index<String, Level>,
}

fn desk() -> Desk {
    let level = Level { price: 1.0, quantity: 2 };
    Desk {
        book: Book { best: Some(level.clone()), levels: vec![level.clone()], nested: vec![], top: [3, 4] },
        either: Either::Right { value: Wrap(level.clone()) },
        index: Index { by_key: HashMap::from([("a".to_owned(), level)]) },
    }
}

#[test]
fn generic_parts_are_edited_in_place() {
    check(&desk(), 2 + 9, |mut desk| {
        *desk.book_mut().best_mut().as_mut().unwrap().price_mut() = 2.0;
    });
    check(&desk(), 1 + 1 + 1 + 2, |mut desk| match desk.either_mut().variant_mut() {
        EitherVariantMut::Right { mut value } => *value._0_mut().into_quantity() = 9,
        _ => panic!("right"),
    });
    check(&desk(), 2 + 2 + 1 + 9, |mut desk| {
        *desk.index_mut().by_key_mut().get_mut("a").unwrap().price_mut() = 2.0;
    });
    check(&desk(), 3, |mut desk| desk.either_mut().set(Either::Neither));
}

#[test]
fn instances_of_one_generic_are_different_types_of_the_schema() {
    #[derive(Tracked, Clone, Debug, PartialEq)]
    struct Two {
        a: Book<u64>,
        b: Book<String, 3>,
    }
    assert_eq!(Two::schema().types.len(), 5, "the root, two books, and the pair inside of each");
    assert_ne!(Book::<u64>::schema(), Book::<String>::schema());
    assert_eq!(Book::<u64>::NAME, "Book");
}

#[derive(Tracked, Clone, Debug, PartialEq, Default)]
struct Tree {
    value: i64,
    children: Vec<Tree>,
    left: Option<Box<Self>>,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    Sum(Box<Term>, Box<Term>),
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Formula {
    term: Term,
}

#[test]
fn recursive_types_are_tracked_to_any_depth() {
    let leaf = Tree { value: 1, ..Tree::default() };
    let tree = Tree {
        value: 2,
        children: vec![Tree { children: vec![leaf.clone()], ..leaf.clone() }],
        left: Some(Box::new(leaf)),
    };
    check(&tree, 10, |mut tree| {
        let mut child = tree.children_mut().into_get(0).unwrap();
        *child.children_mut().get_mut(0).unwrap().value_mut() = 7;
    });
    check(&tree, 1 + 2, |mut tree| *tree.left_mut().as_mut().unwrap().value_mut() = 7);
    assert_eq!(Tree::schema().types.len(), 1);
    assert_eq!(decoded::<Tree>(&encoded(&tree)).unwrap(), tree);
}

#[test]
fn recursive_enums_are_edited_in_place() {
    let sum = Term::Sum(Box::new(Term::Number(1.0)), Box::new(Term::Number(2.0)));
    check(&Formula { term: sum }, 1 + 1 + 1 + 1 + 9, |mut formula| {
        let TermVariantMut::Sum(_, right) = formula.term_mut().into_variant() else { panic!("a sum") };
        let TermVariantMut::Number(mut number) = right.into_variant() else { panic!("a number") };
        *number = 3.0;
    });
}

/// A class that is generic: each of its types has a name of its own.
#[derive(Tracked, Clone, Default)]
#[nam(name = Self::CLASS)]
struct Shelf<P: Named> {
    best: P,
    count: u64,
}

trait Named: Tracked {
    const SHELF: &'static str;
}

impl Named for u32 {
    const SHELF: &'static str = "shelf.small";
}

impl Named for String {
    const SHELF: &'static str = "shelf.text";
}

impl<P: Named> Shelf<P> {
    const CLASS: &'static str = P::SHELF;
}

#[test]
fn a_generic_class_is_named_by_a_constant() {
    assert_eq!((Shelf::<u32>::NAME, Shelf::<String>::NAME), ("shelf.small", "shelf.text"));
    assert_ne!(Shelf::<u32>::schema(), Shelf::<String>::schema());
}
