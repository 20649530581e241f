//! Writing after the head of the response.
//!
//! Invariant: the mark is committed before the head leaves, so the browser's cookie stands behind it; it outlives its
//! writer by [`MARK`] at most, also if the instance dies. Source: own reasoning (S2).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Session;
use super::error::SessionError;
use super::opened::now_s;
use crate::tracked::Class;

/// How long a mark stands if it is not renewed.
const MARK: Duration = Duration::from_secs(60);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(20);

/// A session that a stream or a socket writes after its response has begun; made by
/// [`write_later`](Session::write_later). Each of its updates is a commit at once, also while the handler still runs.
pub struct LateWriter<T: Class> {
    session: Session<T>,
    renewing: JoinHandle<()>,
}

impl<T: Class + Default> LateWriter<T> {
    pub(super) async fn start(session: Session<T>) -> Result<Self, SessionError> {
        let request = session.request;
        request.update_now(|stored| stored.written_late_until_mut().max(until())).await?;
        let session = Session { request: Arc::clone(&request), is_late: true };
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                // A mark that cannot be renewed now is renewed the next time, or ends with its session.
                if let Err(SessionError::Ended) = request.mark_late(until()).await {
                    return;
                }
            }
        });
        Ok(Self { session, renewing })
    }
}

fn until() -> u64 {
    now_s() + MARK.as_secs()
}

impl<T: Class> Deref for LateWriter<T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.session
    }
}

impl<T: Class> Drop for LateWriter<T> {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl<T: Class> fmt::Debug for LateWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateWriter").finish_non_exhaustive()
    }
}
