//! A shard driven on one thread with more holders than one step of the core serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use nam::Tracked;
use nam::coding::Writer;
use nam::engine::{Appender, Driver, PipeEnd, claim, pipe, replay};
use nam::ids::{NodeId, ShardId};
use nam::limits::STEP_CELLS_MAX;
use nam::node::{Answer, Core, CoreEvent, Host, Replica, ReplicaId, Ring, Scope, Slot, Step};
use nam::store::MemoryJournal;
use nam::tracked::Class;
use nam::wire::{Arrival, Inlet, Outlet};

use super::ledger::Ledger;

#[derive(Debug)]
struct Silent;

impl Host for Silent {
    fn ring(&self, _replica: ReplicaId, _ring: Ring) {}
}

/// A node of one object, driven by whoever waits for it.
struct Member {
    core: Core,
    slot: Arc<Slot<Ledger>>,
    link: PipeEnd,
}

impl Member {
    fn new(id: u64, link: PipeEnd) -> Self {
        let mut core = Core::new(NodeId(id));
        core.register(&Ledger::schema());
        core.handle_connected();
        Self { core, slot: Slot::new(ReplicaId(1), "ledger", Arc::new(Silent)), link }
    }

    fn send(&mut self) {
        let mut out = Vec::new();
        self.core.poll_records(&mut out);
        self.link.outlet.send_records(&mut out);
    }

    async fn take(&mut self) {
        let Arrival::Records(bytes) = self.link.inlet.next().await else { panic!("no records") };
        self.core.handle_records(&bytes).unwrap();
    }

    async fn until(&mut self, awaited: &Answer) {
        loop {
            self.send();
            while let Some(event) = self.core.poll_event() {
                if matches!(&event, CoreEvent::Answered { answer, .. } if answer == awaited) {
                    return;
                }
            }
            self.take().await;
        }
    }

    async fn reaches(&mut self, total: u64) {
        while self.slot.current().is_none_or(|ledger| ledger.total != total) {
            self.take().await;
            self.send();
        }
    }
}

#[test]
fn a_change_for_more_holders_than_a_step_serves_waits_for_nothing() {
    let has_parked = Arc::new(AtomicBool::new(false));
    let parked = Arc::clone(&has_parked);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_park(move || parked.store(true, Ordering::Relaxed))
        .build()
        .unwrap();
    let shard = ShardId(0);
    let mut journal = MemoryJournal::forgetful();
    let claim = claim(&mut journal, shard).unwrap();
    let core = replay(&mut journal, None, shard, claim, Vec::new()).unwrap();
    let (driver, inputs) = Driver::new(core, Appender::Here(Box::new(journal)));
    runtime.block_on(async {
        let driver = tokio::spawn(driver.run());
        let mut members = Vec::new();
        for id in 0..STEP_CELLS_MAX as u64 + 5 {
            let (node, end) = pipe();
            let inputs = inputs.clone();
            tokio::spawn(async move { inputs.serve(end.outlet, end.inlet).await });
            let mut member = Member::new(id + 1, node);
            let replica = Arc::clone(&member.slot) as Arc<dyn Replica>;
            if id == 0 {
                let mut w = Writer::new();
                Ledger::default().encode_root(&mut w);
                member.slot.draft(Ledger::default(), w.len());
                member.core.create(replica, vec![w.into_bytes().into()], nam::Expiry::NEVER);
                member.until(&Answer::Created).await;
            } else {
                member.core.open(replica);
                member.until(&Answer::Opened).await;
            }
            members.push(member);
        }
        let context = Context::from_waker(Waker::noop());
        let step = members[0].slot.poll_update(Scope::Shared, &context, &mut |ledger, changes| {
            *ledger.track(changes).total_mut() = 7;
            Ok::<(), ()>(())
        });
        assert!(matches!(step, Poll::Ready(Step::Joined(..))));
        members[0].core.handle_ring(ReplicaId(1), Ring::Batch).unwrap();
        members[0].send();
        has_parked.store(false, Ordering::Relaxed);
        for member in &mut members {
            member.reaches(7).await;
        }
        assert!(!has_parked.load(Ordering::Relaxed), "the shard slept although holders were to be told");
        driver.abort();
    });
}
