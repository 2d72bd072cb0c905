//! The bytes of every page, as redishappy's clients read them.

use std::ffi::OsString;
use std::io;
use std::time::Instant;

use ::sinks::{Assurance, Board, Group, Master, Offer};
use testkit::http;
use topology::Epoch;

use super::*;

fn settings(name: &str, file: &str) -> Arc<Settings> {
    let read_file = |path: &Path| match path.to_str() {
        Some("config.json") => Ok(file.as_bytes().to_vec()),
        Some(_) => Ok(Vec::new()),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    Arc::new(Settings::read(&[OsString::from(name)], |_| None, read_file).expect("good settings"))
}

fn shown(settings: Arc<Settings>, board: &Board) -> Shown {
    let second = Duration::from_secs(1_483_437_600);
    let heard = |state, nanos: u64, clusters: Option<&[&str]>| Heard {
        state,
        updated: SystemTime::UNIX_EPOCH + second + Duration::from_nanos(nanos),
        clusters: clusters.map(|names| names.iter().map(|name| name.parse().expect("a name")).collect()),
    };
    let addr = |text: &str| text.parse::<Addr>().expect("an address");
    let sentinels = BTreeMap::from([
        (
            addr("10.0.0.9:26379"),
            heard(SentinelState::Alive, 123_456_789, Some(&["cache", "sessions"])),
        ),
        (
            addr("10.0.0.10:26379"),
            heard(SentinelState::Unknown, 120_000_000, None),
        ),
        (addr("[fd00::1]:26379"), heard(SentinelState::Added, 0, Some(&[]))),
        (addr("s.example:1"), heard(SentinelState::Down, 1, None)),
    ]);
    let (_, sentinels) = watch::channel(Arc::new(sentinels));
    Shown {
        settings,
        pictures: board.pictures(),
        sentinels,
    }
}

fn group(name: &str, master: &str) -> Group {
    Group {
        name: name.parse().expect("a name"),
        external_port: None,
        assurance: Assurance::Current,
        master: Master {
            addr: master.parse().expect("an address"),
            epoch: Epoch(1),
            run_id: None,
            cause: "failover".to_owned(),
            since_ms: 0,
            origin: ::sinks::Origin::Recorded,
            seen: Instant::now(),
        },
        replicas: BTreeMap::new(),
    }
}

const TWO: &str = r#"{"clusters": [{"name": "sessions", "externalPort": 6379}, {"name": "cache", "externalPort": 6380}],
    "sentinels": [{"host": "10.0.0.9", "port": 26379}]"#;

/// Serves the pages; answers are of real connections.
async fn serve(shown: Shown) -> (Addr, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let addr = listener.local_addr().expect("an address").into();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let router = each(&shown).into_iter().fold(elsewhere::<()>(), |router, page| {
            router.route(page.path, page.handler)
        });
        let _ = axum::serve(listener, router).await;
    });
    (addr, tasks)
}

async fn body(addr: &Addr, path: &str) -> (u16, String, String) {
    let answer = http::get(addr, path).await.expect("an answer");
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    (answer.status, kind, answer.body)
}

