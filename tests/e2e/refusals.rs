//! What the repository or the node itself refuses reaches the application as one sentence that says what to change.

use std::time::Duration;

use nam::Tracked;
use nam::client::Node;
use nam::engine::{Appender, Driver, claim};
use nam::error::{Error, UpdateError};
use nam::ids::ShardId;
use nam::journal::Claim;
use nam::limits::NAME_BYTES_MAX;
use nam::repository::{Caps, Core, Identity};
use nam::store::MemoryJournal;
use nam::transport::{Listener, Trust};
use nam::wire::{CloseCode, Outlet};

use crate::links::listener;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "refusals.Note")]
struct Note {
    text: Vec<u8>,
}

/// The same class as another program has it.
mod other {
    use super::Tracked;

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    #[nam(name = "refusals.Note")]
    pub(super) struct Note {
        pub(super) text: u64,
    }
}

/// Serves a shard with these caps on the links that come in, for as long as it is polled.
async fn serve(listener: Listener, caps: Caps) {
    let (shard, mut journal) = (ShardId(0), MemoryJournal::forgetful());
    let Claim { epoch, lossy_epoch, last_crc, .. } = claim(&mut journal, shard).unwrap();
    let identity = Identity { shard, epoch, lossy_epoch, last_crc, shards: Vec::new() };
    let (driver, inputs) = Driver::new(Core::new(identity, caps), Appender::Here(Box::new(journal)));
    let accept = async {
        while let Some(handshake) = listener.accept().await {
            let inputs = inputs.clone();
            tokio::spawn(async move {
                if let Ok(link) = handshake.link().await {
                    inputs.serve(link.outlet, link.inlet).await;
                }
            });
        }
    };
    let (driven, ()) = tokio::join!(driver.run(), accept);
    driven.unwrap();
}

/// The address and trust of a shard with these caps, served in the background.
fn shard(caps: Caps) -> (String, Trust) {
    let (listener, fingerprint) = listener();
    let address = listener.address().to_string();
    tokio::spawn(serve(listener, caps));
    (address, Trust::Fingerprint(fingerprint))
}

async fn node((address, trust): &(String, Trust)) -> Node {
    Node::builder().address(address).trust(trust.clone()).connect().await.unwrap()
}

fn sentence<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    outcome.unwrap_err().to_string()
}

#[tokio::test]
async fn a_schema_that_does_not_fit_is_refused_with_what_to_write() {
    let shard = shard(Caps::default());
    let (first, second) = (node(&shard).await, node(&shard).await);
    first.create("alice", Note::default()).await.unwrap();
    let text = "incompatible: class `refusals.Note`: field `text` of `Note` was bytes and is u64 now: \
                add #[nam(id = 2)] to it and #[nam(reserved(1))] to `Note`";
    // At once, and again, when the node knows already.
    for _ in 0..2 {
        assert_eq!(sentence(second.open::<other::Note>("alice").await), text);
        assert_eq!(sentence(second.create("bob", other::Note::default()).await), text);
    }
    assert_eq!(first.keys::<Note>("").await.unwrap(), ["alice"], "nothing was done by halves");
}

#[tokio::test]
async fn a_key_over_its_limit_is_refused_before_anything_is_sent() {
    let node = node(&shard(Caps::default())).await;
    let key = "x".repeat(NAME_BYTES_MAX + 1);
    let text = "invalid call: a key has 1 to 256 bytes, not 257";
    assert_eq!(sentence(node.open::<Note>(&key).await), text);
    assert_eq!(sentence(node.create(&key, Note::default()).await), text);
    assert_eq!(sentence(node.keys::<Note>(&key).await), text);
    assert_eq!(sentence(node.open::<Note>("").await), "invalid call: a key has 1 to 256 bytes, not 0");
    node.create(&key[1..], Note::default()).await.unwrap();
}

#[tokio::test]
async fn two_types_of_one_class_and_what_is_no_address_are_told_apart() {
    let node = node(&shard(Caps::default())).await;
    node.create("note", Note::default()).await.unwrap();
    let text = sentence(node.create("other", other::Note::default()).await);
    assert!(text.ends_with("get theirs from a constant of each, #[nam(name = PATH)]"), "{text}");
    let text = sentence(Node::connect([""]).await);
    assert!(text.starts_with("invalid call: an empty text is no address of a daemon: it has no port"), "{text}");
    let text = sentence(Node::connect(["daemon"]).await);
    assert!(text.starts_with("invalid call: `daemon` is no address of a daemon: it has no port"), "{text}");
}

#[tokio::test]
async fn what_is_over_a_limit_of_the_shard_is_refused_with_the_limit() {
    let shard = shard(Caps { object_bytes_max: 100_000, objects_max: 1, subscriptions_max: 1, ..Caps::default() });
    let node = node(&shard).await;
    let large = |bytes| Note { text: vec![7; bytes] };
    // In one record, and in segments.
    for bytes in [100_001, 400_000] {
        let text = sentence(node.create("large", large(bytes)).await);
        assert!(text.starts_with("a limit is reached: refusals.Note/large: the object would have "), "{text}");
        assert!(text.ends_with(" bytes, 100000 are allowed"), "{text}");
    }
    let note = node.create("note", large(10)).await.unwrap();
    let grown = note.update(|note| {
        note.text_mut().extend_from_slice(&[7; 100_000]);
        Ok::<(), Error>(())
    });
    let Err(UpdateError::Failed(error)) = grown.await else { panic!("the object outgrew its limit") };
    let text = error.to_string();
    assert!(text.starts_with("a limit is reached: refusals.Note/note: the object would have "), "{text}");
    assert_eq!(*note.read().await.unwrap(), large(10), "it stays as it was");
    let text = sentence(node.create("more", large(10)).await);
    assert_eq!(text, "a limit is reached: refusals.Note/more: the shard has 1 objects, as many as it may have");
}

#[tokio::test]
async fn a_link_that_is_turned_down_says_why() {
    let full = shard(Caps { nodes_max: 1, ..Caps::default() });
    let _first = node(&full).await;
    let dial = |(address, trust): &(String, Trust)| {
        Node::builder().address(address).trust(trust.clone()).patience(Duration::from_secs(20)).connect()
    };
    let text = sentence(dial(&full).await);
    assert_eq!(text, "the repository is unavailable: the shard has as many nodes as it may have: at most 1");

    // A daemon of another version.
    let (listener, fingerprint) = listener();
    let address = listener.address().to_string();
    let turn_down = async {
        let mut link = listener.accept().await.unwrap().link().await.unwrap();
        link.outlet.close(CloseCode::Protocol, "the repository speaks 9, the node 1: run one version of nam on both");
        link
    };
    let (refused, _link) = tokio::join!(dial(&(address, Trust::Fingerprint(fingerprint))), turn_down);
    assert_eq!(
        sentence(refused),
        "incompatible: the other side speaks another version of the protocol: \
         the repository speaks 9, the node 1: run one version of nam on both"
    );
}
