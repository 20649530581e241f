//! "A thousand sessions, one catalogue": sessions refer to an object instead of holding a copy, and are found by user.
//!
//! Run it with `cargo run --example shared_catalogue`; no daemon is needed.

use std::collections::BTreeMap;

use nam::{InProcess, Ref, Tracked};

#[derive(Tracked, Clone, Default)]
#[nam(name = "shop.Catalogue")]
struct Catalogue {
    cents: BTreeMap<String, u64>,
}

#[derive(Tracked, Clone)]
#[nam(name = "shop.Session")]
struct Session {
    #[nam(index)]
    user: String,
    catalogue: Ref<Catalogue>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repository = InProcess::new()?;
    let (left, right) = (repository.node().await?, repository.node().await?);
    let cents = (0..10_000).map(|n| (format!("article {n}"), 100 + n)).collect();
    let catalogue = left.create("spring", Catalogue { cents }).await?;
    for n in 0..1_000 {
        let session = Session { user: format!("user {}", n % 100), catalogue: catalogue.reference()? };
        left.create(&format!("session {n}"), session).await?;
    }

    // Another server has one catalogue, whichever session leads there.
    let found = right.find(Session::USER, "user 7").await?;
    println!("user 7 has {} sessions", found.len());
    for session in &found {
        let session = right.resolve(session).await?.read().await?;
        let catalogue = right.resolve(&session.catalogue).await?;
        assert_eq!(catalogue.read().await?.cents["article 7"], 107);
    }

    // One change of it is seen by all of them, and costs a few bytes a server.
    let cheaper = catalogue.update(|catalogue| {
        *catalogue.cents_mut().get_mut("article 7").ok_or("no such article")? -= 8;
        Ok::<_, &str>(())
    });
    let version = cheaper.await?.version;
    let session = right.resolve(&found[0]).await?.read().await?;
    let there = right.resolve(&session.catalogue).await?.fresh().await?;
    println!("at version {version} article 7 costs {} for everybody", there.cents["article 7"]);

    // Signed out everywhere.
    for session in right.find(Session::USER, "user 7").await? {
        right.destroy::<Session>(session.key()).await?;
    }
    println!("user 7 has {} sessions", left.find(Session::USER, "user 7").await?.len());

    // A catalogue of the same name is another object: old sessions do not take it for theirs.
    left.destroy::<Catalogue>("spring").await?;
    left.create("spring", Catalogue::default()).await?;
    let session = left.open::<Session>("session 1").await?.read().await?;
    let gone = left.resolve(&session.catalogue).await;
    println!("a session of the old catalogue: {}", gone.err().map(|error| error.to_string()).unwrap_or_default());
    Ok(())
}
