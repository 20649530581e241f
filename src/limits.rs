//! Every cap, its unit, why it is so, and what happens when it is reached.
//!
//! Queues without a figure of their own are bounded by what feeds them:
//! - records and segments in an outlet or a pipe: [`UNCONFIRMED_BYTES_MAX`] or, with answers to who does not listen,
//!   [`OWED_BYTES_MAX`]; and [`SEGMENTS_UNCONFIRMED_MAX`] for each of [`TRANSFERS_MAX`];
//! - records that a driver holds for one link: what arrived at once, at most a window, and its reader pauses;
//! - a node's way to its thread and to its worker: one entry of each kind for a replica, and its calls that wait;
//! - batches, creations and destructions that wait on a node: its calls that wait ([`COMMITS_UNACKNOWLEDGED_MAX`] leave);
//! - commits that wait at the repository for the work on their object: twice [`COMMITS_UNACKNOWLEDGED_MAX`] of each node;
//! - dirty objects of a node, fan-outs, work, wake-ups: one entry for each object, subscription or node there is.
//!
//! Bytes from outside are hostile and every queue is bounded: this file is the one list of those bounds. Source: own
//! reasoning, and measurements with `benches/`.

/// Nesting of values and deltas, in frames. Beyond it a decoder answers `TooDeep`; keeps recursion off the end of the stack.
pub const DEPTH_MAX: u16 = 64;

/// Bytes of a class name or an object key. Beyond it the call is `Invalid`.
pub const NAME_BYTES_MAX: usize = 256;

/// Bytes of one encoded schema: it travels in one record. Beyond it the registration is refused.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// Structs and enums in one schema. Beyond it the registration is refused.
pub const SCHEMA_TYPES_MAX: usize = 4_096;

/// Fields of one struct or variant, variants of one enum. Beyond it the registration is refused.
pub const SCHEMA_MEMBERS_MAX: usize = 4_096;

/// Bytes of one opaque leaf (`#[nam(leaf)]`) or map key: it is shipped as a whole, so it must fit a record. Beyond it the commit is `Limit`.
pub const LEAF_BYTES_MAX: usize = 32 * 1024;

/// Encoded bytes of one object, default. Beyond it the commit is refused with `Limit`, the object stays as it was.
pub const OBJECT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Encoded bytes of one delta that changes an existing object. Beyond it the commit is refused with `Limit`.
pub const DELTA_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of what one commit requires besides what it changes: a thousand small fields. A node that requires more requires
/// the whole object; a repository refuses such a commit with `Limit`.
pub const GUARD_BYTES_MAX: usize = 4 * 1024;

/// Objects of one group that is committed or read together, a record's worth of heads; beyond it the call is `Limit`, and
/// a record that names more closes the link.
pub const GROUP_OBJECTS_MAX: usize = 64;

/// Bytes of what one group changes and requires: it travels in one record, with 48 for the head of each of its parts.
/// Beyond it the commit is `Limit`.
pub const GROUP_BYTES_MAX: usize = INLINE_BYTES_MAX - 48 * GROUP_OBJECTS_MAX;

/// Bytes of a delta inside a record of an ordered stream; a larger one travels as a bulk transfer, so that it delays nobody.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one record of an ordered stream: an inline delta and its header. Beyond it the link is closed.
pub const RECORD_BYTES_MAX: usize = INLINE_BYTES_MAX + 1_024;

/// Bytes of one segment of a bulk transfer, and of the work of one call of a core. An entry that alone is larger makes its segment larger.
pub const SEGMENT_BYTES_MAX: usize = 256 * 1024;

/// Times what the first segment of a container brought that room is made for, because a snapshot announces more. Beyond it
/// the container grows as it fills: an announcement that lies costs no memory to speak of.
pub const ROOM_FACTOR_MAX: usize = 256;

/// Segments of one transfer that the receiver has not confirmed; the sender waits beyond it (1 MiB in flight a transfer).
pub const SEGMENTS_UNCONFIRMED_MAX: u32 = 4;

