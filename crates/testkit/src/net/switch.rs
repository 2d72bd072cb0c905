//! The switch: takes each frame from its host's interface and gives it to the one it is for, if the line carries it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tun_rs::{AsyncDevice, SyncDevice};

use super::faults::Faults;
use super::host::mac;
use super::{HostId, Line};

/// An Ethernet frame with its header, and some more.
const LARGEST: usize = 1600;

/// The thread that carries frames. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Switch {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Ports {
    devices: Arc<Vec<AsyncDevice>>,
    faults: Arc<Mutex<Faults>>,
}

impl Switch {
    pub(super) fn start(devices: Vec<SyncDevice>, faults: Arc<Mutex<Faults>>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let carry = async {
                let devices: io::Result<Vec<_>> = devices.into_iter().map(AsyncDevice::new).collect();
                let devices = Arc::new(devices.expect("the tap devices can be waited for"));
                let ports = Ports { devices, faults };
                let mut tasks = JoinSet::new();
                for from in 0..ports.devices.len() {
                    tasks.spawn(ports.clone().serve(from));
                }
                let _ = stopped.await;
            };
            runtime.expect("a runtime for the switch").block_on(carry);
        };
        let thread = thread::Builder::new().name("switch".to_owned()).spawn(work);
        Self {
            stop: Some(stop),
            thread: Some(thread.expect("a thread for the switch")),
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Ports {
    /// Carries what comes from one host.
    async fn serve(self, from: HostId) {
        let mut late = JoinSet::new();
        let mut buffer = [0; LARGEST];
        // It ends with the namespace.
        while let Ok(length) = self.devices[from].recv(&mut buffer).await {
            while late.try_join_next().is_some() {}
            let frame = &buffer[..length];
            for to in self.receivers(from, frame) {
                match self.line(from, to).carries(chance(), chance()) {
                    None => {}
                    // A full queue loses the frame, as everywhere.
                    Some(Duration::ZERO) => drop(self.devices[to].try_send(frame)),
                    Some(delay) => {
                        let (devices, frame) = (Arc::clone(&self.devices), frame.to_vec());
                        late.spawn(async move {
                            tokio::time::sleep(delay).await;
                            drop(devices[to].try_send(&frame));
                        });
                    }
                }
            }
        }
    }

    fn line(&self, from: HostId, to: HostId) -> Line {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.line(from, to)
    }

    /// By the destination's address: one host, or all others.
    fn receivers(&self, from: HostId, frame: &[u8]) -> Vec<HostId> {
        let Some(destination) = frame.first_chunk::<6>() else {
            return Vec::new();
        };
        let to_all = destination[0] & 1 == 1;
        let wanted = |to: &HostId| *to != from && (to_all || *destination == mac(*to));
        (0..self.devices.len()).filter(wanted).collect()
    }
}

fn chance() -> f64 {
    rand::random()
}
