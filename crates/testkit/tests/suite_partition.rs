//! Hosts that are cut off, in one direction or both, and bad networks: writes have one home, and the others go on.
//!
//! Each host is a network namespace with a Redis, a Sentinel and a watcher; the last host has ZooKeeper. The test sees all of them.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::{Duration, Instant};

use testkit::{
    Group, Line, Need, Net, NodeWriter, RunningGroup, SentinelClient, Tried, Writer, ZooKeeper, eventually,
    require, soak,
};
use tokio::task::JoinSet;
use topology::Role;

const LONG: Duration = Duration::from_secs(60);
/// `LEASE` as it is by default.
const LEASE: Duration = Duration::from_millis(1500);
/// Until another takes writes, from the moment of the cut, beyond the lease.
const BEYOND: Duration = Duration::from_secs(1);
const MEMBERS: usize = 3;
/// The host that has ZooKeeper.
const KEEPER: usize = MEMBERS + 1;

fn on_a_network<F: Future<Output = ()>>(test: impl FnOnce(Net) -> F + Send + 'static) {
    if require(&[Need::Network, Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        Net::run(KEEPER, test);
    }
}

async fn start(net: &Net) -> (ZooKeeper, RunningGroup) {
    let zk = ZooKeeper::start_on(net.host(KEEPER)).await;
    let group = Group::new(&zk.hosts())
        .on(&net.others()[..MEMBERS])
        .redis(MEMBERS)
        .sentinels(MEMBERS)
        .watchers(2)
        .start()
        .await;
    (zk, group)
}

/// The host of a member.
fn host_of(index: usize) -> usize {
    index + 1
}

/// Waits until the lease of the master is written: from then on another may take its place when it is over.
async fn held(group: &RunningGroup, node: usize) {
    let holder = format!("\"holder\":\"{}\"", group.redis(node).addr());
    let renewed = async || {
        let lease = group.zk().get(&group.path("lease")).await.unwrap_or_default();
        lease.contains(&holder).then_some(()).ok_or(lease)
    };
    eventually("the lease in ZooKeeper", LONG, renewed).await;
}

/// A client on the side of everybody but this member's Sentinel.
fn elsewhere(group: &RunningGroup, but: usize) -> Writer {
    let sentinels = group.all_sentinels().iter().enumerate();
    let sentinels = sentinels.filter(|(index, _)| *index != but);
    let sentinels = sentinels.map(|(_, node)| SentinelClient::clone(node));
    Writer::through(sentinels, group.name()).start()
}

/// Waits for another master among the members, and returns which it is and a moment at which it was not master yet.
async fn another(group: &RunningGroup, old: usize) -> (usize, Instant) {
    let mut looks = JoinSet::new();
    for index in (0..MEMBERS).filter(|index| *index != old) {
        let redis = testkit::RedisClient::clone(group.redis(index));
        looks.spawn(async move {
            let mut before = Instant::now();
            loop {
                let asked = Instant::now();
                if redis.role().await == Some(Role::Master) {
                    return (index, before);
                }
                before = asked;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    let found = tokio::time::timeout(LONG, looks.join_next()).await;
    found.expect("another master").unwrap().unwrap()
}

fn last_accepted(tried: &[Tried]) -> Option<Instant> {
    tried
        .iter()
        .rfind(|write| write.accepted)
        .map(|write| write.ended)
}

/// What was seen of one cut.
struct Seen {
    /// Until another was master, and could take writes.
    possible: Duration,
    /// Until it took one of our client's, which has to give up on the old one first.
    away: Duration,
    /// Until the old master accepted its last one.
    accepted: Duration,
}

/// Cuts the master's host off as `cut` does, and shows that writes have one home.
async fn writes_have_one_home(net: &Net, group: &RunningGroup, cut: impl FnOnce(usize)) -> Seen {
    let old = group.wait_settled(LONG).await;
    held(group, old).await;
    let writer = elsewhere(group, old);
    writer.wait_write(LONG).await;
    let old_writes = NodeWriter::start(group.redis(old));
    cut(host_of(old));
    let moment = Instant::now();
    let (new, not_yet) = another(group, old).await;
    let new_addr = group.redis(new).addr().clone();
    let arrived = async || (writer.master().as_ref() == Some(&new_addr)).then_some(());
    eventually("writes at the new master", LONG, arrived).await;
    // The old one is offered writes for some time yet.
    let late = async || (moment.elapsed() > LEASE * 3).then_some(());
    eventually("some time to pass", LONG, late).await;
    let tried = old_writes.stop().await;
    let last = last_accepted(&tried).unwrap();
    let log = group.redis(old).program().log_tail();
    assert!(
        last < not_yet,
        "a write was accepted {:?} after {new_addr} was master; the log ends:\n{log}",
        last.duration_since(not_yet),
    );
    let salvage = group.redis(old).data_dir().join("salvage");
    let kept = || std::fs::read_dir(&salvage).map_or(0, Iterator::count);
    let before = kept();
    net.heal();
    assert_eq!(group.wait_settled(LONG).await, new);
    // What it took within its last lease nobody else has.
    if last > moment && before < 3 {
        assert_eq!(kept(), before + 1, "{}", group.redis(old).program().log_tail());
    }
    let written = writer.stop();
    let first = written
        .writes()
        .iter()
        .find(|write| write.master == new_addr)
        .unwrap();
    let before: Vec<_> = written
        .writes()
        .iter()
        .filter(|write| write.sent < moment)
        .collect();
    let lost = written.lost(group.redis(new)).await;
    // Asynchronous replication may lose what was acknowledged after the cut, and nothing later than the lease.
    assert!(lost.iter().all(|write| write.sent < not_yet), "{lost:?}");
    assert!(!before.is_empty());
    Seen {
        possible: not_yet.duration_since(moment),
        away: first.acknowledged.duration_since(moment),
        accepted: last.saturating_duration_since(moment),
    }
}

fn report(what: &str, seen: &[Seen]) {
    let possible: Vec<Duration> = seen.iter().map(|seen| seen.possible).collect();
    let away: Vec<Duration> = seen.iter().map(|seen| seen.away).collect();
    let accepted: Vec<Duration> = seen.iter().map(|seen| seen.accepted).collect();
    let text = format!(
        "writes possible elsewhere after {}; a client's first after {}; the old master's last after {}; 0 after a promotion",
        soak::spread(&possible),
        soak::spread(&away),
        soak::spread(&accepted)
    );
    soak::report(what, seen.len(), &text);
    // The figure is the soak's; here others run beside it.
    let patience = if soak::rounds(1, 2) == 1 {
        BEYOND * 4
    } else {
        BEYOND
    };
    let worst = possible.iter().max().unwrap();
    assert!(*worst < LEASE + patience, "{possible:?}");
}

#[test]
fn a_master_whose_host_is_cut_off_stops_before_another_starts() {
    on_a_network(async |net| {
        let (_zk, group) = start(&net).await;
        let mut seen = Vec::new();
        for _ in 0..soak::rounds(2, 30) {
            seen.push(writes_have_one_home(&net, &group, |host| net.cut(host)).await);
        }
        report("the master's host is cut off", &seen);
    });
}

#[test]
fn a_host_that_is_heard_and_hears_nobody_or_the_other_way_round_loses_the_role_too() {
    on_a_network(async |net| {
        let (_zk, group) = start(&net).await;
        for deaf in [true, false] {
            let mut seen = Vec::new();
            for _ in 0..soak::rounds(1, 15) {
                let one_way = |host: usize| {
                    net.faults(|faults| {
                        for other in (1..=KEEPER).filter(|other| *other != host) {
                            let (from, to) = if deaf { (other, host) } else { (host, other) };
                            faults.one_way(from, to, Line::CUT);
                        }
                    });
                };
                seen.push(writes_have_one_home(&net, &group, one_way).await);
            }
            let which = if deaf {
                "hears nobody"
            } else {
                "is heard by nobody"
            };
            report(&format!("the master's host {which}"), &seen);
        }
    });
}

/// The Sentinels that can promote another need no ZooKeeper for it.
#[test]
fn a_master_that_reaches_nobody_but_zookeeper_stops_before_another_starts() {
    on_a_network(async |net| {
        let (_zk, group) = start(&net).await;
        let mut seen = Vec::new();
        for _ in 0..soak::rounds(1, 20) {
            let all_but_zookeeper = |host: usize| {
                net.faults(|faults| {
                    for other in (1..KEEPER).filter(|other| *other != host) {
                        faults.both_ways(host, other, Line::CUT);
                    }
                });
            };
            seen.push(writes_have_one_home(&net, &group, all_but_zookeeper).await);
        }
        report("the master reaches nobody but ZooKeeper", &seen);
    });
}

#[test]
fn a_master_that_loses_only_zookeeper_stays_and_takes_every_write() {
    on_a_network(async |net| {
        let (_zk, group) = start(&net).await;
        let master = group.master().await;
        held(&group, master).await;
        let writer = group.writer().start();
        writer.wait_write(LONG).await;
        net.faults(|faults| faults.both_ways(host_of(master), KEEPER, Line::CUT));
        let since = Instant::now();
        let log = group.redis(master).program();
        log.wait_log("a majority of the sentinels stands in", LONG).await;
        eventually("ten seconds", LONG, async || {
            (since.elapsed() > Duration::from_secs(10)).then_some(())
        })
        .await;
        let written = writer.stop();
        let tried = written.writes().last().unwrap().number + 1;
        assert_eq!(tried, written.writes().len() as u64, "{}", log.log_tail());
        assert!(!log.log().contains("fencing redis"), "{}", log.log_tail());
        net.heal();
        assert_eq!(group.wait_settled(LONG).await, master);
    });
}

#[test]
fn a_replica_whose_host_is_cut_off_is_missed_by_nobody() {
    on_a_network(async |net| {
        let (_zk, group) = start(&net).await;
        let master = group.master().await;
        let replica = group.replicas().await[0];
        let writer = elsewhere(&group, replica);
        writer.wait_write(LONG).await;
        net.cut(host_of(replica));
        let since = Instant::now();
        eventually("ten seconds", LONG, async || {
            (since.elapsed() > Duration::from_secs(10)).then_some(())
        })
        .await;
        net.heal();
        assert_eq!(group.wait_settled(LONG).await, master);
        let written = writer.stop();
        let tried = written.writes().last().unwrap().number + 1;
        assert_eq!(tried, written.writes().len() as u64);
        let gap = written.longest_gap().unwrap().length();
        assert!(gap < Duration::from_millis(500), "{gap:?}");
        assert!(written.lost(group.redis(master)).await.is_empty());
    });
}

#[test]
fn a_slow_network_that_loses_frames_is_no_reason_to_fail_over_and_a_handover_works_there() {
    on_a_network(async |net| {
        let (_zk, group) = start(&net).await;
        let master = group.master().await;
        held(&group, master).await;
        net.faults(|faults| {
            for one in 1..=KEEPER {
                for other in one + 1..=KEEPER {
                    faults.both_ways(one, other, Line::bad(Duration::from_millis(10), 0.01));
                }
            }
        });
        let since = Instant::now();
        let writer = group.writer().start();
        eventually("ten seconds", LONG, async || {
            (since.elapsed() > Duration::from_secs(10)).then_some(())
        })
        .await;
        assert_eq!(group.wait_settled(LONG).await, master);
        let old = group.redis(master);
        old.program().terminate();
        let exit = old.program().wait_exit(LONG).await;
        assert_eq!(exit, testkit::Exit::Code(0), "{}", old.program().log_tail());
        let new = group.wait_settled(LONG).await;
        assert_ne!(new, master);
        writer.wait_write(LONG).await;
        let written = writer.stop();
        let gap = written.longest_gap().unwrap().length();
        soak::report(
            "handover in a network with 10 to 15 ms each way and 1 % loss",
            1,
            &format!("without writes {} ms", gap.as_millis()),
        );
        assert!(written.lost(group.redis(new)).await.is_empty());
    });
}
