//! ZooKeeper is away, and the Sentinels fail over: the sinks follow the Sentinels, the record follows later.

use std::fs;
use std::time::Duration;

use testkit::eventually;

use crate::group::{DEADLINE, Group, MASTER, Watching, servers};

#[tokio::test]
async fn sinks_follow_the_sentinels_while_zookeeper_is_away() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("told");
    let command = format!("echo $REDIS_MASTER_PORT >> {}", told.display());
    let lines = || {
        let text = fs::read_to_string(&told).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let watching = Watching::with(group.zk.hosts(), &[("ON_MASTER", &command)]);
    watching.ready().await;
    let first = group.nodes[0].port().to_string();
    eventually("the command to be run", DEADLINE, async || {
        lines() == [first.clone()]
    })
    .await;

    group.zk.kill();
    watching.not_ready().await;
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    let both = [first, to.port().to_string()];
    eventually("the command to be run for the new master", DEADLINE, async || {
        let seen = lines();
        if seen == both {
            Ok(())
        } else {
            Err(format!("{seen:?}\n{}", watching.program.log_tail()))
        }
    })
    .await;
    watching
        .program
        .wait_log("zookeeper is away; told the sinks alone", DEADLINE)
        .await;

    // The record still names the dead one when it is back: it is what changes.
    group.zk.restart().await;
    group.wait_master(&to, Duration::from_secs(30)).await;
    watching.ready().await;
    assert_eq!(lines(), both, "told once, and never back");
    assert_eq!(group.zk.client().get(MASTER).await, Some(to.contract()));
}
