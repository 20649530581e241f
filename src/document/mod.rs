//! The repository's copy of an object: no Rust types of users, driven by the schema.
//!
//! ```text
//! delta ─▶ judge ─▶ Judged ─▶ apply ─▶ Document ─▶ since(base) ─▶ delta for holders
//!          reads only         fails never    │
//!                                            ├─▶ freeze ─▶ segments, image     └▶ json for people
//!
//! Document ── root: a map from the empty key to the root struct
//!               └ Page  { key │ head │ value }*  about 8 KiB of wire bytes, sorted by key, behind an Arc
//!                          └ stub ─▶ Branch ── Page, Page ...   what grew too large for its parent's bytes
//! ```
//! Values are kept as they travel, in pages; smaller things stay inside their parent's bytes; there is no object per
//! value. Stamps stand beside the bytes, only for what was touched. Invariants: judging changes nothing and what it
//! accepts can be applied; a frozen version never changes (whoever writes a shared page copies it); stamps are raised,
//! never lowered; below the horizon nobody is answered. Source: own measurements, `benches/document.rs`.

mod answering;
mod apart;
mod apply;
mod edits;
mod fitting;
mod freeze;
mod image;
mod json;
mod judge;
mod list;
mod loading;
mod making;
mod map;
mod pace;
mod promote;
mod root_fields;
mod rope;
mod runs;
mod since;
mod stamps;
mod stored;
mod trim;
mod tuning;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub use answering::Answering;
pub use fitting::Fitting;
pub use freeze::{Frozen, Segments};
pub use image::{Image, RestoreError, first_tails};
pub use json::Json;
pub use judge::{Judged, Judging, Refusal, Scope};
pub use loading::{Loaded, Loading};
pub use making::Making;
pub use pace::Budget;
#[cfg(any(test, feature = "mutants"))]
pub use tuning::TailFault;
pub use tuning::Tuning;

use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::Version;
use crate::schema::{KeyKind, Kind, Schema};
use apart::EntryKinds;
use apply::{Applying, Change, Saved};
use image::Imaging;
use map::MapBranch;
use since::{Halt, Since, Stored, Walk};
use stamps::Mark;
use trim::Trimming;

/// The key of the root struct in the map that is the document.
const ROOT_KEY: &[u8] = &[];
static ROOT_KEYS: KeyKind = KeyKind::Tuple(Vec::new());

/// Entries that one commit's apply cleans while the horizon is moving.
const RELIEF_CELLS: usize = 256;

/// The entries of the map that is the document.
fn root_kinds(kind: &Kind) -> EntryKinds<'_> {
    EntryKinds { keys: &ROOT_KEYS, values: Some(kind) }
}

/// Puts `new` in the place of the bytes at `range`.
fn overwrite(bytes: &mut Vec<u8>, range: Range<usize>, new: &[u8]) {
    let (end, new_end, len) = (range.end, range.start + new.len(), bytes.len());
    if new_end > end {
        bytes.resize(len + new_end - end, 0);
    }
    if new_end != end {
        bytes.copy_within(end..len, new_end);
        bytes.truncate(len + new_end - end);
    }
    if let Some(place) = bytes.get_mut(range.start..new_end) {
        place.copy_from_slice(new);
    }
}

/// Where `part`, a piece of `whole`, starts in it.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// An object's canonical copy. A clone shares all pages.
#[derive(Clone, Debug)]
pub struct Document {
    schema: Arc<Schema>,
    /// A newer schema that the stored bytes do not fit.
    declined: Option<Arc<Schema>>,
    root: Arc<MapBranch>,
    /// The version that marks count from.
    base: Version,
    version: Version,
    horizon: Version,
    /// Whether stamps below the horizon may be left.
    is_trimming: bool,
    next_child: u32,
    imaging: Imaging,
    tuning: Tuning,
}

/// A base whose stamps are forgotten: the holder gets the object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what changed since version {base} is forgotten below {horizon}")]
pub struct BelowHorizon {
    /// The version that was asked for.
    pub base: Version,
    /// The oldest version that is answered.
    pub horizon: Version,
}

