//! A class that several of the tests share.

use nam::Tracked;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Ledger")]
pub(crate) struct Ledger {
    pub total: u64,
    pub text: String,
    pub lines: Vec<u64>,
}
