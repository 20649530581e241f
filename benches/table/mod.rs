//! What was measured beside what is allowed: rows of one table, printed by each bench below its criterion figures.
//!
//! What a row compares is taken in turn within one run, so that whatever else the machine does falls on both. Figures are
//! medians unless the row says otherwise. A row that is over its budget says so and fails nothing.
#![allow(dead_code, reason = "each bench uses some of it")]

use std::time::{Duration, Instant};

/// How long one piece of work took, many times, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// As many as are asked for, empty.
    pub(crate) fn several<const N: usize>() -> [Self; N] {
        [const { Self(Vec::new()) }; N]
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.add_nanoseconds(took.as_secs_f64() * 1e9);
    }

    pub(crate) fn add_nanoseconds(&mut self, took: f64) {
        self.0.push(took);
    }

    pub(crate) fn p50(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.percentile(99)
    }

    pub(crate) fn most(&self) -> f64 {
        self.percentile(100)
    }

    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len().saturating_sub(1) * percent).div_ceil(100);
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Times `count` runs of each of several pieces of work as one sample of each, in turn, `turns` times; nanoseconds a run.
pub(crate) fn in_turn<const N: usize>(turns: usize, count: u32, mut works: [&mut dyn FnMut(); N]) -> [Samples; N] {
    let mut samples = Samples::several();
    for _ in 0..turns {
        for (work, samples) in works.iter_mut().zip(&mut samples) {
            let begun = Instant::now();
            (0..count).for_each(|_| work());
            samples.0.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count));
        }
    }
    samples
}

/// A bound that a row is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// So many times what it is compared with, at most.
    Times(f64),
    /// So many nanoseconds, at most.
    Nanoseconds(f64),
    /// Of no concern: the row explains others.
    None,
}

/// Says what the table is about.
pub(crate) fn title(question: &str) {
    println!("\n┌ {question}");
}

/// Prints a row about a time, in nanoseconds, beside another one.
pub(crate) fn time(what: &str, figure: f64, beside: Option<(&str, f64)>, budget: Budget) {
    let compared = beside.map(|(name, other)| format!("{:.2} × {name} ({})", figure / other, nanoseconds(other)));
    let (allowed, is_within) = match (budget, beside) {
        (Budget::Times(times), Some((_, other))) => (format!("≤ {times} ×"), figure <= times * other),
        (Budget::Nanoseconds(most), _) => (format!("≤ {}", nanoseconds(most)), figure <= most),
        _ => (String::new(), true),
    };
    row(what, &nanoseconds(figure), &compared.unwrap_or_default(), &allowed, is_within);
}

/// Prints a row about anything.
pub(crate) fn row(what: &str, figure: &str, beside: &str, allowed: &str, is_within: bool) {
    let verdict = if is_within { "" } else { "OVER BUDGET" };
    println!("│ {what:<52} {figure:>12}  {beside:<42} {allowed:<12} {verdict}");
}

fn nanoseconds(count: f64) -> String {
    match count {
        ..100.0 => format!("{count:.1} ns"),
        ..10_000.0 => format!("{count:.0} ns"),
        ..10_000_000.0 => format!("{:.1} µs", count / 1e3),
        _ => format!("{:.1} ms", count / 1e6),
    }
}
