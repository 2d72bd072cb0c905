//! What a running node corrects, and what it leaves to the Sentinels.

use instance::Flags;
use topology::{Epoch, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Further, Known, RecordedMaster};

use super::*;

fn addr(port: u16) -> Addr {
    Addr::new("10.0.0.1", port).unwrap()
}

fn look(role: Role, recorded: u16) -> Look {
    let replication_id = RunId::from_bytes([5; 20]);
    let run_id = RunId::from_bytes([8; 20]);
    let state = State {
        group: Uuid::nil(),
        name: "master1".parse().unwrap(),
        epoch: Epoch(3),
        master: RecordedMaster {
            addr: addr(recorded),
            run_id: Some(run_id.clone()),
        },
        phase: Phase::Settled,
        cause: Cause::Failover,
        since_ms: 0,
        replaces: None,
        known: Some(Known {
            id: replication_id.clone(),
            offset: 1,
        }),
        further: Further::default(),
    };
    Look {
        me: addr(1),
        role,
        run_id,
        replication_id,
        known: Some(Accepted {
            group: state.group,
            master: state.record(),
        }),
        record: Record::Named(Box::new(state)),
        recorded_role: Some(Role::Master),
        sentinels: Some(Vec::new()),
        standing: Duration::from_secs(60),
        namesakes: Some(Vec::new()),
        settled: 0,
    }
}

