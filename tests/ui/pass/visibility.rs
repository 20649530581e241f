//! Made types and accessors are seen by whom the user's are; a private field's cursor stays private.
#![deny(warnings, missing_docs, missing_debug_implementations)]

mod desk {
    use nam::Tracked;

    /// A portfolio.
    #[derive(Tracked, Clone, Debug)]
    pub struct Portfolio {
        /// Cash.
        pub cash: f64,
        pub(crate) owner: u64,
        secret: u64,
    }

    impl Portfolio {
        /// Makes one.
        pub fn new() -> Self {
            Self { cash: 1.0, owner: 2, secret: 3 }
        }
    }

    impl PortfolioMut<'_> {
        /// A domain method on the cursor.
        pub fn spend(&mut self, amount: f64) {
            *self.cash_mut() -= amount;
            *self.secret_mut() += 1;
        }
    }
}

use desk::{Portfolio, PortfolioChanges, PortfolioFields, PortfolioMut};

fn both(fields: PortfolioFields<'_>) {
    let PortfolioFields { mut cash, mut owner, .. } = fields;
    *cash += 1.0;
    *owner += 1;
}

fn main() {
    use nam::Tracked;
    let mut portfolio = Portfolio::new();
    let mut changes = PortfolioChanges::default();
    let mut cursor: PortfolioMut<'_> = portfolio.track(&mut changes);
    cursor.spend(1.0);
    both(cursor.fields());
    assert!(changes.cash.is_changed() && changes.owner.is_changed());
}
