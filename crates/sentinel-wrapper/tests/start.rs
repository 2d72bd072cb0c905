//! From nothing to a registered Sentinel, and back.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{Group, NAME, SOON, Wrapper, add_member, alive, program, record, registration, signal_to};
use tempfile::TempDir;
use testkit::{Exit, Redis, Sentinel, SentinelClient, ZooKeeper, eventually, ports};
use topology::Addr;

#[tokio::test]
async fn gives_up_with_one_clear_line_when_nobody_becomes_master() {
    let zk = ZooKeeper::start().await;
    let dir = TempDir::new().unwrap();
    let wrapper = program(&zk.hosts(), ports::free(), dir.path())
        .env("MASTER_WAIT", "1s")
        .start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(1));
    let log = wrapper.log();
    assert_eq!(
        log.lines().filter(|line| line.contains("giving up")).count(),
        1,
        "{log}"
    );
}

#[tokio::test]
async fn without_zookeeper_it_tries_on_and_says_so_once() {
    let dir = TempDir::new().unwrap();
    let hosts = format!("127.0.0.1:{}", ports::free());
    let wrapper = program(&hosts, ports::free(), dir.path())
        .env("MASTER_WAIT", "4s")
        .start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(1));
    let log = wrapper.log();
    assert_eq!(
        log.matches("zookeeper is not reachable; trying on").count(),
        1,
        "{log}"
    );
    assert!(
        log.contains(&format!("{hosts} refuses connections")) && log.contains("check the port in ZK_HOSTS"),
        "{log}"
    );
}

#[tokio::test]
async fn waits_for_a_master_through_garbage_and_then_starts() {
    let group = Group::start(0, 1).await;
    let zk = group.zk.client();
    zk.set("/redis/state", "{\"half").await;
    zk.set("/redis/sentinels/garbage", "what?").await;
    zk.create("/redis/identities/not-an-id", "").await;
    let wrapper = group.wrapper();
    wrapper.program.wait_log("state is malformed", SOON).await;
    assert_eq!(registration(zk, &wrapper.addr).await, None);
    group.record(group.master.addr(), 1).await;
    wrapper.wait_registered(zk).await;
    wrapper.wait_names(group.master.addr(), 1, SOON).await;
}

#[tokio::test]
async fn the_old_contract_alone_is_enough() {
    let group = Group::start(0, 1).await;
    group.zk.client().delete("/redis/state").await;
    let wrapper = group.wrapper();
    wrapper.wait_names(group.master.addr(), 0, SOON).await;
}

#[tokio::test]
async fn three_at_once_are_a_quorum_with_three_identities() {
    let group = Group::start(2, 3).await;
    let wrappers = group.wrappers(3).await;
    let mut ids = Vec::new();
    for wrapper in &wrappers {
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
        wrapper.wait_names(group.master.addr(), 3, SOON).await;
        ids.push(wrapper.id().await);
        wrapper.wait_registered(group.zk.client()).await;
    }
    ids.sort();
    let slots = group.zk.client().children("/redis/identities").await;
    assert_eq!(slots, ids, "each has a slot of its own");
}

#[tokio::test]
async fn free_identities_are_shared_out_under_contention() {
    let group = Group::start(0, 1).await;
    let slots: Vec<String> = (1..=4).map(|n| format!("{n:02x}").repeat(20)).collect();
    for id in &slots {
        group
            .zk
            .client()
            .create(&format!("/redis/identities/{id}"), "")
            .await;
    }
    let wrappers = group.wrappers(4).await;
    let mut ids = Vec::new();
    for wrapper in &wrappers {
        ids.push(wrapper.id().await);
    }
    ids.sort();
    assert_eq!(ids, slots);
    assert_eq!(
        group.zk.client().children("/redis/identities").await,
        slots,
        "and no other was made"
    );
}

