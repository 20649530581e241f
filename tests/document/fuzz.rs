//! Random commits from random bases on a document, checked against the plain tree of `model` and the paths of `oracle`.

use std::sync::Arc;

use bytes::Bytes;
use nam::coding::Writer;
use nam::document::{
    Answering, Budget, Document, Frozen, Judged, Judging, Loaded, Loading, Making, Refusal, Scope, Tuning, first_tails,
};
use nam::ids::Version;
use nam::schema::Schema;

use crate::images::Shelf;
use crate::model::{Value, encode_fields, root_of};
use crate::oracle::{Touch, has_list, overlap, paths};
use crate::world::{Rng, World, schema};

type Touched = Vec<(Vec<u8>, Touch)>;

/// What a run saw; a run that saw too little proves nothing.
#[derive(Debug, Default)]
struct Seen {
    commits: usize,
    stale: usize,
    conflicts: usize,
    exact: usize,
    lists: usize,
    since: usize,
    below: usize,
    flipped: usize,
    segments: usize,
    images: usize,
    parts_kept: usize,
    /// Images that wrote no page.
    tails: usize,
    restored: usize,
    answers: usize,
    /// Answers whose object changed while they were made.
    overtaken: usize,
}

struct Round<'s> {
    schema: &'s Arc<Schema>,
    seed: u64,
    world: World<'s>,
    document: Document,
    /// The same object by replay of the journal, with other page sizes.
    replayed: Document,
    now: Value,
    history: Vec<(Version, Value)>,
    log: Vec<(Version, Touched)>,
    frozen: Vec<(Frozen, Value)>,
    shelf: Shelf,
    /// The document of an image, brought on by what was committed since.
    restored: Option<Document>,
    /// Answers in the making, and what they must come to.
    answering: Vec<(Answering, Vec<u8>)>,
}

fn encoded(frozen: &Frozen) -> Vec<u8> {
    let mut w = Writer::new();
    frozen.encode(&mut w);
    w.into_bytes()
}

fn tuning(rng: &mut Rng) -> Tuning {
    Tuning {
        map_page_bytes: [30, 100, 400, 8192][rng.below(4)],
        list_page_bytes: [20, 60, 4096][rng.below(3)],
        inline_bytes: [8, 40, 200, 4096][rng.below(4)],
        stamp_bytes: [400, 1 << 20, 1 << 20][rng.below(3)],
        tail_bytes: [0, 60, 1 << 20][rng.below(3)],
        ..Tuning::default()
    }
}

fn draw_budget(rng: &mut Rng) -> Budget {
    [Budget::new(2, 100), Budget::unlimited(), Budget::unlimited()][rng.below(3)]
}

/// Loads a delta in small steps.
fn load(document: Document, delta: Bytes, version: Version) -> Document {
    let mut loading = Loading::new(Box::new(document), delta, version);
    for _ in 0..10_000 {
        match loading.step(&mut Budget::new(3, 50)) {
            Loaded::Partly(rest) => loading = rest,
            Loaded::Wholly(document) => return *document,
            Loaded::Refused(error) => panic!("{error}"),
        }
    }
    panic!("loading goes on for ever");
}

