//! redishappy's interface with real Sentinels: its configuration, its pages, its failovers.

use std::fs;
use std::path::Path;

use testkit::{Need, Program, eventually, http, ports};
use topology::Addr;

use crate::group::{DEADLINE, Group, Watching, servers};

/// The watcher as who ran redishappy starts it.
pub(crate) fn happy(dir: &Path, config: &str, env: &[(&str, &str)]) -> Watching {
    let file = dir.join("config.json");
    fs::write(&file, config).unwrap();
    let port = ports::free();
    let mut program = Program::new("watcher")
        .arg("-config")
        .arg(file)
        .env("PORT", port.to_string());
    for (name, value) in env {
        program = program.env(name, *value);
    }
    Watching {
        program: program.start(),
        page: Addr::new("127.0.0.1", port).unwrap(),
    }
}

/// Where `/api/topology` says that the master of the only cluster is.
async fn topology(watching: &Watching) -> String {
    watching.get("/api/topology").await.body
}

#[tokio::test]
async fn its_pages_follow_a_failover() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let (dir, seed) = (tempfile::tempdir().unwrap(), &group.sentinels[0]);
    let config = format!(
        r#"{{"clusters": [{{"name": "master1", "externalPort": 7000}}], "SENTINELS": [{{"Host": "127.0.0.1", "port": {}}}]}}"#,
        seed.port()
    );
    let watching = happy(dir.path(), &config, &[]);
    let line = |addr: &Addr| {
        format!(
            r#"[{{"externalPort":7000,"name":"master1","ip":"127.0.0.1","port":{}}}]"#,
            addr.port()
        )
    };
    let named = async |addr: &Addr| {
        eventually("/api/topology to name the master", DEADLINE, async || {
            let body = topology(&watching).await;
            (body.trim() == line(addr)).then_some(()).ok_or(body)
        })
        .await;
    };
    named(group.nodes[0].addr()).await;
    assert_eq!(watching.get("/api/ping").await.body, "Pong");
    eventually("all Sentinels to be found", DEADLINE, async || {
        let said = watching.get("/api/sentinels").await;
        let known = said.json()["sentinels"].as_object().cloned().unwrap_or_default();
        let alive = known.values().filter(|sentinel| sentinel["state"] == 3).count();
        (alive == 3).then_some(()).ok_or(said.body)
    })
    .await;
    let shown = watching.get("/api/configuration").await.json();
    assert_eq!(shown["clusters"][0]["externalPort"], 7000, "{shown}");

    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    named(&to).await;
    // Our own pages are there as well.
    assert_eq!(watching.get("/v1/master").await.json()["port"], to.port());
}

#[tokio::test]
async fn every_problem_of_its_configuration_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{"Clusters": [{"Name": "", "ExternalPort": 0}], "Sentinels": []}"#;
    let refused = happy(dir.path(), config, &[("STOP_GRACE", "soon")]);
    assert_eq!(refused.program.wait_exit(DEADLINE).await, testkit::Exit::Code(64));
    let log = refused.program.log_tail();
    for part in ["Clusters", "Sentinels", "STOP_GRACE"] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }
}

#[tokio::test]
async fn its_sample_template_becomes_a_file_that_haproxy_takes() {
    if !servers() || !testkit::require(&[Need::Haproxy]) {
        return;
    }
    let group = Group::start().await;
    let dir = tempfile::tempdir().unwrap();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/haproxy_template.cfg");
    let (output, reloads) = (dir.path().join("haproxy.cfg"), dir.path().join("reloads"));
    let reload = format!("echo >> {}", reloads.display());
    let config = serde_json::json!({
        "Clusters": [{"Name": "master1", "ExternalPort": ports::free()}],
        "Sentinels": [{"Host": "127.0.0.1", "Port": group.sentinels[0].port()}],
        "HAProxy": {"TemplatePath": template, "OutputPath": output, "ReloadCommand": reload},
    });
    let watching = happy(dir.path(), &config.to_string(), &[]);
    let reloaded = || fs::read_to_string(&reloads).unwrap_or_default().lines().count();
    let written = async |addr: &Addr| {
        let server = format!("R_master1_1 127.0.0.1:{} ", addr.port());
        eventually("the file to name the master", DEADLINE, async || {
            let shown = watching.get("/api/haproxy").await.body;
            if shown.contains(&server) {
                Ok(())
            } else {
                Err(format!("{shown}\n{}", watching.program.log_tail()))
            }
        })
        .await;
    };
    written(group.nodes[0].addr()).await;
    assert_eq!(
        watching.get("/api/template").await.body,
        fs::read_to_string(&template).unwrap()
    );
    eventually("one reload", DEADLINE, async || reloaded() == 1).await;
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    written(&to).await;
    eventually("one more reload", DEADLINE, async || reloaded() == 2).await;
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        watching.get("/api/haproxy").await.body
    );
}

/// No Sentinel answers, and HAProxy's file is there already: the pages need neither.
#[tokio::test]
async fn with_a_token_its_pages_are_for_those_who_show_it() {
    let dir = tempfile::tempdir().unwrap();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/haproxy_template.cfg");
    let output = dir.path().join("haproxy.cfg");
    fs::write(&output, "# as it was\n").unwrap();
    let config = serde_json::json!({
        "Clusters": [{"Name": "master1", "ExternalPort": ports::free()}],
        "Sentinels": [{"Host": "127.0.0.1", "Port": ports::free()}],
        "HAProxy": {"TemplatePath": template, "OutputPath": output, "ReloadCommand": "true"},
    });
    let watching = happy(dir.path(), &config.to_string(), &[("HTTP_TOKEN", "t0k3n")]);
    let ping = watching.get("/api/ping").await;
    assert_eq!((ping.status, ping.body.as_str()), (200, "Pong"));
    for path in [
        "/api/configuration",
        "/api/sentinels",
        "/api/topology",
        "/api/template",
        "/api/haproxy",
    ] {
        assert_eq!(watching.get(path).await.status, 401, "{path}");
        for (token, status) in [("Bearer t0k3", 401), ("Bearer t0k3n", 200)] {
            let header = [("Authorization", token)];
            let answer = http::send(&watching.page, "GET", path, &header, "", DEADLINE)
                .await
                .unwrap();
            assert_eq!(answer.status, status, "{path}: {}", answer.body);
        }
    }
    // A file that is gone is a refusal that is described.
    fs::remove_file(&output).unwrap();
    let shown = async |path| {
        let header = [("Authorization", "Bearer t0k3n")];
        http::send(&watching.page, "GET", path, &header, "", DEADLINE)
            .await
            .unwrap()
    };
    assert_eq!(shown("/api/haproxy").await.status, 500);
    let paths = shown("/v1/openapi.json").await.json()["paths"].clone();
    for (path, described) in [
        ("/api/haproxy", true),
        ("/api/template", true),
        ("/api/topology", false),
    ] {
        let answer = &paths[path]["get"]["responses"]["500"];
        assert_eq!(answer.is_object(), described, "{path}: {answer}");
    }
}
