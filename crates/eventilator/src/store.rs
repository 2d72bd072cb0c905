//! The store: a Redis that counts, and in which the Sentinels of all hosts agree what was delivered.
//!
//! Everything is a script, so that each step is whole. What is in it besides the counters (`store/counters.rs`) begins with `eventilator:` and expires.

use std::time::Duration;

use instance::{Credentials, DialSettings, Dialer, InstanceError, LastingRedis, TlsFiles};

use crate::config::StoreConfig;
use crate::identity::{self, Book, Identity, Report};
use crate::message::Message;

mod counters;

pub use counters::{Command, counts, updates};

/// The name of the store as a receiver.
pub const NAME: &str = "store";
/// A book that nobody wrote in for so long is forgotten.
const BOOK_SECONDS: &str = "3456000";
/// So often another host may write in the book between our reading and our writing.
const TRIES: usize = 64;

/// Writes a book if it is still the one that was read; else gives the one that is there.
const WRITE_BOOK: &str = "
local is = redis.call('GET', KEYS[1]) or ''
if is ~= ARGV[1] then return is end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return nil";

/// Takes an event for one sink, unless it is delivered, or somebody else is at it.
const CLAIM: &str = "
local is = redis.call('GET', KEYS[1])
if is == 'done' then return 'done' end
if is and is ~= ARGV[1] then return 'elsewhere' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'ours'";

/// Lets go of it, if it is still ours.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return nil";

const DONE: &str = "redis.call('SET', KEYS[1], 'done', 'EX', ARGV[1]) return nil";

/// Counts an event once. The mark comes first: it fails as a whole where nothing may be written. A key of another type, which somebody else
/// made, does not stop the others, now or ever. Whatever else fails may be mended, so it is tried again: from the command on that failed, which
/// the mark keeps, or from the beginning, without a mark, where nothing was written. No command is done twice.
const COUNT: &str = "
local mark = redis.call('GET', KEYS[1])
if mark and not string.find(mark, '^from ') then return 'repeated' end
local first = mark and tonumber(string.sub(mark, 6)) or 1
redis.call('SET', KEYS[1], 'done', 'EX', ARGV[1])
local wrong, written = nil, first > 1
for n, command in ipairs(cjson.decode(ARGV[2])) do
  if n >= first then
    local answer = redis.pcall(unpack(command))
    if type(answer) == 'table' and answer.err then
      local told = command[1] .. ' ' .. command[2] .. ': ' .. answer.err
      if string.find(answer.err, '^%-?WRONGTYPE') then
        wrong = told
      else
        if written then redis.call('SET', KEYS[1], 'from ' .. n, 'EX', ARGV[1]) else redis.call('DEL', KEYS[1]) end
        return 'failed ' .. told
      end
    else
      written = true
    end
  end
end
return wrong and 'partly ' .. wrong";

/// Writes keys as counters are written, and takes them away; a second later they would go by themselves. Of a key that may hold something it only asks
/// for the right to. Tells the rights that lack, and what Redis says of the first.
const CHECK: &str = "
local lacking, reason = {}, nil
for n = 1, #ARGV, 2 do
  local right, key, wrong = ARGV[n], ARGV[n + 1], nil
  local commands = {{'SREM', key, 'eventilator-check'}}
  if string.find(key, 'eventilator%-check$') then
    commands = {{'SET', key, 1}, {'EXPIRE', key, 1}, {'DEL', key}, {'HINCRBY', key, 'check', 1}, {'EXPIRE', key, 1}, {'DEL', key},
      {'SADD', key, 'check'}, {'EXPIRE', key, 1}, {'DEL', key}, {'ZADD', key, 1, 'check'}, {'EXPIRE', key, 1}, {'DEL', key}}
  end
  for _, command in ipairs(commands) do
    local answer = redis.pcall(unpack(command))
    if type(answer) == 'table' and answer.err and not string.find(answer.err, '^%-?WRONGTYPE') then
      wrong = wrong or command[1] .. ' ' .. key .. ': ' .. answer.err
    end
  end
  if wrong then
    if lacking[#lacking] ~= right then table.insert(lacking, right) end
    reason = reason or wrong
  end
end
return reason and table.concat(lacking, ' ') .. ': ' .. reason";

/// What an ACL user must have the right to, each with a key that it is proved with: first our own, then the counters'.
const RIGHTS: [[&str; 2]; 9] = [
    ["~eventilator:*", "eventilator:eventilator-check"],
    ["~failovers:*", "failovers:eventilator-check"],
    ["~pods-with-*", "pods-with-failovers"],
    ["~pods-with-*", "pods-with-failovers:eventilator-check"],
    ["~pods-with-*", "pods-with-warnings"],
    ["~pods-with-*", "pods-with-warnings:eventilator-check"],
    ["~sentinel:warnings*", "sentinel:warnings:eventilator-check"],
    [
        "~sentinel:warnings*",
        "sentinel:warnings-by-time:eventilator-check",
    ],
    ["~warnings:*", "warnings:eventilator-check"],
];

/// The store, connected when it is needed.
pub struct Store {
    redis: LastingRedis,
    config: StoreConfig,
    /// Who we are among those that share it.
    owner: String,
    /// How long a delivery is remembered.
    remembered: Duration,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is ours to deliver.
    Ours,
    /// It was delivered.
    Done,
    /// Somebody else delivers it.
    Elsewhere,
}

/// What came of counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// It counts.
    Once,
    /// It was counted already.
    Repeated,
    /// It counts, except where a key is not what it should be.
    Partly(String),
}

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its TLS cannot be.
    #[error("the store cannot be used")]
    Setup(#[source] InstanceError),
    /// It did not do it.
    #[error("the store: {0}")]
    Away(InstanceError),
    /// It did not count an event, or not all of it yet.
    #[error("the store did not count: {0}")]
    Uncounted(String),
    /// It does not let us write everything that is to be written.
    #[error(
        "the store cannot be written; its user needs the rights {0}: see `The store's keys` in docs/eventilator.md"
    )]
    Rights(String),
    /// Others wrote in the group's book again and again.
    #[error("the store: too many write in the book of {0}")]
    Crowded(String),
}

