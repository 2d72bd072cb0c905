//! Every rule as a sentence, and what holds for every view.

use std::collections::BTreeMap;

use instance::{Flags, Snapshot};
use proptest::prelude::*;
use topology::{Addr, LinkStatus, Replication, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Further, Known, Member, Phase, RecordedMaster, State};

use super::address::TakenBy;
use super::cold::WhyWin;
use super::*;
use crate::view::{OwnAddress, SentinelReport};

pub(super) const ME: u16 = 7000;
const NOW: Duration = Duration::ZERO;

pub(super) fn addr(port: u16) -> Addr {
    Addr::new("10.0.0.1", port).unwrap()
}

fn lineage() -> RunId {
    RunId::from_bytes([5; 20])
}

fn snapshot(role: Role, offset: i64) -> Probe {
    let link = matches!(role, Role::Replica { .. }).then_some(LinkStatus::Down);
    let replication = Replication {
        role,
        id: lineage(),
        second_id: RunId::from_bytes([0; 20]),
        second_offset: -1,
        offset,
        link,
        link_down_s: 0,
        syncing: false,
        priority: 100,
        connected_replicas: 0,
    };
    let server_version = "7.0.15".to_owned();
    Probe::Answered(Box::new(Snapshot {
        run_id: RunId::from_bytes([8; 20]),
        process_id: None,
        server_version,
        replication,
    }))
}

fn replica_of(master: u16, offset: i64) -> Probe {
    snapshot(Role::Replica { of: addr(master) }, offset)
}

pub(super) fn empty_view() -> View {
    View {
        me: addr(ME),
        own: OwnAddress::default(),
        name: "master1".parse().unwrap(),
        recorded: Recorded::Nobody,
        sentinels: Vec::new(),
        silent_sentinels: 0,
        known_replicas: std::collections::BTreeSet::new(),
        members: Vec::new(),
        probes: BTreeMap::new(),
        field: cold::Field::default(),
    }
}

pub(super) fn recorded(port: u16, epoch: u64) -> Recorded {
    Recorded::State(Box::new(State {
        group: Uuid::nil(),
        name: "master1".parse().unwrap(),
        epoch: Epoch(epoch),
        master: RecordedMaster {
            addr: addr(port),
            run_id: None,
        },
        phase: Phase::Settled,
        cause: Cause::FirstStart,
        since_ms: 0,
        replaces: None,
        known: Some(Known {
            id: lineage(),
            offset: 1,
        }),
        further: Further::default(),
    }))
}

fn member(id: u8, port: u16) -> Member {
    Member {
        id: Uuid::from_bytes([id; 16]),
        node: None,
        addr: addr(port),
        admin: None,
        role: Role::Master,
        run_id: RunId::from_bytes([id; 20]),
        replication_id: lineage(),
        second_replication_id: RunId::from_bytes([0; 20]),
        second_offset: -1,
        offset: 0,
        link: None,
        priority: 100,
        server_version: String::new(),
        version: String::new(),
        fenced: None,
        at_ms: 0,
    }
}

impl View {
    fn in_phase(mut self, word: &str) -> Self {
        if let Recorded::State(state) = &mut self.recorded {
            state.phase = Phase::from(word.to_owned());
        }
        self
    }
    fn recording(mut self, port: u16, epoch: u64) -> Self {
        self.recorded = recorded(port, epoch);
        self
    }
    fn answering(mut self, port: u16, probe: Probe) -> Self {
        self.probes.insert(addr(port), probe);
        self
    }
    fn member(mut self, port: u16, probe: Probe) -> Self {
        self.members.push(member(1, port));
        self.answering(port, probe)
    }
    fn namesake(mut self, id: u8) -> Self {
        self.own.members.push(member(id, ME));
        self
    }
    fn at_home(mut self, probe: Probe) -> Self {
        self.own.probe = Some(probe);
        self
    }
    fn held_for(mut self, held_for: Duration) -> Self {
        self.own.held_for = held_for;
        self
    }
    fn sentinel(mut self, port: u16, epoch: u64, flags: Flags) -> Self {
        let sentinel = addr(26000 + u16::try_from(self.sentinels.len()).unwrap());
        let record = MasterRecord {
            addr: addr(port),
            epoch: Epoch(epoch),
        };
        self.sentinels.push(SentinelReport {
            sentinel,
            master: Some((record, flags)),
            last_vote: Epoch(0),
        });
        self
    }
}

