//! What Sentinel tells a client-reconfiguration script: seven arguments (`sentinelCallClientReconfScript`).

use topology::Addr;

/// How the name of this call is written where events are named (`TriggerOn`, records): Sentinel has none for it.
pub const EVENT: &str = "failover";

/// One call of a client-reconfiguration script: the group's master is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconfiguration {
    /// The group.
    pub pod: String,
    /// What the Sentinel that calls is: `leader` of the failover, or `observer`. All are observers of a switch that was announced to them.
    pub role: String,
    /// Always `start` in today's Sentinel; opaque.
    pub state: String,
    /// The master before.
    pub from: Addr,
    /// The master now.
    pub to: Addr,
}

/// An argument that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: `{host} {port}` is not an address and a port")]
pub struct NoAddress {
    what: &'static str,
    host: String,
    port: String,
}

impl Reconfiguration {
    /// Reads the arguments `<master> <role> <state> <from-ip> <from-port> <to-ip> <to-port>`.
    pub fn read(arguments: [&str; 7]) -> Result<Self, NoAddress> {
        let [pod, role, state, from_ip, from_port, to_ip, to_port] = arguments;
        let addr = |what, host: &str, port: &str| {
            let read = port.parse().ok().and_then(|port| Addr::new(host, port).ok());
            read.ok_or_else(|| NoAddress {
                what,
                host: host.to_owned(),
                port: port.to_owned(),
            })
        };
        Ok(Self {
            pod: pod.to_owned(),
            role: role.to_owned(),
            state: state.to_owned(),
            from: addr("the old master", from_ip, from_port)?,
            to: addr("the new master", to_ip, to_port)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seven_arguments() {
        let read = Reconfiguration::read(["m1", "observer", "start", "10.0.0.1", "6379", "::1", "6380"]);
        let read = read.unwrap();
        assert_eq!((read.pod.as_str(), read.role.as_str()), ("m1", "observer"));
        assert_eq!(
            (read.from.to_string(), read.to.to_string()),
            ("10.0.0.1:6379".into(), "[::1]:6380".into())
        );
    }

    #[test]
    fn a_port_that_is_none_is_named() {
        let wrong = Reconfiguration::read(["m1", "leader", "start", "10.0.0.1", "6379", "10.0.0.2", "x"]);
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "the new master: `10.0.0.2 x` is not an address and a port"
        );
    }

    proptest! {
        #[test]
        fn never_panics(words in proptest::array::uniform7("\\PC*")) {
            let _ = Reconfiguration::read(words.each_ref().map(String::as_str));
        }
    }
}
