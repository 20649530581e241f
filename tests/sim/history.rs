//! What the journal says happened: the value of every object at every version, and what may be seen of it.
//!
//! The history is the referee. Frames fill it in the repository's order; nodes' reads, results of updates and the
//! repository's documents are held against it by the numbers of the invariants, and each commit against the plain
//! reference in `merge`.

use std::collections::BTreeMap;
use std::sync::Arc;

use nam::__private::{Class, Reader, Tracked};
use nam::event::EventKind;
use nam::ids::{Alias, Birth, CommitNumber, Epoch, Fence, Token, Version};
use nam::journal::{Entry, Frame, Origin, Payload, Share};
use nam::node::{Replica, Slot};

use crate::class::Desk;
use crate::events::{self, Happenings};
use crate::expiry::Limits;
use crate::guards::Part;
use crate::locks::Locks;
use crate::merge::{Clash, Merge};
use crate::order::{Begun, Order};
use crate::readings::{Refusal, Shown};

/// One object from its creation on.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) key: String,
    alias: Alias,
    limits: Limits,
    /// The value at version i + 1, and whether that is durable.
    values: Vec<(Arc<Desk>, bool)>,
    /// Where in the repository's order each version was made.
    orders: Vec<u64>,
    /// The updates in each version, by version.
    claims: BTreeMap<u64, Vec<Claim>>,
    /// The updates of which nobody was told what became of them.
    orphans: Vec<Claim>,
    /// Whether it is destroyed, and whether durably so.
    ended: Option<bool>,
    /// The versions that came back with a backup; all, if there was none.
    kept: Option<usize>,
}

/// What a backup has of each object: how many versions, its limits, and whether it is destroyed; and of events.
#[derive(Debug)]
pub(crate) struct Remembered {
    objects: BTreeMap<Birth, (usize, Limits, bool)>,
    events: events::Remembered,
}

/// An update that was told to be part of a version.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// When it joined its batch, among all.
    pub(crate) order: u64,
    pub(crate) begun: Begun,
    pub(crate) before: Desk,
    pub(crate) after: Desk,
    /// What must not have changed between what its closure saw and its commit.
    pub(crate) required: Vec<Part>,
}

/// The history of one shard.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) objects: BTreeMap<Birth, Object>,
    aliases: BTreeMap<Alias, Birth>,
    slices: BTreeMap<u64, Vec<u8>>,
    /// Entries so far.
    entries: u64,
    pieces: BTreeMap<u64, Vec<Vec<u8>>>,
    /// The last term that began with a loss.
    pub(crate) lossy_epoch: Epoch,
    /// What was durable at each loss, by the loss before it: nodes may go on showing it until they hear of the next.
    former: BTreeMap<Epoch, BTreeMap<Birth, Vec<Arc<Desk>>>>,
    pub(crate) locks: Locks,
    pub(crate) order: Order,
    pub(crate) events: Happenings,
    pub(crate) stale_commits: u64,
    pub(crate) commits: u64,
}

impl History {
    /// Takes a frame on its way to the journal.
    pub(crate) fn take(&mut self, frame: &Frame, now: u64) {
        let mut n = frame.first_commit;
        for entry in &frame.entries {
            let birth = Birth(CommitNumber { epoch: frame.epoch, n });
            n += u64::from(entry.is_commit());
            self.events.take(entry, birth.0);
            self.take_entry(entry, birth, now);
        }
        self.events.end_frame();
    }

