//! A session's object as one request has it.
//!
//! Invariants: what is shown is at least what the browser's ticket names, or an error; while the request writes and
//! commits it pins no version, so that the value is changed in place. Source: own reasoning (S2, R1, R4).

use std::time::{Duration, Instant, SystemTime};

use super::error::SessionError;
use super::gathered::Gathered;
use super::layer::{Away, Settings};
use super::stored::Stored;
use super::ticket::{Floor, Presented, Ticket};
use super::view::Seen;
use crate::client::{Guard, Node, NodeState, Object, Token};
use crate::error::Error;
use crate::tracked::Class;

/// For so long after a session got another name, requests with the former one are asked to try again; later they have no
/// session.
const RENEWED: Duration = Duration::from_secs(60);

/// What the difference of two times in whole microseconds may be too small by.
const CLOCK_STEP: Duration = Duration::from_micros(1);

/// How often a read that waits for the repository looks whether that is away: nobody tells it.
const LOOKS: Duration = Duration::from_millis(250);

/// An object, and the name under which the browser knows it.
pub(super) struct Opened<T: Class> {
    pub(super) object: Object<Stored<T>>,
    pub(super) ticket: Ticket,
    /// What is to be written with the response.
    pub(super) gathered: Gathered<T>,
    /// What this request reads; nothing from when it writes until it reads again.
    shown: Option<Guard<Stored<T>>>,
    /// The newest that this request has shown or made.
    reached: Token,
    /// Whether the request came with the name that the session has, and not with one from before it got that.
    has_newest_name: bool,
}

impl<T: Class> Opened<T> {
    pub(super) fn new(object: Object<Stored<T>>, ticket: Ticket, shown: Guard<Stored<T>>) -> Self {
        let (reached, has_newest_name) = (shown.token(), shown.rotation == ticket.rotation);
        Self { object, ticket, gathered: Gathered::default(), shown: Some(shown), reached, has_newest_name }
    }

    /// What this request reads: the same version until it writes.
    pub(super) async fn shown(&mut self) -> Result<&Guard<Stored<T>>, Error> {
        let shown = match self.shown.take() {
            Some(shown) => shown,
            None => match self.object.peek() {
                // Dropped since, to save memory.
                Err(Error::Unavailable { .. }) => self.object.read().await?,
                outcome => outcome?,
            },
        };
        self.reached = shown.token();
        Ok(self.shown.insert(shown))
    }

    /// What this request reads: with its own writes, if there are any.
    pub(super) async fn read(&mut self) -> Result<Seen<T>, SessionError> {
        if self.gathered.is_empty() {
            return Ok(Seen::Stored(self.shown().await?.clone()));
        }
        Ok(Seen::Private(self.gathered.read(&self.object).await?))
    }

    /// Who is signed in, or is by what this request wrote.
    pub(super) async fn principal(&mut self) -> Result<String, SessionError> {
        if let Some(principal) = self.gathered.principal() {
            return Ok(principal.to_owned());
        }
        Ok(self.shown().await?.principal.clone())
    }

    /// Gives the session a new name with the response.
    pub(super) async fn renew(&mut self, principal: Option<&str>) -> Result<(), SessionError> {
        self.let_go();
        self.gathered.renew(&self.object, self.ticket.rotation, principal, self.has_newest_name).await
    }

    /// Lets the version go that was shown, for a writer who would have to copy the session otherwise.
    pub(super) fn let_go(&mut self) {
        self.shown = None;
        self.gathered.let_go();
    }

    /// The newest version that this instance knows; the last one that was here if the object has no more for another reason
    /// than its end.
    pub(super) fn token(&self) -> Result<Token, Error> {
        match self.object.token() {
            Err(error) if !matches!(error, Error::Gone { .. }) => Ok(self.reached),
            outcome => outcome,
        }
    }
}

/// What a ticket leads to.
pub(super) enum Found<T: Class> {
    Session(Opened<T>),
    /// The same, and the repository lost what the browser has seen.
    Lost(Opened<T>),
    /// It was given another name a moment ago: the browser has that by now, or will.
    Renewed(Opened<T>),
    /// It has ended, or was given another name long ago.
    Nothing,
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    since_1970().as_secs()
}

/// Microseconds since 1970.
pub(super) fn now_us() -> u64 {
    u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Whether a request that arrived at `arrived` was under way when its session was given another name. An instance whose
/// clock is behind has that time before it, and answers no.
fn was_under_way(arrived: Instant, renewed_at_us: u64) -> bool {
    let since = now_us().checked_sub(renewed_at_us).map(Duration::from_micros);
    since.is_some_and(|since| arrived.elapsed() > since + CLOCK_STEP)
}

/// Opens what the cookies name of a request that arrived at `arrived`.
pub(super) async fn open<T: Class>(
    settings: &Settings,
    presented: &Presented,
    arrived: Instant,
) -> Result<Found<T>, SessionError> {
    let Presented { ticket, floor, .. } = *presented;
    let is_linked = settings.node.state() == NodeState::Ready;
    if !is_linked && settings.away == Away::Refuse {
        let why = "the repository cannot be reached, and reads from the local copy are refused".to_owned();
        return Err(SessionError::Unavailable(Error::Unavailable { why }));
    }
    let object = match settings.node.open::<Stored<T>>(&ticket.id.key()).await {
        Err(Error::Gone { .. }) => return Ok(Found::Nothing),
        outcome => outcome?,
    };
    let (shown, is_lost) = match read(settings, &object, floor, is_linked).await {
        Err(Error::LostWrite { .. }) => (object.read().await, true),
        outcome => (outcome, false),
    };
    let shown = match shown {
        Err(Error::Gone { .. } | Error::LostWrite { .. }) => return Ok(Found::Nothing),
        shown => shown?,
    };
    let (rotation, renewed_at) = (shown.rotation, shown.renewed_at);
    let is_former = rotation.checked_sub(1) == Some(ticket.rotation);
    let is_recent = Duration::from_micros(now_us().saturating_sub(renewed_at)) < RENEWED;
    let opened = Opened::new(object, ticket, shown);
    Ok(if rotation == ticket.rotation || is_former && was_under_way(arrived, renewed_at) {
        if is_lost { Found::Lost(opened) } else { Found::Session(opened) }
    } else if is_recent {
        Found::Renewed(opened)
    } else {
        Found::Nothing
    })
}

/// Reads at least what the browser has seen; shortly after a write, and while somebody writes without a response to tell of
/// it, what the repository has. If that is found to be away meanwhile, and the local copy is not refused then, that one.
async fn read<T: Class>(
    settings: &Settings,
    object: &Object<Stored<T>>,
    floor: Option<Floor>,
    is_linked: bool,
) -> Result<Guard<Stored<T>>, Error> {
    let Some(Floor { validate_until, token, .. }) = floor else {
        return object.read().await;
    };
    let seen = object.read_at(token).await?;
    if !is_linked || now_s() >= validate_until.max(seen.written_late_until) {
        return Ok(seen);
    }
    if settings.away == Away::Refuse {
        return object.fresh().await;
    }
    tokio::select! {
        outcome = object.fresh() => match outcome {
            Err(Error::Unavailable { .. } | Error::TimedOut { .. }) => Ok(seen),
            outcome => outcome,
        },
        () = silence(&settings.node) => Ok(seen),
    }
}

/// Waits until this instance has noticed that the repository is away.
async fn silence(node: &Node) {
    let mut looks = tokio::time::interval(LOOKS);
    while node.state() == NodeState::Ready {
        looks.tick().await;
    }
}