impl<'s> Round<'s> {
    fn new(schema: &'s Arc<Schema>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        for _ in 0..8 {
            rng.below(2);
        }
        let (one, other, keys) = (tuning(&mut rng), tuning(&mut rng), [6, 60][rng.below(2)]);
        let without_lists = rng.one_in(2);
        let mut world = World { schema, rng, keys, without_lists };
        let now = Value::Fields(world.fields(schema.root_fields(), 0));
        let mut w = Writer::new();
        encode_fields(schema, schema.root_fields(), now.fields(), &mut w);
        let mut document = Document::with_tuning(Arc::clone(schema), one);
        let mut replayed = Document::with_tuning(Arc::clone(schema), other);
        document.replay(w.as_slice(), Version(1)).unwrap();
        replayed.replay(w.as_slice(), Version(1)).unwrap();
        let history = vec![(Version(1), now.clone())];
        let (log, frozen, shelf, restored) = (Vec::new(), Vec::new(), Shelf::default(), None);
        let answering = Vec::new();
        Self { schema, seed, world, document, replayed, now, history, log, frozen, shelf, restored, answering }
    }

    fn base(&mut self) -> (Version, Value) {
        let back = if self.world.rng.one_in(2) { 0 } else { self.world.rng.below(6) };
        self.history[self.history.len() - 1 - back.min(self.history.len() - 1)].clone()
    }

    fn commit(&mut self, seen: &mut Seen) {
        let (base, value) = self.base();
        let at = format!("seed {} version {} base {base}", self.seed, self.document.version());
        let mut w = Writer::new();
        self.world.edit_fields(self.schema.root_fields(), value.fields(), &mut w);
        let delta = Bytes::from(w.into_bytes());
        let answer = self.document.judge(&delta, base, Scope::Cells);
        self.compare_steps(&delta, base, &answer, &at);
        let touched = paths(self.schema, &delta);
        self.compare_oracle(&touched, base, &answer, seen, &at);
        seen.stale += usize::from(base < self.document.version());
        let judged = match answer {
            Ok(judged) => judged,
            Err(Refusal::Conflict) => {
                assert!(base < self.document.version(), "{at}: a commit at head conflicts");
                seen.conflicts += 1;
                return;
            }
            Err(Refusal::Overflow { .. }) => return,
            Err(refusal) => panic!("{at}: an honest commit is {refusal:?}"),
        };
        let operates = touched.iter().any(|(_, touch)| *touch == Touch::Meek);
        assert_eq!(judged.as_sent, judged.delta == delta, "{at}");
        if base == self.document.version() && !operates && !has_list(&touched) {
            assert!(judged.as_sent, "{at}");
        }
        if self.world.rng.one_in(4) {
            self.flip(&judged.delta, seen);
        }
        let version = self.document.version().next();
        self.apply(&judged, version, seen);
        if let Some(restored) = &mut self.restored {
            let judged = restored.judge(&judged.delta, restored.version(), Scope::Cells);
            restored.apply(&judged.unwrap_or_else(|refusal| panic!("{at}: restored: {refusal}")), version);
            assert_eq!(
                encoded(&restored.freeze()),
                encoded(&self.document.freeze()),
                "{at}: what was restored goes on"
            );
        }
        let replayed = self.replayed.replay(&judged.delta, version);
        assert!(replayed.is_ok(), "{at}: {replayed:?} of {:02x?} from {delta:02x?}", judged.delta);
        self.now.apply_delta(self.schema, &judged.delta).unwrap_or_else(|error| panic!("{at}: {error}"));
        self.log.push((version, paths(self.schema, &judged.delta)));
        self.history.push((version, self.now.clone()));
        seen.commits += 1;
        let bytes = encoded(&self.document.freeze());
        assert_eq!(root_of(self.schema, &bytes), Ok(self.now.clone()), "{at}: state");
        assert_eq!(bytes, encoded(&self.replayed.freeze()), "{at}: replay");
    }

    /// Applies at once, or in steps of a random size.
    fn apply(&mut self, judged: &Judged, version: Version, seen: &mut Seen) {
        if self.world.rng.one_in(3) {
            return self.document.apply(judged, version);
        }
        let mut making = Making::new(self.document.clone(), judged, version);
        let mut steps = 0;
        let cells = [1, 2, 7][self.world.rng.below(3)];
        while !making.step(&mut Budget::new(cells, [10, usize::MAX][self.world.rng.below(2)])) {
            steps += 1;
            assert!(steps < 10_000, "seed {}: applying goes on for ever", self.seed);
            if self.world.rng.one_in(40) {
                self.image(seen);
            }
        }
        self.document = making.into_document(&mut Budget::unlimited());
    }

    fn compare_steps(&mut self, delta: &Bytes, base: Version, whole: &Result<Judged, Refusal>, at: &str) {
        let mut judging = Judging::new(delta.clone(), base, Scope::Cells);
        let mut steps = 0;
        let stepped = loop {
            steps += 1;
            assert!(steps < 10_000, "{at}: judging goes on for ever");
            if let Some(answer) = judging.step(&self.document, &mut Budget::new(1, usize::MAX)) {
                break answer;
            }
        };
        match (whole, &stepped) {
            (Ok(whole), Ok(stepped)) => {
                assert_eq!((&whole.delta, whole.cells), (&stepped.delta, stepped.cells), "{at}: steps");
            }
            (Err(whole), Err(stepped)) => assert_eq!(whole, stepped, "{at}: steps"),
            other => panic!("{at}: steps answer otherwise: {other:?}"),
        }
    }

    fn compare_oracle(
        &self,
        touched: &[(Vec<u8>, Touch)],
        base: Version,
        answer: &Result<Judged, Refusal>,
        seen: &mut Seen,
        at: &str,
    ) {
        if base < self.document.horizon() {
            assert_eq!(answer.as_ref().err(), Some(&Refusal::Conflict), "{at}: below the horizon");
            return;
        }
        let newer = || self.log.iter().filter(|(version, _)| *version > base);
        let expected = newer().any(|(_, old)| overlap(touched, old));
        let is_conflict = matches!(answer, Err(Refusal::Conflict));
        if !expected {
            assert!(
                !is_conflict,
                "{at}: conflict without overlap: {touched:?} after {:?}",
                newer().collect::<Vec<_>>()
            );
        } else if !has_list(touched) && !newer().any(|(_, old)| has_list(old)) {
            assert!(is_conflict || matches!(answer, Err(Refusal::Overflow { .. })), "{at}: overlap without conflict");
            seen.exact += 1;
        } else if !is_conflict {
            seen.lists += 1;
        }
    }

    /// A damaged delta must not panic, and what is accepted must apply as the reference applies it.
    fn flip(&mut self, delta: &[u8], seen: &mut Seen) {
        if delta.is_empty() {
            return;
        }
        let mut bad = delta.to_vec();
        let at = self.world.rng.below(bad.len());
        bad[at] ^= 1 << self.world.rng.below(8);
        let bad = Bytes::from(bad);
        let Ok(judged) = self.document.judge(&bad, self.document.version(), Scope::Cells) else { return };
        let mut damaged = self.document.clone();
        damaged.apply(&judged, self.document.version().next());
        let mut model = self.now.clone();
        model.apply_delta(self.schema, &judged.delta).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        assert_eq!(root_of(self.schema, &encoded(&damaged.freeze())), Ok(model), "seed {}", self.seed);
        seen.flipped += 1;
        if self.world.rng.one_in(3) {
            // A copy that went another way: the next image is of the document itself again.
            let at = format!("seed {} image of a copy of {}", self.seed, self.document.version());
            self.shelf.put(damaged.image_within(&mut Budget::unlimited(), 32), &at);
            let restored = self.shelf.restore(self.schema, tuning(&mut self.world.rng)).unwrap();
            assert_eq!(encoded(&restored.freeze()), encoded(&damaged.freeze()), "{at}");
        }
    }

    fn ask_since(&mut self, seen: &mut Seen) {
        let (base, mut value) = self.history[self.world.rng.below(self.history.len())].clone();
        let at = format!("seed {} since {base} at {}", self.seed, self.document.version());
        let mut w = Writer::new();
        match self.document.since(base, &mut w) {
            Err(below) => {
                assert!(base < self.document.horizon() && below.base == base, "{at}");
                seen.below += 1;
            }
            Ok(differs) => {
                assert!(base >= self.document.horizon(), "{at}");
                assert_eq!(differs, !w.is_empty(), "{at}");
                value.apply_delta(self.schema, w.as_slice()).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(value, self.now, "{at}");
                seen.since += 1;
                self.answering.push((Answering::new(self.document.clone(), base), w.into_bytes()));
            }
        }
    }

    /// Goes on with answers by one step each, which must come to what they would have been at once.
    fn answer_on(&mut self, seen: &mut Seen) {
        let (seed, head) = (self.seed, self.document.version());
        for (mut answering, expected) in std::mem::take(&mut self.answering) {
            let mut budget =
                Budget::new([1, 1, 3, 20][self.world.rng.below(4)], [1, 60, usize::MAX][self.world.rng.below(3)]);
            match answering.step(&mut budget) {
                None => {
                    assert!(budget.is_spent(), "seed {seed}: a step ends before it must");
                    self.answering.push((answering, expected));
                }
                Some(answer) => {
                    let pieces = answer.unwrap_or_else(|below| panic!("seed {seed}: {below}"));
                    let delta: Vec<u8> = pieces.into_iter().flatten().collect();
                    assert_eq!(delta, expected, "seed {seed}: the answer at {}", answering.version());
                    seen.answers += 1;
                    seen.overtaken += usize::from(answering.version() < head);
                }
            }
        }
    }

    /// Takes an image and restores it; now and then the object goes on from there, as after a restart.
    fn image(&mut self, seen: &mut Seen) {
        let at = format!("seed {} image at {}", self.seed, self.document.version());
        let is_of_pages = self.world.rng.one_in(3);
        let image = match is_of_pages {
            true => self.document.image(),
            false => {
                self.document.image_within(&mut draw_budget(&mut self.world.rng), first_tails(self.shelf.bytes as u64))
            }
        };
        seen.images += 1;
        seen.tails += usize::from(image.fresh().len() == 1 && image.dropped().is_empty());
        seen.parts_kept += image.parts().len() - image.fresh().len();
        self.shelf.put(image, &at);
        let mut restored = self.shelf.restore(self.schema, tuning(&mut self.world.rng)).unwrap();
        assert_eq!(
            (restored.version(), restored.horizon()),
            (self.document.version(), self.document.version()),
            "{at}"
        );
        assert_eq!(restored.json().to_string(), self.document.json().to_string(), "{at}");
        let (was, is) = (self.document.freeze(), restored.freeze());
        assert_eq!(encoded(&was), encoded(&is), "{at}");
        assert_eq!(restored.stamp_bytes(), 0, "{at}: it remembers no past");
        let (mut expected, mut segments) = (was.segments(), is.segments());
        // What is applied behind pages may cut them elsewhere.
        while is_of_pages && let Some(segment) = expected.next(&was, 300) {
            assert_eq!(segments.next(&is, 300), Some(segment), "{at}");
        }
        assert!(!is_of_pages || segments.next(&is, 300).is_none(), "{at}");
        if is_of_pages && self.world.rng.one_in(3) {
            let again = restored.image_within(&mut Budget::unlimited(), 32);
            assert_eq!(
                (again.fresh(), again.dropped()),
                (&[][..], &[][..]),
                "{at}: what is restored is not written again"
            );
        }
        if self.world.rng.one_in(4) {
            self.document = restored;
            self.restored = None;
        } else {
            self.restored = Some(restored);
        }
        seen.restored += 1;
    }

    fn cut(&mut self, seen: &mut Seen) {
        let frozen = self.document.freeze();
        let bytes_max = [100, 300, 1 << 20][self.world.rng.below(3)];
        let mut segments = frozen.segments();
        let mut value = Value::Fields(Default::default());
        let mut loaded = Document::with_tuning(Arc::clone(self.schema), tuning(&mut self.world.rng));
        while let Some(segment) = segments.next(&frozen, bytes_max) {
            value.apply_delta(self.schema, &segment).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
            loaded = load(loaded, segment, frozen.version());
            seen.segments += 1;
        }
        assert_eq!(value, self.now, "seed {}: segments", self.seed);
        assert_eq!(encoded(&loaded.freeze()), encoded(&frozen), "seed {}: loaded from segments", self.seed);
        assert_eq!(loaded.stamp_bytes(), 0, "loading leaves no stamps");
    }
}

