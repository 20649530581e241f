//! Each rule switched off in turn: some seed must notice, or the simulation proves nothing about it. `NAM_MUTANT=name` tries
//! those of that name only.

use nam::document::TailFault;
use nam::node::Rule as SlotRule;
use nam::repository::Rule;

use crate::swarm::Mutant;
use crate::{SEEDS, number, run};

#[test]
fn every_rule_is_missed() {
    let rules = [
        Rule::Gate,
        Rule::Overlap,
        Rule::Guard,
        Rule::Horizon,
        Rule::SlotReuse,
        Rule::ExactlyOnce,
        Rule::Forgotten,
        Rule::Birth,
        Rule::Anew,
        Rule::Fence,
        Rule::GrantGate,
        Rule::EventGate,
        Rule::Cut,
        Rule::Image,
        Rule::Tail,
        Rule::Unread,
        Rule::Index,
        Rule::Group,
        Rule::Joint,
    ];
    let slots = [SlotRule::Floor, SlotRule::Losses, SlotRule::Outages, SlotRule::Unknown, SlotRule::Use];
    let nodes = slots.map(Mutant::OfSlot).into_iter().chain([Mutant::Budget, Mutant::Asking]);
    let faults = [TailFault::Skipped, TailFault::Doubled].map(Mutant::TailFault);
    let mutants = rules.map(Mutant::Without).into_iter().chain(nodes).chain(faults);
    let name = std::env::var("NAM_MUTANT").unwrap_or_default();
    let mutants = mutants.filter(|mutant| format!("{mutant:?}").contains(&name));
    let found: Vec<_> = mutants.map(|mutant| (mutant, find(mutant))).collect();
    for (mutant, seed) in &found {
        println!("{mutant:?}: {seed:?}");
    }
    assert!(!found.is_empty(), "no rule is named {name}");
    let unnoticed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(mutant, _)| mutant).collect();
    assert!(unnoticed.is_empty(), "no seed misses {unnoticed:?}");
}

/// The first seed that notices, and how; what the seeds say meanwhile is the harness's to keep.
fn find(mutant: Mutant) -> Option<(u64, String)> {
    let seeds = number("NAM_SEEDS").unwrap_or(SEEDS);
    (0..seeds).find_map(|seed| run(seed, Some(mutant)).err().map(|text| (seed, text.chars().take(90).collect())))
}
