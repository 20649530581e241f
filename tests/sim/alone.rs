//! One document and one value, without network: what changed since each version, applied to it, is the newest.

use std::sync::Arc;

use nam::__private::{Class, Reader, Tracked, Writer};
use nam::document::{Document, Scope};
use nam::ids::Version;

use crate::class::Desk;
use crate::dice::Dice;
use crate::draw::Draw;
use crate::history::difference;

#[test]
fn what_changed_since_any_version_leads_to_the_newest() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let mut values = vec![Desk::draw(&mut dice)];
        let mut document = Document::new(Arc::clone(&Desk::schema()));
        let mut w = Writer::new();
        values[0].encode_root(&mut w);
        document.replay(w.as_slice(), Version(1)).unwrap();
        for _ in 0..12 {
            let before = values.last().unwrap().clone();
            let mut value = before.clone();
            let mut changes = <Desk as Tracked>::Changes::default();
            for _ in 0..=dice.below(3) {
                Desk::change(value.track(&mut changes), &mut dice);
            }
            let mut w = Writer::new();
            value.encode_delta(&changes, &mut w);
            let after = value.clone();
            value.undo(changes);
            assert_eq!(difference(&value, &before), None, "seed {seed}: undone");
            let version = document.version();
            let judged = document.judge(&w.into_bytes().into(), version, Scope::Cells).unwrap();
            if judged.is_empty {
                continue;
            }
            document.apply(&judged, version.next());
            values.push(after.clone());
            for (at, old) in values.iter().enumerate() {
                let mut w = Writer::new();
                if document.since(Version(at as u64 + 1), &mut w).is_ok() {
                    let mut old = old.clone();
                    old.apply(Reader::new(w.as_slice()), None).unwrap();
                    let newest = values.len();
                    assert_eq!(difference(&old, &after), None, "seed {seed}: from version {} to {newest}", at + 1);
                }
            }
        }
    }
}
