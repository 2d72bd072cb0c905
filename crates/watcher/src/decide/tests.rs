//! Each rule as a row, and what must hold for any view.

use proptest::prelude::*;
use topology::{Addr, Epoch};
use uuid::Uuid;
use zkpaths::Phase;

use super::*;
use crate::desired::desired;
use crate::sample::{self, View as Sample, addr, reports, run_id};
use crate::view::{AddressNode, Sighting};

fn published(view: Sample) -> (u64, Addr, Why) {
    let verdict = decide(&view.build());
    let Verdict::Publish(publication) = verdict else {
        panic!("{verdict:?}")
    };
    let record = publication.record;
    (record.epoch.0, record.addr, publication.why)
}

fn nothing(view: Sample) -> Reason {
    let verdict = decide(&view.build());
    let Verdict::Nothing(reason) = verdict else {
        panic!("{verdict:?}")
    };
    reason
}

fn denied() -> Answer {
    Answer::Denied("NOAUTH".to_owned())
}

fn three(epoch: u64, master: u8) -> [Sighting; 3] {
    [
        reports(epoch, master),
        reports(epoch, master),
        reports(epoch, master),
    ]
}

#[test]
fn a_higher_epoch_of_a_majority_is_published_at_once() {
    let recorded = || Sample::recorded(1, 1).with_master(2);
    let expected = (2, addr(2), Why::HigherEpoch);
    assert_eq!(published(recorded().sightings(three(2, 2))), expected);
    // The host that died with the master keeps nobody waiting.
    let waiting = recorded()
        .report(2, 2)
        .report(2, 2)
        .sightings([Sighting::Waiting]);
    assert_eq!(published(waiting.node(1, Answer::Waiting)), expected);
    let lagging = recorded().report(2, 2).report(2, 2).report(1, 1).with_master(1);
    assert_eq!(published(lagging), expected);
    // The same master in a higher epoch.
    let same = Sample::recorded(1, 1).sightings(three(3, 1)).with_master(1);
    assert_eq!(published(same), (3, addr(1), Why::HigherEpoch));
}

#[test]
fn nobody_is_published_who_does_not_answer_as_master() {
    for answer in [Answer::Replica, Answer::Loading, Answer::Gone, denied()] {
        let view = Sample::recorded(1, 1).sightings(three(2, 2)).node(2, answer);
        assert_eq!(nothing(view), Reason::NotMasterYet);
    }
    assert_eq!(
        nothing(Sample::recorded(1, 1).sightings(three(2, 2))),
        Reason::Waiting
    );
}

#[test]
fn fewer_than_a_majority_need_a_recorded_master_that_is_gone_for_a_while() {
    let view = |answer, silent| {
        Sample::recorded(1, 1)
            .report(2, 2)
            .sightings([Sighting::Silent, Sighting::NotMonitoring])
            .with_master(2)
            .node(1, answer)
            .silent_for(silent)
    };
    let expected = (2, addr(2), Why::HighestEpochWithoutMajority);
    assert_eq!(published(view(Answer::Gone, PATIENCE)), expected);
    assert_eq!(published(view(Answer::Replica, PATIENCE)), expected);
    let early = Duration::from_millis(1999);
    assert_eq!(nothing(view(Answer::Gone, early)), Reason::NoMajority);
    for answer in [
        Answer::Master(run_id(1)),
        Answer::Loading,
        denied(),
        Answer::Waiting,
    ] {
        assert_eq!(nothing(view(answer, PATIENCE)), Reason::NoMajority);
    }
    // A Sentinel that has not answered yet may still make a majority, or know a higher epoch.
    let open = view(Answer::Gone, PATIENCE).sightings([Sighting::Waiting]);
    assert_eq!(nothing(open), Reason::Waiting);
    // The highest epoch of those that answer, not the most frequent one.
    let split = view(Answer::Gone, PATIENCE).report(1, 1).report(1, 1);
    assert_eq!(published(split), expected);
}

