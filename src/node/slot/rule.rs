//! The rules of a slot that can be switched off, each to be missed by some test.
//!
//! Source: own reasoning; mutation testing.

/// A rule of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Reads heed the version that they ask for (R4).
    Floor,
    /// And before which loss that was (F3).
    Losses,
    /// A link that broke leaves the value unverified (F1).
    Outages,
    /// What this program does not know makes the value unreadable.
    Unknown,
    /// What is under way keeps the value here (V1).
    Use,
}
