//! Locks: for work that must not be done twice at a time, anywhere.
//!
//! Nothing needs one to be written: updates of others go on, and conflict as always. A lock is leased with the node's
//! link. It ends when it is released, when its guard is dropped, when the node closes, and when the link is lost: here at
//! once, at the repository when that sees the connection end, at the latest when the node greets again. A link that comes
//! back brings no lock back; the guard says that it is lost, and what is committed under it is refused. So does a restart
//! of the repository end every lock. Invariant: of what is committed under locks of one object nothing takes effect but
//! under the current one (I15). Source: own reasoning (L1–L3).

use std::fmt;
use std::future::poll_fn;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::object::Object;
use super::port::{Ask, Input, Port};
use super::shared::Elapsed;
use super::token::{commit_number, number, written};
use super::updating::Committed;
use crate::error::{Error, UpdateError};
use crate::ids::{Birth, Fence};
use crate::limits::LOCK_WAIT_MS;
use crate::node::{Answer, LinkState, Scope};
use crate::tracked::Class;

/// Names one grant of one object's lock, for a request that carries it elsewhere.
///
/// ```text
/// token   birth's epoch . number . grant's epoch . number      each in base 62, at most 47 characters together
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockToken {
    birth: Birth,
    fence: Fence,
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", written(self.birth.0), written(self.fence.0))
    }
}

impl FromStr for LockToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<Option<u64>> = text.splitn(5, '.').map(number).collect();
        match parts[..] {
            [Some(epoch), Some(n), Some(fence_epoch), Some(fence_n)] => {
                Ok(Self { birth: Birth(commit_number(epoch, n)), fence: Fence(commit_number(fence_epoch, fence_n)) })
            }
            _ => Err(Error::Corrupt { why: "the text is no token of a lock".to_owned() }),
        }
    }
}

/// The lock of an object, until it is released, dropped or lost.
#[must_use = "a lock that is dropped is released"]
pub struct Lock<T: Class> {
    object: Object<T>,
    token: LockToken,
    /// How many links the node had lost when it was granted; `None` if it was joined, so that it is another guard's.
    links_lost: Option<u64>,
    /// Whether it was released, or the repository said that it is not held any more.
    is_over: AtomicBool,
}

impl<T: Class> Object<T> {
    /// Waits for the object's lock, 15 s at most: as [`lock_within`](Self::lock_within).
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// let done = lock.update(|cart| { *cart.total_mut() += 1; Ok::<(), nam::Error>(()) }).await;
    /// assert_eq!(done.expect("the lock is held").version.0, 2);
    /// lock.release().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`lock_within`](Self::lock_within).
    pub async fn lock(&self) -> Result<Lock<T>, Error> {
        self.lock_within(Duration::from_millis(LOCK_WAIT_MS)).await
    }

    /// Waits for the object's lock: exclusive among all nodes, first come, first served, without polling. Reads under it
    /// see all that was committed before it was granted. A zero `wait` takes a lock that is free and waits for none.
    ///
    /// Dropping the future leaves the line. Cost: one round trip, and a frame of the journal.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # use std::time::Duration;
    /// # let repository = nam::InProcess::new()?;
    /// # let (here, there) = (repository.node().await?, repository.node().await?);
    /// # let cart = here.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// let other = there.open::<Cart>("alice").await?;
    /// match other.lock_within(Duration::ZERO).await {
    ///     Err(nam::Error::LockTimeout { holder, .. }) => assert_eq!(holder, here.id()),
    ///     other => panic!("{other:?}"),
    /// }
    /// drop(lock);
    /// other.lock().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LockTimeout` names the node that has the lock and since when; `Gone` or `LostWrite` if the object is no longer
    /// there; `Limit` if too many wait already; `Unavailable` without a link; `Closed`.
    pub async fn lock_within(&self, wait: Duration) -> Result<Lock<T>, Error> {
        let birth = self.birth()?;
        let (reply, answer) = oneshot::channel();
        self.port.push(Input::Ask(Ask::Lock(self.replica(), wait), reply));
        if self.port.standing().is_ended {
            return Err(Error::Closed);
        }
        let mut waiting = Waiting { object: self, answer: Some(answer) };
        let answer = waiting.wait(wait).await?;
        self.locked(birth, answer, wait)
    }

