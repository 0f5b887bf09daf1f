//! Figures, as they are printed.

use std::fmt;
use std::time::Duration;

/// How long each of many took.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e6);
    }

    /// The median, in microseconds.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * q).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99, most) = (self.median(), self.quantile(0.99), self.quantile(1.0));
        write!(f, "median {median:>9.0} µs, p99 {p99:>9.0} µs, most {most:>9.0} µs, {} samples", self.0.len())
    }
}
