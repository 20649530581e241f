//! Every word of `#[nam(..)]`: what it does to schema, bytes and decoding.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use nam::__private::{Class, DecodeError};
use nam::Tracked;
use nam::ids::{FieldId, VariantId};
use nam::schema::{EnumDef, FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex, VariantDef};

use crate::derived::{check, decoded, delta_of, encoded};

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(name = "desk.Session", reserved(9, 3))]
struct Session {
    #[nam(index, alias = "user", alias = "login")]
    owner: String,
    #[nam(redact)]
    secret: String,
    #[nam(id = 12, default)]
    visits: u32,
    #[nam(id = 15, leaf)]
    opened: SystemTime,
    #[nam(skip)]
    cache: Vec<u8>,
    #[nam(default = "three")]
    retries: u8,
    #[nam(lww)]
    state: State,
    #[nam(id = 20, lww, leaf)]
    seen: SystemTime,
}

#[derive(Tracked, Clone, Debug, PartialEq)]
#[nam(reserved(1))]
enum State {
    #[nam(alias = "Fresh")]
    Open,
    #[nam(id = 4)]
    Closed { reason: Option<u64> },
}

fn three() -> u8 {
    3
}

fn field(id: u32, name: &str, kind: Kind) -> FieldDef {
    FieldDef {
        id: FieldId(id),
        name: name.to_owned(),
        aliases: Vec::new(),
        kind,
        policy: Policy::Retry,
        index: false,
        redact: false,
        optional: false,
    }
}

#[test]
fn the_schema_says_what_the_attributes_say() {
    let opened = Kind::Leaf("SystemTime".to_owned());
    let session = StructDef {
        name: "Session".to_owned(),
        fields: vec![
            FieldDef {
                index: true,
                aliases: vec!["user".to_owned(), "login".to_owned()],
                ..field(1, "owner", Kind::String)
            },
            FieldDef { redact: true, ..field(2, "secret", Kind::String) },
            FieldDef { optional: true, ..field(5, "retries", Kind::U8) },
            FieldDef { policy: Policy::Lww, ..field(6, "state", Kind::Type(TypeIndex(1))) },
            FieldDef { optional: true, ..field(12, "visits", Kind::Uint(32)) },
            field(15, "opened", opened.clone()),
            FieldDef { policy: Policy::Lww, ..field(20, "seen", opened) },
        ],
        reserved: vec![FieldId(3), FieldId(9)],
    };
    let state = EnumDef {
        name: "State".to_owned(),
        variants: vec![
            VariantDef {
                id: VariantId(0),
                name: "Open".to_owned(),
                aliases: vec!["Fresh".to_owned()],
                fields: Vec::new(),
            },
            VariantDef {
                id: VariantId(4),
                name: "Closed".to_owned(),
                aliases: Vec::new(),
                fields: vec![field(1, "reason", Kind::Option(Box::new(Kind::Uint(64))))],
            },
        ],
        reserved: vec![VariantId(1)],
    };
    let expected = Schema {
        class: "desk.Session".to_owned(),
        types: vec![TypeDef::Struct(session), TypeDef::Enum(state)],
        root: TypeIndex(0),
    };
    assert_eq!(*Session::schema(), expected);
}

mod old {
    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    pub struct Account {
        pub user: String,
        pub cash: f64,
        pub level: Level,
    }

    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    pub struct Level {
        pub rank: u8,
    }
}

mod new {
    use std::collections::HashMap;

    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    #[nam(reserved(2))]
    pub struct Account {
        #[nam(id = 1, alias = "user")]
        pub owner: String,
        #[nam(id = 3)]
        pub level: Level,
        #[nam(id = 4, default)]
        pub notes: HashMap<String, u64>,
        #[nam(id = 5, default = "hundred")]
        pub limit: u64,
    }

    #[derive(nam::Tracked, Clone, Debug, PartialEq)]
    pub struct Level {
        pub rank: u8,
        #[nam(default)]
        pub points: u64,
    }

    fn hundred() -> u64 {
        100
    }
}

#[test]
fn an_old_value_is_read_by_new_code_and_back() {
    let was = old::Account { user: "alice".to_owned(), cash: 1.0, level: old::Level { rank: 2 } };
    let now: new::Account = decoded(&encoded(&was)).unwrap();
    assert_eq!((now.owner.as_str(), now.level.rank, now.notes.len(), now.limit), ("alice", 2, 0, 100));

    let missing = decoded::<old::Account>(&encoded(&now)).unwrap_err();
    assert_eq!(missing, DecodeError::Missing { name: "cash" });
}