fn namesake(run_id: u8) -> Member {
    Member {
        id: Uuid::max(),
        node: None,
        addr: addr(1),
        admin: None,
        role: Role::Master,
        run_id: RunId::from_bytes([run_id; 20]),
        replication_id: RunId::from_bytes([5; 20]),
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

fn saying(port: u16, epoch: u64, failover_in_progress: bool) -> SentinelReport {
    let flags = Flags {
        failover_in_progress,
        ..Flags::default()
    };
    let record = MasterRecord {
        addr: addr(port),
        epoch: Epoch(epoch),
    };
    SentinelReport {
        sentinel: addr(26379),
        master: Some((record, flags)),
        last_vote: Epoch(0),
    }
}

#[test]
fn an_old_master_follows_the_confirmed_new_one() {
    let old = look(Role::Master, 2);
    assert_eq!(
        keep(&old),
        Keep::Follow {
            to: addr(2),
            why: WhyFollow::NoLongerMaster
        }
    );
    let young = Look {
        standing: Duration::ZERO,
        ..old.clone()
    };
    assert_eq!(keep(&young), Keep::Nothing(WhyNothing::Patience));
    let unconfirmed = Look {
        recorded_role: None,
        ..old
    };
    assert_eq!(keep(&unconfirmed), Keep::Nothing(WhyNothing::NotConfirmed));
}

#[test]
fn a_node_that_sentinel_just_promoted_stays_master() {
    let promoted = Look {
        sentinels: Some(vec![saying(1, 4, false)]),
        ..look(Role::Master, 2)
    };
    assert_eq!(keep(&promoted), Keep::Nothing(WhyNothing::SentinelsAreAhead));
    let running = Look {
        sentinels: Some(vec![saying(2, 3, true)]),
        ..look(Role::Master, 2)
    };
    assert_eq!(keep(&running), Keep::Nothing(WhyNothing::SentinelsAreAhead));
}

#[test]
fn a_replica_of_the_wrong_node_is_moved_after_the_sentinels_had_their_time() {
    let wrong = look(Role::Replica { of: addr(3) }, 2);
    assert_eq!(
        keep(&wrong),
        Keep::Follow {
            to: addr(2),
            why: WhyFollow::WrongMaster
        }
    );
    let early = Look {
        standing: Duration::from_secs(2),
        ..wrong
    };
    assert_eq!(keep(&early), Keep::Nothing(WhyNothing::Patience));
}

#[test]
fn agreement_is_left_alone_and_a_replica_never_promotes_itself() {
    assert_eq!(
        keep(&look(Role::Replica { of: addr(2) }, 2)),
        Keep::Nothing(WhyNothing::Agreed)
    );
    assert_eq!(
        keep(&look(Role::Replica { of: addr(2) }, 1)),
        Keep::Nothing(WhyNothing::Agreed)
    );
    let blind = Look {
        record: Record::Unknown,
        ..look(Role::Master, 2)
    };
    assert_eq!(keep(&blind), Keep::Nothing(WhyNothing::RecordUnknown));
}

#[test]
fn the_recorded_master_completes_its_record_once() {
    let settled = look(Role::Master, 1);
    assert_eq!(keep(&settled), Keep::Nothing(WhyNothing::Agreed));
    let restarted = Look {
        run_id: RunId::from_bytes([9; 20]),
        ..settled.clone()
    };
    assert_eq!(keep(&restarted), Keep::Settle);
    let new_lineage = Look {
        replication_id: RunId::from_bytes([9; 20]),
        ..settled
    };
    assert_eq!(keep(&new_lineage), Keep::Settle);
}

#[test]
fn the_record_of_a_live_node_with_our_address_is_never_completed() {
    let record = look(Role::Master, 1);
    let other = |role: Role, namesakes: Option<Vec<Member>>| Look {
        role,
        run_id: RunId::from_bytes([9; 20]),
        namesakes,
        ..record.clone()
    };
    let replica = Role::Replica { of: addr(2) };
    let shared = Keep::Nothing(WhyNothing::AddressShared);
    let table = [
        // The record means the namesake, which is alive.
        (Role::Master, Some(vec![namesake(8)]), shared.clone()),
        (Role::Master, Some(vec![namesake(7), namesake(8)]), shared.clone()),
        (replica.clone(), Some(vec![namesake(8)]), shared),
        // It means nobody who lives, or nobody can say.
        (Role::Master, Some(vec![namesake(7)]), Keep::Settle),
        (Role::Master, Some(Vec::new()), Keep::Settle),
        (Role::Master, None, Keep::Nothing(WhyNothing::MembersUnknown)),
        (replica, Some(Vec::new()), Keep::Nothing(WhyNothing::Agreed)),
    ];
    for (role, namesakes, expected) in table {
        let look = other(role, namesakes);
        assert_eq!(keep(&look), expected, "{look:#?}");
    }
}

#[test]
fn a_record_that_does_not_stay_complete_is_left_alone_for_a_while() {
    let again = |settled| Look {
        run_id: RunId::from_bytes([9; 20]),
        settled,
        ..look(Role::Master, 1)
    };
    assert_eq!(keep(&again(SETTLEMENTS - 1)), Keep::Settle);
    assert_eq!(
        keep(&again(SETTLEMENTS)),
        Keep::Nothing(WhyNothing::SettledTooOften)
    );
}

#[test]
fn a_record_that_went_back_is_never_followed_and_the_old_one_is_put_back() {
    let mut restarted = look(Role::Master, 2);
    let ours = MasterRecord {
        addr: addr(1),
        epoch: Epoch(3),
    };
    restarted.known = Some(Accepted {
        group: Uuid::max(),
        master: ours,
    });
    assert_eq!(keep(&restarted), Keep::Restore);
    let empty = Look {
        record: Record::Empty,
        ..restarted.clone()
    };
    assert_eq!(keep(&empty), Keep::Restore);
    let replica = Look {
        role: Role::Replica { of: addr(1) },
        ..restarted.clone()
    };
    assert_eq!(keep(&replica), Keep::Nothing(WhyNothing::WentBack));
    let stranger = Look {
        known: None,
        record: Record::Empty,
        ..restarted
    };
    assert_eq!(keep(&stranger), Keep::Nothing(WhyNothing::Empty));
}

#[test]
fn a_record_that_moved_on_is_followed_at_once() {
    let mut late = look(Role::Master, 2);
    late.standing = Duration::ZERO;
    late.known = Some(Accepted {
        group: Uuid::nil(),
        master: MasterRecord {
            addr: addr(1),
            epoch: Epoch(2),
        },
    });
    assert_eq!(
        keep(&late),
        Keep::Follow {
            to: addr(2),
            why: WhyFollow::NoLongerMaster
        }
    );
}
