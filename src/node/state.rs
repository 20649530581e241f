//! The states of a replica and every answer to every event.
//!
//! ```text
//!            load begun                 load ended
//!   absent ─────────────▶ loading ──────────────────────▶ current ◀──┐
//!     ▲  ▲                  │  ▲  (stale, if overtaken)    │  │ ▲    │ confirmed
//!     │  │ disconnected,    │  │ load begun                │  │ │    │
//!     │  │ nothing held     │  └───────────────────────────┤  │ └── stale ◀── overtaken
//!     │  └──────────────────┤                              │  │        │
//!     │                     │ disconnected, held     evicted  │ disconnected
//!     │ ended (any state)   ▼                              ▼  ▼        │
//!     └───────────────── unverified ◀─────────────────── shell  ◀──────┘ (to unverified)
//!
//!   loading, current, stale, unverified ── not known ──▶ unreadable ── load begun ──▶ loading
//! ```
//! The slot keeps the state, the core orders the events. A delta moves the version, never the state: only `Confirmed`
//! and `LoadEnded` make a replica current, so nothing is served as current before a resume or a pull has ended. An unreadable replica follows versions, without a
//! value, whatever the link does, until it is loaded again. Source: own reasoning; the form is that of h2's stream states.

use super::replica::Refusal;

/// How far a replica can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing is here.
    #[default]
    Absent,
    /// Identity and version are known, the value was dropped to save memory.
    Shell,
    /// A snapshot is on its way; an older value may be here meanwhile.
    Loading,
    /// The newest version that the repository has told of is here.
    Current,
    /// A newer version exists.
    Stale,
    /// The link broke since the value was confirmed.
    Unverified,
    /// The value holds what this program does not know, and was let go; its versions are followed.
    Unreadable,
}

/// What can happen to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The repository says that what is held is the newest.
    Confirmed,
    /// A snapshot was announced.
    LoadBegun,
    /// The snapshot is here as a whole.
    LoadEnded,
    /// A delta arrived.
    Delta,
    /// A newer version exists and is not here: a notice came, or too many deltas wait.
    Overtaken,
    /// The link broke.
    Disconnected,
    /// The object is gone, lost, or this node closes.
    Ended,
    /// The value is dropped to save memory.
    Evicted,
    /// What came holds something that this program does not know.
    NotKnown,
}

impl State {
    /// The state after `event`; `is_held` tells whether a value is here.
    ///
    /// # Errors
    /// `Unexpected` if the event makes no sense in this state: the peer or the driver broke the order.
    pub fn after(self, event: Event, is_held: bool) -> Result<Self, Refusal> {
        match (self, event) {
            (_, Event::Ended) => Ok(Self::Absent),
            (_, Event::LoadBegun) => Ok(Self::Loading),
            (Self::Loading, Event::LoadEnded) => Ok(Self::Current),
            (Self::Current | Self::Stale | Self::Unverified, Event::Confirmed) => Ok(Self::Current),
            (Self::Loading | Self::Unreadable, Event::Confirmed) => Ok(self),
            (Self::Loading | Self::Current | Self::Stale | Self::Unverified | Self::Unreadable, Event::Delta) => {
                Ok(self)
            }
            (Self::Loading | Self::Current | Self::Stale | Self::Unverified, Event::NotKnown) => Ok(Self::Unreadable),
            (Self::Current | Self::Stale, Event::Overtaken) => Ok(Self::Stale),
            (Self::Absent | Self::Shell | Self::Loading | Self::Unverified | Self::Unreadable, Event::Overtaken) => {
                Ok(self)
            }
            (Self::Current | Self::Stale, Event::Disconnected) => Ok(Self::Unverified),
            (Self::Loading, Event::Disconnected) if is_held => Ok(Self::Unverified),
            (Self::Loading, Event::Disconnected) => Ok(Self::Absent),
            (Self::Absent | Self::Shell | Self::Unverified | Self::Unreadable, Event::Disconnected) => Ok(self),
            (Self::Shell | Self::Current | Self::Stale | Self::Unverified, Event::Evicted) => Ok(Self::Shell),
            _ => Err(Refusal::Unexpected { state: self, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 7] = [
        State::Absent,
        State::Shell,
        State::Loading,
        State::Current,
        State::Stale,
        State::Unverified,
        State::Unreadable,
    ];
    const EVENTS: [Event; 9] = [
        Event::Confirmed,
        Event::LoadBegun,
        Event::LoadEnded,
        Event::Delta,
        Event::Overtaken,
        Event::Disconnected,
        Event::Ended,
        Event::Evicted,
        Event::NotKnown,
    ];

    #[test]
    fn every_event_in_every_state_has_its_answer() {
        let mut table = String::new();
        for state in STATES {
            table += &format!("{state:?}:");
            for event in EVENTS {
                let answer = |is_held| state.after(event, is_held).map_or("-".to_owned(), |next| format!("{next:?}"));
                let (held, bare) = (answer(true), answer(false));
                table += &if held == bare { format!(" {held}") } else { format!(" {held}/{bare}") };
            }
            table += "\n";
        }
        // Columns: confirmed, load begun, load ended, delta, overtaken, disconnected, ended, evicted, not known.
        let expected = "\
Absent: - Loading - - Absent Absent Absent - -
Shell: - Loading - - Shell Shell Absent Shell -
Loading: Loading Loading Current Loading Loading Unverified/Absent Absent - Unreadable
Current: Current Loading - Current Stale Unverified Absent Shell Unreadable
Stale: Current Loading - Stale Stale Unverified Absent Shell Unreadable
Unverified: Current Loading - Unverified Unverified Unverified Absent Shell Unreadable
Unreadable: Unreadable Loading - Unreadable Unreadable Unreadable Absent - -
";
        assert_eq!(table, expected);
    }
}
