//! One command to one Redis or Sentinel, over a connection of its own.
//!
//! A test kills servers all the time; a connection per question has no memory of it.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    Value,
};
use topology::Addr;

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
const RESPONSE_DEADLINE: Duration = Duration::from_secs(5);

/// Asks one question. Refused, silent for 5 s, or an error reply: an error.
pub async fn ask(addr: &Addr, password: Option<&str>, words: &[&str]) -> RedisResult<Value> {
    let mut connection = connect(addr, password).await?;
    command(words).query_async(&mut connection).await
}

pub(crate) async fn connect(addr: &Addr, password: Option<&str>) -> RedisResult<MultiplexedConnection> {
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(password) = password {
        login = login.set_password(password);
    }
    let target = ConnectionAddr::Tcp(addr.host().to_owned(), addr.port())
        .into_connection_info()?
        .set_redis_settings(login);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_DEADLINE))
        .set_response_timeout(Some(RESPONSE_DEADLINE));
    Client::open(target)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

pub(crate) fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command
}

/// A reply as text, as far as it has any: lists are joined by spaces, nil is empty.
pub fn text(value: &Value) -> String {
    match redis::from_redis_value::<String>(value.clone()) {
        Ok(text) => text,
        Err(_) => redis::from_redis_value::<Vec<Value>>(value.clone())
            .map(|list| list.iter().map(text).collect::<Vec<_>>().join(" "))
            .unwrap_or_default(),
    }
}

/// The value of one field of an INFO text.
pub(crate) fn field(info: &str, name: &str) -> Option<String> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim_end().to_owned())
}

/// The nodes in a reply to SENTINEL REPLICAS or SENTINEL SENTINELS: each a map from field to value.
pub fn records(value: &Value) -> Vec<BTreeMap<String, String>> {
    redis::from_redis_value(value.clone()).unwrap_or_default()
}
