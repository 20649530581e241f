//! A node as older systems have it: at the end of every request it sends the whole session as it has it.

use std::sync::Arc;

use nam::coding::Writer;
use nam::ids::{Alias, Epoch, NodeId, RequestId, Sequence, Version};
use nam::repository::ConnectionId;
use nam::tracked::Class;
use nam::wire::{PROTOCOL, ToRepository};

use super::Rig;

/// The node, which holds the first object of the repository.
pub(crate) struct Naive {
    connection: ConnectionId,
    sent: u64,
}

impl Naive {
    pub(crate) fn new<T: Class>(rig: &mut Rig, key: &str) -> Self {
        rig.connections += 1;
        let naive = Self { connection: ConnectionId(rig.connections), sent: 0 };
        rig.repository.handle_connected(rig.now, naive.connection);
        let node = NodeId(1_000 + rig.connections);
        naive.send(rig, &ToRepository::Hello { protocol: PROTOCOL, node, known: Epoch(0), again: None });
        naive.send(rig, &ToRepository::Register { schema: &Arc::clone(&T::schema()).to_bytes() });
        naive.send(rig, &ToRepository::Open { request: RequestId(1), class: T::NAME, key, held: None });
        naive
    }

    /// Ends a request which began with the session at `base` and leaves it as `session`.
    pub(crate) fn end_request<T: Class + Default>(&mut self, rig: &mut Rig, base: Version, session: &T) {
        let (mut value, mut changes) = (T::default(), T::Changes::default());
        nam::__private::edit(&mut value, &mut changes, |value| *value = session.clone());
        let mut w = Writer::new();
        value.encode_delta(&changes, &mut w);
        self.sent += 1;
        let (sequence, unacked) = (Sequence(self.sent), Sequence(1));
        let (alias, is_isolated, fence) = (Alias(0), false, None);
        let delta = w.as_slice();
        let commit = ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards: &[], delta };
        self.send(rig, &commit);
    }

    fn send(&self, rig: &mut Rig, record: &ToRepository<'_>) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        rig.repository.handle_records(rig.now, self.connection, &bytes);
        rig.settle();
        rig.repository.poll_records(self.connection, &mut bytes);
    }
}
