use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

#[derive(nam::Tracked, Clone)]
struct Cache {
    #[nam(leaf)]
    cell: Cell<u32>,
    deep: Option<Vec<(u32, RefCell<u32>)>>,
    shared: Rc<u32>,
    locked: Arc<Mutex<u32>>,
    #[nam(leaf)]
    lock: Arc<RwLock<u32>>,
    once: Arc<OnceLock<u32>>,
    count: Arc<AtomicU64>,
    pointer: *const u32,
    name: &'static str,
}

// The same as leaves, which serde would let in.
#[derive(nam::Tracked, Clone)]
struct Leaves {
    #[nam(leaf)]
    inner: Option<RefCell<u32>>,
    #[nam(leaf)]
    shared: Vec<Rc<u32>>,
    #[nam(leaf)]
    locked: Arc<Mutex<u32>>,
    #[nam(leaf)]
    once: Arc<OnceLock<u32>>,
    #[nam(leaf)]
    flag: Arc<AtomicBool>,
    #[nam(leaf)]
    pointer: [*mut u32; 2],
}

fn main() {}
