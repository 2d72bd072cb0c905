//! Where to listen, and which address others are told: one pure decision over what was said and what the host has.
//!
//! The two differ behind NAT and in bridge networks, where the host's address is not one of the container's own and the
//! container's own (172.17.x.x) is of no use to others. Marathon sets `HOST` in every mode, so `HOST` only means
//! something when it is not an address of ours, or when nothing else was said.

use std::net::IpAddr;

use topology::Addr;

use crate::problem::{Problem, Problems};
use crate::reader::Said;
use crate::vars::{self, Program};

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// On every address.
    Wildcard,
    /// On this one (and on loopback, which health checks use).
    Address(IpAddr),
}

/// Where a wrapper's server listens, and what others are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSettings {
    /// The address to listen on.
    pub bind: Bind,
    /// The port to listen on.
    pub port: u16,
    /// What others are told; its host is an IP address.
    pub announce: Addr,
    /// The admin page's port, where it is wanted.
    pub admin_port: Option<u16>,
}

/// An address of one of the host's interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// One of its addresses.
    pub ip: IpAddr,
}

/// What was said about the network; unset is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// `BIND_IP`.
    pub bind_ip: Option<Said>,
    /// `ANNOUNCE_IP`.
    pub announce_ip: Option<Said>,
    /// `NET_IFACE`, where it was set; its default is not an input.
    pub net_iface: Option<Said>,
    /// `HOST`.
    pub host: Option<Said>,
}

/// Turns a name into addresses, or says why it cannot.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Result<Vec<IpAddr>, String>;

/// Decides where to listen and which address to announce. Each arm is a rule; the first that applies wins.
pub fn decide(
    inputs: &Inputs,
    found: &[Interface],
    resolve: Resolve<'_>,
) -> Result<(Bind, IpAddr), Problems> {
    let bind_ip = inputs.bind_ip.as_ref().map(bind_address).transpose();
    let announce_ip = inputs
        .announce_ip
        .as_ref()
        .map(|said| announced(said, resolve))
        .transpose();
    let (bind_ip, announce_ip) = match (bind_ip, announce_ip) {
        (Ok(bind_ip), Ok(announce_ip)) => (bind_ip, announce_ip),
        (Err(bind), Err(announce)) => return Err(Problems::both(bind, announce)),
        (Err(one), Ok(_)) | (Ok(_), Err(one)) => return Err(Problems::single(one)),
    };
    let view = View {
        inputs,
        found,
        resolve,
    };
    match (bind_ip, announce_ip) {
        (Some(Bind::Address(ip)), announce) => Ok((Bind::Address(ip), announce.unwrap_or(ip))),
        (Some(Bind::Wildcard), None) => view.behind_wildcard(),
        (None, Some(announce)) if view.is_local(announce) => Ok((Bind::Address(announce), announce)),
        // All were asked for, or it is not an address of ours: NAT or a bridge brings the connections here.
        (Some(Bind::Wildcard) | None, Some(announce)) => Ok((Bind::Wildcard, announce)),
        (None, None) => match (&inputs.net_iface, &inputs.host) {
            (Some(iface), _) => view.interface(iface).map(listen_there),
            (None, Some(host)) => view.host(host),
            (None, None) => view.usual_interface().map(listen_there),
        },
    }
    .map_err(Problems::single)
}

fn listen_there(ip: IpAddr) -> (Bind, IpAddr) {
    (Bind::Address(ip), ip)
}

struct View<'a> {
    inputs: &'a Inputs,
    found: &'a [Interface],
    resolve: Resolve<'a>,
}

