//! The public error: what the caller must do next.
//!
//! The only file that knows every error of the modules below; here each becomes one of the few answers an application
//! can act on. Invariant: a retryable error left nothing, or says that it does not know ([`Error::Undecided`]). Source:
//! slatedb's errors by the caller's next step.

use std::time::Duration;

#[cfg(any(feature = "node", feature = "in-process"))]
use crate::coding::{DecodeError, UnknownValue};
#[cfg(any(feature = "node", feature = "in-process"))]
use crate::delta::Fault;
use crate::ids::{NodeId, ObjectName};
#[cfg(any(feature = "node", feature = "in-process"))]
use crate::node::{Ending, RefusedCommit};
#[cfg(any(feature = "node", feature = "in-process"))]
use crate::wire::{CloseCode, FailureCode};

/// Says why an operation of a node failed, by what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Run it again, later: other commits kept overlapping.
    #[error(
        "{object} kept changing: {} overlapped with other commits; begin again, now or later, or under a lock \
         (`Object::lock`)",
        tried(*.tries)
    )]
    Conflict {
        /// The object.
        object: ObjectName,
        /// How often the closure ran.
        tries: u32,
    },
    /// Ask what became of it: a change was sent and its outcome did not come in time. It may still take effect, once.
    #[error(
        "the outcome of a change of {object} is unknown{}; look at the object before you run it again",
        unknown_why(*waited)
    )]
    Undecided {
        /// The object.
        object: ObjectName,
        /// How long the node waited; nothing if it was away for so long that the repository forgot the outcome, and the
        /// change will not take effect any more, if it has not.
        waited: Duration,
    },
    /// Wait: the repository cannot be reached, or takes no commits now.
    #[error("the repository is unavailable: {why}")]
    Unavailable {
        /// What stands in the way.
        why: String,
    },
    /// Wait, or give it more time: the answer did not come.
    #[error("{what} took longer than {waited:?}: try again, or allow more time (`NodeBuilder::patience`)")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// Wait, or find out what the holder does: another keeps the lock.
    #[error(
        "{object} is locked by node {holder} for {held:?}, and was waited for {waited:?}: try again once that node has \
         released it"
    )]
    LockTimeout {
        /// The object.
        object: ObjectName,
        /// How long.
        waited: Duration,
        /// The node that has the lock.
        holder: NodeId,
        /// For how long it has it.
        held: Duration,
    },
    /// Lock it anew: the lock was released, or lost with the link. Nothing was changed under it.
    #[error("the lock of {object} is not held any more: lock it again; nothing was changed")]
    LockLost {
        /// The object.
        object: ObjectName,
    },
    /// Create it, or do without: the object is not there, or was destroyed.
    #[error("{object} is not there: it was never created, or was destroyed; `Node::open_or_create` makes it")]
    Gone {
        /// The object.
        object: ObjectName,
    },
    /// Deploy the newer version of the program on this node: another node wrote what this one does not know. Only this
    /// object is affected, and only here; it may still be destroyed.
    #[error(
        "{object} cannot be read by this version of the program, which does not know {}: deploy the newer version on this \
         node; nodes of the newer version are not affected",
        unknown_part(field, *variant)
    )]
    Unreadable {
        /// The object.
        object: ObjectName,
        /// The field that holds what is not known, by its names from the root: `orders.status`.
        field: String,
        /// The id of the variant; `None` for a leaf that its own type refuses.
        variant: Option<u32>,
    },
    /// Open it: an object of that name exists already.
    #[error("{object} exists already: open it (`Node::open`), or create it under another key")]
    Exists {
        /// The object.
        object: ObjectName,
    },
    /// Find out what is missing: writes were lost when the repository restarted without its journal, or from a backup.
    /// Open the object again to see what is left.
    #[error("{object} lost writes in a restart of the repository: open it again to see what is left")]
    LostWrite {
        /// The object.
        object: ObjectName,
    },
    /// Connect anew: this node was closed.
    #[error("the node is closed: connect a new one")]
    Closed,
    /// Get the right: this node may not do that.
    #[error("not allowed: {why}")]
    Denied {
        /// What is not allowed.
        why: String,
    },
    /// Use less: a limit is reached.
    #[error("a limit is reached: {why}")]
    Limit {
        /// Which, and how much.
        why: String,
    },
    /// Fix the call.
    #[error("invalid call: {why}")]
    Invalid {
        /// What is wrong with it.
        why: String,
    },
    /// Fix the schema or the version.
    #[error("incompatible: {why}")]
    Incompatible {
        /// What to change.
        why: String,
    },
    /// Bytes from the repository or of a token are damaged.
    #[error("damaged bytes: {why}")]
    Corrupt {
        /// What does not decode.
        why: String,
    },
    /// Report it: a defect of this library.
    #[error("an internal error: {why}")]
    Internal {
        /// What does not hold.
        why: String,
    },
}

impl Error {
    /// Whether the same call may succeed later. After [`Undecided`](Self::Undecided) it may also do its work twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
                | Self::Undecided { .. }
                | Self::Unavailable { .. }
                | Self::TimedOut { .. }
                | Self::LockTimeout { .. }
        )
    }
}

/// Why nobody knows whether a change took effect, and whether it still may.
fn unknown_why(waited: Duration) -> String {
    match waited {
        Duration::ZERO => ": the repository has forgotten it".to_owned(),
        _ => format!(" after {waited:?}: it may still take effect, once"),
    }
}

