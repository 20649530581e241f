//! Why a connection ended, in words that say what to change.
//!
//! Stands where quinn's errors and TLS alerts become the errors of a dial and the reasons of a closed link. Source: RFC 9000,
//! 20 (error codes), RFC 8446, 6 (alerts).

use quinn::{ConnectionError, TransportErrorCode, VarInt};

use super::settings::End;
use crate::wire::{CloseCode, CloseReason};

/// What the TLS alert of a failed handshake or a closed connection means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alert {
    /// A certificate is missing, expired, for another name, or signed by nobody who is trusted.
    Certificate,
    /// No common application protocol.
    Protocol,
    /// Anything else.
    Other,
}

impl Alert {
    /// The alert in a QUIC error code, `None` if the code does not come from TLS.
    pub(super) fn of(code: TransportErrorCode) -> Option<Self> {
        let number = u64::from(code).checked_sub(0x100).filter(|number| *number < 0x100)?;
        Some(match number {
            // bad, unsupported, revoked, expired or unknown certificate; unknown authority; access denied; wrong, none.
            42..=46 | 48 | 49 | 112 | 116 => Self::Certificate,
            120 => Self::Protocol,
            _ => Self::Other,
        })
    }
}

/// What a peer that sent this alert found wrong with the certificate it was shown.
fn fault(code: TransportErrorCode) -> String {
    match u64::from(code) {
        0x12a => "it is damaged".into(),
        0x12b => "it is not for this use".into(),
        0x12c => "it was revoked".into(),
        0x12d => "it has expired".into(),
        0x130 => "an unknown authority signed it".into(),
        0x131 => "it is another than was expected".into(),
        0x174 => "there is none".into(),
        _ => code.to_string(),
    }
}

/// What a daemon that sent this alert says to a node, and what the node's owner is to do.
pub(super) fn refused_node(code: TransportErrorCode) -> String {
    let fault = fault(code);
    format!(
        "of its certificate it says that {fault}; give the node one that an authority of the daemon's --client-ca signed \
         (`NodeBuilder::identity`)"
    )
}

/// The reason for the driver of a core at this end.
pub(super) fn close_reason(error: &ConnectionError, end: End) -> CloseReason {
    match error {
        ConnectionError::ApplicationClosed(close) => CloseReason::Closed {
            code: close_code(close.error_code),
            text: String::from_utf8_lossy(&close.reason).into_owned(),
        },
        ConnectionError::Reset => CloseReason::Lost("the other side restarted".into()),
        ConnectionError::TimedOut => CloseReason::Lost("no sign of life from the other side".into()),
        ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::CONNECTION_REFUSED => {
            CloseReason::Lost("the other side takes no more connections at present; try again later".into())
        }
        ConnectionError::ConnectionClosed(close) => match Alert::of(close.error_code) {
            Some(Alert::Certificate) => refused_certificate(close.error_code, end),
            Some(Alert::Protocol) => CloseReason::Lost("the other side speaks another protocol".into()),
            _ => CloseReason::Lost(close.to_string()),
        },
        ConnectionError::TransportError(error) if Alert::of(error.code) == Some(Alert::Certificate) => {
            CloseReason::Lost(format!("the certificate of the other side is refused: {}", error.reason))
        }
        other => CloseReason::Lost(other.to_string()),
    }
}

/// The other side does not accept the certificate of this end.
fn refused_certificate(code: TransportErrorCode, end: End) -> CloseReason {
    match end {
        End::Node => {
            let text = format!("the daemon refuses this node: {}", refused_node(code));
            CloseReason::Closed { code: CloseCode::Denied, text }
        }
        End::Daemon => CloseReason::Lost(format!(
            "the node refuses the certificate of this daemon ({}): it was given another fingerprint or authority \
             (`NodeBuilder::trust`)",
            fault(code)
        )),
    }
}

/// The number of a close, as QUIC carries it.
pub(super) fn code_number(code: CloseCode) -> VarInt {
    VarInt::from_u32(code.number())
}

fn close_code(number: VarInt) -> CloseCode {
    CloseCode::from_number(u32::try_from(number.into_inner()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_say_what_to_change() {
        assert_eq!(Alert::of(TransportErrorCode::crypto(48)), Some(Alert::Certificate));
        assert_eq!(Alert::of(TransportErrorCode::crypto(116)), Some(Alert::Certificate));
        assert_eq!(Alert::of(TransportErrorCode::crypto(120)), Some(Alert::Protocol));
        assert_eq!(Alert::of(TransportErrorCode::crypto(40)), Some(Alert::Other));
        assert_eq!(Alert::of(TransportErrorCode::PROTOCOL_VIOLATION), None);
        for (alert, says) in [(116, "there is none"), (48, "an unknown authority"), (45, "expired"), (46, "error 46")] {
            let told = refused_node(TransportErrorCode::crypto(alert));
            assert!(told.contains(says) && told.contains("--client-ca"), "{told}");
        }
    }

    #[test]
    fn codes_survive_the_way_through_quic() {
        for number in 0..20 {
            let code = CloseCode::from_number(number);
            assert_eq!(close_code(code_number(code)), code);
        }
        assert_eq!(close_code(VarInt::MAX), CloseCode::Unknown(u32::MAX));
    }
}
