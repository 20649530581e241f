//! The forms of numbers and frames, and what is refused.

use super::*;

#[test]
fn a_varint_has_one_form() {
    for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
        let mut w = Writer::new();
        w.varint(value);
        assert_eq!(w.len(), varint_len(value));
        let mut r = Reader::new(w.as_slice());
        assert_eq!(r.varint(), Ok(value));
        assert!(r.is_done());
    }
    assert_eq!(Reader::new(&[0x80, 0]).varint(), Err(DecodeError::Varint));
    assert_eq!(Reader::new(&[0xff; 10]).varint(), Err(DecodeError::Varint));
    assert!(matches!(Reader::new(&[0x80]).varint(), Err(DecodeError::Truncated { .. })));
}

#[test]
fn zigzag_keeps_small_numbers_small() {
    for (value, len) in [(0_i64, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (i64::MIN, 10), (i64::MAX, 10)] {
        let mut w = Writer::new();
        w.zigzag(value);
        assert_eq!(w.len(), len);
        assert_eq!(Reader::new(w.as_slice()).zigzag(), Ok(value));
    }
}

#[test]
fn frames_are_bounded_and_counted() {
    let mut w = Writer::new();
    w.framed(|w| w.raw(&[7; 300]));
    let mut r = Reader::new(w.as_slice());
    let inner = r.frame().unwrap();
    assert_eq!((inner.left(), inner.depth(), r.is_done()), (300, 1, true));

    let mut nested = Reader::new(&[]);
    for _ in 0..DEPTH_MAX {
        nested = nested.frame_of_rest().unwrap();
    }
    assert_eq!(nested.frame_of_rest().unwrap_err(), DecodeError::TooDeep);
}

#[test]
fn the_first_refusal_is_told() {
    let mut w = Writer::new();
    assert_eq!(w.check(), Ok(()));
    w.refuse("one");
    w.overflow("two");
    assert_eq!(w.check(), Err(DecodeError::Refused { what: "one" }));
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    let mut w = Writer::new();
    w.varint(u64::from(u32::MAX));
    assert!(matches!(Reader::new(w.as_slice()).count(1), Err(DecodeError::Truncated { .. })));
}