    fn take_entry(&mut self, entry: &Entry, birth: Birth, now: u64) {
        self.entries += 1;
        match entry {
            Entry::Schema { .. } | Entry::Founded { .. } | Entry::Acknowledged { .. } => {}
            Entry::GroupEnded { .. } | Entry::Happened { .. } => {}
            Entry::Granted { alias, .. } => {
                self.living(*alias);
                self.locks.grant(self.aliases[alias], Fence(birth.0));
            }
            Entry::Limited { alias, expiry, .. } => self.living(*alias).limits.set(*expiry, now),
            Entry::Slice { staging, bytes } => {
                self.slices.entry(*staging).or_default().extend_from_slice(bytes);
                self.pieces.entry(*staging).or_default().push(bytes.to_vec());
            }
            Entry::Created { alias, key, expiry, payload, .. } => {
                let pieces = match payload {
                    Payload::Inline(bytes) => vec![bytes.to_vec()],
                    Payload::Staged(staging) => self.pieces.remove(staging).unwrap(),
                };
                let mut value = Desk::decode_root(Reader::new(&pieces[0])).unwrap();
                for piece in &pieces[1..] {
                    value.apply(Reader::new(piece), None).unwrap();
                }
                let twin = self.objects.values().find(|object| object.key == *key && object.ended.is_none());
                assert!(twin.is_none(), "I11: two living objects are named {key}");
                let values = vec![(Arc::new(value), false)];
                let (claims, orphans) = (BTreeMap::new(), Vec::new());
                let (key, alias) = (key.clone(), *alias);
                let mut limits = Limits::default();
                limits.set(*expiry, now);
                let object = Object {
                    key,
                    alias,
                    limits,
                    values,
                    orders: vec![self.entries],
                    claims,
                    orphans,
                    ended: None,
                    kept: None,
                };
                self.events.happen(EventKind::Created, birth, &object.key, None);
                self.objects.insert(birth, object);
                self.aliases.insert(alias, birth);
            }
            Entry::Committed { origin, alias, version, payload } => {
                self.locks.check_commit(self.aliases[alias], *alias, *origin);
                self.take_change((*alias, *version), payload, now);
            }
            Entry::Grouped { origin, shares } => self.take_group(*origin, shares, now),
            Entry::Destroyed { alias, .. } | Entry::Expired { alias } => {
                let birth = self.aliases[alias];
                let last = self.last_of(birth);
                let object = self.living(*alias);
                let mut kind = EventKind::Destroyed;
                if matches!(entry, Entry::Expired { .. }) {
                    object.limits.check_end(&object.key, now);
                    kind = EventKind::Expired;
                }
                object.ended = Some(false);
                let key = object.key.clone();
                self.events.happen(kind, birth, &key, last);
            }
        }
    }

    fn take_group(&mut self, origin: Origin, shares: &[Share], now: u64) {
        for Share { alias, version, payload } in shares {
            self.locks.check_commit(self.aliases[alias], *alias, origin);
            if is_moot(payload) {
                let head = self.living(*alias).values.len() as u64;
                assert_eq!(version.0, head, "I1: a part of a group changes nothing of the newest");
            } else {
                self.take_change((*alias, *version), payload, now);
            }
        }
    }

    fn take_change(&mut self, (alias, version): (Alias, Version), payload: &Payload, now: u64) {
        let delta = match payload {
            Payload::Inline(bytes) => bytes.to_vec(),
            Payload::Staged(staging) => self.slices.remove(staging).unwrap(),
        };
        let entries = self.entries;
        let object = self.living(alias);
        object.limits.use_at(now);
        assert_eq!(version.0, object.values.len() as u64 + 1, "I1: versions of {alias} are dense");
        let mut value = Desk::clone(&object.values.last().unwrap().0);
        value.apply(Reader::new(&delta), None).unwrap();
        object.values.push((Arc::new(value), false));
        object.orders.push(entries);
        self.commits += 1;
    }

    /// From which entry on a version was the newest, and up to which.
    pub(crate) fn reign(&self, at: Token) -> (u64, u64) {
        let (object, next) = (&self.objects[&at.birth], usize::try_from(at.version.0).unwrap());
        (object.orders[next - 1], object.orders.get(next).copied().unwrap_or(u64::MAX))
    }

    /// The object that a verdict is about.
    fn living(&mut self, alias: Alias) -> &mut Object {
        let object = self.objects.get_mut(&self.aliases[&alias]).unwrap();
        assert!(object.ended.is_none(), "I11: {} as {alias} is no more, and a verdict is about it", object.key);
        object
    }

    /// A node tells that it used the object.
    pub(crate) fn use_alias(&mut self, alias: Alias, now: u64) {
        if let Some(object) = self.aliases.get(&alias).and_then(|birth| self.objects.get_mut(birth)) {
            object.limits.touch(now);
        }
    }

    /// The newest object in the slot, and its limits.
    pub(crate) fn limits_at(&self, alias: Alias) -> (Birth, &Limits) {
        let birth = self.aliases[&alias];
        (birth, &self.objects[&birth].limits)
    }

