//! When is a group settled? Each row takes one thing away from a group that is.

use topology::RunId;

use super::*;

pub(in crate::demo) fn addr(port: u16) -> Addr {
    Addr::new("127.0.0.1", port).unwrap()
}

/// Redis on 1 (master), 2 and 3; Sentinels on 11, 12 and 13; watchers on 21 (leader) and 22.
pub(in crate::demo) fn settled() -> View {
    let redis = |port: u16| SeenRedis {
        addr: addr(port),
        wrapper: Some(100 + u32::from(port)),
        server: Some(200 + u32::from(port)),
        replication: Some(Replication {
            role: if port == 1 {
                Role::Master
            } else {
                Role::Replica { of: addr(1) }
            },
            id: RunId::from_bytes([1; 20]),
            second_id: RunId::from_bytes([0; 20]),
            second_offset: -1,
            offset: 42,
            link: (port != 1).then_some(LinkStatus::Up),
            link_down_s: 0,
            syncing: false,
            priority: 100,
            connected_replicas: 0,
        }),
    };
    let sentinel = |port: u16| SeenSentinel {
        addr: addr(port),
        wrapper: Some(100 + u32::from(port)),
        server: Some(200 + u32::from(port)),
        registered: true,
        master: Some(addr(1)),
        replicas: [addr(2), addr(3)].into(),
        others: [11, 12, 13]
            .into_iter()
            .filter(|other| *other != port)
            .map(addr)
            .collect(),
    };
    let watcher = |port: u16, part: &str| SeenWatcher {
        addr: addr(port),
        pid: Some(100 + u32::from(port)),
        part: Some(part.to_owned()),
        master: Some(addr(1)),
    };
    View {
        redis: [1, 2, 3].map(redis).into(),
        sentinels: [11, 12, 13].map(sentinel).into(),
        watchers: vec![watcher(21, "leader"), watcher(22, "standby")],
        published: Some(addr(1)),
    }
}

#[test]
fn a_whole_group_is_settled() {
    assert_eq!(settled().unsettled(), None);
}

#[test]
fn whatever_is_missing_is_named() {
    type Change = fn(&mut View);
    let rows: &[(Change, &str)] = &[
        (
            |view| view.redis[2].replication = None,
            "127.0.0.1:3 does not answer",
        ),
        (
            |view| view.redis[1].replication.as_mut().unwrap().role = Role::Master,
            "not exactly one",
        ),
        (
            |view| view.redis[1].replication.as_mut().unwrap().link = Some(LinkStatus::Down),
            "127.0.0.1:2 does not follow",
        ),
        (|view| view.published = Some(addr(2)), "not in /redis/master"),
        (
            |view| view.sentinels[0].master = None,
            "127.0.0.1:11 does not name",
        ),
        (
            |view| view.sentinels[1].registered = false,
            "127.0.0.1:12 is not registered",
        ),
        (
            |view| drop(view.sentinels[2].replicas.pop_first()),
            "127.0.0.1:13 does not see 127.0.0.1:2",
        ),
        (
            |view| drop(view.sentinels[2].others.pop_first()),
            "127.0.0.1:13 does not see 127.0.0.1:11",
        ),
        (|view| view.watchers[0].part = None, "0 watchers lead"),
        (|view| view.watchers[1].master = None, "watcher 127.0.0.1:22"),
    ];
    for (change, wanted) in rows {
        let mut view = settled();
        change(&mut view);
        let reason = view.unsettled().unwrap_or_default();
        assert!(reason.contains(wanted), "wanted {wanted:?}, got {reason:?}");
    }
}