fn down() -> Flags {
    Flags {
        subjectively_down: true,
        ..Flags::default()
    }
}

fn failing_over() -> Flags {
    Flags {
        failover_in_progress: true,
        ..down()
    }
}

fn check(view: &View, waited: Duration, expected: &Plan) {
    assert_eq!(&decide(view, waited), expected, "{view:#?}");
}

fn replica(of: u16, why: WhyReplica) -> Plan {
    Plan::Replica { of: addr(of), why }
}

fn promotes(view: &View, waited: Duration, port: u16, because: WhyPromote) {
    match decide(view, waited) {
        Plan::Promote { candidate, why } => assert_eq!((candidate.addr.port(), why), (port, because)),
        other @ (Plan::Master { .. }
        | Plan::Replica { .. }
        | Plan::Wait(_)
        | Plan::StandBy(_)
        | Plan::Refuse(_)) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn the_first_node_becomes_master() {
    check(
        &empty_view(),
        NOW,
        &Plan::Master {
            epoch: Epoch(0),
            why: WhyMaster::FirstStart,
            disk: WhyWin::Alone,
        },
    );
}

#[test]
fn a_live_master_is_followed() {
    let view = empty_view()
        .recording(1, 3)
        .answering(1, snapshot(Role::Master, 9));
    check(&view, NOW, &replica(1, WhyReplica::LiveMaster));
    let legacy = View {
        recorded: Recorded::Legacy(addr(1)),
        ..view
    };
    check(&legacy, NOW, &replica(1, WhyReplica::LiveMaster));
}

#[test]
fn a_loading_master_is_followed() {
    check(
        &empty_view().recording(1, 3).answering(1, Probe::Loading),
        NOW,
        &replica(1, WhyReplica::MasterIsLoading),
    );
}

#[test]
fn the_sentinels_higher_epoch_outranks_the_record() {
    let view = empty_view()
        .recording(ME, 3)
        .sentinel(2, 4, Flags::default())
        .answering(2, snapshot(Role::Master, 9));
    check(&view, NOW, &replica(2, WhyReplica::LiveMaster));
}

#[test]
fn the_record_outranks_sentinels_that_are_behind() {
    let view = empty_view()
        .recording(2, 5)
        .sentinel(1, 4, down())
        .answering(1, Probe::Refused);
    check(
        &view.answering(2, snapshot(Role::Master, 9)),
        NOW,
        &replica(2, WhyReplica::LiveMaster),
    );
}

#[test]
fn a_returning_master_never_resumes_while_others_hold_data() {
    let view = empty_view().recording(ME, 3).sentinel(ME, 3, Flags::default());
    let view = view.member(1, replica_of(ME, 40)).member(2, replica_of(ME, 50));
    promotes(&view, NOW, 2, WhyPromote::NeverResume);
}

#[test]
fn a_returning_master_waits_for_a_running_failover() {
    let view = empty_view()
        .recording(ME, 3)
        .sentinel(ME, 3, failing_over())
        .member(1, replica_of(ME, 40));
    check(&view, NOW, &Plan::Wait(WhyWait::FailoverRunning));
}

#[test]
fn a_returning_master_follows_whoever_is_master_now() {
    let view = empty_view()
        .recording(ME, 3)
        .member(1, snapshot(Role::Master, 40));
    check(&view, NOW, &replica(1, WhyReplica::AnotherIsMaster));
}

#[test]
fn a_returning_master_resumes_alone() {
    let view = empty_view()
        .recording(ME, 3)
        .sentinel(ME, 3, down())
        .member(1, Probe::Refused);
    check(
        &view,
        NOW,
        &Plan::Master {
            epoch: Epoch(3),
            why: WhyMaster::ResumeAlone,
            disk: WhyWin::Alone,
        },
    );
}

#[test]
fn members_that_do_not_answer_may_hold_data() {
    let view = empty_view().recording(ME, 3).member(1, Probe::Unreachable);
    check(&view, NOW, &Plan::Wait(WhyWait::MembersUnclear));
    check(
        &view,
        PATIENCE,
        &Plan::Master {
            epoch: Epoch(3),
            why: WhyMaster::ResumeAlone,
            disk: WhyWin::Alone,
        },
    );
}

#[test]
fn a_dead_master_with_replicas_is_left_to_the_sentinels_first() {
    let view = empty_view()
        .recording(1, 3)
        .answering(1, Probe::Refused)
        .sentinel(1, 3, down())
        .member(2, replica_of(1, 9));
    check(&view, NOW, &Plan::Wait(WhyWait::SentinelsWillPromote));
    promotes(&view, SENTINELS_PATIENCE, 2, WhyPromote::SentinelsDidNot);
}

#[test]
fn without_sentinels_the_best_replica_is_promoted_at_once() {
    let view = empty_view()
        .recording(1, 3)
        .answering(1, Probe::Refused)
        .member(2, replica_of(1, 9));
    promotes(&view, NOW, 2, WhyPromote::NoSentinels);
}

#[test]
fn everything_gone_is_taken_over_above_every_epoch() {
    let view = empty_view()
        .recording(1, 3)
        .answering(1, Probe::Refused)
        .sentinel(1, 6, down());
    check(
        &view,
        NOW,
        &Plan::Master {
            epoch: Epoch(7),
            why: WhyMaster::RecordedIsGone,
            disk: WhyWin::Alone,
        },
    );
}

#[test]
fn a_live_session_or_a_sentinel_that_reaches_it_keeps_a_silent_master() {
    let silent = empty_view().recording(1, 3).answering(1, Probe::Unreachable);
    check(
        &silent.clone().member(1, Probe::Unreachable),
        NOW,
        &Plan::Wait(WhyWait::MasterStillRegistered),
    );
    check(
        &silent.sentinel(1, 3, Flags::default()),
        NOW,
        &Plan::Wait(WhyWait::SentinelsReachIt),
    );
}

#[test]
fn an_empty_replica_is_not_promoted() {
    let mut view = empty_view()
        .recording(1, 3)
        .answering(1, Probe::Refused)
        .member(2, replica_of(1, 1));
    if let Some(Probe::Answered(snapshot)) = view.probes.get_mut(&addr(2)) {
        snapshot.replication.id = RunId::from_bytes([6; 20]);
    }
    check(
        &view,
        NOW,
        &Plan::Master {
            epoch: Epoch(4),
            why: WhyMaster::RecordedIsGone,
            disk: WhyWin::Alone,
        },
    );
}

#[test]
fn another_groups_tree_is_refused() {
    let view = View {
        name: "other".parse().unwrap(),
        ..empty_view().recording(1, 3)
    };
    check(
        &view,
        NOW,
        &Plan::Refuse(WhyRefuse::OtherGroup("master1".parse().unwrap())),
    );
}

#[test]
fn refused_credentials_are_an_error_in_the_end() {
    let view = empty_view()
        .recording(1, 3)
        .answering(1, Probe::Denied("NOAUTH".to_owned()));
    check(&view, NOW, &Plan::Wait(WhyWait::MasterDenies));
    let refused = WhyRefuse::MasterDenies {
        master: addr(1),
        reason: "NOAUTH".to_owned(),
    };
    check(&view, PATIENCE, &Plan::Refuse(refused));
}

#[test]
fn a_master_held_by_a_script_is_followed_however_long_that_takes() {
    let view = empty_view().recording(1, 3).answering(1, Probe::Busy);
    for waited in [NOW, PATIENCE * 10] {
        check(&view, waited, &replica(1, WhyReplica::MasterIsBusy));
    }
}

#[test]
fn a_member_held_by_a_script_holds_data_like_one_that_loads() {
    for probe in [Probe::Busy, Probe::Loading] {
        for view in [
            empty_view().member(2, probe.clone()),
            empty_view().recording(ME, 3).member(2, probe.clone()),
            empty_view()
                .recording(1, 3)
                .answering(1, Probe::Refused)
                .member(2, probe.clone()),
        ] {
            check(&view, PATIENCE * 10, &Plan::Wait(WhyWait::MembersUnclear));
        }
    }
}

#[test]
fn an_address_that_somebody_else_has_is_waited_for_and_then_refused() {
    let member = |id: u8| TakenBy::Member {
        id: Uuid::from_bytes([id; 16]),
        run_id: RunId::from_bytes([id; 20]),
    };
    let answers = || snapshot(Role::Master, 9);
    let stranger = TakenBy::Stranger {
        run_id: RunId::from_bytes([8; 20]),
    };
    let unnamed = |what: &str| TakenBy::Unnamed(what.to_owned());
    let mut claimed = empty_view();
    claimed.own.claimed_by = Some(Uuid::max());
    let table = [
        // A NAT that leads to the other one, to us, or nowhere.
        (empty_view().namesake(5).at_home(answers()), member(5)),
        (empty_view().namesake(5).at_home(Probe::Refused), member(5)),
        (empty_view().namesake(5).at_home(Probe::Unreachable), member(5)),
        (empty_view().namesake(5), member(5)),
        // Of several the one that answers.
        (empty_view().namesake(8).namesake(9).at_home(answers()), member(8)),
        (
            empty_view().namesake(8).namesake(9).at_home(Probe::Refused),
            member(9),
        ),
        // Whatever is recorded.
        (empty_view().recording(ME, 3).namesake(5), member(5)),
        (
            empty_view()
                .recording(1, 3)
                .answering(1, snapshot(Role::Master, 9))
                .namesake(5),
            member(5),
        ),
        // Nobody is registered there.
        (empty_view().at_home(answers()), stranger),
        (
            empty_view().at_home(Probe::Loading),
            unnamed("it is loading its data set"),
        ),
        (empty_view().at_home(Probe::Busy), unnamed("a script holds it")),
        (
            empty_view().at_home(Probe::Denied("NOAUTH".to_owned())),
            unnamed("NOAUTH"),
        ),
        (claimed, TakenBy::Claimant { node: Uuid::max() }),
    ];
    for (view, by) in table {
        let wait = Plan::StandBy(StandBy::AddressTaken { by: by.clone() });
        // What else was waited for does not count.
        check(&view, PATIENCE * 10, &wait);
        let refuse = Plan::Refuse(WhyRefuse::AddressTaken { by });
        check(&view.held_for(PATIENCE), NOW, &refuse);
    }
}

#[test]
fn a_predecessor_gets_as_long_as_its_session_may_last() {
    let mut view = empty_view().namesake(5).held_for(PATIENCE * 2);
    view.own.session = PATIENCE * 2;
    assert!(matches!(
        decide(&view, NOW),
        Plan::StandBy(StandBy::AddressTaken { .. })
    ));
    let late = view.held_for(PATIENCE * 3);
    assert!(matches!(
        decide(&late, NOW),
        Plan::Refuse(WhyRefuse::AddressTaken { .. })
    ));
}

#[test]
fn an_address_where_nobody_is_is_ours() {
    for probe in [Probe::Refused, Probe::Unreachable] {
        let view = empty_view().at_home(probe).held_for(PATIENCE);
        assert!(matches!(decide(&view, NOW), Plan::Master { .. }));
    }
}

#[test]
fn two_masters_are_waited_for() {
    let view = empty_view().recording(1, 3).answering(1, Probe::Refused);
    let view = view
        .member(2, snapshot(Role::Master, 1))
        .member(3, snapshot(Role::Master, 1));
    check(&view, NOW, &Plan::Wait(WhyWait::TwoMasters));
}

#[test]
fn what_a_newer_version_recorded_is_not_written_over() {
    let gone = empty_view().recording(1, 3).answering(1, Probe::Refused);
    let others = gone.clone().member(2, replica_of(1, 50));
    let shape = View {
        recorded: Recorded::Newer,
        ..empty_view()
    };
    for view in [
        gone.in_phase("draining"),
        others.in_phase("draining"),
        shape.clone(),
    ] {
        check(&view, NOW, &Plan::Wait(WhyWait::NewerRecord));
        check(&view, PATIENCE, &Plan::Refuse(WhyRefuse::NewerRecord));
    }
    // Following somebody writes nothing.
    let live = shape.member(2, snapshot(Role::Master, 9));
    check(&live, NOW, &replica(2, WhyReplica::AnotherIsMaster));
    let live = empty_view()
        .recording(1, 3)
        .in_phase("draining")
        .answering(1, snapshot(Role::Master, 9));
    check(&live, NOW, &replica(1, WhyReplica::LiveMaster));
}

fn any_probe() -> impl Strategy<Value = Probe> {
    prop_oneof![
        Just(Probe::Refused),
        Just(Probe::Unreachable),
        Just(Probe::Loading),
        Just(Probe::Busy),
        (0i64..60).prop_map(|offset| snapshot(Role::Master, offset)),
        (1u16..5, 0i64..60).prop_map(|(of, offset)| replica_of(of, offset)),
    ]
}

fn any_flags() -> impl Strategy<Value = Flags> {
    prop_oneof![Just(Flags::default()), Just(down()), Just(failing_over())]
}

prop_compose! {
    fn any_view()(
        record in proptest::option::of((prop_oneof![Just(ME), 1u16..5], 0u64..5)),
        sentinels in proptest::collection::vec((prop_oneof![Just(ME), 1u16..5], 0u64..5, any_flags()), 0..4),
        members in proptest::collection::btree_map(1u16..5, any_probe(), 0..4),
        probes in proptest::collection::btree_map(1u16..5, any_probe(), 0..4),
        newer in 0u8..8,
        own in (proptest::option::weighted(0.2, 1u8..9), proptest::option::weighted(0.2, any_probe()), 0u64..60),
    ) -> View {
        let mut view = empty_view();
        if let Some((port, epoch)) = record { view = view.recording(port, epoch); }
        for (port, epoch, flags) in sentinels { view = view.sentinel(port, epoch, flags); }
        for (port, probe) in probes { view = view.answering(port, probe); }
        for (port, probe) in members { view = view.member(port, probe); }
        match newer {
            0 => view = view.in_phase("draining"),
            1 => view.recorded = Recorded::Newer,
            _ => {}
        }
        if let Some(id) = own.0 { view = view.namesake(id); }
        view.own.probe = own.1;
        view.held_for(Duration::from_secs(own.2))
    }
}

proptest! {
    #[test]
    fn a_newer_versions_record_is_never_written_over(view in any_view(), waited in 0u64..60) {
        let plan = decide(&view, Duration::from_secs(waited));
        let writes = matches!(plan, Plan::Master { .. } | Plan::Promote { .. });
        prop_assert!(!(writes && view.recorded.is_newer()), "{:?}", plan);
    }

    #[test]
    fn never_master_beside_a_live_master(view in any_view(), waited in 0u64..60) {
        let plan = decide(&view, Duration::from_secs(waited));
        if view.live_masters().len() == 1 {
            let alone = !matches!(plan, Plan::Master { .. } | Plan::Promote { .. });
            prop_assert!(alone, "{:?}", plan);
        }
    }

    #[test]
    fn never_master_while_a_member_holds_data(view in any_view(), waited in 0u64..60) {
        let holding = view.candidates().iter().any(|candidate| candidate.usable && candidate.priority > 0);
        if holding {
            let master = matches!(decide(&view, Duration::from_secs(waited)), Plan::Master { .. });
            prop_assert!(!master);
        }
    }

    #[test]
    fn no_role_while_somebody_else_has_our_address(view in any_view(), waited in 0u64..60) {
        let plan = decide(&view, Duration::from_secs(waited));
        if address::holder(&view).is_some() {
            let taken = matches!(
                plan,
                Plan::StandBy(StandBy::AddressTaken { .. }) | Plan::Refuse(WhyRefuse::AddressTaken { .. })
            );
            prop_assert!(taken, "{:?}", plan);
        }
    }

    #[test]
    fn nothing_is_put_off_for_ever(view in any_view()) {
        let view = view.held_for(PATIENCE);
        let plan = decide(&view, PATIENCE);
        let waits = matches!(plan, Plan::Wait(_) | Plan::StandBy(StandBy::AddressTaken { .. }));
        let occupied = |member: &Member| matches!(view.probe(&member.addr), Some(Probe::Loading | Probe::Busy));
        prop_assert!(!waits || view.members.iter().any(occupied));
    }

    #[test]
    fn an_epoch_never_goes_down_and_a_new_master_gets_a_new_one(view in any_view(), waited in 0u64..60) {
        if let Plan::Master { epoch, why, .. } = decide(&view, Duration::from_secs(waited)) {
            let highest = view.believed().map(|record| record.epoch);
            match why {
                WhyMaster::RecordedIsGone => prop_assert!(Some(epoch) > highest),
                WhyMaster::ResumeAlone | WhyMaster::HasEveryWrite => prop_assert_eq!(Some(epoch), highest),
                WhyMaster::FirstStart => prop_assert_eq!(highest, None),
            }
        }
    }

    #[test]
    fn a_replica_follows_somebody_who_answers(view in any_view(), waited in 0u64..60) {
        if let Plan::Replica { of, why } = decide(&view, Duration::from_secs(waited)) {
            prop_assert!(of != view.me);
            let answers = why == WhyReplica::OthersReachIt
                || matches!(view.probe(&of), Some(Probe::Answered(_) | Probe::Loading | Probe::Busy));
            prop_assert!(answers);
        }
    }
}
