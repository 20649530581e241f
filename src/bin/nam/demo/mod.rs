//! `nam demo`: the main job as a user sees it, with its figures.
//!
//! One daemon process, a store process for the comparison, and node processes that hold the same session. Requests go
//! round robin; each reads the session on its node, checks a price and changes it. Invariants: every figure is
//! measured in this run; latencies of nam and of the bare echo are taken in turn; the exit code is 1 if any two copies
//! of the session differ. Source: the founding scenario.

mod catalogue;
mod compare;
mod figures;
mod folder;
mod interface;
mod messages;
mod namespace;
mod node;
mod opening;
mod process;
mod rounds;
mod store;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use self::catalogue::CatalogueError;
use self::compare::Difference;
use self::figures::Figures;
use self::folder::Folder;
use self::messages::{Order, Report};
use self::process::{Process, Served};
use self::rounds::Rounds;

/// What `nam demo` may be told.
#[derive(clap::Args, Debug)]
pub(crate) struct DemoArguments {
    /// A catalogue as CSV or CSV.gz with the columns symbol and name, and if there are: currency, summary,
    /// category_group, category, family, exchange, price. Without it about 15 MB of the same shape are made up.
    #[arg(long, value_name = "FILE")]
    instruments: Option<PathBuf>,
    /// Node processes that share the session, 2 to 16.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=16))]
    nodes: u16,
    /// Requests to answer, round robin, 30 to 1000000.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(30..=1_000_000))]
    requests: u32,
    /// Where the daemon keeps the session, synced with every change; without it in memory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Says why the demo ended early, or what it found wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("{name} cannot be started: {source}")]
    Start { name: String, source: std::io::Error },
    #[error("{name} ended before its work was done; its last lines say why")]
    Ended { name: String },
    #[error("{name} said nothing for {seconds} s; is the machine out of memory or stopped?")]
    Silent { name: String, seconds: u64 },
    #[error("{name}: {why}")]
    Node { name: String, why: String },
    #[error("a process said what was not expected: {text}")]
    Line { text: String },
    #[error("{path} cannot be written: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Different(#[from] Difference),
}

/// Runs the demo, in a network namespace of its own where that is possible.
pub(crate) fn run(arguments: DemoArguments) -> Result<(), String> {
    namespace::enter();
    on_one_thread(demonstrate(arguments))
}

/// Runs a node process of the demo.
pub(crate) fn run_node() -> Result<(), String> {
    on_one_thread(node::run())
}

/// Runs the process that the demo compares with.
pub(crate) fn run_store() -> Result<(), String> {
    crate::parent::follow();
    on_one_thread(store::run())
}

fn on_one_thread<E: ToString>(work: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the system gives no event queue: {error}"))?;
    runtime.block_on(work).map_err(|error| error.to_string())
}

/// Starts all processes, measures, compares, and prints the table.
async fn demonstrate(arguments: DemoArguments) -> Result<(), DemoError> {
    if let Some(file) = &arguments.instruments {
        catalogue::load(Some(file))?;
    }
    if let Some(path) = &arguments.json {
        check_writable(path)?;
    }
    let folder = Folder::make(&std::env::temp_dir())?;
    let (data, journal) = arguments.data.as_ref().map_or((&folder.path, "memory"), |data| (data, "disk"));
    let (listen, data) = (["serve", "--with-parent", "--listen", "127.0.0.1:0"], data.to_string_lossy());
    let daemon = Served::start("the daemon", &[&listen[..], &["--journal", journal, "--data", &data]].concat()).await?;
    let store = Served::start("the store", &["demo-store"]).await?;
    let mut figures = Figures { nodes: usize::from(arguments.nodes), ..Figures::default() };
    let mut nodes = Vec::new();
    for i in 1..=arguments.nodes {
        let mut node = Process::start(&format!("node {i}"))?;
        node.ask(&Order::Connect { daemon: daemon.place.clone(), store: store.place.clone() }).await?;
        nodes.push(node);
    }
    println!("one daemon, {} nodes, one session", nodes.len());

    let prices = create(&mut nodes, &arguments, &mut figures).await?;
    opening::everywhere(&mut nodes, (&daemon.place, &store.place), &mut figures).await?;
    let mut rounds = Rounds::new(&mut nodes, prices);
    rounds.measure(arguments.requests, &mut figures).await?;
    whole_session(&mut nodes, &mut figures).await?;

    let compared = compare::all(&mut nodes, &daemon.place, &store.place, &folder.path).await;
    if compared.as_ref().is_err_and(|error| !matches!(error, DemoError::Different(_))) {
        return compared;
    }
    figures.replicas_equal = compared.is_ok();
    for node in nodes {
        node.close().await?;
    }
    println!("{figures}");
    if let Some(path) = &arguments.json {
        let text =
            serde_json::to_string_pretty(&figures).map_err(|error| DemoError::Line { text: error.to_string() })?;
        std::fs::write(path, text + "\n").map_err(|source| DemoError::File { path: path.clone(), source })?;
    }
    compared
}

/// Makes sure, before any work, that the figures can be written at its end; leaves nothing behind.
fn check_writable(path: &Path) -> Result<(), DemoError> {
    let failed = |source| DemoError::File { path: path.to_owned(), source };
    let was_there = path.exists();
    std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    if was_there { Ok(()) } else { std::fs::remove_file(path).map_err(failed) }
}

/// Creates the session on the first node, with a progress bar; answers its symbols and prices.
async fn create(
    nodes: &mut [Process],
    arguments: &DemoArguments,
    figures: &mut Figures,
) -> Result<Vec<(String, f64)>, DemoError> {
    let Some(first) = nodes.first_mut() else { return Ok(Vec::new()) };
    let bar = progress_bar();
    first.order(&Order::Create { catalogue: arguments.instruments.clone() }).await?;
    loop {
        match first.report().await? {
            Report::Progress { what, done, total } => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(what);
            }
            Report::Created { object_bytes, delta_bytes, symbols } => {
                bar.finish_and_clear();
                println!("node 1 created the session: {}", figures::bytes(object_bytes));
                figures.object_bytes = object_bytes;
                figures.delta_bytes = delta_bytes;
                return Ok(symbols);
            }
            other => return Err(DemoError::Line { text: format!("{other:?}") }),
        }
    }
}

/// One change replicated as a whole session: the first node puts it, the second fetches it.
async fn whole_session(nodes: &mut [Process], figures: &mut Figures) -> Result<(), DemoError> {
    let (mut ms_sum, mut bytes_sum) = (0.0, 0);
    for (i, order) in [Order::WholePut, Order::WholeGet].iter().enumerate() {
        let Some(node) = nodes.get_mut(i) else { continue };
        if let Report::Whole { ms, bytes } = node.ask(order).await? {
            ms_sum += ms;
            bytes_sum += bytes;
        }
    }
    (figures.whole_ms, figures.whole_bytes) = (ms_sum, bytes_sum);
    Ok(())
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<28} {wide_bar} {bytes:>9} of {total_bytes:<9} {elapsed}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
