//! Reads and writes in an order, played against each way of delivery: what it costs on the holder's link.

use nam::Tracked;
use nam::wire::Delivery;

use crate::rig::{Rig, Traffic};

/// What is shared.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Quote")]
pub(crate) struct Quote {
    pub(crate) price: f64,
    #[nam(leaf)]
    pub(crate) note: String,
}

/// What happens next: another node writes, or the holder reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Write,
    Read,
}

/// `writes` writes, then `reads` reads, over and over.
pub(crate) fn runs(writes: usize, reads: usize, len: usize) -> Vec<Turn> {
    let run = [vec![Turn::Write; writes], vec![Turn::Read; reads]].concat();
    run.into_iter().cycle().take(len).collect()
}

/// Writes and reads in the same shares, drawn.
pub(crate) fn drawn(writes: usize, reads: usize, len: usize) -> Vec<Turn> {
    let mut seed = 1_u64;
    let mut draw = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % (writes + reads) as u64
    };
    (0..len).map(|_| if draw() < writes as u64 { Turn::Write } else { Turn::Read }).collect()
}

/// Plays a schedule whose writes change a number, or a text of so many bytes.
pub(crate) fn play(schedule: &[Turn], delivery: Delivery, text_bytes: usize) -> Traffic {
    let mut rig = Rig::new(2);
    let writer = rig.create(0, "q", Quote::default());
    let holder = rig.open::<Quote>(1, "q");
    rig.parties[1].core.set_delivery(nam::node::Replica::id(&*holder), delivery);
    rig.settle();
    let before = rig.parties[1].traffic;
    assert_eq!((before.pushes, before.notices), (0, 0));
    let mut written = 0_u32;
    for turn in schedule {
        match turn {
            Turn::Write => {
                written += 1;
                let note = if written.is_multiple_of(2) { "a" } else { "b" }.repeat(text_bytes);
                rig.update(&writer, |quote| {
                    *quote.price_mut() = f64::from(written);
                    *quote.note_mut() = note.clone();
                });
            }
            Turn::Read => {
                let seen = rig.read(&holder);
                assert_eq!(seen.version(), rig.read(&writer).version(), "I5");
            }
        }
    }
    rig.parties[1].traffic
}
