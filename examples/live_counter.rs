//! "Many servers count, one watches": a counter that never conflicts, and every change with what was there before.
//!
//! Run it with `cargo run --example live_counter`; no daemon is needed.

use nam::{Change, InProcess, Tracked};

#[derive(Tracked, Clone, Default)]
#[nam(name = "stats.Page")]
struct Page {
    /// Additions are sent as additions: the repository sums them up.
    #[nam(add)]
    visits: u64,
    /// The slowest answer so far.
    #[nam(max)]
    slowest_ms: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repository = InProcess::new()?;
    let watcher = repository.node().await?;
    let page = watcher.create("/start", Page::default()).await?;
    let mut changes = page.watch();

    let servers = (1..=4_u64).map(|server| {
        let repository = repository.clone();
        tokio::spawn(async move {
            let node = repository.node().await?;
            let page = node.open::<Page>("/start").await?;
            for request in 1..=25 {
                let count = page.update(|page| -> Result<(), nam::Error> {
                    page.visits_mut().add(1);
                    page.slowest_ms_mut().max(server * request);
                    Ok(())
                });
                count.await.map_err(|error| error.to_string())?;
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })
    });
    let servers: Vec<_> = servers.collect();

    let mut visits = 0;
    while visits < 100 {
        match changes.next().await {
            Change::Applied { changes, version } => {
                visits = page.peek()?.visits;
                if let Some(before) = changes.visits.previous() {
                    println!("version {version}: from {before} visits; now there are {visits}");
                }
            }
            Change::Lagged => visits = page.peek()?.visits,
            _ => break,
        }
    }
    for server in servers {
        server.await?.map_err(|error| error.to_string())?;
    }
    let page = page.fresh().await?;
    println!("{} visits, the slowest took {} ms", page.visits, page.slowest_ms);
    assert_eq!((page.visits, page.slowest_ms), (100, 100));
    Ok(())
}
