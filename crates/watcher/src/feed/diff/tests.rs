//! Tests of the difference, on pictures of groups as they come from the copies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use proptest::prelude::*;
use registry::{Followed, Freshness};
use sinks::Standing;
use tokio::sync::watch;

use super::*;
use crate::known::Clock;
use crate::pace::Part as Leading;
use crate::pages;
use crate::sample;
use crate::situation::Situation;

/// What a picture is made of here: who is master (if anyone), whether this watcher leads, how many members and failovers there are.
type Recipe = (Option<u16>, bool, u16, Option<u16>);

fn situation((master, leads, members, failovers): Recipe) -> Situation {
    fn read<T>(value: T) -> watch::Receiver<Followed<T>> {
        let value = Some(value);
        let freshness = Freshness::Current;
        watch::channel(Followed { value, freshness }).1
    }
    let znode = |port: u16| registry::Znode {
        data: format!("10.0.0.1 {port}").into_bytes(),
        version: registry::Version(0),
        ephemeral: false,
    };
    let failover = |n: u16| {
        let text = format!(
            r#"{{"epoch":{n},"cause":"failover","warrant":"died","to":"10.0.0.{n}:6379","by":"x","candidates":[],"votes":[2,3],"timings":{{"locked_ms":1,"elected_ms":2,"recorded_ms":4,"promoted_ms":8,"announced_ms":16,"published_ms":32}},"at_ms":5}}"#
        );
        (format!("{n:010}"), text.into_bytes())
    };
    let member = |n: u16| {
        let zeros = "0".repeat(40);
        let text = format!(
            r#"{{"id":"00000000-0000-0000-0000-000000000001","addr":"10.0.0.{n}:6379","role":"master","run_id":"{zeros}","replication_id":"{zeros}","second_replication_id":"{zeros}","second_offset":-1,"offset":14,"priority":100,"server_version":"7.0.15","version":"0.1.0","at_ms":5}}"#
        );
        (n.to_string(), text.into_bytes())
    };
    let part = if leads { Leading::Leader } else { Leading::Standby };
    Situation {
        state: read(None),
        master: read(master.map(znode)),
        members: read((1..=members).map(member).collect()),
        sentinels: read(BTreeMap::new()),
        history: match failovers {
            Some(failovers) => read((1..=failovers).map(failover).collect()),
            None => sample::situation("sessions").history,
        },
        part: watch::channel(part).1,
        ..sample::situation("sessions")
    }
}

fn picture(recipe: Recipe) -> Picture {
    let situation = situation(recipe);
    let clock = Clock::starting(Instant::now(), UNIX_EPOCH);
    let facts = Facts::of(&situation, clock, pages::history(&situation));
    Picture {
        groups: [(situation.group.clone(), Arc::new(facts))].into(),
        sinks: Vec::new(),
    }
}

fn names(before: &Picture, now: &Picture) -> Vec<&'static str> {
    diff(before, now).iter().map(|event| event.name).collect()
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let master = prop::option::of(1u16..4);
    (master, any::<bool>(), 0u16..3, prop::option::of(0u16..4))
}

proptest! {
    #[test]
    fn nothing_has_happened_between_two_equal_pictures(recipe in recipe()) {
        prop_assert_eq!(diff(&picture(recipe), &picture(recipe)), vec![]);
    }

    /// Whoever has the older picture and hears the events has the newer one.
    #[test]
    fn events_make_the_older_picture_the_newer_one(before in recipe(), now in recipe()) {
        let (before, now) = (picture(before), picture(now));
        let of = |picture: &Picture| serde_json::to_value(&**picture.groups.values().next().unwrap()).unwrap();
        let mut told = of(&before);
        for event in diff(&before, &now) {
            let data: serde_json::Value = serde_json::from_str(&event.json).unwrap();
            for (field, value) in data.as_object().unwrap() {
                if field != "entry" {
                    told[field] = value.clone();
                }
            }
        }
        prop_assert_eq!(told, of(&now));
    }
}

#[test]
fn each_part_has_its_event_and_the_master_comes_first() {
    let before = picture((Some(1), false, 1, Some(1)));
    assert_eq!(names(&before, &picture((Some(2), false, 1, Some(1)))), ["master"]);
    assert_eq!(names(&before, &picture((Some(1), true, 1, Some(1)))), ["leader"]);
    assert_eq!(
        names(&before, &picture((Some(1), false, 2, Some(1)))),
        ["replicas"]
    );
    let all = names(&before, &picture((Some(2), true, 2, Some(3))));
    assert_eq!(all, ["master", "replicas", "leader", "history", "history"]);
    let first = names(&Picture::default(), &before);
    assert_eq!(first, ["master", "replicas", "sentinels", "zookeeper", "leader"]);
}

#[test]
fn failovers_of_before_are_no_news() {
    let unread = picture((Some(1), false, 1, None));
    assert_eq!(names(&unread, &picture((Some(1), false, 1, Some(3)))), [""; 0]);
    let empty = picture((Some(1), false, 1, Some(0)));
    let events = diff(&empty, &picture((Some(1), false, 1, Some(1))));
    let phases = events[0].phases.as_ref().unwrap();
    let promoted = ("promoted", 4);
    assert_eq!((phases[3], phases[5]), (promoted, ("published", 24)));
    assert!(
        events[0].json.contains(r#""sequence":"0000000001""#),
        "{}",
        events[0].json
    );
}

#[test]
fn a_sink_that_falls_behind_is_news_of_no_group() {
    let clock = Clock::starting(Instant::now(), UNIX_EPOCH);
    let mut standing = Standing::idle("haproxy");
    let with = |standing: &Standing| Picture {
        sinks: vec![pages::sink(standing, clock)],
        ..Picture::default()
    };
    let idle = with(&standing);
    standing.last_took = Some(Duration::from_millis(3));
    let events = diff(&idle, &with(&standing));
    assert_eq!(
        (events.len(), events[0].name, &events[0].group),
        (1, "sink", &None)
    );
    assert!(events[0].json.contains(r#""last_took_ms":3"#));
}
