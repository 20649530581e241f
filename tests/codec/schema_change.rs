//! Which changes of a schema may meet, and what a refusal says.

use nam::schema::{Incompatible, Schema, check_lock, merge, parse_lock, print_lock, update_lock};

const FIRST: &str = "
class desk.Portfolio = Portfolio
struct Portfolio
  1 cash: f64
  2 owner: string, index
  3 instruments: map<string, Instrument>
  4 requests: u64, add
  reserved 9
struct Instrument
  1 symbol: string
  2 price: f64
  3 side: option<Side>
enum Side
  variant 0 Buy
  variant 1 Sell
    1 limit: f64
";

fn schema(text: &str) -> Schema {
    parse_lock(text).unwrap().remove(0)
}

fn refusal(from: &str, to: &str) -> String {
    match merge(&schema(FIRST), &schema(&FIRST.replace(from, to))) {
        Err(refusal) => refusal.to_string(),
        Ok(merged) => panic!("{from} → {to} was accepted: {}", print_lock(&[merged])),
    }
}

fn merged(from: &str, to: &str) -> Schema {
    let (known, offered) = (schema(FIRST), schema(&FIRST.replace(from, to)));
    let merged = merge(&known, &offered).unwrap_or_else(|refusal| panic!("{from} → {to}: {refusal}"));
    assert_eq!(merge(&merged, &offered).unwrap(), merged, "a second registration teaches nothing");
    assert_eq!(merge(&merged, &known).unwrap(), merged, "the older program may come back");
    merged
}

#[test]
fn what_is_known_already_changes_nothing() {
    let known = schema(FIRST);
    assert_eq!(merge(&known, &known).unwrap(), known);
    let fewer = "  2 owner: string, index\n";
    assert_eq!(merged(fewer, ""), known);
    assert_eq!(merged("  variant 1 Sell\n    1 limit: f64\n", "  variant 1 Sell\n"), known);
}

#[test]
fn tables_may_be_numbered_differently() {
    let (types, side) = FIRST.split_at(FIRST.find("enum Side").unwrap());
    let reordered = types.replace("struct Instrument", &format!("{}struct Instrument", side.trim_start()));
    assert_eq!(merge(&schema(FIRST), &schema(&reordered)).unwrap(), schema(FIRST));
}

#[test]
fn new_members_are_learnt() {
    let with_field =
        merged("  reserved 9", "  5 notes: list<Note>, optional\n  reserved 9\nstruct Note\n  1 text: string");
    let text = print_lock(&[with_field]);
    assert!(
        text.contains("  5 notes: list<Note>, optional\n") && text.contains("struct Note\n  1 text: string\n"),
        "{text}"
    );
    let text = print_lock(&[merged("    1 limit: f64", "    1 limit: f64\n  variant 2 Short\n    1 limit: f64")]);
    assert!(text.contains("variant 2 Short\n    1 limit: f64\n"), "{text}");
}

#[test]
fn a_moved_name_is_told_its_id() {
    let text = refusal("  2 price: f64\n  3 side: option<Side>", "  2 side: option<Side>\n  3 price: f64");
    assert_eq!(
        text,
        "class `desk.Portfolio`: field `side` of `Instrument` moved from id 3 to id 2: add #[nam(id = 3)]; \
         field `price` of `Instrument` moved from id 2 to id 3: add #[nam(id = 2)]"
    );
}

#[test]
fn an_insertion_by_position_is_told_every_id() {
    let text = refusal(
        "  1 symbol: string\n  2 price: f64\n  3 side: option<Side>",
        "  1 venue: string, optional\n  2 symbol: string\n  3 price: f64\n  4 side: option<Side>",
    );
    for paste in [
        "`venue` of `Instrument` takes id 1, which belongs to `symbol`: add #[nam(id = 5)]",
        "`symbol` of `Instrument` moved from id 1 to id 2: add #[nam(id = 1)]",
        "`price` of `Instrument` moved from id 2 to id 3: add #[nam(id = 2)]",
        "`side` of `Instrument` moved from id 3 to id 4: add #[nam(id = 3)]",
    ] {
        assert!(text.contains(paste), "{paste} is missing in {text}");
    }
}

