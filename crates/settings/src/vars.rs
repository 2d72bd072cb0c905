//! The one list of environment variables. Flags, help, documentation and reading are all made from it.

/// One of the programs that read settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Supervises one redis-server.
    RedisWrapper,
    /// Supervises one redis-sentinel.
    SentinelWrapper,
    /// Tells the outside world who is master.
    Watcher,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 3] = [Self::RedisWrapper, Self::SentinelWrapper, Self::Watcher];

    /// The name of its binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::RedisWrapper => "redis-wrapper",
            Self::SentinelWrapper => "sentinel-wrapper",
            Self::Watcher => "watcher",
        }
    }

    /// The server it supervises; a program that has one passes the arguments after `--` on to it.
    pub fn child(self) -> Option<&'static str> {
        match self {
            Self::RedisWrapper => Some("redis-server"),
            Self::SentinelWrapper => Some("redis-sentinel"),
            Self::Watcher => None,
        }
    }
}

/// Which programs read a variable. The others ignore it, so that a group can share one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// All programs.
    All,
    /// redis-wrapper and sentinel-wrapper.
    Wrappers,
    /// redis-wrapper only.
    RedisWrapper,
    /// sentinel-wrapper only.
    SentinelWrapper,
    /// The watcher only.
    Watcher,
}

impl Who {
    /// Whether `program` reads it.
    pub fn includes(self, program: Program) -> bool {
        match self {
            Self::All => true,
            Self::Wrappers => matches!(program, Program::RedisWrapper | Program::SentinelWrapper),
            Self::RedisWrapper => program == Program::RedisWrapper,
            Self::SentinelWrapper => program == Program::SentinelWrapper,
            Self::Watcher => program == Program::Watcher,
        }
    }

    /// The word for the documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Wrappers => "wrappers",
            Self::RedisWrapper => "redis-wrapper",
            Self::SentinelWrapper => "sentinel-wrapper",
            Self::Watcher => "watcher",
        }
    }
}

/// How a variable's value may be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the environment or as a flag.
    Plain,
    /// As `Plain`, or in the file that `X_FILE` or `--x-file` names.
    PlainOrFile,
    /// In the environment, or in a file; never as a flag, and never shown.
    Secret,
    /// The path of a file. `X_FILE` is another spelling of the same.
    File,
}

