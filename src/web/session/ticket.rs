//! What a browser's two cookies say, sealed so that nobody but the application can make them.
//!
//! ```text
//! NAME         ticket   id: 32 hex digits . rotation                                  set when the session gets a name
//! NAME-seen    floor    object's key . validate until, s since 1970 . token           set when something was written
//! ```
//! They are two because responses race: a slow response that sets what its browser has seen must not bring back the name
//! that a faster one has replaced. Of floors that race any will do, since until then every instance asks the repository.
//! Invariants: of several cookies of the layer's name one valid is accepted, and two valid ones that name different
//! sessions are none; a floor counts for the session that it was made for only; what does not verify is as good as absent.
//! Source: RFC 6265 §4.2, §5.4; own reasoning (S1, S2).

use cookie::{Cookie, CookieJar, Key};
use http::HeaderValue;

use super::stored::PublicId;
use crate::client::Token;

/// Cookies of one name that are looked at in one request.
const CANDIDATES_MAX: usize = 8;

/// A longer cookie is not ours: browsers keep no more.
const VALUE_BYTES_MAX: usize = 4_096;

/// The name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) id: PublicId,
    pub(super) rotation: u64,
}

impl Ticket {
    fn write(&self) -> String {
        format!("{}.{}", self.id.reveal(), self.rotation)
    }

    fn read(text: &str) -> Option<Self> {
        let (id, rotation) = text.split_once('.')?;
        Some(Self { id: PublicId::read(id)?, rotation: rotation.parse().ok()? })
    }
}

/// What a browser has seen of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    /// Until when every instance asks the repository, in seconds since 1970.
    pub(super) validate_until: u64,
    pub(super) token: Token,
}

impl Floor {
    fn write(&self, id: PublicId) -> String {
        format!("{}.{}.{}", id.key(), self.validate_until, self.token)
    }

    fn read(text: &str, id: PublicId) -> Option<Self> {
        let (key, rest) = text.split_once('.')?;
        let (validate_until, token) = rest.split_once('.').filter(|_| key == id.key())?;
        Some(Self { validate_until: validate_until.parse().ok()?, token: token.parse().ok()? })
    }
}

/// Whether cookies are signed, or encrypted as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealing {
    Signed,
    Private,
}

/// Seals with the newest key, and opens what former keys sealed too.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    pub(super) sealing: Sealing,
    pub(super) key: Key,
    pub(super) former: Vec<Key>,
}

/// What came with a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presented {
    pub(super) ticket: Ticket,
    pub(super) floor: Option<Floor>,
    /// Whether a former key sealed the ticket, so that it is to be sealed anew.
    pub(super) is_of_former_key: bool,
}

/// The names of a layer's cookies.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) ticket: String,
    pub(super) floor: String,
}

impl Seal {
    /// The value of the cookie with the ticket.
    pub(super) fn ticket(&self, ticket: &Ticket) -> String {
        self.seal(ticket.write())
    }

    /// The value of the cookie with the floor.
    pub(super) fn floor(&self, id: PublicId, floor: &Floor) -> String {
        self.seal(floor.write(id))
    }

    /// The one valid ticket among a request's cookies, and the highest floor that belongs to it.
    pub(super) fn find(&self, names: &Names, cookies: &[HeaderValue]) -> Option<Presented> {
        let mut tickets = self
            .opened(&names.ticket, cookies)
            .into_iter()
            .filter_map(|(text, is_of_former_key)| Some((Ticket::read(&text)?, is_of_former_key)));
        let (ticket, is_of_former_key) = tickets.next()?;
        if tickets.any(|(other, _)| other != ticket) {
            tracing::info!("a request names two sessions; it is given neither");
            return None;
        }
        let floors = self.opened(&names.floor, cookies).into_iter();
        let floors = floors.filter_map(|(text, _)| Floor::read(&text, ticket.id));
        let floor = floors.max_by_key(|floor| (floor.token, floor.validate_until));
        Some(Presented { ticket, floor, is_of_former_key })
    }

    /// What the valid cookies of a name hold, each with whether a former key sealed it.
    fn opened(&self, name: &str, cookies: &[HeaderValue]) -> Vec<(String, bool)> {
        // Another cookie of the same header may be anything.
        let texts = cookies.iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
        let named = cookies.filter(|cookie| cookie.name() == name && cookie.value().len() <= VALUE_BYTES_MAX);
        named.take(CANDIDATES_MAX).filter_map(|cookie| self.open(&cookie.into_owned())).collect()
    }

    fn seal(&self, text: String) -> String {
        let mut jar = CookieJar::new();
        let plain = Cookie::new("", text);
        match self.sealing {
            Sealing::Signed => jar.signed_mut(&self.key).add(plain),
            Sealing::Private => jar.private_mut(&self.key).add(plain),
        }
        jar.get("").map(|sealed| sealed.value().to_owned()).unwrap_or_default()
    }

