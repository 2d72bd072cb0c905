//! Every answer and its reason.

use topology::{Epoch, Replication, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Further, RecordedMaster};

use super::*;

fn addr(port: u16) -> Addr {
    Addr::new("10.0.0.1", port).unwrap()
}

fn snapshot(role: Role, link: Option<LinkStatus>, offset: i64) -> Snapshot {
    Snapshot {
        run_id: RunId::from_bytes([8; 20]),
        process_id: None,
        server_version: String::new(),
        replication: Replication {
            role,
            id: RunId::from_bytes([5; 20]),
            second_id: RunId::from_bytes([0; 20]),
            second_offset: -1,
            offset,
            link,
            link_down_s: 0,
            syncing: false,
            priority: 100,
            connected_replicas: 0,
        },
    }
}

fn record(port: u16, run_id: Option<u8>, phase: Phase) -> State {
    State {
        group: Uuid::nil(),
        name: "master1".parse().unwrap(),
        epoch: Epoch(4),
        master: RecordedMaster {
            addr: addr(port),
            run_id: run_id.map(|byte| RunId::from_bytes([byte; 20])),
        },
        phase,
        cause: Cause::FirstStart,
        since_ms: 0,
        replaces: None,
        known: None,
        further: Further::default(),
    }
}

fn said(check: Check) -> (u16, String) {
    match check {
        Check::Yes { reason } => (200, reason),
        Check::No { reason } => (503, reason),
        Check::Unclear { problem } => (400, problem),
    }
}

#[test]
fn writes_go_to_the_process_that_is_recorded() {
    let master = snapshot(Role::Master, None, 9);
    let replica = snapshot(Role::Replica { of: addr(2) }, Some(LinkStatus::Up), 9);
    for (redis, fenced, record, code, reason) in [
        (
            Some(&master),
            None,
            Some(record(1, Some(8), Phase::Settled)),
            200,
            "epoch 4",
        ),
        (
            Some(&master),
            None,
            Some(record(1, None, Phase::Settled)),
            200,
            "epoch 4",
        ),
        (
            Some(&master),
            None,
            Some(record(1, Some(7), Phase::Settled)),
            503,
            "earlier process",
        ),
        (
            Some(&master),
            None,
            Some(record(1, Some(8), Phase::Promoting)),
            503,
            "not done",
        ),
        (
            Some(&master),
            None,
            Some(record(2, Some(8), Phase::Settled)),
            503,
            "10.0.0.1:2",
        ),
        (
            Some(&master),
            Some("its lease is over"),
            Some(record(1, Some(8), Phase::Settled)),
            503,
            "fenced",
        ),
        (Some(&master), None, None, 503, "no master is recorded"),
        (
            Some(&replica),
            None,
            Some(record(1, Some(8), Phase::Settled)),
            503,
            "a replica",
        ),
        (
            None,
            None,
            Some(record(1, Some(8), Phase::Settled)),
            503,
            "does not answer",
        ),
    ] {
        let seen = Seen {
            me: &addr(1),
            redis,
            fenced,
            record: record.as_ref(),
            master_offset: None,
        };
        let (got, why) = said(primary(&seen));
        assert!(
            got == code && why.contains(reason),
            "{got} {why}; wanted {code} {reason}"
        );
    }
}

#[test]
fn reads_go_to_replicas_that_are_not_far_behind() {
    let up = snapshot(Role::Replica { of: addr(2) }, Some(LinkStatus::Up), 900);
    let down = snapshot(Role::Replica { of: addr(2) }, Some(LinkStatus::Down), 900);
    let other = snapshot(Role::Replica { of: addr(3) }, Some(LinkStatus::Up), 900);
    let master = snapshot(Role::Master, None, 900);
    for (redis, offset, query, code, reason) in [
        (&up, None, "", 200, "in step"),
        (&up, Some(1000), "max-lag=100", 200, "100 bytes"),
        (&up, Some(1001), "max-lag=100", 503, "101 bytes"),
        (&up, Some(800), "max-lag=0", 200, "0 bytes"),
        (&up, None, "max-lag=100", 503, "nobody knows"),
        (&up, Some(900), "max-lag=1s", 400, "number of bytes"),
        (&up, Some(900), "lag=1", 400, "max-lag=<bytes>"),
        (&down, Some(900), "", 503, "link"),
        (&other, Some(900), "", 503, "10.0.0.1:3"),
        (&master, Some(900), "", 503, "a master"),
    ] {
        let state = record(2, None, Phase::Settled);
        let seen = Seen {
            me: &addr(1),
            redis: Some(redis),
            fenced: None,
            record: Some(&state),
            master_offset: offset,
        };
        let (got, why) = said(replica(&seen, query));
        assert!(
            got == code && why.contains(reason),
            "{got} {why}; wanted {code} {reason}"
        );
    }
}
