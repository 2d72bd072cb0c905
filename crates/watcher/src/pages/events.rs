//! `/v1/events`: Server-Sent Events. First everything, then what happens.
//!
//! Who comes back with the id of the last event it heard goes on there, if that is still kept; else it begins anew. Who reads too
//! slowly is cut off, and begins anew too.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State as Shared};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use topology::MasterName;

use super::api;
use super::chosen::code;
use crate::feed::{EventId, Feed, Tip};
use crate::known::Known;

/// How often `alive` is sent while nothing happens: who hears nothing for longer has lost the stream. It has no id, so that whoever
/// comes back goes on after the last thing that happened.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a browser comes back after the stream has ended.
const RETRY: Duration = Duration::from_secs(1);
/// How many events are taken for a listener at a time. The rest stays in the ring, where it is forgotten in time.
const AT_ONCE: usize = 16;
/// What nginx wants to be told.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How soon to come back when there is no place.
const NO_PLACE: &str = "5";

#[derive(Deserialize)]
pub(super) struct Asked {
    group: Option<String>,
    #[serde(rename = "last-event-id")]
    last_event_id: Option<String>,
}

pub(super) async fn events(
    Shared(known): Shared<Known>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(why) => return api::wrong(StatusCode::BAD_REQUEST, &why.body_text()),
    };
    let only = match asked.group.as_deref().map(|group| known.group(Some(group))) {
        Some(Ok(situation)) => Some(situation.group.clone()),
        Some(Err(why)) => return api::wrong(code(&why), &why.to_string()),
        None => None,
    };
    let feed = known.feed();
    let Some(place) = feed.place() else {
        return no_place("too many listen; come back in a moment");
    };
    // What a browser says when it comes back by itself counts more than the address it was once given.
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = header
        .or(asked.last_event_id.as_deref())
        .and_then(|id| id.parse().ok());
    let Ok(listener) = Listener::new(feed, only, last, place) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    answer(listener, KEEP_ALIVE)
}

fn answer(listener: Listener, keep_alive: Duration) -> Response {
    let alive = sse::Event::default().event("alive").data("{}");
    let stream = Sse::new(listener.stream()).keep_alive(KeepAlive::new().interval(keep_alive).event(alive));
    // A proxy that collects what it passes on would make the stream useless.
    ([(CACHE_CONTROL, "no-store"), (UNBUFFERED, "no")], stream).into_response()
}

/// 503, and when to come again.
pub(super) fn no_place(why: &str) -> Response {
    let full = api::wrong(StatusCode::SERVICE_UNAVAILABLE, why);
    ([(RETRY_AFTER, NO_PLACE)], full).into_response()
}

/// Somebody who listens.
struct Listener {
    feed: Arc<Feed>,
    tip: watch::Receiver<Tip>,
    only: Option<MasterName>,
    /// The number of the last event that was read for it.
    read: u64,
    ready: VecDeque<sse::Event>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(
        feed: Arc<Feed>,
        only: Option<MasterName>,
        last: Option<EventId>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, serde_json::Error> {
        let mut ready = VecDeque::new();
        let read = if let Some(read) = last.and_then(|last| feed.resume(last)) {
            ready.push_back(sse::Event::default().retry(RETRY));
            read
        } else {
            let (sequence, snapshot) = feed.snapshot(only.as_ref());
            ready.push_back(event(&feed, sequence, "snapshot", &snapshot?).retry(RETRY));
            sequence
        };
        Ok(Self {
            tip: feed.tip(),
            feed,
            only,
            read,
            ready,
            _place: place,
        })
    }

    fn stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        unfold(self, async |mut listener| {
            let next = listener.next().await?;
            Some((Ok(next), listener))
        })
    }

    /// The next event; none when the stream ends, since the program does or what is next is forgotten.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let tip = *self.tip.borrow_and_update();
            let before = self.read;
            for (sequence, happened) in self.feed.after(self.read, AT_ONCE)? {
                self.read = sequence;
                if self.hears(happened.group.as_ref()) {
                    self.ready
                        .push_back(event(&self.feed, sequence, happened.name, &happened.json));
                }
            }
            if self.read == before && (tip == Tip::Ended || self.tip.changed().await.is_err()) {
                return None;
            }
        }
    }

    fn hears(&self, group: Option<&MasterName>) -> bool {
        match (&self.only, group) {
            (Some(only), Some(group)) => only == group,
            (None, _) | (_, None) => true,
        }
    }
}