    /// Works under a lock that somebody has, on this node or another, as a request may that was sent from there. The
    /// guard neither prolongs nor releases the lock.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let repository = nam::InProcess::new()?;
    /// # let (here, there) = (repository.node().await?, repository.node().await?);
    /// # let cart = here.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// let carried = lock.token().to_string();
    /// let joined = there.open::<Cart>("alice").await?.join_lock(carried.parse()?).await?;
    /// let done = joined.update(|cart| { *cart.total_mut() += 1; Ok::<(), nam::Error>(()) }).await;
    /// assert!(done.is_ok());
    /// lock.release().await?;
    /// let late = joined.update(|cart| { *cart.total_mut() += 1; Ok::<(), nam::Error>(()) }).await;
    /// assert!(matches!(late, Err(nam::UpdateError::Failed(nam::Error::LockLost { .. }))));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LockLost` if that grant is not the current one, `Gone` if the token is of another object or birth, otherwise as
    /// [`lock_within`](Self::lock_within).
    pub async fn join_lock(&self, token: LockToken) -> Result<Lock<T>, Error> {
        let birth = self.birth()?;
        if birth != token.birth {
            return Err(Error::Gone { object: self.name().clone() });
        }
        self.ask(Ask::Join(self.replica(), token.fence)).await?;
        Ok(Lock { object: self.clone(), token, links_lost: None, is_over: AtomicBool::new(false) })
    }

    fn birth(&self) -> Result<Birth, Error> {
        let newest = self.slot.newest().map_err(|why| self.unreadable(why))?;
        newest.map(|newest| newest.birth).ok_or_else(|| Error::Gone { object: self.name().clone() })
    }

    fn locked(&self, birth: Birth, answer: Answer, waited: Duration) -> Result<Lock<T>, Error> {
        let object = || self.name().clone();
        match answer {
            Answer::Locked { fence, links_lost } => {
                let (token, is_over) = (LockToken { birth, fence }, AtomicBool::new(false));
                Ok(Lock { object: self.clone(), token, links_lost: Some(links_lost), is_over })
            }
            Answer::LockTimeout { holder, held } => Err(Error::LockTimeout { object: object(), waited, holder, held }),
            Answer::Failed { code, text } => Err(Error::failed(code, &text, self.name())),
            Answer::Ended(ending) => Err(self.explained(Error::ended(ending, self.name()))),
            _ => Err(Error::LockLost { object: object() }),
        }
    }
}

impl<T: Class> Lock<T> {
    /// What a request elsewhere needs to [`join`](Object::join_lock) this lock; short text.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// assert_eq!(lock.token().to_string().parse::<nam::LockToken>()?, lock.token());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn token(&self) -> LockToken {
        self.token
    }

    /// Whether the lock is over, as far as this node knows: released, lost with the link or with the object, or refused by
    /// the repository. Others may have it from then on. Of a lock of another node that was joined only a refusal tells, or
    /// the end of the object.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// assert!(!lock.is_lost());
    /// node.close().await?;
    /// assert!(lock.is_lost());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_over() || self.object.slot.ending().is_some()
    }

    /// Waits until the lock is over, as [`is_lost`](Self::is_lost) says: for work that is to stop then. Whatever is done
    /// until the word is here may be done while somebody else has the lock already; what is committed under it is refused.
    ///
    /// Asks nobody, and may be dropped at any time. Cost: a look at each change of the object and of the link.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// # async fn pay() {}
    /// # async fn wait_for_the_bank() { std::future::pending().await }
    /// let lock = cart.lock().await?;
    /// tokio::select! {
    ///     () = lock.lost() => unreachable!("the link holds"),
    ///     () = pay() => {}
    /// }
    /// # let closing = tokio::spawn({ let node = node.clone(); async move { node.close().await } });
    /// tokio::select! {
    ///     () = lock.lost() => assert!(lock.is_lost(), "the node was closed"),
    ///     () = wait_for_the_bank() => {}
    /// }
    /// # closing.await.expect("it closes")?;
    /// # Ok(()) }
    /// ```
    pub async fn lost(&self) {
        let Object { port, slot, .. } = &self.object;
        tokio::select! {
            () = port.until(|_| self.is_over().then_some(())) => {}
            _ = poll_fn(|context| slot.poll_ending(context)) => {}
        }
    }

    /// Changes the object as [`Object::update`] does, only while the lock is held: the repository refuses the commit if it
    /// is not, whatever this node believes. Shares its commit with no other update.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// let first = lock.update(|cart| {
    ///     cart.owner_mut().push_str("paid once");
    ///     Ok::<_, nam::Error>(cart.owner.len())
    /// });
    /// assert_eq!(first.await.expect("the lock is held").value, 9);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LockLost` if the lock is over, and then nothing was changed; otherwise as [`Object::update`].
    pub async fn update<V, E>(
        &self,
        mut closure: impl FnMut(&mut T::Mut<'_>) -> Result<V, E>,
    ) -> Result<Committed<V>, UpdateError<E>> {
        let fence = self.fence()?;
        let run = move |value: &mut T, changes: &mut T::Changes| closure(&mut value.track(changes));
        let done = self.object.run(Scope::Fenced(fence), run).await;
        if matches!(done, Err(UpdateError::Failed(Error::LockLost { .. }))) {
            self.end();
        }
        done
    }

    /// Gives the lock back and waits for the word of the repository; the next in line has it by then. Dropping the guard
    /// gives it back without waiting.
    ///
    /// ```
    /// # #[derive(nam::Tracked, Clone, Default)]
    /// # struct Cart { total: u64, owner: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), nam::Error> {
    /// # let node = nam::Node::in_process().await?;
    /// # let cart = node.create("alice", Cart::default()).await?;
    /// let lock = cart.lock().await?;
    /// lock.release().await?;
    /// assert!(matches!(lock.release().await, Err(nam::Error::LockLost { .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `LockLost` if it was over before; `Gone` if the object is; `TimedOut` without an answer: it is given back all the
    /// same, with the link at the latest.
    pub async fn release(&self) -> Result<(), Error> {
        let was_lost = self.is_over();
        if self.end() || was_lost {
            return Err(self.lock_lost());
        }
        let Object { port, shared, .. } = &self.object;
        if self.links_lost.is_some() {
            shared.ask(port, Ask::Unlock(self.token.fence), self.object.name()).await?;
        }
        Ok(())
    }

    pub(super) fn object(&self) -> &Object<T> {
        &self.object
    }

    /// The grant, while it is held as far as this node knows.
    pub(super) fn fence(&self) -> Result<Fence, Error> {
        if self.is_over() { Err(self.lock_lost()) } else { Ok(self.token.fence) }
    }

    /// Whether it was released, refused, or lost with the link.
    fn is_over(&self) -> bool {
        let is_link_lost = self.links_lost.is_some_and(|then| self.object.port.links_lost() > then);
        self.is_over.load(Ordering::Acquire) || is_link_lost
    }

    /// The lock is over; answers whether it was before.
    fn end(&self) -> bool {
        let was_over = self.is_over.swap(true, Ordering::AcqRel);
        self.object.port.look_again();
        was_over
    }

    fn lock_lost(&self) -> Error {
        Error::LockLost { object: self.object.name().clone() }
    }
}

