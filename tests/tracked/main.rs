//! What tracked types do, by topic.
#![allow(
    dead_code,
    unreachable_pub,
    unused_qualifications,
    reason = "types are as users write them, code as the derive does"
)]

mod derived;
mod derived_attributes;
mod derived_enums;
mod derived_generics;
mod derived_structs;
mod documents;
#[allow(
    dead_code,
    clippy::derivable_impls,
    clippy::single_match,
    reason = "a whole expansion, of which the tests use a part"
)]
mod expanded;
mod fuzz;
mod generations;
mod kinds;
mod lists;
mod maps;
mod requirements;
mod sets;
mod transaction;
mod wild;