fn is(status: u16, kind: &str, body: &str) -> (u16, String, String) {
    (status, kind.to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_pages_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (template, output) = (dir.path().join("t"), dir.path().join("o"));
    std::fs::write(&template, "{{range .Clusters}}<&>{{end}}\n").unwrap();
    let file = format!(
        r#"{TWO}, "SentinelTCPKeepAlive": 5, "HAProxy": {{"TemplatePath": "{}", "OutputPath": "{}", "ReloadCommand": "x s3cret"}},
        "Consul": {{"Services": [{{"Cluster": "sessions", "Node": "a<b", "Tags": ["x"]}}, {{"Cluster": "cache", "Node": "n"}}]}}}}"#,
        template.display(),
        output.display()
    );
    let board = Board::new(Vec::new());
    let (addr, _tasks) = serve(shown(settings("redis-haproxy", &file), &board)).await;
    let json = "application/json";

    assert_eq!(body(&addr, "/api/ping").await, is(200, TEXT, "Pong"));
    let configuration = format!(
        concat!(
            r#"{{"SentinelTCPKeepAlive":5,"clusters":[{{"name":"sessions","externalPort":6379}},"#,
            r#"{{"name":"cache","externalPort":6380}}],"sentinels":[{{"host":"10.0.0.9","port":26379}}],"#,
            r#""consul":{{"address":"","services":[{{"cluster":"sessions","node":"a\u003cb","datacenter":"","tags":["x"]}},"#,
            r#"{{"cluster":"cache","node":"n","datacenter":"","tags":null}}]}},"#,
            r#""HAProxy":{{"templatePath":"{}","outputPath":"{}","reloadCommand":"(set)"}}}}"#
        ),
        template.display(),
        output.display()
    );
    assert_eq!(
        body(&addr, "/api/configuration").await,
        is(200, json, &configuration)
    );
    let sentinels = concat!(
        r#"{"sentinels":{"10.0.0.10:26379":{"sentinelLocation":"10.0.0.10:26379","lastUpdated":"2017-01-03T10:00:00.12Z","clusters":null,"state":4},"#,
        r#""10.0.0.9:26379":{"sentinelLocation":"10.0.0.9:26379","lastUpdated":"2017-01-03T10:00:00.123456789Z","clusters":["cache","sessions"],"state":3},"#,
        r#""[fd00::1]:26379":{"sentinelLocation":"[fd00::1]:26379","lastUpdated":"2017-01-03T10:00:00Z","clusters":[],"state":1},"#,
        r#""s.example:1":{"sentinelLocation":"s.example:1","lastUpdated":"2017-01-03T10:00:00.000000001Z","clusters":null,"state":2}}}"#
    );
    assert_eq!(body(&addr, "/api/sentinels").await, is(200, json, sentinels));

    assert_eq!(body(&addr, "/api/topology").await, is(200, json, "[]"));
    for (name, master) in [
        ("sessions", "10.0.0.7:6379"),
        ("cache", "[fd00::7]:6380"),
        ("another", "10.0.0.1:1"),
    ] {
        assert_eq!(board.offer(group(name, master)), Offer::Moved);
    }
    let topology = concat!(
        r#"[{"externalPort":6380,"name":"cache","ip":"fd00::7","port":6380},"#,
        r#"{"externalPort":6379,"name":"sessions","ip":"10.0.0.7","port":6379}]"#
    );
    assert_eq!(body(&addr, "/api/topology").await, is(200, json, topology));

    let raw = is(200, TEXT, "{{range .Clusters}}<&>{{end}}\n");
    assert_eq!(body(&addr, "/api/template").await, raw);
    let missing = is(500, TEXT, "Internal Server Error\n");
    assert_eq!(body(&addr, "/api/haproxy").await, missing);
    std::fs::write(&output, "backend x\n").unwrap();
    assert_eq!(body(&addr, "/api/haproxy").await, is(200, TEXT, "backend x\n"));

    let nothing = is(404, TEXT, "404 page not found\n");
    for path in ["/api", "/api/", "/api/xxxx", "/api/ping/", "/api/topology/x"] {
        assert_eq!(body(&addr, path).await, nothing, "{path}");
    }
    let posted = http::request(&addr, "POST", "/api/ping").await.unwrap();
    assert_eq!(
        (posted.status, posted.body.as_str()),
        (404, "404 page not found\n")
    );
    let head = http::request(&addr, "HEAD", "/api/topology").await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some(json));
}

#[tokio::test]
async fn who_keeps_no_haproxy_has_no_pages_of_it() {
    let settings = settings("noop", &format!("{TWO}}}"));
    let (addr, _tasks) = serve(shown(settings, &Board::new(Vec::new()))).await;
    for path in ["/api/template", "/api/haproxy"] {
        assert_eq!(body(&addr, path).await, is(404, TEXT, "404 page not found\n"));
    }
    assert_eq!(body(&addr, "/api/xxxx").await, is(200, TEXT, "Hello!"));
    let configuration = concat!(
        r#"{"SentinelTCPKeepAlive":0,"clusters":[{"name":"sessions","externalPort":6379},{"name":"cache","externalPort":6380}],"#,
        r#""sentinels":[{"host":"10.0.0.9","port":26379}],"consul":{"address":"","services":null},"HAProxy":{}}"#
    );
    assert_eq!(
        body(&addr, "/api/configuration").await,
        is(200, "application/json", configuration)
    );
}
