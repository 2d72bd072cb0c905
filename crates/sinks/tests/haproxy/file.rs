//! The file way: a real HAProxy that is reloaded for each change, once.
//!
//! Commands need the program's own reaper, which takes every status: each test needs a process of its own, as nextest gives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sinks::haproxy::{File, FileSink};
use sinks::{Board, Brought, Gate, Shell, Sink, SinkError, Standing, Terms, keep};
use supervisor::Children;
use tempfile::TempDir;
use testkit::{Launch, Need, Process, Redis, eventually, ports, require, soak};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::Addr;

use crate::proxy::{SOON, client, group, head, loopback, picture, program};

/// A directory with a template, and what was run.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    shell: Shell,
}

impl Desk {
    pub(crate) fn new(template: &str) -> Self {
        let desk = Self {
            dir: tempfile::tempdir().expect("a directory"),
            shell: Shell::new(Children::start().expect("a reaper"), Vec::new()),
        };
        desk.template(template);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn template(&self, text: &str) {
        fs::write(self.path("template"), text).expect("a file");
    }

    pub(crate) fn output(&self) -> Option<String> {
        fs::read_to_string(self.path("out.cfg")).ok()
    }

    /// One line for each reload: what the file began with then.
    pub(crate) fn reloads(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("reloads")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A command that notes a reload, and then does `more`.
    pub(crate) fn noting(&self, more: &str) -> String {
        format!(
            "head -n 1 \"$FILE\" >> {}; {more}",
            self.path("reloads").display()
        )
    }

    pub(crate) fn sink(&self, check: Option<&str>, reload: &str, deadline: Duration) -> FileSink {
        self.sink_in(self.dir.path(), check, reload, deadline)
    }

    pub(crate) fn sink_in(
        &self,
        dir: &Path,
        check: Option<&str>,
        reload: &str,
        deadline: Duration,
    ) -> FileSink {
        let file = File {
            template: self.path("template"),
            output: dir.join("out.cfg"),
            check: check.map(str::to_owned),
            reload: Some(reload.to_owned()),
            deadline,
        };
        FileSink::new(file, self.shell.clone(), Instant::now())
    }
}

pub(crate) fn one(epoch: u64, master: &Addr) -> sinks::Picture {
    picture(vec![group("sessions", epoch, master, &[])])
}

fn check() -> String {
    format!("{} -c -f \"$FILE\"", program().display())
}

async fn reached(port: u16) -> Option<String> {
    let answer = client(port).command(&["GET", "who"]).await.ok()?;
    Some(testkit::text(&answer))
}

#[tokio::test]
async fn haproxy_is_reloaded_once_for_each_change() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let (first, second) = (Redis::start().await, Redis::start().await);
    first.set("who", "first").await;
    second.set("who", "second").await;
    let port = ports::free();
    let desk = Desk::new("");
    let head = head(desk.dir.path());
    desk.template(&format!(
        "# {{{{range .Clusters}}}}{{{{.Epoch}}}}{{{{end}}}}\n{head}{{{{range .Clusters}}}}\nlisten {{{{.Name}}}}\n  bind 127.0.0.1:{port}\n  \
         server {{{{.Name}}}} {{{{.Ip}}}}:{{{{.Port}}}}\n{{{{end}}}}"
    ));
    let pid = desk.path("pid");
    let pid_file = pid.clone();
    let reload = desk.noting(&format!("test ! -f {0} || kill -USR2 $(cat {0})", pid.display()));
    let mut sink = desk.sink(Some(&check()), &reload, SOON);
    let brought = sink.bring(&one(1, first.addr())).await.unwrap();
    assert_eq!(brought.told.len(), 1);
    let proxy = Process::spawn(Launch {
        name: "haproxy".to_owned(),
        program: program(),
        args: vec![
            "-W".into(),
            "-db".into(),
            "-p".into(),
            pid.into(),
            "-f".into(),
            desk.path("out.cfg").into(),
        ],
        env: Vec::new(),
        log: desk.path("log"),
        dir: desk.dir.path().to_owned(),
    });
    let through = async |who: &str| {
        let reaches = async || {
            reached(port)
                .await
                .filter(|name| name == who)
                .ok_or_else(|| proxy.log_tail())
        };
        eventually(&format!("{who} to be reached"), SOON, reaches).await;
    };
    through("first").await;
    // Its worker serves before the master process has written down whom to signal.
    let written =
        async || std::fs::read_to_string(&pid_file).is_ok_and(|pid| pid.trim().parse::<u32>().is_ok());
    eventually("the pid to be written", SOON, written).await;
    assert_eq!(
        sink.bring(&one(1, first.addr())).await.unwrap(),
        Brought::default()
    );
    assert_eq!(desk.reloads(), ["# 1"]);
    let began = Instant::now();
    let _ = sink.bring(&one(2, second.addr())).await.unwrap();
    through("second").await;
    soak::report(
        "HAProxy file: new master offered to first client that reaches it",
        1,
        &soak::spread(&[began.elapsed()]),
    );
    assert_eq!(
        sink.bring(&one(2, second.addr())).await.unwrap(),
        Brought::default()
    );
    assert_eq!(desk.reloads(), ["# 1", "# 2"]);
    // Somebody wrote into it.
    fs::write(desk.path("out.cfg"), "nothing of use").unwrap();
    let _ = sink.bring(&one(2, second.addr())).await.unwrap();
    assert_eq!(desk.reloads(), ["# 1", "# 2", "# 2"]);
    through("second").await;
}

#[tokio::test]
async fn the_shipped_template_is_one_that_haproxy_takes() {
    if !require(&[Need::Haproxy]) {
        return;
    }
    let desk = Desk::new(include_str!("../../../../conf/haproxy_template.cfg"));
    let mut sink = desk.sink(Some(&check()), &desk.noting("true"), SOON);
    let mut groups = vec![
        group("a", 1, &loopback(6379), &[]),
        group("b", 1, &loopback(6380), &[]),
        group("c", 1, &loopback(6381), &[]),
    ];
    groups[0].external_port = Some(7000);
    groups[1].external_port = Some(7001);
    assert_eq!(sink.bring(&picture(groups)).await.unwrap().told.len(), 3);
    let text = desk.output().unwrap();
    assert!(text.starts_with("global\n"), "{text}");
    for line in [
        "## begin a",
        "frontend ft_a",
        "  bind *:7000",
        "  default_backend bk_b",
        "  server R_b_1 127.0.0.1:6380 maxconn 1024 check inter 100ms on-marked-down shutdown-sessions",
    ] {
        assert!(text.lines().any(|seen| seen == line), "{line}\n{text}");
    }
    assert!(
        !text.contains("bk_c"),
        "a group without a port is not in front of anybody"
    );
}

#[tokio::test]
async fn what_changes_during_a_reload_is_one_more_reload() {
    let desk = Desk::new("{{range .Clusters}}{{.Epoch}}{{end}}\n");
    let go = desk.path("go");
    let reload = desk.noting(&format!("while test ! -f {}; do sleep 0.01; done", go.display()));
    let sink = desk.sink(None, &reload, SOON);
    let terms = Terms {
        deadline: sink.longest(),
        every: Duration::from_millis(50),
        ceiling: Duration::from_millis(50),
    };
    let board = Board::new(Vec::new());
    let (_gate, gate) = watch::channel(Gate::Open);
    let (standing, mut standings) = watch::channel(Standing::idle("file"));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(keep(sink, terms, board.pictures(), gate, standing, stop.clone()));
    let offer = |epoch| {
        let _ = board.offer(group("sessions", epoch, &loopback(1), &[]));
    };
    offer(1);
    eventually("a reload to begin", SOON, async || desk.reloads().len() == 1).await;
    for epoch in 2..=9 {
        offer(epoch);
    }
    fs::write(&go, "").unwrap();
    let last = standings.wait_for(|standing| standing.confirmed.values().any(|epoch| epoch.0 == 9));
    tokio::time::timeout(SOON, last).await.expect("in step").unwrap();
    // It is looked at several times more.
    let confirmed = standings.borrow().step.clone();
    let again = standings.wait_for(|standing| standing.step != confirmed);
    tokio::time::timeout(SOON, again)
        .await
        .expect("another look")
        .unwrap();
    assert_eq!(desk.reloads(), ["1", "9"]);
    stop.cancel();
}

#[tokio::test]
async fn the_first_file_waits_for_groups_that_will_come() {
    let desk = Desk::new("{{len .Clusters}}\n");
    let mut sink = desk.sink(None, &desk.noting("true"), SOON);
    let mut early = one(1, &loopback(1));
    early.awaited.push("queue".parse().unwrap());
    let error = sink.bring(&early).await.unwrap_err();
    assert!(
        matches!(error, SinkError::NotYet { .. }) && error.to_string().contains("queue"),
        "{error}"
    );
    assert_eq!(desk.output(), None);
    let both = picture(vec![
        group("sessions", 1, &loopback(1), &[]),
        group("queue", 1, &loopback(2), &[]),
    ]);
    let _ = sink.bring(&both).await.unwrap();
    assert_eq!(desk.reloads(), ["2"]);
    // Later on nothing is waited for.
    let mut later = one(2, &loopback(1));
    later.awaited.push("new".parse().unwrap());
    let _ = sink.bring(&later).await.unwrap();
    assert_eq!(desk.reloads(), ["2", "1"]);
}
