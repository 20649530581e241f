//! Groups: commits of several objects that take effect together, and reads that show several objects as of one time.
//!
//! ```text
//!            part after part, by ascending slots              the last is judged well
//!  begin ─────▶ judged as any commit ─▶ held ─▶ next part ───────────────────────────▶ one entry, all applied, one result
//!                        │ no                                                  
//!                        └───▶ nothing is left, and one answer for all
//! ```
//! A part that was judged holds its object until the rest of the group is, so what was judged stays true. Invariants:
//! parts are held in the order of their slots, so groups never wait for each other in a circle; all of a group is in one
//! entry of one frame (I7) and applied in one call, so nobody ever meets half of it (W7). Source: own reasoning; the
//! order of the slots is that of ordered resource allocation (Havender 1968).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::holders::Place;
use super::objects::{Accepted, Offer, Terms, Underway, Verdict};
use super::outcomes::{Deed, Outcome};
use super::replay::ReplayError;
use super::work::Work;
use super::{Core, Rule};
use crate::ids::{Alias, Birth, FrameNumber, Sequence, Version};
use crate::journal::{Entry, FrameName, Origin, Payload, Share};
use crate::wire::{FailureCode, GroupAnswer, GroupCommit, GroupRead, PartOutcome, ToNode};

/// Names a group: whose commit it is.
type Name = (Place, Sequence);

/// The groups that did not take effect yet.
#[derive(Debug, Default)]
pub(super) struct Groups {
    underway: BTreeMap<Name, Group>,
}

/// A group that is being judged.
#[derive(Debug)]
struct Group {
    /// Its objects, by ascending slots; what is to be done to those whose turn has not come.
    parts: Vec<(Alias, Option<Offer>)>,
    /// How many had their turn.
    begun: usize,
}

/// What a group did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effects {
    /// The objects, by ascending slots.
    pub(super) parts: Arc<[Effect]>,
    /// The frame that makes it durable.
    frame: FrameNumber,
}

/// What a group did to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) alias: Alias,
    pub(super) birth: Birth,
    /// The version that it made, or found if it had nothing to change.
    pub(super) version: Version,
    pub(super) is_moot: bool,
    /// Whether its delta is, byte for byte, what the object changed by.
    pub(super) is_as_sent: bool,
}

impl Effect {
    fn outcome(&self) -> PartOutcome {
        if self.is_moot { PartOutcome::Moot(self.version) } else { PartOutcome::Accepted(self.version) }
    }
}

impl Core {
    /// Takes a group of a node; its parts have their turns one after the other.
    pub(super) fn take_group(&mut self, place: Place, group: &GroupCommit<'_>) {
        if !self.is_admitted(place, group.sequence) {
            return;
        }
        let Some(connection) = self.nodes.at(place).map(|node| node.connection) else { return };
        let (name, sequence) = ((place, group.sequence), group.sequence);
        let offers = group.parts.iter().map(|part| {
            let guards = Bytes::copy_from_slice(part.guards);
            let terms = Terms { base: part.base, is_isolated: part.is_isolated, fence: part.fence, guards };
            let delta = Bytes::copy_from_slice(part.delta);
            let offer = Offer { connection, place, sequence, terms, delta, is_orphan: false, is_part: true };
            (part.alias, Some(offer))
        });
        let group = Group { parts: offers.collect(), begun: 0 };
        self.groups.underway.insert(name, group);
        self.go_on_with_group(name);
    }

    /// How many parts the group of an offer has; 1 if it is in none.
    pub(super) fn parts_of(&self, offer: &Offer) -> usize {
        let group = self.groups.underway.get(&(offer.place, offer.sequence)).filter(|_| offer.is_part);
        group.map_or(1, |group| group.parts.len())
    }

    /// Gives the next part its turn; when all had theirs, the group takes effect.
    fn go_on_with_group(&mut self, name: Name) {
        let Some(group) = self.groups.underway.get_mut(&name) else { return };
        let next = group.parts.get_mut(group.begun).and_then(|(alias, offer)| Some((*alias, offer.take()?)));
        match next {
            Some((alias, offer)) => {
                group.begun += 1;
                self.take_offer(alias, offer);
            }
            None => self.conclude_group(name),
        }
    }

    /// A part was judged well: its object waits for the rest of the group.
    pub(super) fn hold_part(&mut self, alias: Alias, verdict: Verdict, payload: Option<Payload>) {
        let name = (verdict.offer.place, verdict.offer.sequence);
        self.keep_underway(alias, Underway::Held { verdict, payload });
        self.go_on_with_group(name);
    }

