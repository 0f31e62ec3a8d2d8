//! Metrics as text, in the format that Prometheus reads: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write as _};

use memdeck_model::Histogram;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Metrics under construction.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// A label and its value.
pub type Label<'a> = (&'a str, &'a str);

impl Exposition {
    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// Begins a metric; its samples follow.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.begin(name, kind, help);
        Family { text: &mut self.0, name }
    }

    /// A metric of one sample without labels.
    pub fn single(&mut self, kind: Kind, name: &'static str, help: &str, value: impl Display) {
        self.family(kind, name, help).sample(&[], value);
    }

    /// A histogram for each set of labels.
    pub fn histograms<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = ([Label<'a>; N], &'a Histogram)>,
    ) {
        self.begin(name, "histogram", help);
        for (labels, histogram) in all {
            for (bound, count) in histogram.cumulative() {
                let bound = bound.to_string();
                self.bucket(name, &labels, &bound, count);
            }
            self.bucket(name, &labels, "+Inf", histogram.count());
            sample(&mut self.0, name, "_sum", &labels, histogram.sum());
            sample(&mut self.0, name, "_count", &labels, histogram.count());
        }
    }

    fn bucket(&mut self, name: &str, labels: &[Label<'_>], bound: &str, count: u64) {
        let mut labels = labels.to_vec();
        labels.push(("le", bound));
        sample(&mut self.0, name, "_bucket", &labels, count);
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

/// One metric, whose samples differ in their labels.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: &[Label<'_>], value: impl Display) -> &mut Self {
        sample(self.text, self.name, "", labels, value);
        self
    }
}

fn sample(text: &mut String, name: &str, suffix: &str, labels: &[Label<'_>], value: impl Display) {
    let _ = write!(text, "{name}{suffix}");
    for (place, (label, said)) in labels.iter().enumerate() {
        let said = said.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{}{label}=\"{said}\"", if place == 0 { '{' } else { ',' });
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_named_ends_no_label_and_no_line() {
        let mut exposition = Exposition::default();
        exposition
            .family(Kind::Counter, "dumps_total", "Dumps\nso far.")
            .sample(&[("vm", "a\"b\\c\nd"), ("state", "failed")], 3_u64)
            .sample(&[], 0.25);
        assert_eq!(
            exposition.into_text(),
            "# HELP dumps_total Dumps\\nso far.\n# TYPE dumps_total counter\n\
             dumps_total{vm=\"a\\\"b\\\\c\\nd\",state=\"failed\"} 3\ndumps_total 0.25\n"
        );
    }

    #[test]
    fn a_histogram_has_its_buckets_sum_and_count() {
        let mut histogram = Histogram::new(&[0.5, 10.0]);
        histogram.add(0.25);
        histogram.add(60.0);
        let mut exposition = Exposition::default();
        exposition.histograms("pause_seconds", "Pauses.", [([("mode", "live")], &histogram)]);
        assert_eq!(
            exposition.into_text(),
            "# HELP pause_seconds Pauses.\n# TYPE pause_seconds histogram\n\
             pause_seconds_bucket{mode=\"live\",le=\"0.5\"} 1\npause_seconds_bucket{mode=\"live\",le=\"10\"} 1\n\
             pause_seconds_bucket{mode=\"live\",le=\"+Inf\"} 2\npause_seconds_sum{mode=\"live\"} 60.25\n\
             pause_seconds_count{mode=\"live\"} 2\n"
        );
    }
}
