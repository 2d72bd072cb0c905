//! `/v1/master`, which also waits for the next master: `?epoch=<the one that is known>&wait=30s`.

use std::future::pending;
use std::time::Duration;

use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::watch;

use super::api::{self, Said};
use super::chosen::Chosen;
use super::events::no_place;
use crate::feed::Tip;
use crate::known::Known;
use crate::situation::{Age, Situation};

const WAIT: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
pub(super) struct Asked {
    epoch: Option<u64>,
    wait: Option<String>,
}

pub(super) async fn master(
    Shared(known): Shared<Known>,
    Chosen(situation): Chosen,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(why) => return api::wrong(StatusCode::BAD_REQUEST, &why.body_text()),
    };
    let wait = match asked.wait.as_deref().map_or(Ok(WAIT), length) {
        Ok(wait) => wait,
        Err(why) => return api::wrong(StatusCode::BAD_REQUEST, &why),
    };
    if let Some(epoch) = asked.epoch
        && !is_news(&situation, epoch)
    {
        let Some(_place) = known.place_to_wait() else {
            return no_place("too many wait; come back in a moment");
        };
        // After the deadline the answer is the same master.
        let _ = tokio::time::timeout(wait, news(situation.clone(), epoch, known.feed().tip())).await;
    }
    api::master(&situation)
}

/// `30s`, or a number of seconds.
fn length(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(Duration::from_secs);
    let length = seconds.or_else(|_| humantime::parse_duration(text));
    match length {
        Ok(length) if length <= LONGEST => Ok(length),
        Ok(_) | Err(_) => Err(format!(
            "wait: `{text}` is no time of at most {} s; write for example wait=30s",
            LONGEST.as_secs()
        )),
    }
}

/// Until the record has a higher epoch, or the program ends.
async fn news(mut situation: Situation, epoch: u64, mut tip: watch::Receiver<Tip>) {
    while !is_news(&situation, epoch) {
        tokio::select! {
            () = changed(&mut situation.state) => {}
            () = changed(&mut situation.master) => {}
            ended = tip.wait_for(|tip| *tip == Tip::Ended) => {
                drop(ended);
                return;
            }
        }
    }
}

async fn changed<T>(seen: &mut watch::Receiver<T>) {
    if seen.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// Whether somebody who knows the master of `epoch` is to be answered now. While a new one is only about to be there is nothing to
/// tell: it takes no writes yet. Nor while what is recorded is older: whoever asked heard of its master from a watcher that is ahead.
fn is_news(situation: &Situation, epoch: u64) -> bool {
    match api::recorded_master(situation) {
        (_, Age::Never) | (Said::OtherGroup(_), _) => true,
        (Said::Nobody, _) => false,
        (Said::Master(master), _) => match master.epoch() {
            Some(recorded) => recorded.0 > epoch,
            // An old group has no epochs to wait for.
            None => !master.has_next(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_an_end() {
        assert_eq!(length("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(length("0"), Ok(Duration::ZERO));
        assert_eq!(length("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(length("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["61s", "1h", "-1", "soon", ""] {
            let why = length(wrong).unwrap_err();
            assert!(why.contains("at most 60 s"), "{why}");
        }
    }
}