#[test]
fn an_old_node_skips_what_it_does_not_know() {
    let now = new::Account {
        owner: "alice".to_owned(),
        level: new::Level { rank: 2, points: 0 },
        notes: Default::default(),
        limit: 100,
    };
    let (delta, _) = delta_of(&now, |mut account| {
        account.notes_mut().insert("a".to_owned(), 1);
        *account.level_mut().points_mut() = 7;
        *account.level_mut().rank_mut() = 3;
        *account.limit_mut() = 9;
    });
    let mut was = old::Account { user: "alice".to_owned(), cash: 1.0, level: old::Level { rank: 2 } };
    let before = was.clone();
    let mut changes = old::AccountChanges::default();
    was.apply(nam::__private::Reader::new(&delta), Some(&mut changes)).unwrap();
    assert_eq!(was.level.rank, 3);
    was.undo(changes);
    assert_eq!(was, before);
}

#[derive(Tracked, Clone, Debug, PartialEq, Default)]
struct Counters {
    #[nam(add)]
    requests: u64,
    #[nam(add)]
    balance: f64,
    #[nam(max)]
    highest: i32,
    #[nam(min)]
    lowest: i32,
    #[nam(union)]
    tags: HashSet<String>,
    #[nam(union)]
    ranks: BTreeSet<u32>,
    #[nam(append)]
    lines: Vec<u64>,
    #[nam(append)]
    log: String,
    #[nam(lww)]
    title: String,
}

#[test]
fn policies_record_operations() {
    let counters = Counters { highest: 5, lowest: 5, log: "a".to_owned(), ..Counters::default() };
    let (delta, after) = delta_of(&counters, |mut counters| {
        counters.requests_mut().add(2);
        counters.requests_mut().add(3);
        counters.balance_mut().add(0.5);
        counters.highest_mut().max(9);
        counters.lowest_mut().min(1);
        counters.tags_mut().insert("x".to_owned());
        counters.ranks_mut().insert(4);
        counters.lines_mut().push(6);
        counters.log_mut().push_str("bc");
        counters.title_mut().push_str("t");
    });
    assert_eq!((after.requests, after.highest, after.lowest, after.log.as_str()), (5, 9, 1, "abc"));

    let elsewhere = Counters { requests: 10, highest: 100, lowest: 0, log: "z".to_owned(), ..counters };
    let mut merged = elsewhere.clone();
    let mut changes = CountersChanges::default();
    merged.apply(nam::__private::Reader::new(&delta), Some(&mut changes)).unwrap();
    assert_eq!((merged.requests, merged.highest, merged.lowest, merged.log.as_str()), (15, 100, 0, "zbc"));
    assert!(merged.tags.contains("x") && merged.ranks.contains(&4) && merged.lines == [6]);
    merged.undo(changes);
    assert_eq!(merged, elsewhere);
}

#[test]
fn policies_stand_in_the_schema() {
    let policies: Vec<Policy> = Counters::schema().root_fields().iter().map(|field| field.policy).collect();
    use Policy::{Add, Append, Lww, Max, Min, Union};
    assert_eq!(policies, [Add, Add, Max, Min, Union, Union, Append, Append, Lww]);
    assert_eq!(Counters::schema().root_fields()[4].kind, Kind::Set(KeyKind::String));
}

#[test]
fn a_leaf_is_replaced_as_a_whole() {
    let session = Session {
        owner: "alice".to_owned(),
        secret: String::new(),
        visits: 0,
        opened: SystemTime::UNIX_EPOCH,
        cache: vec![1],
        retries: 3,
        state: State::Open,
        seen: SystemTime::UNIX_EPOCH,
    };
    let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let (delta, after) = delta_of(&session, |mut session| *session.opened_mut() = later);
    assert_eq!((after.opened, delta.is_empty()), (later, false));
    check(&session, 0, |mut session| {
        session.opened_mut().set(later);
        session.opened_mut().set(SystemTime::UNIX_EPOCH);
    });
    check(&session, 0, |mut session| session.cache_mut().clear_and(vec![1]));
}

trait ClearAnd {
    fn clear_and(self, with: Vec<u8>);
}

impl ClearAnd for &mut Vec<u8> {
    /// A skipped field is a plain `&mut`.
    fn clear_and(self, with: Vec<u8>) {
        self.clear();
        self.extend(with);
    }
}

mod elsewhere {
    pub mod deep {
        pub use nam::*;
    }

    #[derive(deep::Tracked, Clone, Debug, PartialEq)]
    #[nam(crate = "self::deep")]
    pub struct Moved {
        pub value: u64,
    }
}

#[test]
fn nam_may_be_elsewhere() {
    check(&elsewhere::Moved { value: 1 }, 2, |mut moved| *moved.value_mut() = 2);
}
