//! What a browser's two cookies say, sealed so that nobody but the application can make them.
//!
//! ```text
//! NAME         ticket   id: 32 hex digits . rotation . made at, s since 1970          set when the session gets a name
//! NAME-seen    floor    ticket . set at, s . validate until, s . token                set when something was written, and
//!                                                                                     while the session is used
//! ```
//! They are two because responses race: a slow response that sets what its browser has seen must not bring back the name
//! that a faster one has replaced. So the newest name of either counts: a late floor with a former name hides no ticket, and
//! a floor that is set again and again keeps the name when the ticket's cookie has reached its date. Of floors that race any
//! will do, since until then every instance asks the repository.
//! Invariants: of several cookies of the layer's name one valid is accepted, and two valid ones that name different
//! sessions are none; a floor counts for the session that it was made for only; what does not verify is as good as absent.
//! Source: RFC 6265 §4.2, §5.4; own reasoning (S1, S2).

use cookie::{Cookie, CookieJar, Key};
use http::HeaderValue;

use super::VALIDATE;
use super::lasting::Lasting;
use super::notices::Notices;
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
    /// When the session was made, in seconds since 1970 by the clock of the instance that did.
    pub(super) made_at: u64,
}

impl Ticket {
    fn write(&self) -> String {
        format!("{}.{}.{}", self.id.reveal(), self.rotation, self.made_at)
    }

    fn read(text: &str) -> Option<Self> {
        let [id, rotation, made_at] = parts(text)?;
        Some(Self { id: PublicId::read(id)?, rotation: rotation.parse().ok()?, made_at: made_at.parse().ok()? })
    }
}

/// What a browser has seen of its session, and the name under which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) ticket: Ticket,
    /// When it was set, in seconds since 1970.
    set_at: u64,
    /// Until when every instance asks the repository, in seconds since 1970.
    pub(super) validate_until: u64,
    pub(super) token: Token,
}

impl Floor {
    fn write(&self) -> String {
        format!("{}.{}.{}.{}", self.ticket.write(), self.set_at, self.validate_until, self.token)
    }

    fn read(text: &str) -> Option<Self> {
        let [id, rotation, made_at, set_at, validate_until, token] = parts(text)?;
        let rotation = rotation.parse().ok()?;
        let ticket = Ticket { id: PublicId::read(id)?, rotation, made_at: made_at.parse().ok()? };
        let (set_at, validate_until) = (set_at.parse().ok()?, validate_until.parse().ok()?);
        Some(Self { ticket, set_at, validate_until, token: token.parse().ok()? })
    }
}

/// The parts of a text between points; the last has the rest.
fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.splitn(N, '.').collect::<Vec<_>>().try_into().ok()
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
    /// Whether a former key sealed the floor, so that it is to be sealed anew.
    is_of_former_key: bool,
}

impl Presented {
    /// The floor to set at a response that has `ticket` and `token`, unless the browser has it and keeps it for long enough.
    pub(super) fn floor_to_set(
        presented: Option<&Self>,
        ticket: Ticket,
        token: Token,
        lasting: Lasting,
        now: u64,
    ) -> Option<Floor> {
        let seen = presented.and_then(|presented| presented.floor).filter(|floor| floor.token == token);
        let is_enough = |floor: &Floor| {
            let is_of_former_key = presented.is_some_and(|presented| presented.is_of_former_key);
            floor.ticket == ticket && !is_of_former_key && !lasting.is_due(ticket.made_at, floor.set_at, now)
        };
        if seen.as_ref().is_some_and(is_enough) {
            return None;
        }
        // Nobody has to ask the repository because a cookie is set again.
        let validate_until = seen.map_or(now + VALIDATE.as_secs(), |floor| floor.validate_until);
        Some(Floor { ticket, set_at: now, validate_until, token })
    }
}

/// The names of a layer's cookies.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) ticket: String,
    pub(super) floor: String,
}

impl Names {
    pub(super) fn both(&self) -> [&str; 2] {
        [&self.ticket, &self.floor]
    }
}

