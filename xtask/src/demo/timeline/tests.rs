//! The words of a whole failover, and when it is over.

use super::*;
use crate::demo::view::tests::addr;

fn event(channel: &str, payload: &str) -> What {
    What::Event {
        by: addr(11),
        event: SentinelEvent::parse(channel, payload).unwrap(),
    }
}

#[test]
fn events_are_short_facts() {
    for (channel, payload, wanted) in [
        (
            "+sdown",
            "master m1 127.0.0.1 1",
            Some("sentinel 127.0.0.1:11: +sdown master 127.0.0.1:1"),
        ),
        (
            "+odown",
            "master m1 127.0.0.1 1 #quorum 2/2",
            Some("sentinel 127.0.0.1:11: +odown master 127.0.0.1:1, 2/2 agree"),
        ),
        (
            "+sdown",
            "slave 127.0.0.1:1 127.0.0.1 1 @ m1 127.0.0.1 2",
            Some("sentinel 127.0.0.1:11: +sdown replica 127.0.0.1:1"),
        ),
        (
            "+switch-master",
            "m1 127.0.0.1 1 127.0.0.1 2",
            Some("sentinel 127.0.0.1:11: +switch-master to 127.0.0.1:2"),
        ),
        ("+vote-for-leader", "aabb 3", None),
    ] {
        assert_eq!(
            words(&event(channel, payload)).as_deref(),
            wanted,
            "{channel} {payload}"
        );
    }
}

#[test]
fn a_change_is_over_when_everyone_has_followed() {
    let killed = Instant::now();
    let others = Others {
        sentinels: [addr(11)].into(),
        replicas: [addr(2), addr(3)].into(),
        watchers: [addr(21)].into(),
    };
    let mut progress = Progress::new(killed, addr(1), others);
    let follows = |port| What::Role {
        of: addr(port),
        says: Some((Role::Replica { of: addr(2) }, Some(LinkStatus::Up))),
    };
    let steps = [
        (
            event("+switch-master", "m1 127.0.0.1 1 127.0.0.1 2"),
            "no write was",
        ),
        (What::Written { by: addr(2) }, "/redis/master"),
        (What::Published(Some(addr(2))), "redis 127.0.0.1:2"),
        (
            What::Role {
                of: addr(2),
                says: Some((Role::Master, None)),
            },
            "redis 127.0.0.1:3",
        ),
        (follows(3), "watcher 127.0.0.1:21"),
    ];
    for (millis, (what, wanted)) in (1..).zip(steps) {
        let at = killed + Duration::from_millis(millis);
        progress.take(&Seen { at, what });
        let missing = progress.missing().unwrap_or_default();
        assert!(missing.contains(wanted), "wanted {wanted:?}, got {missing:?}");
    }
    let told = What::Told {
        by: addr(21),
        master: Some(addr(2)),
    };
    progress.take(&Seen {
        at: killed,
        what: told,
    });
    assert_eq!(progress.missing(), None);
    assert_eq!(progress.published, Some(Duration::from_millis(3)));
}

#[test]
fn what_is_said_of_the_old_master_is_no_progress() {
    let killed = Instant::now();
    let others = Others {
        sentinels: BTreeSet::new(),
        replicas: [addr(2)].into(),
        watchers: [addr(21)].into(),
    };
    let mut progress = Progress::new(killed, addr(1), others);
    for what in [
        What::Written { by: addr(1) },
        What::Published(Some(addr(1))),
        What::Told {
            by: addr(21),
            master: Some(addr(1)),
        },
    ] {
        progress.take(&Seen { at: killed, what });
    }
    assert!(progress.first_write.is_none() && progress.published.is_none());
    assert_eq!(progress.watchers.len(), 1);
}
