//! Two generations of one class on two nodes: neither loses what it does not know.

use std::collections::BTreeMap;

use bytes::Bytes;
use nam::__private::{Class, Reader, Writer};
use nam::Tracked;
use nam::document::{Document, Scope};
use nam::ids::Version;

/// The older generation.
mod old {
    use super::{BTreeMap, Tracked};

    #[derive(Tracked, Clone, Debug, PartialEq)]
    pub struct Limits {
        pub most: f64,
    }

    #[derive(Tracked, Clone, Debug, PartialEq)]
    #[nam(name = "test.Account")]
    pub struct Account {
        pub cash: f64,
        pub limits: BTreeMap<String, Limits>,
    }
}

/// The newer one: fields at the root and inside of entries.
mod new {
    use super::{BTreeMap, Tracked};

    fn five() -> u32 {
        5
    }

    fn house() -> String {
        "house".to_owned()
    }

    #[derive(Tracked, Clone, Debug, PartialEq)]
    pub struct Range {
        pub low: f64,
        pub high: f64,
    }

    impl Default for Range {
        fn default() -> Self {
            Self { low: 1.0, high: 2.0 }
        }
    }

    #[derive(Tracked, Clone, Debug, PartialEq)]
    pub struct Limits {
        pub most: f64,
        #[nam(default = "five")]
        pub count: u32,
    }

    #[derive(Tracked, Clone, Debug, PartialEq)]
    #[nam(name = "test.Account")]
    pub struct Account {
        pub cash: f64,
        pub limits: BTreeMap<String, Limits>,
        #[nam(default)]
        pub tags: Vec<String>,
        #[nam(default)]
        pub range: Range,
        #[nam(default = "house")]
        pub broker: String,
        #[nam(add, default = "five")]
        pub visits: u32,
    }
}

fn root<T: Class>(value: &T) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode_root(&mut w);
    w.into_bytes()
}

/// What a node that opens the object now gets.
fn opened<T: Class>(document: &Document) -> T {
    let mut w = Writer::new();
    document.freeze().encode(&mut w);
    T::decode_root(Reader::new(w.as_slice())).unwrap()
}

/// Commits what `change` does to `value`; answers the delta that holders get.
fn commit<T: Class>(document: &mut Document, value: &T, change: impl FnOnce(T::Mut<'_>)) -> Bytes {
    let delta = Bytes::from(nam::testing::delta_of(value, change));
    let version = document.version();
    let judged = document.judge(&delta, version, Scope::Cells).unwrap();
    document.apply(&judged, version.next());
    judged.delta
}

fn account() -> old::Account {
    let limits = BTreeMap::from([("a".to_owned(), old::Limits { most: 1.0 })]);
    old::Account { cash: 10.0, limits }
}

/// The object as the older node made it, in a repository that knows the newer schema.
fn document() -> Document {
    let mut document = Document::new(old::Account::schema());
    document.replay(&root(&account()), Version(1)).unwrap();
    document.set_schema(&new::Account::schema());
    document
}

#[test]
fn what_is_missing_is_the_default() {
    let value: new::Account = opened(&document());
    assert_eq!(
        (value.tags.len(), value.range, value.broker.as_str(), value.visits),
        (0, new::Range::default(), "house", 5)
    );
    assert_eq!(value.limits["a"], new::Limits { most: 1.0, count: 5 });
}

#[test]
fn what_is_not_known_is_skipped_and_kept() {
    let mut document = document();
    let value: new::Account = opened(&document);
    let delta = commit(&mut document, &value, |mut account| {
        account.tags_mut().push("vip".to_owned());
        *account.limits_mut().get_mut("a").unwrap().count_mut() = 7;
        *account.cash_mut() = 11.0;
    });
    let mut older = account();
    older.apply(Reader::new(&delta), None).unwrap();
    assert_eq!(older.cash, 11.0);

    // The older node changes what it knows; the newer one's part stays.
    commit(&mut document, &older, |mut account| {
        *account.limits_mut().get_mut("a").unwrap().most_mut() = 2.0;
        account.limits_mut().insert("b".to_owned(), old::Limits { most: 3.0 });
    });
    let value: new::Account = opened(&document);
    assert_eq!(value.limits["a"], new::Limits { most: 2.0, count: 7 });
    assert_eq!(value.limits["b"], new::Limits { most: 3.0, count: 5 });
    assert_eq!(value.tags, ["vip"]);
}

/// The repository knows no defaults, so a change of an absent field must not rest on one.
#[test]
fn a_change_of_a_default_reaches_everybody() {
    let changes: [fn(new::AccountMut<'_>); 5] = [
        |mut account| account.tags_mut().push("vip".to_owned()),
        |mut account| *account.range_mut().high_mut() = 3.0,
        |mut account| account.broker_mut().push('s'),
        |mut account| account.visits_mut().add(1),
        |mut account| account.edit(|account| account.visits += 2),
    ];
    for change in changes {
        let mut document = document();
        let before: new::Account = opened(&document);
        let delta = commit(&mut document, &before, change);
        let mut holder = before.clone();
        holder.apply(Reader::new(&delta), None).unwrap();
        assert_ne!(holder, before);
        assert_eq!(opened::<new::Account>(&document), holder);
    }
}
