//! What a document costs in memory, counted by the allocator: loaded, and after many random commits.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

#[path = "../repository/bench.rs"]
#[allow(dead_code, reason = "the repository's tests use more of it")]
mod bench;
#[path = "../repository/keeper.rs"]
#[allow(dead_code, reason = "the repository's tests use more of it")]
mod keeper;
mod replicas;
mod shapes;
mod subscriptions;

use std::alloc::System;

use nam::coding::Writer;
use nam::document::Document;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use shapes::{Shape, load, work};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Commits of one shape here; the benches do the full million.
const COMMITS: usize = 200_000;

/// Bytes and allocations that live now and did not at the start of a region; none as long as other threads still free
/// more of what was before than the region has made.
fn live(region: &Region<'_, System>) -> (usize, usize) {
    let stats = region.change();
    let bytes = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    (bytes, stats.allocations.saturating_sub(stats.deallocations))
}

fn encoded(document: &Document) -> usize {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    w.len()
}

struct Measured {
    loaded: f64,
    worked: f64,
    bytes_an_allocation: [f64; 2],
}

/// A generous bound on what the measured loop itself leaves alive: nothing but the schema.
fn measure(shape: Shape) -> Measured {
    let region = Region::new(ALLOCATOR);
    let mut document = load(shape);
    let (bytes, allocations) = live(&region);
    let size = encoded(&document) as f64;
    let (heap, counted) = (document.heap_bytes() as f64, document.encoded_bytes() as f64);
    assert!((heap / bytes as f64 - 1.0).abs() < 0.05, "{shape:?}: {heap} B counted, {bytes} B allocated");
    assert!((counted / size - 1.0).abs() < 0.01, "{shape:?}: {counted} B counted, {size} B encoded");
    work(shape, &mut document, COMMITS);
    let (worked, more_allocations) = live(&region);
    let heap = document.heap_bytes() as f64;
    assert!((heap / worked as f64 - 1.0).abs() < 0.05, "{shape:?}: {heap} B counted, {worked} B allocated");
    let after = encoded(&document) as f64;
    let measured = Measured {
        loaded: bytes as f64 / size,
        worked: worked as f64 / after,
        bytes_an_allocation: [size / allocations as f64, after / more_allocations as f64],
    };
    println!(
        "{shape:?}: {size} B, loaded {:.3}, after {COMMITS} {:.3}, {:.0?} B an allocation, {} commits back",
        measured.loaded,
        measured.worked,
        measured.bytes_an_allocation,
        document.version().0 - document.horizon().0,
    );
    measured
}

// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_stays_in_its_budget() {
    subscriptions::measure();
    for shape in [Shape::Catalogue, Shape::Entries] {
        let measured = measure(shape);
        assert!(measured.loaded <= 1.15, "{shape:?} loaded");
        assert!(measured.worked <= 1.5, "{shape:?} worked");
        assert!(measured.bytes_an_allocation.iter().all(|bytes| *bytes >= 2048.0), "{shape:?} allocations");
    }
    for shape in [Shape::Numbers, Shape::Set, Shape::List] {
        let measured = measure(shape);
        assert!(measured.loaded <= 2.0, "{shape:?} loaded");
        assert!(measured.worked <= 3.0, "{shape:?} worked");
    }
    // Last, for its threads go on for a while.
    replicas::measure();
}