/// Transfers that have begun in one direction of a link (4 MiB of segments); further ones wait at their sender.
pub const TRANSFERS_MAX: usize = 4;

/// Bytes on the ordered stream to one node that the node has not confirmed; beyond it changes wait, merged, in the dirty queue.
pub const UNCONFIRMED_BYTES_MAX: usize = 256 * 1024;

/// Bytes of answers and notices, which need no room, that a node may leave unconfirmed: four times what a node is told whose
/// replicas are all lost. Beyond it the link is closed: it asks and does not listen.
pub const OWED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes a node consumes before it confirms them on the control stream.
pub const CREDIT_BYTES: usize = 64 * 1024;

/// Cells visited in one call of a core; what is more goes on in the next step.
pub const STEP_CELLS_MAX: usize = 1_000;

/// Cells of a commit that is applied in place; one of more is applied in steps to a copy of the pages it changes.
pub const IN_PLACE_CELLS_MAX: usize = 64;

/// Bytes of a delta that is applied in place.
pub const IN_PLACE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of commits after which an open frame is sealed although another is still being written.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Commits of one node to one shard without an acknowledged outcome (exactly-once table); further commits wait on the node.
pub const COMMITS_UNACKNOWLEDGED_MAX: usize = 1_024;

/// Milliseconds that the outcomes of a disconnected node are remembered; also the longest a client may retry.
pub const OUTCOMES_KEPT_MS: u64 = 10 * 60 * 1_000;

/// Bytes in memory of all that is remembered of nodes that left one shard, default: about 1,300 nodes with as many outcomes as one may have, 380,000 with one. Beyond it the node that left first is forgotten early; if it comes back nevertheless, what it sends again is refused, and its callers are told `Undecided`.
pub const DEPARTED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Bytes of remote deltas that wait in a slot while a guard pins its value or a snapshot is loading; beyond it the replica turns stale and pulls.
pub const SLOT_QUEUE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of stamps a document keeps before its horizon moves, unless a quarter of the object is more.
pub const STAMP_BYTES_MIN: usize = 64 * 1024;

/// Nodes connected to one shard, default. Beyond it a HELLO is refused with `Limit`.
pub const NODES_MAX: usize = 10_000;

/// Objects of one shard, default. Beyond it a creation is refused with `Limit`.
pub const OBJECTS_MAX: usize = 10_000_000;

/// Objects one node may hold in one shard, default. Beyond it an open is refused with `Limit`.
pub const SUBSCRIPTIONS_MAX: usize = 1_000_000;

/// Classes registered with one shard. Beyond it a registration is refused with `Limit`.
pub const CLASSES_MAX: usize = 4_096;

/// Requests (open, pull, destroy, keys) of one node that wait for an answer; further ones wait on the node.
pub const REQUESTS_MAX: usize = 65_536;

/// Bytes that a node's replicas take in memory, superseded versions that guards still have included; beyond that those
/// that were not used for longest are dropped and fetched again when they are read. A share of a server that leaves room for
/// the application; `NodeBuilder::memory_max` sets another.
pub const NODE_MEMORY_BYTES_MAX: usize = 1 << 30;

/// The least that a daemon may be told to keep of its objects in memory. With less every change would send its object to
/// the disk and the next one fetch it back; the daemon does not start.
pub const DAEMON_MEMORY_BYTES_MIN: u64 = 64 * 1024;

/// Milliseconds after which a node that is above its budget looks again what may go: nobody says when a guard is dropped, or
/// when another of its links takes the room.
pub const MEMORY_LOOK_MS: u64 = 1_000;

/// Events that wait for one watcher; beyond it the watcher gets `Lagged` and goes on with the newest.
pub const WATCH_EVENTS_MAX: usize = 64;

/// Milliseconds for which commits that would be in its way wait for a node that lost at an object again and again. A node comes back within a round trip and its own pause; one that does not lets the others go on.
pub const PRECEDENCE_MS: u64 = 20;