    /// Everything in a frame is durable.
    pub(crate) fn settle(&mut self, frame: &Frame) {
        self.events.settle(frame);
        let mut n = frame.first_commit;
        for entry in &frame.entries {
            match entry {
                Entry::Created { .. } => {
                    let birth = Birth(CommitNumber { epoch: frame.epoch, n });
                    let object = self.objects.get_mut(&birth).unwrap();
                    object.values[0].1 = true;
                    object.limits.settle();
                    // The alias may have been given away again by a later frame.
                }
                Entry::Committed { alias, version, .. } => {
                    self.settle_change(*alias, *version);
                }
                Entry::Grouped { shares, .. } => {
                    let changed = shares.iter().filter(|share| !is_moot(&share.payload));
                    changed.for_each(|share| self.settle_change(share.alias, share.version));
                }
                Entry::Destroyed { alias, .. } | Entry::Expired { alias } => {
                    // An object that nobody held may have given its slot away already.
                    let mut of_slot = self.objects.values_mut().filter(|object| object.alias == *alias);
                    if let Some(object) = of_slot.find(|object| object.ended == Some(false)) {
                        object.ended = Some(true);
                    }
                }
                Entry::Granted { .. } => self.locks.settle(Fence(CommitNumber { epoch: frame.epoch, n })),
                Entry::Limited { alias, .. } => {
                    let mut of_slot = self.objects.values_mut().filter(|object| object.alias == *alias);
                    if let Some(object) = of_slot.find(|object| object.limits.is_settling()) {
                        object.limits.settle();
                    }
                }
                _ => {}
            }
            n += u64::from(entry.is_commit());
        }
    }

    fn settle_change(&mut self, alias: Alias, version: Version) {
        let at = usize::try_from(version.0).unwrap() - 1;
        if let Some(birth) = self.birth_at(alias, at) {
            self.objects.get_mut(&birth).unwrap().values[at].1 = true;
        }
    }

    /// The oldest object in the slot that has a version there which is not durable yet: one that nobody held may have
    /// given its slot away already.
    fn birth_at(&self, alias: Alias, at: usize) -> Option<Birth> {
        let mut of_slot = self.objects.iter().filter(|(_, object)| object.alias == alias);
        let is_it = |object: &Object| object.values.get(at).is_some_and(|(_, is_durable)| !is_durable);
        of_slot.find(|(_, object)| is_it(object)).map(|(birth, _)| *birth)
    }

    /// The repository ended before `frames` became durable: they never were. After a loss nothing is left.
    pub(crate) fn crash(&mut self, is_lossy: bool, now: u64) {
        self.slices.clear();
        self.pieces.clear();
        self.locks.crash();
        self.events.crash(is_lossy);
        if is_lossy {
            self.note_loss();
            self.objects.clear();
            self.aliases.clear();
            return;
        }
        self.objects.retain(|_, object| object.values[0].1);
        for object in self.objects.values_mut() {
            object.values.retain(|(_, is_durable)| *is_durable);
            object.orders.truncate(object.values.len());
            object.ended = object.ended.filter(|is_durable| *is_durable);
            object.limits.restart(now);
            let head = object.values.len() as u64;
            object.claims.retain(|version, _| *version <= head);
        }
        self.find_living();
    }

    fn find_living(&mut self) {
        let living = self.objects.iter().filter(|(_, object)| object.ended.is_none());
        self.aliases = living.map(|(birth, object)| (object.alias, *birth)).collect();
    }

    /// What was durable goes on being shown for a while.
    fn note_loss(&mut self) {
        let durable = |object: &Object| {
            let durable = object.values.iter().filter(|(_, is_durable)| *is_durable);
            durable.map(|(value, _)| Arc::clone(value)).collect()
        };
        let former = self.objects.iter().map(|(birth, object)| (*birth, durable(object))).collect();
        self.former.insert(self.lossy_epoch, former);
    }

    /// What a backup made now has.
    pub(crate) fn remember(&self) -> Remembered {
        let durable = self.objects.iter().filter(|(_, object)| object.values[0].1);
        let remembered = durable.map(|(birth, object)| {
            let versions = object.values.iter().filter(|(_, is_durable)| *is_durable).count();
            (*birth, (versions, object.limits.clone(), object.ended == Some(true)))
        });
        Remembered { objects: remembered.collect(), events: self.events.remember() }
    }

    /// The repository ended and comes back from a backup: what came later never was.
    pub(crate) fn restore(&mut self, remembered: &Remembered, now: u64) {
        self.note_loss();
        self.events.restore(&remembered.events);
        let remembered = &remembered.objects;
        self.objects.retain(|birth, _| remembered.contains_key(birth));
        for (birth, object) in &mut self.objects {
            let (versions, limits, is_ended) = &remembered[birth];
            object.values.truncate(*versions);
            object.orders.truncate(*versions);
            object.claims.retain(|version, _| *version <= *versions as u64);
            object.limits = limits.clone();
            object.limits.restart(now);
            (object.ended, object.kept) = (is_ended.then_some(true), Some(*versions));
        }
        self.find_living();
    }