/// Old wrappers leave registrations behind, and another group's Sentinel may be at that address by now, of the same name.
/// Believing it would bring both groups under one master, and one's data to an end.
#[tokio::test]
async fn a_stranger_at_a_remembered_address_is_not_believed() {
    let group = Group::start(1, 1).await;
    let strange = Redis::start().await;
    let epoch = format!("sentinel config-epoch {NAME} 9");
    let stranger = Sentinel::builder().monitor(NAME, strange.addr(), 1).line(&epoch);
    let stranger = stranger.start().await;
    // And one of ours that an old wrapper started; it has gone on to a later epoch.
    let epoch = format!("sentinel config-epoch {NAME} 4");
    let own = Sentinel::builder()
        .monitor(NAME, group.master.addr(), 1)
        .line(&epoch);
    let own = own.start().await;
    own.wait_knows(NAME, 1, 0, SOON).await;
    for (name, sentinel) in [("stranger", &stranger), ("own", &own)] {
        let path = format!("/redis/sentinels/{name}");
        group.zk.client().create(&path, &sentinel.addr().contract()).await;
    }
    let wrapper = group.wrapper();
    let line = wrapper.program.wait_log("sentinel started", SOON).await;
    assert!(line.contains("peers=1 "), "{line}");
    wrapper.wait_names(group.master.addr(), 4, SOON).await;
    assert_eq!(wrapper.known_sentinels().await, [own.addr().port()]);
    assert_eq!(
        stranger.field(NAME, "num-other-sentinels").await.as_deref(),
        Some("0")
    );
}

