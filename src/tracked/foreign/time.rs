//! Dates and times of `time`: opaque leaves, encoded by their own serde.
//!
//! Invariant: a moment keeps its offset. Source: time's serde support.

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset, Weekday};

use crate::tracked::opaque::{Opaque, opaque_types};
use crate::tracked::tracking::Tracking;

opaque_types! {
    OffsetDateTime,
    PrimitiveDateTime,
    Date,
    Time,
    UtcOffset,
    Duration,
    Weekday,
    Month,
}
