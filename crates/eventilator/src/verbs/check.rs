//! `--check`: is the configuration good, and does every receiver answer?

use jiff::Timestamp;
use serde::Serialize;

use super::{LEFT, OK, VerbError, complain, say};
use crate::config::{Problems, Read, host_name};
use crate::event::Notice;
use crate::message::{Call, Message};
use crate::outlets::outlets;
use crate::spool::Spool;
use crate::store::{self, Store};

#[derive(Serialize)]
struct Checked {
    mode: &'static str,
    sink: String,
    works: bool,
    reason: Option<String>,
}

/// Sends a test event to each receiver. Exit code 1 where one does not take it.
pub(super) fn check(configs: &[Read], json: bool) -> Result<u8, VerbError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(VerbError::System)?;
    let mut all = Vec::new();
    for ready in configs {
        for warning in &ready.warnings {
            complain(warning);
        }
        let mut spool = Spool::open(&ready.config.spool, ready.config.limits)?;
        let owner = spool.owner()?;
        all.extend(runtime.block_on(one(ready, owner))?);
    }
    runtime.shutdown_background();
    if json {
        say(&serde_json::to_string_pretty(&all).unwrap_or_default());
    } else {
        for checked in &all {
            let told = match &checked.reason {
                None => "works".to_owned(),
                Some(reason) => format!("does not work: {reason}"),
            };
            say(&format!("{:<15} {:<20} {told}", checked.mode, checked.sink));
        }
        for read in configs {
            let mode = read.config.mode.name();
            if !all.iter().any(|checked| checked.mode == mode) {
                say(&format!(
                    "{mode:<15} no receiver is enabled: its events go nowhere"
                ));
            }
        }
        let warnings: usize = configs.iter().map(|read| read.warnings.len()).sum();
        if warnings > 0 {
            say(&format!("{warnings} warnings: see above"));
        }
    }
    Ok(if all.iter().all(|checked| checked.works) {
        OK
    } else {
        LEFT
    })
}

async fn one(ready: &Read, owner: String) -> Result<Vec<Checked>, VerbError> {
    let config = &ready.config;
    let mode = config.mode.name();
    let sinks = outlets(config).map_err(|problems| {
        Problems(
            problems
                .iter()
                .map(|problem| crate::call::chain(problem))
                .collect(),
        )
    })?;
    let checked = |sink: &str, reason: Option<String>| Checked {
        mode,
        sink: sink.to_owned(),
        works: reason.is_none(),
        reason,
    };
    let mut all = Vec::new();
    if let Some(store) = &config.store {
        let store = Store::new(store.clone(), owner, config.limits.age)?;
        let answer = store.check().await;
        let remedy = |problem: String| format!("{problem}; without a store write RedisEnabled = false");
        all.push(checked(
            store::NAME,
            answer.err().map(|problem| remedy(problem.to_string())),
        ));
    }
    let message = Message {
        id: format!("check/{}", uuid::Uuid::new_v4()),
        call: Call::Notice(Notice::read(
            "+odown",
            "master eventilator-check 127.0.0.1 6379 #quorum 0/0",
        )),
        at: Timestamp::now(),
        epoch: None,
        sentinel: "eventilator --check".to_owned(),
        host: host_name(),
        trial: true,
    };
    let tried = sinks.iter().map(|sink| async {
        let answer = sink.send(&message).await;
        checked(sink.name(), answer.err().map(|problem| problem.to_string()))
    });
    all.extend(futures_util::future::join_all(tried).await);
    Ok(all)
}
