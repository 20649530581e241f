//! Numbers for "no": why a link was closed, why a request or a commit was refused.
//!
//! Both travel as varints and stay what they are for ever; an unknown number from a newer peer is kept as `Unknown`
//! rather than refused. Source: `docs/wire.md` §6.5.

use std::fmt;

use crate::coding::DecodeError;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $sentence:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A number that this version does not know.
            Unknown(u32),
        }

        impl $name {
            /// The number that travels.
            #[must_use]
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// What `number` means.
            #[must_use]
            pub fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    _ => Self::Unknown(number),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($sentence),)*
                    Self::Unknown(number) => write!(f, "code {number}"),
                }
            }
        }
    };
}

codes! {
    /// Says why a side closed a link.
    CloseCode {
        /// The node leaves on purpose.
        Goodbye = 0, "the node said goodbye";
        /// A record or segment does not decode.
        Malformed = 1, "a record does not decode";
        /// A record came where it has no meaning: before the greeting, twice, or for something never announced.
        OutOfOrder = 2, "a record came out of order";
        /// The two sides speak different versions of the protocol.
        Protocol = 3, "the other side speaks another version of the protocol";
        /// The shard has as many nodes as it may have.
        TooManyNodes = 4, "the shard has as many nodes as it may have";
        /// The node has more requests, commits or segments open than it may have.
        TooManyRequests = 5, "the node has more requests open than it may have";
        /// The node did not confirm what it was sent for too long.
        Slow = 6, "the node does not keep up";
        /// The same node connected again; this link is the older one.
        Superseded = 7, "the node connected again";
        /// The shard cannot make anything durable any more and stopped.
        Stopped = 8, "the shard stopped because its journal failed";
        /// The side that closes is shutting down.
        ShuttingDown = 9, "the other side is shutting down";
        /// The node may not do this.
        Denied = 10, "the node is not allowed to do this";
        /// A delta did not fit the replica it was sent for.
        Diverged = 11, "a delta did not fit its replica";
        /// The code of one side is wrong.
        Internal = 12, "an internal error";
    }
}

codes! {
    /// Says why a request or a commit was refused.
    FailureCode {
        /// The call cannot be right: an unknown class, an empty key, a base that never was.
        Invalid = 1, "the call is invalid";
        /// A limit would be crossed; the text says which.
        Limit = 2, "a limit is reached";
        /// A number would leave its range.
        Overflow = 3, "a number would leave its range";
        /// The delta does not decode, or does not fit the schema.
        Malformed = 4, "the delta does not fit the schema";
        /// The schema is not compatible with the registered one.
        Incompatible = 5, "the schema is not compatible";
        /// The node may not do this.
        Denied = 6, "the node is not allowed to do this";
        /// The shard takes no commits now.
        Unavailable = 7, "the shard takes no commits now";
        /// The object was destroyed.
        Gone = 8, "the object was destroyed";
        /// What the request relies on was lost in a restart.
        LostWrite = 9, "a write was lost in a restart";
        /// The fencing token is not that of the lock's current grant.
        Fenced = 10, "the lock is not held any more";
        /// What the repository has of the object on disk is damaged; the text names it.
        Damaged = 11, "the object is damaged on disk";
        /// The commit was sent before, and nobody remembers any more whether it took effect then; it will not now.
        Forgotten = 12, "the outcome of the commit is forgotten";
    }
}

impl FailureCode {
    /// Why a delta that gives this error is refused.
    #[must_use]
    pub fn of(error: &DecodeError) -> Self {
        if error.is_limit() { Self::Limit } else { Self::Malformed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in 0..20 {
            assert_eq!(CloseCode::from_number(number).number(), number);
            assert_eq!(FailureCode::from_number(number).number(), number);
        }
        assert_eq!(CloseCode::from_number(99).to_string(), "code 99");
        assert_eq!(CloseCode::Slow.to_string(), "the node does not keep up");
    }
}
