//! Faults by chance, one after the other: what a client was told stays true.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::nemesis::{Arena, Round};
use testkit::{Group, Kind, Need, Net, ZooKeeper, eventually, require, soak};

const LONG: Duration = Duration::from_secs(90);
const MEMBERS: usize = 3;
const HOSTS: usize = MEMBERS + 1;

/// A write that a majority has is there after any fault.
#[test]
fn what_a_majority_confirmed_survives_every_fault() {
    if !require(&[Need::Network, Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    Net::run(HOSTS, async |net| {
        let zk = ZooKeeper::start_on(net.host(HOSTS)).await;
        let group = Group::new(&zk.hosts())
            .on(&net.others()[..MEMBERS])
            .redis(MEMBERS)
            .sentinels(MEMBERS)
            .watchers(1)
            .env(Kind::Redis, "DURABILITY", "quorum")
            .start()
            .await;
        let arena = Arena {
            net: &net,
            group: &group,
            zookeeper: &zk,
            hosts: HOSTS,
        };
        let rounds = soak::rounds(4, 100);
        let first: u64 = if rounds == 4 { rand::random() } else { 1 };
        let (mut confirmed, mut kinds) = (0, BTreeMap::<String, usize>::new());
        let mut settled = Vec::new();
        for offset in 0..rounds as u64 {
            let round = Round::of(first.wrapping_add(offset));
            eprintln!("{round}");
            let name = format!("{:?}", round.fault);
            *kinds
                .entry(name.split('(').next().unwrap().to_owned())
                .or_default() += 1;
            let writer = group.writer().confirmed_by(1).start();
            writer.wait_write(LONG).await;
            arena.strike(&round).await;
            tokio::time::sleep(round.lasts).await;
            arena.heal();
            let healed = Instant::now();
            let master = group.wait_settled(LONG).await;
            settled.push(healed.elapsed());
            // It goes on where it was, or where it is now.
            writer.wait_write(LONG).await;
            let written = writer.stop();
            confirmed += written.writes().len();
            let lost = written.lost(group.redis(master)).await;
            assert!(
                lost.is_empty(),
                "{round}: {} of {} lost: {lost:?}",
                lost.len(),
                written.writes().len()
            );
        }
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let seen = format!(
            "0 of {confirmed} confirmed writes lost; settled {} after healing; {}",
            soak::spread(&settled),
            kinds.join(", ")
        );
        soak::report("random faults, `WAIT 1`, `DURABILITY=quorum`", rounds, &seen);
        still_fails_over(&group).await;
    });
}

/// Stock Sentinel's own failover works as before.
async fn still_fails_over(group: &testkit::RunningGroup) {
    let old = group.wait_settled(LONG).await;
    let asked = async || {
        let answer = group
            .sentinel(0)
            .command(&["SENTINEL", "FAILOVER", group.name()])
            .await;
        answer.map(drop).map_err(|error| error.to_string())
    };
    eventually("a Sentinel to take the order", LONG, asked).await;
    eventually("another master", LONG, async || {
        let now = group.zk().get(&group.path("master")).await.unwrap_or_default();
        (now != group.redis(old).addr().contract() && !now.is_empty()).then_some(())
    })
    .await;
    assert_ne!(group.wait_settled(LONG).await, old);
}