impl Seal {
    /// The value of the cookie with the ticket.
    pub(super) fn ticket(&self, ticket: &Ticket) -> String {
        self.seal(ticket.write())
    }

    /// The value of the cookie with the floor.
    pub(super) fn floor(&self, floor: &Floor) -> String {
        self.seal(floor.write())
    }

    /// The one valid ticket among a request's cookies, and the highest floor that belongs to it; without a ticket that of
    /// the floors.
    pub(super) fn find(&self, names: &Names, cookies: &[HeaderValue], notices: &Notices) -> Option<Presented> {
        let [tickets, floors] = names.both().map(|name| self.opened(name, cookies));
        let opened = || tickets.iter().chain(&floors);
        // Beside a valid one it is no news: a key that was taken away sealed the first cookie of older sessions.
        if opened().next().is_some() && opened().all(Option::is_none) {
            notices.strange(&names.ticket);
        }
        let tickets = tickets.into_iter().flatten();
        let mut tickets: Vec<Ticket> = tickets.filter_map(|(text, _)| Ticket::read(&text)).collect();
        let floors = floors.into_iter().flatten();
        let mut floors: Vec<(Floor, bool)> =
            floors.filter_map(|(text, is_former)| Some((Floor::read(&text)?, is_former))).collect();
        tickets.dedup();
        let named = match tickets[..] {
            [] => floors.first()?.0.ticket,
            [ticket] => {
                floors.retain(|(floor, _)| floor.ticket.id == ticket.id);
                ticket
            }
            _ => {
                notices.ambiguous(&names.ticket);
                return None;
            }
        };
        if floors.iter().any(|(floor, _)| floor.ticket.id != named.id) {
            notices.ambiguous(&names.ticket);
            return None;
        }
        let names = floors.iter().map(|(floor, _)| floor.ticket).chain([named]);
        let ticket = names.max_by_key(|ticket| ticket.rotation)?;
        let highest = floors.into_iter().max_by_key(|(floor, _)| (floor.token, floor.validate_until));
        let (floor, is_of_former_key) = highest.map_or((None, false), |(floor, is_former)| (Some(floor), is_former));
        Some(Presented { ticket, floor, is_of_former_key })
    }

    /// What the cookies of a name hold, each with whether a former key sealed it; nothing for one that no key did.
    fn opened(&self, name: &str, cookies: &[HeaderValue]) -> Vec<Option<(String, bool)>> {
        // Another cookie of the same header may be anything.
        let texts = cookies.iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
        let named = cookies.filter(|cookie| cookie.name() == name && cookie.value().len() <= VALUE_BYTES_MAX);
        named.take(CANDIDATES_MAX).map(|cookie| self.open(&cookie.into_owned())).collect()
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
        // RFC 6265 §4.1.1: some clients put a value in quotes, which are none of it.
        let sealed = Cookie::new("", cookie.value_trimmed().to_owned());
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
    use std::time::Duration;

    use super::*;
    use crate::expiry::Expiry;
    use crate::ids::Version;

    fn ticket(rotation: u64) -> Ticket {
        Ticket { id: PublicId::read("00112233445566778899aabbccddeeff").unwrap(), rotation, made_at: 5 }
    }

    fn token(version: u64) -> Token {
        Token { version: Version(version), ..Token::default() }
    }

    fn floor(rotation: u64, version: u64) -> Floor {
        Floor { ticket: ticket(rotation), set_at: 6, validate_until: 7, token: token(version) }
    }

    fn seal(sealing: Sealing, key: u8, former: &[u8]) -> Seal {
        let key_of = |byte: u8| Key::from(&[byte; 64]);
        Seal { sealing, key: key_of(key), former: former.iter().copied().map(key_of).collect() }
    }

    fn find(seal: &Seal, cookies: &[String]) -> Option<Presented> {
        let cookies = cookies.iter().map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap());
        let cookies: Vec<HeaderValue> = cookies.collect();
        seal.find(&Names { ticket: "s".into(), floor: "s-seen".into() }, &cookies, &Notices::default())
    }