#[test]
fn lower_epochs_are_ignored_and_what_clients_read_is_repaired() {
    let stale = || {
        Sample::recorded(5, 1)
            .sightings(three(4, 2))
            .with_master(2)
            .with_master(1)
    };
    assert_eq!(nothing(stale()), Reason::Stale);
    let wrong = |view: Sample| decide(&view.build());
    let other = || AddressNode::Names(addr(2));
    assert_eq!(
        wrong(stale().master(other())),
        Verdict::RepairMaster(Wrong::Master)
    );
    assert_eq!(wrong(stale().named(other())), Verdict::RepairMaster(Wrong::Named));
    let both = stale()
        .master(AddressNode::Absent)
        .named(AddressNode::Malformed("x".to_owned()));
    assert_eq!(wrong(both), Verdict::RepairMaster(Wrong::Both));
    let up_to_date = Sample::recorded(5, 1).sightings(three(5, 1)).master(other());
    assert_eq!(nothing(up_to_date), Reason::Waiting);
    let gone = Sample::recorded(5, 1)
        .sightings(three(5, 1))
        .master(other())
        .node(1, Answer::Gone);
    assert_eq!(nothing(gone), Reason::NotMasterYet);
}

#[test]
fn without_sentinels_the_state_is_the_authority() {
    assert_eq!(nothing(Sample::recorded(1, 1)), Reason::NoSentinels);
    let silent = || Sample::recorded(1, 1).sightings([Sighting::Silent, Sighting::NotMonitoring]);
    assert_eq!(nothing(silent()), Reason::NoReports);
    for view in [Sample::recorded(1, 1), silent()] {
        let view = view.master(AddressNode::Absent).with_master(1).build();
        assert_eq!(decide(&view), Verdict::RepairMaster(Wrong::Master));
    }
    assert_eq!(nothing(Sample::empty()), Reason::NoSentinels);
    assert_eq!(
        nothing(Sample::empty().sightings([Sighting::Silent])),
        Reason::NoReports
    );
}

#[test]
fn one_epoch_never_keeps_two_masters() {
    let view = |recorded, reported| {
        Sample::recorded(4, 1)
            .sightings(three(4, 2))
            .node(1, recorded)
            .node(2, reported)
            .silent_for(PATIENCE)
    };
    let master = |n| Answer::Master(run_id(n));
    for gone in [Answer::Gone, Answer::Replica] {
        assert_eq!(published(view(gone, master(2))), (5, addr(2), Why::EpochNamedTwo));
    }
    assert_eq!(
        decide(&view(master(1), master(2)).build()),
        Verdict::Conflict {
            epoch: Epoch(4),
            one: addr(1),
            other: addr(2)
        }
    );
    assert_eq!(nothing(view(master(1), Answer::Replica)), Reason::SentinelsAstray);
    assert_eq!(nothing(view(Answer::Gone, Answer::Gone)), Reason::NotMasterYet);
    assert_eq!(
        nothing(view(Answer::Loading, master(2))),
        Reason::RecordedMayReturn
    );
    let soon = view(Answer::Gone, master(2)).silent_for(Duration::ZERO);
    assert_eq!(nothing(soon), Reason::RecordedMayReturn);
    assert_eq!(nothing(view(Answer::Waiting, master(2))), Reason::Waiting);
}

#[test]
fn a_split_highest_epoch_goes_to_the_one_that_is_master() {
    let view = |one, other| {
        Sample::recorded(1, 1)
            .report(2, 2)
            .report(2, 3)
            .node(1, Answer::Gone)
            .node(2, one)
            .node(3, other)
            .silent_for(PATIENCE)
    };
    let master = |n| Answer::Master(run_id(n));
    let expected = (2, addr(3), Why::HighestEpochWithoutMajority);
    assert_eq!(published(view(Answer::Replica, master(3))), expected);
    let both = decide(&view(master(2), master(3)).build());
    assert!(
        matches!(both, Verdict::Conflict { epoch: Epoch(2), .. }),
        "{both:?}"
    );
    assert_eq!(nothing(view(Answer::Waiting, master(3))), Reason::Waiting);
}