    /// Whether the shard came back from a backup.
    pub(crate) fn is_restored(&self) -> bool {
        self.objects.values().any(|object| object.kept.is_some())
    }

    /// The value that a token names, of whichever history.
    pub(crate) fn value(&self, at: Token) -> Option<&Arc<Desk>> {
        let version = usize::try_from(at.version.0).unwrap().wrapping_sub(1);
        if at.lossy_epoch < self.lossy_epoch {
            return self.former.get(&at.lossy_epoch)?.get(&at.birth)?.get(version);
        }
        self.objects.get(&at.birth)?.values.get(version).map(|(value, _)| value)
    }

    /// A node shows `value` as a version of an object.
    pub(crate) fn check_seen(&self, who: &str, at: Token, value: &Desk) {
        let Token { lossy_epoch, birth, version } = at;
        if lossy_epoch < self.lossy_epoch {
            let Some(known) = self.value(at) else {
                panic!("I6: {who} shows {birth} at {version}, which was not there to lose")
            };
            let differs = difference(value, known);
            assert!(differs.is_none(), "I2: {who} shows {birth} at lost {version}: {}", differs.unwrap());
            return;
        }
        let Some(object) = self.objects.get(&birth) else { panic!("I6: {who} shows object {birth}, which never was") };
        let Some((known, is_durable)) = object.values.get(usize::try_from(version.0).unwrap().wrapping_sub(1)) else {
            panic!("I6: {who} shows {} at {version}, which never was", object.key)
        };
        assert!(*is_durable, "I6: {who} shows {} at {version} before that is durable", object.key);
        let differs = difference(value, known);
        assert!(differs.is_none(), "I2: {who} shows {} at {version}: {}", object.key, differs.unwrap());
    }

    /// An old node says that it cannot read an object.
    pub(crate) fn check_unreadable(&self, slot: &Slot<Desk>) {
        let (Ok(Some(newest)), Some((found, _))) = (slot.newest(), slot.unreadable()) else { return };
        if newest.lossy_epoch < self.lossy_epoch {
            return;
        }
        let object = self.objects.get(&newest.birth);
        let value = object.map(|object| &object.values[usize::try_from(found.0).unwrap() - 1]);
        if let Some((value, is_durable)) = value {
            assert!(*is_durable, "I6: {} is unreadable at {found} before that is durable", slot.name());
            assert!(!value.mood.is_old(), "I13: {} is unreadable at {found}, and nothing in it is new", slot.name());
        }
    }

    /// An update was told to be part of a version. If that was lost since, nothing is known of it.
    pub(crate) fn claim(&mut self, at: Token, claim: Claim) {
        if claim.before != claim.after {
            self.order.commit(claim.begun, at);
        }
        let Token { lossy_epoch, birth, version } = at;
        if lossy_epoch < self.lossy_epoch {
            let kept = self.objects.get(&birth).and_then(|object| object.kept);
            if kept.is_none_or(|kept| version.0 > kept as u64) {
                return;
            }
        }
        let Some(object) = self.objects.get_mut(&birth) else { panic!("I7: an update of {birth}, which never was") };
        let Some((_, is_durable)) = object.values.get(usize::try_from(version.0).unwrap().wrapping_sub(1)) else {
            panic!("I7: an update is told to be version {version} of {}, which never was", object.key)
        };
        assert!(*is_durable, "I6: an update is told to be version {version} of {} before that is durable", object.key);
        object.claims.entry(version.0).or_default().push(claim);
    }

    /// What became of an update of this object will never be told.
    pub(crate) fn orphan(&mut self, birth: Birth, claim: Claim) {
        if let Some(object) = self.objects.get_mut(&birth) {
            object.orphans.push(claim);
        }
    }

    /// A read with a token shows what `seen` names.
    pub(crate) fn check_kept(&self, Shown { key, token, .. }: &Shown, seen: Token) {
        assert_eq!(seen.birth, token.birth, "I10: another object is read as {key}");
        assert_eq!(seen.lossy_epoch, token.lossy_epoch, "I10: {key} is read from behind a loss, or before it");
        let (promised, version) = (token.version, seen.version);
        assert!(version >= promised, "I10: {key} is read at {version} where {promised} was promised");
    }

