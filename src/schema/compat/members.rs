//! Pairs the fields of two structs, or the variants of two enums, by id; names are the witness that an id means the same.
//!
//! Invariant: a pair `Both` has one id and one name, an alias counted. Source: own reasoning.

use std::collections::BTreeMap;

use super::Problem;
use crate::ids::{FieldId, VariantId};
use crate::schema::{FieldDef, VariantDef};

/// A field or a variant: what has an id and a name.
pub(super) trait Member {
    /// What it is called in texts.
    const WHAT: &'static str;
    fn id(&self) -> u32;
    fn name(&self) -> &str;
    fn aliases(&self) -> &[String];

    /// Whether it is or was called `name`.
    fn answers_to(&self, name: &str) -> bool {
        self.name() == name || self.aliases().iter().any(|alias| alias == name)
    }
}

impl Member for FieldDef {
    const WHAT: &'static str = "field";

    fn id(&self) -> u32 {
        self.id.0
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }
}

impl Member for VariantDef {
    const WHAT: &'static str = "variant";

    fn id(&self) -> u32 {
        self.id.0
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }
}

/// The members of one side, by id, and the ids that side gave up.
pub(super) struct Side<'a, M> {
    by_id: BTreeMap<u32, &'a M>,
    /// Members that were not given up; one that was may share its name with its successor.
    by_name: BTreeMap<&'a str, &'a M>,
    reserved: Vec<u32>,
}

impl<'a> Side<'a, FieldDef> {
    pub(super) fn of_fields(fields: &'a [FieldDef], reserved: &[FieldId]) -> Self {
        Self::new(fields, reserved.iter().map(|id| id.0).collect())
    }
}

impl<'a> Side<'a, VariantDef> {
    pub(super) fn of_variants(variants: &'a [VariantDef], reserved: &[VariantId]) -> Self {
        Self::new(variants, reserved.iter().map(|id| id.0).collect())
    }
}

impl<'a, M: Member> Side<'a, M> {
    fn new(members: &'a [M], reserved: Vec<u32>) -> Self {
        let by_id = members.iter().map(|member| (member.id(), member)).collect();
        let is_live = |member: &&M| reserved.binary_search(&member.id()).is_err();
        let by_name = members.iter().filter(is_live).map(|member| (member.name(), member)).collect();
        Self { by_id, by_name, reserved }
    }

    /// The first id above every id this side uses or gave up.
    pub(super) fn free_id(&self) -> u32 {
        let used = self.by_id.keys().next_back().copied();
        used.max(self.reserved.last().copied()).map_or(1, |id| id.saturating_add(1))
    }

    fn has_reserved(&self, id: u32) -> bool {
        self.reserved.binary_search(&id).is_ok()
    }
}

/// One id on the two sides.
pub(super) enum Pair<'a, M> {
    Known(&'a M),
    Offered(&'a M),
    Both(&'a M, &'a M),
}

/// Pairs the members of two sides, ids ascending; where one id means two things, the known one stands and the mistake is noted.
pub(super) fn pair_members<'a, M: Member>(
    owner: &str,
    known: &Side<'a, M>,
    offered: &Side<'a, M>,
    problems: &mut Vec<Problem>,
) -> Vec<Pair<'a, M>> {
    let free = known.free_id().max(offered.free_id());
    let mut pairs = BTreeMap::new();
    for (&id, &old) in &known.by_id {
        let pair = match offered.by_id.get(&id) {
            Some(&new) if is_same(old, new) => Pair::Both(old, new),
            _ => Pair::Known(old),
        };
        pairs.insert(id, pair);
    }
    for (&id, &new) in &offered.by_id {
        match judge(owner, free, known, offered, new) {
            Some(problem) => problems.push(problem),
            None => {
                pairs.entry(id).or_insert(Pair::Offered(new));
            }
        }
    }
    pairs.into_values().collect()
}

fn is_same<M: Member>(old: &M, new: &M) -> bool {
    new.answers_to(old.name()) || old.answers_to(new.name())
}

/// What is wrong with the place of an offered member, if anything is.
fn judge<M: Member>(owner: &str, free: u32, known: &Side<'_, M>, offered: &Side<'_, M>, new: &M) -> Option<Problem> {
    let (owner, name, id) = (owner.to_owned(), new.name().to_owned(), new.id());
    let what = M::WHAT;
    if offered.has_reserved(id) {
        return Some(Problem::Reserved { what, owner, name, id, free });
    }
    let there = known.by_id.get(&id).copied();
    if there.is_some_and(|old| is_same(old, new)) {
        return None;
    }
    if let Some(from) = left_behind(known, offered, new) {
        return Some(Problem::Moved { what, owner, name, from, to: id });
    }
    match there {
        Some(old) if known.by_name.contains_key(new.name()) || offered.by_name.contains_key(old.name()) => {
            Some(Problem::Taken { what, owner, name, id, of: old.name().to_owned(), free })
        }
        Some(old) => Some(Problem::Renamed { what, owner, name, id, was: old.name().to_owned(), free }),
        None if known.has_reserved(id) => Some(Problem::Reserved { what, owner, name, id, free }),
        None => None,
    }
}

/// The id that a known member of this name has, unless the offered side says what became of it: renamed there, or reserved.
fn left_behind<M: Member>(known: &Side<'_, M>, offered: &Side<'_, M>, new: &M) -> Option<u32> {
    let old = known.by_name.get(new.name())?;
    let is_renamed = offered.by_id.get(&old.id()).is_some_and(|other| is_same(*old, *other));
    (!is_renamed && !offered.has_reserved(old.id())).then(|| old.id())
}
