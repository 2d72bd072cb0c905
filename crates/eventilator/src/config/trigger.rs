//! Which events a receiver is for, as people write it: also with a sign forgotten, as a sample that many have copied has it.

use super::section::Section;
use super::source::Source;
use crate::mode::Mode;
use crate::reconfiguration;
use crate::sink::Trigger;

/// Events that every Sentinel emits and a script hears of; to recognise what was meant by `promoted-slave`.
const EVENTS: [&str; 27] = [
    "+monitor",
    "-monitor",
    "+set",
    "+reset-master",
    "+sdown",
    "-sdown",
    "+odown",
    "-odown",
    "+new-epoch",
    "+vote-for-leader",
    "+try-failover",
    "+elected-leader",
    "-failover-abort-not-elected",
    "+failover-state-select-slave",
    "-failover-abort-no-good-slave",
    "+selected-slave",
    "-failover-abort-slave-timeout",
    "+promoted-slave",
    "+failover-state-reconf-slaves",
    "+failover-end-for-timeout",
    "+failover-end",
    "+switch-master",
    "+config-update-from",
    "+slave",
    "+convert-to-slave",
    "+failover-state-wait-promotion",
    reconfiguration::EVENT,
];

/// The events it is for. A sign that was forgotten is put back, with a warning: a sample that people copied lacks one.
pub(super) fn trigger(
    source: &mut Source<'_>,
    section: &mut Section,
    mode: Mode,
    default: Option<&[&str]>,
) -> Trigger {
    let Some(words) = source.list(section, "TriggerOn") else {
        return match default {
            Some(names) => Trigger::On(names.iter().map(|name| (*name).to_owned()).collect()),
            None => Trigger::Every,
        };
    };
    let words: Vec<String> = words.iter().map(|word| word.trim().to_owned()).collect();
    if words.iter().any(|word| word == "*") {
        return Trigger::Every;
    }
    if words.is_empty() {
        let place = section.place("TriggerOn");
        source
            .warnings
            .push(format!("{place}: no event is named, so it is told nothing"));
    }
    let known = |word: &String| EVENTS.contains(&word.as_str());
    let names = words.into_iter().map(|word| {
        if known(&word) {
            return word;
        }
        let signed = ["+", "-"].map(|sign| format!("{sign}{word}"));
        let meant = signed.into_iter().find(known);
        let place = section.place("TriggerOn");
        let Some(meant) = meant else {
            source.warnings.push(format!(
                "{place}: `{word}` is no event of any Sentinel that is known"
            ));
            return word;
        };
        source.warnings.push(format!(
            "{place}: `{word}` is no event; `{meant}` is taken for it"
        ));
        meant
    });
    let names: Vec<String> = names.collect();
    let heard = names
        .iter()
        .any(|name| (name == reconfiguration::EVENT) == (mode == Mode::Reconfigurator));
    if !names.is_empty() && !heard {
        let place = section.place("TriggerOn");
        source.warnings.push(match mode {
            Mode::Eventilator => {
                format!(
                    "{place}: `{}` is the reconfigurator's event; none of these is ever told here",
                    reconfiguration::EVENT
                )
            }
            Mode::Reconfigurator => {
                format!(
                    "{place}: the reconfigurator's one event is `{}`; none of these is ever told here",
                    reconfiguration::EVENT
                )
            }
        });
    }
    Trigger::On(names)
}
