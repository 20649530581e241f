//! One mistake in an offered schema, as one clause with the attribute to paste.
//!
//! Invariant: each text names the member, what is wrong with it, and what to write. Source: own reasoning.

use crate::schema::{Policy, SchemaError};

/// One way in which an offered schema would give known bytes another meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The two schemas describe different classes.
    #[error("it is compared with class `{offered}`: add #[nam(name = \"{known}\")] to the struct")]
    Class {
        /// The class that is known.
        known: String,
        /// The class that is offered.
        offered: String,
    },
    /// A struct became an enum, or an enum a struct.
    #[error("`{name}` was a struct and is an enum now, or the other way round: give the field that holds it a new id")]
    Form {
        /// The type.
        name: String,
    },
    /// A member's name stands at another id.
    #[error("{what} `{name}` of `{owner}` moved from id {from} to id {to}: add #[nam(id = {from})]")]
    Moved {
        /// Field or variant.
        what: &'static str,
        /// The struct or enum.
        owner: String,
        /// The member.
        name: String,
        /// The id it is known by.
        from: u32,
        /// The id it is offered with.
        to: u32,
    },
    /// A new member stands at the id of one that still exists.
    #[error("{what} `{name}` of `{owner}` takes id {id}, which belongs to `{of}`: add #[nam(id = {free})]")]
    Taken {
        /// Field or variant.
        what: &'static str,
        /// The struct or enum.
        owner: String,
        /// The new member.
        name: String,
        /// The id it takes.
        id: u32,
        /// The member that has the id.
        of: String,
        /// An id that nobody has.
        free: u32,
    },
    /// A member has another name than before.
    #[error(
        "{what} {id} of `{owner}` was `{was}` and is `{name}` now: add #[nam(alias = \"{was}\")] if it is the same, #[nam(id = {free})] if it is new"
    )]
    Renamed {
        /// Field or variant.
        what: &'static str,
        /// The struct or enum.
        owner: String,
        /// The name it is offered with.
        name: String,
        /// Its id.
        id: u32,
        /// The name it is known by.
        was: String,
        /// An id that nobody has.
        free: u32,
    },
    /// A member has an id that was given up.
    #[error("{what} `{name}` of `{owner}` has id {id}, which is reserved: add #[nam(id = {free})]")]
    Reserved {
        /// Field or variant.
        what: &'static str,
        /// The struct or enum.
        owner: String,
        /// The member.
        name: String,
        /// The reserved id.
        id: u32,
        /// An id that nobody has.
        free: u32,
    },
    /// A field holds another kind of value than before.
    #[error(
        "field `{field}` of `{owner}` was {known} and is {offered} now: add #[nam(id = {free})] to it and #[nam(reserved({id}))] to `{owner}`"
    )]
    Kind {
        /// The struct or variant.
        owner: String,
        /// The field.
        field: String,
        /// Its id.
        id: u32,
        /// The kind that is known.
        known: String,
        /// The kind that is offered.
        offered: String,
        /// An id that nobody has.
        free: u32,
    },
    /// A field has another policy than before, so operations under way would be read wrongly.
    #[error(
        "field `{field}` of `{owner}` had policy {} and has {} now: add #[nam(id = {free})] to it and #[nam(reserved({id}))] to `{owner}`",
        known.word(),
        offered.word()
    )]
    Policy {
        /// The struct or variant.
        owner: String,
        /// The field.
        field: String,
        /// Its id.
        id: u32,
        /// The policy that is known.
        known: Policy,
        /// The policy that is offered.
        offered: Policy,
        /// An id that nobody has.
        free: u32,
    },
    /// A field is new and objects that exist have no value for it.
    #[error("field `{field}` of `{owner}` is new and objects that exist lack it: add #[nam(default)]")]
    NoDefault {
        /// The struct or variant.
        owner: String,
        /// The field.
        field: String,
    },
    /// The two schemas agree, but together they break a rule.
    #[error("together with what is known: {error}")]
    Merged {
        /// The rule that is broken.
        error: SchemaError,
    },
}
