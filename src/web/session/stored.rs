//! What the repository keeps of a session, and under which key.
//!
//! Invariant: neither a key nor anything printed leads back to the id in the cookie. Source: own reasoning (S1, S3).

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::tracked::Class;

/// The root of a session's object: the application's struct, and what the layer must know. Its class is named `web.` and
/// the name of the application's.
#[derive(nam_derive::Tracked, Clone, Default)]
#[nam(crate = "crate", name = Self::CLASS)]
pub struct Stored<T: Class> {
    /// The application's.
    pub data: T,
    /// How often the session was given a new name: a cookie is of one rotation, and only the newest is accepted.
    pub(super) rotation: u64,
    /// When it was given the newest name, in microseconds since 1970.
    pub(super) renewed_at: u64,
    /// Until when a handler that has answered may go on writing, in seconds since 1970.
    #[nam(max)]
    pub(super) written_late_until: u64,
    /// Who is signed in; nobody if it is empty.
    #[nam(index)]
    pub(super) principal: String,
}

impl<T: Class> fmt::Debug for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("rotation", &self.rotation).finish_non_exhaustive()
    }
}

impl<T: Class> Stored<T> {
    /// Sessions of two types have two classes.
    const CLASS: &'static str = match std::str::from_utf8(Self::JOINED.0.split_at(Self::JOINED.1).0) {
        Ok(name) => name,
        Err(_) => "web.session",
    };

    const JOINED: ([u8; 256], usize) = append(append(([0; 256], 0), "web."), T::NAME);
}

/// Puts a text behind the bytes that are used, as far as it fits.
const fn append((mut bytes, mut used): ([u8; 256], usize), text: &str) -> ([u8; 256], usize) {
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first()
        && let Some(place) = bytes.split_at_mut(used).1.first_mut()
    {
        *place = *byte;
        used += 1;
        rest = behind;
    }
    (bytes, used)
}

/// The secret name of a session: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PublicId([u8; 16]);

impl PublicId {
    /// Draws one; `None` if the system has no randomness to give.
    pub(super) fn draw() -> Option<Self> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).ok().map(|()| Self(bytes))
    }

    /// The key of the session's object: half of the id's SHA-256, in hexadecimal.
    pub(super) fn key(self) -> String {
        let hash = digest(&SHA256, &self.0);
        hex(hash.as_ref().iter().take(16))
    }

    /// The id itself, for the cookie only.
    pub(super) fn reveal(self) -> String {
        hex(self.0.iter())
    }

    /// Reads what [`reveal`](Self::reveal) wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let value = u128::from_str_radix(text, 16).ok().filter(|_| is_hex && text.len() == 32)?;
        Some(Self(value.to_be_bytes()))
    }
}

fn hex<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicId(object {})", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(nam_derive::Tracked, Clone, Default)]
    #[nam(crate = "crate", name = "shop.Cart")]
    struct Cart {
        total: u64,
        items: u64,
    }

    #[derive(nam_derive::Tracked, Clone, Default)]
    #[nam(crate = "crate", name = "shop.Desk")]
    struct Desk {
        cash: f64,
        limit: f64,
    }

    #[test]
    fn each_class_of_sessions_has_its_name() {
        assert_eq!((Stored::<Cart>::NAME, Stored::<Desk>::NAME), ("web.shop.Cart", "web.shop.Desk"));
    }

    #[test]
    fn an_id_is_shown_by_its_hash_only() {
        let id = PublicId::draw().unwrap();
        assert_eq!(PublicId::read(&id.reveal()), Some(id));
        assert!(!format!("{id:?}").contains(&id.reveal()) && id.key() != id.reveal());
        for text in
            ["", "12", id.reveal().split_at(1).1, &format!("{}0", id.reveal()), &"+".repeat(32), &"G".repeat(32)]
        {
            assert_eq!(PublicId::read(text), None, "{text}");
        }
        assert_eq!(PublicId::read(&id.reveal().to_uppercase().replace('0', "A")), None);
    }
}
