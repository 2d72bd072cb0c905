//! One znode.

use std::sync::Arc;

use tracing::warn;
use zkpaths::ZkPath;
use zookeeper_client::OneshotWatcher;

use super::{Copy, REREAD};
use crate::Znode;
use crate::backoff::Backoff;
use crate::error::Fault;
use crate::session::{Attached, Link};
use crate::watcher::{Change, change};

pub(super) async fn follow(link: Arc<Link>, path: ZkPath, copy: Copy<Option<Znode>>) {
    tokio::select! {
        () = copy.unwanted() => {}
        () = keep(&link, &path, &copy) => {}
    }
}

async fn keep(link: &Link, path: &ZkPath, copy: &Copy<Option<Znode>>) {
    let mut phase = link.phase();
    let mut backoff = Backoff::for_requests();
    let mut denied = false;
    // Outlives the round: the old watch goes when the new one is set.
    let mut changed: Change = Box::pin(std::future::pending());
    loop {
        let attached = link.attached(&mut phase).await;
        match look(link, &attached, path).await {
            Ok((value, watcher)) => {
                copy.current(value);
                drop(std::mem::replace(&mut changed, change(watcher)));
                backoff.reset();
                denied = false;
            }
            Err(fault) => {
                copy.stale();
                if fault == Fault::Denied && !denied {
                    warn!(%path, "zookeeper denies reading");
                    denied = true;
                }
                backoff.pause().await;
                continue;
            }
        }
        tokio::select! {
            () = &mut changed => {}
            () = link.departed(&mut phase, &attached) => copy.stale(),
            () = tokio::time::sleep(REREAD) => {}
        }
    }
}

/// Reads, and sets the watch for the next change.
async fn look(
    link: &Link,
    attached: &Attached,
    path: &ZkPath,
) -> Result<(Option<Znode>, OneshotWatcher), Fault> {
    loop {
        match link
            .answer(attached.client.get_and_watch_data(path.as_str()))
            .await
        {
            Ok((data, stat, watcher)) => return Ok((Some(Znode::new(data, &stat)), watcher)),
            Err(Fault::Missing) => {}
            Err(fault) => return Err(fault),
        }
        let (stat, watcher) = link
            .answer(attached.client.check_and_watch_stat(path.as_str()))
            .await?;
        if stat.is_none() {
            return Ok((None, watcher));
        }
        // Made between the two questions.
    }
}
