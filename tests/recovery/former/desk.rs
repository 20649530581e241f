//! Objects of which a fixture is made: a struct with something of each kind, and keys that come and go.
//!
//! Who makes a fixture compiles this file with a former version of nam, the tests with this one; so it uses only what
//! all of them have. After every round each object is a function of its number and the round.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use nam::{Expiry, Node, Tracked, UpdateError};

/// Desks; they spread over the shards.
const DESKS: u64 = 8;

/// Rooms of the first desk; the others have few. So many do not fit a frame entry of their own.
const ROOMS: u64 = 3_000;

const LONG: Duration = Duration::from_secs(3_000 * 24 * 3_600);

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(name = "former.Desk")]
pub(crate) struct Desk {
    number: u64,
    cash: f64,
    #[nam(add)]
    hits: u64,
    note: String,
    seat: Option<Seat>,
    fills: Vec<Fill>,
    names: BTreeSet<String>,
    rooms: BTreeMap<u64, BTreeMap<String, i64>>,
    pause: Duration,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
enum Seat {
    Free,
    Taken { row: u32, name: String },
}

#[derive(Tracked, Clone, Debug, PartialEq)]
struct Fill {
    round: u64,
    price: f32,
}

fn fill(round: u64) -> Fill {
    Fill { round, price: round as f32 / 2.0 }
}

fn seat(round: u64) -> Option<Seat> {
    match round % 3 {
        0 => None,
        1 => Some(Seat::Free),
        _ => Some(Seat::Taken { row: 7, name: format!("guest {round}") }),
    }
}

fn room(room: u64, round: u64) -> BTreeMap<String, i64> {
    BTreeMap::from([
        ("seats, of which none is at the window".to_owned(), room as i64 - 9),
        ("round".to_owned(), round as i64),
    ])
}

impl Desk {
    /// The desk after so many rounds, of which none changed the fields of others.
    pub(crate) fn after(number: u64, rounds: u64) -> Self {
        let count = if number == 0 { ROOMS } else { number };
        let mut rooms: BTreeMap<_, _> = (0..count).map(|at| (at, room(at, 0))).collect();
        rooms.extend((1..=rounds).map(|round| (round, room(round, round))));
        rooms.extend((1..=rounds).map(|round| (10_000 + round, BTreeMap::new())));
        Self {
            number,
            cash: 100.0 - rounds as f64,
            hits: rounds * (rounds + 1) / 2,
            note: (0..=rounds).map(|round| format!("round {round}, ünd ")).collect(),
            seat: seat(rounds),
            // The newest at the second place; of five the last one goes.
            fills: std::iter::once(0).chain((1..=rounds).rev()).take(5).map(fill).collect(),
            names: (rounds.saturating_sub(2)..=rounds).map(|round| format!("name {round}")).collect(),
            rooms,
            pause: Duration::from_millis(rounds),
        }
    }

    fn change(desk: &mut DeskMut<'_>, round: u64) {
        *desk.cash_mut() -= 1.0;
        desk.hits_mut().add(round);
        desk.note_mut().push_str(&format!("round {round}, ünd "));
        desk.seat_mut().set(seat(round));
        desk.fills_mut().insert(1, fill(round));
        if desk.fills.len() > 5 {
            desk.fills_mut().remove(5);
        }
        desk.names_mut().insert(format!("name {round}"));
        if round > 2 {
            desk.names_mut().remove(&format!("name {}", round - 3));
        }
        desk.rooms_mut().insert(round, room(round, round));
        desk.rooms_mut().insert(10_000 + round, BTreeMap::new());
        *desk.pause_mut() = Duration::from_millis(round);
    }
}

fn key(number: u64) -> String {
    format!("desk {number}")
}

/// Creates everything: what is there after no round.
pub(crate) async fn create(node: &Node) -> Result<(), UpdateError<Infallible>> {
    for number in 0..DESKS {
        node.create(&key(number), Desk::after(number, 0)).await?;
    }
    node.create("again", Desk::after(1, 0)).await?;
    node.create("gone with 1", Desk::after(2, 0)).await?;
    node.expiring(Expiry::idle(LONG).or_after(LONG)).create("late", Desk::after(3, 0)).await?;
    Ok(())
}

/// Changes every desk; one is created anew, one goes, one comes, one ends by itself, and one is locked.
pub(crate) async fn change(node: &Node, round: u64) -> Result<(), UpdateError<Infallible>> {
    for number in 0..DESKS {
        let desk = node.open::<Desk>(&key(number)).await?;
        let changed = desk.update(|desk| {
            Desk::change(desk, round);
            Ok::<_, Infallible>(())
        });
        changed.await?;
    }
    node.destroy::<Desk>("again").await?;
    node.create("again", Desk::after(1, round)).await?;
    node.destroy::<Desk>(&format!("gone with {round}")).await?;
    node.create(&format!("gone with {}", round + 1), Desk::after(2, 0)).await?;
    let late = node.open::<Desk>("late").await?;
    late.set_expiry(Expiry::after(LONG)).await?;
    let lock = late.lock().await?;
    let changed = lock.update(|desk| {
        Desk::change(desk, round);
        Ok::<_, Infallible>(())
    });
    changed.await?;
    lock.release().await?;
    let brief = format!("brief {round}");
    node.expiring(Expiry::after(Duration::from_secs(1))).create(&brief, Desk::after(4, 0)).await?;
    while !node.keys::<Desk>(&brief).await?.is_empty() {}
    Ok(())
}

/// Whether everything is there as it is after so many rounds, and nothing else.
pub(crate) async fn check(node: &Node, rounds: u64) -> Result<(), UpdateError<Infallible>> {
    let mut expected: BTreeMap<String, Desk> =
        (0..DESKS).map(|number| (key(number), Desk::after(number, rounds))).collect();
    expected.insert("again".to_owned(), Desk::after(1, rounds));
    expected.insert(format!("gone with {}", rounds + 1), Desk::after(2, 0));
    expected.insert("late".to_owned(), Desk::after(3, rounds));
    let keys: BTreeSet<String> = node.keys::<Desk>("").await?.into_iter().collect();
    assert!(keys.iter().eq(expected.keys()), "after {rounds} rounds there is {keys:?}");
    for (key, expected) in expected {
        let desk = node.open::<Desk>(&key).await?;
        assert!(*desk.read().await? == expected, "{key} after {rounds} rounds");
    }
    Ok(())
}
