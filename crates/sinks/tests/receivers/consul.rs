//! Consul: the published API always, and a real one where it is installed; and what becomes of it when it is away or changed by others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sinks::{ConsulConfig, ConsulPart, ConsulService, ConsulSink, Gate, Secret, Step, Terms};
use testkit::{Consul, ConsulMood, Need, PublishedConsulApi, eventually, require};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bench::{Bench, Kept, PATIENCE, TERMS};
use crate::tls::Authority;

const CONSUL: Terms = Terms {
    deadline: Duration::from_secs(10),
    ..TERMS
};

fn service(node: &str) -> ConsulService {
    ConsulService {
        node: node.to_owned(),
        service: "{name}".to_owned(),
        tags: vec!["redis".to_owned(), "of-{name}".to_owned()],
        datacenter: None,
    }
}

fn config(addr: &str) -> ConsulConfig {
    ConsulConfig {
        addr: addr.to_owned(),
        token: None,
        ca: None,
        datacenter: Some("dc1".to_owned()),
        services: BTreeMap::new(),
        others: Some(service("redis-{name}")),
        key: "redis/{name}/master".to_owned(),
        watcher: "10.0.0.100:8080".to_owned(),
        deadline: Duration::from_secs(1),
    }
}

fn kept(bench: &mut Bench, config: ConsulConfig, part: ConsulPart) -> Kept {
    let sink = ConsulSink::new(config, part).unwrap();
    bench.keep(&sink.name(), sink, CONSUL)
}

