//! The connections of a mover, kept between looks and between failovers: when the master dies there is no time to dial.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use instance::{Dialer, LastingSentinel, Probe};
use topology::Addr;

use crate::Takes;
use crate::look::probe_all;

/// How long the outcome of a self-test is believed.
const TESTED_FOR: Duration = Duration::from_secs(60);

/// Connections to every Sentinel that was asked lately. Clones share them.
#[derive(Clone)]
pub struct Links {
    dialer: Dialer,
    sentinels: Arc<Mutex<BTreeMap<Addr, Link>>>,
}

struct Link {
    sentinel: Arc<LastingSentinel>,
    tested: Option<(Takes, Instant)>,
}

impl Links {
    /// Opens nothing yet.
    pub fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            sentinels: Arc::default(),
        }
    }

    /// For servers that are asked once.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// The connection to one Sentinel, opened when it is first used.
    pub fn sentinel(&self, addr: &Addr) -> Arc<LastingSentinel> {
        let mut links = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.entry(addr.clone()).or_insert_with(|| Link {
            sentinel: Arc::new(self.dialer.lasting_sentinel(addr)),
            tested: None,
        });
        link.sentinel.clone()
    }

    /// Forgets every Sentinel but these.
    pub(crate) fn keep(&self, registered: &BTreeSet<Addr>) {
        let mut links = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|addr, _| registered.contains(addr));
    }

    /// The Sentinels that were registered last and answer now.
    pub(crate) async fn still_there(&self) -> BTreeSet<Addr> {
        let known: BTreeSet<Addr> = {
            let links = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
            links.keys().cloned().collect()
        };
        let probes = probe_all(self, known, None).await;
        let silent = |probe: &Probe| matches!(probe, Probe::Refused | Probe::Unreachable);
        let there = probes.into_iter().filter(|(_, probe)| !silent(probe));
        there.map(|(addr, _)| addr).collect()
    }

    /// What the last self-test of a Sentinel said, if it is not too old.
    pub(crate) fn tested(&self, addr: &Addr) -> Option<Takes> {
        let links = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
        let (takes, at) = links.get(addr)?.tested?;
        (at.elapsed() < TESTED_FOR).then_some(takes)
    }

    pub(crate) fn remember(&self, addr: &Addr, takes: Takes) {
        let mut links = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get_mut(addr) {
            // Peers come within seconds; not having one is asked again each time.
            link.tested = (takes != Takes::NoPeer).then(|| (takes, Instant::now()));
        }
    }
}
