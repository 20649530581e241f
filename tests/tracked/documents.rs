//! The struct and the repository's document side by side: whatever the cursors do, the document understands, stale
//! bases included, and what it says of the change brings any older copy to the same value.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use nam::__private::{Class, Reader, Writer};
use nam::Tracked;
use nam::document::{Document, Refusal, Scope};
use nam::ids::Version;

use crate::expanded::Order;
use crate::lists::{Fill, Log};
use crate::wild::{Dice, Wild};

/// Every collection, nested two deep, with scalars, structs and policies inside.
#[derive(Tracked, Clone, Debug, PartialEq)]
pub struct World {
    pub orders: HashMap<String, Order>,
    pub fills: Vec<Fill>,
    pub prices: VecDeque<f64>,
    pub names: HashSet<String>,
    pub by_day: BTreeMap<(u8, i64), Vec<Fill>>,
    pub books: Vec<HashMap<u32, Order>>,
    pub logs: BTreeMap<u32, Log>,
    pub log: Log,
}

impl Wild for World {
    fn random(dice: &mut Dice) -> Self {
        Self {
            orders: Wild::random(dice),
            fills: Wild::random(dice),
            prices: Wild::random(dice),
            names: Wild::random(dice),
            by_day: Wild::random(dice),
            books: Wild::random(dice),
            logs: Wild::random(dice),
            log: Wild::random(dice),
        }
    }

    fn change(mut world: WorldMut<'_>, dice: &mut Dice) {
        match dice.below(10) {
            0..2 => HashMap::<String, Order>::change(world.orders_mut(), dice),
            2..4 => Vec::<Fill>::change(world.fills_mut(), dice),
            4 => VecDeque::<f64>::change(world.prices_mut(), dice),
            5 => HashSet::<String>::change(world.names_mut(), dice),
            6 => BTreeMap::<(u8, i64), Vec<Fill>>::change(world.by_day_mut(), dice),
            7 => Vec::<HashMap<u32, Order>>::change(world.books_mut(), dice),
            8 => BTreeMap::<u32, Log>::change(world.logs_mut(), dice),
            _ => Log::change(world.log_mut(), dice),
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    commits: usize,
    stale: usize,
    conflicts: usize,
}

/// One object's history: the worlds of versions 1 and up, and the document of the last one.
struct Object {
    document: Document,
    worlds: Vec<World>,
}

impl Object {
    fn new(world: World) -> Self {
        let mut document = Document::new(World::schema());
        document.replay(&encoded(&world), Version(1)).unwrap();
        Self { document, worlds: vec![world] }
    }

    fn version(&self) -> Version {
        Version(self.worlds.len() as u64)
    }

    /// A random transaction on the copy of a random node, `behind` versions old.
    fn commit(&mut self, behind: usize, dice: &mut Dice, seen: &mut Seen) {
        let base = self.worlds.len() - behind;
        let mut value = self.worlds[base - 1].clone();
        let mut changes = WorldChanges::default();
        for _ in 0..=dice.below(4) {
            World::change(value.track(&mut changes), dice);
        }
        let mut w = Writer::new();
        if !value.encode_delta(&changes, &mut w) {
            return;
        }
        let delta = Bytes::from(w.into_bytes());
        match self.document.judge(&delta, Version(base as u64), Scope::Cells) {
            Ok(judged) => {
                seen.commits += 1;
                seen.stale += usize::from(behind > 0);
                self.document.apply(&judged, self.version().next());
                self.settle((behind == 0).then_some(&value));
            }
            Err(Refusal::Conflict) if behind > 0 => seen.conflicts += 1,
            Err(refusal) => panic!("{refusal:?} of {delta:?}"),
        }
    }

    /// What the document says since each version brings its world to now; `author`: what the committing node saw.
    fn settle(&mut self, author: Option<&World>) {
        let mut now = self.worlds.last().unwrap().clone();
        let mut changes = WorldChanges::default();
        let before = now.clone();
        let delta = self.since(self.version());
        now.apply(Reader::new(&delta), Some(&mut changes)).unwrap();
        let mut undone = now.clone();
        undone.undo(changes);
        assert_eq!(undone, before);
        if let Some(author) = author {
            assert_eq!(now, *author);
        }
        let mut w = Writer::new();
        self.document.freeze().encode(&mut w);
        assert_eq!(w.as_slice(), encoded(&now), "the document is the struct");
        for (at, world) in self.worlds.iter().enumerate() {
            let mut copy = world.clone();
            copy.apply(Reader::new(&self.since(Version(at as u64 + 1))), None).unwrap();
            assert_eq!(copy, now, "since version {}", at + 1);
        }
        self.worlds.push(now);
    }

    fn since(&self, base: Version) -> Vec<u8> {
        let mut w = Writer::new();
        self.document.since(base, &mut w).unwrap();
        w.into_bytes()
    }
}

fn encoded(world: &World) -> Vec<u8> {
    let mut w = Writer::new();
    world.encode_root(&mut w);
    w.into_bytes()
}

#[test]
fn the_document_follows_whatever_the_cursors_do() {
    let mut seen = Seen::default();
    for seed in 0..600 {
        let dice = &mut Dice::new(seed);
        let mut object = Object::new(World::random(dice));
        for _ in 0..12 {
            let behind = if dice.below(5) < 2 { dice.below(object.worlds.len().min(5)) } else { 0 };
            object.commit(behind, dice, &mut seen);
        }
    }
    assert!(seen.commits > 4_000 && seen.stale > 500 && seen.conflicts > 100, "{seen:?}");
}
