//! Reading a replica: at once, or when it is current.
//!
//! Invariants: a read shows one committed version (I13); a task that waits for a newer one asks for the pull once and is
//! woken by every change of the slot. Source: own reasoning (R2, R3).

use std::cmp::Ordering;
use std::task::{Context, Poll};

use super::trial::Running;
use super::{Guard, Inner, Rule, Slot};
use crate::coding::UnknownValue;
use crate::ids::{Token, Version};
use crate::node::replica::{Ending, Ring};
use crate::node::state::State;
use crate::tracked::Class;

/// Why there is nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The object is no longer there.
    Ended(Ending),
    /// The call comes from a closure that changes this object, or another that somebody's closure here waits for.
    Nested,
    /// The name has another object here than the one that is asked for.
    Another,
    /// The version that is asked for was lost, or the repository never had it.
    Unknown,
    /// The value holds what this program does not know.
    Value(UnknownValue),
}

impl<T: Class> Slot<T> {
    /// What is here if it is current: a memory read.
    #[must_use]
    #[inline]
    pub fn current(&self) -> Option<Guard<T>> {
        let mut inner = self.lock()?;
        if !inner.is_current() {
            return None;
        }
        self.note_use(&mut inner);
        inner.held.get().map(|held| Guard::new(held, true))
    }

