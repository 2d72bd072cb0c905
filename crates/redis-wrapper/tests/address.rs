//! Two nodes that announce one address: at most one of them becomes master, and a person is told.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::Duration;

use testkit::{Exit, Program, RedisClient, Running, ZooKeeper, eventually, ports};
use zkpaths::{Member, State};

const SOON: Duration = Duration::from_secs(25);
/// The usual patience, and a start before it.
const REFUSED: Duration = Duration::from_secs(50);

fn announcing(zk: &ZooKeeper, port: u16, announced: u16) -> Program {
    Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
        .env("ANNOUNCE_IP", "127.0.0.1")
        .env("ANNOUNCE_PORT", announced.to_string())
}

async fn state(zk: &ZooKeeper) -> State {
    let text = zk.client().get("/redis/state").await.unwrap();
    State::decode(text.as_bytes()).unwrap().unwrap()
}

async fn members(zk: &ZooKeeper) -> Vec<Member> {
    let mut members = Vec::new();
    for name in zk.client().children("/redis/members").await {
        let text = zk.client().get(&format!("/redis/members/{name}")).await;
        members.extend(text.and_then(|text| Member::decode(text.as_bytes()).ok()));
    }
    members
}

async fn run_id(port: u16) -> String {
    let client = RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    client.info("run_id").await.unwrap()
}

async fn serves_as_master(wrapper: &Running) {
    let line = wrapper.wait_log("redis serves", SOON).await;
    assert!(line.contains("role=\"master\""), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_at_a_members_address_gives_up_and_names_it() {
    let zk = ZooKeeper::start().await;
    let [port, other] = ports::some();
    let first = announcing(&zk, port, port).start();
    serves_as_master(&first).await;
    let (before, member) = (state(&zk).await, members(&zk).await.pop().unwrap());
    // A NAT table that leads both announced addresses to the first.
    let second = announcing(&zk, other, port).start();
    assert_eq!(second.wait_exit(REFUSED).await, Exit::Code(69));
    let log = second.log();
    let error = log.lines().find(|line| line.contains("ERROR")).unwrap();
    for named in [
        format!("127.0.0.1:{port}"),
        member.id.to_string(),
        member.run_id.to_string(),
        "ANNOUNCE_PORT".to_owned(),
    ] {
        assert!(error.contains(&named), "{named} in {error}");
    }
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(!log.contains("role decided"), "{log}");
    assert_eq!(state(&zk).await, before);
    assert!(!first.log().contains("ERROR"), "{}", first.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_nobody_registered_keeps_its_address() {
    let zk = ZooKeeper::start().await;
    let stranger = testkit::Redis::start().await;
    let port = stranger.addr().port();
    let wrapper = announcing(&zk, ports::free(), port).start();
    assert_eq!(wrapper.wait_exit(REFUSED).await, Exit::Code(69));
    let log = wrapper.log();
    let error = log.lines().find(|line| line.contains("ERROR")).unwrap();
    assert!(error.contains(&run_id(port).await), "{error}");
    assert_eq!(zk.client().get("/redis/state").await.unwrap_or_default(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predecessor_is_waited_for_until_its_session_ends() {
    let zk = ZooKeeper::start().await;
    let [port, other, announced] = ports::some();
    let old = announcing(&zk, port, announced).start();
    serves_as_master(&old).await;
    let gone = members(&zk).await.pop().unwrap();
    old.kill_tree();
    // A new container with an empty disk takes its place while the old one is still registered.
    let new = announcing(&zk, other, announced).start();
    let line = new.wait_log("is not free", SOON).await;
    assert!(line.contains(&gone.id.to_string()), "{line}");
    serves_as_master(&new).await;
    let now = members(&zk).await;
    assert!(now.iter().all(|member| member.id != gone.id), "{now:?}");
    let recorded = state(&zk).await.master.run_id.unwrap();
    assert_eq!(recorded.to_string(), run_id(other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_wait_for_its_own_last_life() {
    let zk = ZooKeeper::start().await;
    let [port, announced] = ports::some();
    let node = announcing(&zk, port, announced)
        .env("ZK_SESSION_TIMEOUT", "30s")
        .start();
    serves_as_master(&node).await;
    let dead = members(&zk).await.pop().unwrap();
    node.restart();
    serves_as_master(&node).await;
    assert!(!node.log().contains("is not free"), "{}", node.log());
    let now = members(&zk).await;
    assert!(
        now.iter().any(|member| member.id == dead.id),
        "its entry is still there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_never_takes_the_record_from_another_at_its_address() {
    let zk = ZooKeeper::start().await;
    let [port, other, announced] = ports::some();
    let first = announcing(&zk, port, announced).start();
    serves_as_master(&first).await;
    // Its session ends, its Redis serves on, and nobody who starts can know of it.
    first.stop();
    zk.client().wait_for_children("/redis/members", 0, SOON).await;
    let second = announcing(&zk, other, announced).start();
    serves_as_master(&second).await;
    let recorded = state(&zk).await;
    let version = zk.client().version("/redis/state").await;
    first.cont();
    let error = first.wait_log("ERROR", SOON).await;
    let holder = members(&zk).await;
    let holder = holder
        .iter()
        .find(|member| Some(&member.run_id) == recorded.master.run_id.as_ref())
        .unwrap();
    for named in [
        format!("127.0.0.1:{announced}"),
        holder.id.to_string(),
        "ANNOUNCE_PORT".to_owned(),
    ] {
        assert!(error.contains(&named), "{named} in {error}");
    }
    // Its entry is written again when ten more looks have been taken.
    let written = || async {
        let members = members(&zk).await;
        let mine = members.into_iter().find(|member| member.id != holder.id);
        mine.map(|member| member.at_ms)
    };
    let before = written().await;
    eventually("ten more looks", SOON, async || {
        let now = written().await;
        now.is_some() && now != before
    })
    .await;
    assert_eq!(zk.client().version("/redis/state").await, version);
    assert_eq!(recorded.master.run_id.unwrap().to_string(), run_id(other).await);
    assert_eq!(first.log().matches("ERROR").count(), 1, "{}", first.log());
    assert!(!second.log().contains("ERROR"), "{}", second.log());
}
