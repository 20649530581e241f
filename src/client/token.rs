//! The text of a token: short enough for a cookie or a header.
//!
//! ```text
//! token   epoch . number . version - lossy epoch      each in base 62, digits 0-9 A-Z a-z
//! ```
//! Epoch and number name the commit that created the object. Invariant: at most 40 characters while epochs and versions
//! stay below 62⁹ and numbers below 62¹⁰, which milliseconds since 1970, and a million commits a second, do for
//! centuries. Source: own reasoning (R4).

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::ids::{Birth, CommitNumber, Epoch, Token, Version};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Token {
    /// The version it asks for.
    ///
    /// ```
    /// let token: nam::Token = "T0.1.5-T0".parse()?;
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
        write!(f, "{}.{}-{}", written(self.birth.0), base62(self.version.0), base62(self.lossy_epoch.0))
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let no_token = |why: &str| Error::Corrupt { why: why.to_owned() };
        let (numbers, loss) = match text.split_once('-') {
            Some((numbers, loss)) => (numbers, number(loss)),
            None => (text, None),
        };
        let numbers: Vec<Option<u64>> = numbers.splitn(4, '.').map(number).collect();
        match (&numbers[..], loss) {
            (&[Some(epoch), Some(n), Some(version)], Some(loss)) => {
                Ok(Self { lossy_epoch: Epoch(loss), birth: Birth(commit_number(epoch, n)), version: Version(version) })
            }
            ([Some(_), Some(_), Some(_)], None) if !text.contains('-') => {
                Err(no_token("the token is of an older form, which does not say before which loss it was given"))
            }
            _ => Err(no_token("the text is no token")),
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

    fn token(lossy_epoch: u64, epoch: u64, n: u64, version: u64) -> Token {
        let birth = Birth(CommitNumber { epoch: Epoch(epoch), n });
        Token { lossy_epoch: Epoch(lossy_epoch), birth, version: Version(version) }
    }

    #[test]
    fn a_token_comes_back_from_its_text() {
        let most = 62_u64.pow(9) - 1;
        let (longest, huge) =
            (token(most, most, 62_u64.pow(10) - 1, most), token(u64::MAX, u64::MAX, u64::MAX, u64::MAX));
        assert_eq!(longest.to_string().len(), 40);
        for token in [token(1, 0, 1, 1), token(1_763_700_000_000, 1_763_700_000_000, 77, 61), longest, huge] {
            assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        }
    }

    #[test]
    fn other_text_is_no_token() {
        let texts =
            ["", "1", "1.2", "1.2.3-", "1.2.-3", "1.2.3.4", "1.2.3.4-5", "01.2.3-1", "1.2.3-4-5", "zzzzzzzzzzzz.1.1-1"];
        for text in texts.into_iter().chain(["1.2.é-3", "1.2.3-é"]) {
            let Err(Error::Corrupt { why }) = text.parse::<Token>() else { panic!("{text} is a token") };
            assert_eq!(why, "the text is no token", "{text}");
        }
        let Err(Error::Corrupt { why }) = "1.2.3".parse::<Token>() else { panic!("the older form is a token") };
        assert!(why.contains("older form"), "{why}");
    }
}