/// Commits of one object that a node loses before it goes first there.
pub const LOSSES_BEFORE_PRECEDENCE: u32 = 2;

/// Bytes of a lost commit that are kept to know what would be in its way; a larger one is taken to touch all of the object.
pub const LOST_BYTES_MAX: usize = 1_024;

/// Commits of an object that a node loses in a row before an update is a `Conflict`.
pub const UPDATE_TRIES_MAX: u32 = 16;

/// Runs of an update's closure before `Conflict`, although the node has other commits of the object accepted meanwhile.
pub const UPDATE_RUNS_MAX: u32 = 256;

/// Bytes that a record costs besides its own where traffic is weighed: its packet's headers and protection.
pub const PACKET_BYTES: usize = 60;

/// Bytes pushed to a holder, packets included, that it has not read; beyond it the next change is told by a stale notice,
/// then by nothing until the holder pulls. A notice, a pull and its answer cost two packets and at least 16 bytes more than
/// pushing the delta that the answer has to bring anyway.
pub const UNREAD_BYTES_MAX: usize = 2 * PACKET_BYTES + 16;

/// Milliseconds of quiet after which a repository says that a link lives.
pub const PROGRESS_MS: u64 = 1_000;

/// Milliseconds that a node may leave a full window unconfirmed while more waits for it; beyond it the link is closed as `Slow`.
pub const SLOW_MS: u64 = 10_000;

/// Inputs of all links that wait for one shard; beyond it links are not read until the shard has taken some.
pub const SHARD_INPUTS_MAX: usize = 256;

/// Bytes that stay free on the device of a journal, default: what the store may still write of what it has taken. With less, commits are `Unavailable` until there is room again.
pub const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// Handshakes a second that may begin at one shard, default: they then take half of a processor. Beyond it, and beyond the burst, who dials is refused and told to come again.
pub const HANDSHAKES_A_SECOND_MAX: u32 = 1_000;

/// Handshakes that may begin at once after a quiet time, so that a shard's nodes are back within seconds of a restart. Below half of it a stranger must prove its address first.
pub const HANDSHAKES_BURST_MAX: u32 = 2_000;

/// Handshakes that wait to be taken by a shard; more are refused.
pub const HANDSHAKES_WAITING_MAX: usize = 1_024;

/// Milliseconds from a node's first packet to its control stream; a stranger that takes longer is dropped.
pub const HANDSHAKE_MS: u64 = 10_000;

/// Bytes that a handshake which was not taken yet may send ahead; more are dropped and sent again.
pub const EARLY_BYTES_MAX: u64 = 64 * 1024;

/// The same for all such handshakes together.
pub const EARLY_BYTES_MAX_TOTAL: u64 = 8 * 1024 * 1024;

/// Bytes of one stream on their way: a segment never waits for the window of its stream. Beyond it the sender waits.
pub const STREAM_WINDOW_BYTES: u32 = 32 * 1024 * 1024;

/// Bytes of one connection that the application has not read: bounds the memory a peer can fill. Beyond it the sender waits.
pub const RECEIVE_WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// Bytes of one connection that the peer has not acknowledged. One budget for all streams: larger than all bulk that may be outstanding, or bulk would block the ordered stream. Beyond it writers wait.
pub const SEND_WINDOW_BYTES: u64 = 64 * 1024 * 1024;

/// Bulk streams a node may have open towards the daemon. Each costs memory from the start, so there are few; further segments wait on the node.
pub const NODE_BULK_STREAMS_MAX: u32 = 8;

/// Bytes of records that may wait in a repository's core for one node, twice what a driver is told to keep; beyond it the link is closed.
pub const UNREAD_RECORDS_BYTES_MAX: usize = 4 * RECORD_BYTES_MAX;

/// Sealed frames of a shard that are not durable yet; beyond it the shard reads no more commits.
pub const FRAMES_IN_FLIGHT_MAX: u64 = 2;

/// Frames of one shard on their way to the thread of their device and back, and a little more for words about room.
pub const LANE_MAX: usize = 8;

