//! The house rules that the compiler does not know: floors, sizes, headers, names, dropped answers, one printer, rules that
//! comments name and no document says.
//!
//! `ARCHITECTURE.md` has the floors and the reasons. A rule is a function from a file to findings, and each is tested
//! below on a file that breaks it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::path::Path;

/// What a module may use: every module of a lower number. Equal numbers are strangers.
const FLOORS: [(&str, u8); 26] = [
    ("flood", 0),
    ("ids", 0),
    ("limits", 0),
    ("time", 0),
    ("coding", 1),
    ("event", 2),
    ("expiry", 2),
    ("schema", 10),
    ("delta", 11),
    ("tracked", 20),
    ("document", 20),
    ("testing", 21),
    ("wire", 30),
    ("journal", 30),
    ("node", 40),
    ("repository", 40),
    ("transport", 50),
    ("store", 50),
    ("engine", 51),
    ("error", 60),
    ("client", 70),
    ("server", 70),
    ("web", 80),
    ("__private", 90),
    ("lib", 90),
    ("bin", 90),
];

/// The floor from which the world may be touched.
const WORLD_FLOOR: u8 = 50;

/// What touches the world: runtimes, sockets, files, clocks.
const WORLD: [&str; 8] =
    ["tokio", "quinn", "std::fs", "std::thread", "TcpStream", "UdpSocket", "Instant::now", "SystemTime::now"];

/// Tables of the standard library whose order differs between runs.
const UNORDERED: [&str; 2] = ["HashMap", "HashSet"];

/// Names of the standard library that start with `get_`.
const STANDARD_GETS: [&str; 4] = ["get_mut", "get_or_insert_with", "get_or_insert", "get_disjoint_mut"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "data", "info"];

/// The folders whose Rust files are checked.
const FOLDERS: [&str; 6] = ["src", "derive/src", "tests", "benches", "examples", "fuzz/fuzz_targets"];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const TEST_LINES_MAX: usize = 150;