/// As a person with curl would.
async fn ask(addr: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn read(addr: &str, path: &str) -> Value {
    let text = ask(addr, "GET", path, "").await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

/// The value of a key.
async fn key(addr: &str) -> Value {
    let found = read(addr, "/v1/kv/redis/sessions/master").await;
    let text = found[0]["Value"].as_str().unwrap().to_owned();
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("echo {text} | base64 -d")])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The three parts of one Consul.
struct Parts {
    bench: Bench,
    catalog: Kept,
    agent: Kept,
    keys: Kept,
}

impl Parts {
    fn keep(addr: &str) -> Self {
        let mut bench = Bench::new();
        let of_agent = ConsulService {
            service: "{name}-of-agent".to_owned(),
            ..service("unused")
        };
        let with_agent = ConsulConfig {
            others: Some(of_agent),
            ..config(addr)
        };
        Self {
            catalog: kept(&mut bench, config(addr), ConsulPart::Catalog),
            agent: kept(&mut bench, with_agent, ConsulPart::Agent),
            keys: kept(&mut bench, config(addr), ConsulPart::Key),
            bench,
        }
    }

    async fn in_step(&mut self, epoch: u64) {
        for kept in [&mut self.catalog, &mut self.agent, &mut self.keys] {
            kept.in_step("sessions", epoch).await;
        }
    }
}

/// As if so much time had gone by.
async fn after(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// What somebody else registers.
fn foreign(meta: &str) -> String {
    format!(
        r#"{{"Node":"redis-sessions","Address":"10.0.0.9","Service":{{"ID":"redishappy-consul-sessions","Service":"sessions","Port":1{meta}}}}}"#
    )
}

/// What each part does, told in the same words of any Consul.
async fn all_parts(addr: &str) {
    let mut parts = Parts::keep(addr);
    parts.bench.move_to("sessions", 3, "10.0.0.1:6379");
    parts.in_step(3).await;
    parts.bench.refused("sessions", 2, "10.0.0.9:6379");
    parts.bench.move_to("sessions", 4, "10.0.0.2:6380");
    parts.in_step(4).await;
    has_the_fourth(addr).await;

    // Somebody takes it all away, or writes an older state: it is put back.
    ask(
        addr,
        "PUT",
        "/v1/agent/service/deregister/redis-master-sessions",
        "",
    )
    .await;
    ask(
        addr,
        "PUT",
        "/v1/kv/redis/sessions/master",
        r#"{"epoch":1,"host":"10.0.0.9"}"#,
    )
    .await;
    ask(addr, "PUT", "/v1/catalog/register", &foreign("")).await;
    eventually("all to be put back", PATIENCE, async || {
        let entry = read(addr, "/v1/catalog/service/sessions").await;
        let text = ask(addr, "GET", "/v1/agent/service/redis-master-sessions", "").await;
        entry[0]["ServicePort"] == 6380
            && entry[0]["Address"] == "10.0.0.2"
            && text.contains("10.0.0.2")
            && key(addr).await["epoch"] == 4
    })
    .await;

    // A newer one, whoever wrote it, is left alone.
    ask(
        addr,
        "PUT",
        "/v1/kv/redis/sessions/master",
        r#"{"epoch":9,"host":"10.0.0.7"}"#,
    )
    .await;
    let newer = foreign(",\"Meta\":{\"redis-zk-epoch\":\"9\"}");
    ask(addr, "PUT", "/v1/catalog/register", &newer).await;
    let reason = parts.keys.behind("newer and left alone").await;
    assert!(
        reason.starts_with("the key redis/sessions/master of Consul has 10.0.0.7 of epoch 9"),
        "{reason}"
    );
    parts.catalog.behind("newer and left alone").await;
    parts.bench.move_to("sessions", 5, "10.0.0.3:6379");
    parts.keys.behind("10.0.0.3:6379 of epoch 5").await;
    assert_eq!(key(addr).await["epoch"], 9);
    // Ours is newer again.
    parts.bench.move_to("sessions", 10, "10.0.0.4:6379");
    parts.in_step(10).await;
    assert_eq!(key(addr).await["host"], "10.0.0.4");

    // Who does not lead takes away from the agent what it had registered itself, and from the rest nothing.
    parts.bench.gate.send_replace(Gate::Shut);
    let aside = |standing: &sinks::Standing| standing.step == Step::Standby;
    parts.agent.until("standing aside", aside).await;
    // In many looks, in which it could.
    for _ in 0..200 {
        after(Duration::from_millis(300)).await;
        let there = ask(addr, "GET", "/v1/agent/services", "").await;
        assert!(
            there.contains("redis-master-sessions"),
            "another one may not lead yet"
        );
    }
    after(Duration::from_secs(30)).await;
    eventually("the agent's service to be gone", PATIENCE, async || {
        !read(addr, "/v1/agent/services")
            .await
            .to_string()
            .contains("redis-master-sessions")
    })
    .await;
    assert_eq!(
        read(addr, "/v1/catalog/service/sessions").await[0]["Address"],
        "10.0.0.4"
    );
}

async fn has_the_fourth(addr: &str) {
    let entries = read(addr, "/v1/catalog/service/sessions").await;
    assert_eq!(entries.as_array().unwrap().len(), 1, "{entries}");
    for (field, wanted) in [
        ("Datacenter", json!("dc1")),
        ("Node", json!("redis-sessions")),
        ("Address", json!("10.0.0.2")),
        ("ServiceID", json!("redishappy-consul-sessions")),
        ("ServiceAddress", json!("10.0.0.2")),
        ("ServicePort", json!(6380)),
        ("ServiceTags", json!(["redis", "of-sessions"])),
        ("ServiceMeta", json!({"redis-zk-epoch": "4"})),
    ] {
        assert_eq!(entries[0][field], wanted, "{field} of {entries}");
    }
    let registered = read(addr, "/v1/agent/service/redis-master-sessions").await;
    assert_eq!(registered["Service"], "sessions-of-agent");
    assert_eq!(registered["Address"], "10.0.0.2");
    assert_eq!(registered["Port"], 6380);
    assert_eq!(
        key(addr).await,
        json!({
            "name": "sessions", "host": "10.0.0.2", "port": 6380, "epoch": 4,
            "cause": "failover", "since": "2023-11-14T22:13:20.000Z",
        })
    );
}

#[tokio::test]
async fn all_parts_as_the_api_is_published() {
    let consul = PublishedConsulApi::start(None).await;
    all_parts(&consul.addr()).await;
    assert_eq!(consul.wrongs(), Vec::<String>::new());
    let requests = consul.requests();
    let registered = requests
        .iter()
        .find(|request| request.path == "/v1/catalog/register")
        .unwrap();
    assert_eq!(
        registered.body,
        json!({
            "Datacenter": "dc1", "Node": "redis-sessions", "Address": "10.0.0.1",
            "Service": {
                "ID": "redishappy-consul-sessions", "Service": "sessions", "Tags": ["redis", "of-sessions"],
                "Address": "10.0.0.1", "Port": 6379, "Meta": {"redis-zk-epoch": "3"},
            },
        })
    );
    let at_agent = |request: &&testkit::ConsulRequest| request.path.starts_with("/v1/agent/service/register");
    let check = &requests.iter().find(at_agent).unwrap().body["Check"];
    assert_eq!(
        (&check["TCP"], &check["Status"]),
        (&json!("10.0.0.1:6379"), &json!("passing"))
    );
}

#[tokio::test]
async fn all_parts_of_a_real_consul() {
    let Some(consul) = Consul::start().await else {
        eprintln!("SKIPPED, not tested: no consul on PATH; the published API is tested in its place");
        return;
    };
    all_parts(&consul.addr()).await;
}

#[tokio::test]
async fn nothing_is_written_while_nothing_changes() {
    let consul = PublishedConsulApi::start(None).await;
    let mut bench = Bench::new();
    for part in [ConsulPart::Catalog, ConsulPart::Agent, ConsulPart::Key] {
        let mut kept = kept(&mut bench, config(&consul.addr()), part);
        if part == ConsulPart::Catalog {
            bench.move_to("sessions", 3, "10.0.0.1:6379");
        }
        kept.in_step("sessions", 3).await;
    }
    assert_eq!(consul.writes(), 3);
    let asked = consul.requests().len();
    eventually("further looks", PATIENCE, async || {
        consul.requests().len() > asked + 6
    })
    .await;
    assert_eq!(consul.writes(), 3);
}

#[tokio::test]
async fn consul_that_fails_in_every_way_ends_right_and_holds_up_nobody() {
    let (mut poor, good) = (
        PublishedConsulApi::start(Some("t0k3n")).await,
        PublishedConsulApi::start(None).await,
    );
    let mut bench = Bench::new();
    let with_token = ConsulConfig {
        token: Some(Secret::new("t0k3n")),
        ..config(&poor.addr())
    };
    let mut poor_kept = kept(&mut bench, with_token, ConsulPart::Key);
    let mut good_kept = kept(&mut bench, config(&good.addr()), ConsulPart::Key);
    let mut epoch = 0;
    for (mood, reason) in [
        (ConsulMood::Hang, "no answer within 1000 ms"),
        (
            ConsulMood::Answer(500),
            "500 Internal Server Error: rpc error: No cluster leader",
        ),
        (ConsulMood::Answer(429), "429 Too Many Requests"),
        (ConsulMood::Answer(403), "check CONSUL_HTTP_TOKEN"),
    ] {
        poor.set(mood);
        for port in 7000..7040 {
            epoch += 1;
            bench.move_to("sessions", epoch, &format!("10.0.0.1:{port}"));
        }
        let told = good_kept.in_step("sessions", epoch).await;
        assert!(told.last_took.unwrap() < Duration::from_secs(1), "{told:?}");
        let said = poor_kept.behind(reason).await;
        assert!(!said.contains("t0k3n"), "{said}");
    }
    poor.down().await;
    bench.move_to("sessions", epoch + 1, "10.0.0.2:6379");
    poor_kept.behind("no connection to 127.0.0.1").await;
    assert_eq!(poor.writes(), 0);
    poor.set(ConsulMood::Well);
    poor.up().await;
    poor_kept.in_step("sessions", epoch + 1).await;
    assert_eq!(poor.writes(), 1, "told the last alone");
    // One that was started anew, without what it had.
    poor.forget();
    eventually("the key to be written again", PATIENCE, async || {
        poor.writes() == 2
    })
    .await;
    assert_eq!(poor.wrongs(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_is_needed_and_never_shown() {
    let consul = PublishedConsulApi::start(Some("t0k3n")).await;
    let mut bench = Bench::new();
    let mut without = kept(&mut bench, config(&consul.addr()), ConsulPart::Catalog);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    without.behind("403 Forbidden: Permission denied").await;
    let with = ConsulConfig {
        token: Some(Secret::new("t0k3n")),
        ..config(&consul.addr())
    };
    let shown = format!(
        "{with:?} {:?}",
        ConsulSink::new(with.clone(), ConsulPart::Catalog).unwrap()
    );
    assert!(!shown.contains("t0k3n"), "{shown}");
    let mut with = kept(&mut bench, with, ConsulPart::Catalog);
    with.in_step("sessions", 1).await;
}

#[tokio::test]
async fn tls_with_an_authority_of_its_own() {
    if !require(&[Need::Openssl]) {
        return;
    }
    let authority = Authority::make();
    let consul = PublishedConsulApi::start(None).await;
    let port = authority.in_front_of(consul.port()).await;
    let trusting = ConsulConfig {
        ca: Some(authority.file()),
        ..config(&format!("127.0.0.1:{port}"))
    };
    let mut bench = Bench::new();
    let mut kept_tls = kept(&mut bench, trusting, ConsulPart::Key);
    let doubting = config(&format!("https://127.0.0.1:{port}"));
    let mut doubting = kept(&mut bench, doubting, ConsulPart::Key);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    kept_tls.in_step("sessions", 1).await;
    doubting.behind("no TLS with 127.0.0.1").await;
    let wrong = ConsulConfig {
        ca: Some(authority.file()),
        ..config("http://127.0.0.1:8500")
    };
    let error = ConsulSink::new(wrong, ConsulPart::Key).unwrap_err();
    assert!(error.to_string().contains("write https"), "{error}");
}

#[tokio::test]
async fn a_group_without_an_entry_is_not_registered_and_keys_do_not_clash() {
    let consul = PublishedConsulApi::start(None).await;
    let only_sessions = ConsulConfig {
        services: BTreeMap::from([("sessions".parse().unwrap(), service("n1"))]),
        others: None,
        key: "redis/master".to_owned(),
        ..config(&consul.addr())
    };
    let mut bench = Bench::new();
    let mut catalog = kept(&mut bench, only_sessions.clone(), ConsulPart::Catalog);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    bench.move_to("carts", 1, "10.0.0.2:6379");
    let standing = catalog.in_step("sessions", 1).await;
    let remark = catalog
        .until("remarked", |standing| standing.remark.is_some())
        .await
        .remark
        .unwrap();
    assert!(
        remark.starts_with("nothing is registered for carts"),
        "{remark} {standing:?}"
    );
    assert_eq!(consul.writes(), 1);
    let mut keys = kept(&mut bench, only_sessions, ConsulPart::Key);
    keys.behind("carts, sessions all have it; write {name} into CONSUL_KEY")
        .await;
    assert_eq!(consul.writes(), 1);
}

#[tokio::test]
async fn groups_may_share_a_node_and_who_undoes_it_is_remarked_on() {
    let consul = PublishedConsulApi::start(None).await;
    let shared = ConsulConfig {
        others: Some(service("redis")),
        ..config(&consul.addr())
    };
    let mut bench = Bench::new();
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    bench.move_to("carts", 1, "10.0.0.2:6379");
    let mut kept = kept(&mut bench, shared, ConsulPart::Catalog);
    kept.in_step("sessions", 1).await;
    kept.in_step("carts", 1).await;
    let asked = consul.requests().len();
    eventually("further looks", PATIENCE, async || {
        consul.requests().len() > asked + 6
    })
    .await;
    assert_eq!(consul.writes(), 2, "they do not take the node from each other");
    // As an agent does whose node it is: each time that all was right, it is gone.
    let mut gone = Instant::now();
    eventually("a remark", PATIENCE, async || {
        let standing = kept.now();
        if matches!(standing.step, Step::InStep { at } if at > gone) {
            consul.forget();
            gone = Instant::now();
        }
        let remark = standing.remark.unwrap_or_default();
        remark.contains("undone again and again")
    })
    .await;
}

#[tokio::test]
async fn the_leaders_entry_at_a_shared_agent_is_left_to_it() {
    let consul = PublishedConsulApi::start(None).await;
    let mut old = Bench::new();
    let mut old_kept = kept(&mut old, config(&consul.addr()), ConsulPart::Agent);
    old.move_to("sessions", 1, "10.0.0.1:6379");
    old_kept.in_step("sessions", 1).await;
    // Another watcher leads now, and uses the same agent.
    let mut new = Bench::new();
    let leader = ConsulConfig {
        watcher: "10.0.0.101:8080".to_owned(),
        ..config(&consul.addr())
    };
    let mut new_kept = kept(&mut new, leader, ConsulPart::Agent);
    new.move_to("sessions", 1, "10.0.0.1:6379");
    new_kept.in_step("sessions", 1).await;
    let looks = || {
        let requests = consul.requests();
        requests
            .iter()
            .filter(|request| request.path == "/v1/agent/services")
            .count()
    };
    old.gate.send_replace(Gate::Shut);
    let aside = |standing: &sinks::Standing| standing.step == Step::Standby;
    old_kept.until("standing aside", aside).await;
    after(Duration::from_secs(90)).await;
    eventually("the old leader to look three times", PATIENCE, async || {
        looks() >= 3
    })
    .await;
    assert!(
        !consul
            .requests()
            .iter()
            .any(|request| request.path.contains("deregister"))
    );
}

#[tokio::test]
async fn two_that_both_lead_do_not_write_in_turns() {
    let consul = PublishedConsulApi::start(None).await;
    let of = |watcher: &str| ConsulConfig {
        watcher: watcher.to_owned(),
        ..config(&consul.addr())
    };
    for part in [ConsulPart::Agent, ConsulPart::Key, ConsulPart::Catalog] {
        consul.forget();
        let (mut one, mut two) = (Bench::new(), Bench::new());
        let mut one_kept = kept(&mut one, of("one"), part);
        one.move_to("sessions", 1, "10.0.0.1:6379");
        one_kept.in_step("sessions", 1).await;
        // The other one learned of it in another way.
        let mut group = crate::bench::group("sessions", 1, "10.0.0.1:6379");
        group.master.cause = "start".to_owned();
        group.master.since_ms += 1;
        assert_eq!(two.board.offer(group), sinks::Offer::Moved);
        let mut two_kept = kept(&mut two, of("two"), part);
        two_kept.in_step("sessions", 1).await;
        let (writes, asked) = (consul.writes(), consul.requests().len());
        eventually("many looks", PATIENCE, async || {
            consul.requests().len() > asked + 8
        })
        .await;
        assert_eq!(consul.writes(), writes, "{part:?}");
    }
}

#[tokio::test]
async fn an_odd_answer_for_one_group_is_no_others() {
    let consul = PublishedConsulApi::start(None).await;
    let long = "x".repeat(1024 * 1024);
    // As many as are looked at at once.
    let odd = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for name in odd {
        let path = format!("/v1/kv/redis/{name}/master");
        ask(&consul.addr(), "PUT", &path, &long).await;
    }
    let mut bench = Bench::new();
    let mut kept = kept(&mut bench, config(&consul.addr()), ConsulPart::Key);
    for name in odd.into_iter().chain(["i", "j", "k", "l"]) {
        bench.move_to(name, 1, "10.0.0.1:6379");
    }
    kept.behind("no answer that can be read").await;
    let the_others = |standing: &sinks::Standing| standing.confirmed.len() == 4;
    kept.until("told of the others", the_others).await;
}
