//! The page for people, in a real browser, while a master dies.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{Browser, Group, Need, RunningGroup, Signal, ZooKeeper, eventually, require};
use topology::Addr;

const DEADLINE: Duration = Duration::from_secs(60);
const LIVE: &str = "document.querySelector('#stream').innerText === 'live'";
const PAPER: &str = "getComputedStyle(document.body).backgroundColor";

/// Where the pictures go, for whoever wants to look at them.
fn picture(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join("redis-zk-ui");
    std::fs::create_dir_all(&dir).unwrap();
    dir.join(format!("{name}.png"))
}

fn shows(addr: &Addr) -> String {
    format!("document.querySelector('#master .addr')?.innerText === '{addr}'")
}

/// Who is recorded instead of this one.
async fn successor(group: &RunningGroup, old: &Addr) -> Addr {
    eventually("another recorded master", DEADLINE, async || {
        let data = group.zk().get(&group.path("master")).await?;
        let (host, port) = data.split_once(' ')?;
        let addr = Addr::new(host, port.parse().ok()?).ok()?;
        (addr != *old).then_some(addr)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_a_failover_while_it_is_open() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel, Need::Chromium]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(1)
        .start()
        .await;
    let old = group.wait_settled(DEADLINE).await;
    let (old_addr, page) = (group.redis(old).addr().clone(), group.watcher(0).http().clone());

    let mut browser = Browser::start(1200, 900).await;
    browser.prefer("light").await;
    browser.open(&format!("http://{page}/ui")).await;
    browser
        .until("the master on the page", DEADLINE, &shows(&old_addr))
        .await;
    browser.until("the stream to live", DEADLINE, LIVE).await;
    let well = "document.querySelectorAll('#sentinels .good').length === 3 && document.querySelectorAll('#redis .good').length === 3";
    browser
        .until("every Redis and every Sentinel to be well", DEADLINE, well)
        .await;
    let why = browser.text("#why").await;
    assert!(why.contains("There is nothing to do"), "{why}");
    assert!(browser.text("#history").await.contains("None is recorded"));
    browser.picture(&picture("before")).await;
    // Nothing is loaded again from here on.
    browser.eval("window.sameDocument = true").await;

    group.redis(old).program().signal(Signal::SIGKILL);
    let new_addr = successor(&group, &old_addr).await;
    // How fast it is depends on what else the machine does; here it only has to come.
    let recorded = Instant::now();
    let soon = Duration::from_secs(20);
    browser
        .until("the new master on the page", soon, &shows(&new_addr))
        .await;
    eprintln!(
        "recorded, to its sight on the page: {} ms",
        recorded.elapsed().as_millis()
    );
    let entry = "document.querySelectorAll('#history .bar').length === 1";
    browser
        .until("the failover in the timeline", DEADLINE, entry)
        .await;
    let timeline = browser.text("#history").await;
    for part in [&format!("{old_addr} → {new_addr}"), "promoted", " ms"] {
        assert!(timeline.contains(part), "{timeline}");
    }
    let title = browser.eval("document.title").await;
    assert!(title.as_str().unwrap().contains(&new_addr.to_string()), "{title}");
    browser
        .eval("document.querySelector('#history details').open = true")
        .await;
    browser.picture(&picture("after")).await;

    texts_stay_texts(&mut browser, &group, &new_addr).await;
    keys_lead_everywhere(&mut browser).await;
    it_fits_and_is_dark_where_wanted(&mut browser).await;

    browser.listen().await;
    assert_eq!(browser.complaints, [""; 0]);
    let own = format!("http://{page}/");
    let elsewhere: Vec<&String> = browser
        .requests
        .iter()
        .filter(|url| !url.starts_with(&own))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert!(browser.requests.len() >= 4, "{:?}", browser.requests);

    several_groups_can_be_chosen_from(&mut browser).await;

    // The stream breaks: the page says so, and since when, and lives again with the watcher.
    group.watcher(0).program().signal(Signal::SIGKILL);
    let lost = "/stream lost since \\d\\d:\\d\\d:\\d\\d/.test(document.querySelector('#stream').innerText)";
    browser
        .until("the page to say that it is not live", DEADLINE, lost)
        .await;
    browser.picture(&picture("lost")).await;
    group.watcher(0).program().restart();
    browser.until("the page to live again", DEADLINE, LIVE).await;
    assert_eq!(browser.eval("window.sameDocument").await, true);
}

/// What anybody may write into the tree is text on the page, and nothing else.
async fn texts_stay_texts(browser: &mut Browser, group: &RunningGroup, master: &Addr) {
    let zeros = "0".repeat(40);
    let member = format!(
        r#"{{"id":"00000000-0000-0000-0000-000000000001","addr":"127.0.0.1:1","role":"replica","of":"{master}","run_id":"{zeros}","replication_id":"{zeros}","second_replication_id":"{zeros}","second_offset":-1,"offset":14,"link":"down","priority":0,"fenced":"<img src=x onerror=document.title=1>","server_version":"7.0.15","version":"0.1.0","at_ms":5}}"#
    );
    group.zk().create(&group.path("members/somebody"), &member).await;
    let text = "document.querySelector('#redis').innerText.includes('<img src=x')";
    browser.until("the text of the znode", DEADLINE, text).await;
    assert_eq!(browser.eval("document.querySelectorAll('img').length").await, 0);
}

/// By keyboard alone: the first stop leads past everything else, and where one is can be seen.
async fn keys_lead_everywhere(browser: &mut Browser) {
    browser.press("Tab").await;
    assert_eq!(browser.eval("document.activeElement.className").await, "skip");
    browser.press("Enter").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "group");
    let outlined = "(() => { document.querySelector('#theme').focus({focusVisible: true}); return getComputedStyle(document.activeElement).outlineStyle; })()";
    assert_eq!(browser.eval(outlined).await, "solid");
    let landmarks = "['header', 'nav', 'main', 'footer'].every((name) => document.querySelector(name))";
    assert_eq!(browser.eval(landmarks).await, true);
    assert_eq!(
        browser.eval("document.querySelector('#master').ariaLive").await,
        "polite"
    );
}

