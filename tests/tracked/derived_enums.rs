//! What `#[derive(Tracked)]` makes of enums that hold something.

use nam::__private::{DecodeError, Edit};
use nam::Tracked;

use crate::derived::{check, decoded, diff, encoded};

#[derive(Tracked, Clone, Debug, PartialEq)]
enum Shape {
    Point,
    Circle {
        radius: f64,
    },
    #[nam(id = 5)]
    Rect(f64, f64),
    Empty {},
    Note(#[nam(skip)] u8, String),
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Drawing {
    shape: Shape,
    next: Option<Shape>,
}

fn drawing(shape: Shape) -> Drawing {
    Drawing { shape, next: Some(Shape::Rect(1.0, 2.0)) }
}

#[test]
fn fields_of_a_variant_are_edited_in_place() {
    check(&drawing(Shape::Circle { radius: 1.0 }), 1 + 1 + 9, |mut drawing| {
        let mut shape = drawing.shape_mut();
        let ShapeVariantMut::Circle { mut radius } = shape.variant_mut() else { panic!("a circle") };
        *radius = 2.0;
    });
    check(&drawing(Shape::Point), 1 + 1 + 9, |mut drawing| {
        let rect = drawing.next_mut().into_some().map(ShapeMut::into_variant);
        let Some(ShapeVariantMut::Rect(_, mut height)) = rect else { panic!("a rectangle") };
        *height = 7.0;
    });
}

#[test]
fn a_variant_that_comes_back_is_no_change() {
    check(&drawing(Shape::Rect(1.0, 2.0)), 0, |mut drawing| {
        drawing.shape_mut().set(Shape::Point);
        drawing.shape_mut().set(Shape::Rect(1.0, 3.0));
        let ShapeVariantMut::Rect(_, mut height) = drawing.shape_mut().into_variant() else { panic!("a rectangle") };
        *height = 2.0;
    });
}

#[test]
fn another_variant_is_put_whole() {
    check(&drawing(Shape::Rect(1.0, 2.0)), 1 + 1 + 1, |mut drawing| drawing.shape_mut().set(Shape::Point));
    check(&drawing(Shape::Point), 1 + 1 + 1 + 9, |mut drawing| {
        drawing.shape_mut().edit(|shape| *shape = Shape::Circle { radius: 1.0 });
    });
    assert_eq!(diff(&Shape::Point, &Shape::Empty {}).0, Edit::Put);
    assert_eq!(diff(&Shape::Note(1, String::new()), &Shape::Note(2, String::new())).0, Edit::Same);
}

#[test]
fn every_variant_comes_back() {
    for shape in [
        Shape::Point,
        Shape::Circle { radius: 1.0 },
        Shape::Rect(1.0, 2.0),
        Shape::Empty {},
        Shape::Note(0, "n".to_owned()),
    ] {
        assert_eq!(decoded::<Shape>(&encoded(&shape)).unwrap(), shape);
    }
    assert_eq!(encoded(&Shape::Rect(1.0, 2.0))[1], 5);
    let unknown = decoded::<Shape>(&[1, 2]);
    assert!(matches!(&unknown, Err(DecodeError::Unreadable(_))), "{unknown:?}");
}

#[test]
fn watchers_see_inside_of_the_variant() {
    let mut shape = Shape::Circle { radius: 1.0 };
    let mut changes = ShapeChanges::default();
    if let ShapeVariantMut::Circle { mut radius } = shape.track(&mut changes).variant_mut() {
        *radius = 2.0;
    }
    assert_eq!(changes.circle.get().and_then(|circle| circle.radius.previous()), Some(&1.0));
    assert!(changes.rect.get().is_none());
    shape.track(&mut changes).set(Shape::Point);
    assert_eq!(changes.previous(), Some(&Shape::Circle { radius: 1.0 }));
}

#[test]
fn what_is_local_in_a_variant_stays_while_the_variant_does() {
    let mut value = drawing(Shape::Note(7, "a".to_owned()));
    let mut changes = DrawingChanges::default();
    value.track(&mut changes).shape_mut().set(Shape::Note(1, "b".to_owned()));
    assert_eq!(value.shape, Shape::Note(7, "b".to_owned()));
    value.undo(changes);
    assert_eq!(value.shape, Shape::Note(7, "a".to_owned()));
}