#[test]
fn a_changed_kind_is_refused() {
    let text = refusal("2 price: f64", "2 price: string");
    assert!(text.contains("field `price` of `Instrument` was f64 and is string now"), "{text}");
    assert!(text.contains("add #[nam(id = 4)] to it and #[nam(reserved(2))] to `Instrument`"), "{text}");
    assert!(refusal("1 cash: f64", "1 cash: option<f64>").contains("was f64 and is option<f64> now"));
    assert!(refusal("map<string, Instrument>", "map<uint, Instrument>").contains("map<uint, Instrument> now"));
    assert!(refusal("1 limit: f64", "1 limit: f32").contains("`limit` of `Side::Sell`"));
    assert!(refusal("4 requests: u64, add", "4 requests: u64").contains("had policy add and has retry now"));
}

#[test]
fn a_struct_does_not_become_an_enum() {
    let text = refusal("enum Side\n  variant 0 Buy\n  variant 1 Sell\n    1 limit: f64", "struct Side\n  1 limit: f64");
    assert!(text.contains("`Side` was a struct and is an enum now, or the other way round"), "{text}");
}

#[test]
fn a_reserved_id_stays_given_up() {
    let text = refusal("  reserved 9", "  9 note: string, optional");
    assert!(text.contains("field `note` of `Portfolio` has id 9, which is reserved: add #[nam(id = 10)]"), "{text}");
    let both = refusal("  reserved 9", "  reserved 4 9");
    assert!(both.contains("field `requests` of `Portfolio` has id 4, which is reserved"), "{both}");
}

#[test]
fn a_new_field_needs_a_default() {
    let text = refusal("  reserved 9", "  5 note: string\n  reserved 9");
    assert!(text.contains("field `note` of `Portfolio` is new and objects that exist lack it: add #[nam(default)]"));
}

#[test]
fn a_rename_needs_an_alias() {
    let text = refusal("2 price: f64", "2 cost: f64");
    assert!(text.contains("field 2 of `Instrument` was `price` and is `cost` now"), "{text}");
    assert!(text.contains("#[nam(alias = \"price\")] if it is the same, #[nam(id = 4)] if it is new"), "{text}");
    let renamed = print_lock(&[merged("2 price: f64", "2 cost: f64, alias price")]);
    assert!(renamed.contains("  2 cost: f64, alias price\n"), "{renamed}");
}

#[test]
fn a_name_may_start_anew_where_its_old_id_is_accounted_for() {
    let given_up = merged(
        "  2 price: f64\n  3 side: option<Side>",
        "  3 side: option<Side>\n  4 price: string, optional\n  reserved 2",
    );
    let text = print_lock(&[given_up]);
    assert!(text.contains("  2 price: f64\n") && text.contains("  4 price: string, optional\n"), "{text}");
    merged("  3 side: option<Side>", "  3 old_side: option<Side>, alias side\n  4 side: u8, optional");
}

#[test]
fn classes_are_not_mixed_up() {
    let text = refusal("class desk.Portfolio", "class desk.Book");
    assert!(text.contains("it is compared with class `desk.Book`: add #[nam(name = \"desk.Portfolio\")]"), "{text}");
}

#[test]
fn one_known_type_may_be_split_in_two() {
    let known = "class c = A\nstruct A\n  1 x: B\n  2 y: B\nstruct B\n  1 n: u8\n";
    let offered =
        "class c = A\nstruct A\n  1 x: B\n  2 y: C\nstruct B\n  1 n: u8\n  2 m: u8, optional\nstruct C\n  1 n: u8\n";
    let merged = merge(&schema(known), &schema(offered)).unwrap();
    assert_eq!(merge(&merged, &schema(offered)).unwrap(), merged);
    let text = print_lock(&[merged]);
    assert!(text.contains("1 x: B\n  2 y: B#2\n"), "{text}");
}

