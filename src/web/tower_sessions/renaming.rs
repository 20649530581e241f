//! Sessions that are created, that end, and that get a new id; saves that come after their session ended.
//!
//! tower-sessions gives a session a new id in two calls: it deletes the former one at once, and creates another when the
//! response leaves. Invariants: an id that ended here is not taken again; what was saved late is carried to the new id, or
//! dropped if there is none. Source: own reasoning (S2, spring-session #1270).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;

use super::bases::{Base, Fingerprint};
use super::counts::add;
use super::difference::Difference;
use super::ends::Late;
use super::json::{Fields, fields_of};
use super::record::{Moved, Record, SessionKey, expiry, left};
use super::saving::bytes_of;
use super::{NamStore, Reads, StoreError};
use crate::client::Object;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::limits::SESSION_ENDS_KEPT_MS;

/// Ids that a creation tries before it gives up; the second is only needed if two were drawn alike.
const IDS_TRIED: usize = 8;

impl NamStore {
    /// Creates a session; answers the id it has, `id` or one that `draw` drew.
    pub(super) async fn create_session(
        &self,
        mut id: i128,
        data: &HashMap<String, Value>,
        ends: OffsetDateTime,
        mut draw: impl FnMut() -> i128,
    ) -> Result<i128, StoreError> {
        let Some(left) = left(ends, OffsetDateTime::now_utc()) else { return Ok(id) };
        let number = Fingerprint::of(data);
        let former = self.find(number).filter(|base| base.session != SessionKey::of(id));
        let tree = Arc::new(self.first_tree(former.as_ref(), data)?);
        let node = self.node.expiring(expiry(left));
        for _ in 0..IDS_TRIED {
            let session = SessionKey::of(id);
            // An id that ended stays ended: a cookie that was signed out must not come back to life.
            if self.shared.ends.lock().has_ended(session) {
                id = draw();
                continue;
            }
            let record = Record { data: Arc::clone(&tree), ends };
            let object = match node.create(&session.to_string(), record).await {
                Err(Error::Exists { .. }) => {
                    id = draw();
                    continue;
                }
                outcome => outcome?,
            };
            let bytes = bytes_of(&object, &tree);
            self.note(number, Base { session, token: object.token().ok(), tree: Some(tree) }, bytes);
            add(&self.shared.tally.creations, 1);
            if let Some(former) = former {
                add(&self.shared.tally.rotations, 1);
                self.move_on(former.session, session, &object).await;
            }
            return Ok(id);
        }
        Err(StoreError::NoId)
    }

    /// What a session starts with: what is in the record, or, if it takes over from another, what that had in the end
    /// with this request's changes.
    fn first_tree(&self, former: Option<&Base>, data: &HashMap<String, Value>) -> Result<Fields, StoreError> {
        let last = former.and_then(|former| self.find(Fingerprint::of_end(former.session)));
        let trees = (former.and_then(|former| former.tree.as_ref()), last.and_then(|last| last.tree));
        let (Some(loaded), Some(last)) = trees else { return Ok(fields_of(data.iter(), 1)?) };
        let mut tree = (*last).clone();
        let overwritten = Difference::between(loaded, data)?.apply(&mut tree);
        add(&self.shared.tally.overwritten, overwritten);
        Ok(tree)
    }

    /// From now on what is saved late for `former` goes to `session`, on every node.
    async fn move_on(&self, former: SessionKey, session: SessionKey, object: &Object<Record>) {
        let waiting = self.shared.ends.lock().move_to(former, session);
        for difference in waiting {
            match self.update(object, &difference, None).await {
                Ok(_) => add(&self.shared.tally.late_moved, 1),
                Err(error) => tracing::warn!(%session, %error, "a late save was not carried to the new id"),
            }
        }
        let kept = Expiry::after(Duration::from_millis(SESSION_ENDS_KEPT_MS));
        let moved = Moved { to: session.to_string() };
        if let Err(error) = self.node.expiring(kept).create(&former.to_string(), moved).await {
            tracing::debug!(session = %former, %error, "other nodes do not learn where a session went");
        }
    }

    /// Ends a session.
    pub(super) async fn end(&self, session: SessionKey) -> Result<(), StoreError> {
        let _turn = self.shared.turn(session).write().await;
        let Some(guard) = self.read(session, Reads::Validated).await? else { return Ok(()) };
        let (token, tree) = (Some(guard.token()), Some(Arc::clone(&guard.data)));
        let bytes = guard.memory_bytes();
        drop(guard);
        // From here on a late save waits; noted before, so that none falls in between.
        self.shared.ends.lock().note(session, Instant::now());
        self.note(Fingerprint::of_end(session), Base { session, token, tree }, bytes);
        match self.node.destroy::<Record>(&session.to_string()).await {
            Ok(()) | Err(Error::Gone { .. } | Error::LostWrite { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves for a session that is not there any more: where its data went, or nowhere. Not an error, which would answer
    /// 500 to somebody who has signed out.
    pub(super) async fn save_late(
        &self,
        session: SessionKey,
        base: Option<Base>,
        data: &HashMap<String, Value>,
    ) -> Result<(), StoreError> {
        add(&self.shared.tally.late, 1);
        let Some(loaded) = base.and_then(|base| base.tree) else { return Ok(()) };
        let difference = Difference::between(&loaded, data)?;
        if difference.is_empty() {
            return Ok(());
        }
        let late = self.shared.ends.lock().late(session, &difference);
        let to = match late {
            Late::Moved(to) => Some(to.to_string()),
            Late::Waits => None,
            Late::Unknown => self.moved(session).await,
        };
        let Some(to) = to else {
            tracing::debug!(%session, "a save came after its session had ended");
            return Ok(());
        };
        match self.node.open::<Record>(&to).await {
            Ok(object) => {
                self.update(&object, &difference, None).await?;
                add(&self.shared.tally.late_moved, 1);
                Ok(())
            }
            Err(Error::Gone { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Where another node moved a session a moment ago.
    async fn moved(&self, session: SessionKey) -> Option<String> {
        let moved = self.node.open::<Moved>(&session.to_string()).await.ok()?;
        Some(moved.read().await.ok()?.to.clone())
    }
}
