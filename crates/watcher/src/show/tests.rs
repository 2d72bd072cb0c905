//! Which replicas may be read, as tables.

use uuid::Uuid;
use zkpaths::{Cause, Further, RecordedMaster};

use super::*;

fn addr(port: u16) -> Addr {
    Addr::new("10.0.0.1", port).expect("an address")
}

fn show() -> Show {
    let name: MasterName = "sessions".parse().expect("a name");
    Show {
        external_port: None,
        max_lag: 100,
        board: Board::new(vec![name.clone()]),
        name,
    }
}

fn settled() -> State {
    State {
        group: Uuid::nil(),
        name: "sessions".parse().expect("a name"),
        epoch: Epoch(3),
        master: RecordedMaster {
            addr: addr(1),
            run_id: None,
        },
        phase: Phase::Settled,
        cause: Cause::Failover,
        since_ms: 7,
        replaces: None,
        known: None,
        further: Further::default(),
    }
}

fn replica(of: u16, link: LinkStatus, offset: i64) -> Seen {
    Seen {
        addr: addr(2),
        of: Some(addr(of)),
        link,
        offset: Some(offset),
        grace: GRACE,
    }
}

#[test]
fn readers_go_to_who_follows_and_is_near() {
    let long_ago = Instant::now();
    let now = long_ago + GRACE;
    let lately = long_ago + GRACE / 2;
    let lost = |at| Some(Following::Lost { at });
    let rows = [
        (950, Some(Following::Yes), Fitness::Fit),
        (900, Some(Following::Yes), Fitness::Fit),
        (899, Some(Following::Yes), Fitness::Lagging),
        // A failover, as its replicas see it.
        (950, lost(lately), Fitness::Fit),
        (800, lost(lately), Fitness::Lagging),
        (950, lost(long_ago), Fitness::Astray),
        // Never seen following anybody: a full copy is on its way.
        (950, None, Fitness::Astray),
    ];
    for (offset, following, expected) in rows {
        let seen = replica(1, LinkStatus::Up, offset);
        let past = following
            .map(|following| (addr(2), following))
            .into_iter()
            .collect();
        let group = show().group_of(
            &settled(),
            std::slice::from_ref(&seen),
            Some(1000),
            &past,
            Assurance::Current,
            now,
        );
        assert_eq!(
            group.replicas[&addr(2)].fitness,
            expected,
            "{offset} {following:?}"
        );
    }
    // Of other moments, so not compared.
    let seen = Seen {
        offset: None,
        ..replica(1, LinkStatus::Up, 0)
    };
    let past = [(addr(2), Following::Yes)].into();
    let group = show().group_of(&settled(), &[seen], Some(1000), &past, Assurance::Current, now);
    assert_eq!(group.replicas[&addr(2)].fitness, Fitness::Fit);
}

#[test]
fn the_grace_begins_when_the_link_is_seen_to_be_gone_however_old_the_last_look_is() {
    let start = Instant::now();
    let after = |s| start + Duration::from_secs(s);
    let (up, down) = (replica(1, LinkStatus::Up, 1), replica(1, LinkStatus::Down, 1));
    let mut past = BTreeMap::new();
    assert_eq!(
        remember(&mut past, std::slice::from_ref(&down), &addr(1), after(0)),
        None
    );
    assert!(past.is_empty(), "it has followed nobody yet");
    assert_eq!(
        remember(&mut past, std::slice::from_ref(&up), &addr(1), after(1)),
        None
    );
    let ends = Some(after(60) + GRACE);
    assert_eq!(
        remember(&mut past, std::slice::from_ref(&down), &addr(1), after(60)),
        ends
    );
    assert_eq!(
        remember(&mut past, std::slice::from_ref(&down), &addr(1), after(61)),
        ends
    );
    assert_eq!(past[&addr(2)], Following::Lost { at: after(60) });
    // Another master is recorded, and this one has not heard of it: the same grace goes on.
    assert_eq!(
        remember(&mut past, std::slice::from_ref(&up), &addr(3), after(62)),
        ends
    );
    let repointed = replica(3, LinkStatus::Up, 1);
    assert_eq!(remember(&mut past, &[repointed], &addr(3), after(62)), None);
    assert_eq!(past[&addr(2)], Following::Yes);
    assert_eq!(remember(&mut past, &[], &addr(3), after(63)), None);
    assert!(past.is_empty());
}
