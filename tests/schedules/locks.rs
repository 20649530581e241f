//! The locks of `parking_lot` and a cell for each thread, by the scheduler's.

use std::cell::Cell;
use std::sync::TryLockError;
use std::time::Duration;

pub use shuttle::sync::MutexGuard;

/// A lock without poison.
#[derive(Debug, Default)]
pub struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Puts a value behind a lock.
    pub fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }

    /// Takes the lock if it is free: no time passes here.
    pub fn try_lock_for(&self, _: Duration) -> Option<MutexGuard<'_, T>> {
        self.try_lock()
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(poisoned)) => panic!("{poisoned}"),
        }
    }
}

shuttle::thread_local! {
    static CELL: Cell<usize> = Cell::new(0);
}

/// A number for each thread, 0 at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerThread;

impl PerThread {
    pub(crate) fn get(self) -> usize {
        CELL.with(Cell::get)
    }

    pub(crate) fn set(self, value: usize) {
        CELL.with(|cell| cell.set(value));
    }

    pub(crate) fn replace(self, value: usize) -> usize {
        CELL.with(|cell| cell.replace(value))
    }
}
