//! What `redis-haproxy --help` says.

/// The help for who comes from redishappy.
pub(super) fn help() -> String {
    "\
Follows Redis Sentinels without ZooKeeper, and keeps HAProxy or Consul in step with the masters: redishappy's interface.

Usage:
  redis-haproxy [-config FILE] [-bind ADDRESS]      HAProxy, by a template and a reload command
  redis-consul [-config FILE] [-bind ADDRESS]       Consul's catalogue
  watcher -config FILE [-bind ADDRESS]              what FILE has of both

Flags, with one dash or two:
  -config FILE    redishappy's configuration, JSON [default: config.json; not needed where REDISHAPPY_CLUSTERS and
                  REDISHAPPY_SENTINELS are set]
  -bind ADDRESS   where the pages are, :port or address:port [default: BIND, else PORT, else :8000]
  -log FOLDER     accepted and not used: the log goes to standard output

Environment, which wins over the file:
  REDISHAPPY_CLUSTERS                sessions:6379;cache:6380
  REDISHAPPY_SENTINELS               10.0.0.7:26379;[fd00::8]:26379
  REDISHAPPY_HAPROXY_TEMPLATE_PATH   /etc/redishappy-haproxy/haproxy_template.cfg
  REDISHAPPY_HAPROXY_OUTPUT_PATH     /etc/haproxy/haproxy.cfg
  REDISHAPPY_HAPROXY_RELOAD_CMD      systemctl reload haproxy

Keys of FILE, whatever their case; what is not known is ignored with a warning:
  SentinelTCPKeepAlive   seconds
  Clusters               [{Name, ExternalPort}]
  Sentinels              [{Host, Port}]; those that they know are found by themselves
  HAProxy                {TemplatePath, OutputPath, ReloadCommand}
  Consul                 {Address, Services: [{Cluster, Node, Datacenter, Tags}]}

Beside these the watcher's own settings work, in the environment or as flags: REDIS_PASSWORD, REDIS_USER,
SENTINEL_PASSWORD, TLS_CA, TLS_CERT, TLS_KEY, HAPROXY_SOCKET, HAPROXY_CHECK, CONSUL_HTTP_TOKEN, WEBHOOK_URL,
ON_MASTER, SINK_TIMEOUT, HTTP_TOKEN, STOP_GRACE, LOG_FORMAT, RUST_LOG. `watcher --help` explains them.

Pages: /api/ping, /api/configuration, /api/sentinels, /api/topology, /api/template, /api/haproxy, and the watcher's own.

Exit codes:
  0    stopped as asked
  64   a problem with the settings, all of them listed; a restart changes nothing
  69   something needed is not available
  70   a fault of this program
"
    .to_owned()
}
