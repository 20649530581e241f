//! Tells the reader of one link to pause while the core has no room for more of its records.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Open from the start; closed and opened by the driver, passed by one reader.
#[derive(Debug, Default)]
pub(super) struct Gate {
    is_closed: AtomicBool,
    opened: Notify,
}

impl Gate {
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    pub(super) fn open(&self) {
        if self.is_closed.swap(false, Ordering::AcqRel) {
            self.opened.notify_one();
        }
    }

    /// Waits until the gate is open.
    pub(super) async fn pass(&self) {
        while self.is_closed.load(Ordering::Acquire) {
            self.opened.notified().await;
        }
    }
}
