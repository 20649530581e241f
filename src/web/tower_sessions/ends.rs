//! Sessions that ended on this node a moment ago, and where their data went.
//!
//! tower-sessions gives a session a new id in two steps: it deletes the old one, and creates the new one when the
//! response leaves. A request that loaded the old one may save before, between and after. Invariants: what was saved
//! between waits for the new id and is carried there; a session that only ended takes nothing back; bounded in time,
//! number and bytes. Source: own reasoning (S2, spring-session #1270).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::difference::Difference;
use super::record::SessionKey;
use crate::limits::{SESSION_ENDS_KEPT_MS, SESSION_ENDS_MAX, SESSION_LATE_BYTES_MAX, SESSION_LATE_MAX};

/// What becomes of a save that came after its session had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// It is for this session now.
    Moved(SessionKey),
    /// It waits: the session may yet get another id.
    Waits,
    /// Nobody here knows of an end.
    Unknown,
}

/// The sessions that ended.
#[derive(Default)]
pub(super) struct Ends {
    ends: BTreeMap<SessionKey, End>,
    order: VecDeque<(SessionKey, Instant)>,
    /// Of all saves that wait.
    late_bytes: usize,
}

#[derive(Default)]
struct End {
    moved: Option<SessionKey>,
    late: Vec<Difference>,
}

impl Ends {
    /// Notes that a session ended.
    pub(super) fn note(&mut self, session: SessionKey, now: Instant) {
        match self.ends.insert(session, End::default()) {
            Some(former) => self.release(&former.late),
            None => self.order.push_back((session, now)),
        }
        let kept = Duration::from_millis(SESSION_ENDS_KEPT_MS);
        while let Some(&(oldest, at)) = self.order.front() {
            if self.order.len() <= SESSION_ENDS_MAX && now.duration_since(at) < kept {
                break;
            }
            self.order.pop_front();
            let gone = self.ends.remove(&oldest).unwrap_or_default();
            self.release(&gone.late);
        }
    }

    pub(super) fn has_ended(&self, session: SessionKey) -> bool {
        self.ends.contains_key(&session)
    }

    /// Says what becomes of a late save.
    pub(super) fn late(&mut self, session: SessionKey, difference: &Difference) -> Late {
        let Some(end) = self.ends.get_mut(&session) else { return Late::Unknown };
        if let Some(moved) = end.moved {
            return Late::Moved(moved);
        }
        let bytes = self.late_bytes.saturating_add(difference.bytes());
        if end.late.len() < SESSION_LATE_MAX && bytes <= SESSION_LATE_BYTES_MAX {
            self.late_bytes = bytes;
            end.late.push(difference.clone());
        }
        Late::Waits
    }

    /// The data of `session` is at `to` from now on; answers the saves that waited for it. The first move counts.
    pub(super) fn move_to(&mut self, session: SessionKey, to: SessionKey) -> Vec<Difference> {
        let Some(end) = self.ends.get_mut(&session) else { return Vec::new() };
        end.moved.get_or_insert(to);
        let late = std::mem::take(&mut end.late);
        self.release(&late);
        late
    }

    fn release(&mut self, late: &[Difference]) {
        let bytes: usize = late.iter().map(Difference::bytes).sum();
        self.late_bytes = self.late_bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Fields;
    use super::*;

    #[test]
    fn late_saves_wait_until_the_session_moves() {
        let (mut ends, start) = (Ends::default(), Instant::now());
        let [old, new, other] = [1, 2, 3].map(SessionKey::of);
        assert_eq!(ends.late(old, &Difference::default()), Late::Unknown);
        ends.note(old, start);
        for _ in 0..=SESSION_LATE_MAX {
            assert_eq!(ends.late(old, &Difference::default()), Late::Waits);
        }
        assert_eq!(ends.move_to(old, new).len(), SESSION_LATE_MAX);
        assert_eq!(ends.move_to(old, other).len(), 0);
        assert_eq!(ends.late(old, &Difference::default()), Late::Moved(new));
    }

    /// A save of a text of so many bytes.
    fn save_of(bytes: usize) -> Difference {
        let saved = [("text".to_owned(), serde_json::Value::from("x".repeat(bytes)))].into();
        Difference::between(&Fields::new(), &saved).unwrap()
    }

    #[test]
    fn waiting_saves_are_bounded_in_bytes_of_all_sessions() {
        let (mut ends, start) = (Ends::default(), Instant::now());
        let [one, two, new] = [1, 2, 3].map(SessionKey::of);
        let large = save_of(SESSION_LATE_BYTES_MAX / 3 * 2);
        for session in [one, two] {
            ends.note(session, start);
            assert_eq!(ends.late(session, &large), Late::Waits);
        }
        assert_eq!((ends.move_to(one, new).len(), ends.move_to(two, new).len()), (1, 0));
        assert_eq!(ends.late_bytes, 0);
        ends.note(new, start);
        assert_eq!(ends.late(new, &large), Late::Waits);
        ends.note(SessionKey::of(4), start + Duration::from_millis(SESSION_ENDS_KEPT_MS));
        assert_eq!(ends.late_bytes, 0, "what is forgotten counts no more");
    }

    #[test]
    fn ends_are_forgotten_in_time() {
        let (mut ends, start) = (Ends::default(), Instant::now());
        ends.note(SessionKey::of(1), start);
        ends.note(SessionKey::of(2), start + Duration::from_millis(SESSION_ENDS_KEPT_MS));
        assert!(!ends.has_ended(SessionKey::of(1)) && ends.has_ended(SessionKey::of(2)));
    }
}