/// Bytes of a value that an index takes. A longer text is in no index, and to search for one is `Invalid`.
pub const INDEXED_BYTES_MAX: usize = 256;

/// Indexed fields of one class: what its objects hold in them stays in memory, also of objects that do not. Beyond it the registration is refused.
pub const INDEXES_MAX: usize = 16;

/// Bytes of keys in one page of an answer; the node asks for the next page.
pub const PAGE_BYTES_MAX: usize = 32 * 1024;

/// Keys in one page of an answer.
pub const PAGE_KEYS_MAX: usize = 500;

/// Bytes that the splices of one text in one commit may move in all, if there are more than one: its length, times their number. Beyond it the commit is refused.
pub const SPLICED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Milliseconds that a writer waits for a guard to go, at most, before the value is copied.
pub const COPY_PATIENCE_MS: u64 = 60;

/// Milliseconds of the shortest idle limit or lifetime of an object: use is told at most once a second. Below it the call is `Invalid`.
pub const EXPIRY_MS_MIN: u64 = 1_000;

/// Milliseconds of the longest idle limit or lifetime of an object, ten years. Beyond it the call is `Invalid`.
pub const EXPIRY_MS_MAX: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// Milliseconds between two touches of one object by one node, at least, and between two records of touches.
pub const TOUCH_MS_MIN: u64 = 1_000;

/// The share of an idle limit that a node lets pass between two touches of an object, if that is more than [`TOUCH_MS_MIN`].
pub const TOUCHES_AN_IDLE_LIMIT: u64 = 30;

/// Aliases in one record of touches, one step of work. A longer one closes the link.
pub const TOUCHES_MAX: usize = STEP_CELLS_MAX;

/// Milliseconds that a repository waits for its holders' touches before an object expires: as long as a link may be silent.
pub const TOUCH_WAIT_MS: u64 = 4_000;

/// Bytes of a shard's journal, default; beyond it images are made and the journal is cut behind them.
pub const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// Images of one shard that were frozen and are not in force; more wait until some are. They share their sync.
pub const IMAGES_IN_FLIGHT_MAX: usize = 64;

/// Parts of one image that say what changed since its pages were written, each read for itself by a load; beyond it the
/// pages are written; for the first time sooner, each object at its own number, so that they take turns.
pub const IMAGE_TAILS_MAX: usize = 32;

/// Objects of one shard that are being loaded; more wait.
pub const LOADS_IN_FLIGHT_MAX: usize = 8;

/// Objects of one shard that are loaded or asked for when another is asked for only because its image is old: after a start
/// that may be every object, and who waits for one is not to wait for all.
pub const LOADS_FOR_IMAGES_MAX: usize = 4;

/// Writes and loads of one shard that the keeper of images has not answered, states and cuts included; beyond it the shard hands over no more.
pub const IMAGE_LANE_MAX: usize = IMAGES_IN_FLIGHT_MAX + LOADS_IN_FLIGHT_MAX + 8;

/// Bytes of parts, or of heads, in one batch of the store, so that a frame's sync never waits for a whole image. A part that alone is larger makes its batch larger.
pub const IMAGE_BATCH_BYTES_MAX: usize = 256 * 1024;

/// Milliseconds that a lock is waited for, default. Beyond it the wait ends with `LockTimeout`, which names the holder.
pub const LOCK_WAIT_MS: u64 = 15_000;

/// Milliseconds of the longest wait for a lock, a day; a longer one is taken for this.
pub const LOCK_WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Waits for the lock of one object, default: every node may have one. Beyond it a wait is refused with `Limit`.
pub const LOCK_WAITS_MAX: usize = NODES_MAX;

/// Locks that one node holds or waits for in one shard, default. Beyond it a wait is refused with `Limit`; further ones a node has asked for while it has no link wait there.
pub const LOCKS_MAX: usize = 4_096;

/// Groups of consumers of events in one shard: each keeps its own. Beyond it founding one is refused with `Limit`.
pub const GROUPS_MAX: usize = 16;