fn event(feed: &Feed, sequence: u64, name: &str, json: &str) -> sse::Event {
    let id = feed.id(sequence).to_string();
    sse::Event::default().id(id).event(name).data(json)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::StreamExt;
    use sinks::Standing;

    use super::*;
    use crate::feed::Picture;
    use crate::known::Clock;
    use crate::pages::sink;

    /// Has so many things happen.
    fn happen(feed: &Feed, times: std::ops::Range<u64>) {
        let clock = Clock::starting(Instant::now(), std::time::UNIX_EPOCH);
        for moves in times {
            let mut standing = Standing::idle("haproxy");
            standing.moves = moves;
            let told = feed.show(Picture {
                sinks: vec![sink(&standing, clock)],
                ..Picture::default()
            });
            assert_eq!(told.len(), 1);
        }
    }

    #[tokio::test]
    async fn who_reads_slowly_gets_what_was_taken_for_it_and_then_the_end() {
        let feed = Arc::new(Feed::new(1));
        let place = feed.place().unwrap();
        let mut listener = Listener::new(feed.clone(), None, None, place).unwrap();
        assert!(listener.next().await.is_some(), "a snapshot");
        happen(&feed, 1..101);
        assert!(listener.next().await.is_some());
        assert_eq!(listener.ready.len(), AT_ONCE - 1);
        // Who reads on gets all of it.
        for _ in 1..100 {
            assert!(listener.next().await.is_some());
        }
        happen(&feed, 101..201);
        assert!(listener.next().await.is_some());
        happen(&feed, 201..3_000);
        for _ in 1..AT_ONCE {
            assert!(listener.next().await.is_some());
        }
        assert!(listener.next().await.is_none(), "what comes next is forgotten");
    }

    #[tokio::test]
    async fn while_nothing_happens_the_stream_says_that_it_lives() {
        let feed = Arc::new(Feed::new(1));
        let place = feed.place().unwrap();
        let listener = Listener::new(feed.clone(), None, None, place).unwrap();
        let body = answer(listener, Duration::from_millis(10)).into_body();
        let mut stream = body.into_data_stream();
        let mut told = Vec::new();
        for _ in 0..3 {
            let next = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
            told.push(String::from_utf8(next.unwrap().unwrap().unwrap().to_vec()).unwrap());
        }
        assert!(told[0].contains("event: snapshot"), "{told:?}");
        // Without an id, so that the last one stays what it is.
        assert_eq!(told[1..], ["event: alive\ndata: {}\n\n"; 2]);
    }

    /// What is not for it is passed over, however much there is of it.
    #[tokio::test]
    async fn a_listener_of_one_group_passes_over_more_than_is_taken_at_once() {
        let feed = Arc::new(Feed::new(1));
        let facts = |name: &str| {
            let clock = Clock::starting(Instant::now(), std::time::UNIX_EPOCH);
            Arc::new(crate::pages::Facts::of(
                &crate::sample::situation(name),
                clock,
                None,
            ))
        };
        let picture = |names: &[String]| Picture {
            groups: names
                .iter()
                .map(|name| (name.parse().unwrap(), facts(name)))
                .collect(),
            ..Picture::default()
        };
        let place = feed.place().unwrap();
        let only = Some("z".parse().unwrap());
        let mut listener = Listener::new(feed.clone(), only, None, place).unwrap();
        assert!(listener.next().await.is_some(), "a snapshot");
        let mut names: Vec<String> = (0..20).map(|n| format!("a{n}")).collect();
        assert_eq!(feed.show(picture(&names)).len(), 100);
        names.push("z".to_owned());
        assert_eq!(feed.show(picture(&names)).len(), 5);
        for _ in 0..5 {
            let next = tokio::time::timeout(Duration::from_secs(10), listener.next()).await;
            assert!(next.unwrap().is_some());
        }
        assert!(listener.ready.is_empty());
    }
}
