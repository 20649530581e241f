//! Two slots go through the same turns, one of them is looked at after each: what leaves and what is read is the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use nam::node::{Outgoing, Replica, Scope, Settlement, Slot, Step};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::slot::{Desk, DeskMut, delta, held, step};

/// What a closure does to a desk.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Cash(u8),
    Price(u8, u8),
    NoPrice(u8),
    Owner(char),
    Request,
    RequireCash,
}

/// How a closure ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    InAnError,
    InAPanic,
}

#[derive(Clone, Debug)]
enum Turn {
    Update(Vec<Deed>, End, bool),
    Leave,
    Settle(bool),
    Foreign(u8),
    Look,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0..4u8).prop_map(Deed::Cash),
        (0..6u8, 0..4u8).prop_map(|(key, price)| Deed::Price(key, price)),
        (0..6u8).prop_map(Deed::NoPrice),
        prop_oneof![Just('x'), Just('y')].prop_map(Deed::Owner),
        Just(Deed::Request),
        Just(Deed::RequireCash),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let end = prop_oneof![6 => Just(End::Well), 1 => Just(End::InAnError), 1 => Just(End::InAPanic)];
    prop_oneof![
        8 => (vec(deed(), 0..4), end, prop::bool::weighted(0.1)).prop_map(|(deeds, end, is_alone)| Turn::Update(deeds, end, is_alone)),
        2 => Just(Turn::Leave),
        2 => prop::bool::weighted(0.8).prop_map(Turn::Settle),
        1 => (0..4u8).prop_map(Turn::Foreign),
        1 => Just(Turn::Look),
    ]
}

fn act(desk: &mut DeskMut<'_>, deed: Deed) {
    match deed {
        Deed::Cash(cash) => *desk.cash_mut() = f64::from(cash),
        Deed::Price(key, price) => drop(desk.prices_mut().insert(format!("I{key}"), f64::from(price))),
        Deed::NoPrice(key) => drop(desk.prices_mut().remove(&format!("I{key}"))),
        Deed::Owner(letter) => desk.owner_mut().push(letter),
        Deed::Request => desk.requests_mut().add(1),
        Deed::RequireCash => _ = desk.require_cash(),
    }
}

/// Runs one turn; answers what can be seen of it, in words.
fn run(slot: &Arc<Slot<Desk>>, in_flight: &mut Option<Outgoing>, turn: &Turn) -> String {
    match turn {
        Turn::Update(deeds, end, is_alone) => {
            let closure = |desk: &mut DeskMut<'_>| {
                deeds.iter().for_each(|deed| act(desk, *deed));
                match end {
                    End::Well => Ok(format!("{:?}", desk.owner)),
                    End::InAnError => Err("no"),
                    End::InAPanic => panic!("of the closure"),
                }
            };
            let scope = if *is_alone { Scope::Alone } else { Scope::Shared };
            match catch_unwind(AssertUnwindSafe(|| step(slot, scope, closure))) {
                Ok(Poll::Ready(Step::Joined(seen, _))) => format!("joined {seen}"),
                Ok(Poll::Ready(other)) => format!("{other:?}"),
                Ok(Poll::Pending) => "pending".to_owned(),
                Err(_) => "panicked".to_owned(),
            }
        }
        Turn::Leave => match slot.take_batch() {
            Some(outgoing) => {
                let words = format!("{outgoing:?}");
                *in_flight = Some(outgoing);
                words
            }
            None => "nothing leaves".to_owned(),
        },
        Turn::Settle(is_as_sent) => {
            let Some(sent) = in_flight.take() else { return "nothing in flight".to_owned() };
            let is_still_base = slot.reached().is_some_and(|(_, version)| version == sent.base);
            let settlement = if *is_as_sent && is_still_base { Settlement::AsSent } else { Settlement::Conflict };
            format!("{:?}", slot.settle(settlement))
        }
        Turn::Look => {
            format!("{:?}", slot.peek().map(|guard| guard.map(|guard| (Desk::clone(&guard), guard.version()))))
        }
        Turn::Foreign(cash) => {
            let theirs = delta(&Desk { cash: -1.0, ..Desk::default() }, |desk| *desk.cash_mut() = f64::from(*cash));
            format!("{:?}", slot.apply(1, &theirs))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whoever_looks_in_between_sees_what_is_committed_and_changes_nothing(turns in vec(turn(), 0..60)) {
        let (left_alone, _) = held(&Desk::default());
        let (looked_at, _) = held(&Desk::default());
        let (mut one, mut other) = (None, None);
        for turn in turns.iter().chain([&Turn::Look]) {
            prop_assert_eq!(run(&left_alone, &mut one, turn), run(&looked_at, &mut other, turn), "{:?}", turn);
            looked_at.peek().unwrap();
        }
    }
}
