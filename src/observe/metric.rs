//! Counters, gauges and histograms: statics without registration, cheap to record, rendered in Prometheus' text format.
//!
//! Values of labels are `&'static str`: nothing that a client sent can become one, so the number of series is bounded by the program's text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// A histogram's sum is kept in these parts of its unit.
const SUM_PARTS: f64 = 1e6;

/// A metric with `N` labels and one value per combination of them.
pub struct Metric<T, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    bounds: &'static [f64],
    /// Series that are shown from the start: what is first seen at 1 has not increased, for Prometheus.
    expected: &'static [[&'static str; N]],
    series: RwLock<BTreeMap<[&'static str; N], T>>,
}

/// Counts what happened since the start.
pub type Counter<const N: usize> = Metric<CounterValue, N>;
/// Says how much there is now.
pub type Gauge<const N: usize> = Metric<GaugeValue, N>;
/// Counts values by size.
pub type Histogram<const N: usize> = Metric<HistogramValue, N>;

/// The value of a counter.
#[derive(Debug)]
pub struct CounterValue(AtomicU64);

/// The value of a gauge: the bits of an f64.
#[derive(Debug)]
pub struct GaugeValue(AtomicU64);

/// The values of a histogram: one count per bound and one for what is beyond the last.
#[derive(Debug)]
pub struct HistogramValue {
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What the kinds of metrics have in common.
pub trait Value: Sized {
    /// The kind's name in the text format.
    const KIND: &'static str;
    /// The value of a combination of labels that is new.
    fn new(bounds: &[f64]) -> Self;
    /// Writes the lines of a series. `labels` is `a="b",c="d"` or empty.
    fn render(&self, out: &mut String, name: &str, labels: &str, bounds: &[f64]);
}

/// A metric of any kind.
pub(super) trait Render: Sync {
    fn render(&self, out: &mut String);

    /// Name, kind and the names of the labels.
    #[cfg(test)]
    fn describe(&self) -> (&'static str, &'static str, Vec<&'static str>);
}

impl<T: Value, const N: usize> Metric<T, N> {
    /// A metric without bounds, of which only those series are shown that were recorded.
    pub(super) const fn new(name: &'static str, labels: [&'static str; N], help: &'static str) -> Self {
        Self::with(name, labels, help, &[], &[])
    }

    /// A metric of which the `expected` series are shown from the start; `bounds` are those of a histogram.
    pub(super) const fn with(
        name: &'static str,
        labels: [&'static str; N],
        help: &'static str,
        bounds: &'static [f64],
        expected: &'static [[&'static str; N]],
    ) -> Self {
        Metric {
            name,
            help,
            labels,
            bounds,
            expected,
            series: RwLock::new(BTreeMap::new()),
        }
    }

