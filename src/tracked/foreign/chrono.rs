//! Dates and times of `chrono`: opaque leaves, encoded by their own serde.
//!
//! Invariant: a moment keeps its offset. Source: chrono's serde support.

use chrono::{DateTime, FixedOffset, Month, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc, Weekday};

use crate::tracked::opaque::{Opaque, opaque_types};
use crate::tracked::tracking::Tracking;

opaque_types! {
    DateTime<Utc>,
    DateTime<FixedOffset>,
    NaiveDate,
    NaiveTime,
    NaiveDateTime,
    TimeDelta,
    Weekday,
    Month,
}
