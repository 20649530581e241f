//! What a node's replicas cost, of more sessions than its budget holds (V1).

use nam::Tracked;
use nam::client::{InProcess, Node, Object};
use stats_alloc::Region;

use crate::{ALLOCATOR, live};

const SESSIONS: usize = 200;

/// Bytes of a session, about.
const SESSION_BYTES: usize = 150_000;
const MEMORY_MAX: usize = 8 << 20;

/// Small objects, to see what is left of one without its value.
const SHELLS: usize = 4_000;

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(name = "memory.Session")]
struct Session {
    visits: u64,
    lines: Vec<String>,
}

fn session(n: usize) -> Session {
    let lines = (0..SESSION_BYTES / 125).map(|line| format!("{n} {line} {}", "x".repeat(90))).collect();
    Session { visits: 0, lines }
}

fn key(n: usize) -> String {
    format!("session {n}")
}

async fn node(repository: &InProcess) -> Node {
    Node::builder().memory_max(MEMORY_MAX).in_process(repository).await.unwrap()
}

/// More sessions than there is room for: all are usable, and what lives stays near the budget.
async fn sessions() {
    let repository = InProcess::new().unwrap();
    let author = node(&repository).await;
    for n in 0..SESSIONS {
        author.create(&key(n), session(n)).await.unwrap();
    }
    assert!(author.memory_used() <= MEMORY_MAX, "{} B are used by an author", author.memory_used());
    let node = node(&repository).await;
    let region = Region::new(ALLOCATOR);
    let mut most = (0, 0);
    let mut handles: Vec<Object<Session>> = Vec::new();
    for n in 0..SESSIONS {
        handles.push(node.open(&key(n)).await.unwrap());
        assert_eq!(*handles[n].read().await.unwrap(), session(n));
        most = most.max((live(&region).0, node.memory_used()));
    }
    for handle in handles.iter().rev() {
        handle.edit(|session| session.visits += 1).await.unwrap();
        most = most.max((live(&region).0, node.memory_used()));
    }
    for (n, handle) in handles.iter().enumerate() {
        assert_eq!(*handle.read().await.unwrap(), Session { visits: 1, ..session(n) });
        most = most.max((live(&region).0, node.memory_used()));
    }
    let (bytes, counted) = (live(&region).0, node.memory_used());
    println!(
        "{SESSIONS} sessions of {SESSION_BYTES} B within {MEMORY_MAX}: {bytes} B live, {counted} B counted, at most {most:?}"
    );
    assert!(counted <= MEMORY_MAX, "{counted} B are counted");
    let near = MEMORY_MAX + MEMORY_MAX / 4;
    assert!(bytes <= near && most.0 <= near, "{bytes} B live, {most:?} at most");
    assert!(bytes * 4 >= counted * 3, "{bytes} B live, {counted} B are counted");
}

/// What is left of an object without its value: as long as there is a handle, and then.
async fn shells() -> (InProcess, [Node; 2]) {
    let repository = InProcess::new().unwrap();
    let author = repository.node().await.unwrap();
    for n in 0..SHELLS {
        author.create(&key(n), Session { visits: 1, lines: Vec::new() }).await.unwrap();
    }
    let node = Node::builder().memory_max(0).in_process(&repository).await.unwrap();
    let region = Region::new(ALLOCATOR);
    let mut handles: Vec<Object<Session>> = Vec::with_capacity(SHELLS);
    for n in 0..SHELLS {
        handles.push(node.open(&key(n)).await.unwrap());
    }
    let held = live(&region).0 as f64 / SHELLS as f64;
    drop(handles);
    for n in 0..SHELLS {
        drop(node.open::<Session>(&key(n)).await.unwrap());
    }
    let left = live(&region).0 as f64 / SHELLS as f64;
    println!("an object without its value: {held:.0} B with a handle, {left:.0} B without");
    assert!(held <= 2_048.0, "{held} B are kept for an object with a handle");
    assert!(left <= 96.0, "{left} B are kept for an object without a handle");
    (repository, [author, node])
}

pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Kept, so that what it frees later is not taken for less use.
    let kept = runtime.block_on(shells());
    runtime.block_on(sessions());
    drop(kept);
}
