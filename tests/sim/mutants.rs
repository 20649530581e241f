//! Each rule switched off in turn: some seed must notice, or the simulation proves nothing about it.

use nam::repository::{Rule, Rules};

use crate::{OPEN, SEEDS, number, run};

#[test]
fn every_rule_is_missed() {
    let rules = [Rule::Gate, Rule::Overlap, Rule::Horizon, Rule::SlotReuse, Rule::ExactlyOnce, Rule::Birth];
    std::panic::set_hook(Box::new(|_| {}));
    let found: Vec<_> = rules.iter().map(|rule| (rule, find(*rule))).collect();
    let _ = std::panic::take_hook();
    for (rule, seed) in &found {
        println!("{rule:?}: {seed:?}");
    }
    let unnoticed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(rule, _)| rule).collect();
    assert!(unnoticed.is_empty(), "no seed misses {unnoticed:?}");
}

/// The first seed that fails without `rule`, and how.
fn find(rule: Rule) -> Option<(u64, String)> {
    let seeds = number("NAM_SEEDS").unwrap_or(SEEDS);
    (0..seeds)
        .filter(|seed| !OPEN.contains(seed))
        .find_map(|seed| run(seed, Rules::without(rule)).err().map(|text| (seed, text.chars().take(90).collect())))
}
