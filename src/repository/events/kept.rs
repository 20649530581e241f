//! What the shard's state says of groups and their events.
//!
//! ```text
//! record   03 · group: epoch, n · class: sized · name: sized · newest event that it took: epoch, n
//!          04 · group: epoch, n · event: epoch, n · missed · happening (docs/wire.md §6.8)
//!          07 · group: epoch, n · oldest event that it kept at last: epoch, n · missed
//! ```
//! Events ascend behind their group. The state is written while events and groups come and go: one that was acknowledged
//! since is acknowledged again by the journal, one that came since is in the state or behind it, never taken twice; one
//! that was given up since is before the last record's, which has it counted; of two groups of one name the newer one
//! is. Source: as the state's.

use std::sync::Arc;

use bytes::Bytes;

use super::group::{Group, Happened, Kept, after};
use super::{EventId, Events, GroupId};
use crate::coding::{DecodeError, Reader, Writer};
use crate::event::Happening;

impl Events {
    /// Writes what comes at `next`: a group, or an event of it; answers what comes then.
    pub(in crate::repository) fn write_next(
        &self,
        (group_id, event): (GroupId, EventId),
        w: &mut Writer,
    ) -> Option<(GroupId, EventId)> {
        let (&found, group) = self.groups.range(group_id..).next()?;
        if found != group_id || event == EventId::default() {
            w.byte(3);
            found.write(w);
            w.sized(group.class.as_bytes());
            w.sized(group.name.as_bytes());
            group.through.write(w);
            return Some((found, after(EventId::default())));
        }
        let Some((id, kept)) = group.from(event) else {
            let (oldest, missed) = group.oldest();
            w.byte(7);
            found.write(w);
            oldest.write(w);
            w.varint(missed);
            return Some((GroupId(after(EventId(found.0)).0), EventId::default()));
        };
        w.byte(4);
        found.write(w);
        id.write(w);
        w.varint(kept.missed);
        kept.happened.shown().write(w);
        Some((found, after(id)))
    }

    pub(in crate::repository) fn read_group(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let id = GroupId::read(r)?;
        let (class, name) = (r.text()?.to_owned(), r.text()?.to_owned());
        let through = EventId::read(r)?;
        self.found(id, class, name);
        if let Some(group) = self.groups.get_mut(&id) {
            group.bound(through);
        }
        Ok(())
    }

    pub(in crate::repository) fn read_event(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (group_id, id, missed) = (GroupId::read(r)?, EventId::read(r)?, r.varint()?);
        let Happening { kind, birth, key, last } = Happening::read(r)?;
        let group = self.restored(group_id)?;
        let last = last.map(Bytes::copy_from_slice);
        let happened = Arc::new(Happened { kind, birth, key: key.into(), last });
        group.restore(id, Kept { happened, missed, told: None });
        Ok(())
    }

    pub(in crate::repository) fn read_oldest(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (group_id, id, missed) = (GroupId::read(r)?, EventId::read(r)?, r.varint()?);
        self.restored(group_id)?.restore_oldest(id, missed);
        Ok(())
    }