    /// Takes what is under way of a group out of an object, wherever it stands there.
    fn take_part(&mut self, (place, sequence): Name, alias: Alias) -> Option<Underway> {
        let turn = self.objects.at_mut(alias)?.turn.as_mut()?;
        let is_it = |offer: &Offer| offer.is_part && (offer.place, offer.sequence) == (place, sequence);
        turn.waiting.retain(|offer| !is_it(offer));
        let underway = turn.underway.take_if(|underway| is_it(underway.offer()));
        self.work.push_back(Work::Commit(alias));
        underway
    }

    /// Ends a group that does not take effect, and frees its objects; answers which these are.
    pub(super) fn drop_group(&mut self, name: Name) -> Vec<Alias> {
        let Some(group) = self.groups.underway.remove(&name) else { return Vec::new() };
        for (alias, _) in group.parts.iter().take(group.begun) {
            let held = self.take_part(name, *alias);
            if !self.rules.has(Rule::Group)
                && let Some(Underway::Held { verdict, payload: Some(payload) }) = held
            {
                self.apply_alone(*alias, verdict, payload);
            }
            self.freeze_if_wanted(*alias);
        }
        group.parts.into_iter().map(|(alias, _)| alias).collect()
    }

    /// What a part would do if groups were nothing but their parts: to see what they are for.
    fn apply_alone(&mut self, alias: Alias, verdict: Verdict, payload: Payload) {
        let Some(node) = self.nodes.at(verdict.offer.place).and_then(|node| node.id) else { return };
        let (origin, first) = (Origin { node, sequence: verdict.offer.sequence }, self.first_frame(&payload));
        if let Some((version, _)) = self.apply(alias, verdict) {
            self.frames.push(Entry::Committed { origin, alias, version, payload });
            self.note_applied(alias, first);
        }
    }

    /// Ends the group that a refused commit is part of, if it is.
    pub(super) fn drop_group_of_part(&mut self, offer: &Offer) {
        if offer.is_part {
            self.drop_group((offer.place, offer.sequence));
        }
    }

    /// As [`refuse`](Self::refuse), the whole group if it is part of one.
    pub(super) fn refuse_offer(&mut self, offer: &Offer, code: FailureCode, text: &str) {
        self.drop_group_of_part(offer);
        self.refuse(offer.place, offer.sequence, code, text);
    }

    /// Answers a commit of an object that is not there; of a group, the node hears first which object that is.
    pub(super) fn refuse_gone(&mut self, alias: Alias, offer: &Offer) {
        if offer.is_part {
            self.bring(offer.place, alias, true);
        }
        self.refuse_offer(offer, FailureCode::Gone, "");
    }

    /// Ends a group of a node that left; answers whether there was one.
    pub(super) fn drop_group_of(&mut self, place: Place) -> bool {
        let names = (place, Sequence(0))..=(place, Sequence(u64::MAX));
        let name = self.groups.underway.range(names).next().map(|(name, _)| *name);
        name.is_some_and(|name| !self.drop_group(name).is_empty())
    }

