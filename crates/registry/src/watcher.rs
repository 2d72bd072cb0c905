//! One-shot watches, the only kind used here: the library re-registers them when it reconnects, and then delivers the
//! change that was missed. It forgets the persistent kind.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt;
use zookeeper_client::OneshotWatcher;

/// Ends when a znode is worth another look: it changed, or the session is over.
pub(crate) type Change = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Waits for the watcher's one event.
pub(crate) fn change(watcher: OneshotWatcher) -> Change {
    Box::pin(async move {
        // The library panics here when its own task is gone; for us that is one more reason to look again.
        let _ = AssertUnwindSafe(watcher.changed()).catch_unwind().await;
    })
}
