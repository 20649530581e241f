//! How sessions and their cookies are to be: the layer's builder.
//!
//! Invariant: a combination that browsers or this layer cannot serve is refused when the layer is built, not at the first
//! response. Source: tower-sessions, whose words are kept; RFC 6265bis §4.1.3 (prefixes of names).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cookie::{Cookie, Key, SameSite, time};
use thiserror::Error;
use tower_layer::Layer;

use super::everywhere::sign_out_everywhere;
use super::lasting::Lasting;
use super::notices::Notices;
use super::service::SessionService;
use super::ticket::{Floor, Names, Seal, Sealing, Ticket};
use crate::client::Node;
use crate::error::Error;
use crate::expiry::{Expiry, ExpiryError};
use crate::tracked::Class;

/// The idle limit of a session by default.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// The cookie's name by default: browsers then keep it from every other host, and from plain HTTP.
const NAME: &str = "__Host-session";

/// The cookie's name by default where the prefix is not to be had.
const PLAIN_NAME: &str = "session";

/// What handlers get while the repository cannot be reached. Give routes that differ layers that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Away {
    /// Reads show the local copy, for as long as the node allows and if it is not older than what the browser has seen;
    /// writes wait, then answer 503.
    #[default]
    ReadLocal,
    /// Reads and writes answer 503.
    Refuse,
}

/// Why a layer cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No key.
    #[error(
        "the cookie is neither signed nor private: give the layer a key by `with_signed(key)` or `with_private(key)`"
    )]
    NoKey,
    /// Several keys.
    #[error(
        "the cookie has several keys: give the layer one, by `with_signed(key)` or `with_private(key)`, and those of before by \
         `with_former_key(key)`"
    )]
    SeveralKeys,
    /// The name.
    #[error("`{name}` cannot be the name of a cookie: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The path or the domain.
    #[error("`{value}` cannot be the {what} of a cookie")]
    Attribute {
        /// Path or domain.
        what: &'static str,
        /// What was given.
        value: String,
    },
    /// `SameSite=None` without `Secure`.
    #[error(
        "browsers drop a cookie with SameSite=None that is not Secure: use `with_secure(true)` or another SameSite"
    )]
    SameSite,
    /// The expiry.
    #[error("sessions cannot expire so: {0}")]
    Expiry(ExpiryError),
}

/// What every request of a layer needs.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) node: Node,
    pub(super) names: Names,
    pub(super) seal: Seal,
    pub(super) notices: Notices,
    pub(super) expiry: Expiry,
    pub(super) lasting: Lasting,
    pub(super) away: Away,
    secure: bool,
    same_site: SameSite,
    path: String,
    domain: Option<String>,
}

impl Settings {
    /// The cookie that brings a session's name to the browser.
    pub(super) fn ticket(&self, ticket: &Ticket, now: u64) -> Cookie<'static> {
        self.dated(&self.names.ticket, self.seal.ticket(ticket), ticket, now)
    }

    /// The cookie that brings what the browser has seen.
    pub(super) fn floor(&self, floor: &Floor, now: u64) -> Cookie<'static> {
        self.dated(&self.names.floor, self.seal.floor(floor), &floor.ticket, now)
    }

    fn dated(&self, name: &str, value: String, ticket: &Ticket, now: u64) -> Cookie<'static> {
        let mut cookie = self.cookie(name, value);
        let seconds = self.lasting.max_age_s(ticket.made_at, now).and_then(|seconds| i64::try_from(seconds).ok());
        cookie.set_max_age(seconds.map(time::Duration::seconds));
        cookie
    }

    /// The cookies that take the browser's back.
    pub(super) fn removals(&self) -> [Cookie<'static>; 2] {
        self.names.both().map(|name| {
            let mut cookie = self.cookie(name, String::new());
            cookie.make_removal();
            cookie
        })
    }

    fn cookie(&self, name: &str, value: String) -> Cookie<'static> {
        let cookie = Cookie::build((name.to_owned(), value)).http_only(true).path(self.path.clone());
        let mut cookie = cookie.secure(self.secure).same_site(self.same_site).build();
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain.clone());
        }
        cookie
    }
}