#[test]
fn a_group_without_a_readable_state_is_recorded_from_its_sentinels() {
    let old = || Sample::empty().master(AddressNode::Names(addr(1))).with_master(1);
    assert_eq!(
        published(old().sightings(three(7, 1))),
        (7, addr(1), Why::NothingRecorded)
    );
    let broken = old()
        .state(StateNode::Malformed("{".to_owned()))
        .sightings(three(7, 1));
    assert_eq!(published(broken), (7, addr(1), Why::Unreadable));
    // Most registrations are leftovers; the one Sentinel agrees with what clients read.
    let leftovers = || [Sighting::Silent, Sighting::Silent, Sighting::Silent];
    let agreed = old().report(7, 1).sightings(leftovers());
    assert_eq!(published(agreed), (7, addr(1), Why::NothingRecorded));
    let other = || {
        old()
            .report(7, 2)
            .with_master(2)
            .node(1, Answer::Gone)
            .sightings(leftovers())
    };
    assert_eq!(nothing(other()), Reason::NoMajority);
    assert_eq!(
        published(other().silent_for(PATIENCE)),
        (7, addr(2), Why::NothingRecorded)
    );
}

#[test]
fn a_claim_is_settled_once_its_master_answers() {
    let claimed = |answer| Sample::recorded(1, 1).claimed(1, 1).node(1, answer).build();
    let verdict = decide(&claimed(Answer::Master(run_id(1))));
    assert_eq!(verdict, Verdict::Settle { run_id: run_id(1) });
    for answer in [Answer::Loading, Answer::Gone, Answer::Replica] {
        assert_eq!(decide(&claimed(answer)), Verdict::Nothing(Reason::NotMasterYet));
    }
    // A higher epoch outranks a claim.
    let outranked = Sample::recorded(1, 1).claimed(1, 1).sightings(three(2, 2));
    assert_eq!(published(outranked.with_master(1).with_master(2)).0, 2);
}

#[test]
fn a_tree_of_another_group_is_left_alone() {
    let mut state = sample::state(1, 1, Phase::Settled);
    state.name = "other".parse().unwrap();
    let view = Sample::empty()
        .state(StateNode::Known(Box::new(state)))
        .sightings(three(2, 2));
    let verdict = decide(&view.with_master(2).build());
    assert!(matches!(verdict, Verdict::OtherGroup { .. }), "{verdict:?}");
}

fn draining() -> Phase {
    Phase::Other("draining".to_owned())
}

#[test]
fn the_intent_of_a_failover_is_settled_once_its_candidate_answers() {
    // The Sentinels have not heard of the new epoch yet, and `/redis/master` still names the old master.
    let intent = |answer| {
        Sample::recorded(1, 1)
            .state(StateNode::Known(Box::new(sample::state(2, 2, Phase::Promoting))))
            .sightings(three(1, 1))
            .with_master(1)
            .node(2, answer)
            .build()
    };
    let verdict = decide(&intent(Answer::Master(run_id(2))));
    assert_eq!(verdict, Verdict::Settle { run_id: run_id(2) });
    for answer in [Answer::Replica, Answer::Gone] {
        assert_eq!(decide(&intent(answer)), Verdict::Nothing(Reason::NotMasterYet));
    }
}

