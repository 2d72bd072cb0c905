//! What is told of it, to people and as JSON: what is set, and for what is not, the lines for the Sentinel's file.

use std::collections::BTreeMap;

use serde::Serialize;
use topology::Addr;

use super::attach::{Outcome, Row};
use super::{Script, ScriptifyError, complain, say};
use crate::call::chain;

/// In the place of a group's name, where the groups are not known.
const ANY_GROUP: &str = "<group>";

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    sentinel: String,
    result: Conclusion,
    reason: Option<String>,
    scripts: Vec<Told>,
    /// What to put into the Sentinel's file.
    sentinel_conf: Vec<String>,
    /// What to put into sentinel-wrapper's environment.
    sentinel_wrapper: BTreeMap<&'static str, &'a str>,
}

/// What came of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Conclusion {
    Set,
    WouldSet,
    Refused,
    Failed,
}

#[derive(Debug, Serialize)]
struct Told {
    group: String,
    option: &'static str,
    path: String,
    before: Option<String>,
    outcome: &'static str,
    reason: Option<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(addr: &Addr, scripts: &'a [Script], rows: Result<Vec<Row>, ScriptifyError>) -> Self {
        let mut report = Self {
            sentinel: addr.to_string(),
            result: Conclusion::Failed,
            reason: None,
            scripts: Vec::new(),
            sentinel_conf: Vec::new(),
            sentinel_wrapper: BTreeMap::new(),
        };
        match rows {
            Ok(rows) => {
                report.result = conclusion(&rows);
                report.reason = reason(report.result, addr);
                let left = rows.iter().filter(|row| !is_well(&row.outcome));
                report.sentinel_conf = left.map(|row| conf(&row.script, row.group.as_str())).collect();
                report.scripts = rows.into_iter().map(told).collect();
            }
            Err(problem) => {
                report.reason = Some(chain(&problem));
                if !matches!(problem, ScriptifyError::Script { .. }) {
                    report.sentinel_conf = scripts.iter().map(|script| conf(script, ANY_GROUP)).collect();
                }
            }
        }
        if !report.sentinel_conf.is_empty() {
            let by_variable = scripts
                .iter()
                .map(|script| (script.variable(), script.path.as_str()));
            report.sentinel_wrapper = by_variable.collect();
        }
        report
    }

    /// Whether all was done that was asked for.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.result, Conclusion::Set | Conclusion::WouldSet)
    }

    pub(super) fn json(&self) -> String {
        // Texts only.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// To a person. What is printed of a refusal can be appended to the file as it is.
    pub(super) fn tell(&self, verbose: bool) {
        if verbose {
            let groups = self.scripts.len();
            say(&format!(
                "# the Sentinel at {}: {groups} scripts to look after",
                self.sentinel
            ));
        }
        for told in &self.scripts {
            let Told {
                group, option, path, ..
            } = told;
            let before = told.before.as_deref().unwrap_or("none");
            match (told.outcome, &told.reason) {
                ("failed", reason) => complain(&format!(
                    "{group}: {option} {path}: {}",
                    reason.as_deref().unwrap_or_default()
                )),
                ("refused", _) if verbose => complain(&format!("{group}: {option} {path}: refused")),
                ("refused", _) => {}
                (outcome, _) => say(&format!("{group}: {option} {path}: {outcome} (before: {before})")),
            }
        }
        if let Some(reason) = &self.reason {
            complain(reason);
        }
        if self.sentinel_conf.is_empty() {
            return;
        }
        say(
            "# Stop the Sentinel (it writes its file itself), append these lines to its sentinel.conf, start it again:",
        );
        for line in &self.sentinel_conf {
            say(line);
        }
        say("# Where sentinel-wrapper starts it, set these in its environment instead:");
        for (variable, path) in &self.sentinel_wrapper {
            say(&format!("# {variable}={path}"));
        }
    }
}

fn conclusion(rows: &[Row]) -> Conclusion {
    let any = |outcome: fn(&Outcome) -> bool| rows.iter().any(|row| outcome(&row.outcome));
    if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
        Conclusion::Failed
    } else if any(|outcome| *outcome == Outcome::Refused) {
        Conclusion::Refused
    } else if any(|outcome| *outcome == Outcome::Would) {
        Conclusion::WouldSet
    } else {
        Conclusion::Set
    }
}

fn reason(result: Conclusion, addr: &Addr) -> Option<String> {
    match result {
        Conclusion::Set | Conclusion::WouldSet => None,
        Conclusion::Refused => Some(format!(
            "the Sentinel at {addr} refuses scripts at runtime (deny-scripts-reconfig yes, which is its default); put them into its configuration"
        )),
        Conclusion::Failed => Some(format!(
            "not all scripts are set at the Sentinel at {addr}; try again, or put them into its configuration"
        )),
    }
}

fn is_well(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Set | Outcome::Already | Outcome::Would => true,
        Outcome::Refused | Outcome::Failed(_) => false,
    }
}

fn told(row: Row) -> Told {
    let (outcome, reason) = match row.outcome {
        Outcome::Set => ("set", None),
        Outcome::Already => ("already set", None),
        Outcome::Would => ("would be set", None),
        Outcome::Refused => ("refused", None),
        Outcome::Failed(reason) => ("failed", Some(reason)),
    };
    Told {
        group: row.group.to_string(),
        option: row.script.option(),
        path: row.script.path,
        before: row.before,
        outcome,
        reason,
    }
}

fn conf(script: &Script, group: &str) -> String {
    format!("sentinel {} {group} {}", script.option(), script.path)
}
