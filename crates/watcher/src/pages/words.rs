//! What a look came to, in a sentence: for the person who wonders why nothing happens.

/// The sentence for a word of `last_outcome`. A text that is no such word (what was in the way of a look) speaks for itself.
pub(super) fn explain(outcome: &str) -> Option<&'static str> {
    Some(match outcome {
        "no look yet" => "This watcher has just started and has not looked yet.",
        "up-to-date" => "The Sentinels and the record agree. There is nothing to do.",
        "sentinels-stale" => {
            "The Sentinels know an older master than the record. Their wrappers bring them in step; the record stays."
        }
        "sentinels-astray" => {
            "The Sentinels name another master in the record's epoch, but it is none. The recorded one is, and stays."
        }
        "unknown-phase" => {
            "The record is in a phase that only a newer version knows. That version finishes it; this watcher leaves it alone."
        }
        "newer-record" => {
            "The record was written by a newer version and cannot be read by this one. Update this watcher."
        }
        "no-sentinels" => "No Sentinel is registered, so nobody could report a change. The record stays.",
        "no-reports" => {
            "None of the registered Sentinels answers with a master. Without them nothing is changed: look at the Sentinels."
        }
        "no-majority" => {
            "A new master is named, but by too few Sentinels. It is recorded once a majority names it."
        }
        "not-master-yet" => {
            "The node that should be recorded does not answer as a master yet. It is recorded once it does."
        }
        "recorded-may-return" => {
            "The recorded master may come back: it is loading, refuses this watcher, or has been silent for too short a time."
        }
        "waiting" => "Answers of Sentinels or Redis nodes are still awaited.",
        "higher-epoch" => {
            "A majority of the Sentinels named a new master with a higher epoch. It is recorded."
        }
        "highest-epoch-without-majority" => {
            "The recorded master is gone and no majority can be had, so the highest epoch that anybody has is recorded."
        }
        "nothing-recorded" => "Nothing was recorded, so the master that the Sentinels name is.",
        "record-unreadable" => {
            "The record could not be read, so the master that the Sentinels name is recorded anew."
        }
        "epoch-named-two" => {
            "One epoch named two masters, and only one of them is a master. It is recorded with the next epoch."
        }
        "settle" => "The claimed master answers as one. The record says so now.",
        "repair-master" => "What clients read beside the record was wrong and is put right.",
        "conflict" => {
            "Two nodes are master in one epoch. No rule can choose between them: make one a replica of the other."
        }
        "other-group" => {
            "The tree in ZooKeeper belongs to a group of another name. Give each group a ZK_ROOT of its own."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use topology::Epoch;

    use super::*;
    use crate::sample;
    use crate::verdict::{Reason, Verdict, Why, Wrong};

    #[test]
    fn every_outcome_has_a_sentence() {
        let reasons = [
            Reason::UpToDate,
            Reason::Stale,
            Reason::SentinelsAstray,
            Reason::UnknownPhase,
            Reason::NewerRecord,
            Reason::NoSentinels,
            Reason::NoReports,
            Reason::NoMajority,
            Reason::NotMasterYet,
            Reason::RecordedMayReturn,
            Reason::Waiting,
        ];
        let whys = [
            Why::HigherEpoch,
            Why::HighestEpochWithoutMajority,
            Why::NothingRecorded,
            Why::Unreadable,
            Why::EpochNamedTwo,
        ];
        let run_id = sample::run_id(1);
        let verdicts = [
            Verdict::Settle { run_id },
            Verdict::RepairMaster(Wrong::Both),
            Verdict::Conflict {
                epoch: Epoch(1),
                one: sample::addr(1),
                other: sample::addr(2),
            },
            Verdict::OtherGroup {
                recorded: "sessions".parse().unwrap(),
            },
        ];
        let mut words: Vec<&str> = reasons.into_iter().map(Reason::word).collect();
        words.extend(whys.into_iter().map(Why::word));
        words.extend(verdicts.iter().map(Verdict::word));
        for word in words {
            let sentence = explain(word).unwrap_or_else(|| panic!("`{word}` has no sentence"));
            assert!(sentence.ends_with('.'), "{sentence}");
        }
        assert_eq!(explain("ZooKeeper: connection loss"), None);
    }
}
