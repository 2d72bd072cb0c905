//! What HAProxy has: its answer to `show servers state`, read by the names of the columns, since versions differ in their number.

use std::net::{IpAddr, SocketAddr};

/// A sentence of HAProxy's is short; its help is not.
const LONGEST_MESSAGE: usize = 200;
const MOST_MESSAGES: usize = 8;

/// The question whose answer [`State::read`] reads.
pub(super) fn question(backend: &str) -> String {
    format!("show servers state {backend}")
}

/// The servers of the backends that were asked for, in their order in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) servers: Vec<Server>,
    /// Whatever else it said that is no plain success.
    pub(super) messages: Vec<String>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) backend: String,
    pub(super) name: String,
    /// `None` when it has no IP address: a name that was not resolved, or a socket.
    pub(super) addr: Option<SocketAddr>,
    pub(super) admin: Admin,
    pub(super) health: Health,
    /// The port that is checked, where it is not the server's own.
    pub(super) check_port: u16,
}

/// The bits of `srv_admin_state`, as in HAProxy's `SRV_ADMF_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admin(pub(super) u32);

/// Whether HAProxy's own checks let traffic through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It is up, on its way up, or not checked.
    Up,
    /// It is down.
    Down,
}

impl Admin {
    /// Forced, by a tracked server, by a failed resolution, by a name that changed.
    const MAINTENANCE: u32 = 0x01 | 0x02 | 0x20 | 0x40;
    /// Says only that the configuration had it in maintenance at the start.
    const CONFIGURED: u32 = 0x04;

    /// Whether clients are sent to it.
    pub(super) fn is_ready(self) -> bool {
        self.0 & !Self::CONFIGURED == 0
    }

    pub(super) fn is_maintenance(self) -> bool {
        self.0 & Self::MAINTENANCE != 0
    }
}

impl Server {
    /// For an error: what it has.
    pub(super) fn shown(&self) -> String {
        let at = self.addr.map_or("no address".to_owned(), |addr| addr.to_string());
        let state = if self.admin.is_ready() {
            "ready"
        } else if self.admin.is_maintenance() {
            "in maintenance"
        } else {
            "draining"
        };
        format!("{at}, {state}")
    }
}

impl State {
    /// Reads an answer: any number of tables, and what was said between them.
    pub(super) fn read(answer: &str) -> Result<Self, String> {
        let mut state = Self::default();
        let mut columns: Option<Columns> = None;
        for line in answer.lines().map(str::trim) {
            if line.is_empty() {
                columns = None;
            } else if let Some(header) = line.strip_prefix("# be_id") {
                columns = Some(Columns::read(header)?);
            } else if let Some(columns) = &columns {
                state.servers.push(columns.server(line)?);
            } else if line != "1" && !is_success(line) && state.messages.len() < MOST_MESSAGES {
                state.messages.push(line.chars().take(LONGEST_MESSAGE).collect());
            }
        }
        Ok(state)
    }
}

/// `1` is the version of the table. A change of an address is told in a sentence.
fn is_success(line: &str) -> bool {
    line.ends_with("by 'stats socket command'")
        && (line.contains("changed from") || line.starts_with("no need to"))
}

/// Where in a row each fact stands.
struct Columns {
    backend: usize,
    name: usize,
    addr: usize,
    port: usize,
    admin: usize,
    health: usize,
    /// Not in versions before 2.4.
    check_port: Option<usize>,
}

impl Columns {
    fn read(header: &str) -> Result<Self, String> {
        let names: Vec<&str> = header.split_ascii_whitespace().collect();
        // `be_id` is column 0 and was cut off.
        let find = |name: &str| names.iter().position(|seen| *seen == name).map(|at| at + 1);
        let need =
            |name: &str| find(name).ok_or_else(|| format!("`show servers state` has no column {name}"));
        Ok(Self {
            backend: need("be_name")?,
            name: need("srv_name")?,
            addr: need("srv_addr")?,
            port: need("srv_port")?,
            admin: need("srv_admin_state")?,
            health: need("srv_op_state")?,
            check_port: find("srv_check_port"),
        })
    }

    fn server(&self, line: &str) -> Result<Server, String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let strange = || {
            let line: String = line.chars().take(LONGEST_MESSAGE).collect();
            format!("`show servers state` has the row `{line}`")
        };
        let word = |at: usize| words.get(at).copied().ok_or_else(strange);
        let number = |at: usize| word(at)?.parse::<u32>().map_err(|_| strange());
        let ip = word(self.addr)?.parse::<IpAddr>().ok();
        let port = word(self.port)?.parse::<u16>().map_err(|_| strange())?;
        Ok(Server {
            backend: word(self.backend)?.to_owned(),
            name: word(self.name)?.to_owned(),
            addr: ip.map(|ip| SocketAddr::new(ip, port)),
            admin: Admin(number(self.admin)?),
            health: if number(self.health)? == 0 {
                Health::Down
            } else {
                Health::Up
            },
            check_port: match self.check_port {
                Some(at) => word(at)?.parse().map_err(|_| strange())?,
                None => 0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As HAProxy 2.6 answers `show servers state a; set server ...; show servers state nope; show servers state b`.
    const ANSWER: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
        srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
        bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
        srv_agent_addr srv_agent_port\n\
        2 sessions 1 master 127.0.0.1 0 5 1 1 1 1 0 0 8 0 0 0 - 1 - 0 0 - - 0\n\
        2 sessions 2 six ::1 2 4 1 1 1 1 0 0 8 0 0 0 - 7 - 0 8080 - - 0\n\n\
        no need to change the addr, port changed from '1' to '6379' by 'stats socket command'\n\n\
        Can't find backend.\n\n\
        1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port\n5 dns 1 x - 0 32 6\n\n";

    #[test]
    fn tables_are_read_by_their_headers() {
        let state = State::read(ANSWER).unwrap();
        let shown: Vec<_> = state
            .servers
            .iter()
            .map(|server| format!("{}/{} {}", server.backend, server.name, server.shown()))
            .collect();
        assert_eq!(
            shown,
            [
                "sessions/master 127.0.0.1:1, in maintenance",
                "sessions/six [::1]:7, ready",
                "dns/x no address, in maintenance"
            ]
        );
        assert_eq!(state.messages, ["Can't find backend."]);
        assert_eq!(state.servers[1].check_port, 8080);
        assert_eq!(
            (state.servers[0].health, state.servers[1].health),
            (Health::Down, Health::Up)
        );
    }

    #[test]
    fn what_is_no_such_table_is_said() {
        let old = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n";
        assert_eq!(
            State::read(old).unwrap_err(),
            "`show servers state` has no column srv_port"
        );
        let cut = ANSWER.replace("5 dns 1 x - 0 32 6", "5 dns 1 x");
        assert!(State::read(&cut).unwrap_err().contains("5 dns 1 x"));
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(head in 0..ANSWER.len(), noise in ".{0,40}", tail in 0..ANSWER.len()) {
            let text = format!("{}{noise}{}", &ANSWER[..head], &ANSWER[tail..]);
            let _ = State::read(&text);
        }
    }
}