    fn series(&self, labels: [&'static str; N], record: impl Fn(&T)) {
        if let Some(value) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            return record(value);
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        record(series.entry(labels).or_insert_with(|| T::new(self.bounds)));
    }
}

impl<const N: usize> Counter<N> {
    /// Counts one.
    pub fn increment(&self, labels: [&'static str; N]) {
        self.add(labels, 1);
    }

    /// Counts some.
    pub fn add(&self, labels: [&'static str; N], number: u64) {
        self.series(labels, |value| {
            value.0.fetch_add(number, Ordering::Relaxed);
        });
    }
}

impl<const N: usize> Gauge<N> {
    /// Says how much there is.
    pub fn set(&self, labels: [&'static str; N], number: f64) {
        self.series(labels, |value| value.0.store(number.to_bits(), Ordering::Relaxed));
    }

    /// Says how many there are.
    pub fn set_count(&self, labels: [&'static str; N], number: u64) {
        #[expect(clippy::cast_precision_loss, reason = "nobody needs the sixteenth digit of a gauge")]
        self.set(labels, number as f64);
    }

    /// Says whether something holds: 1 or 0.
    pub fn set_flag(&self, labels: [&'static str; N], holds: bool) {
        self.set(labels, f64::from(u8::from(holds)));
    }
}

impl<const N: usize> Histogram<N> {
    /// Counts a value that is not negative.
    pub fn record(&self, labels: [&'static str; N], number: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < number);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a negative number would count as 0"
        )]
        let parts = (number * SUM_PARTS).round() as u64;
        self.series(labels, |value| {
            value.sum.fetch_add(parts, Ordering::Relaxed);
            if let Some(count) = value.counts.get(bucket) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// Counts a duration in seconds.
    pub fn record_time(&self, labels: [&'static str; N], duration: std::time::Duration) {
        self.record(labels, duration.as_secs_f64());
    }
}

impl Value for CounterValue {
    const KIND: &'static str = "counter";

    fn new(_: &[f64]) -> Self {
        CounterValue(AtomicU64::new(0))
    }

    fn render(&self, out: &mut String, name: &str, labels: &str, _: &[f64]) {
        line(out, name, labels, self.0.load(Ordering::Relaxed));
    }
}

impl Value for GaugeValue {
    const KIND: &'static str = "gauge";

    fn new(_: &[f64]) -> Self {
        GaugeValue(AtomicU64::new(0))
    }

    fn render(&self, out: &mut String, name: &str, labels: &str, _: &[f64]) {
        line(out, name, labels, f64::from_bits(self.0.load(Ordering::Relaxed)));
    }
}

impl Value for HistogramValue {
    const KIND: &'static str = "histogram";

    fn new(bounds: &[f64]) -> Self {
        HistogramValue {
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    fn render(&self, out: &mut String, name: &str, labels: &str, bounds: &[f64]) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (count, bound) in self.counts.iter().zip(bounds) {
            total += count.load(Ordering::Relaxed);
            line(
                out,
                &format!("{name}_bucket"),
                &format!("{labels}{comma}le=\"{bound}\""),
                total,
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody needs the sixteenth digit of a sum")]
        let sum = self.sum.load(Ordering::Relaxed) as f64 / SUM_PARTS;
        line(out, &format!("{name}_sum"), labels, sum);
        line(out, &format!("{name}_count"), labels, total);
    }
}

impl<T: Value + Send + Sync, const N: usize> Render for Metric<T, N> {
    fn render(&self, out: &mut String) {
        for labels in self.expected {
            self.series(*labels, |_| ());
        }
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if series.is_empty() {
            return;
        }
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "# HELP {0} {1}\n# TYPE {0} {2}\n",
            self.name,
            self.help.trim(),
            T::KIND
        );
        for (values, value) in series.iter() {
            let pairs = self.labels.iter().zip(values);
            let pairs: Vec<String> = pairs.map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            value.render(out, self.name, &pairs.join(","), self.bounds);
        }
    }

    #[cfg(test)]
    fn describe(&self) -> (&'static str, &'static str, Vec<&'static str>) {
        (self.name, T::KIND, self.labels.to_vec())
    }
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metric: &dyn Render) -> String {
        let mut out = String::new();
        metric.render(&mut out);
        out
    }

    #[test]
    fn counters_and_gauges_have_a_line_per_series() {
        static REQUESTS: Counter<2> = Counter::new("requests_total", ["method", "status"], "Requests.");
        static READY: Gauge<0> = Gauge::new("ready", [], "Readiness.");
        assert_eq!(text(&REQUESTS), "", "nothing was counted");
        REQUESTS.increment(["b", "200"]);
        REQUESTS.add(["a", "404"], 2);
        REQUESTS.increment(["b", "200"]);
        let expected = "# HELP requests_total Requests.\n# TYPE requests_total counter\n\
                        requests_total{method=\"a\",status=\"404\"} 2\nrequests_total{method=\"b\",status=\"200\"} 2\n";
        assert_eq!(text(&REQUESTS), expected);
        READY.set_flag([], true);
        assert_eq!(text(&READY), "# HELP ready Readiness.\n# TYPE ready gauge\nready 1\n");
        READY.set([], 0.25);
        assert!(text(&READY).ends_with("ready 0.25\n"));
    }

    #[test]
    fn what_is_expected_is_shown_before_it_happens() {
        static LOGINS: Counter<1> = Counter::with("logins_total", ["outcome"], "Logins.", &[], &[["ok"], ["refused"]]);
        LOGINS.increment(["ok"]);
        let lines = "logins_total{outcome=\"ok\"} 1\nlogins_total{outcome=\"refused\"} 0\n";
        assert!(text(&LOGINS).ends_with(lines), "{}", text(&LOGINS));
    }

    #[test]
    fn histograms_are_cumulative() {
        static TIMES: Histogram<1> = Histogram::with("times", ["stage"], "Times.", &[0.5, 1.0], &[]);
        for value in [0.1, 0.5, 0.75, 3.0] {
            TIMES.record(["a"], value);
        }
        let lines = text(&TIMES);
        for expected in [
            "times_bucket{stage=\"a\",le=\"0.5\"} 2\n",
            "times_bucket{stage=\"a\",le=\"1\"} 3\n",
            "times_bucket{stage=\"a\",le=\"+Inf\"} 4\n",
            "times_sum{stage=\"a\"} 4.35\n",
            "times_count{stage=\"a\"} 4\n",
        ] {
            assert!(lines.contains(expected), "{lines}");
        }
    }
}
