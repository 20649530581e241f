//! `nam schema`: compares a program's schemas with those it was last released with.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use nam::schema::{LockError, Schema, check_lock, new_variants, parse_lock, update_lock};

/// What `nam schema` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Compare the schemas a program prints (`nam::schema::print_lock`) with the committed lock file.
    Check {
        /// The committed lock file.
        #[arg(long, value_name = "FILE", default_value = "nam.lock")]
        lock: PathBuf,
        /// Write the compatible changes into the lock file instead of refusing what is not in it.
        #[arg(long)]
        update: bool,
        /// What the program prints; `-` reads it from the input.
        #[arg(value_name = "SCHEMAS", default_value = "-")]
        schemas: PathBuf,
    },
}

impl SchemaCommand {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), String> {
        let Self::Check { lock, update, schemas } = self;
        let schemas = offered(&schemas)?;
        let known = if update && !lock.exists() { String::new() } else { read(&lock)? };
        let sentence = |error: LockError| match error {
            LockError::Outdated { class } => format!(
                "{} lacks part of class `{class}`: run the same with --update and commit the file",
                lock.display()
            ),
            LockError::Incompatible(problems) => problems.to_string(),
            error => format!("{}, {error}", lock.display()),
        };
        for variant in new_variants(&known, &schemas).map_err(sentence)? {
            println!("advice: {variant}");
        }
        if update {
            let text = update_lock(&known, &schemas).map_err(sentence)?;
            return fs::write(&lock, text).map_err(|error| format!("cannot write {}: {error}", lock.display()));
        }
        check_lock(&known, &schemas).map_err(sentence)?;
        match schemas.len() {
            1 => println!("{} covers the class", lock.display()),
            classes => println!("{} covers all {classes} classes", lock.display()),
        }
        Ok(())
    }
}

/// The schemas that a program printed, each once.
fn offered(path: &Path) -> Result<Vec<Schema>, String> {
    let name = if path == Path::new("-") { "the program's schemas".to_owned() } else { path.display().to_string() };
    let mut schemas = parse_lock(&read(path)?).map_err(|error| format!("{name}, {error}"))?;
    if schemas.is_empty() {
        return Err(format!("{name}: there are none; did the program end before it printed them?"));
    }
    // Generic structs of one name are each printed; what is the same counts once.
    let mut seen = Vec::new();
    schemas.retain(|schema| {
        let is_new = !seen.contains(schema);
        seen.extend(is_new.then(|| schema.clone()));
        is_new
    });
    Ok(schemas)
}

fn read(path: &Path) -> Result<String, String> {
    let is_input = path == Path::new("-");
    let name = if is_input { "the input".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = if is_input {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| format!("cannot read {name}: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("{name} is no text in UTF-8 from byte {at} on: give what `nam::schema::print_lock` answers")
    })
}
