//! A save: what the request changed since it loaded, put into what the session is now.
//!
//! Invariants: a save that fails has changed nothing but, perhaps, when the session ends; the base of the next save is
//! what this one saved, so that nothing is sent twice. Source: own reasoning.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::bases::{Base, Fingerprint};
use super::counts::add;
use super::difference::Difference;
use super::json::{Fields, heap_bytes};
use super::record::{Record, SessionKey, expiry, is_moved, left};
use super::{NamStore, Overwrites, StoreError};
use crate::client::Object;
use crate::error::{Error, UpdateError};

/// The values before and after an update.
type Step = (Arc<Fields>, Arc<Fields>);

impl NamStore {
    /// Saves what a request changed.
    pub(super) async fn save_session(
        &self,
        id: i128,
        data: &HashMap<String, Value>,
        ends: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let session = SessionKey::of(id);
        let number = Fingerprint::of(data);
        let base = self.find(number).filter(|base| base.session == session);
        if left(ends, OffsetDateTime::now_utc()).is_none() {
            return self.end(session).await;
        }
        let _turn = self.shared.turn(session).read().await;
        let Some(object) = self.open(session).await? else { return self.save_late(session, base, data).await };
        let saved = match self.tree_of(&object, session, base.as_ref()).await {
            Ok(tree) => {
                let difference = Difference::between(&tree, data)?;
                self.save_now(&object, &tree, &difference, ends).await
            }
            Err(error) => Err(error),
        };
        match saved {
            Ok(tree) => {
                let bytes = bytes_of(&object, &tree);
                self.note(number, Base { session, token: None, tree: Some(tree) }, bytes);
                Ok(())
            }
            Err(StoreError::Node(Error::Gone { .. })) => self.save_late(session, base, data).await,
            Err(error) => Err(error),
        }
    }

    /// What the request's changes are counted from.
    async fn tree_of(
        &self,
        object: &Object<Record>,
        session: SessionKey,
        base: Option<&Base>,
    ) -> Result<Arc<Fields>, StoreError> {
        match base {
            Some(Base { tree: Some(tree), .. }) => Ok(Arc::clone(tree)),
            Some(Base { token, .. }) => {
                let guard = object.fresh().await?;
                if *token != Some(guard.token()) {
                    add(&self.shared.tally.baseless, 1);
                    tracing::warn!(%session, "a save was refused: what its request had loaded is not kept any more");
                    return Err(StoreError::Baseless);
                }
                Ok(Arc::clone(&guard.data))
            }
            // A map that no load made: the application put it in place of what was there.
            None => Ok(Arc::clone(&object.fresh().await?.data)),
        }
    }

    /// Answers what the session is now as this request has it.
    async fn save_now(
        &self,
        object: &Object<Record>,
        tree: &Arc<Fields>,
        difference: &Difference,
        ends: OffsetDateTime,
    ) -> Result<Arc<Fields>, StoreError> {
        let told = object.read().await?.ends;
        let now_left = left(ends, OffsetDateTime::now_utc()).unwrap_or_default();
        let is_told = is_moved(told, ends, now_left);
        if is_told {
            object.set_expiry(expiry(now_left)).await?;
            add(&self.shared.tally.ends_told, 1);
        }
        if difference.is_empty() {
            add(&self.shared.tally.unchanged, 1);
            if is_told {
                self.update(object, difference, Some(ends)).await?;
            }
            return Ok(Arc::clone(tree));
        }
        let (before, after) = self.update(object, difference, Some(ends)).await?;
        add(&self.shared.tally.saves, 1);
        if Arc::ptr_eq(&before, tree) {
            return Ok(after);
        }
        // Somebody else's changes are no part of what this request has.
        let mut saved = Fields::clone(tree);
        difference.apply(&mut saved);
        Ok(Arc::new(saved))
    }

    /// Carries a difference out.
    pub(super) async fn update(
        &self,
        object: &Object<Record>,
        difference: &Difference,
        ends: Option<OffsetDateTime>,
    ) -> Result<Step, StoreError> {
        let is_strict = self.overwrites == Overwrites::Refuse;
        let done = object.update(|record| {
            let before = Arc::clone(&record.data);
            let mut data = record.data_mut();
            let overwritten = if difference.is_empty() { 0 } else { difference.apply(Arc::make_mut(&mut *data)) };
            if is_strict && overwritten > 0 {
                return Err(StoreError::Overwritten);
            }
            let after = Arc::clone(&data);
            if let Some(ends) = ends {
                *record.ends_mut() = ends;
            }
            Ok((before, after, overwritten))
        });
        match done.await {
            Ok(done) => {
                let (before, after, overwritten) = done.value;
                add(&self.shared.tally.overwritten, overwritten);
                if overwritten > 0 {
                    tracing::debug!(paths = overwritten, "a save overwrote what another request wrote");
                }
                Ok((before, after))
            }
            Err(UpdateError::Aborted(error)) => {
                add(&self.shared.tally.refused, 1);
                Err(error)
            }
            Err(UpdateError::Failed(error)) => Err(error.into()),
        }
    }
}

/// Bytes that a tree takes, which a session has now or nearly: what the node knows of the session. Walks it only if the
/// node has dropped that meanwhile.
pub(super) fn bytes_of(object: &Object<Record>, tree: &Fields) -> usize {
    object.peek().map_or_else(|_| heap_bytes(tree), |guard| guard.memory_bytes())
}
