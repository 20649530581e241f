//! Holds every node's session against the first one's, field by field, and against the repository's document.
//!
//! The document is read the way a new node reads it: a process that never held the session opens it cold, so what it
//! has came out of the document. Invariant: equal means every field of every instrument. Source: own reasoning.

use std::path::Path;

use super::DemoError;
use super::catalogue::{Desk, Instrument};
use super::messages::{Order, Place};
use super::process::Process;

/// The first field that is not the same in two copies.
#[derive(Debug, thiserror::Error)]
#[error("{copy} differs from node 1 at {path}: {found} where node 1 has {expected}")]
pub(crate) struct Difference {
    copy: String,
    path: String,
    found: String,
    expected: String,
}

/// Compares all nodes and the document; `folder` is for the sessions on their way.
pub(crate) async fn all(nodes: &mut [Process], daemon: &Place, store: &Place, folder: &Path) -> Result<(), DemoError> {
    let mut document = Process::start("a new node")?;
    document.ask(&Order::Connect { daemon: daemon.clone(), store: store.clone() }).await?;
    document.ask(&Order::Open).await?;
    let from_document = dump(&mut document, folder, "the repository's document").await?;
    document.close().await?;

    let mut expected = None;
    for (i, node) in nodes.iter_mut().enumerate() {
        let name = format!("node {}", i + 1);
        let session = dump(node, folder, &name).await?;
        match &expected {
            None => expected = Some(session),
            Some(expected) => compare(&name, &session, expected)?,
        }
    }
    match &expected {
        Some(expected) => Ok(compare("the repository's document", &from_document, expected)?),
        None => Ok(()),
    }
}

async fn dump(node: &mut Process, folder: &Path, name: &str) -> Result<Desk, DemoError> {
    let file = folder.join("session");
    node.ask(&Order::Dump { file: file.clone() }).await?;
    let bytes = std::fs::read(&file).map_err(|source| DemoError::File { path: file.clone(), source })?;
    postcard::from_bytes(&bytes).map_err(|error| DemoError::Line { text: format!("{name} does not decode: {error}") })
}

fn compare(copy: &str, found: &Desk, expected: &Desk) -> Result<(), Difference> {
    let check = Check { copy };
    check.same("owner", &found.owner, &expected.owner)?;
    check.same("instruments.len()", &found.instruments.len(), &expected.instruments.len())?;
    for (symbol, expected) in &expected.instruments {
        match found.instruments.get(symbol) {
            Some(found) => check.instrument(symbol, found, expected)?,
            None => check.same(&format!("instruments[{symbol:?}]"), &"nothing", &"an instrument")?,
        }
    }
    Ok(())
}

struct Check<'c> {
    copy: &'c str,
}

impl Check<'_> {
    fn same<T: PartialEq + std::fmt::Debug>(&self, path: &str, found: &T, expected: &T) -> Result<(), Difference> {
        if found == expected {
            return Ok(());
        }
        Err(Difference {
            copy: self.copy.to_owned(),
            path: path.to_owned(),
            found: format!("{found:?}"),
            expected: format!("{expected:?}"),
        })
    }

    fn instrument(&self, symbol: &str, found: &Instrument, expected: &Instrument) -> Result<(), Difference> {
        let path = |field: &str| format!("instruments[{symbol:?}].{field}");
        self.same(&path("name"), &found.name, &expected.name)?;
        self.same(&path("currency"), &found.currency, &expected.currency)?;
        self.same(&path("summary"), &found.summary, &expected.summary)?;
        self.same(&path("category_group"), &found.category_group, &expected.category_group)?;
        self.same(&path("category"), &found.category, &expected.category)?;
        self.same(&path("family"), &found.family, &expected.family)?;
        self.same(&path("exchange"), &found.exchange, &expected.exchange)?;
        self.same(&path("price"), &found.price.to_bits(), &expected.price.to_bits())
    }
}