    /// A read with a token is refused; `here` is what the reader had under that name.
    pub(crate) fn check_refused(&self, Shown { key, token, .. }: &Shown, here: Token, refusal: Refusal) {
        let Token { lossy_epoch, birth, version } = token;
        // A loss ends what the reader has too, whatever it asks for.
        let is_lost = *lossy_epoch < self.lossy_epoch || here.lossy_epoch < self.lossy_epoch;
        let is_over = self.objects.get(birth).is_some_and(|object| object.ended == Some(true));
        let is_another = here.birth != *birth;
        let is_rightful = match refusal {
            Refusal::Gone => is_over || is_lost || is_another,
            Refusal::Lost => is_lost,
            Refusal::Closed => true,
        };
        assert!(is_rightful, "I10: {key} at {version} is refused as {refusal:?}");
    }

    pub(crate) fn head(&self, birth: Birth) -> Option<(Version, Arc<Desk>)> {
        let object = self.objects.get(&birth).filter(|object| object.ended.is_none())?;
        Some((Version(object.values.len() as u64), Arc::clone(&object.values.last()?.0)))
    }

    /// A search for `title` shows an object.
    pub(crate) fn check_titled(&self, birth: Birth, key: &str, title: &str) {
        let Some(object) = self.objects.get(&birth) else { panic!("I6: {key} is found, which never was") };
        assert_eq!(object.key, key, "I11: the key of {birth}");
        let had = object.values.iter().any(|(value, is_durable)| *is_durable && value.title == title);
        assert!(had, "I6: {key} is found by {title:?}, which it durably never had");
    }

    /// Whether an object is there and has had `title` from a version on.
    pub(crate) fn is_titled_since(&self, birth: Birth, since: Version, title: &str) -> bool {
        let object = self.objects.get(&birth).filter(|object| object.ended.is_none());
        let since = usize::try_from(since.0).unwrap() - 1;
        let values = object.and_then(|object| object.values.get(since..));
        values.is_some_and(|values| !values.is_empty() && values.iter().all(|(value, _)| value.title == title))
    }

    /// Holds every version against the updates that claim it.
    pub(crate) fn check_claims(&mut self) {
        let mut stale = 0;
        for object in self.objects.values_mut() {
            object.orphans.sort_by_key(|claim| claim.order);
            let mut orphans: Vec<&Claim> = object.orphans.iter().collect();
            for at in 1..object.values.len() {
                let version = at as u64 + 1;
                let told = object.claims.get_mut(&version).map(std::mem::take).unwrap_or_default();
                let made = Made { key: &object.key, version, values: &object.values[..=at] };
                stale += u64::from(made.check(told, &mut orphans));
            }
        }
        self.stale_commits += stale;
    }
}

/// Whether a part of a group changes nothing.
fn is_moot(payload: &Payload) -> bool {
    matches!(payload, Payload::Inline(delta) if delta.is_empty())
}

/// A version that was made, with all that were before it.
struct Made<'h> {
    key: &'h str,
    version: u64,
    values: &'h [(Arc<Desk>, bool)],
}