/// A Rust file: its path from the root of the project, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_product(&self) -> bool {
        self.path.starts_with("src/") || self.path.starts_with("derive/src/")
    }

    /// The module of the crate that a file of `src/` belongs to.
    fn module(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    fn floor(&self) -> Option<u8> {
        self.module().and_then(floor_of)
    }

    /// The lines of the product, each with its number, with strings emptied and comments gone.
    fn code(&self) -> Vec<(usize, String)> {
        let plain = plain(&self.text);
        let lines: Vec<&str> = plain.lines().collect();
        let tests = test_ranges(&lines);
        let numbered = lines.iter().enumerate().filter(|(i, _)| !tests.iter().any(|range| range.contains(i)));
        numbered.map(|(i, line)| (i + 1, (*line).to_owned())).collect()
    }

    fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The text without comments, and with nothing inside of strings and characters; lines stay where they are.
fn plain(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    while let Some(&c) = bytes.get(i) {
        let next = bytes.get(i + 1).copied();
        match (c, next) {
            ('/', Some('/')) => {
                while bytes.get(i).is_some_and(|c| *c != '\n') {
                    i += 1;
                }
            }
            ('r', Some('"' | '#'))
                if !bytes.get(i.wrapping_sub(1)).is_some_and(|c| c.is_alphanumeric() || *c == '_') =>
            {
                i = skip_raw(&bytes, i, &mut out);
            }
            ('"', _) => i = skip_quoted(&bytes, i, &mut out),
            ('\'', Some('\\')) => {
                i += 3;
                while bytes.get(i).is_some_and(|c| *c != '\'') {
                    i += 1;
                }
                i += 1;
            }
            ('\'', Some(_)) if bytes.get(i + 2) == Some(&'\'') => i += 3,
            _ => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

fn skip_quoted(text: &[char], mut i: usize, out: &mut String) -> usize {
    out.push_str("\"\"");
    i += 1;
    while let Some(&c) = text.get(i) {
        match c {
            '"' => return i + 1,
            '\\' => {
                if text.get(i + 1) == Some(&'\n') {
                    out.push('\n');
                }
                i += 2;
            }
            c => {
                if c == '\n' {
                    out.push('\n');
                }
                i += 1;
            }
        }
    }
    i
}

fn skip_raw(text: &[char], start: usize, out: &mut String) -> usize {
    let hashes = text[start + 1..].iter().take_while(|c| **c == '#').count();
    let mut i = start + 1 + hashes;
    if text.get(i) != Some(&'"') {
        out.push('r');
        return start + 1;
    }
    i += 1;
    while i < text.len() {
        if text[i] == '"' && text[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return i + 1 + hashes;
        }
        if text[i] == '\n' {
            out.push('\n');
        }
        i += 1;
    }
    i
}

/// The lines of `#[cfg(test)] mod … { … }`.
fn test_ranges(lines: &[&str]) -> Vec<std::ops::Range<usize>> {
    let starts = (0..lines.len()).filter(|i| {
        let is_mod = lines.get(i + 1).is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        lines[*i].trim() == "#[cfg(test)]" && is_mod
    });
    starts.map(|start| start..end_of_block(lines, start) + 1).collect()
}

/// The line on which the first block that opens at or after `start` ends.
fn end_of_block(lines: &[&str], start: usize) -> usize {
    let mut depth = 0_i32;
    for (i, line) in lines.iter().enumerate().skip(start) {
        let before = depth;
        depth += line.chars().map(|c| i32::from(c == '{') - i32::from(c == '}')).sum::<i32>();
        if depth <= 0 && (before > 0 || line.contains('}') || line.trim_end().ends_with(';')) {
            return i;
        }
    }
    lines.len().saturating_sub(1)
}

/// The modules that `crate::` paths of a line name, a group in braces included.
fn crate_modules(code: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let text: String = code.iter().map(|(_, line)| format!("{line}\n")).collect();
    for (at, _) in text.match_indices("crate::") {
        let is_path = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        let line = code[text[..at].matches('\n').count()].0;
        let rest = &text[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group_heads(group),
            None => vec![word(rest)],
        };
        found.extend(names.into_iter().filter(|name| is_path && !name.is_empty()).map(|name| (line, name)));
    }
    found
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first word of each part of a group that has just been opened.
fn group_heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut start) = (vec![word(group)], 0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                start = i + 1;
                heads.push(word(&group[start..]));
            }
            _ => {}
        }
    }
    debug_assert!(start <= group.len());
    heads
}

fn floors(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some(floor) = source.floor() else {
        return vec![source.finding(1, &format!("module `{module}` has no floor; the table is in tests/tidy.rs"))];
    };
    let used = crate_modules(&source.code()).into_iter().filter(|(_, used)| used != module);
    let upward = used.filter(|(_, used)| floor_of(used).is_some_and(|other| other >= floor));
    upward.map(|(line, used)| source.finding(line, &format!("`{module}` must not use `{used}`"))).collect()
}

fn world(source: &Source) -> Vec<String> {
    if source.floor().is_none_or(|floor| floor >= WORLD_FLOOR) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, code) in source.code() {
        for thing in WORLD.iter().filter(|thing| code.contains(**thing)) {
            findings.push(source.finding(line, &format!("`{thing}` below floor 5: make it an argument or an input")));
        }
    }
    findings
}

/// A core's effects must not depend on hash order; `tracked` holds users' own tables.
fn hash_order(source: &Source) -> Vec<String> {
    let is_core = source.floor().is_some_and(|floor| floor < WORLD_FLOOR) && source.module() != Some("tracked");
    if !is_core || source.text.contains("hashbrown") {
        return Vec::new();
    }
    let is_unordered = |line: &str| UNORDERED.iter().any(|table| line.contains(table));
    let found = source.code().into_iter().filter(|(_, line)| is_unordered(line));
    found
        .map(|(line, _)| source.finding(line, "hash order: BTreeMap, or hashbrown with foldhash's fixed seeds"))
        .collect()
}

fn sizes(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let code = source.code();
    if source.is_product() && code.len() > FILE_LINES_MAX {
        findings.push(source.finding(1, &format!("{} lines, at most {FILE_LINES_MAX}: split it", code.len())));
    }
    let tests = source.text.lines().count() - code.len();
    if source.is_product() && tests > TEST_LINES_MAX {
        findings.push(source.finding(1, &format!("{tests} lines of tests, at most {TEST_LINES_MAX}: move to tests/")));
    }
    let lines: Vec<&str> = code.iter().map(|(_, line)| line.as_str()).collect();
    for (i, line) in lines.iter().enumerate() {
        let is_function =
            line.trim_start().split(' ').take(5).any(|word| word == "fn") && !line.contains("macro_rules");
        let length = end_of_block(&lines, i) - i;
        if source.is_product() && is_function && length > FUNCTION_LINES_MAX + 1 {
            findings.push(
                source.finding(code[i].0, &format!("a function of {length} lines, at most {FUNCTION_LINES_MAX}")),
            );
        }
    }
    findings
}

