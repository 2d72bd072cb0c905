//! The plan as a table: what is seen, what has been done, what is next.

use instance::{Flags, MasterReport, Snapshot};
use registry::Version;
use topology::{LinkStatus, Replication, Role, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Known, Lease, Pause, RecordedMaster};

use super::*;
use crate::{LeaseSeen, SentinelView, Votes};

const OLD: u8 = 1;

fn addr(n: u8) -> Addr {
    format!("10.0.0.{n}:6379").parse().unwrap()
}

fn id(n: u8) -> RunId {
    RunId::from_bytes([n; 20])
}

fn node(n: u8, role: Role, offset: i64) -> Probe {
    Probe::Answered(Box::new(Snapshot {
        run_id: id(n),
        process_id: None,
        server_version: "7.0.15".to_owned(),
        replication: Replication {
            link: matches!(role, Role::Replica { .. }).then_some(LinkStatus::Up),
            role,
            id: id(99),
            second_id: id(0),
            second_offset: -1,
            offset,
            link_down_s: 0,
            syncing: false,
            priority: 100,
            connected_replicas: 0,
        },
    }))
}

fn replica(n: u8, offset: i64) -> Probe {
    node(n, Role::Replica { of: addr(OLD) }, offset)
}

fn sentinel(n: u8) -> SentinelView {
    SentinelView {
        addr: addr(100 + n),
        report: Some(MasterReport {
            record: MasterRecord {
                addr: addr(OLD),
                epoch: Epoch(4),
            },
            run_id: Some(id(OLD)),
            flags: Flags::default(),
            replicas: 2,
            other_sentinels: 2,
            quorum: 2,
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
    }
}

/// Node 1 is recorded and dead, nodes 2 and 3 are its replicas, 3 has more.
fn view() -> View {
    let state = State {
        group: Uuid::from_u128(7),
        name: "master1".parse().unwrap(),
        epoch: Epoch(4),
        master: RecordedMaster {
            addr: addr(OLD),
            run_id: Some(id(OLD)),
        },
        phase: Phase::Settled,
        cause: Cause::FirstStart,
        since_ms: 0,
        replaces: None,
        known: Some(Known {
            id: id(99),
            offset: 10,
        }),
        further: zkpaths::Further::default(),
    };
    let nodes = [
        (addr(OLD), Probe::Refused),
        (addr(2), replica(2, 100)),
        (addr(3), replica(3, 200)),
    ];
    View {
        name: "master1".parse().unwrap(),
        recorded: Some((state, Version(3))),
        sentinels: (1..=3).map(sentinel).collect(),
        registered_sentinels: 3,
        nodes: nodes.into_iter().collect(),
        lease: None,
        paused: None,
        group_size: 3,
        unheard: 0,
    }
}

fn promoting(candidate: u8, cause: Cause) -> View {
    let mut view = view();
    if let Some((state, _)) = &mut view.recorded {
        state.replaces = Some(state.master.clone());
        state.master = RecordedMaster {
            addr: addr(candidate),
            run_id: None,
        };
        (state.epoch, state.phase, state.cause) = (Epoch(5), Phase::Promoting, cause);
    }
    view
}

fn with(change: impl FnOnce(&mut View)) -> View {
    let mut view = view();
    change(&mut view);
    view
}

fn lease(unchanged_ms: u64) -> LeaseSeen {
    LeaseSeen {
        lease: Lease {
            holder: addr(OLD),
            run_id: id(OLD),
            epoch: Epoch(4),
            lease_ms: 1_500,
            at_ms: 0,
        },
        version: Version(9),
        unchanged_for: Duration::from_millis(unchanged_ms),
    }
}

fn deafen(view: &mut View) {
    for sentinel in &mut view.sentinels {
        sentinel.takes = Takes::No;
    }
}

fn died() -> Attempt {
    Attempt::new(Warrant::Died {
        master: addr(OLD),
        run_id: Some(id(OLD)),
    })
}

fn attempt(warrant: Warrant) -> Attempt {
    Attempt::new(warrant)
}

fn refused() -> Warrant {
    Warrant::Refused { master: addr(OLD) }
}

fn lease_over() -> Warrant {
    Warrant::LeaseOver { master: addr(OLD) }
}

fn elected(attempt: Attempt, age_ms: u64) -> Attempt {
    Attempt {
        votes: Some(Votes {
            epoch: Epoch(5),
            granted: 2,
            age: Duration::from_millis(age_ms),
        }),
        elections: 1,
        ..attempt
    }
}

/// The step in one word, for the table.
fn word(step: &Step) -> String {
    match step {
        Step::Stop(why) => format!("stop {}", why.word()),
        Step::Wait {
            why: Wait::LeaseRuns(_),
            at_most,
        } => format!("wait {} for the lease", at_most.as_millis()),
        Step::Wait {
            why: Wait::SentinelsAreMovingIt(_),
            ..
        } => "wait for the sentinels".to_owned(),
        Step::Elect { epoch } => format!("elect {epoch}"),
        Step::Prepare { candidate } => format!("prepare {}", candidate.host()),
        Step::Promote { choice, epoch, .. } => format!("promote {} at {epoch}", choice.candidate.addr.host()),
        Step::Finish { record } => format!("finish {} at {}", record.addr.host(), record.epoch),
        Step::Undo { master, epoch } => format!("undo to {} at {epoch}", master.host()),
        Step::AskSentinel { .. } => "ask a sentinel".to_owned(),
    }
}

fn expect(name: &str, view: &View, attempt: &Attempt, expected: &str) {
    let step = plan(view, attempt, Durability::Async);
    assert_eq!(word(&step), expected, "{name}: {step:?}");
    assert_eq!(
        plan(view, attempt, Durability::Async),
        step,
        "{name}: not the same twice"
    );
}

#[test]
fn a_dead_master_is_replaced_by_the_elected() {
    expect("nobody voted yet", &view(), &died(), "elect 5");
    expect("elected", &view(), &elected(died(), 1), "promote 10.0.0.3 at 5");
    expect(
        "refused",
        &view(),
        &elected(attempt(refused()), 1),
        "promote 10.0.0.3 at 5",
    );
    let higher = with(|view| view.sentinels[0].last_vote = Epoch(11));
    expect("somebody voted in a later epoch", &higher, &died(), "elect 12");
    let alone = with(|view| {
        view.sentinels.clear();
        view.registered_sentinels = 0;
    });
    expect("no sentinel exists", &alone, &died(), "promote 10.0.0.3 at 5");
    expect(
        "no sentinel, and it may live",
        &alone,
        &attempt(lease_over()),
        "stop nobody-votes",
    );
    let mut failed = elected(died(), 1);
    failed.failed.insert(addr(3));
    expect(
        "the best did not become master",
        &view(),
        &failed,
        "promote 10.0.0.2 at 5",
    );
}

#[test]
fn who_is_not_elected_steps_back() {
    let mut lost = elected(died(), 1);
    lost.votes = lost.votes.map(|votes| Votes { granted: 1, ..votes });
    expect("lost once", &view(), &lost, "elect 7");
    lost.elections = 3;
    expect("lost three times", &view(), &lost, "stop not-elected");
    let few = with(|view| view.sentinels.truncate(1));
    expect("one of three answers", &few, &died(), "stop too-few-sentinels");
    let overtaken = with(|view| view.sentinels[1].last_vote = Epoch(8));
    expect(
        "elected, and then somebody else",
        &overtaken,
        &elected(died(), 1),
        "elect 9",
    );
}

#[test]
fn a_master_that_lives_is_left_alone() {
    let lives = |run| with(|view| drop(view.nodes.insert(addr(OLD), node(run, Role::Master, 300))));
    expect(
        "it answers",
        &lives(OLD),
        &attempt(refused()),
        "stop master-answers",
    );
    expect(
        "it answers after all",
        &lives(OLD),
        &attempt(lease_over()),
        "stop master-answers",
    );
    expect(
        "another process is master there",
        &lives(7),
        &died(),
        "stop master-answers",
    );
    expect(
        "the dying process answers once more",
        &lives(OLD),
        &died(),
        "elect 5",
    );
    let loading = with(|view| drop(view.nodes.insert(addr(OLD), Probe::Loading)));
    expect("it loads", &loading, &attempt(refused()), "stop master-answers");
    expect("somebody loads where ours died", &loading, &died(), "elect 5");
}

#[test]
fn whoever_moved_on_is_followed() {
    let moved = with(|view| {
        if let Some((state, _)) = &mut view.recorded {
            (state.master.addr, state.epoch) = (addr(2), Epoch(6));
        }
    });
    expect("recorded", &moved, &died(), "stop epoch-moved-on");
    let ahead = with(|view| {
        if let Some(report) = &mut view.sentinels[2].report {
            (report.record.addr, report.record.epoch) = (addr(2), Epoch(6));
        }
        view.nodes.insert(addr(2), node(2, Role::Master, 100));
    });
    expect("a sentinel has promoted", &ahead, &died(), "stop epoch-moved-on");
    let moving = |state: &str| {
        with(|view| {
            if let Some(report) = &mut view.sentinels[2].report {
                report.flags.failover_in_progress = true;
                report.failover_state = Some(state.to_owned());
            }
        })
    };
    expect(
        "a sentinel has chosen",
        &moving("send_slaveof_noone"),
        &died(),
        "wait for the sentinels",
    );
    expect(
        "a sentinel wants votes",
        &moving("wait_start"),
        &died(),
        "elect 5",
    );
    let nothing = with(|view| view.recorded = None);
    expect("nobody is recorded", &nothing, &died(), "stop nothing-recorded");
}

#[test]
fn a_master_that_may_live_is_waited_for() {
    let leased = |unchanged| {
        with(|view| {
            view.nodes.insert(addr(OLD), Probe::Unreachable);
            view.lease = Some(lease(unchanged));
        })
    };
    let voted = |age| elected(attempt(lease_over()), age);
    expect("votes first", &leased(800), &attempt(lease_over()), "elect 5");
    expect(
        "then its lease",
        &leased(800),
        &voted(900),
        "wait 950 for the lease",
    );
    expect(
        "then what the sentinels renewed",
        &leased(2_000),
        &voted(400),
        "wait 600 for the lease",
    );
    expect("over", &leased(1_750), &voted(1_000), "promote 10.0.0.3 at 5");
    expect(
        "a death needs no lease",
        &leased(10),
        &elected(died(), 1),
        "promote 10.0.0.3 at 5",
    );
    let without = with(|view| drop(view.nodes.insert(addr(OLD), Probe::Unreachable)));
    expect(
        "no lease proves nothing",
        &without,
        &voted(4_000),
        "stop no-lease",
    );
    let anothers = with(|view| {
        view.nodes.insert(addr(OLD), Probe::Unreachable);
        view.lease = Some(lease(9_000));
        if let Some(seen) = &mut view.lease {
            seen.lease.run_id = id(8);
        }
    });
    expect(
        "nor one of an earlier life",
        &anothers,
        &voted(4_000),
        "stop no-lease",
    );
}

#[test]
fn what_a_dead_predecessor_left_is_finished_or_undone() {
    let unfinished = || attempt(Warrant::Unfinished);
    let done = with_node(promoting(2, Cause::Died), 2, node(2, Role::Master, 100));
    expect("promoted", &done, &unfinished(), "finish 10.0.0.2 at 5");
    expect(
        "promoted, by another witness",
        &done,
        &died(),
        "finish 10.0.0.2 at 5",
    );
    expect(
        "not promoted",
        &promoting(2, Cause::Died),
        &unfinished(),
        "elect 6",
    );
    let well = with_node(promoting(2, Cause::Handover), OLD, node(OLD, Role::Master, 300));
    expect(
        "not promoted, and the old one is well",
        &well,
        &unfinished(),
        "undo to 10.0.0.1 at 6",
    );
    let cut = with_node(promoting(2, Cause::LeaseOver), OLD, Probe::Unreachable);
    let mut cut_voted = elected(unfinished(), 4_000);
    cut_voted.votes = cut_voted.votes.map(|votes| Votes {
        epoch: Epoch(6),
        ..votes
    });
    expect(
        "begun on a lease that cannot be seen",
        &cut,
        &cut_voted,
        "stop no-lease",
    );
    let eclipse = promoting(2, Cause::Other("eclipse".to_owned()));
    expect(
        "begun for a newer version's reason",
        &with_node(eclipse, OLD, Probe::Unreachable),
        &cut_voted,
        "stop no-lease",
    );
    expect("nothing is left", &view(), &unfinished(), "stop epoch-moved-on");
    let candidate_died = attempt(Warrant::Died {
        master: addr(2),
        run_id: None,
    });
    let gone = with_node(promoting(2, Cause::Died), 2, Probe::Refused);
    expect("the candidate died", &gone, &candidate_died, "elect 6");
}

#[test]
fn what_a_newer_version_has_begun_is_left_to_it() {
    let draining = with(|view| {
        if let Some((state, _)) = &mut view.recorded {
            state.phase = Phase::Other("draining".to_owned());
        }
    });
    for warrant in [Warrant::Unfinished, died().warrant] {
        let what = warrant.to_string();
        expect(&what, &draining, &attempt(warrant), "stop unknown-phase");
    }
}

fn with_node(mut view: View, n: u8, probe: Probe) -> View {
    view.nodes.insert(addr(n), probe);
    view
}

#[test]
fn a_handover_prepares_before_it_promotes() {
    let handover = || attempt(Warrant::Handover { master: addr(OLD) });
    let well = with_node(view(), OLD, node(OLD, Role::Master, 300));
    expect("votes", &well, &handover(), "elect 5");
    let voted = elected(handover(), 1);
    expect("elected", &well, &voted, "prepare 10.0.0.3");
    let ready = Attempt {
        prepared: Some(addr(3)),
        ..voted
    };
    expect("ready", &well, &ready, "promote 10.0.0.3 at 5");
    let deaf = with_node(with(deafen), OLD, node(OLD, Role::Master, 300));
    expect(
        "nobody would hear of it",
        &deaf,
        &handover(),
        "stop not-announceable",
    );
    let dead = with(deafen);
    expect(
        "nobody would hear of it, but it is dead",
        &dead,
        &died(),
        "ask a sentinel",
    );
}

#[test]
fn a_pause_holds_back_what_nobody_asked_for() {
    let paused = with(|view| {
        view.paused = Some(Pause {
            who: "ops".to_owned(),
            why: "upgrade".to_owned(),
            since_ms: 0,
            until_ms: 1,
        });
    });
    expect("a crash", &paused, &died(), "stop paused");
    let handover = attempt(Warrant::Handover { master: addr(OLD) });
    expect("a stop", &paused, &handover, "elect 5");
}

#[test]
fn quorum_durability_waits_for_enough_nodes() {
    let one = with_node(view(), 3, Probe::Unreachable);
    let step = plan(&one, &elected(died(), 1), Durability::Quorum);
    assert_eq!(word(&step), "stop not-enough-seen");
    let Step::Stop(why) = step else { panic!() };
    assert!(why.to_string().contains("10.0.0.3:6379"), "{why}");
    assert_eq!(
        word(&plan(&one, &elected(died(), 1), Durability::Async)),
        "promote 10.0.0.2 at 5"
    );
    // A preferred node that has less is not taken.
    let preferred = with(|view| {
        if let Some(Probe::Answered(snapshot)) = view.nodes.get_mut(&addr(2)) {
            snapshot.replication.priority = 1;
        }
    });
    assert_eq!(
        word(&plan(&preferred, &elected(died(), 1), Durability::Quorum)),
        "promote 10.0.0.3 at 5"
    );
    assert_eq!(
        word(&plan(&preferred, &elected(died(), 1), Durability::Async)),
        "promote 10.0.0.2 at 5"
    );
}

#[test]
fn a_foreign_data_set_that_was_just_told_to_follow_the_master_is_not_its_kin() {
    let foreign = |n: u8| {
        let mut probe = replica(n, 9_999);
        if let Probe::Answered(snapshot) = &mut probe {
            snapshot.replication.id = id(50);
        }
        probe
    };
    let chosen = |view: &View| {
        let choice = choose(view, &addr(OLD), &died(), Durability::Async).unwrap();
        choice.candidate.addr
    };
    let mut view = with(|view| drop(view.nodes.insert(addr(3), foreign(3))));
    assert_eq!(chosen(&view), addr(2), "whoever descends from the record");
    // The record may be two promotions old: then all who follow that master are taken for its replicas.
    view.nodes.insert(addr(2), foreign(2));
    assert_eq!(chosen(&view), addr(2));
}

#[test]
fn votes_count_for_one_candidate_and_not_for_ever() {
    let cut = with(|view| {
        view.nodes.insert(addr(OLD), Probe::Unreachable);
        view.lease = Some(lease(9_000));
    });
    let voted = |age| elected(attempt(lease_over()), age);
    expect("young", &cut, &voted(4_999), "promote 10.0.0.3 at 5");
    expect("old", &cut, &voted(5_000), "elect 7");
    let mut long = cut;
    if let Some(seen) = &mut long.lease {
        seen.lease.lease_ms = 12_000;
        seen.unchanged_for = Duration::from_secs(13);
    }
    expect(
        "the lease takes longer",
        &long,
        &voted(6_300),
        "promote 10.0.0.3 at 5",
    );
    // Our own intent was recorded, and nobody said so.
    let unheard = with_node(promoting(3, Cause::Died), 3, Probe::Unreachable);
    expect(
        "another candidate, another epoch",
        &unheard,
        &elected(died(), 1),
        "elect 7",
    );
}