#[test]
fn what_a_newer_version_has_begun_is_ended_by_a_higher_epoch_only() {
    let begun = |epoch, master| {
        Sample::recorded(4, 1)
            .state(StateNode::Known(Box::new(sample::state(4, 1, draining()))))
            .master(AddressNode::Malformed("?".to_owned()))
            .sightings(three(epoch, master))
            .with_master(1)
            .with_master(2)
    };
    for (epoch, master) in [(3, 1), (3, 2), (4, 1), (4, 2)] {
        let verdict = decide(&begun(epoch, master).build());
        assert_eq!(
            verdict,
            Verdict::Nothing(Reason::UnknownPhase),
            "{epoch} {master}"
        );
    }
    assert_eq!(published(begun(5, 2)), (5, addr(2), Why::HigherEpoch));
    let shape = StateNode::Newer("a shape".to_owned());
    let verdict = decide(&begun(5, 2).state(shape).build());
    assert_eq!(verdict, Verdict::Nothing(Reason::NewerRecord));
}

#[test]
fn completing_a_record_keeps_what_a_newer_version_added_and_replacing_it_does_not() {
    let text = r#"{"group":"00000000-0000-0000-0000-000000000007","name":"master1","epoch":1,"master":{"addr":"10.0.0.1:6379"},"phase":"claimed","cause":"eclipse","since_ms":1,"shadow":3}"#;
    let state = State::decode(text.as_bytes()).unwrap().unwrap();
    let view = Sample::recorded(1, 1)
        .state(StateNode::Known(Box::new(state.clone())))
        .with_master(1)
        .with_master(2);
    let after = |view: &View| desired(view, &decide(view), 2, Uuid::max()).unwrap().state;
    let settled = after(&view.build());
    assert_eq!((&settled.cause, &settled.further), (&state.cause, &state.further));
    let view = Sample::recorded(1, 1)
        .state(StateNode::Known(Box::new(state)))
        .sightings(three(2, 2))
        .with_master(2);
    assert_eq!(after(&view.build()).further.names().count(), 0);
}

fn any_answer() -> impl Strategy<Value = u8> {
    0_u8..7
}

fn answer(kind: u8, node: u8) -> Answer {
    match kind {
        0 => Answer::Waiting,
        1 => Answer::Replica,
        2 => Answer::Loading,
        3 => Answer::Gone,
        4 => denied(),
        _ => Answer::Master(run_id(node)),
    }
}

fn any_sighting() -> impl Strategy<Value = Sighting> {
    prop_oneof![
        1 => Just(Sighting::Waiting),
        1 => Just(Sighting::Silent),
        1 => Just(Sighting::NotMonitoring),
        8 => (0_u64..5, 1_u8..4).prop_map(|(epoch, master)| reports(epoch, master)),
    ]
}

fn any_node() -> impl Strategy<Value = AddressNode> {
    prop_oneof![
        Just(AddressNode::Absent),
        Just(AddressNode::Malformed("?".to_owned())),
        (1_u8..4).prop_map(|n| AddressNode::Names(addr(n))),
    ]
}

fn any_state() -> impl Strategy<Value = StateNode> {
    let phase = prop_oneof![
        Just(Phase::Settled),
        Just(Phase::Claimed),
        Just(Phase::Promoting),
        Just(draining())
    ];
    prop_oneof![
        1 => Just(StateNode::Missing),
        1 => Just(StateNode::Malformed("{".to_owned())),
        1 => Just(StateNode::Newer("a shape".to_owned())),
        8 => (0_u64..5, 1_u8..4, phase)
            .prop_map(|(epoch, master, phase)| StateNode::Known(Box::new(sample::state(epoch, master, phase)))),
    ]
}

prop_compose! {
    fn any_view()(
        state in any_state(),
        master in any_node(),
        named in any_node(),
        sightings in proptest::collection::vec(any_sighting(), 0..6),
        answers in proptest::collection::vec(any_answer(), 3),
        silent_ms in prop_oneof![Just(0_u64), Just(1999), Just(2000), Just(60_000)],
    ) -> View {
        let mut view = Sample::empty().state(state).master(master).named(named).sightings(sightings);
        for (n, kind) in (1..).zip(answers) {
            view = view.node(n, answer(kind, n));
        }
        view.silent_for(Duration::from_millis(silent_ms)).build()
    }
}