impl Document {
    /// Makes an object that holds nothing yet, at version 0.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self::with_tuning(schema, Tuning::default())
    }

    /// The same with other sizes, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_tuning(schema: Arc<Schema>, tuning: Tuning) -> Self {
        Self {
            schema,
            declined: None,
            root: Arc::default(),
            base: Version(0),
            version: Version(0),
            horizon: Version(0),
            is_trimming: false,
            next_child: 0,
            imaging: Imaging::default(),
            tuning,
        }
    }

    /// The schema its bytes are read with.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Takes a newer schema of the same class, compatible with the one so far. Costs a walk over the object the first time
    /// a schema is seen, see [`Document::offer_schema`].
    pub fn set_schema(&mut self, schema: &Arc<Schema>) {
        if let Some(mut fitting) = self.offer_schema(schema) {
            let fits = fitting.step(&mut Budget::unlimited()).unwrap_or_default();
            self.end_fitting(&fitting, fits);
        }
    }

    /// Takes a newer schema if it is known to fit or not to; if not, answers the check that tells it, to be ended with
    /// [`Document::end_fitting`] before the object changes: fields that the schema knows and the last one did not were
    /// kept unread.
    pub fn offer_schema(&mut self, schema: &Arc<Schema>) -> Option<Fitting> {
        let is_seen = |known: &Arc<Schema>| Arc::ptr_eq(known, schema);
        if is_seen(&self.schema) || self.declined.as_ref().is_some_and(is_seen) {
            return None;
        }
        if *schema == self.schema {
            self.schema = Arc::clone(schema);
            self.declined = None;
            return None;
        }
        Some(Fitting::new(Arc::clone(schema), self.freeze()))
    }

    /// Takes the schema if everything fits it. If not, the schema so far stays, and the fields it does not know unread.
    pub fn end_fitting(&mut self, fitting: &Fitting, fits: bool) {
        let schema = Arc::clone(fitting.schema());
        if fits {
            self.imaging.forget_schema();
            self.schema = schema;
            self.declined = None;
        } else {
            self.declined = Some(schema);
        }
    }

    /// The version of the last change.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The oldest version that can be judged against or answered since.
    #[must_use]
    pub fn horizon(&self) -> Version {
        self.horizon
    }

    /// Bytes of its keys and values as encoded, a few a large container aside.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.root.totals().encoded
    }

    /// Bytes of stamps and of removed keys.
    #[must_use]
    pub fn stamp_bytes(&self) -> usize {
        self.root.totals().stamps
    }

    /// Bytes of everything it has on the heap, shared pages included.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.root.totals().heap + self.imaging.heap_bytes()
    }

    /// Judges a delta that was made at `base`; changes nothing. See [`Judging`] for large ones.
    ///
    /// # Errors
    /// A [`Refusal`] if it cannot be applied.
    pub fn judge(&self, delta: &Bytes, base: Version, scope: Scope) -> Result<Judged, Refusal> {
        self.judge_all(Judging::new(delta.clone(), base, scope))
    }

    /// Makes `version` of what was judged well on the current one. See [`Making`] for what is large.
    pub fn apply(&mut self, judged: &Judged, version: Version) {
        self.apply_counted(judged, version, &mut Budget::unlimited());
    }

    /// The same, with what it cost.
    pub fn apply_counted(&mut self, judged: &Judged, version: Version, cost: &mut Budget) {
        let applied = self.change(&judged.delta, version, cost);
        debug_assert!(applied.is_ok(), "a judged delta applies: {applied:?}");
        if applied.is_err() {
            // Cannot be; if it is, nobody gets a delta across it.
            (self.version, self.horizon) = (version, version);
        }
    }

    /// Applies a delta of the journal, of a creation or of a snapshot: validated, never in conflict. Several deltas of one
    /// version make one value, as the segments of a creation do. See [`Loading`] for large ones.
    ///
    /// # Errors
    /// A [`DecodeError`] if it is malformed; the document is as it was.
    pub fn replay(&mut self, delta: &[u8], version: Version) -> Result<(), DecodeError> {
        let judging = Judging::of_replay(Bytes::copy_from_slice(delta), self.version);
        let judged = self.judge_all(judging).map_err(loading::malformed)?;
        self.change(&judged.delta, version, &mut Budget::unlimited())
    }

    /// Writes the delta from `base` to now as an edit body of the root; answers whether anything differs. Costs what
    /// changed, and 24 B of reading a page.
    ///
    /// # Errors
    /// [`BelowHorizon`] if that is forgotten: the object must be sent again.
    pub fn since(&self, base: Version, w: &mut Writer) -> Result<bool, BelowHorizon> {
        let differs = self.since_within(base, &mut Budget::unlimited(), w)?;
        Ok(differs.unwrap_or_default())
    }

    /// The same if it costs no more than the budget has left; `None` and nothing written if it would, see [`Answering`].
    ///
    /// # Errors
    /// As [`Document::since`].
    pub fn since_within(
        &self,
        base: Version,
        budget: &mut Budget,
        w: &mut Writer,
    ) -> Result<Option<bool>, BelowHorizon> {
        let below = BelowHorizon { base, horizon: self.horizon };
        if base < self.horizon {
            return Err(below);
        }
        if base >= self.version {
            return Ok(Some(false));
        }
        let since = Since::at_once(&self.schema, self.mark_of(base), *budget);
        let mut walk = Walk::default();
        let answer = self.write_since(&since, &mut walk);
        *budget = since.budget();
        match answer {
            Ok(()) => {
                let delta = walk.into_delta();
                delta.write_to(w);
                Ok(Some(!delta.is_empty()))
            }
            Err(Halt::Spent) => Ok(None),
            Err(Halt::Damaged) => Err(below),
        }
    }

    /// Keeps this version as it is while the document goes on; copies one pointer.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        Frozen::new(Arc::clone(&self.schema), Arc::clone(&self.root), self.version)
    }

    /// Forgets stamps up to `horizon`, which counts at once; looks at about `budget_cells` entries and answers whether all
    /// was done.
    pub fn trim(&mut self, horizon: Version, budget_cells: usize) -> bool {
        self.trim_counted(horizon, budget_cells, &mut Budget::unlimited())
    }

    fn trim_counted(&mut self, horizon: Version, budget_cells: usize, cost: &mut Budget) -> bool {
        if horizon > self.horizon {
            self.horizon = horizon.min(self.version);
            self.is_trimming = true;
        }
        if !self.is_trimming {
            return true;
        }
        let schema = Arc::clone(&self.schema);
        let kind = Kind::Type(schema.root);
        let horizon = self.mark_of(self.horizon);
        let mut trimming =
            Trimming { schema: &schema, tuning: self.tuning, horizon, budget: budget_cells, joins: 0, cost };
        let done = Arc::make_mut(&mut self.root).trim(&mut trimming, root_kinds(&kind));
        // Damaged bytes keep their stamps: that costs memory, no answer.
        let done = done.unwrap_or(true);
        self.is_trimming = !done;
        done
    }

    /// Shows the value as JSON, fields marked `redact` hidden: the only printer of values.
    #[must_use]
    pub fn json(&self) -> Json {
        Json::new(self.freeze())
    }

    fn root(&self) -> &MapBranch {
        &self.root
    }

    /// A version as a mark; what is not after the base has none.
    fn mark_of(&self, version: Version) -> Mark {
        Mark(u32::try_from(version.0.saturating_sub(self.base.0)).unwrap_or(u32::MAX))
    }

    fn judge_all(&self, mut judging: Judging) -> Result<Judged, Refusal> {
        loop {
            if let Some(answer) = judging.step(self, &mut Budget::unlimited()) {
                return answer;
            }
        }
    }

    fn write_since(&self, since: &Since<'_>, walk: &mut Walk) -> Result<(), Halt> {
        let kind = Kind::Type(self.schema.root);
        let Some((entry, children)) = self.root.find(root_kinds(&kind), ROOT_KEY)? else { return Ok(()) };
        let stamp = entry.fate.stamp()?;
        since.root(Stored { value: entry.value, stamp: &stamp, children }, walk)
    }

    fn change(&mut self, delta: &[u8], version: Version, cost: &mut Budget) -> Result<(), DecodeError> {
        self.begin(version);
        let paused = self.change_on(delta, version, cost, Vec::new())?;
        debug_assert!(paused.is_empty(), "what is applied in place does not pause");
        self.version = version;
        self.relieve(cost);
        Ok(())
    }

    /// Applies more of a delta; answers where to go on, nothing if that was all.
    fn change_on(
        &mut self,
        delta: &[u8],
        version: Version,
        budget: &mut Budget,
        resume: Vec<Saved>,
    ) -> Result<Vec<Saved>, DecodeError> {
        let schema = Arc::clone(&self.schema);
        let kind = Kind::Type(schema.root);
        let mark = self.mark_of(version);
        let mut applying = Applying::new(&schema, mark, self.tuning, &mut self.next_child, budget, resume);
        let root = Arc::make_mut(&mut self.root);
        if root.live() == 0 {
            root.change(&mut applying, root_kinds(&kind), ROOT_KEY, Change::Put(&[0]))?;
        }
        let edit = Change::Edit(Reader::new(delta));
        root.change(&mut applying, root_kinds(&kind), ROOT_KEY, edit)?;
        Ok(applying.pace.into_paused())
    }

    /// Sets what marks count from: the first version, which leaves no stamps; and anew when 32 bits are used up, which
    /// forgets all stamps.
    fn begin(&mut self, version: Version) {
        if self.version == Version(0) {
            self.base = version;
            self.horizon = version;
        } else if version.0.saturating_sub(self.base.0) >= u64::from(u32::MAX) {
            self.trim(self.version, usize::MAX);
            self.base = self.version;
        }
    }

    /// The memory valve: when stamps take more than their share the horizon moves half way to now.
    fn relieve(&mut self, cost: &mut Budget) {
        let totals = self.root.totals();
        if self.is_trimming {
            self.trim_counted(self.horizon, RELIEF_CELLS, cost);
        } else if totals.stamps > self.tuning.stamp_bytes.max(totals.encoded / 4) {
            let half = (self.version.0 - self.horizon.0).div_ceil(2);
            self.trim_counted(Version(self.horizon.0 + half), RELIEF_CELLS, cost);
        }
    }
}
