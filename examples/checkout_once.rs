//! "Pay once, whatever clicks twice": two servers, one order, and a payment that must not be made two times.
//!
//! Run it with `cargo run --example checkout_once`; no daemon is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nam::{Error, InProcess, LockToken, Node, Tracked};

#[derive(Tracked, Clone, Default)]
#[nam(name = "shop.Order")]
struct Order {
    cents: u64,
    receipt: Option<String>,
}

/// The bank: what it does cannot be undone by a transaction that runs again.
#[derive(Default)]
struct Bank {
    payments: AtomicU64,
}

impl Bank {
    async fn pay(&self, cents: u64) -> String {
        tokio::task::yield_now().await;
        let payment = self.payments.fetch_add(1, Ordering::SeqCst) + 1;
        format!("payment {payment} of {cents} cents")
    }
}

/// A click on "pay", on some server.
async fn click(server: Node, bank: Arc<Bank>) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let order = server.open::<Order>("order-17").await?;
    let lock = order.lock().await?;
    // Under the lock a read shows all that was done under it before.
    let seen = order.read().await?;
    if let Some(receipt) = &seen.receipt {
        return Ok(format!("paid already, by {receipt}"));
    }
    let receipt = bank.pay(seen.cents).await;
    // Refused if the lock was lost meanwhile: then somebody must look, and no second receipt is written over the first.
    lock.update(|order| {
        order.receipt_mut().set(Some(receipt.clone()));
        Ok::<(), Error>(())
    })
    .await?;
    Ok(receipt)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let repository = InProcess::new()?;
    let (first, second) = (repository.node().await?, repository.node().await?);
    let order = first.create("order-17", Order { cents: 4_200, receipt: None }).await?;

    let bank = Arc::new(Bank::default());
    let clicks = [&first, &second, &first].map(|server| tokio::spawn(click(server.clone(), Arc::clone(&bank))));
    for answer in clicks {
        println!("{}", answer.await??);
    }
    assert_eq!(bank.payments.load(Ordering::SeqCst), 1);

    // A request that was sent elsewhere works under the same lock, by its token.
    let lock = order.lock().await?;
    let carried: LockToken = lock.token().to_string().parse()?;
    let joined = second.open::<Order>("order-17").await?.join_lock(carried).await?;
    lock.release().await?;
    let late = joined.update(|order| {
        order.receipt_mut().clear();
        Ok::<(), Error>(())
    });
    println!("{}", late.await.expect_err("the lock is released"));
    assert!(order.fresh().await?.receipt.is_some());
    Ok(())
}
