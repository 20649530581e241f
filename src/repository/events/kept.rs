//! What the shard's state says of groups and their events.
//!
//! ```text
//! record   03 · group: epoch, n · class: sized · name: sized · newest event that it took: epoch, n
//!          04 · group: epoch, n · event: epoch, n · missed · happening (docs/wire.md §6.8)
//! ```
//! Events ascend behind their group. The state is written while events and groups come and go: one that was acknowledged
//! since is acknowledged again by the journal, one that came since is in the state or behind it, never taken twice; of
//! two groups of one name the newer one is. Source: as the state's.

use std::sync::Arc;

use bytes::Bytes;

use super::group::{Happened, Kept};
use super::{EventId, Events, GroupId};
use crate::coding::{DecodeError, Reader, Writer};
use crate::event::Happening;
use crate::ids::CommitNumber;

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
            return Some((GroupId(next_number(found.0)), EventId::default()));
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
        let bytes_max = self.bytes_max();
        let Some(group) = self.groups.get_mut(&group_id) else {
            return Err(DecodeError::Unknown { what: "group of an event", found: group_id.0.n });
        };
        let last = last.map(Bytes::copy_from_slice);
        let happened = Arc::new(Happened { kind, birth, key: key.into(), last });
        group.restore(id, Kept { happened, missed, told: None }, bytes_max);
        Ok(())
    }
}

/// The least number behind this one.
fn next_number(number: CommitNumber) -> CommitNumber {
    CommitNumber { n: number.n.saturating_add(1), ..number }
}

fn after(event: EventId) -> EventId {
    EventId(next_number(event.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use crate::ids::{Birth, Epoch};
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
