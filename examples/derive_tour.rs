//! "What can be a field, and what does a change of it cost?": the derive macro from end to end.
//!
//! Run it with `cargo run --example derive_tour`; nothing is sent anywhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use nam::Tracked;
use nam::testing::{apply, delta_of};

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "tour.Session", reserved(9))]
struct Session {
    #[nam(index, alias = "user")]
    owner: String,
    score: f64,
    tags: BTreeSet<String>,
    steps: Vec<Step>,
    rooms: HashMap<u64, Room>,
    choice: Option<Choice>,
    #[nam(add)]
    requests: u64,
    #[nam(redact)]
    secret: [u8; 4],
    #[nam(id = 12, default)]
    timeout: Duration,
    #[nam(skip)]
    cached: usize,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
struct Step(u32, String);

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
struct Room {
    seats: BTreeMap<String, bool>,
    /// A recursive type.
    inner: Option<Box<Room>>,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
enum Choice {
    Nothing,
    Seat { row: u32, number: u32 },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut session = Session { owner: "alice".into(), choice: Some(Choice::Nothing), ..Session::default() };
    session.steps = (0..1_000).map(|i| Step(i, format!("step {i}"))).collect();
    session.rooms = (0..100).map(|i| (i, Room::default())).collect();

    type Change = fn(SessionMut<'_>);
    let changes: [(&str, Change); 9] = [
        ("a number", |mut s| *s.score_mut() = 4.5),
        ("the same number again", |mut s| *s.score_mut() = 0.0),
        ("three letters at the end", |mut s| s.owner_mut().push_str("son")),
        ("one key into a set", |mut s| _ = s.tags_mut().insert("new".into())),
        ("the first of 1,000 steps removed", |mut s| _ = s.steps_mut().remove(0)),
        ("1,000 steps turned round", |mut s| s.steps_mut().reverse()),
        ("another variant", |mut s| s.choice_mut().set(Some(Choice::Seat { row: 3, number: 12 }))),
        ("one added to a shared counter", |mut s| s.requests_mut().add(1)),
        ("code that knows nothing of cursors", |mut s| {
            s.rooms_mut().edit(|rooms| {
                rooms.entry(7).or_default().seats.insert("A1".into(), true);
            });
        }),
    ];
    for (what, change) in changes {
        let delta = delta_of(&session, change);
        println!("{:>6} B  {what}", delta.len());
        let there = apply(&session, &delta)?;
        assert_eq!(there == session, delta.is_empty(), "{what}");
    }
    Ok(())
}