/// What holds when nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing: the setting is off.
    Unset,
    /// This value.
    Value(&'static str),
    /// A value for each program.
    PerProgram {
        /// For redis-wrapper.
        redis_wrapper: &'static str,
        /// For sentinel-wrapper.
        sentinel_wrapper: &'static str,
        /// For the watcher.
        watcher: &'static str,
    },
    /// Found out at start, in the way the words say.
    Described(&'static str),
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// Which programs read it.
    pub who: Who,
    /// How it may be handed over.
    pub kind: Kind,
    /// What holds when it is unset.
    pub fallback: Fallback,
    /// A valid value.
    pub example: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

impl Variable {
    /// The value that holds for `program` when nobody says anything, where that is a fixed one.
    pub fn default_value(&self, program: Program) -> Option<&'static str> {
        match self.fallback {
            Fallback::Unset | Fallback::Described(_) => None,
            Fallback::Value(value) => Some(value),
            Fallback::PerProgram {
                redis_wrapper,
                sentinel_wrapper,
                watcher,
            } => Some(match program {
                Program::RedisWrapper => redis_wrapper,
                Program::SentinelWrapper => sentinel_wrapper,
                Program::Watcher => watcher,
            }),
        }
    }

    /// The default in words, for `program`'s help, or for all programs in the documentation.
    pub fn default_text(&self, program: Option<Program>) -> String {
        match (
            self.fallback,
            program.and_then(|program| self.default_value(program)),
        ) {
            (_, Some(value)) => value.to_owned(),
            (Fallback::Unset, None) => "unset".to_owned(),
            (Fallback::Value(text) | Fallback::Described(text), None) => text.to_owned(),
            (
                Fallback::PerProgram {
                    redis_wrapper,
                    sentinel_wrapper,
                    watcher,
                },
                None,
            ) => {
                format!("{redis_wrapper}; sentinel-wrapper {sentinel_wrapper}; watcher {watcher}")
            }
        }
    }

    /// `X_FILE`, where the value may come from a file.
    pub fn file_name(&self) -> Option<String> {
        match self.kind {
            Kind::Plain => None,
            Kind::PlainOrFile | Kind::Secret | Kind::File => Some(format!("{}_FILE", self.name)),
        }
    }

    /// The flags that say the same, most usual first.
    pub fn flags(&self) -> Vec<String> {
        let plain = flag(self.name);
        match self.kind {
            Kind::Plain => vec![plain],
            Kind::PlainOrFile | Kind::File => {
                let file = format!("{plain}-file");
                vec![plain, file]
            }
            Kind::Secret => vec![format!("{plain}-file")],
        }
    }
}

/// `ZK_HOSTS` becomes `--zk-hosts`.
pub(crate) fn flag(name: &str) -> String {
    format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
}

macro_rules! table {
    ($($name:ident: $who:ident, $kind:ident, $fallback:expr, $example:literal, $meaning:literal;)*) => {
        $(
            #[doc = concat!("The row of `", stringify!($name), "`.")]
            pub const $name: Variable = Variable {
                name: stringify!($name),
                who: Who::$who,
                kind: Kind::$kind,
                fallback: $fallback,
                example: $example,
                meaning: $meaning,
            };
        )*
        /// Every variable, in the order of the documentation.
        pub const TABLE: &[Variable] = &[$($name),*];
    };
}

use Fallback::{Described, PerProgram, Unset, Value};

table! {
    ZK_HOSTS: All, Plain, Value("localhost:2181"), "zk1:2181,zk2:2181,zk3:2181/prod",
        "ZooKeeper servers: comma-separated host[:port], then optionally one /chroot; a leading zk:// is accepted";
    ZK_ROOT: All, Plain, Value("/redis"), "/redis", "where the group's tree begins in ZooKeeper";
    ZK_SESSION_TIMEOUT: All, Plain, Value("4s"), "4s",
        "ZooKeeper session timeout, 1s to 60s: how long a dead program stays registered";
    ZK_AUTH: All, Secret, Unset, "user:password", "ZooKeeper digest credentials, user:password";
    ZK_TLS_CA: All, File, Unset, "/run/secrets/zk-ca.pem", "speak TLS to ZooKeeper, and trust this certificate authority (PEM)";
    ZK_TLS_CERT: All, File, Unset, "/run/secrets/zk-client.pem", "client certificate for ZooKeeper (PEM)";
    ZK_TLS_KEY: All, File, Unset, "/run/secrets/zk-client.key", "key of ZK_TLS_CERT (PEM)";
    MASTER_NAME: All, Plain, Value("master1"), "sessions",
        "the group's name, as Sentinel clients ask for it; choose one that no other group uses";
    NET_IFACE: Wrappers, Plain, Value("eth0"), "ens3",
        "listen on and announce this interface's address, IPv4 first";
    BIND_IP: Wrappers, Plain, Unset, "10.0.0.7",
        "listen on this address instead; 0.0.0.0 or :: is every address (where the watcher always listens)";
    PORT0: All, Plain,
        PerProgram { redis_wrapper: "6379", sentinel_wrapper: "26379", watcher: "8080" }, "31500",
        "the port to listen on, and to announce unless ANNOUNCE_PORT says otherwise";
    PORT1: Wrappers, Plain, Unset, "31501", "second port given by Marathon: the admin page's unless ADMIN_PORT is set";
    ANNOUNCE_IP: Wrappers, Plain, Unset, "203.0.113.9",
        "the address others are told to use (NAT, bridge network); a name is resolved first";
    ANNOUNCE_PORT: Wrappers, Plain, Described("PORT0"), "31500", "the port others are told to use";
    HOST: Wrappers, Plain, Unset, "agent1.example.com",
        "the agent's name or address, set by Marathon: announced where it is not an address of this container";
    ADMIN_PORT: Wrappers, Plain, Described("PORT1 where set, else off"), "31501",
        "port of /healthz, /ready, /role and /metrics";
    REDIS_CONF: RedisWrapper, Plain, Described("built-in copy of conf/redis.conf"), "/etc/redis/redis.conf",
        "your redis.conf: included, never written to";
    SENTINEL_CONF: SentinelWrapper, Plain, Described("built-in copy of conf/sentinel.conf"), "/etc/redis/sentinel.conf",
        "your sentinel.conf: included, never written to";
    DATA_DIR: Wrappers, Plain, Described("/data where it exists, else the working directory"), "/var/lib/redis",
        "private, writable directory for the data set and generated files";
    REDIS_SERVER: RedisWrapper, Plain, Described("redis-server, else valkey-server, on PATH"), "/usr/bin/redis-server",
        "the server to start: a path, or a name on PATH";
    REDIS_SENTINEL: SentinelWrapper, Plain, Described("redis-sentinel, else valkey-sentinel, on PATH"), "/usr/bin/redis-sentinel",
        "the Sentinel to start: a path, or a name on PATH";
    SENTINEL_QUORUM: SentinelWrapper, Plain, Value("2"), "2", "how many Sentinels must agree that the master is down";
    MASTER_WAIT: SentinelWrapper, Plain, Value("30s"), "30s", "how long to wait for a first master; 0 is for ever";
    DOWN_AFTER: Wrappers, Plain, Value("2s"), "2s",
        "silence after which a Sentinel thinks the master is down; at least 1500ms is advised";
    FAILOVER_TIMEOUT: SentinelWrapper, Plain, Value("5s"), "5s",
        "Sentinel's failover-timeout; a failed failover is tried again after twice this";
    PARALLEL_SYNCS: SentinelWrapper, Plain, Value("1"), "1", "how many replicas copy from a new master at the same time";
    NOTIFICATION_SCRIPT: SentinelWrapper, Plain, Unset, "/usr/sbin/eventilator",
        "path of a program that Sentinel calls for each important event of the group (+sdown, +odown, +switch-master, ...): notification-script of a sentinel.conf";
    CLIENT_RECONFIG_SCRIPT: SentinelWrapper, Plain, Unset, "/usr/sbin/reconfigurator",
        "path of a program that Sentinel calls for each new master of the group: client-reconfig-script of a sentinel.conf";
    REDIS_USER: All, PlainOrFile, Unset, "replication", "ACL user for connections to Redis; needs REDIS_PASSWORD";
    REDIS_PASSWORD: All, Secret, Unset, "correct-horse", "password for connections to Redis";
    SENTINEL_PASSWORD: All, Secret, Unset, "battery-staple", "password for connections to Sentinels";
    TLS_CA: All, File, Unset, "/run/secrets/ca.pem",
        "speak TLS to Redis and Sentinels, and trust this certificate authority (PEM)";
    TLS_CERT: All, File, Unset, "/run/secrets/client.pem", "certificate for Redis and Sentinels (PEM)";
    TLS_KEY: All, File, Unset, "/run/secrets/client.key", "key of TLS_CERT (PEM)";
    LEASE: RedisWrapper, Plain, Value("1500ms"), "1500ms",
        "how long a master that reaches neither ZooKeeper nor a majority of the Sentinels goes on taking writes: 500ms to DOWN_AFTER less 500ms; off or 0: for ever";
    DURABILITY: RedisWrapper, Plain, Value("async"), "quorum",
        "which acknowledged writes a failover must keep: async (the best replica that is reached becomes master), or quorum (a majority of the members must be reached)";
    RUN_AS: Wrappers, Plain, Unset, "redis:redis",
        "when started as root: become this user[:group] or uid[:gid]; it is made the owner of what the program keeps in DATA_DIR (by redis-wrapper of DATA_DIR itself too, its generated files and its data set), and of nothing else there";
    SENTINELS: Watcher, Plain, Unset, "10.0.0.7:26379,10.0.0.8:26379,[::1]:26379",
        "watch without ZooKeeper: ask these Sentinels, and those that they know; nothing is recorded then, only told";
    GROUPS: Watcher, Plain, Described("MASTER_NAME at ZK_ROOT"), "sessions=/redis/sessions:7000,cache=/redis/cache:7001",
        "the groups to watch, comma-separated: name=root (with SENTINELS the name alone), then optionally :port where clients connect in front of it";
    EXTERNAL_PORT: Watcher, Plain, Unset, "7000", "where clients connect in front of the group: .ExternalPort of HAPROXY_TEMPLATE";
    REPLICA_MAX_LAG: Watcher, Plain, Value("10000000"), "1000000",
        "how many bytes a replica may be behind its master and still be given to readers";
    HAPROXY_SOCKET: Watcher, Plain, Unset, "/run/haproxy/admin.sock,127.0.0.1:9999",
        "HAProxy Runtime API sockets to keep in step, comma-separated: paths or host:port";
    HAPROXY_MASTER: Watcher, Plain, Value("{name}/master"), "bk_redis/R_sessions_1",
        "backend/server that gets the master's address over HAPROXY_SOCKET; {name} is the group's name";
    HAPROXY_REPLICAS: Watcher, Plain, Unset, "{name}-replicas",
        "backend whose servers get the addresses of the replicas that may be read over HAPROXY_SOCKET";
    HAPROXY_TEMPLATE: Watcher, Plain, Unset, "/etc/haproxy/redis.cfg.tmpl", "Go-style template of HAPROXY_OUTPUT";
    HAPROXY_OUTPUT: Watcher, Plain, Unset, "/etc/haproxy/haproxy.cfg", "the file to write whole from HAPROXY_TEMPLATE";
    HAPROXY_CHECK: Watcher, Plain, Value("haproxy -c -f \"$FILE\""), "haproxy -c -f \"$FILE\" -f /etc/haproxy/base.cfg",
        "shell command that checks the new file before it replaces HAPROXY_OUTPUT; its path is in $FILE; off: none";
    HAPROXY_RELOAD: Watcher, Plain, Unset, "systemctl reload haproxy", "shell command that makes HAProxy read HAPROXY_OUTPUT";
    CONSUL: Watcher, Plain, Unset, "catalog,kv",
        "what to keep in Consul, comma-separated: catalog (a node and a service in the catalogue), agent (a service of the local agent, with a health check), kv (a key)";
    CONSUL_HTTP_ADDR: Watcher, Plain, Value("127.0.0.1:8500"), "https://consul.service.consul:8501", "Consul's HTTP API";
    CONSUL_HTTP_TOKEN: Watcher, Secret, Unset, "b1gs33cr3t", "token for Consul's API";
    CONSUL_CACERT: Watcher, File, Unset, "/run/secrets/consul-ca.pem", "speak TLS to Consul, and trust this certificate authority (PEM)";
    CONSUL_DATACENTER: Watcher, Plain, Unset, "dc1", "Consul datacentre to register in; unset: the agent's own";
    CONSUL_NODE: Watcher, Plain, Value("redis-{name}"), "redis-sessions", "node of the catalogue registration";
    CONSUL_SERVICE: Watcher, Plain, Value("{name}"), "redis-{name}", "service name in Consul";
    CONSUL_TAGS: Watcher, Plain, Unset, "redis,master", "tags of the service, comma-separated";
    CONSUL_KEY: Watcher, Plain, Value("redis/{name}/master"), "redis/{name}/master", "key that holds the master as JSON";
    WEBHOOK_URL: Watcher, Secret, Unset, "https://hooks.example.com/redis", "URLs that get a JSON POST for each new master, separated by spaces; a secret, since many hold a token";
    WEBHOOK_CACERT: Watcher, File, Unset, "/run/secrets/hooks-ca.pem", "certificate authority of the webhooks (PEM), instead of the system's";
    WEBHOOK_SECRET: Watcher, Secret, Unset, "s3cr3t", "key of the HMAC-SHA256 that signs each POST";
    ON_MASTER: Watcher, Plain, Unset, "/usr/local/bin/repoint-proxy",
        "shell command to run for each new master, also for the one found at a start; the facts are in REDIS_MASTER_* variables, secrets of ours are not";
    SINK_TIMEOUT: Watcher, Plain, Value("10s"), "10s", "how long HAPROXY_CHECK, HAPROXY_RELOAD, ON_MASTER or a POST may take, 1s to 5m";
    HTTP_TOKEN: Watcher, Secret, Unset, "t0k3n", "token that HTTP clients must show (Authorization: Bearer); health checks and the contract's pages need none";
    STOP_GRACE: All, Plain, Value("10s"), "10s", "how long a stop may take before it is forced";
    LOG_FORMAT: All, Plain, Value("text"), "json", "text or json";
    RUST_LOG: All, Plain, Value("info"), "info,registry=debug",
        "which log lines to write: error, warn, info, debug, trace, also per crate";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_unique_and_complete() {
        for (at, variable) in TABLE.iter().enumerate() {
            assert!(
                !variable.meaning.is_empty() && !variable.example.is_empty(),
                "{}",
                variable.name
            );
            assert!(
                TABLE[..at].iter().all(|other| other.name != variable.name),
                "{} twice",
                variable.name
            );
        }
    }

    #[test]
    fn a_secret_has_no_flag_for_its_value() {
        assert_eq!(REDIS_PASSWORD.flags(), ["--redis-password-file"]);
        assert_eq!(REDIS_USER.flags(), ["--redis-user", "--redis-user-file"]);
        assert_eq!(PORT0.flags(), ["--port0"]);
        assert_eq!(
            PORT0.default_text(None),
            "6379; sentinel-wrapper 26379; watcher 8080"
        );
    }
}
