//! Each rule switched off in turn: some seed must notice, or the simulation proves nothing about it.

use nam::repository::{Rule, Rules};

use crate::{SEEDS, number, run};

#[test]
fn every_rule_is_missed() {
    let rules = [Rule::Gate, Rule::Overlap, Rule::Horizon, Rule::SlotReuse, Rule::ExactlyOnce, Rule::Birth];
    let found: Vec<_> = rules.iter().map(|rule| (rule, find(*rule))).collect();
    for (rule, seed) in &found {
        println!("{rule:?}: {seed:?}");
    }
    let unnoticed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(rule, _)| rule).collect();
    assert!(unnoticed.is_empty(), "no seed misses {unnoticed:?}");
}

/// The first seed that fails without `rule`, and how; what the seeds say meanwhile is the harness's to keep.
fn find(rule: Rule) -> Option<(u64, String)> {
    let seeds = number("NAM_SEEDS").unwrap_or(SEEDS);
    (0..seeds)
        .find_map(|seed| run(seed, Rules::without(rule)).err().map(|text| (seed, text.chars().take(90).collect())))
}
