//! What the receivers' tests share: events, and servers of every mood. And that no event breaks a rendering.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::event::Notice;
use crate::message::{Call, Message};
use crate::reconfiguration::Reconfiguration;
use crate::sink::{Sink, SinkError};

/// Long enough for a busy machine, and for no test to notice.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// For what hangs.
pub(super) const SHORT: Duration = Duration::from_millis(300);

pub(super) fn message(event: &str, text: &str) -> Message {
    Message {
        id: "m1/7/+odown".to_owned(),
        call: Call::Notice(Notice::read(event, text)),
        at: "2026-03-01T09:05:07.123456789Z".parse().unwrap(),
        epoch: Some(7),
        sentinel: "3348dd0c2a78bd87cfd9769f884dae42d2f434c2".to_owned(),
        host: "node-a".to_owned(),
        trial: false,
    }
}

pub(super) fn odown() -> Message {
    message("+odown", "master m1 10.0.0.1 6379 #quorum 2/3")
}

pub(super) fn trial() -> Message {
    Message {
        trial: true,
        ..odown()
    }
}

/// Why it failed; that it did so in good time.
pub(super) async fn failure(sink: &impl Sink, message: &Message) -> String {
    let began = Instant::now();
    let sent = sink.send(message).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    match sent {
        Err(SinkError::Failed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A status, a `Retry-After`, a body.
pub(super) type Says = (u16, Option<&'static str>, String);

/// An HTTP server, and what it heard.
pub(super) struct Web {
    at: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _tasks: JoinSet<()>,
}

impl Web {
    pub(super) async fn new(answer: impl Fn(&Heard) -> Says + Send + Sync + 'static) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&heard), Arc::new(answer));
        let router = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: String| async move {
                let heard = Heard {
                    method,
                    uri,
                    headers,
                    body,
                };
                let (status, retry, text) = answer(&heard);
                all.lock().unwrap().push(heard);
                let mut headers = HeaderMap::new();
                if let Some(retry) = retry {
                    headers.insert("retry-after", retry.parse().unwrap());
                }
                (StatusCode::from_u16(status).unwrap(), headers, Bytes::from(text))
            },
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            at,
            heard,
            _tasks: tasks,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// All that was heard since this was asked last.
    pub(super) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

/// How a server over TCP behaves to each who connects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mood {
    /// Hears all, says this, and closes.
    Hears(&'static str),
    /// Hears something, says this, and closes.
    Says(&'static str),
    /// Hears all and says nothing, for ever.
    Hangs,
    /// Closes with something unread, which resets the connection.
    Resets,
}

/// A server over TCP, and what it heard from the one who came first.
pub(super) struct Plain {
    pub(super) at: SocketAddr,
    tasks: JoinSet<String>,
}

impl Plain {
    pub(super) async fn new(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { serve(&listener, mood).await.unwrap() });
        Self { at, tasks }
    }

    pub(super) async fn heard(mut self) -> String {
        let heard = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await;
        heard.unwrap().unwrap().unwrap()
    }
}

async fn serve(listener: &TcpListener, mood: Mood) -> io::Result<String> {
    let (mut stream, _) = listener.accept().await?;
    let mut heard = vec![0; 1];
    stream.read_exact(&mut heard).await?;
    match mood {
        Mood::Resets => return Ok(String::new()),
        Mood::Says(answer) => {
            let mut some = vec![0; 64 * 1024];
            let count = stream.read(&mut some).await?;
            heard.extend_from_slice(&some[..count]);
            stream.write_all(answer.as_bytes()).await?;
        }
        Mood::Hears(answer) => {
            stream.read_to_end(&mut heard).await?;
            stream.write_all(answer.as_bytes()).await?;
        }
        Mood::Hangs => {
            stream.read_to_end(&mut heard).await?;
            std::future::pending::<()>().await;
        }
    }
    Ok(String::from_utf8(heard).unwrap())
}

/// A port of this host at which nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Any event at all: such as Sentinel tells, and such as nobody ever would.
pub(super) fn any_message() -> impl Strategy<Value = Message> {
    let word = || {
        prop_oneof![
            Just("m1".to_owned()),
            Just("<!channel>".to_owned()),
            any::<String>(),
            "\\PC{0,8}"
        ]
    };
    let event = prop_oneof![
        Just("+odown".to_owned()),
        Just("-odown".to_owned()),
        Just("+switch-master".to_owned()),
        Just("-failover-abort-no-good-slave".to_owned()),
        Just("+promoted-slave".to_owned()),
        Just("+vote-for-leader".to_owned()),
        any::<String>()
    ];
    let text = prop_oneof![
        any::<String>(),
        any::<[char; 3]>().prop_map(|signs| signs.iter().collect::<String>().repeat(2000)),
        word().prop_map(|pod| format!("master {pod} 10.0.0.1 6379 #quorum 2/3")),
        word().prop_map(|pod| format!("slave ::1:1 ::1 1 @ {pod} ::1 2 {pod}")),
        word().prop_map(|pod| format!("{pod} 10.0.0.1 1 10.0.0.2 2")),
    ];
    let call = prop_oneof![
        (event, text).prop_map(|(event, text)| Call::Notice(Notice::read(&event, &text))),
        (word(), word(), word()).prop_map(|(pod, role, state)| {
            let read = [&pod, &role, &state, "10.0.0.1", "1", "10.0.0.2", "2"];
            Call::Reconfiguration(Reconfiguration::read(read).unwrap())
        }),
    ];
    (call, word(), word(), any::<Option<u64>>(), any::<bool>()).prop_map(|(call, id, host, epoch, trial)| {
        Message {
            id,
            call,
            host: host.clone(),
            sentinel: host,
            epoch,
            trial,
            ..odown()
        }
    })
}

proptest! {
    #[test]
    fn a_sentence_is_one_line(message in any_message()) {
        let said = super::wording::sentence(&message);
        prop_assert!(!said.contains(char::is_control), "{said:?}");
        prop_assert!(said.len() < 40_000, "{}", said.len());
    }
}

#[test]
fn the_moods_are_those_that_people_know() {
    use super::wording::{Mood, mood};
    let sentinel = "sentinel 3348dd 127.0.0.1 26379 @ m1 127.0.0.1 20981";
    for (event, text, wanted) in [
        ("+odown", "master m1 10.0.0.1 6379", Mood::Danger),
        (
            "-failover-abort-no-good-slave",
            "master m1 10.0.0.1 6379",
            Mood::Danger,
        ),
        ("-odown", "master m1 10.0.0.1 6379", Mood::Good),
        ("+sdown", "master m1 10.0.0.1 6379", Mood::Warning),
        ("+sdown", sentinel, Mood::Danger),
        ("-sdown", sentinel, Mood::Good),
        ("+switch-master", "m1 10.0.0.1 1 10.0.0.2 2", Mood::Warning),
        ("+news", "of another kind", Mood::Warning),
    ] {
        assert_eq!(mood(&message(event, text)), wanted, "{event} {text}");
    }
    assert_eq!(mood(&trial()), Mood::Good);
}

#[test]
fn a_sentence_says_what_when_and_whom() {
    use super::wording::sentence;
    for (event, text, wanted) in [
        (
            "+odown",
            "master m1 10.0.0.1 6379 #quorum 2/3",
            "m1: broken: +odown, master 10.0.0.1:6379, 2 of 3 Sentinels agree (epoch 7)",
        ),
        (
            "-sdown",
            "slave ::1:6380 ::1 6380 @ m1 ::1 6379",
            "m1: recovered: -sdown, replica [::1]:6380 (epoch 7)",
        ),
        (
            "+switch-master",
            "m1 10.0.0.1 6379 10.0.0.2 6380",
            "m1: another node is master now: +switch-master, from 10.0.0.1:6379 to 10.0.0.2:6380 (epoch 7)",
        ),
        (
            "+tilt",
            "#tilt mode\nentered",
            "-: something may be wrong: +tilt, #tilt mode\\nentered (epoch 7)",
        ),
    ] {
        assert_eq!(sentence(&message(event, text)), wanted);
    }
    assert_eq!(
        sentence(&trial()),
        "This is a test, nothing is wrong: m1: the event relay reaches this place: +odown, master 10.0.0.1:6379, \
         2 of 3 Sentinels agree (epoch 7)"
    );
}
