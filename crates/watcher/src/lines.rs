//! One connection to each Sentinel, shared by all groups that it watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use instance::{Dialer, LastingSentinel};
use topology::Addr;

/// The connections. Clones share them; one that nobody holds is closed.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    dialer: Dialer,
    held: Arc<Mutex<BTreeMap<Addr, Weak<LastingSentinel>>>>,
}

impl Lines {
    /// No connection yet.
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            held: Arc::default(),
        }
    }

    /// How servers are dialled.
    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// The connection to a Sentinel.
    pub(crate) fn to(&self, addr: &Addr) -> Arc<LastingSentinel> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = held.get(addr).and_then(Weak::upgrade) {
            return line;
        }
        held.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(self.dialer.lasting_sentinel(addr));
        held.insert(addr.clone(), Arc::downgrade(&line));
        line
    }

    /// A connection on which nothing comes back may be cut without its end: whoever asks next gets a new one.
    pub(crate) fn give_up(&self, line: &Arc<LastingSentinel>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held
            .get(line.addr())
            .is_some_and(|known| known.as_ptr() == Arc::as_ptr(line))
        {
            held.remove(line.addr());
        }
    }
}