    /// Whether what is here is current; not while a closure changes it on this thread.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.lock().is_some_and(|inner| inner.state == State::Current)
    }

    /// Whatever is here.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn peek(&self) -> Result<Option<Guard<T>>, Unreadable> {
        let mut inner = self.lock().ok_or(Unreadable::Nested)?;
        inner.check_readable()?;
        self.note_use(&mut inner);
        self.want_newer_than_nothing(&mut inner);
        Ok(inner.guard())
    }

    /// Whatever is here, for a test that watches and is no reader: it does not count as use.
    ///
    /// # Errors
    /// [`Unreadable`].
    #[doc(hidden)]
    pub fn inspect(&self) -> Result<Option<Guard<T>>, Unreadable> {
        let mut inner = self.lock().ok_or(Unreadable::Nested)?;
        inner.check_readable()?;
        Ok(inner.guard())
    }

    /// Reads whatever is here under the lock, without a guard.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn peek_with<R>(&self, read: impl FnOnce(&T) -> R) -> Result<Option<R>, Unreadable> {
        let mut inner = self.lock().ok_or(Unreadable::Nested)?;
        inner.check_readable()?;
        self.note_use(&mut inner);
        self.want_newer_than_nothing(&mut inner);
        let _running = Running::begin(std::ptr::from_ref(self).addr());
        Ok(inner.held.get().map(|held| read(&held.value)))
    }

    /// What is here once it is current; asks for a pull if it is not.
    pub fn poll_current(&self, context: &Context<'_>) -> Poll<Result<Guard<T>, Unreadable>> {
        self.poll_read(context, |inner| Ok(inner.is_current()))
    }

    /// What is here once it is at least `version`, whether or not something newer exists.
    pub fn poll_reached(&self, version: Version, context: &Context<'_>) -> Poll<Result<Guard<T>, Unreadable>> {
        self.poll_read(context, |inner| Ok(inner.has(version)))
    }

    /// What is here once it is at least what a token names. Until the repository was asked it must be current too;
    /// `pulled` is the version that the repository answered to a pull (I10). A token from before a loss that is known
    /// here, or of another object, is judged at once; one from behind a loss that is not known here yet asks the
    /// repository.
    pub fn poll_at(
        &self,
        token: Token,
        pulled: Option<Version>,
        context: &Context<'_>,
    ) -> Poll<Result<Guard<T>, Unreadable>> {
        self.poll_read(context, |inner| {
            if inner.birth.is_none() {
                return Ok(false);
            }
            match token.lossy_epoch.cmp(&inner.lossy_epoch) {
                Ordering::Less if inner.heeds(Rule::Losses) => return Err(Unreadable::Unknown),
                Ordering::Greater if inner.heeds(Rule::Losses) => {
                    return if pulled.is_some() { Err(Unreadable::Unknown) } else { Ok(false) };
                }
                _ => {}
            }
            match pulled {
                _ if inner.birth != Some(token.birth) => Err(Unreadable::Another),
                Some(pulled) if pulled < token.version => Err(Unreadable::Unknown),
                Some(_) => Ok(inner.has(token.version)),
                None => Ok(inner.is_current() && inner.has(token.version)),
            }
        })
    }

    /// Reads once `is_enough` says so of what is here; until then asks for something newer if only that helps.
    fn poll_read(
        &self,
        context: &Context<'_>,
        is_enough: impl FnOnce(&Inner<T>) -> Result<bool, Unreadable>,
    ) -> Poll<Result<Guard<T>, Unreadable>> {
        let Some(mut inner) = self.lock() else { return Poll::Ready(Err(Unreadable::Nested)) };
        let asked = inner.check_ending().and_then(|()| is_enough(&inner));
        let is_enough = match asked.and_then(|is_enough| inner.check_readable().map(|()| is_enough)) {
            Ok(is_enough) => is_enough,
            Err(unreadable) => return Poll::Ready(Err(unreadable)),
        };
        self.note_use(&mut inner);
        if is_enough && let Some(guard) = inner.guard() {
            return Poll::Ready(Ok(guard));
        }
        self.want_newer(&mut inner);
        inner.wait(context);
        Poll::Pending
    }

    /// How the object ended for this node, if it did.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.lock()?.ending
    }

    /// How the object ended, once it has.
    pub fn poll_ending(&self, context: &Context<'_>) -> Poll<Ending> {
        let Some(mut inner) = self.lock() else {
            // A closure is looking, or is in the way.
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        match inner.ending {
            Some(ending) => Poll::Ready(ending),
            None => {
                inner.wait(context);
                Poll::Pending
            }
        }
    }

    /// The object and the newest version of it that this node knows of, whether or not its value is here.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn newest(&self) -> Result<Option<Token>, Unreadable> {
        let inner = self.lock().ok_or(Unreadable::Nested)?;
        inner.check_ending()?;
        let Inner { lossy_epoch, newest: version, .. } = *inner;
        Ok(inner.birth.map(|birth| Token { lossy_epoch, birth, version }))
    }

    /// The object was used here: tells of it if that is expected.
    pub(super) fn note_use(&self, inner: &mut Inner<T>) {
        inner.mark_used();
        if std::mem::take(&mut inner.is_use_expected) {
            self.ring(Ring::Used);
        }
    }

    /// Has a value that was dropped to save memory fetched, for those who look again.
    fn want_newer_than_nothing(&self, inner: &mut Inner<T>) {
        if inner.state == State::Shell {
            self.want_newer(inner);
        }
    }

    /// Asks for a pull if only that helps, and only once.
    pub(super) fn want_newer(&self, inner: &mut Inner<T>) {
        if matches!(inner.state, State::Stale | State::Shell) && !inner.is_pull_rung {
            inner.is_pull_rung = true;
            self.ring(Ring::Pull);
        }
    }
}

impl<T: Class> Inner<T> {
    /// Somebody has seen the value now.
    pub(super) fn mark_used(&mut self) {
        self.used_at = self.memory.clock();
        self.is_awaited = false;
    }

    pub(super) fn check_ending(&self) -> Result<(), Unreadable> {
        self.ending.map_or(Ok(()), |ending| Err(Unreadable::Ended(ending)))
    }

    /// What is here, marked.
    pub(super) fn guard(&mut self) -> Option<Guard<T>> {
        let is_current = self.is_current();
        self.held.get().map(|held| Guard::new(held, is_current))
    }

    /// Whether the value here is at least `version`.
    fn has(&self, version: Version) -> bool {
        self.held.version().is_some_and(|here| here >= version || !self.heeds(Rule::Floor))
    }
}
