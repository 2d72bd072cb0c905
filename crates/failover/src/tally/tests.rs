//! The count of votes: a table, and that no epoch has two winners.

use std::collections::BTreeMap;
use std::time::Duration;

use instance::{Flags, MasterReport};
use proptest::prelude::*;
use topology::{Epoch, MasterRecord};

use super::*;
use crate::{SentinelView, Takes};

fn view(answering: usize, registered: usize, counted: u32, quorum: u32) -> View {
    let sentinel = |n: usize| SentinelView {
        addr: format!("10.0.1.{n}:26379").parse().unwrap(),
        report: Some(MasterReport {
            record: MasterRecord {
                addr: "10.0.0.1:6379".parse().unwrap(),
                epoch: Epoch(4),
            },
            run_id: None,
            flags: Flags::default(),
            replicas: 2,
            other_sentinels: counted.saturating_sub(1),
            quorum,
            role_reported: "master".to_owned(),
            failover_state: None,
            down_after: Duration::from_secs(2),
            failover_timeout: Duration::from_secs(5),
            last_ok_ping: Duration::ZERO,
            ping_pending: Duration::ZERO,
            notification_script: None,
            client_reconfig_script: None,
        }),
        last_vote: Epoch(4),
        peers: Vec::new(),
        promoted: None,
        takes: Takes::Yes,
    };
    View {
        name: "master1".parse().unwrap(),
        recorded: None,
        sentinels: (0..answering).map(sentinel).collect(),
        registered_sentinels: registered,
        nodes: BTreeMap::new(),
        lease: None,
        paused: None,
        group_size: 3,
        unheard: 0,
    }
}

fn votes(granted: usize) -> Votes {
    Votes {
        epoch: Epoch(5),
        granted,
        age: Duration::ZERO,
    }
}

#[test]
fn how_many_votes_are_enough() {
    let lost = |granted, needed| Election::Lost { granted, needed };
    let too_few = |answering, needed| Election::TooFew { answering, needed };
    for (what, view, votes, expected) in [
        ("nobody is there", view(0, 0, 0, 2), None, Election::NobodyVotes),
        ("not asked yet", view(3, 3, 3, 2), None, Election::NotHeld),
        ("two of three", view(3, 3, 3, 2), Some(votes(2)), Election::Won),
        ("one of three", view(3, 3, 3, 2), Some(votes(1)), lost(1, 2)),
        ("one of three answers", view(1, 3, 3, 2), None, too_few(1, 2)),
        ("half", view(4, 4, 4, 2), Some(votes(2)), lost(2, 3)),
        (
            "a majority below the quorum",
            view(3, 3, 3, 3),
            Some(votes(2)),
            lost(2, 3),
        ),
        ("ghosts count", view(3, 3, 6, 2), Some(votes(3)), too_few(3, 4)),
        (
            "one that is registered and unknown to the others",
            view(2, 4, 2, 2),
            Some(votes(2)),
            too_few(2, 3),
        ),
        (
            "who voted need not answer any more",
            view(1, 3, 3, 2),
            Some(votes(2)),
            Election::Won,
        ),
    ] {
        assert_eq!(tally(&view, votes), expected, "{what}");
    }
}

proptest! {
    /// Each Sentinel votes once an epoch, so what one gets another does not: whatever part of the Sentinels each of two attempts sees,
    /// as long as somebody it sees counts them all.
    #[test]
    fn no_epoch_has_two_winners(
        sentinels in 1usize..9,
        split in 0usize..9,
        (one_sees, other_sees) in (1usize..9, 1usize..9),
        quorum in 1u32..9,
    ) {
        let all = u32::try_from(sentinels).unwrap();
        let split = split.min(sentinels);
        let seen = |n: usize| view(n.min(sentinels), 0, all, quorum);
        let one = tally(&seen(one_sees), Some(votes(split)));
        let other = tally(&seen(other_sees), Some(votes(sentinels - split)));
        prop_assert!(one != Election::Won || other != Election::Won);
    }

    #[test]
    fn a_majority_is_more_than_half_and_at_least_the_quorum(known in 0usize..1000, quorum in 0usize..1000) {
        let needed = majority(known, quorum);
        prop_assert!(2 * needed > known && needed >= quorum);
        prop_assert!(needed == quorum || 2 * (needed - 1) <= known, "and not more than that");
    }

    /// A vote more never loses an election.
    #[test]
    fn more_votes_never_lose(sentinels in 1usize..9, granted in 0usize..9, quorum in 1u32..5) {
        let view = view(sentinels, sentinels, u32::try_from(sentinels).unwrap(), quorum);
        if tally(&view, Some(votes(granted))) == Election::Won {
            prop_assert_eq!(tally(&view, Some(votes(granted + 1))), Election::Won);
        }
    }
}
