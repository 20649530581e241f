//! Which objects this node has: one slot an object, however many handles.
//!
//! Invariant: while a slot lives, every open of its name finds it; opens and creations of one name wait for each other.
//! Source: own reasoning.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::port::{Input, Port};
use crate::node::{Replica, Slot, Unreadable};
use crate::tracked::Class;

/// All objects of a node.
#[derive(Debug, Default)]
pub(super) struct Registry {
    places: Mutex<BTreeMap<(TypeId, String), Arc<dyn Any + Send + Sync>>>,
}

/// Where the slot of one name is or will be.
#[derive(Debug)]
pub(super) struct Place<T: Class> {
    /// Held while the object is opened or created.
    pub(super) turn: tokio::sync::Mutex<()>,
    slot: Mutex<Option<Arc<Slot<T>>>>,
}

impl Registry {
    /// The place of an object.
    pub(super) fn place<T: Class>(&self, key: &str) -> Arc<Place<T>> {
        let mut places = self.places.lock();
        let known = places.get(&(TypeId::of::<T>(), key.to_owned())).cloned();
        if let Some(place) = known.and_then(|known| known.downcast::<Place<T>>().ok()) {
            return place;
        }
        let place = Arc::new(Place { turn: tokio::sync::Mutex::new(()), slot: Mutex::new(None) });
        places.insert((TypeId::of::<T>(), key.to_owned()), Arc::clone(&place) as Arc<dyn Any + Send + Sync>);
        place
    }
}

impl<T: Class> Place<T> {
    /// The slot, unless its object has ended.
    pub(super) fn slot(&self) -> Option<Arc<Slot<T>>> {
        let slot = self.slot.lock().clone()?;
        match slot.newest() {
            Err(Unreadable::Ended(_)) => None,
            _ => Some(slot),
        }
    }
}

/// A slot that is being opened or created; given back to the repository if that does not succeed, or is not waited for.
#[derive(Debug)]
pub(super) struct Opening<'p, T: Class> {
    port: &'p Port,
    slot: Option<Arc<Slot<T>>>,
}

impl<'p, T: Class> Opening<'p, T> {
    pub(super) fn new(port: &'p Port, slot: &Arc<Slot<T>>) -> Self {
        Self { port, slot: Some(Arc::clone(slot)) }
    }

    /// The object is here: from now on its place finds it.
    pub(super) fn succeed(mut self, place: &Place<T>) {
        *place.slot.lock() = self.slot.take();
    }
}

impl<T: Class> Drop for Opening<'_, T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.port.push(Input::Release(slot.id()));
        }
    }
}