#[test]
fn a_document_equals_a_plain_tree_under_random_commits() {
    let schema = Arc::new(schema());
    let rounds: u64 = std::env::var("NAM_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let first: u64 = std::env::var("NAM_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut seen = Seen::default();
    for seed in first..first + rounds {
        let mut round = Round::new(&schema, seed);
        for _ in 0..60 {
            round.commit(&mut seen);
            round.ask_since(&mut seen);
            round.ask_since(&mut seen);
            round.answer_on(&mut seen);
            match round.world.rng.below(24) {
                0 | 1 => {
                    let horizon = round.history[round.world.rng.below(round.history.len())].0;
                    let budget = [3, 1 << 30][round.world.rng.below(2)];
                    round.document.trim(horizon, budget);
                }
                2 => round.frozen.push((round.document.freeze(), round.now.clone())),
                3 => round.cut(&mut seen),
                4..8 => round.image(&mut seen),
                _ => {}
            }
        }
        for step in 0.. {
            round.answer_on(&mut seen);
            if round.answering.is_empty() {
                break;
            }
            assert!(step < 10_000, "seed {seed}: answering goes on for ever");
        }
        for (frozen, value) in &round.frozen {
            assert_eq!(root_of(&schema, &encoded(frozen)), Ok(value.clone()), "seed {seed}: frozen");
        }
    }
    println!("{seen:?}");
    if rounds >= 100 {
        assert!(seen.commits > 4_000 && seen.conflicts > 500 && seen.exact > 300 && seen.lists > 20, "{seen:?}");
        assert!(seen.tails > 200, "{seen:?}");
        assert!(seen.images > 1_000 && seen.parts_kept > 1_000 && seen.restored > 1_000, "{seen:?}");
        assert!(seen.since > 5_000 && seen.below > 200 && seen.flipped > 200 && seen.segments > 500, "{seen:?}");
        assert!(seen.answers > 5_000 && seen.overtaken > 1_000, "{seen:?}");
    }
}