async fn it_fits_and_is_dark_where_wanted(browser: &mut Browser) {
    for width in [1200, 768, 360] {
        browser.resize(width, 800).await;
        let wide = browser.eval("document.documentElement.scrollWidth").await;
        assert_eq!(wide, width, "the page is wider than {width} px");
    }
    browser.picture(&picture("phone")).await;
    browser.resize(1200, 900).await;
    let light = browser.eval(PAPER).await;
    browser.prefer("dark").await;
    assert_ne!(browser.eval(PAPER).await, light);
    browser.picture(&picture("dark")).await;
    // The switch goes from what the system says to light.
    browser.eval("document.querySelector('#theme').click()").await;
    assert_eq!(browser.eval(PAPER).await, light);
}

/// More groups than the watcher has, as the stream would tell of them.
async fn several_groups_can_be_chosen_from(browser: &mut Browser) {
    browser
        .eval(
            "(() => { const one = [...groups.values()][0];
                for (let n = 1; n < 13; n += 1) {
                    const master = n === 4 ? null : { ...one.master, host: `10.0.0.${n}` };
                    const zookeeper = n === 5 ? { session: 'none', read: true } : one.zookeeper;
                    groups.set(`carts-${n}`, { ...one, group: `carts-${n}`, master, zookeeper });
                }
                sinks = [
                    { name: 'haproxy:/run/haproxy.sock', step: 'in-step', moves: 2, last_took_ms: 4, confirmed: { 'carts-3': 1 } },
                    { name: 'webhook:hooks.example.com', step: 'behind', moves: 0, confirmed: {}, since: '2026-01-01T12:00:00Z', reason: 'hooks.example.com refused: 500' },
                    { name: 'consul', step: 'standby', moves: 0, confirmed: {} } ];
                location.hash = '#carts-3'; })()",
        )
        .await;
    let chosen = "document.querySelector('#name').innerText === 'carts-3' && document.querySelector('#master .addr').innerText.startsWith('10.0.0.3:')";
    browser.until("the chosen group", DEADLINE, chosen).await;
    assert_eq!(
        browser.eval("document.querySelectorAll('#names a').length").await,
        13
    );
    assert_eq!(
        browser
            .eval("document.querySelector('#names [aria-current]').innerText")
            .await,
        "carts-3"
    );
    let sinks = browser.text("#sinks").await;
    assert!(
        sinks.contains("refused: 500") && sinks.contains("last move took 4 ms"),
        "{sinks}"
    );
    browser.picture(&picture("groups")).await;
    assert!(browser.text("#zookeeper").await.contains("Session"));
    browser.eval("location.hash = '#carts-5'").await;
    let without = "document.querySelector('#zookeeper').innerText.includes('without ZooKeeper')";
    browser
        .until("a group without ZooKeeper", DEADLINE, without)
        .await;
    assert!(!browser.text("#zookeeper").await.contains("Session"));
    let well = "document.querySelector('#names [aria-current]').classList.contains('good')";
    assert_eq!(browser.eval(well).await, true);
    browser.resize(360, 800).await;
    assert_eq!(browser.eval("document.documentElement.scrollWidth").await, 360);
    browser.resize(1200, 900).await;
}
