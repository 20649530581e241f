//! `nam schema`: compares a program's schemas with those it was last released with.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use nam::schema::{check_lock, new_variants, parse_lock, update_lock};

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
        let schemas = parse_lock(&read(&schemas)?).map_err(|error| format!("the program's schemas: {error}"))?;
        if schemas.is_empty() {
            return Err("the program's schemas: there are none; did it end before it printed them?".to_owned());
        }
        let known = if update && !lock.exists() { String::new() } else { read(&lock)? };
        for variant in new_variants(&known, &schemas).map_err(|error| error.to_string())? {
            println!("advice: {variant}");
        }
        if update {
            let text = update_lock(&known, &schemas).map_err(|error| error.to_string())?;
            return fs::write(&lock, text).map_err(|error| format!("cannot write {}: {error}", lock.display()));
        }
        check_lock(&known, &schemas).map_err(|error| error.to_string())?;
        println!("{} covers {} classes", lock.display(), schemas.len());
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        fs::read_to_string(path).map(|read| text = read)
    };
    read.map(|()| text).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
