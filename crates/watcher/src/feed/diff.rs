//! What has happened between two pictures. Pure: two equal ones differ in nothing.

use serde::Serialize;
use topology::MasterName;

use super::Picture;
use crate::pages::{Entry, Facts, Sink};

/// One thing that happened, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its word.
    pub(crate) name: &'static str,
    /// Whose it is; a sink's is everybody's.
    pub(crate) group: Option<MasterName>,
    /// What is so now, in JSON.
    pub(crate) json: String,
    /// How long each phase took that was gone through, where it is a failover: for the metrics.
    pub(crate) phases: Option<Vec<(&'static str, u64)>>,
}

/// The data of an event: its group, and the part that has changed, under the name that it has in a snapshot.
#[derive(Serialize)]
struct Changed<'a, T> {
    group: &'a MasterName,
    #[serde(flatten)]
    part: T,
}

#[derive(Serialize)]
enum Part<'a> {
    #[serde(rename = "members")]
    Members(&'a [crate::pages::Redis]),
    #[serde(rename = "sentinels")]
    Sentinels(&'a [crate::pages::Sentinel]),
    #[serde(rename = "zookeeper")]
    ZooKeeper(&'a crate::pages::ZooKeeper),
    #[serde(rename = "watcher")]
    Watcher(&'a crate::pages::Watcher),
    #[serde(rename = "entry")]
    Entry(&'a Entry),
}

#[derive(Serialize)]
struct OneSink<'a> {
    sink: &'a Sink,
}

/// Everything that is otherwise in `now` than in `before`, the master first: it is what most wait for.
pub(super) fn diff(before: &Picture, now: &Picture) -> Vec<Event> {
    let mut events = Vec::new();
    for (name, facts) in &now.groups {
        match before.groups.get(name) {
            Some(before) if before == facts => {}
            before => group(before.map(AsRef::as_ref), facts, &mut events),
        }
    }
    for sink in &now.sinks {
        let known = before.sinks.iter().find(|known| known.name == sink.name);
        if known != Some(sink) {
            events.extend(event("sink", None, &OneSink { sink }));
        }
    }
    events
}

fn group(before: Option<&Facts>, now: &Facts, events: &mut Vec<Event>) {
    let group = &now.group;
    if before.map(|before| &before.mastery) != Some(&now.mastery) {
        let part = &now.mastery;
        events.extend(event("master", Some(group), &Changed { group, part }));
    }
    let mut changed = |name, same: bool, part: Part<'_>| {
        if !same {
            events.extend(event(name, Some(group), &Changed { group, part }));
        }
    };
    let same = before.is_some_and(|before| before.members == now.members);
    changed("replicas", same, Part::Members(&now.members));
    let same = before.is_some_and(|before| before.sentinels == now.sentinels);
    changed("sentinels", same, Part::Sentinels(&now.sentinels));
    let same = before.is_some_and(|before| before.zookeeper == now.zookeeper);
    changed("zookeeper", same, Part::ZooKeeper(&now.zookeeper));
    let same = before.is_some_and(|before| before.watcher == now.watcher);
    changed("leader", same, Part::Watcher(&now.watcher));
    // What was there when it was read for the first time has not just happened.
    let known = before.and_then(|before| before.history.as_ref());
    if let (Some(known), Some(now)) = (known, &now.history) {
        for entry in now.values().filter(|entry| !known.contains_key(&entry.sequence)) {
            let part = Part::Entry(entry);
            let event = event("history", Some(group), &Changed { group, part });
            events.extend(event.map(|event| Event {
                phases: Some(entry.phases()),
                ..event
            }));
        }
    }
}

/// What cannot be written cannot be sent; nothing of ours is such.
fn event(name: &'static str, group: Option<&MasterName>, data: &impl Serialize) -> Option<Event> {
    Some(Event {
        name,
        group: group.cloned(),
        json: serde_json::to_string(data).ok()?,
        phases: None,
    })
}

#[cfg(test)]
mod tests;