/// Events that one group keeps in one shard until they are acknowledged. Beyond it the oldest go, and the next one says how many.
pub const EVENTS_MAX: usize = 65_536;

/// Bytes of the same, last states included, that the groups of a shard share evenly: they stand in memory and in the shard's state. Beyond it as [`EVENTS_MAX`]. A last state is at most as long as a delta in a record, [`INLINE_BYTES_MAX`]; of a longer one there is none.
pub const EVENTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Consumers of events that one node has in one shard. Beyond it the call is refused with `Limit`.
pub const CONSUMERS_MAX: usize = 64;

/// Consumers of one group in one shard, so that the next one with room is found by looking at each. Beyond it joining is refused with `Limit`.
pub const GROUP_CONSUMERS_MAX: usize = 1_024;

/// Objects that wait at once to be brought to memory so that they can end with their last state. Beyond it others end later.
pub const ENDS_WAITING_MAX: usize = 1_024;

/// Events that one consumer was told and did not acknowledge; beyond it others of its group are told, or nobody.
pub const EVENTS_TOLD_MAX: usize = 64;

/// Milliseconds after which what was told and not acknowledged is told again, to whichever consumer of the group.
pub const EVENT_TOLD_MS: u64 = 30_000;

/// Bytes of a chunk of a backup, so that one fits into memory and into one request to a store of objects. A record that alone is larger makes its chunk larger.
pub const BACKUP_CHUNK_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of one part of an object that a backup sends to a store of objects; a shorter object is sent at once. Stores ask for 5 MiB at least.
pub const BACKUP_PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts of one object that are on their way to a store of objects, or from there; more wait.
pub const BACKUP_PARTS_IN_FLIGHT_MAX: usize = 4;

/// Bytes of a message of a daemon to a backup: the largest part is one entry that fills its object, the largest state what [`NODES_MAX`] nodes with [`COMMITS_UNACKNOWLEDGED_MAX`] outcomes of 20 B and full groups of consumers leave, about 260 MiB. A longer one ends the backup.
pub const BACKUP_MESSAGE_BYTES_MAX: u64 = 2 * OBJECT_BYTES_MAX as u64;

/// Milliseconds that a daemon waits for a backup that takes nothing, as while it sends a chunk over a slow line: it holds a snapshot of the store. Beyond it the backup ends.
pub const BACKUP_STALL_MS: u64 = 600_000;

/// Bytes of the trees that a session store keeps to find what a request changed, default. Beyond it the oldest go; a save without its tree succeeds only if nobody committed since the load.
pub const SESSION_BASES_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Milliseconds that a session store keeps such a tree, default: longer than requests take.
pub const SESSION_BASES_KEPT_MS: u64 = 5 * 60 * 1_000;

/// Loads that a session store keeps with their trees, and as many whose trees went, by number and version: about 50 MB each. Of older ones it knows nothing, and a save replaces the session whole.
pub const SESSION_LOADS_MAX: usize = 250_000;

/// Milliseconds that a session store remembers that a session ended and where its data went: longer than a request that began before takes to save.
pub const SESSION_ENDS_KEPT_MS: u64 = 60 * 1_000;

/// Sessions of which a store remembers that they ended; beyond it the oldest are forgotten, and their late saves are dropped.
pub const SESSION_ENDS_MAX: usize = 10_000;

/// Saves of one ended session that wait for its new id; more are dropped.
pub const SESSION_LATE_MAX: usize = 32;

/// Bytes of all saves that wait so in one store; more are dropped.
pub const SESSION_LATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Levels of arrays and objects of a session value that are kept as such, so that a delta stays within [`DEPTH_MAX`]; what is deeper is kept as JSON text.
pub const SESSION_DEPTH_MAX: u8 = 16;

/// Levels of such a text, what serde_json reads back. Beyond it the save is refused.
pub const SESSION_TEXT_DEPTH_MAX: u8 = 120;

/// The share of its remaining life by which a session's end must move before the repository is told, as with touches.
pub const SESSION_MOVES_A_LIFE: u32 = 30;
