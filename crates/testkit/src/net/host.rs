//! One host: a network namespace with a loopback and an `eth0`, whose other end the switch holds.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use topology::Addr;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::HostId;
use crate::needs::{Need, demand, find};

/// The name that the programs here look for by default.
const INTERFACE: &str = "eth0";
/// The namespace of the thread that reads it.
const OWN: &str = "/proc/thread-self/ns/net";

/// A host of a [`Net`](super::Net). Clones are the same host.
#[derive(Debug, Clone)]
pub struct Host {
    id: HostId,
    namespace: Arc<File>,
}

impl Host {
    /// Makes one, on a thread of its own, as a thread is in one namespace at a time.
    pub(super) fn make(id: HostId) -> (Self, SyncDevice) {
        demand(Need::Network);
        let make = move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace, for root");
            let namespace = File::open(OWN).expect("this thread's namespace");
            let device = DeviceBuilder::new()
                .name(INTERFACE)
                .layer(Layer::L2)
                .build_sync()
                .expect("a tap device, which needs /dev/net/tun");
            ip(&["link", "set", "lo", "up"]);
            ip(&[
                "link",
                "set",
                INTERFACE,
                "address",
                &mac_text(id),
                "mtu",
                "1500",
                "up",
            ]);
            let addr = format!("{}/24", address(id));
            ip(&["addr", "add", &addr, "dev", INTERFACE]);
            let namespace = Arc::new(namespace);
            (Self { id, namespace }, device)
        };
        thread::spawn(make).join().expect("a host can be made")
    }

    /// Its number.
    pub fn id(&self) -> HostId {
        self.id
    }

    /// Its address, the same in every network: nobody outside can reach it.
    pub fn ip(&self) -> Ipv4Addr {
        address(self.id)
    }

    /// Moves the calling thread here. Threads and processes it starts from now on are here as well.
    pub(crate) fn enter(&self) {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("the host's namespace");
    }

    /// Does something here, and brings the calling thread back to where it was.
    pub(crate) fn visit<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = File::open(OWN).expect("this thread's namespace");
        self.enter();
        let result = work();
        setns(&home, CloneFlags::CLONE_NEWNET).expect("this thread's namespace");
        result
    }
}

/// An address on a host, or on this machine's loopback.
pub(crate) fn at(host: Option<&Host>, port: u16) -> Addr {
    let ip = host.map_or(Ipv4Addr::LOCALHOST, Host::ip);
    Addr::new(&ip.to_string(), port).expect("an address")
}

fn address(id: HostId) -> Ipv4Addr {
    let last = u8::try_from(id + 1).expect("few hosts");
    Ipv4Addr::new(10, 88, 0, last)
}

/// The address of its interface: the last byte is the host.
pub(super) fn mac(id: HostId) -> [u8; 6] {
    [2, 0, 0, 0, 0, u8::try_from(id).expect("few hosts")]
}

fn mac_text(id: HostId) -> String {
    let bytes = mac(id).map(|byte| format!("{byte:02x}"));
    bytes.join(":")
}

/// Runs `ip` on this thread's host.
fn ip(words: &[&str]) {
    let program = find("ip").expect("demanded before");
    let output = Command::new(program)
        .args(words)
        .output()
        .expect("ip can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {said}", words.join(" "));
}
