//! The session of the demo: a desk's catalogue of instruments, read from a file or made up.
//!
//! Stands where a user's own types would. Invariants: a row has a symbol, a column for its name, and one line of the file;
//! the same file, or no file, gives the same session on every run. Source: the founding scenario (a 15 MB session, one
//! price changes).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use nam::Tracked;
use serde::{Deserialize, Serialize};

/// Entries the generator makes: about 15 MB encoded.
const GENERATED_ENTRIES: u64 = 39_500;

/// The session: what one user of a trading desk has in memory.
#[derive(Tracked, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[nam(name = "demo.Desk")]
pub(crate) struct Desk {
    /// Whose session it is.
    pub(crate) owner: String,
    /// Every instrument the desk may trade, by symbol.
    pub(crate) instruments: HashMap<String, Instrument>,
}

/// One instrument of the catalogue.
#[derive(Tracked, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub(crate) struct Instrument {
    pub(crate) name: String,
    pub(crate) currency: String,
    pub(crate) summary: String,
    pub(crate) category_group: String,
    pub(crate) category: String,
    pub(crate) family: String,
    pub(crate) exchange: String,
    pub(crate) price: f64,
}

/// Says why a catalogue could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} has no column `{column}`; the columns `symbol` and `name` are needed")]
    Column { path: PathBuf, column: &'static str },
    #[error("{path} has the column `{column}` twice; leave one of them")]
    Twice { path: PathBuf, column: &'static str },
    #[error("{path}, line {line}: {what}; correct or remove the line")]
    Line { path: PathBuf, line: u64, what: String },
    #[error("{path} has {rows} rows; a catalogue needs at least ten instruments")]
    Short { path: PathBuf, rows: usize },
}

/// Bytes of the longest symbol: far above any real one, far below what a key may have.
const SYMBOL_BYTES_MAX: usize = 256;

/// Reads a catalogue from CSV or CSV.gz by column name, or makes one if there is no file.
pub(crate) fn load(path: Option<&Path>) -> Result<Desk, CatalogueError> {
    let instruments = match path {
        Some(path) => read(path)?,
        None => (0..GENERATED_ENTRIES).map(generate).collect(),
    };
    Ok(Desk { owner: "alice".to_owned(), instruments })
}

/// The first price of the instrument at place `index`; whole cents, so that sums are exact.
pub(crate) fn first_price(index: u64) -> f64 {
    let cents = u32::try_from(mix(index) % 50_000).unwrap_or_default();
    f64::from(cents + 100) / 100.0
}

fn read(path: &Path) -> Result<HashMap<String, Instrument>, CatalogueError> {
    let unreadable = |source| CatalogueError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    let input: Box<dyn Read> =
        if is_packed { Box::new(MultiGzDecoder::new(std::io::BufReader::new(file))) } else { Box::new(file) };
    parse(path, input)
}

/// Reads what stands in the file at `path`.
fn parse(path: &Path, input: impl Read) -> Result<HashMap<String, Instrument>, CatalogueError> {
    // A line ends with a line feed and nothing else: told of carriage returns, the parser counts lines one too few. A line
    // end of our own behind the last shows a quote that nobody closed there too.
    let mut rows = csv::ReaderBuilder::new();
    let rows = rows.flexible(true).terminator(csv::Terminator::Any(b'\n'));
    let mut rows = rows.from_reader(input.chain(&b"\n"[..]));
    let headers = rows.headers().map_err(|error| line_error(path, error))?.clone();
    if goes_on(&headers) {
        return Err(CatalogueError::Line { path: path.to_owned(), line: 1, what: GOES_ON.to_owned() });
    }
    let column = |name: &str| headers.iter().position(|header| header.trim() == name);
    let needed = |name: &'static str| match headers.iter().filter(|header| header.trim() == name).count() {
        0 => Err(CatalogueError::Column { path: path.to_owned(), column: name }),
        1 => Ok(column(name)),
        _ => Err(CatalogueError::Twice { path: path.to_owned(), column: name }),
    };
    let (symbol_at, name_at) = (needed("symbol")?, needed("name")?);
    let optional = ["currency", "summary", "category_group", "category", "family", "exchange", "price"].map(column);
    let mut instruments = HashMap::new();
    for (index, row) in (0_u64..).zip(rows.records()) {
        let row = row.map_err(|error| line_error(path, error))?;
        let line = row.position().map_or(0, csv::Position::line);
        let wrong = |what: String| CatalogueError::Line { path: path.to_owned(), line, what };
        let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map_or("", without_return).to_owned();
        if row.len() == 1 && text(Some(0)).is_empty() {
            continue;
        }
        if goes_on(&row) {
            return Err(wrong(GOES_ON.to_owned()));
        }
        if row.len() != headers.len() {
            return Err(wrong(format!("{} columns where the header has {}", row.len(), headers.len())));
        }
        let symbol = text(symbol_at);
        if symbol.is_empty() || symbol.len() > SYMBOL_BYTES_MAX {
            return Err(wrong(format!("the symbol has {} bytes, 1 to {SYMBOL_BYTES_MAX} are allowed", symbol.len())));
        }
        let [currency, summary, category_group, category, family, exchange, price] = optional;
        let price = match text(price) {
            none if none.is_empty() => first_price(index),
            given => match given.trim().parse::<f64>() {
                Ok(price) if price.is_finite() => price,
                _ => return Err(wrong(format!("`{given}` is no price"))),
            },
        };
        let instrument = Instrument {
            name: text(name_at),
            currency: text(currency),
            summary: text(summary),
            category_group: text(category_group),
            category: text(category),
            family: text(family),
            exchange: text(exchange),
            price,
        };
        if instruments.insert(symbol.clone(), instrument).is_some() {
            return Err(wrong(format!("the symbol `{symbol}` stands twice")));
        }
    }
    if instruments.len() < 10 {
        return Err(CatalogueError::Short { path: path.to_owned(), rows: instruments.len() });
    }
    Ok(instruments)
}