    /// All parts were judged well: the group takes effect, unless a lock that it names ended meanwhile.
    fn conclude_group(&mut self, name: Name) {
        let Some(group) = self.groups.underway.get(&name) else { return };
        let aliases: Vec<Alias> = group.parts.iter().map(|(alias, _)| *alias).collect();
        let fenced_off = aliases.iter().find_map(|&alias| {
            let underway = self.objects.at(alias)?.turn.as_ref()?.underway.as_ref()?;
            self.is_fenced_off(alias, underway.offer()).then(|| underway.offer().clone())
        });
        if let Some(offer) = fenced_off {
            self.refuse_fenced(&offer);
            return;
        }
        let Some((connection, node)) = self.nodes.at(name.0).and_then(|node| Some((node.connection, node.id?))) else {
            return;
        };
        self.groups.underway.remove(&name);
        let (mut effects, mut shares, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for alias in aliases {
            let Some(Underway::Held { verdict, payload }) = self.take_part(name, alias) else { continue };
            let Some(object) = self.objects.at(alias) else { continue };
            let (birth, head) = (object.birth, object.head());
            let mut effect = Effect { alias, birth, version: head, is_moot: true, is_as_sent: false };
            if let Some(payload) = &payload {
                changed.push((alias, self.first_frame(payload)));
                let Some((version, is_as_sent)) = self.apply(alias, verdict) else { continue };
                effect = Effect { version, is_as_sent, is_moot: false, ..effect };
            }
            effects.push(effect);
            let payload = payload.unwrap_or(Payload::Inline(Bytes::new()));
            shares.push(Share { alias, version: effect.version, payload });
        }
        let (sequence, parts) = (name.1, Arc::<[Effect]>::from(effects));
        let Some(&(first, _)) = changed.first() else {
            // Nothing is changed, so nothing is remembered.
            self.tell_group_again(name.0, (sequence, FrameNumber(0)), &parts);
            return;
        };
        let frame = self.frames.open();
        if let Some(effect) = parts.first() {
            let (alias, birth, deed) = (effect.alias, effect.birth, Deed::Grouped(Arc::clone(&parts)));
            self.outcomes.remember(node, sequence, Outcome { alias, birth, deed, frame });
        }
        self.frames.push(Entry::Grouped { origin: Origin { node, sequence }, shares });
        for (alias, first) in changed {
            self.note_applied(alias, first);
        }
        let group = Some(Box::new(Effects { parts, frame }));
        if let Some(object) = self.objects.at_mut(first) {
            let accepted = Accepted { connection, sequence, version: Version(0), is_as_sent: false, group };
            object.turn().results.push_back(accepted);
        }
    }

    /// Tells the author of a group what became of it, behind what brings it there.
    pub(super) fn tell_group(&mut self, place: Place, sequence: Sequence, effects: &Effects) {
        let Effects { parts, frame } = effects;
        let mut after = *frame;
        let mut outcomes = Vec::with_capacity(parts.len());
        for part in parts.iter() {
            let is_there = self.objects.at(part.alias).is_some_and(|object| object.birth == part.birth);
            let is_as_sent = is_there && part.is_as_sent && self.is_brought_as_sent(place, part.alias, part.version);
            if is_there && !is_as_sent {
                self.bring_user(place, part.alias);
            }
            after = after.max(self.objects.at(part.alias).filter(|_| is_there).map_or(*frame, |object| object.frame));
            outcomes.push(if is_as_sent { PartOutcome::AsSent } else { part.outcome() });
        }
        self.push_result(place, after, &ToNode::Group(GroupAnswer::Committed { sequence, outcomes }));
    }

    /// Answers a group that was sent again, or that changed nothing.
    pub(super) fn tell_group_again(
        &mut self,
        place: Place,
        (sequence, frame): (Sequence, FrameNumber),
        parts: &Arc<[Effect]>,
    ) {
        let parts = parts.iter().map(|part| Effect { is_as_sent: false, ..*part }).collect();
        self.tell_group(place, sequence, &Effects { parts, frame });
    }

    /// Brings a user of several objects to the newest of each; answers the frame that shows them all.
    pub(super) fn bring_all(&mut self, place: Place, aliases: impl Iterator<Item = Alias>) -> FrameNumber {
        let mut after = FrameNumber(0);
        for alias in aliases {
            self.bring_user(place, alias);
            after = after.max(self.objects.at(alias).map_or(FrameNumber(0), |object| object.frame));
        }
        after
    }

    /// Says at which versions several objects are now, behind what brings their holder there.
    pub(super) fn read_group(&mut self, place: Place, read: &GroupRead) {
        let GroupRead { request, objects } = read;
        let has_birth = self.rules.has(Rule::Birth);
        for (alias, birth) in objects {
            let is_it = self.objects.at(*alias).is_some_and(|object| !has_birth || object.birth == *birth);
            if !is_it || !self.is_held(place, *alias) {
                self.fail(place, *request, FailureCode::Gone, "");
                return;
            }
        }
        self.cost.add(objects.len(), 0);
        let is_joint = self.rules.has(Rule::Joint);
        let brought = objects.iter().map(|(alias, _)| *alias).filter(|_| is_joint);
        let after = self.bring_all(place, brought);
        let version = |alias: Alias| {
            let object = self.objects.at(alias)?;
            let head = object.head();
            if is_joint { Some(head) } else { Some(object.holders.find(place)?.base(head)) }
        };
        let versions = objects.iter().map(|(alias, _)| version(*alias).unwrap_or_default()).collect();
        self.push(place, after, &ToNode::Group(GroupAnswer::Read { request: *request, versions }));
    }

    /// Applies a group again, but for what images contain or ends have taken.
    pub(super) fn replay_group(
        &mut self,
        origin: Origin,
        shares: &[Share],
        at: Birth,
        frame: FrameName,
    ) -> Result<(), ReplayError> {
        let mut effects = Vec::with_capacity(shares.len());
        for Share { alias, version, payload } in shares {
            let is_moot = matches!(payload, Payload::Inline(delta) if delta.is_empty());
            let birth = if self.is_passed(*alias, at) {
                self.pass_over_change(*alias, (*version, payload), at, frame)?
            } else if is_moot {
                self.objects.at(*alias).ok_or(ReplayError::Absent { what: "an object" })?.birth
            } else {
                self.replay_change(*alias, (*version, payload), frame)?
            };
            effects.push(Effect { alias: *alias, birth, version: *version, is_moot, is_as_sent: false });
        }
        if let Some(first) = effects.first().copied() {
            self.remember(origin, (first.alias, first.birth), Deed::Grouped(effects.into()), frame);
        }
        Ok(())
    }
}
