//! The effects behind [`crate::network`]: the variables, the host's interfaces, its resolver, and a trial bind.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use topology::Addr;

use crate::network::{self, Bind, Inputs, Interface, NetworkSettings};
use crate::problem::Problem;
use crate::reader::{Outcome, Reader, Said};
use crate::vars;

/// How long a name may take to resolve: longer than a resolver's first retry, shorter than a person's patience.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(8);

impl NetworkSettings {
    /// Reads every network variable of a wrapper and decides, with this host's interfaces and resolver.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        let bind_ip = reader.said(&vars::BIND_IP);
        let announce_ip = reader.said(&vars::ANNOUNCE_IP);
        let net_iface = reader.said(&vars::NET_IFACE);
        let host = reader.said(&vars::HOST);
        let port = own_port(reader);
        let announce_port = reader.port(&vars::ANNOUNCE_PORT);
        let admin_port = admin_port(reader);
        let inputs = Inputs {
            bind_ip: bind_ip?,
            announce_ip: announce_ip?,
            net_iface: net_iface?,
            host: host?,
        };
        let decided = match network::decide(&inputs, &interfaces(), &resolve) {
            Ok((bind, ip)) => checked(reader, inputs.bind_ip.as_ref(), bind).map(|bind| (bind, ip)),
            Err(problems) => Err(reader.problems(problems)),
        };
        let (port, admin_port) = (port?, admin_port?);
        let (bind, ip) = decided?;
        if ip.is_loopback()
            && inputs.bind_ip.is_none()
            && inputs.announce_ip.is_none()
            && inputs.net_iface.is_none()
        {
            reader.warn(format!(
                "HOST means {ip} here, which only this host can reach; set NET_IFACE or BIND_IP"
            ));
        }
        if admin_port == Some(port) {
            let wrong = "is PORT0's too; give the admin page a port of its own, for example 31501";
            return Err(reader.problem(Problem::with_value(
                vars::ADMIN_PORT.name,
                &port.to_string(),
                wrong,
            )));
        }
        let announce_port = announce_port?.unwrap_or(port);
        reader.holds(&vars::BIND_IP, Some(shown(bind)));
        reader.holds(&vars::NET_IFACE, inputs.net_iface.map(|said| said.text));
        reader.holds(&vars::ANNOUNCE_IP, Some(ip));
        reader.holds(&vars::ANNOUNCE_PORT, Some(announce_port));
        reader.holds(
            &vars::ADMIN_PORT,
            Some(admin_port.map_or("off".to_owned(), |port| port.to_string())),
        );
        match Addr::from_ip(ip, announce_port) {
            Some(announce) => Ok(Self {
                bind,
                port,
                announce,
                admin_port,
            }),
            None => Err(reader.problem(Problem::new(vars::ANNOUNCE_PORT.name, "must not be 0"))),
        }
    }
}

fn shown(bind: Bind) -> String {
    match bind {
        Bind::Wildcard => "every address".to_owned(),
        Bind::Address(ip) => ip.to_string(),
    }
}

/// `PORT0`, at which every program listens.
pub fn own_port(reader: &mut Reader<'_>) -> Outcome<u16> {
    match reader.port(&vars::PORT0)? {
        Some(port) => Ok(port),
        None => Err(reader.problem(Problem::new(
            vars::PORT0.name,
            "is not set; write a port, for example 31500",
        ))),
    }
}

fn admin_port(reader: &mut Reader<'_>) -> Outcome<Option<u16>> {
    match reader.port(&vars::ADMIN_PORT)? {
        Some(port) => Ok(Some(port)),
        None => reader.port(&vars::PORT1),
    }
}

/// A trial bind of an address that was asked for: only the kernel knows which it accepts.
fn checked(reader: &mut Reader<'_>, said: Option<&Said>, bind: Bind) -> Outcome<Bind> {
    let (Some(said), Bind::Address(ip)) = (said, bind) else {
        return Ok(bind);
    };
    match TcpListener::bind((ip, 0)) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            let wrong = format!(
                "is not an address of this host; found {}; write one of them, or 0.0.0.0 with ANNOUNCE_IP",
                network::listed(&interfaces())
            );
            Err(reader.problem(Problem::with_value(&said.name, &said.text, wrong)))
        }
        // Any other refusal is the server's to explain when it binds its own port.
        Ok(_) | Err(_) => Ok(bind),
    }
}

/// This host's interfaces; none when the kernel does not tell.
fn interfaces() -> Vec<Interface> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let interface = |one: if_addrs::Interface| Interface {
        ip: one.ip(),
        name: one.name,
    };
    found.into_iter().map(interface).collect()
}

/// Asks the host's resolver, for no longer than a deadline.
fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let (sender, answer) = mpsc::channel();
    let owned = name.to_owned();
    // getaddrinfo cannot be cancelled. The thread outlives the deadline only where the program is about to end.
    let asked = std::thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            let found = (owned.as_str(), 0).to_socket_addrs();
            let _ = sender.send(found.map(|found| found.map(|socket| socket.ip()).collect::<Vec<_>>()));
        });
    asked.map_err(|error| error.to_string())?;
    match answer.recv_timeout(RESOLVE_DEADLINE) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {}s", RESOLVE_DEADLINE.as_secs())),
    }
}