impl Made<'_> {
    /// Holds the version against the updates that were told of it, or else against some of which nobody was told what
    /// became of them; answers whether its commit was stale.
    ///
    /// A batch of operations that do nothing to the newest value (a `max` that is exceeded already, say) makes no
    /// version and is told the newest; its updates stand beside those of that version's own commit.
    fn check(&self, mut told: Vec<Claim>, orphans: &mut Vec<&Claim>) -> bool {
        told.sort_by_key(|claim| claim.order);
        let effective: Vec<&Claim> = told.iter().filter(|claim| claim.before != claim.after).collect();
        let claims: Vec<&Claim> = if effective.is_empty() { told.iter().take(1).collect() } else { effective };
        self.check_required(&told, &claims);
        let batches = batches(&claims);
        let is_idle = |batch: &Vec<&Claim>| self.is_idle(batch);
        let mut own = (0..batches.len()).filter(|own| {
            let mut others = batches.iter().enumerate().filter(|(other, _)| other != own);
            others.all(|(_, batch)| is_idle(batch))
        });
        let wrong = match self.hold(&claims) {
            Ok(is_stale) => return is_stale,
            Err(wrong) => wrong,
        };
        let own = own.find_map(|own| self.hold(&batches[own]).ok());
        let adopted = || batches.iter().all(is_idle).then(|| self.adopt(orphans)).flatten();
        own.or_else(adopted).unwrap_or_else(|| panic!("{wrong}"))
    }

    /// Updates that write nothing are told the version at which what they require stood; in a batch with others, the one
    /// which these made.
    fn check_required(&self, told: &[Claim], effective: &[&Claim]) {
        let before = &self.values[self.values.len() - 2].0;
        for claim in told.iter().filter(|claim| claim.before == claim.after) {
            let stood = |part: &&Part| {
                let with_others = effective.first().is_some_and(|first| part.stood(&first.before, before));
                part.stood(&claim.before, self.value()) || with_others
            };
            let fallen = claim.required.iter().find(|part| !stood(part));
            let Self { key, version, .. } = self;
            assert!(fallen.is_none(), "W5: {key} {version} had changed where an update required {fallen:?}");
        }
    }

    /// Whether updates together do nothing to this version.
    fn is_idle(&self, batch: &[&Claim]) -> bool {
        let (value, [first, ..]) = (self.value(), batch) else { return true };
        let last = batch[batch.len() - 1];
        Desk::merge(&first.before, &last.after, value).is_ok_and(|merged| merged == *value)
    }

    fn value(&self) -> &Desk {
        &self.values[self.values.len() - 1].0
    }

    /// Finds the updates that made this version among those of which nobody was told what became of them. Updates that
    /// build on each other may have gathered for several commits, of which the last ones were never sent.
    fn adopt(&self, orphans: &mut Vec<&Claim>) -> Option<bool> {
        for batch in batches(orphans) {
            let ranges = (0..batch.len()).flat_map(|from| (from + 1..=batch.len()).map(move |to| from..to));
            for range in ranges {
                if let Ok(is_stale) = self.hold(&batch[range.clone()]) {
                    orphans.retain(|orphan| !batch[range.clone()].iter().any(|used| std::ptr::eq(*used, *orphan)));
                    return Some(is_stale);
                }
            }
        }
        None
    }

    /// Holds the version against the updates of the commit that made it.
    fn hold(&self, claims: &[&Claim]) -> Result<bool, String> {
        let Self { key, version, .. } = self;
        let [first, ..] = claims else { return Err(format!("I7: version {version} of {key} is nobody's")) };
        let (before, after) = (&self.values[self.values.len() - 2].0, self.value());
        for pair in claims.windows(2) {
            if let Some(differs) = difference(&pair[1].before, &pair[0].after) {
                return Err(format!("I13: a closure in {key} {version} saw {differs}"));
            }
        }
        let (base, mine) = (&first.before, &claims[claims.len() - 1].after);
        if !self.values.iter().any(|(value, _)| value.as_ref() == base) {
            let nearest = difference(base, before).unwrap_or_default();
            let seen = claims.len();
            return Err(format!(
                "I13: a closure of {key} {version}, of {seen}, saw what was never committed: {nearest}"
            ));
        }
        let mut required = claims.iter().flat_map(|claim| &claim.required);
        if let Some(part) = required.find(|part| !part.stood(base, before)) {
            return Err(format!("W5: {key} {version} changed where an update required {part:?}"));
        }
        match Desk::merge(base, mine, before) {
            Ok(merged) if merged != *after => {
                let differs = difference(after, &merged).unwrap_or_default();
                return Err(format!("I9: {key} {version}, of {} updates, is {differs}", claims.len()));
            }
            Err(Clash::Overlap(what)) => {
                return Err(format!("I9: {key} {version} overlaps what it did not see: {what}"));
            }
            Ok(_) | Err(Clash::Unknown) => {}
        }
        Ok(base != before.as_ref())
    }
}

/// Parts updates into those that each saw what the one before it made.
fn batches<'c>(claims: &[&'c Claim]) -> Vec<Vec<&'c Claim>> {
    let mut batches: Vec<Vec<&Claim>> = Vec::new();
    for claim in claims {
        match batches.iter_mut().find(|batch| batch.last().is_some_and(|last| last.after == claim.before)) {
            Some(batch) => batch.push(claim),
            None => batches.push(vec![claim]),
        }
    }
    batches
}

/// The first lines of two printed values that differ.
pub(crate) fn difference(seen: &Desk, known: &Desk) -> Option<String> {
    if seen == known {
        return None;
    }
    let (seen, known) = (format!("{seen:#?}"), format!("{known:#?}"));
    let at = seen.lines().zip(known.lines()).position(|(a, b)| a != b).unwrap_or(0);
    let around = |text: &str| text.lines().skip(at.saturating_sub(2)).take(5).collect::<Vec<_>>().join(" ");
    Some(format!("{} instead of {}", around(&seen), around(&known)))
}