impl View<'_> {
    /// An address to announce while listening on all of them.
    fn behind_wildcard(&self) -> Result<(Bind, IpAddr), Problem> {
        let announce = match (&self.inputs.host, &self.inputs.net_iface) {
            (Some(host), Some(iface)) => match self.host(host)? {
                (Bind::Wildcard, theirs) => theirs,
                (Bind::Address(_), _) => self.interface(iface)?,
            },
            (Some(host), None) => self.host(host)?.1,
            (None, Some(iface)) => self.interface(iface)?,
            (None, None) => self.usual_interface()?,
        };
        Ok((Bind::Wildcard, announce))
    }

    /// `HOST`, which Marathon sets in every network mode.
    fn host(&self, said: &Said) -> Result<(Bind, IpAddr), Problem> {
        let addresses = resolved(said, self.resolve)?;
        let ours = addresses.iter().copied().filter(|ip| self.is_local(*ip));
        let ours = preferred(&ours.collect::<Vec<_>>());
        match (ours, preferred(&addresses)) {
            (Some(ours), _) => Ok(listen_there(self.address_of(usual_name()).unwrap_or(ours))),
            (None, Some(theirs)) => Ok((Bind::Wildcard, theirs)),
            (None, None) => Err(unusable(said)),
        }
    }

    fn interface(&self, said: &Said) -> Result<IpAddr, Problem> {
        self.address_of(said.text.trim()).ok_or_else(|| {
            let wrong = format!(
                "is not an interface with an address; found {}; name one of them, or set BIND_IP",
                listed(self.found)
            );
            Problem::with_value(&said.name, &said.text, wrong)
        })
    }

    fn usual_interface(&self) -> Result<IpAddr, Problem> {
        let usual = usual_name();
        self.address_of(usual).ok_or_else(|| {
            let wrong = format!(
                "is not set, and there is no interface {usual} with an address; found {}; name one of them, for \
                 example NET_IFACE={}, or set BIND_IP",
                listed(self.found),
                vars::NET_IFACE.example,
            );
            Problem::new(vars::NET_IFACE.name, wrong)
        })
    }

    fn address_of(&self, name: &str) -> Option<IpAddr> {
        let named = self.found.iter().filter(|interface| interface.name == name);
        preferred(&named.map(|interface| interface.ip).collect::<Vec<_>>())
    }

    fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.found.iter().any(|interface| interface.ip == ip)
    }
}

fn usual_name() -> &'static str {
    vars::NET_IFACE
        .default_value(Program::RedisWrapper)
        .unwrap_or_default()
}

/// The address others reach best: beyond this host (Debian's own name resolves to 127.0.1.1 first), beyond the link, and
/// IPv4 before IPv6, as more clients speak it.
fn preferred(addresses: &[IpAddr]) -> Option<IpAddr> {
    let usable = |ip: &&IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_unicast_link_local(),
    };
    addresses
        .iter()
        .filter(usable)
        .min_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()))
        .copied()
}

pub(crate) fn bind_address(said: &Said) -> Result<Bind, Problem> {
    match literal(&said.text) {
        Some(ip) if ip.is_unspecified() => Ok(Bind::Wildcard),
        Some(ip) => Ok(Bind::Address(ip)),
        None => {
            let example = vars::BIND_IP.example;
            let wrong =
                format!("is not an IP address; write one of this host's, for example {example}, or 0.0.0.0");
            Err(Problem::with_value(&said.name, &said.text, wrong))
        }
    }
}

fn announced(said: &Said, resolve: Resolve<'_>) -> Result<IpAddr, Problem> {
    preferred(&resolved(said, resolve)?).ok_or_else(|| unusable(said))
}

fn resolved(said: &Said, resolve: Resolve<'_>) -> Result<Vec<IpAddr>, Problem> {
    if let Some(ip) = literal(&said.text) {
        return Ok(vec![ip]);
    }
    let name = said.text.trim();
    let remedy = "write an IP address, or a name that this host can resolve, for example 10.0.0.7";
    if name.contains(':') || Addr::new(name, 1).is_err() {
        let wrong = format!("is neither an IP address nor a host name; {remedy}");
        return Err(Problem::with_value(&said.name, &said.text, wrong));
    }
    resolve(name).map_err(|why| {
        Problem::with_value(
            &said.name,
            &said.text,
            format!("does not resolve to an address ({why}); {remedy}"),
        )
    })
}

fn unusable(said: &Said) -> Problem {
    let wrong =
        "is no address that others can connect to; write one that reaches this host, for example 10.0.0.7";
    Problem::with_value(&said.name, &said.text, wrong)
}

fn literal(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

/// `lo 127.0.0.1, eth0 10.0.0.7`.
pub(crate) fn listed(found: &[Interface]) -> String {
    let mut words = found
        .iter()
        .map(|interface| format!("{} {}", interface.name, interface.ip))
        .collect::<Vec<_>>();
    words.dedup();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests;