/// Gives the routes inside of it sessions of one type; see [`Session`](super::Session).
pub struct SessionLayer<T: Class> {
    settings: Arc<Settings>,
    sessions: PhantomData<fn() -> T>,
}

impl<T: Class> SessionLayer<T> {
    /// Begins a layer whose sessions this node holds.
    pub fn builder(node: Node) -> SessionLayerBuilder<T> {
        SessionLayerBuilder {
            node,
            name: None,
            keys: Vec::new(),
            former: Vec::new(),
            expiry: None,
            is_until_closed: false,
            away: Away::default(),
            secure: true,
            same_site: SameSite::Lax,
            path: "/".to_owned(),
            domain: None,
            sessions: PhantomData,
        }
    }
}

impl<T: Class> SessionLayer<T> {
    /// Ends the sessions of this type that `principal` is signed in with, on every instance; answers how many there were.
    /// For those who may sign others out; a clone of the layer can be kept for it. Each instance hears of it as of any
    /// change; one that has lost its link shows what it has, as [`Away`] says.
    ///
    /// ```
    /// use nam::web::{Key, SessionLayer};
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { items: Vec<String>, total: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// let sessions = SessionLayer::<Cart>::builder(node).with_signed(Key::generate()).build().expect("can work");
    /// assert_eq!(sessions.sign_out_everywhere("alice").await?, 0); // she is signed in nowhere
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Node::find`] and [`Node::destroy`]; the others are ended also if one cannot be.
    pub async fn sign_out_everywhere(&self, principal: &str) -> Result<usize, Error> {
        sign_out_everywhere::<T>(&self.settings.node, principal).await
    }
}

impl<T: Class> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings), sessions: PhantomData }
    }
}

impl<T: Class> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("name", &self.settings.names.ticket).finish_non_exhaustive()
    }
}

impl<S, T: Class> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> SessionService<S, T> {
        SessionService::new(inner, Arc::clone(&self.settings))
    }
}

/// Sets up a [`SessionLayer`]; the words are those of tower-sessions.
#[must_use = "a builder does nothing until it builds"]
pub struct SessionLayerBuilder<T: Class> {
    node: Node,
    name: Option<String>,
    keys: Vec<(Sealing, Key)>,
    former: Vec<Key>,
    expiry: Option<Expiry>,
    is_until_closed: bool,
    away: Away,
    secure: bool,
    same_site: SameSite,
    path: String,
    domain: Option<String>,
    sessions: PhantomData<fn() -> T>,
}

impl<T: Class> SessionLayerBuilder<T> {
    /// Signs cookies with `key`, the same on every instance: nobody else can make one.
    pub fn with_signed(mut self, key: Key) -> Self {
        self.keys.push((Sealing::Signed, key));
        self
    }

    /// Encrypts cookies with `key`, the same on every instance: nobody else can make or read one.
    pub fn with_private(mut self, key: Key) -> Self {
        self.keys.push((Sealing::Private, key));
        self
    }

    /// Accepts cookies of a key that was used before; they are sealed anew with the present one when they come.
    pub fn with_former_key(mut self, key: Key) -> Self {
        self.former.push(key);
        self
    }

    /// Names the cookie; `__Host-session` by default, or `session` where that cannot be. Another has the same name and
    /// `-seen`. Two layers of one application, for two types, need two names: they would overwrite each other's cookies. A
    /// route that is inside of both is answered 500 in words then.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether browsers send the cookie over TLS only; they do by default.
    pub fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether the cookie comes along from other sites; `Lax` by default, so that links and sign-in pages elsewhere work.
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sends the cookie for this path and what is below only; `/` by default.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sends the cookie to a domain and its subdomains; to the host alone by default.
    pub fn with_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// When sessions end by themselves. The browser keeps the cookies for as long, over its own end too: with an idle limit
    /// they have that and a quarter more as their `Max-Age`, and are sent again when the session is used after a quarter of
    /// it; with a lifetime what is left of that; a session without an end is kept for the 400 days that browsers allow. When
    /// a session ends the repository says, whatever a cookie does.
    ///
    /// Without this a session ends after 30 minutes without use, and the browser forgets it when it is closed; see
    /// [`until_browser_closes`](Self::until_browser_closes).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use nam::Expiry;
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { items: Vec<String>, total: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (node, key) = (nam::Node::in_process().await?, nam::web::Key::generate());
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let sessions = nam::web::SessionLayer::<Cart>::builder(node)
    ///     .with_signed(key)
    ///     .with_expiry(Expiry::idle(14 * day).or_after(365 * day)) // used at least every two weeks, and a year at most
    ///     .build()?;
    /// # drop(sessions);
    /// # Ok(()) }
    /// ```
    pub fn with_expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Has the browser forget the cookies when it is closed, however long [`with_expiry`](Self::with_expiry) keeps sessions.
    pub fn until_browser_closes(mut self) -> Self {
        self.is_until_closed = true;
        self
    }

    /// What handlers get while the repository cannot be reached; reads by default.
    pub fn when_away(mut self, away: Away) -> Self {
        self.away = away;
        self
    }

    /// For plain HTTP on a developer's machine: a cookie without `Secure`, which browsers would not keep there.
    pub fn development(self) -> Self {
        tracing::warn!("session cookies are sent without Secure: for development only");
        self.with_secure(false)
    }

    /// Checks what was set.
    ///
    /// # Errors
    /// [`BuildError`] names what cannot work together.
    pub fn build(self) -> Result<SessionLayer<T>, BuildError> {
        let Self { node, name, mut keys, former, away, secure, same_site, path, domain, .. } = self;
        let (sealing, key) = keys.pop().ok_or(BuildError::NoKey)?;
        if !keys.is_empty() {
            return Err(BuildError::SeveralKeys);
        }
        let may_be_host = secure && path == "/" && domain.is_none();
        let name = name.unwrap_or_else(|| if may_be_host { NAME } else { PLAIN_NAME }.to_owned());
        check_name(&name, may_be_host, secure)
            .map_err(|why| BuildError::Name { name: name.escape_default().to_string(), why })?;
        let refused = |what, value: &str| BuildError::Attribute { what, value: value.escape_default().to_string() };
        if !is_path(&path) {
            return Err(refused("path", &path));
        }
        if let Some(domain) = domain.as_ref().filter(|domain| !is_domain(domain)) {
            return Err(refused("domain", domain));
        }
        if same_site == SameSite::None && !secure {
            return Err(BuildError::SameSite);
        }
        let lasting = self.expiry.filter(|_| !self.is_until_closed).map_or(Lasting::UntilClosed, Lasting::As);
        let expiry = self.expiry.unwrap_or(Expiry::idle(IDLE));
        expiry.check().map_err(BuildError::Expiry)?;
        let seal = Seal { sealing, key, former };
        let names = Names { floor: format!("{name}-seen"), ticket: name };
        let notices = Notices::default();
        let settings = Settings { node, names, seal, notices, expiry, lasting, away, secure, same_site, path, domain };
        Ok(SessionLayer { settings: Arc::new(settings), sessions: PhantomData })
    }
}

impl<T: Class> fmt::Debug for SessionLayerBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether requests can have such a path: without what ends a cookie's attribute, and what comes behind a path.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b";,?#".contains(&byte))
}

/// Whether it is the name of a host, and neither an address with a scheme or port nor a pattern; browsers pass over one dot
/// before it.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        let is_clean = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_clean && (1..=63).contains(&label.len())
    };
    domain.len() <= 254 && domain.strip_prefix('.').unwrap_or(domain).split('.').all(is_label)
}

/// What is wrong with a cookie's name (RFC 6265 §4.1.1: a token of RFC 2616).
fn check_name(name: &str, may_be_host: bool, secure: bool) -> Result<(), &'static str> {
    let is_token = name.bytes().all(|byte| byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte));
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.len() > 128 {
        return Err("it has 1 to 128 characters");
    }
    if !is_token {
        return Err("it has letters, digits and !#$%&'*+-.^_`|~ only");
    }
    if lower.starts_with("__host-") && !may_be_host {
        return Err("with `__Host-` it is Secure, for path `/`, and without a domain");
    }
    if ["__secure-", "__http-"].iter().any(|prefix| lower.starts_with(prefix)) && !secure {
        return Err("with `__Secure-` or `__Http-` it is Secure");
    }
    Ok(())
}
