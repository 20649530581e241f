//! `nam.lock`: the schemas a program was last released with, as text that shows well in a diff.
//!
//! ```text
//! class desk.Portfolio = Portfolio
//! struct Portfolio
//!   1 cash: f64
//!   3 instruments: map<string, Instrument>
//!   5 requests: u64, add, optional
//!   reserved 2 4
//! enum Side
//!   variant 0 Buy
//!   variant 1 Sell, alias Sold
//!     1 price: f64
//! ```
//! Committed beside the code and compared in a test, it proves a rolling deploy before it starts. Invariant: what is
//! printed parses to the same schemas, their numbering included. Source: own reasoning.

use std::borrow::Borrow;
use std::fmt;

use super::text::{Labels, word};
use super::{FieldDef, Incompatible, Policy, Schema, SchemaError, TypeDef, merge};

mod advice;
mod parse;

pub use advice::{NewVariant, new_variants};
pub use parse::parse_lock;

/// Says why a lock file does not cover a program's schemas.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A line of the text does not parse.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, 1 and up.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A class of the text parses and is no schema.
    #[error("class `{class}`: {error}")]
    Schema {
        /// The class.
        class: String,
        /// The rule that is broken.
        error: SchemaError,
    },
    /// Programs of this code could not share objects with those that were released.
    #[error("{0}")]
    Incompatible(#[from] Incompatible),
    /// The code is compatible and the lock file does not know all of it.
    #[error("the lock lacks part of class `{class}`: write what `nam::schema::update_lock` answers and commit it")]
    Outdated {
        /// The class.
        class: String,
    },
}

/// Prints schemas as the text of a lock file, in the order of their classes.
#[must_use]
pub fn print_lock<S: Borrow<Schema>>(schemas: &[S]) -> String {
    let mut sorted: Vec<&Schema> = schemas.iter().map(Borrow::borrow).collect();
    sorted.sort_by(|a, b| a.class.cmp(&b.class));
    let texts: Vec<String> = sorted.into_iter().map(|schema| ClassText(schema).to_string()).collect();
    format!("# The schemas of the last release; compared by tests and by `nam schema check`.\n\n{}", texts.join("\n"))
}

/// Checks that a lock file's text covers a program's schemas: for a user's own test.
///
/// # Errors
/// `Incompatible` if a rolling deploy would fail, `Outdated` if the lock must be written anew, `Line` or `Schema` if
/// it is not one.
pub fn check_lock<S: Borrow<Schema>>(text: &str, schemas: &[S]) -> Result<(), LockError> {
    let locked = parse_lock(text)?;
    for schema in schemas.iter().map(Borrow::borrow) {
        let known = locked.iter().find(|known| known.class == schema.class);
        let is_covered = known.map(|known| merge(known, schema).map(|merged| merged == *known)).transpose()?;
        if is_covered != Some(true) {
            return Err(LockError::Outdated { class: schema.class.clone() });
        }
    }
    Ok(())
}

/// The text of a lock file that covers both what `text` covers and a program's schemas; an empty text covers nothing.
///
/// # Errors
/// `Incompatible`, `Line` or `Schema`.
pub fn update_lock<S: Borrow<Schema>>(text: &str, schemas: &[S]) -> Result<String, LockError> {
    let mut locked = parse_lock(text)?;
    for schema in schemas.iter().map(Borrow::borrow) {
        match locked.iter_mut().find(|known| known.class == schema.class) {
            Some(known) => *known = merge(known, schema)?,
            None => locked.push(schema.clone()),
        }
    }
    Ok(print_lock(&locked))
}

struct ClassText<'a>(&'a Schema);

impl fmt::Display for ClassText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = Labels::of(self.0);
        writeln!(f, "class {} = {}", word(&self.0.class), labels.at(self.0.root))?;
        for (i, def) in self.0.types.iter().enumerate() {
            let label = labels.labels.get(i).map_or("", String::as_str);
            match def {
                TypeDef::Struct(def) => {
                    writeln!(f, "struct {label}")?;
                    def.fields.iter().try_for_each(|field| print_field(f, &labels, "  ", field))?;
                    print_reserved(f, def.reserved.iter().map(|id| id.0))?;
                }
                TypeDef::Enum(def) => {
                    writeln!(f, "enum {label}")?;
                    for variant in &def.variants {
                        write!(f, "  variant {} {}", variant.id, word(&variant.name))?;
                        print_aliases(f, &variant.aliases)?;
                        writeln!(f)?;
                        variant.fields.iter().try_for_each(|field| print_field(f, &labels, "    ", field))?;
                    }
                    print_reserved(f, def.reserved.iter().map(|id| id.0))?;
                }
            }
        }
        Ok(())
    }
}

fn print_field(f: &mut fmt::Formatter<'_>, labels: &Labels, indent: &str, field: &FieldDef) -> fmt::Result {
    write!(f, "{indent}{} {}: {}", field.id, word(&field.name), labels.kind(&field.kind))?;
    if field.policy != Policy::Retry {
        write!(f, ", {}", field.policy.word())?;
    }
    for (is_set, flag) in [(field.index, "index"), (field.redact, "redact"), (field.optional, "optional")] {
        if is_set {
            write!(f, ", {flag}")?;
        }
    }
    print_aliases(f, &field.aliases)?;
    writeln!(f)
}

fn print_aliases(f: &mut fmt::Formatter<'_>, aliases: &[String]) -> fmt::Result {
    aliases.iter().try_for_each(|alias| write!(f, ", alias {}", word(alias)))
}

fn print_reserved(f: &mut fmt::Formatter<'_>, ids: impl Iterator<Item = u32>) -> fmt::Result {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    if ids.is_empty() { Ok(()) } else { writeln!(f, "  reserved {}", ids.join(" ")) }
}
