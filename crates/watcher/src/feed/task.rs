//! Turns what changes into events. A change only means: look at that group again.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use futures_util::stream::{FuturesUnordered, StreamExt};
use sinks::Standing;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Feed, Picture};
use crate::known::Known;
use crate::metrics::Metrics;
use crate::pages::{self, Facts, History};
use crate::situation::Situation;

/// What has changed, with what tells of the next change.
enum Changed {
    /// Something of a group.
    Group(Box<Situation>),
    /// The failovers of a group.
    History(Box<Situation>),
    /// How a sink stands.
    Sink(watch::Receiver<Standing>),
}

/// Keeps the feed of `known` going until `stop`, and counts the failovers that happen meanwhile.
pub(crate) async fn feed(known: Known, metrics: Metrics, stop: CancellationToken) {
    let feed = known.feed();
    let mut waiting: FuturesUnordered<BoxFuture<'static, Changed>> = FuturesUnordered::new();
    for situation in known.groups() {
        waiting.push(group(Box::new(situation.clone())).boxed());
        waiting.push(history(Box::new(situation.clone())).boxed());
    }
    for standing in known.standings() {
        waiting.push(sink(standing.clone()).boxed());
    }
    let mut picture = whole(&known);
    show(&feed, &picture, &metrics);
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => break,
            Some(changed) = waiting.next() => changed,
        };
        match changed {
            Changed::Group(situation) => {
                let history = picture
                    .groups
                    .get(&situation.group)
                    .and_then(|facts| facts.history.clone());
                look(&mut picture, &known, &situation, history);
                waiting.push(group(situation).boxed());
            }
            Changed::History(situation) => {
                look(&mut picture, &known, &situation, pages::history(&situation));
                waiting.push(history(situation).boxed());
            }
            Changed::Sink(standing) => {
                picture.sinks = pages::sinks(&known);
                waiting.push(sink(standing).boxed());
            }
        }
        show(&feed, &picture, &metrics);
    }
    feed.end();
}

/// Everything, read anew.
fn whole(known: &Known) -> Picture {
    let mut picture = Picture {
        sinks: pages::sinks(known),
        ..Picture::default()
    };
    for situation in known.groups() {
        look(&mut picture, known, situation, pages::history(situation));
    }
    picture
}

fn look(picture: &mut Picture, known: &Known, situation: &Situation, history: History) {
    let facts = Facts::of(situation, known.clock(), history);
    picture.groups.insert(situation.group.clone(), Arc::new(facts));
}

fn show(feed: &Feed, picture: &Picture, metrics: &Metrics) {
    for event in feed.show(picture.clone()) {
        if let (Some(group), Some(phases)) = (&event.group, &event.phases) {
            metrics.of(group).failed_over(phases);
        }
    }
}

async fn group(mut situation: Box<Situation>) -> Changed {
    tokio::select! {
        () = change(&mut situation.state) => {}
        () = change(&mut situation.master) => {}
        () = change(&mut situation.sentinels) => {}
        () = change(&mut situation.members) => {}
        () = change(&mut situation.reported) => {}
        () = change(&mut situation.session) => {}
        () = change(&mut situation.part) => {}
        () = change(&mut situation.subscribed) => {}
        () = change(&mut situation.glance) => {}
    }
    Changed::Group(situation)
}

async fn history(mut situation: Box<Situation>) -> Changed {
    change(&mut situation.history).await;
    Changed::History(situation)
}

async fn sink(mut standing: watch::Receiver<Standing>) -> Changed {
    change(&mut standing).await;
    Changed::Sink(standing)
}

/// What nobody writes any more does not change.
async fn change<T>(seen: &mut watch::Receiver<T>) {
    if seen.changed().await.is_err() {
        pending::<()>().await;
    }
}