impl<T: Class> Drop for Lock<T> {
    fn drop(&mut self) {
        if self.links_lost.is_some() && !self.is_over() {
            self.object.port.give_back(self.token.fence);
        }
    }
}

impl<T: Class> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lock = f.debug_struct("Lock");
        lock.field("object", self.object.name()).field("token", &self.token).finish_non_exhaustive()
    }
}

/// A wait for a lock; dropped before its end it leaves the line, or gives back what it was granted meanwhile.
struct Waiting<'o, T: Class> {
    object: &'o Object<T>,
    /// `None` once the answer was taken.
    answer: Option<oneshot::Receiver<Answer>>,
}

impl<T: Class> Waiting<'_, T> {
    /// Waits for so long; the repository keeps the time, and its word names the holder.
    async fn wait(&mut self, wait: Duration) -> Result<Answer, Error> {
        let Object { port, shared, .. } = self.object;
        for limit in [wait, shared.settings.patience] {
            let Some(answer) = &mut self.answer else { break };
            match shared.limited(limit, answer).await {
                Ok(answer) => {
                    self.answer = None;
                    return answer.map_err(|_| Error::Closed);
                }
                Err(Elapsed) if is_linked(port) => {}
                Err(Elapsed) => break,
            }
        }
        Err(self.object.waited_in_vain("the lock"))
    }
}

/// Whether the repository's word may still come in time.
fn is_linked(port: &Port) -> bool {
    port.standing().link == LinkState::Ready
}

impl<T: Class> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        answer.close();
        match answer.try_recv() {
            Ok(Answer::Locked { fence, .. }) => self.object.port.give_back(fence),
            Ok(_) => {}
            Err(_) => self.object.port.push(Input::GiveUp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_text() {
        for (a, b) in [(0, 1), (1_763_700_000_000, 77), (u64::MAX, u64::MAX)] {
            let token = LockToken { birth: Birth(commit_number(a, b)), fence: Fence(commit_number(b, a)) };
            let text = token.to_string();
            assert!(text.len() <= 47, "{text}");
            assert_eq!(text.parse::<LockToken>().unwrap(), token);
        }
    }

    #[test]
    fn other_text_is_no_token_of_a_lock() {
        for text in ["", "1.2.3", "1.2.3.", "1.2.3.4.5", "01.2.3.4", "1.2.-3.4", "zzzzzzzzzzzz.1.1.1"] {
            assert!(matches!(text.parse::<LockToken>(), Err(Error::Corrupt { .. })), "{text}");
        }
    }
}
