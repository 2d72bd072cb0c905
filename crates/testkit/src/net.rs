//! Hosts with a network between them that can be cut: one network namespace each, and a switch that this process works.
//!
//! Each host has one interface, `eth0`, and its own loopback. The frames go through a thread of the test, which drops, delays and loses
//! them as [`Faults`] say; nothing of the machine's own network is touched, and nothing is left behind, as the namespaces live only
//! as long as this process. Host 0 is the test's own: it sees every other host, unless it is cut as well. Making namespaces needs
//! root.

mod faults;
mod host;
mod switch;

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub use self::faults::{Faults, Line};
pub use self::host::Host;
pub(crate) use self::host::at as address;
use self::switch::Switch;

/// Which host, counted from 0, which is the test's own.
pub type HostId = usize;

/// A network of hosts. Dropping it ends the network; the hosts' programs have ends of their own.
#[derive(Debug)]
pub struct Net {
    hosts: Vec<Host>,
    faults: Arc<Mutex<Faults>>,
    _switch: Switch,
}

impl Net {
    /// Runs a test on a network with so many hosts besides its own. The test's thread is on host 0: what it connects to goes
    /// through the switch. Programs are started on a host by saying so.
    pub fn run<F>(hosts: usize, test: impl FnOnce(Net) -> F + Send + 'static)
    where
        F: Future<Output = ()>,
    {
        let on_host_0 = move || {
            let net = Net::new(hosts + 1);
            net.hosts[0].enter();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the test");
            runtime.block_on(test(net));
        };
        let name = thread::current().name().unwrap_or("test").to_owned();
        let thread = thread::Builder::new().name(name).spawn(on_host_0);
        if let Err(panic) = thread.expect("a thread for the test").join() {
            resume_unwind(panic);
        }
    }

    fn new(count: usize) -> Self {
        let (hosts, devices): (Vec<_>, Vec<_>) = (0..count).map(Host::make).unzip();
        let faults = Arc::new(Mutex::new(Faults::none(count)));
        let switch = Switch::start(devices, Arc::clone(&faults));
        Self {
            hosts,
            faults,
            _switch: switch,
        }
    }

    /// One host.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id]
    }

    /// All hosts but the test's own.
    pub fn others(&self) -> &[Host] {
        &self.hosts[1..]
    }

    /// Changes what the network does to frames, from the next one on.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Cuts a host off from all other hosts but the test's own, so that the test sees both sides.
    pub fn cut(&self, id: HostId) {
        self.faults(|faults| {
            for other in 1..self.hosts.len() {
                faults.both_ways(id, other, Line::CUT);
            }
        });
    }

    /// Lets every frame pass again.
    pub fn heal(&self) {
        let count = self.hosts.len();
        self.faults(|faults| *faults = Faults::none(count));
    }
}

#[cfg(test)]
mod tests;
