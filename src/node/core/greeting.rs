//! Connecting, resuming, losing the link.
//!
//! Invariant: what is sent at a connect depends only on what the core holds, in the order of its ids. Source: own
//! reasoning (F1).

use super::{ClassEntry, Core, CoreEvent, LinkState, Request, Violation, Welcome};
use crate::coding::Writer;
use crate::ids::{Epoch, RequestId};
use crate::node::replica::{Ending, ReplicaId};
use crate::schema::Schema;
use crate::wire::{CloseCode, PROTOCOL, Records, ToRepository};

impl Core {
    /// Presents a class, now and at every connect; a second time is nothing.
    pub fn register(&mut self, schema: &Schema) {
        if self.classes.contains_key(&schema.class) {
            return;
        }
        let mut w = Writer::new();
        schema.encode(&mut w);
        let encoded: bytes::Bytes = w.into_bytes().into();
        self.send(&ToRepository::Register { schema: &encoded });
        self.classes.insert(schema.class.clone(), ClassEntry { schema: encoded, refusal: None });
    }

    /// A link to the repository exists: greets and presents everything.
    pub fn handle_connected(&mut self) {
        self.link = LinkState::Resuming;
        self.is_greeted = false;
        self.records = Records::new();
        self.consumed_bytes = 0;
        self.out.clear();
        let known = self.welcome.as_ref().map_or(Epoch(0), |welcome| welcome.epoch);
        let again = self.again();
        ToRepository::Hello { protocol: PROTOCOL, node: self.node, known, again }.encode(&mut self.out);
        for class in self.classes.values_mut() {
            class.refusal = None;
            ToRepository::Register { schema: &class.schema }.encode(&mut self.out);
        }
        self.present_replicas();
        ToRepository::ResumeEnd.encode(&mut self.out);
        self.send_again();
        self.ask_again();
        self.ask_locks(None);
        self.join_groups();
    }

    /// The link is gone: nothing that is here can be trusted to be the newest.
    pub fn handle_disconnected(&mut self) {
        self.link = LinkState::Down;
        self.lose_locks();
        self.out.clear();
        self.down.clear();
        self.up.clear();
        for entry in self.replicas.values_mut() {
            entry.replica.disconnect();
            entry.rewind = None;
            entry.is_presented = false;
            entry.pushes.clear();
        }
        self.requests.retain(|_, request| !matches!(request, Request::Rewind(_)));
        for commit in self.commits.values_mut() {
            commit.unsend();
        }
        self.drop_groups();
    }

    /// Says goodbye; the driver closes the link after what is due was sent. Everything that waits ends.
    pub fn close(&mut self) {
        self.tell_all_use();
        self.send(&ToRepository::Goodbye);
        self.replicas.values().for_each(|entry| entry.replica.end(Ending::Closed));
        self.close_locks();
        self.close_deferred();
        self.close_consumers();
        let waiting: Vec<RequestId> = self.requests.keys().copied().collect();
        for request in waiting {
            self.end_request(request, Ending::Closed);
        }
    }

    pub(super) fn welcomed(&mut self, protocol: u32, welcome: Welcome) -> Result<(), Violation> {
        if protocol != PROTOCOL {
            let text = format!("the repository speaks {protocol}, the node {PROTOCOL}: run one version of nam on both");
            return Err(Violation { code: CloseCode::Protocol, text });
        }
        if let Some(known) = self.welcome.as_ref().map(|known| known.shard).filter(|known| *known != welcome.shard) {
            let text = format!("shard {} answers where shard {known} did", welcome.shard);
            return Err(Violation { code: CloseCode::Protocol, text });
        }
        self.is_greeted = true;
        let known = self.welcome.as_ref().map(|welcome| welcome.epoch);
        let is_lossy = known.is_some_and(|known| known < welcome.lossy_epoch);
        self.welcome = Some(welcome);
        if is_lossy {
            self.lose_all();
        }
        Ok(())
    }

    /// The repository lost commits since the last link: what replicas show may be among them, whatever their versions,
    /// and a version that a replica without its value remembers may mean another one now.
    fn lose_all(&mut self) {
        let known = self.replicas.iter().filter(|(_, entry)| entry.birth.is_some());
        let lost: Vec<ReplicaId> = known.map(|(id, _)| *id).collect();
        lost.into_iter().for_each(|id| self.end_replica(id, Ending::Lost));
    }

    pub(super) fn schema_refused(&mut self, class: &str, text: &str) {
        if let Some(known) = self.classes.get_mut(class) {
            known.refusal = Some(text.to_owned());
        }
        self.events.push_back(CoreEvent::SchemaRefused { class: class.to_owned(), text: text.to_owned() });
    }

    /// Everything that differs came before: what was presented is current, unless told otherwise.
    pub(super) fn resumed(&mut self) -> Result<(), Violation> {
        self.link = LinkState::Ready;
        let presented: Vec<ReplicaId> =
            self.replicas.iter().filter(|(_, entry)| entry.is_presented).map(|(id, _)| *id).collect();
        for id in presented {
            let Some(entry) = self.replicas.get(&id) else { continue };
            if entry.rewind.is_none() && !self.down.is_loading(id) {
                entry.replica.confirm().map_err(|refusal| self.diverged(id, &refusal))?;
            }
        }
        self.events.push_back(CoreEvent::Ready);
        Ok(())
    }

    /// Presents every replica with a value; one without is opened anew, unless a request does that already.
    fn present_replicas(&mut self) {
        self.aliases.clear();
        let (mut lacking, mut presented) = (Vec::new(), Vec::new());
        for (id, entry) in &mut self.replicas {
            match (entry.alias, entry.replica.reached()) {
                (Some(alias), Some((birth, version))) => {
                    ToRepository::Resume { alias, birth, version }.encode(&mut self.out);
                    entry.is_presented = true;
                    self.aliases.insert(alias, *id);
                    presented.push(*id);
                }
                (Some(_), None) => {
                    entry.alias = None;
                    lacking.push(*id);
                }
                (None, _) => {}
            }
        }
        presented.into_iter().for_each(|id| self.begin_pushes(id));
        for id in lacking {
            if !self.requests.values().any(|request| request.opens(id)) {
                self.add_request(Request::Reopen(id));
            }
        }
    }
}
