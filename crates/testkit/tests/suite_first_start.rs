//! However many nodes start together, one of them becomes master.

use std::time::{Duration, Instant};

use testkit::{Group, Need, ZooKeeper, require, soak};

const NODES: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn thirty_nodes_started_at_the_same_instant_have_one_master() {
    if !require(&[Need::ZooKeeper, Need::Redis]) {
        return;
    }
    let rounds = soak::rounds(1, 20);
    let mut times = Vec::new();
    for round in 0..rounds {
        let zk = ZooKeeper::start().await;
        let start = Instant::now();
        let group = Group::new(&zk.hosts()).redis(NODES).launch();
        group.wait_settled(Duration::from_secs(120)).await;
        times.push(start.elapsed());
        let decided =
            |node: &&testkit::RedisNode| node.program().log().contains("role decided role=\"master\"");
        let masters = group.all_redis().iter().filter(decided).count();
        assert_eq!(masters, 1, "round {round}: nodes that ever decided to be master");
        let members = zk.client().children("/redis/members").await.len();
        assert_eq!(members, NODES, "round {round}");
    }
    let seen = format!(
        "one master each time; all {NODES} settled after {}",
        soak::spread(&times)
    );
    soak::report(
        "30 redis-wrappers started at once on an empty tree",
        rounds,
        &seen,
    );
}