#[test]
fn recursion_ends() {
    let known = "class c = A\nstruct A\n  1 n: u8\n";
    let offered = "class c = A\nstruct A\n  1 n: u8\n  2 next: option<A>, optional\n";
    let merged = merge(&schema(known), &schema(offered)).unwrap();
    assert_eq!(merged, schema(offered));
}

#[test]
fn two_hostile_schemas_make_bounded_work() {
    let chain = |names: &str, count: usize, shift: usize| {
        let mut text = format!("class c = {names}0\n");
        for i in 0..count {
            text += &format!("struct {names}{i}\n");
            for field in 1..=12 {
                text += &format!("  {field} f{field}: {names}{}\n", (i * shift + field) % count);
            }
        }
        schema(&text)
    };
    let refusal: Incompatible = merge(&chain("K", 700, 5), &chain("O", 701, 7)).unwrap_err();
    assert!(refusal.to_string().contains("exceeds"), "{refusal}");
}

#[test]
fn a_lock_covers_the_code_or_says_what_to_do() {
    let code = [schema(FIRST)];
    let lock = update_lock("", &code).unwrap();
    assert_eq!(check_lock(&lock, &code), Ok(()));
    let newer = [schema(&FIRST.replace("  reserved 9", "  5 note: string, optional\n  reserved 9"))];
    assert!(check_lock(&lock, &newer).unwrap_err().to_string().contains("update_lock"));
    let lock = update_lock(&lock, &newer).unwrap();
    assert_eq!(check_lock(&lock, &newer), Ok(()));
    assert_eq!(check_lock(&lock, &code), Ok(()), "what was released stays covered");
    let broken = [schema(&FIRST.replace("1 cash: f64", "1 cash: u64"))];
    assert!(check_lock(&lock, &broken).unwrap_err().to_string().contains("was f64 and is u64 now"));
}

#[test]
fn a_lock_line_that_does_not_parse_is_named() {
    for (bad, line, problem) in [
        ("  1 cash: f64", "  1 cash f64", "line 4: `:` is missing"),
        ("map<string, Instrument>", "map<string Instrument>", "line 6: `,` is missing"),
        ("option<Side>", "option<Site>", "line 12: there is no struct or enum `Site`"),
        ("4 requests: u64, add", "4 requests: u64, plus", "line 7: `plus` is nothing a field can be"),
        ("  reserved 9", "  retired 9", "line 8: `retired` starts no line of a lock file"),
    ] {
        let error = parse_lock(&FIRST.replace(bad, line)).unwrap_err().to_string();
        assert_eq!(error, problem);
    }
    let deep = "class c = A\nstruct A\n  1 x: ".to_owned() + &"option<".repeat(10_000);
    assert!(parse_lock(&deep).unwrap_err().to_string().contains("nested too deeply"));
}

#[test]
fn a_new_variant_is_told_to_whoever_deploys_it() {
    use nam::schema::new_variants;
    let known = "class a.Job = Job\nstruct Job\n  1 status: Status\nenum Status\n  variant 0 Open\n";
    let newer = format!("{known}  variant 2 Paused\n    1 until: u64\n");
    let offered = parse_lock(&newer).unwrap();
    let found = new_variants(known, &offered).unwrap();
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "class `a.Job`: `Status::Paused` (2) is new, and nodes of the last release cannot read an object that holds it: \
          deploy the program that knows it everywhere first, and write it afterwards"
        ]
    );
    assert_eq!(new_variants(&newer, &offered), Ok(Vec::new()), "what the lock knows was told");
    assert_eq!(new_variants("", &offered), Ok(Vec::new()), "a class that nobody has is read by nobody");
}
