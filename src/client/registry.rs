//! Which objects this node has: one slot an object, however many handles.
//!
//! Invariant: while a slot lives, every open of its name finds it; opens and creations of one name wait for each other.
//! Source: own reasoning.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use parking_lot::Mutex;

use super::port::{Input, Port};
use crate::error::Error;
use crate::node::{Replica, ReplicaId, Slot, Unreadable};
use crate::tracked::Class;
use crate::wire::Delivery;

/// All objects of a node.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// By key; objects of several classes may share one.
    places: Mutex<BTreeMap<String, Vec<Arc<dyn AnyPlace>>>>,
    /// The type of each class that was used here, by the class's name.
    classes: Mutex<BTreeMap<&'static str, (TypeId, &'static str)>>,
    /// How changes of a class's objects reach this node, if it was said.
    deliveries: Mutex<BTreeMap<TypeId, Delivery>>,
}

/// A place of any class.
trait AnyPlace: Debug + Send + Sync {
    fn is_of(&self, class: TypeId) -> bool;

    /// Whether this replica is here, and nobody but the place and its core has a handle to it.
    fn has_abandoned(&self, replica: ReplicaId) -> bool;

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Where the slot of one name is or will be.
pub(super) struct Place<T: Class> {
    /// Held while the object is opened or created.
    pub(super) turn: tokio::sync::Mutex<()>,
    slot: Mutex<Option<Arc<Slot<T>>>>,
}

impl Registry {
    /// Makes sure that a class's name means one type on this node.
    pub(super) fn claim<T: Class>(&self) -> Result<(), Error> {
        let this = (TypeId::of::<T>(), std::any::type_name::<T>());
        let known = *self.classes.lock().entry(T::NAME).or_insert(this);
        if known.0 == this.0 {
            return Ok(());
        }
        let (class, known, this) = (T::NAME, known.1, this.1);
        let why = format!(
            "{known} and {this} are both the class {class}: give one another name, #[nam(name = \"..\")]; types of one \
                 generic struct get theirs from a constant of each, #[nam(name = PATH)]"
        );
        Err(Error::Incompatible { why })
    }

    /// The place of an object.
    pub(super) fn place<T: Class>(&self, key: &str) -> Arc<Place<T>> {
        let mut places = self.places.lock();
        let of_key = places.entry(key.to_owned()).or_default();
        let known = of_key.iter().find(|place| place.is_of(TypeId::of::<T>())).map(Arc::clone);
        if let Some(place) = known.and_then(|known| known.into_any().downcast::<Place<T>>().ok()) {
            return place;
        }
        let place = Arc::new(Place { turn: tokio::sync::Mutex::new(()), slot: Mutex::new(None) });
        of_key.push(Arc::clone(&place) as Arc<dyn AnyPlace>);
        place
    }

    /// How changes of a class's objects are to reach this node, if it was said.
    pub(super) fn delivery<T: Class>(&self) -> Option<Delivery> {
        self.deliveries.lock().get(&TypeId::of::<T>()).copied()
    }

    pub(super) fn set_delivery<T: Class>(&self, delivery: Delivery) {
        self.deliveries.lock().insert(TypeId::of::<T>(), delivery);
    }

    /// Forgets a replica unless somebody has a handle to it, or opens it just now; answers whether it is forgotten.
    pub(super) fn forget(&self, key: &str, replica: ReplicaId) -> bool {
        let mut places = self.places.lock();
        let Some(of_key) = places.get_mut(key) else { return false };
        // Who opens it has the place, which is handed out under this lock only.
        let is_it = |place: &Arc<dyn AnyPlace>| Arc::strong_count(place) == 1 && place.has_abandoned(replica);
        let Some(at) = of_key.iter().position(is_it) else { return false };
        of_key.swap_remove(at);
        if of_key.is_empty() {
            places.remove(key);
        }
        true
    }
}

/// Who has a slot that nobody has a handle to: its place, and its core.
const OWN_HANDLES: usize = 2;

impl<T: Class> Debug for Place<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl<T: Class> AnyPlace for Place<T> {
    fn is_of(&self, class: TypeId) -> bool {
        TypeId::of::<T>() == class
    }

    fn has_abandoned(&self, replica: ReplicaId) -> bool {
        let slot = self.slot.lock();
        slot.as_ref().is_some_and(|slot| slot.id() == replica && Arc::strong_count(slot) == OWN_HANDLES)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
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
