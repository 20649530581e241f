//! A token: proof that a reader has seen a version, short enough for a cookie or a header.
//!
//! ```text
//! token   epoch . number . version      each in base 62, digits 0-9 A-Z a-z, at most 35 characters together
//! ```
//! Epoch and number name the commit that created the object. Source: own reasoning (R4).

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::ids::{Birth, CommitNumber, Epoch, Version};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Names one version of one object; a read with it shows that version or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub(super) birth: Birth,
    pub(super) version: Version,
}

impl Token {
    /// The version it asks for.
    ///
    /// ```
    /// let token: nam::Token = "T0.1.5".parse()?;
    /// assert_eq!(token.version().0, 5);
    /// # Ok::<(), nam::Error>(())
    /// ```
    #[must_use]
    pub fn version(self) -> Version {
        self.version
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", written(self.birth.0), base62(self.version.0))
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '.').map(number);
        let mut part = || parts.next().flatten();
        match (part(), part(), part()) {
            (Some(epoch), Some(n), Some(version)) => {
                Ok(Self { birth: Birth(commit_number(epoch, n)), version: Version(version) })
            }
            _ => Err(Error::Corrupt { why: "the text is no token".to_owned() }),
        }
    }
}

/// A commit number as text.
pub(super) fn written(CommitNumber { epoch, n }: CommitNumber) -> String {
    format!("{}.{}", base62(epoch.0), base62(n))
}

/// A commit number from what [`written`] wrote.
pub(super) fn commit_number(epoch: u64, n: u64) -> CommitNumber {
    CommitNumber { epoch: Epoch(epoch), n }
}

fn base62(mut value: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = usize::try_from(value % 62).unwrap_or_default();
        digits.extend(DIGITS.get(digit).map(|digit| char::from(*digit)));
        value /= 62;
        if value == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Reads a number; `None` for anything that [`base62`] would not write.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        value.checked_mul(62)?.checked_add(digit as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(epoch: u64, n: u64, version: u64) -> Token {
        Token { birth: Birth(CommitNumber { epoch: Epoch(epoch), n }), version: Version(version) }
    }

    #[test]
    fn a_token_comes_back_from_its_text() {
        for token in [token(0, 1, 1), token(1_763_700_000_000, 77, 61), token(u64::MAX, u64::MAX, u64::MAX)] {
            let text = token.to_string();
            assert!(text.len() <= 40, "{text}");
            assert_eq!(text.parse::<Token>().unwrap(), token);
        }
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "1", "1.2", "1.2.", "1.2.3.4", "01.2.3", "1.2.-3", "zzzzzzzzzzzz.1.1", "1.2.é"] {
            assert!(matches!(text.parse::<Token>(), Err(Error::Corrupt { .. })), "{text}");
        }
    }
}