    fn open(&self, cookie: &Cookie<'static>) -> Option<(String, bool)> {
        let jar = CookieJar::new();
        let sealed = Cookie::new("", cookie.value().to_owned());
        let open = |key: &Key| match self.sealing {
            Sealing::Signed => jar.signed(key).verify(sealed.clone()),
            Sealing::Private => jar.private(key).decrypt(sealed.clone()),
        };
        let mut keys = std::iter::once(&self.key).chain(&self.former).enumerate();
        keys.find_map(|(place, key)| Some((open(key)?.value().to_owned(), place > 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Version;

    fn ticket(rotation: u64) -> Ticket {
        Ticket { id: PublicId::read("00112233445566778899aabbccddeeff").unwrap(), rotation }
    }

    fn floor(version: u64) -> Floor {
        Floor { validate_until: 7, token: Token { version: Version(version), ..Token::default() } }
    }

    fn seal(sealing: Sealing, key: u8, former: &[u8]) -> Seal {
        let key_of = |byte: u8| Key::from(&[byte; 64]);
        Seal { sealing, key: key_of(key), former: former.iter().copied().map(key_of).collect() }
    }

    fn find(seal: &Seal, cookies: &[String]) -> Option<Presented> {
        let cookies = cookies.iter().map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap());
        let cookies: Vec<HeaderValue> = cookies.collect();
        seal.find(&Names { ticket: "s".into(), floor: "s-seen".into() }, &cookies)
    }

    #[test]
    fn a_ticket_comes_back_from_its_seal_only() {
        for sealing in [Sealing::Signed, Sealing::Private] {
            let seal = seal(sealing, 1, &[2]);
            let value = seal.ticket(&ticket(3));
            let found = find(&seal, &[format!("a=b; s={value}")]).unwrap();
            assert_eq!((found.ticket, found.floor, found.is_of_former_key), (ticket(3), None, false));
            assert!(find(&seal, &[format!("t={value}")]).is_none(), "another name");
            for at in 0..value.len() {
                let mut forged = value.clone().into_bytes();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                let forged = String::from_utf8(forged).unwrap();
                // The last digit of base 64 may have bits that mean nothing.
                let is_same = find(&seal, &[format!("s={forged}")]).is_none_or(|found| found.ticket == ticket(3));
                assert!(is_same, "byte {at}");
                assert!(find(&seal, &[format!("s={}", value.split_at(at).0)]).is_none(), "cut at {at}");
            }
            assert!(find(&seal, &[format!("s={value}{}", "x".repeat(5_000))]).is_none());
            assert!(find(&seal, &[format!("s={}", ticket(3).write())]).is_none(), "chosen by the client");
        }
    }

    #[test]
    fn a_former_key_opens_and_a_strange_one_does_not() {
        let value = seal(Sealing::Signed, 2, &[]).ticket(&ticket(1));
        let cookies = [format!("s={value}")];
        assert!(find(&seal(Sealing::Signed, 1, &[3, 2]), &cookies).unwrap().is_of_former_key);
        assert!(find(&seal(Sealing::Signed, 3, &[]), &cookies).is_none());
        assert!(find(&seal(Sealing::Private, 2, &[]), &cookies).is_none(), "signed is not private");
    }

    #[test]
    fn of_two_cookies_one_valid_is_accepted() {
        let seal = seal(Sealing::Signed, 1, &[]);
        let (one, two) = (seal.ticket(&ticket(1)), seal.ticket(&ticket(2)));
        assert_eq!(find(&seal, &[format!("s=A{one}; s={one}")]).unwrap().ticket, ticket(1));
        assert_eq!(find(&seal, &[format!("s={one}"), format!("s={one}")]).unwrap().ticket, ticket(1));
        assert!(find(&seal, &[format!("s={one}; s={two}")]).is_none(), "two sessions");
    }

    #[test]
    fn cookies_of_others_may_be_anything() {
        let seal = seal(Sealing::Signed, 1, &[]);
        let own = seal.ticket(&ticket(1));
        for other in ["lang=fran\u{e7}ais", "=", "no pair", "q=\"a", "j={\"a\": [1, 2]}", "s=caf\u{e9}", "%ff=%ff"] {
            let found = find(&seal, &[format!("{other}; s={own}; {other}")]);
            assert_eq!(found.map(|found| found.ticket), Some(ticket(1)), "{other}");
        }
    }

    #[test]
    fn the_highest_floor_of_the_session_counts() {
        let seal = seal(Sealing::Signed, 1, &[]);
        let other = PublicId::read("ff112233445566778899aabbccddeeff").unwrap();
        let (id, name) = (ticket(1).id, seal.ticket(&ticket(1)));
        let [low, high] = [5, 9].map(|version| seal.floor(id, &floor(version)));
        let alien = seal.floor(other, &floor(60));
        let found = find(&seal, &[format!("s={name}; s-seen={high}; s-seen={low}; s-seen={alien}")]).unwrap();
        assert_eq!(found.floor, Some(floor(9)));
    }
}