/// What is said of a row that [`goes_on`].
const GOES_ON: &str = "the row goes on in the next line, is a quote not closed?";

/// Whether a row is more than one line of the file.
fn goes_on(row: &csv::StringRecord) -> bool {
    row.iter().any(|field| without_return(field).contains(['\n', '\r']))
}

/// A field without the carriage return that stands before the line feed of some systems.
fn without_return(field: &str) -> &str {
    field.strip_suffix('\r').unwrap_or(field)
}

fn line_error(path: &Path, error: csv::Error) -> CatalogueError {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.into_kind() {
        csv::ErrorKind::Io(source) => return CatalogueError::Unreadable { path: path.to_owned(), source },
        csv::ErrorKind::Utf8 { .. } => "the text is not UTF-8".to_owned(),
        other => format!("{other:?}"),
    };
    CatalogueError::Line { path: path.to_owned(), line, what }
}

/// A made-up instrument: the lengths of its texts follow those of real catalogues (about 390 bytes an entry).
fn generate(index: u64) -> (String, Instrument) {
    const WORDS: [&str; 16] = [
        "fund",
        "seeks",
        "long-term",
        "growth",
        "income",
        "index",
        "global",
        "equity",
        "bonds",
        "invests",
        "primarily",
        "securities",
        "emerging",
        "markets",
        "issuers",
        "duration",
    ];
    let mut seed = mix(index);
    let mut next = |bound: u64| {
        seed = mix(seed);
        seed % bound
    };
    let mut summary = String::new();
    for _ in 0..26 + next(22) {
        let word = usize::try_from(next(16)).ok().and_then(|at| WORDS.get(at)).copied().unwrap_or("fund");
        summary.push_str(word);
        summary.push(' ');
    }
    let instrument = Instrument {
        name: format!("Made-up Fund {index} Class {}", next(9)),
        currency: "EUR".to_owned(),
        summary,
        category_group: "Equities".to_owned(),
        category: "Developed Markets".to_owned(),
        family: format!("House {}", next(300)),
        exchange: "STU".to_owned(),
        price: first_price(index),
    };
    (format!("{index:05}.XX"), instrument)
}

/// SplitMix64: spreads a counter over 64 bits.
fn mix(index: u64) -> u64 {
    let mut z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a catalogue whose header is `header`, of thirty rows; row 25 is `odd`, and `last` ends the file.
    fn said(header: &str, odd: &str, last: &str) -> String {
        let row = |i: u32| if i == 25 { odd.to_owned() } else { format!("S{i},Name {i}") };
        let rows: Vec<String> = (1..=30).map(row).collect();
        let text = format!("{header}\n{}\n{last}", rows.join("\n"));
        match parse(Path::new("FILE"), text.as_bytes()) {
            Ok(instruments) => format!("{} rows", instruments.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_row_is_one_line() {
        let open = format!("{GOES_ON}; correct or remove the line");
        assert_eq!(said("symbol,name", "S25,\"Name 25\"", ""), "30 rows");
        assert_eq!(said("symbol,name", "S25,", ""), "30 rows", "real catalogues have rows without a name");
        assert_eq!(said("symbol,name", "S25,\"Name 25", ""), format!("FILE, line 26: {open}"));
        assert_eq!(said("symbol,name", "S25,\"Name\n25\"", ""), format!("FILE, line 26: {open}"));
        assert_eq!(said("symbol,name", "S25,Name 25", "S31,\"Name"), format!("FILE, line 32: {open}"));
        assert_eq!(said("symbol,\"name", "S25,Name 25", ""), format!("FILE, line 1: {open}"));
        let few = "FILE, line 26: 1 columns where the header has 2; correct or remove the line";
        assert_eq!(said("symbol,name", "S25", ""), few);
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for end in ["\n", "\r\n"] {
            let rows: String = (1..=12).map(|i| format!("S{i},\"Name {i}\"{end}")).collect();
            let said = |odd: &str| {
                let text = format!("symbol,name{end}{end}{rows}{odd}{end}S99,Name 99{end}");
                parse(Path::new("FILE"), text.as_bytes()).map(|instruments| instruments["S12"].name.clone())
            };
            assert_eq!(said("S13,Name 13").unwrap(), "Name 12");
            assert_eq!(said("").unwrap(), "Name 12");
            let few = "FILE, line 15: 1 columns where the header has 2; correct or remove the line";
            assert_eq!(said("S13").unwrap_err().to_string(), few);
        }
    }

    #[test]
    fn a_column_that_is_needed_stands_once() {
        let absent = "FILE has no column `name`; the columns `symbol` and `name` are needed";
        assert_eq!(said("symbol,title", "S25,Name 25", ""), absent);
        let twice = "FILE has the column `symbol` twice; leave one of them";
        assert_eq!(said("symbol, symbol", "S25,Name 25", ""), twice);
    }
}
