//! Who inherits, and who is passed over for a disk.

use std::time::Duration;

use instance::{Probe, Snapshot};
use topology::{LinkStatus, Point, Replication, ReplicationId, RunId};
use uuid::Uuid;
use zkpaths::{Candidacy, Holding, Window};

use super::*;
use crate::decide::tests::{empty_view, recorded};
use crate::decide::{WhyMaster, decide};

/// What `recorded` names.
const RECORDED: u8 = 5;
const ANOTHER: u8 = 9;

fn id(n: u8) -> ReplicationId {
    ReplicationId::from_bytes([n; 20])
}

fn addr(port: u16) -> Addr {
    Addr::new("10.0.0.1", port).unwrap()
}

/// A replica of `of`, with data of that lineage.
fn replica(of: &Addr, lineage: u8, priority: u32) -> Probe {
    Probe::Answered(Box::new(Snapshot {
        run_id: RunId::from_bytes([8; 20]),
        process_id: None,
        server_version: "7.0.15".to_owned(),
        replication: Replication {
            role: Role::Replica { of: of.clone() },
            id: id(lineage),
            second_id: id(0),
            second_offset: -1,
            offset: 50,
            link: Some(LinkStatus::Down),
            link_down_s: 0,
            syncing: false,
            priority,
            connected_replicas: 0,
        },
    }))
}

/// We are recorded as master and start again; these answer.
fn among(nodes: impl IntoIterator<Item = (u16, Probe)>) -> View {
    let mut view = empty_view();
    view.recorded = recorded(view.me.port(), 3);
    for (port, probe) in nodes {
        view.known_replicas.insert(addr(port));
        view.probes.insert(addr(port), probe);
    }
    view
}

fn with_disk(mut view: View, lineage: Option<u8>) -> View {
    let holds = lineage.map_or(Holding::Nothing, |lineage| Holding::Known {
        point: Point {
            id: id(lineage),
            offset: 60,
        },
        modified_ms: 1,
    });
    view.field.mine = Some(Candidacy {
        node: Uuid::nil(),
        addr: view.me.clone(),
        holds,
        window: Window::Open,
    });
    view
}

fn fence() -> Addr {
    let (host, port) = Role::FENCE;
    Addr::new(host, port).unwrap()
}

#[test]
fn who_follows_the_record_is_kin_only_where_nobody_is_known_to_descend_from_it() {
    let me = empty_view().me;
    let heir = |view: &View| heir(view, Some(&me));
    let kin = |found| matches!(found, Some(Heir::Kin(candidate)) if candidate.addr == addr(2));
    assert!(kin(heir(&among([(2, replica(&me, RECORDED, 100))]))));
    assert!(
        kin(heir(&among([(2, replica(&me, ANOTHER, 100))]))),
        "the record is old"
    );
    let vetoed = [(2, replica(&me, ANOTHER, 100)), (3, replica(&me, RECORDED, 0))];
    assert!(matches!(heir(&among(vetoed)), Some(Heir::Foreign(_))));
    let fenced = [(2, replica(&fence(), ANOTHER, 100))];
    assert!(matches!(heir(&among(fenced)), Some(Heir::Foreign(_))));
}

#[test]
fn beside_a_foreigner_a_disk_of_the_recorded_lineage_resumes_and_an_empty_one_does_not() {
    let view = || among([(2, replica(&fence(), ANOTHER, 100))]);
    let decided = |disk| decide(&with_disk(view(), disk), Duration::ZERO);
    let resumes = |plan| {
        matches!(
            plan,
            Plan::Master {
                why: WhyMaster::ResumeAlone,
                ..
            }
        )
    };
    assert!(resumes(decided(Some(RECORDED))));
    for worse in [None, Some(ANOTHER + 1)] {
        let Plan::Promote { candidate, why } = decided(worse) else {
            panic!("an unrelated disk, or none, erases nobody's data");
        };
        assert_eq!((candidate.addr, why), (addr(2), WhyPromote::NobodyOfTheLineage));
    }
}
