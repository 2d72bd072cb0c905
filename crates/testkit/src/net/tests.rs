//! A network does what its faults say, seen by real sockets.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Line, Net};
use crate::{Need, require};

const PORT: u16 = 7000;

/// Answers every byte with itself, on a thread of that host, until the process ends.
fn echo_on(net: &Net, id: usize) {
    let host = net.host(id).clone();
    let (ready, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        host.enter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind((host.ip(), PORT)).await.unwrap();
            ready.send(()).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut byte = [0];
                while matches!(stream.read(&mut byte).await, Ok(1)) {
                    let _ = stream.write_all(&byte).await;
                }
            }
        });
    });
    listening.recv().unwrap();
}

async fn echo(net: &Net, id: usize) -> Option<Duration> {
    let start = Instant::now();
    let talk = async {
        let mut stream = TcpStream::connect((net.host(id).ip(), PORT)).await?;
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await
    };
    let answer = tokio::time::timeout(Duration::from_millis(500), talk).await;
    matches!(answer, Ok(Ok(1))).then(|| start.elapsed())
}

#[test]
fn hosts_are_reached_cut_off_slowed_down_and_healed() {
    if !require(&[Need::Network]) {
        return;
    }
    Net::run(2, async |net| {
        echo_on(&net, 1);
        echo_on(&net, 2);
        assert!(echo(&net, 1).await.is_some() && echo(&net, 2).await.is_some());
        for (from, to) in [(0, 1), (1, 0)] {
            net.faults(|faults| faults.one_way(from, to, Line::CUT));
            assert!(echo(&net, 1).await.is_none(), "{from} to {to}");
            assert!(echo(&net, 2).await.is_some(), "{from} to {to}");
            net.heal();
        }
        // The test sees both sides.
        net.cut(1);
        assert!(echo(&net, 1).await.is_some());
        let slow = Line::bad(Duration::from_millis(40), 0.0);
        net.faults(|faults| faults.both_ways(0, 1, slow));
        // There and back, twice: the handshake and the byte.
        assert!(echo(&net, 1).await.unwrap() >= Duration::from_millis(160));
    });
}