    #[test]
    fn a_ticket_comes_back_from_its_seal_only() {
        for sealing in [Sealing::Signed, Sealing::Private] {
            let seal = seal(sealing, 1, &[2]);
            let value = seal.ticket(&ticket(3));
            let found = find(&seal, &[format!("a=b; s={value}")]).unwrap();
            assert_eq!((found.ticket, found.floor, found.is_of_former_key), (ticket(3), None, false));
            assert!(find(&seal, &[format!("t={value}")]).is_none(), "another name");
            assert_eq!(
                find(&seal, &[format!("s=\"{value}\"")]).map(|found| found.ticket),
                Some(ticket(3)),
                "in quotes"
            );
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
        let former = seal(Sealing::Signed, 2, &[]);
        let cookies = [format!("s={}; s-seen={}", former.ticket(&ticket(1)), former.floor(&floor(1, 9)))];
        let found = find(&seal(Sealing::Signed, 1, &[3, 2]), &cookies);
        let set = |now| Presented::floor_to_set(found.as_ref(), ticket(1), token(9), Lasting::UntilClosed, now);
        assert_eq!(set(60), Some(Floor { set_at: 60, ..floor(1, 9) }), "sealed anew, and nobody has to ask for it");
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
        let id = PublicId::read("ff112233445566778899aabbccddeeff").unwrap();
        let name = seal.ticket(&ticket(1));
        let [low, high] = [5, 9].map(|version| seal.floor(&floor(1, version)));
        let alien = seal.floor(&Floor { ticket: Ticket { id, ..ticket(7) }, ..floor(1, 60) });
        let found = find(&seal, &[format!("s={name}; s-seen={high}; s-seen={low}; s-seen={alien}")]).unwrap();
        assert_eq!((found.ticket, found.floor), (ticket(1), Some(floor(1, 9))));
        assert!(find(&seal, &[format!("s-seen={high}; s-seen={alien}")]).is_none(), "two sessions");
        assert!(find(&seal, &[format!("s={high}; s-seen={name}")]).is_none(), "neither is the other");
    }

    #[test]
    fn the_newest_name_of_either_cookie_counts() {
        let seal = seal(Sealing::Signed, 1, &[]);
        for (of_ticket, of_floor) in [(Some(2), 1), (Some(1), 2), (None, 2)] {
            let name = of_ticket.map(|rotation| format!("s={}; ", seal.ticket(&ticket(rotation)))).unwrap_or_default();
            let found = find(&seal, &[format!("{name}s-seen={}", seal.floor(&floor(of_floor, 9)))]).unwrap();
            assert_eq!(found.ticket, ticket(2), "{of_ticket:?}");
            let set = Presented::floor_to_set(Some(&found), ticket(2), token(9), Lasting::UntilClosed, 60);
            assert_eq!(set.is_some(), of_floor == 1, "a late response brought the former name");
        }
    }

    #[test]
    fn a_floor_is_set_when_something_changed_and_when_a_quarter_of_its_time_has_passed() {
        let lasting = Lasting::As(Expiry::idle(Duration::from_secs(1_800)));
        let seen = Presented { ticket: ticket(1), floor: Some(floor(1, 9)), is_of_former_key: false };
        let set =
            |ticket, version, lasting, now| Presented::floor_to_set(Some(&seen), ticket, token(version), lasting, now);
        assert_eq!(set(ticket(1), 9, lasting, 6 + 449), None);
        assert_eq!(set(ticket(1), 9, lasting, 6 + 450), Some(Floor { set_at: 456, ..floor(1, 9) }));
        assert_eq!(set(ticket(1), 9, Lasting::UntilClosed, 1_000_000), None);
        let written = Floor { set_at: 10, validate_until: 15, ..floor(1, 10) };
        assert_eq!(set(ticket(1), 10, lasting, 10), Some(written), "for a while every instance asks");
        assert_eq!(set(ticket(2), 9, lasting, 10), Some(Floor { set_at: 10, ..floor(2, 9) }));
        let first = Presented::floor_to_set(None, ticket(0), token(1), lasting, 10);
        assert_eq!(first, Some(Floor { set_at: 10, validate_until: 15, ..floor(0, 1) }));
    }
}
