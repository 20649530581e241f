//! The fingerprint of a certificate: what two people compare before any authority exists.
//!
//! The daemon prints it at its start; a node that is given it trusts that certificate and no other. Invariants: it is the
//! SHA-256 of the whole leaf certificate; comparison takes the same time wherever two fingerprints differ.
//! Source: own reasoning (pairing as SSH does it).

use std::fmt;
use std::str::FromStr;

use ring::digest;
use rustls_pki_types::CertificateDer;
use thiserror::Error;

/// Bytes of a fingerprint.
const FINGERPRINT_BYTES: usize = 32;

/// The SHA-256 of a leaf certificate. Prints as eight groups of eight hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// Computes the fingerprint of a certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; FINGERPRINT_BYTES];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate.as_ref()).as_ref());
        Self(bytes)
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

impl Eq for Fingerprint {}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let separator = if place > 0 && place % 4 == 0 { "-" } else { "" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FingerprintError {
    /// It holds something that is neither a hexadecimal digit nor a separator.
    #[error("{0:?} is no hexadecimal digit: a fingerprint is 64 of them, in groups if you like")]
    NotHex(char),
    /// It has another number of digits.
    #[error("a fingerprint has 64 hexadecimal digits, this has {0}")]
    Length(usize),
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads hexadecimal digits, in either case, with spaces, `-` or `:` anywhere between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0_u8; FINGERPRINT_BYTES];
        let mut digits = 0;
        for character in text.chars().filter(|c| !matches!(c, ' ' | '-' | ':')) {
            let digit = character.to_digit(16).ok_or(FingerprintError::NotHex(character))?;
            if let Some(byte) = bytes.get_mut(digits / 2) {
                *byte = *byte << 4 | u8::try_from(digit).unwrap_or_default();
            }
            digits += 1;
        }
        if digits == 2 * FINGERPRINT_BYTES { Ok(Self(bytes)) } else { Err(FingerprintError::Length(digits)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_in_groups_and_reads_what_it_prints() {
        let fingerprint = Fingerprint::of(&CertificateDer::from(b"abc".to_vec()));
        let text = fingerprint.to_string();
        assert_eq!(text, "ba7816bf-8f01cfea-414140de-5dae2223-b00361a3-96177a9c-b410ff61-f20015ad");
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(text.to_uppercase().replace('-', ":").parse(), Ok(fingerprint));
    }

    #[test]
    fn refuses_what_is_no_fingerprint() {
        assert_eq!("ba78".parse::<Fingerprint>(), Err(FingerprintError::Length(4)));
        assert_eq!("0".repeat(65).parse::<Fingerprint>(), Err(FingerprintError::Length(65)));
        assert_eq!("ba7g".parse::<Fingerprint>(), Err(FingerprintError::NotHex('g')));
    }

    #[test]
    fn differs_in_any_byte() {
        let one = Fingerprint([0; FINGERPRINT_BYTES]);
        for place in 0..FINGERPRINT_BYTES {
            let mut bytes = one.0;
            bytes[place] = 1;
            assert_ne!(one, Fingerprint(bytes));
        }
    }
}