fn header(source: &Source) -> Vec<String> {
    let is_sample = source.path.starts_with("tests/ui/");
    if is_sample || source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![source.finding(1, "no header: open with `//!`, what it is and where it stands")]
}

fn names(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let parts = source.path.trim_end_matches(".rs").split('/');
    for part in parts.filter(|part| EMPTY_NAMES.contains(part)) {
        findings.push(source.finding(1, &format!("`{part}` says nothing: name the noun that lives there")));
    }
    for (line, code) in source.code() {
        let name = code.trim_start().strip_prefix("pub ").unwrap_or(code.trim_start()).strip_prefix("mod ").map(word);
        if let Some(name) = name.filter(|name| EMPTY_NAMES.contains(&name.as_str())) {
            findings.push(source.finding(line, &format!("`mod {name}` says nothing: name the noun that lives there")));
        }
        let get = code.find("fn get_").map(|at| word(&code[at + 3..]));
        if let Some(get) = get.filter(|get| !STANDARD_GETS.contains(&get.as_str())) {
            findings.push(source.finding(line, &format!("`{get}`: leave `get_` away")));
        }
    }
    findings
}

fn dropped_answers(source: &Source) -> Vec<String> {
    let plain = plain(&source.text);
    let dropped = plain.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        line.starts_with("matches!(") && line.ends_with(';')
    });
    dropped.map(|(i, _)| source.finding(i + 1, "the answer of `matches!` is dropped: assert it")).collect()
}

/// Redaction holds because values are printed in one place.
fn printers(source: &Source) -> Vec<String> {
    let is_printer = source.path.starts_with("src/document/json");
    if is_printer || !source.path.starts_with("src/document") {
        return Vec::new();
    }
    let is_printing =
        |line: &str| line.contains("Display for") || line.contains("serde_json") || line.contains("println!");
    let found = source.code().into_iter().filter(|(_, line)| is_printing(line));
    found
        .map(|(line, _)| source.finding(line, "only document/json prints values, so that `redact` is honoured"))
        .collect()
}

const RULES: [fn(&Source) -> Vec<String>; 8] =
    [floors, world, hash_order, sizes, header, names, dropped_answers, printers];

fn collect(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path, text });
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), root, &mut sources));
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "nothing was read");
    let findings: Vec<String> = sources.iter().flat_map(|source| RULES.iter().flat_map(|rule| rule(source))).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The files that a text in Markdown links to, anchors and the web apart.
fn linked(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets
        .filter(|target| !target.contains("://"))
        .filter_map(|target| target.split('#').next())
        .filter(|t| !t.is_empty())
        .collect()
}

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/wire.md",
    "docs/journal.md",
    "docs/backup.md",
    "docs/web.md",
    "docs/promises.md",
];

/// The invariants and promises that comments name in brackets, as in `(I6, W7)` or `(E1–E3)`.
fn rules_named(source: &Source) -> Vec<(usize, String)> {
    let is_rule = |word: &&str| {
        let number = word.strip_prefix(|letter| "IRWLESPVFO".contains(letter));
        number.is_some_and(|number| (1..=2).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit()))
    };
    let comments = source.text.lines().enumerate().filter_map(|(i, line)| Some((i + 1, line.split_once("//")?.1)));
    let named = comments.flat_map(|(line, comment)| {
        let brackets = comment.split('(').skip(1).filter_map(|rest| rest.split(')').next());
        brackets.flat_map(move |inside| inside.split([',', ' ', '–']).map(move |word| (line, word)))
    });
    named.filter(|(_, word)| is_rule(word)).map(|(line, word)| (line, word.to_owned())).collect()
}

