//! What tracked types do, by topic.
#![allow(
    dead_code,
    unreachable_pub,
    unused_qualifications,
    reason = "types are as users write them, code as the derive does"
)]

mod expanded;