    fn restored(&mut self, id: GroupId) -> Result<&mut Group, DecodeError> {
        self.groups.get_mut(&id).ok_or(DecodeError::Unknown { what: "group of an event", found: id.0.n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use crate::ids::{Birth, CommitNumber, Epoch};
    use crate::limits::EVENTS_BYTES_MAX;

    fn number(n: u64) -> CommitNumber {
        CommitNumber { epoch: Epoch(1), n }
    }

    impl Events {
        fn happen(&mut self, n: u64, last: &Bytes) {
            let (kind, birth, last) = (EventKind::Expired, Birth(number(n)), Some(last.clone()));
            let happened = Arc::new(Happened { kind, birth, key: n.to_string().into(), last });
            self.take(EventId(number(n)), "Cart", &happened);
        }

        /// What its groups keep.
        fn all(&self) -> Vec<(GroupId, u64, u64)> {
            let mut all = Vec::new();
            for (id, group) in &self.groups {
                let mut next = EventId::default();
                while let Some((event, kept)) = group.from(next) {
                    all.push((*id, event.0.n, kept.missed));
                    next = after(event);
                }
            }
            all
        }

        fn read_all(bytes: &[u8]) -> Result<Self, DecodeError> {
            let (mut events, mut r) = (Self::default(), Reader::new(bytes));
            while !r.is_done() {
                match r.byte()? {
                    3 => events.read_group(&mut r)?,
                    7 => events.read_oldest(&mut r)?,
                    _ => events.read_event(&mut r)?,
                }
            }
            Ok(events)
        }
    }

    #[test]
    fn groups_that_end_while_the_state_is_written_leave_their_name_to_the_next() {
        let (mut events, mut w) = (Events::default(), Writer::new());
        events.found(GroupId(number(1)), "Cart".into(), "billing".into());
        events.happen(2, &Bytes::new());
        let mut next = events.write_next((GroupId::default(), EventId::default()), &mut w);
        next = events.write_next(next.unwrap(), &mut w);
        events.end(GroupId(number(1)));
        events.found(GroupId(number(3)), "Cart".into(), "billing".into());
        events.happen(4, &Bytes::from_static(b"last"));
        while let Some(at) = next {
            next = events.write_next(at, &mut w);
        }
        let bytes = w.into_bytes();
        let mut again = Events::read_all(&bytes).unwrap();
        assert_eq!(again.all(), [(GroupId(number(3)), 4, 0)]);
        again.happen(4, &Bytes::new());
        again.found(GroupId(number(1)), "Cart".into(), "billing".into());
        assert_eq!(again.all(), [(GroupId(number(3)), 4, 0)], "the journal says the same again");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = Events::read_all(&damaged);
            let _ = Events::read_all(&bytes[..at]);
        }
    }

    /// What becomes of groups, as the journal has it.
    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Founded,
        Happened,
        Acknowledged(u64, u64),
    }

    impl Events {
        fn replay(&mut self, n: u64, deed: Deed, last: &Bytes) {
            match deed {
                Deed::Founded => self.found(GroupId(number(n)), "Cart".into(), n.to_string()),
                Deed::Happened => self.happen(n, last),
                Deed::Acknowledged(group, event) => {
                    self.acknowledge(GroupId(number(group)), EventId(number(event)));
                }
            }
        }
    }

    /// Draws without a library: a step of a linear congruence.
    fn draw(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    #[test]
    fn a_state_that_is_written_while_events_come_and_are_given_up_counts_none_twice() {
        let (last, mut lost) = (Bytes::from(vec![0; 400]), 0);
        for seed in 0..400 {
            let (mut dice, mut w, mut next) = (seed, Writer::new(), Some(Default::default()));
            let mut live = Events { bytes_max: 4_000, ..Events::default() };
            let deeds = (1..200).map(|n| {
                let all = live.all();
                let deed = match draw(&mut dice, 10) {
                    0 if live.groups.len() < 3 => Deed::Founded,
                    1..5 if !all.is_empty() => {
                        // Mostly of the oldest ones.
                        let (group, event, _) = all[draw(&mut dice, all.len() as u64) as usize];
                        Deed::Acknowledged(group.0.n, event)
                    }
                    _ => Deed::Happened,
                };
                live.replay(n, deed, &last);
                if n > 60 && draw(&mut dice, 3) == 0 {
                    next = next.and_then(|at| live.write_next(at, &mut w));
                }
                (n, deed)
            });
            let deeds: Vec<_> = deeds.collect();
            while let Some(at) = next {
                next = live.write_next(at, &mut w);
            }
            let mut again = Events::read_all(&w.into_bytes()).unwrap();
            again.bytes_max = live.bytes_max;
            deeds.iter().for_each(|(n, deed)| again.replay(*n, *deed, &last));
            assert_eq!(again.all(), live.all(), "seed {seed}");
            lost += live.all().iter().map(|(.., missed)| missed).sum::<u64>();
        }
        assert!(lost > 0, "nothing is given up");
    }

    #[test]
    fn groups_share_what_a_shard_keeps() {
        let (mut events, last) = (Events::default(), Bytes::from(vec![0; EVENTS_BYTES_MAX / 4 - 1_000]));
        events.found(GroupId(number(1)), "Cart".into(), "billing".into());
        (2..8).for_each(|n| events.happen(n, &last));
        let group = GroupId(number(1));
        assert_eq!(events.all(), [(group, 4, 2), (group, 5, 0), (group, 6, 0), (group, 7, 0)]);
        let audit = GroupId(number(8));
        events.found(audit, "Cart".into(), "audit".into());
        events.happen(9, &last);
        assert_eq!(events.all(), [(group, 7, 5), (group, 9, 0), (audit, 9, 0)]);
    }
}