fn unknown_part(field: &str, variant: Option<u32>) -> String {
    match variant {
        Some(variant) => format!("variant {variant} of `{field}`"),
        None => format!("the value of the leaf `{field}`"),
    }
}

/// What the client makes of the answers it gets.
#[cfg(any(feature = "node", feature = "in-process"))]
impl Error {
    /// An object that is no longer there.
    pub(crate) fn ended(ending: Ending, object: &ObjectName) -> Self {
        match ending {
            Ending::Gone => Self::Gone { object: object.clone() },
            Ending::Lost => Self::LostWrite { object: object.clone() },
            Ending::Closed => Self::Closed,
        }
    }

    /// A value that this program does not know.
    pub(crate) fn unreadable(unknown: &UnknownValue, object: &ObjectName) -> Self {
        Self::Unreadable { object: object.clone(), field: unknown.path(), variant: unknown.variant() }
    }

    /// A request or commit that the repository refused.
    pub(crate) fn failed(code: FailureCode, text: &str, object: &ObjectName) -> Self {
        let why = if text.is_empty() { code.to_string() } else { text.to_owned() };
        match code {
            FailureCode::Limit | FailureCode::Overflow => Self::Limit { why: format!("{object}: {why}") },
            FailureCode::Malformed | FailureCode::Damaged => Self::Corrupt { why },
            FailureCode::Incompatible => Self::Incompatible { why },
            FailureCode::Denied => Self::Denied { why },
            FailureCode::Unavailable => Self::Unavailable { why },
            FailureCode::Gone => Self::Gone { object: object.clone() },
            FailureCode::Fenced => Self::LockLost { object: object.clone() },
            FailureCode::LostWrite => Self::LostWrite { object: object.clone() },
            FailureCode::Forgotten => Self::Undecided { object: object.clone(), waited: Duration::ZERO },
            _ => Self::Invalid { why },
        }
    }

    /// A commit that the repository refused.
    pub(crate) fn refused(refused: &RefusedCommit, object: &ObjectName) -> Self {
        Self::failed(refused.code, &refused.text, object)
    }

    /// A link that one side closed.
    pub(crate) fn turned_down(code: CloseCode, text: &str) -> Self {
        let why = match code {
            _ if text.is_empty() => code.to_string(),
            CloseCode::Denied => text.to_owned(),
            _ => format!("{code}: {text}"),
        };
        match code {
            CloseCode::Protocol => Self::Incompatible { why },
            CloseCode::Denied => Self::Denied { why },
            _ => Self::Unavailable { why },
        }
    }

    /// A value that does not go through its own encoding: the caller's mistake if a value refused, a defect otherwise.
    pub(crate) fn broken(error: &DecodeError) -> Self {
        let why = error.to_string();
        if matches!(error, DecodeError::Refused { .. }) { Self::Invalid { why } } else { Self::Internal { why } }
    }

    /// A change that is more than a limit allows.
    pub(crate) fn unfit(fault: &Fault) -> Self {
        Self::Limit { why: fault.to_string() }
    }

    pub(crate) fn nested() -> Self {
        Self::Invalid { why: "a closure that changes an object must not use that object by other ways, nor one whose closure uses this one".to_owned() }
    }
}

/// What overlapped with other commits.
fn tried(tries: u32) -> String {
    if tries == 1 { "the commit".to_owned() } else { format!("{tries} tries") }
}

impl From<crate::expiry::ExpiryError> for Error {
    fn from(error: crate::expiry::ExpiryError) -> Self {
        Self::Invalid { why: error.to_string() }
    }
}

#[cfg(feature = "node")]
impl From<crate::transport::DialError> for Error {
    fn from(error: crate::transport::DialError) -> Self {
        use crate::transport::DialError;
        use crate::wire::CloseReason;
        let why = error.to_string();
        match error {
            DialError::Untrusted { .. } | DialError::Address { .. } | DialError::Identity(_) => Self::Invalid { why },
            DialError::WrongFingerprint { .. } | DialError::CertificateRefused { .. } | DialError::Refused { .. } => {
                Self::Denied { why }
            }
            DialError::WrongProtocol { .. } => Self::Incompatible { why },
            DialError::Closed { reason: CloseReason::Closed { code, text }, .. } => Self::turned_down(code, &text),
            _ => Self::Unavailable { why },
        }
    }
}

/// Says why an update left nothing, or may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError<E> {
    /// The closure answered this error; nothing was changed.
    #[error("the update was aborted: {0}")]
    Aborted(E),
    /// The node could not carry it out.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl<E> UpdateError<E> {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Failed(error) if error.is_retryable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_later_says_so() {
        let object = ObjectName { class: "desk.Portfolio".to_owned(), key: "alice".to_owned() };
        assert!(Error::Conflict { object: object.clone(), tries: 16 }.is_retryable());
        let once = Error::Conflict { object: object.clone(), tries: 1 }.to_string();
        assert!(once.starts_with("desk.Portfolio/alice kept changing: the commit overlapped"), "{once}");
        assert!(!Error::Gone { object: object.clone() }.is_retryable());
        assert!(!UpdateError::Aborted("no").is_retryable());
        assert_eq!(
            Error::ended(Ending::Lost, &object).to_string(),
            "desk.Portfolio/alice lost writes in a restart of the repository: open it again to see what is left"
        );
    }
}