/// The last one is told everything before it starts: it needs no hello of the others.
#[tokio::test]
async fn a_new_sentinel_is_a_full_voter_at_once() {
    let group = Group::start(2, 3).await;
    let _others = group.wrappers(2).await;
    let wrapper = group.wrapper();
    wrapper.program.wait_log("sentinel answers", SOON).await;
    let begun = Instant::now();
    wrapper
        .sentinel
        .wait_knows(NAME, 2, 2, Duration::from_secs(1))
        .await;
    eventually("a quorum", Duration::from_secs(1), async || {
        wrapper.quorum().await
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn sigterm_deregisters_and_ends_cleanly() {
    let group = Group::start(0, 1).await;
    let wrapper = group.wrapper();
    let path = wrapper.wait_registered(group.zk.client()).await;
    let id = wrapper.id().await;
    let child = wrapper.program.child_pid().unwrap();
    wrapper.program.terminate();
    wrapper.program.terminate();
    assert_eq!(wrapper.program.wait_exit(SOON).await, Exit::Code(0));
    let zk = group.zk.client();
    assert_eq!(zk.get(&path).await, None, "not even until the session ends");
    assert_eq!(zk.get(&format!("/redis/identities/{id}/holder")).await, None);
    assert!(
        zk.get(&format!("/redis/identities/{id}")).await.is_some(),
        "the slot stays for the next one"
    );
    assert!(!alive(child));
}

#[tokio::test]
async fn sigkill_of_the_wrapper_leaves_no_orphan() {
    let group = Group::start(0, 1).await;
    let wrapper = group.wrapper();
    let path = wrapper.wait_registered(group.zk.client()).await;
    let child = wrapper.program.child_pid().unwrap();
    wrapper.program.kill();
    eventually("the end of the sentinel", SOON, async || !alive(child)).await;
    group
        .zk
        .client()
        .wait_for(&path, SOON, |data| data.is_none())
        .await;
}

#[tokio::test]
async fn the_childs_end_is_the_wrappers_end() {
    let group = Group::start(0, 1).await;
    let wrapper = group.wrapper();
    let path = wrapper.wait_registered(group.zk.client()).await;
    signal_to(wrapper.program.child_pid().unwrap(), "KILL");
    assert_eq!(wrapper.program.wait_exit(SOON).await, Exit::Code(128 + 9));
    assert_eq!(group.zk.client().get(&path).await, None);
}

#[tokio::test]
async fn a_port_in_use_is_the_users_to_see() {
    let group = Group::start(0, 1).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let wrapper = program(&group.zk.hosts(), port, &group.data_dir("taken")).start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(69));
    let log = wrapper.log();
    assert!(
        log.contains("Address already in use") && log.contains("choose another PORT0"),
        "{log}"
    );
    let addr = Addr::new("127.0.0.1", port).unwrap();
    assert_eq!(registration(group.zk.client(), &addr).await, None);
}

#[tokio::test]
async fn the_users_template_is_honoured_and_never_written_to() {
    let group = Group::start(0, 1).await;
    let dir = group.data_dir("template");
    let (template, more) = (dir.join("mine.conf"), dir.join("more.conf"));
    let text = "# mine\nport 1\ndaemonize yes\ninclude more.conf\nsentinel down-after-milliseconds master1 3000\n\
        sentinel parallel-syncs master1 7\nsentinel monitor master1 1.1.1.1 1 1\n";
    let other = "sentinel monitor other 192.0.2.1 1 1\nsentinel down-after-milliseconds other 7000\n";
    std::fs::write(&template, text).unwrap();
    std::fs::write(&more, "include conf.d/*.conf\n").unwrap();
    std::fs::create_dir(dir.join("conf.d")).unwrap();
    let more = dir.join("conf.d/other.conf");
    std::fs::write(&more, other).unwrap();
    let port = ports::free();
    let wrapper = program(&group.zk.hosts(), port, &dir)
        .env("SENTINEL_CONF", template.display().to_string())
        .env("PARALLEL_SYNCS", "2")
        .arg("--")
        .arg("--maxclients")
        .arg("77")
        .arg("--port")
        .arg("5");
    let wrapper = Wrapper::start(port, wrapper);
    wrapper.wait_registered(group.zk.client()).await;
    let field = async |name: &str, field: &str| wrapper.sentinel.field(name, field).await.unwrap();
    assert_eq!(
        field(NAME, "down-after-milliseconds").await,
        "3000",
        "the template over a default"
    );
    assert_eq!(
        field(NAME, "parallel-syncs").await,
        "2",
        "the environment over the template"
    );
    assert_eq!(field(NAME, "failover-timeout").await, "5000");
    assert_eq!(field("other", "down-after-milliseconds").await, "7000");
    // Sentinel rewrites its file now; the user's stay as they were.
    wrapper
        .sentinel
        .command(&["SENTINEL", "SET", NAME, "quorum", "1"])
        .await
        .unwrap();
    assert_eq!(std::fs::read_to_string(&template).unwrap(), text);
    assert_eq!(std::fs::read_to_string(&more).unwrap(), other);
    // Sentinel itself makes the file 0644 when it rewrites it: what keeps the passwords is the directory.
    let private = std::fs::metadata(dir.join(format!("sentinel-{port}"))).unwrap();
    assert_eq!(private.permissions().mode() & 0o777, 0o700);
    let log = wrapper.program.log();
    for (setting, line) in [
        ("port", 2),
        ("daemonize", 3),
        ("sentinel parallel-syncs", 6),
        ("sentinel monitor", 7),
    ] {
        let named = |text: &&str| {
            text.contains("no effect") && text.contains(&format!("line={line} ")) && text.contains(setting)
        };
        assert!(log.lines().any(|text| named(&text)), "{setting}: {log}");
    }
    assert!(
        log.contains("another group is watched too") && log.contains("conf.d/other.conf line=1 group=other"),
        "{log}"
    );
    // What Sentinel has written can be started from again, by the next wrapper in this directory.
    let id = wrapper.id().await;
    wrapper.program.terminate();
    wrapper.program.wait_exit(SOON).await;
    wrapper.program.restart();
    wrapper.wait_registered(group.zk.client()).await;
    assert_eq!(wrapper.id().await, id);
}

#[tokio::test]
async fn whole_lines_as_arguments_count_and_show_no_password() {
    let group = Group::start(0, 1).await;
    let port = ports::free();
    let program = program(&group.zk.hosts(), port, &group.data_dir("arguments"))
        .arg("--")
        .arg("--port 7777")
        .arg("--daemonize yes")
        .arg("--sentinel auth-pass master1 sesame")
        .arg("--maxclients")
        .arg("77");
    let wrapper = Wrapper::start(port, program);
    wrapper.wait_registered(group.zk.client()).await;
    let log = wrapper.program.log();
    for (line, setting) in [(1, "port"), (2, "daemonize")] {
        let named = format!("path=arguments after -- line={line} setting=\"{setting}\"");
        assert!(log.contains(&named), "{setting}: {log}");
    }
    let child = wrapper.program.child_pid().unwrap();
    let words = std::fs::read(format!("/proc/{child}/cmdline")).unwrap();
    let words = String::from_utf8_lossy(&words);
    // Its title tells its port, which may hold any digits.
    let told = words
        .split(['\0', ' '])
        .any(|word| word == "77" || word.contains("maxclients"));
    assert!(!words.contains("sesame") && !told, "{words}");
    let file = group
        .data_dir("arguments")
        .join(format!("sentinel-{port}/sentinel.conf"));
    let file = std::fs::read_to_string(file).unwrap();
    assert!(
        file.contains("sesame") && file.contains("maxclients 77"),
        "{file}"
    );
}

/// As under a scheduler that gives every start another port.
#[tokio::test]
async fn what_other_ports_left_is_cleared_away_and_no_vote_of_theirs_forgotten() {
    let group = Group::start(0, 1).await;
    let dir = group.data_dir("shared");
    for n in 1..=9 {
        let left = dir.join(format!("sentinel-{n}"));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(".wrapper-alive.lock"), "").unwrap();
        let text = format!(
            "sentinel monitor {NAME} 10.0.0.1 1 2\nsentinel current-epoch {}\n",
            50 - n
        );
        std::fs::write(left.join("sentinel.conf"), text).unwrap();
        let file = std::fs::File::options()
            .write(true)
            .open(left.join("sentinel.conf"));
        let written = std::time::SystemTime::now() - Duration::from_secs(100 - n);
        file.unwrap().set_modified(written).unwrap();
    }
    let port = ports::free();
    let wrapper = Wrapper::start(port, program(&group.zk.hosts(), port, &dir));
    wrapper.wait_registered(group.zk.client()).await;
    let file = std::fs::read_to_string(dir.join(format!("sentinel-{port}/sentinel.conf"))).unwrap();
    assert!(file.contains("sentinel current-epoch 49"), "{file}");
    assert!(!dir.join("sentinel-1").exists() && dir.join("sentinel-2").exists());
    assert!(
        wrapper.program.log().contains("cleared away"),
        "{}",
        wrapper.program.log()
    );
}

/// What a package installs: `docs/settings.md` names it as the example of SENTINEL_CONF.
const STOCK: &str = "/etc/redis/sentinel.conf";

#[tokio::test]
async fn the_stock_file_watches_nobody_a_second_time() {
    let group = Group::start(0, 1).await;
    let dir = group.data_dir("stock");
    let template = dir.join("stock.conf");
    let installed = std::fs::read_to_string(STOCK).ok();
    let text = installed.filter(|text| text.contains("\nsentinel monitor mymaster 127.0.0.1 6379 2\n"));
    let text = text.unwrap_or_else(|| {
        "port 26379\nsentinel monitor mymaster 127.0.0.1 6379 2\nsentinel down-after-milliseconds mymaster 30000\n\
         acllog-max-len 128\nsentinel parallel-syncs mymaster 1\nSENTINEL resolve-hostnames no\n"
            .to_owned()
    });
    let port_of_ours = format!("127.0.0.1 {}", group.master.addr().port());
    // Stock, and as somebody would mend it for our ports.
    for text in [text.clone(), text.replace("127.0.0.1 6379", &port_of_ours)] {
        std::fs::write(&template, &text).unwrap();
        let port = ports::free();
        let program =
            program(&group.zk.hosts(), port, &dir).env("SENTINEL_CONF", template.display().to_string());
        let wrapper = Wrapper::start(port, program);
        wrapper.wait_registered(group.zk.client()).await;
        assert_eq!(wrapper.sentinel.field("mymaster", "port").await, None);
        let watched = wrapper.sentinel.field(NAME, "port").await;
        assert_eq!(watched, Some(group.master.addr().port().to_string()));
        let number = text
            .lines()
            .position(|line| line.starts_with("sentinel monitor"))
            .unwrap()
            + 1;
        let log = wrapper.program.log();
        let named = |line: &str| {
            line.contains("stock.conf")
                && line.contains(&format!("line={number} "))
                && line.contains("ours under another name")
        };
        assert!(log.lines().any(named), "{log}");
    }
}

#[tokio::test]
async fn passwords_are_carried_everywhere() {
    let zk = ZooKeeper::start().await;
    let master = Redis::builder().password("open sesame").start().await;
    let replica = Redis::builder()
        .password("open sesame")
        .replica_of(master.addr())
        .start()
        .await;
    let dir = TempDir::new().unwrap();
    record(zk.client(), master.addr(), 1).await;
    add_member(zk.client(), master.addr()).await;
    add_member(zk.client(), replica.addr()).await;
    let wrappers = [ports::free(), ports::free()].map(|port| {
        let data = dir.path().join(port.to_string());
        let program = program(&zk.hosts(), port, &data)
            .env("REDIS_PASSWORD", "open sesame")
            .env("SENTINEL_PASSWORD", "two\"words");
        let addr = Addr::new("127.0.0.1", port).unwrap();
        Wrapper {
            sentinel: SentinelClient::new(&addr, Some("two\"words")),
            program: program.start(),
            addr,
        }
    });
    for wrapper in &wrappers {
        wrapper.sentinel.wait_knows(NAME, 1, 1, SOON).await;
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
        let flags = async || {
            wrapper
                .sentinel
                .field(NAME, "flags")
                .await
                .filter(|flags| flags == "master")
        };
        eventually("a well master", SOON, flags).await;
        let reply = SentinelClient::new(&wrapper.addr, None).command(&["PING"]).await;
        assert!(reply.is_err(), "without a password: {reply:?}");
        assert!(
            !wrapper.program.log().contains("open sesame"),
            "{}",
            wrapper.program.log()
        );
    }
    // Moved: confirmed, told and taken, all with passwords.
    replica.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    record(zk.client(), replica.addr(), 5).await;
    for wrapper in &wrappers {
        wrapper.wait_names(replica.addr(), 5, SOON).await;
    }
}

#[tokio::test]
async fn ipv6_is_an_address_like_any_other() {
    let group = Group::start(0, 1).await;
    let wrappers = [ports::free(), ports::free()].map(|port| {
        let program =
            program(&group.zk.hosts(), port, &group.data_dir(&port.to_string())).env("BIND_IP", "::1");
        let addr = Addr::new("::1", port).unwrap();
        Wrapper {
            sentinel: SentinelClient::new(&addr, None),
            program: program.start(),
            addr,
        }
    });
    for wrapper in &wrappers {
        wrapper.wait_registered(group.zk.client()).await;
        wrapper.sentinel.wait_knows(NAME, 0, 1, SOON).await;
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
        // Health checks come from the loopback of either family.
        let loopback = Addr::new("127.0.0.1", wrapper.addr.port()).unwrap();
        SentinelClient::new(&loopback, None)
            .command(&["PING"])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_unreadable_template_is_one_clear_error() {
    let dir = TempDir::new().unwrap();
    let template = dir.path().join("mine.conf");
    std::fs::write(&template, "include gone.conf\n").unwrap();
    let wrapper = program("127.0.0.1:1", ports::free(), dir.path())
        .env("SENTINEL_CONF", template.display().to_string())
        .start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
    assert!(wrapper.log().contains("gone.conf"), "{}", wrapper.log());
    std::fs::write(&template, b"maxclients 7\nrequirepass f\xfcr\n").unwrap();
    wrapper.restart();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
    assert!(
        wrapper.log().contains("mine.conf, line 2: not UTF-8"),
        "{}",
        wrapper.log()
    );
}

#[tokio::test]
async fn a_sentinel_that_the_master_does_not_let_in_is_not_ready_and_says_why() {
    let zk = ZooKeeper::start().await;
    let master = Redis::builder().password("open sesame").start().await;
    record(zk.client(), master.addr(), 1).await;
    let dir = TempDir::new().unwrap();
    let (port, admin) = (ports::free(), ports::free());
    let program = program(&zk.hosts(), port, dir.path())
        .env("ADMIN_PORT", admin.to_string())
        .env("REDIS_PASSWORD", "open barley");
    let wrapper = Wrapper::start(port, program);
    wrapper.wait_registered(zk.client()).await;
    let page = Addr::new("127.0.0.1", admin).unwrap();
    let ready = async |status: u16, words: &str| {
        eventually(&format!("/ready to be {status}, {words}"), SOON, async || {
            let answer = testkit::http::get(&page, "/ready")
                .await
                .map_err(|error| error.to_string())?;
            if answer.status == status && answer.body.contains(words) {
                Ok(())
            } else {
                Err(answer.body)
            }
        })
        .await;
    };
    let metric = async || {
        let page = testkit::http::get(&page, "/metrics").await.unwrap().body;
        let line = page
            .lines()
            .find(|line| line.starts_with("redis_zk_sentinel_master_denies "));
        line.map(str::to_owned)
    };
    ready(503, "check REDIS_PASSWORD").await;
    assert_eq!(
        metric().await.as_deref(),
        Some("redis_zk_sentinel_master_denies 1")
    );
    // Not only we: Sentinel itself holds it for down, and that is no other news.
    let down = async || {
        let flags = wrapper.sentinel.field(NAME, "flags").await?;
        flags.contains("s_down").then_some(())
    };
    eventually("sentinel to hold the master for down", SOON, down).await;
    ready(503, "WRONGPASS").await;
    master
        .command(&["CONFIG", "SET", "requirepass", "open barley"])
        .await
        .unwrap();
    ready(200, "registered").await;
    assert_eq!(
        metric().await.as_deref(),
        Some("redis_zk_sentinel_master_denies 0")
    );
    let log = wrapper.program.log();
    assert_eq!(
        log.matches("the master does not let this sentinel in").count(),
        1,
        "{log}"
    );
    assert!(
        log.contains("the master lets this sentinel in") && !log.contains("barley"),
        "{log}"
    );
}

#[tokio::test]
async fn another_groups_tree_is_refused_and_who_waits_shows_its_session() {
    let zk = ZooKeeper::start().await;
    let dir = TempDir::new().unwrap();
    let (port, admin) = (ports::free(), ports::free());
    let wrapper = program(&zk.hosts(), port, dir.path())
        .env("MASTER_NAME", "sessions")
        .env("ADMIN_PORT", admin.to_string())
        .start();
    wrapper.wait_log("waiting for a master", SOON).await;
    let page = Addr::new("127.0.0.1", admin).unwrap();
    eventually("the page to know of the session", SOON, async || {
        let role = testkit::http::get(&page, "/role").await.ok()?.json();
        (role["zookeeper"] == true && role["doing"] == "waiting for a master").then_some(())
    })
    .await;
    let master = Addr::new("127.0.0.1", 1).unwrap();
    record(zk.client(), &master, 1).await;
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
    let log = wrapper.log();
    assert!(
        log.contains("`sessions`") && log.contains(&format!("MASTER_NAME={NAME}")) && log.contains("ZK_ROOT"),
        "{log}"
    );
}

/// `MASTER_WAIT=0` is for ever, so TimeoutStartSec may not end it. Once Sentinel answers there is nothing to extend.
#[tokio::test]
async fn systemd_waits_as_long_as_there_is_no_master() {
    let group = Group::start(0, 1).await;
    let zk = group.zk.client();
    zk.set("/redis/state", "").await;
    zk.set("/redis/master", "").await;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let program = program(&group.zk.hosts(), ports::free(), &group.data_dir("systemd"))
        .env("MASTER_WAIT", "0")
        .env("NOTIFY_SOCKET", path.display().to_string())
        .start();
    let mut buffer = [0; 512];
    let mut extended = 0;
    loop {
        let received = tokio::time::timeout(SOON, socket.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("{}", program.log())).unwrap();
        let told = String::from_utf8_lossy(&buffer[..length]);
        if told.contains("READY=1") {
            break;
        }
        if told == "EXTEND_TIMEOUT_USEC=30000000" {
            extended += 1;
            if extended == 3 {
                record(zk, group.master.addr(), 1).await;
            }
        }
    }
    assert!(extended >= 3, "{extended}");
}
