//! What a handler answers when its session cannot be had, by `?`.
//!
//! Invariant: nothing of an id, a token or a value is ever said. Source: own reasoning (S4).

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use thiserror::Error;

use crate::error::Error;

/// Why a session could not be read or changed. As a response it has the status that its variant names, and one sentence.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// 409: other requests changed the same fields. An update whose closure gives nothing back is run again by itself, and
    /// so is [`update_now`](super::Session::update_now); the value of any other may have been used by the handler.
    #[error(
        "other requests changed the session at the same time; nothing was written: try again (what is to be tried again by \
         itself is an `update` without a value, or an `update_now`)"
    )]
    Conflict,
    /// 409: the session was given a new name by another request; the browser has the new cookie by now, or will.
    #[error("the session was renewed by another request; try again")]
    Renewed,
    /// 401: another request ended the session.
    #[error("the session has ended; sign in again")]
    Ended,
    /// 409, if anybody is left to see it: the head of the response has left, so no cookie can bring the browser the name of a
    /// new session, or the new name of the one it has.
    #[error("the response has left; the browser cannot be told the name of a session any more")]
    Answered,
    /// 409: the repository lost what this browser has seen, in a restart without a journal or a restored backup. Said
    /// once: the response brings a cookie for what is left.
    #[error("the newest changes of the session were lost; check them and try again")]
    Lost,
    /// 413: the change, or the session with it, is too large.
    #[error("the session would be too large")]
    TooLarge,
    /// 503 with `Retry-After`: the repository cannot be reached; or a newer version of the program wrote what this instance
    /// does not know, and the next try may come to one that does.
    #[error("sessions are not available for the moment; try again")]
    Unavailable(#[source] Error),
    /// 500: no layer is around the route, which `Option<Session<T>>` finds out.
    #[error(transparent)]
    Missing(#[from] MissingLayer),
    /// 500: anything else, which the log has.
    #[error("the session cannot be used")]
    Internal(#[source] Error),
}

/// Seconds after which a browser may try again.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict { .. } => Self::Conflict,
            Error::Gone { .. } => Self::Ended,
            Error::LostWrite { .. } => Self::Lost,
            Error::Limit { .. } => Self::TooLarge,
            error if error.is_retryable() => Self::Unavailable(error),
            Error::Closed | Error::Undecided { .. } | Error::Unreadable { .. } => Self::Unavailable(error),
            error => Self::Internal(error),
        }
    }
}

impl SessionError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Conflict | Self::Renewed | Self::Answered | Self::Lost => StatusCode::CONFLICT,
            Self::Ended => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Missing(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        match &self {
            Self::Missing(missing) => return missing.into_response(),
            Self::Internal(error) | Self::Unavailable(error) => tracing::warn!(%error, "a session could not be used"),
            _ => {}
        }
        let mut response = (self.status(), self.to_string()).into_response();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}

/// The layer is missing; as a response 500 that says which line to add, and a line in the log that says for which type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no SessionLayer of this session's type is around the route: add `.layer(SessionLayer::builder(node)...)`")]
pub struct MissingLayer {
    pub(super) session: &'static str,
}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        tracing::error!(session = self.session, "{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// Two layers are around one route whose cookies have one name.
#[derive(Debug, Error)]
#[error("two session layers around this route set the cookie `{name}`: give one of them another name by `with_name`")]
pub(super) struct SameCookie {
    pub(super) name: String,
}

impl IntoResponse for SameCookie {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