impl Store {
    /// Connects later. Deliveries are remembered for `remembered`.
    pub fn new(config: StoreConfig, owner: String, remembered: Duration) -> Result<Self, StoreError> {
        let tls = config.ca.as_ref().map(|ca| TlsFiles {
            ca: ca.clone(),
            cert: None,
            key: None,
        });
        let dialer = Dialer::new(DialSettings {
            redis: Credentials {
                user: config.user.clone(),
                password: config
                    .password
                    .as_ref()
                    .map(|password| password.reveal().to_owned()),
            },
            sentinel: Credentials::default(),
            tls,
            connect_deadline: config.timeout,
            response_deadline: config.timeout,
            keep_alive: None,
        })
        .map_err(StoreError::Setup)?;
        Ok(Self {
            redis: dialer.lasting_redis(&config.addr),
            config,
            owner,
            remembered,
        })
    }

    /// What it was told.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    async fn run(
        &self,
        script: &str,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Option<String>, StoreError> {
        let redis = self.redis.get().await.map_err(StoreError::Away)?;
        redis
            .run_script(script, keys, arguments)
            .await
            .map_err(StoreError::Away)
    }

    /// Which event a call tells of, by the book that all share.
    pub async fn judge(&self, group: &str, report: &Report<'_>) -> Result<Identity, StoreError> {
        let key = format!("eventilator:book:{group}");
        let mut read = String::new();
        for _ in 0..TRIES {
            // A book that cannot be read was written by a later version, or by somebody else: it is begun anew.
            let mut book: Book = serde_json::from_str(&read).unwrap_or_default();
            let identity = identity::judge(&mut book, report);
            let body = serde_json::to_string(&book).unwrap_or_default();
            match self
                .run(WRITE_BOOK, &[&key], &[&read, &body, BOOK_SECONDS])
                .await?
            {
                None => return Ok(identity),
                Some(is) => read = is,
            }
        }
        Err(StoreError::Crowded(group.to_owned()))
    }

    /// Takes an event for one sink, for at most `lease`.
    pub async fn claim(&self, sink: &str, id: &str, lease: Duration) -> Result<Claim, StoreError> {
        let lease = lease.as_millis().to_string();
        let answer = self
            .run(CLAIM, &[&mark(sink, id)], &[&self.owner, &lease])
            .await?;
        Ok(match answer.as_deref() {
            Some("ours") => Claim::Ours,
            Some("done") => Claim::Done,
            Some(_) | None => Claim::Elsewhere,
        })
    }

    /// Lets others deliver it.
    pub async fn release(&self, sink: &str, id: &str) -> Result<(), StoreError> {
        self.run(RELEASE, &[&mark(sink, id)], &[&self.owner])
            .await
            .map(drop)
    }

    /// Notes that a sink has an event.
    pub async fn done(&self, sink: &str, id: &str) -> Result<(), StoreError> {
        self.run(DONE, &[&mark(sink, id)], &[&self.seconds()])
            .await
            .map(drop)
    }

    /// Counts an event, once.
    pub async fn count(&self, id: &str, message: &Message) -> Result<Counted, StoreError> {
        let commands = updates(&message.call, message.at, self.config.clock);
        let commands = serde_json::to_string(&commands).unwrap_or_default();
        let answer = self
            .run(COUNT, &[&mark(NAME, id)], &[&self.seconds(), &commands])
            .await?;
        let Some(answer) = answer else {
            return Ok(Counted::Once);
        };
        match answer.split_once(' ') {
            Some(("partly", wrong)) => Ok(Counted::Partly(wrong.to_owned())),
            Some(("failed", reason)) => Err(StoreError::Uncounted(reason.to_owned())),
            Some(_) | None => Ok(Counted::Repeated),
        }
    }

    /// Whether it takes every write that there will be: a book's and a mark's, and if it counts, those of all counters.
    pub async fn check(&self) -> Result<(), StoreError> {
        let rights = if self.config.counts {
            &RIGHTS[..]
        } else {
            &RIGHTS[..1]
        };
        match self.run(CHECK, &[], rights.as_flattened()).await? {
            None => Ok(()),
            Some(lacking) => Err(StoreError::Rights(lacking)),
        }
    }

    fn seconds(&self) -> String {
        self.remembered.as_secs().max(60).to_string()
    }
}

fn mark(sink: &str, id: &str) -> String {
    format!("eventilator:mark:{sink}:{id}")
}
