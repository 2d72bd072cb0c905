//! Free ports that two test processes never share.
//!
//! Tests run as many processes at once, and a server that died must come back on its own port, so asking the kernel for
//! any free port is not enough: a port is taken with a lock on a file named after it, held until the test process ends.
//! The range lies below the ephemeral ports, so that no outgoing connection sits on one either.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::getuid;

const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// Where to look next, and the locks of the ports taken so far.
struct Taken {
    next: Option<u32>,
    locks: Vec<Flock<File>>,
}

static TAKEN: Mutex<Taken> = Mutex::new(Taken {
    next: None,
    locks: Vec::new(),
});

/// A port on which nothing listens and that is ours until this process ends.
pub fn free() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let start = taken.next.unwrap_or_else(anywhere);
    for step in 0..COUNT {
        let offset = (start + step) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("the range ends below 65536");
        if let Some(lock) = reserve(port)
            && unbound(port)
        {
            taken.locks.push(lock);
            taken.next = Some((offset + 1) % COUNT);
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT - 1);
}

/// As many free ports as the array is long.
pub fn some<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| free())
}

/// Processes start at different places, so that they seldom meet at all.
fn anywhere() -> u32 {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    (std::process::id().wrapping_mul(7919) ^ nanos) % COUNT
}

fn reserve(port: u16) -> Option<Flock<File>> {
    let dir = lock_directory();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(port.to_string()))
        .ok()?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
}

fn lock_directory() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("testkit-ports-{}", getuid()));
    fs::create_dir_all(&dir).unwrap_or_else(|error| {
        panic!(
            "cannot create {}, which holds the ports' locks: {error}",
            dir.display()
        )
    });
    dir
}

fn unbound(port: u16) -> bool {
    // Without a listener on either address nobody else serves on this port, whatever address they chose.
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]
        .iter()
        .all(|ip| TcpListener::bind((*ip, port)).is_ok())
}