/// The view after what was decided has been recorded.
fn acted(view: &View, verdict: &Verdict) -> Option<View> {
    let desired = desired(view, verdict, 2, Uuid::max())?;
    let mut after = view.clone();
    after.recorded.master = AddressNode::Names(desired.addr().clone());
    after.recorded.named = AddressNode::Names(desired.addr().clone());
    after.recorded.state = StateNode::Known(Box::new(desired.state));
    Some(after)
}

fn known(view: &View) -> Option<&State> {
    match &view.recorded.state {
        StateNode::Known(state) => Some(state),
        StateNode::Missing | StateNode::Malformed(_) | StateNode::Newer(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_recorded_answers_as_master_and_the_epoch_never_decreases(view in any_view()) {
        let verdict = decide(&view);
        let after = acted(&view, &verdict);
        prop_assert_eq!(after.is_some(), verdict.writes());
        let Some(after) = after else { return Ok(()) };
        let recorded = known(&after).unwrap();
        let answers = matches!(view.answer(&recorded.master.addr), Answer::Master(_));
        prop_assert!(answers, "{:?}", verdict);
        if let Some(before) = known(&view) {
            prop_assert!(recorded.epoch >= before.epoch);
            if recorded.epoch == before.epoch {
                prop_assert_eq!(&recorded.master.addr, &before.master.addr);
            }
            prop_assert_eq!(recorded.group, before.group);
        }
    }

    #[test]
    fn a_newer_versions_record_is_written_over_by_a_higher_epoch_only(view in any_view()) {
        let verdict = decide(&view);
        match &view.recorded.state {
            StateNode::Newer(_) => prop_assert!(!verdict.writes(), "{:?}", verdict),
            StateNode::Known(state) if matches!(state.phase, Phase::Other(_)) => {
                let epoch = acted(&view, &verdict).map(|after| known(&after).unwrap().epoch);
                prop_assert!(epoch.is_none_or(|epoch| epoch > state.epoch), "{:?}", verdict);
            }
            StateNode::Known(_) | StateNode::Missing | StateNode::Malformed(_) => {}
        }
    }

    #[test]
    fn acting_twice_on_one_view_changes_nothing_the_second_time(view in any_view()) {
        if let Some(after) = acted(&view, &decide(&view)) {
            let again = decide(&after);
            prop_assert!(!again.writes(), "{:?}", again);
        }
    }

    #[test]
    fn later_answers_do_not_change_a_final_verdict(
        view in any_view(),
        sightings in proptest::collection::vec(any_sighting(), 6),
        answers in proptest::collection::vec(any_answer(), 3),
    ) {
        let verdict = decide(&view);
        if !verdict.is_final() {
            return Ok(());
        }
        let mut complete = view.clone();
        for (sighting, late) in complete.sentinels.values_mut().zip(sightings) {
            if *sighting == Sighting::Waiting {
                *sighting = late;
            }
        }
        for (n, kind) in (1..).zip(answers) {
            if *complete.answer(&addr(n)) == Answer::Waiting {
                complete.nodes.insert(addr(n), answer(kind, n));
            }
        }
        prop_assert_eq!(decide(&complete), verdict);
    }

    #[test]
    fn less_than_a_majority_never_replaces_a_master_that_answers(view in any_view()) {
        let Verdict::Publish(publication) = decide(&view) else { return Ok(()) };
        let votes = view.sentinels.values().filter(|sighting| match sighting {
            Sighting::Reports(record) => record.addr == publication.record.addr,
            Sighting::Waiting | Sighting::NotMonitoring | Sighting::Silent | Sighting::Denied(_) => false,
        });
        let majority = votes.count() >= view.majority();
        let replaced = view.recorded.addr().filter(|addr| **addr != publication.record.addr);
        if let (false, Some(replaced)) = (majority, replaced) {
            let out = matches!(view.answer(replaced), Answer::Gone | Answer::Replica);
            prop_assert!(out && view.silent_for >= PATIENCE);
        }
    }
}
