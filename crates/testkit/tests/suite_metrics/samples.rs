//! What programs show at `/metrics`, as Prometheus stores it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use testkit::http;
use topology::Addr;

use crate::queries::{groupings, selectors};
use crate::{COMING, COMING_LABELS, Query};

/// The labels that Prometheus puts on a sample, by itself or as the sample configuration says.
const ADDED: &[&str] = &["job", "instance"];
/// A wrapper's targets have one more.
const ADDED_TO_A_WRAPPER: &str = "group";

/// Each metric's labels and their values.
#[derive(Default)]
pub(crate) struct Samples(BTreeMap<String, BTreeSet<(String, String)>>);

impl Samples {
    /// All that these pages show, and what a program prints that has none.
    pub(crate) async fn of(pages: &[&Addr], printed: &str) -> io::Result<Self> {
        let mut texts = vec![printed.to_owned()];
        for page in pages {
            texts.push(http::get(page, "/metrics").await?.body);
        }
        let mut samples = Self::default();
        for page in texts {
            for sample in page
                .lines()
                .filter(|line| !line.starts_with('#'))
                .flat_map(selectors)
            {
                let labels = sample.matchers.into_iter();
                let labels = labels.map(|matcher| (matcher.label, matcher.value));
                samples.0.entry(sample.metric).or_default().extend(labels);
            }
        }
        Ok(samples)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(crate) fn has(&self, metric: &str) -> bool {
        self.0.contains_key(metric)
    }

    /// The metric, or the histogram, of which Prometheus stores the parts.
    pub(crate) fn has_any(&self, name: &str) -> bool {
        self.has(name) || self.has(&format!("{name}_count"))
    }

    pub(crate) fn has_label(&self, metric: &str, label: &str) -> bool {
        let labels = self.0.get(metric);
        labels.is_some_and(|labels| labels.iter().any(|(known, _)| known == label))
    }

    /// What an expression names that no sample has.
    pub(crate) fn complaints(&self, query: &Query) -> Vec<String> {
        let used = selectors(&query.expression);
        let mut wrong = Vec::new();
        for selector in used.iter().filter(|selector| self.has(&selector.metric)) {
            let metric = &selector.metric;
            for matcher in &selector.matchers {
                let (label, value) = (&matcher.label, &matcher.value);
                if !self.may_have(metric, label) {
                    wrong.push(format!("{metric} has no label {label}"));
                } else if matcher.op == "=" && !value.contains('$') && !self.has_value(metric, label, value) {
                    wrong.push(format!("{metric} has no {label}=\"{value}\""));
                }
            }
        }
        let labels = groupings(&query.expression)
            .into_iter()
            .chain(query.shown.iter().cloned());
        for label in labels {
            let nobody = !used
                .iter()
                .any(|selector| self.may_have(&selector.metric, &label));
            if nobody && !used.is_empty() {
                wrong.push(format!("none of its metrics has a label {label}"));
            }
        }
        wrong
    }

    fn may_have(&self, metric: &str, label: &str) -> bool {
        let wrapper = !metric.starts_with("redis_zk_watcher_");
        ADDED.contains(&label)
            || (wrapper && label == ADDED_TO_A_WRAPPER)
            || COMING.contains(&metric)
            || COMING_LABELS.contains(&(metric, label))
            || self.has_label(metric, label)
    }

    fn has_value(&self, metric: &str, label: &str, value: &str) -> bool {
        let labels = self.0.get(metric);
        labels.is_some_and(|labels| labels.contains(&(label.to_owned(), value.to_owned())))
    }
}