#[test]
fn what_comments_name_by_number_is_said_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = ["ARCHITECTURE.md", "docs/promises.md"].map(|path| fs::read_to_string(root.join(path)).unwrap());
    let mut sources = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), root, &mut sources));
    let is_said = |rule: &str| texts.iter().any(|text| text.contains(&format!("- **{rule}** ")));
    let mut findings = Vec::new();
    for source in &sources {
        let unsaid = rules_named(source).into_iter().filter(|(_, rule)| !is_said(rule));
        findings.extend(unsaid.map(|(line, rule)| source.finding(line, &format!("{rule} stands in no document"))));
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let folder = root.join(document).parent().unwrap().to_owned();
        for target in linked(&text) {
            assert!(folder.join(target).exists(), "{document} links to {target}, which is not there");
        }
    }
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    assert!(architecture.lines().count() <= 400, "ARCHITECTURE.md is read in one sitting");
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn a_path_upward_is_found() {
    let upward = |path: &str, text: &str| floors(&source(path, text)).len();
    assert_eq!(upward("src/schema/mod.rs", "use crate::delta::Field;\n"), 1);
    assert_eq!(upward("src/schema/mod.rs", "use crate::{ids::{A, B}, delta, limits::X};\n"), 1);
    assert_eq!(
        upward("src/node/mod.rs", "fn f() {\n    crate::repository::g();\n}\n"),
        1,
        "equal floors are strangers"
    );
    assert_eq!(upward("src/node/mod.rs", "use crate::node::slot;\nuse crate::wire::Record;\n"), 0);
    assert_eq!(upward("src/ids.rs", "// crate::client\nconst A: &str = \"crate::client\";\n"), 0);
    assert_eq!(upward("src/ids.rs", "#[cfg(test)]\nmod tests {\n    use crate::client;\n}\n"), 0);
    assert_eq!(upward("src/cellar.rs", ""), 1, "every module has a floor");
}

#[test]
fn the_world_is_found_below_floor_five() {
    let text = "use tokio::task;\nfn f() { Instant::now(); }\n";
    assert_eq!(world(&source("src/repository/core.rs", text)).len(), 2);
    assert_eq!(world(&source("src/engine/mod.rs", text)).len(), 0);
    let table = "use std::collections::HashMap;\n";
    assert_eq!(hash_order(&source("src/repository/core.rs", table)).len(), 1);
    assert_eq!(hash_order(&source("src/tracked/map.rs", table)).len(), 0);
}

#[test]
fn long_files_functions_and_tests_are_found() {
    let long = |head: &str, lines: usize| format!("{head} {{\n{}}}\n", "    a();\n".repeat(lines));
    assert_eq!(sizes(&source("src/ids.rs", &long("fn f()", 70))).len(), 0);
    assert_eq!(sizes(&source("src/ids.rs", &long("    pub(super) async fn f()", 71))).len(), 1);
    assert_eq!(sizes(&source("src/ids.rs", &"const A: u8 = 1;\n".repeat(501))).len(), 1);
    assert_eq!(sizes(&source("src/ids.rs", &long("#[cfg(test)]\nmod tests", 200))).len(), 1);
    assert_eq!(sizes(&source("src/ids.rs", &long("#[cfg(test)]\nmod tests", 100))).len(), 0);
}

#[test]
fn headers_names_and_dropped_answers_are_found() {
    assert_eq!(header(&source("src/ids.rs", "use std::fmt;\n")).len(), 1);
    assert_eq!(names(&source("src/node/utils.rs", "")).len(), 1);
    assert_eq!(names(&source("src/node/mod.rs", "pub mod helpers;\nfn get_name() {}\n")).len(), 2);
    let dropped =
        "fn t() {\n    matches!(a, B { .. });\n    assert!(matches!(a, B));\n    let x = \"matches!();\";\n}\n";
    assert_eq!(dropped_answers(&source("tests/a.rs", dropped)).len(), 1);
}

#[test]
fn rules_in_brackets_are_found() {
    let text = "//! Shown when durable (I6, W7); see (E1–E3) and (W12).\nlet a = f(I5); // (R1, spring #7)\n";
    let named: Vec<_> = rules_named(&source("src/ids.rs", text)).into_iter().map(|(_, rule)| rule).collect();
    assert_eq!(named, ["I6", "W7", "E1", "E3", "W12", "R1"]);
}

#[test]
fn a_second_printer_is_found() {
    let text = "impl fmt::Display for Document {}\n";
    assert_eq!(printers(&source("src/document/page.rs", text)).len(), 1);
    assert_eq!(printers(&source("src/document/json.rs", text)).len(), 0);
}

#[test]
fn strings_and_comments_are_no_code() {
    let text = "let a = \"{ \\\" }\"; // {\nlet b = r#\"\n{\"#;\nlet c = '{';\nlet d = '\\'';\nfn f<'a>() {}\n";
    assert_eq!(plain(text), "let a = \"\"; \nlet b = \n;\nlet c = ;\nlet d = ;\nfn f<'a>() {}\n");
}
