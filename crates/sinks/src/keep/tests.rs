//! A sink that fails as a script says, and what it has in the end.

use std::collections::BTreeMap;
use std::sync::Mutex;

use topology::Addr;

use super::*;
use crate::board::{Board, Offer};
use crate::picture::{Assurance, Group, Master};

/// Takes what it is told as the script says; the rest succeeds.
struct Scripted {
    script: Vec<Turn>,
    had: Arc<Mutex<Vec<u64>>>,
}

#[derive(Clone, Copy)]
enum Turn {
    Refuse,
    Hang,
    /// As between two writes.
    Linger(Duration),
    Rest,
}

impl Sink for Scripted {
    async fn bring(&mut self, picture: &Picture) -> Result<Brought, SinkError> {
        match self.script.pop() {
            Some(Turn::Refuse) => Err(SinkError::Refused {
                what: "it".to_owned(),
                answer: "no".to_owned(),
            }),
            Some(Turn::Hang) => std::future::pending().await,
            Some(Turn::Linger(time)) => {
                tokio::time::sleep(time).await;
                self.had.lock().expect("not poisoned").push(0);
                Ok(Brought::default())
            }
            Some(Turn::Rest) => Err(SinkError::Resting {
                error: Box::new(SinkError::Refused {
                    what: "it".to_owned(),
                    answer: "no".to_owned(),
                }),
                after: Duration::from_secs(10),
            }),
            None => {
                let epoch = picture
                    .groups
                    .values()
                    .next()
                    .map_or(0, |group| group.master.epoch.0);
                self.had.lock().expect("not poisoned").push(epoch);
                Ok(Brought::default())
            }
        }
    }
}

fn group(epoch: u64) -> Group {
    Group {
        name: "sessions".parse().expect("a name"),
        external_port: None,
        assurance: Assurance::Current,
        master: Master {
            addr: Addr::new("10.0.0.1", 6379).expect("an address"),
            epoch: Epoch(epoch),
            run_id: None,
            cause: "failover".to_owned(),
            since_ms: 0,
            origin: crate::picture::Origin::Recorded,
            seen: Instant::now(),
        },
        replicas: BTreeMap::new(),
    }
}

const TERMS: Terms = Terms {
    deadline: Duration::from_millis(500),
    every: Duration::from_secs(3600),
    ceiling: Duration::from_secs(5),
};

struct Bench {
    board: Board,
    gate: watch::Sender<Gate>,
    standing: watch::Receiver<Standing>,
    had: Arc<Mutex<Vec<u64>>>,
    stop: CancellationToken,
    keeping: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn new(script: Vec<Turn>, gate: Gate) -> Self {
        Self::kept_by(TERMS, script, gate)
    }

    fn kept_by(terms: Terms, script: Vec<Turn>, gate: Gate) -> Self {
        let (board, gate, stop) = (
            Board::new(Vec::new()),
            watch::Sender::new(gate),
            CancellationToken::new(),
        );
        let (standing, seen) = watch::channel(Standing::idle("it"));
        let had = Arc::new(Mutex::new(Vec::new()));
        let sink = Scripted {
            script,
            had: had.clone(),
        };
        let keeping = keep(
            sink,
            terms,
            board.pictures(),
            gate.subscribe(),
            standing,
            stop.clone(),
        );
        // The test ends before the task does; nothing is left behind by it.
        #[expect(clippy::disallowed_methods, reason = "a test's own task")]
        let keeping = tokio::spawn(keeping);
        Self {
            board,
            gate,
            standing: seen,
            had,
            stop,
            keeping,
        }
    }

    async fn confirmed(&mut self, epoch: u64) {
        let name = "sessions".parse().expect("a name");
        let there = self.standing.wait_for(|standing| {
            standing.confirmed.get(&name) == Some(&Epoch(epoch))
                && matches!(standing.step, Step::InStep { .. })
        });
        tokio::time::timeout(Duration::from_secs(60), there)
            .await
            .expect("in time")
            .expect("alive");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_was_down_is_brought_to_the_latest_alone() {
    let mut bench = Bench::new(vec![Turn::Refuse, Turn::Hang, Turn::Refuse], Gate::Open);
    for epoch in 1..=3 {
        assert_eq!(bench.board.offer(group(epoch)), Offer::Moved);
    }
    assert!(matches!(bench.board.offer(group(2)), Offer::Older { .. }));
    bench.confirmed(3).await;
    assert_eq!(*bench.had.lock().unwrap(), [3]);
    assert_eq!(bench.standing.borrow().failures, 3);
    assert_eq!(bench.board.offer(group(4)), Offer::Moved);
    bench.confirmed(4).await;
    bench.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_tells_nobody_until_it_does() {
    let mut bench = Bench::new(Vec::new(), Gate::Shut);
    let _ = bench.board.offer(group(1));
    let standby = |standing: &Standing| standing.step == Step::Standby;
    assert!(bench.standing.wait_for(standby).await.is_ok());
    assert!(bench.had.lock().unwrap().is_empty());
    bench.gate.send_replace(Gate::Open);
    bench.confirmed(1).await;
    bench.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_change_that_has_begun_may_end() {
    let half = Duration::from_millis(400);
    for (turn, had, took) in [
        (Turn::Linger(half), vec![0], half),
        (Turn::Hang, vec![], TERMS.deadline),
    ] {
        let bench = Bench::new(vec![turn], Gate::Open);
        let _ = bench.board.offer(group(1));
        let began = tokio::time::Instant::now();
        // It has begun.
        tokio::time::sleep(Duration::from_millis(1)).await;
        bench.stop.cancel();
        bench.keeping.await.expect("no panic");
        assert_eq!(*bench.had.lock().unwrap(), had);
        assert!(
            began.elapsed() >= took && began.elapsed() <= LAST_WORDS,
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_change_is_waited_for_longer_than_a_second() {
    let bench = Bench::kept_by(
        Terms {
            deadline: Duration::from_secs(60),
            ..TERMS
        },
        vec![Turn::Hang],
        Gate::Open,
    );
    let _ = bench.board.offer(group(1));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = tokio::time::Instant::now();
    bench.stop.cancel();
    bench.keeping.await.expect("no panic");
    assert!(
        began.elapsed() >= LAST_WORDS && began.elapsed() < LAST_WORDS * 2,
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_rests_is_no_further_failure() {
    let mut bench = Bench::new(vec![Turn::Rest, Turn::Rest, Turn::Refuse], Gate::Open);
    let _ = bench.board.offer(group(1));
    let refused = |standing: &Standing| matches!(standing.step, Step::Behind { .. });
    assert!(bench.standing.wait_for(refused).await.is_ok());
    for epoch in 2..4 {
        let _ = bench.board.offer(group(epoch));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let standing = bench.standing.borrow().clone();
        assert_eq!(standing.failures, 1);
        assert!(
            matches!(standing.step, Step::Behind { tries: 1, .. }),
            "{standing:?}"
        );
    }
    bench.confirmed(3).await;
    assert_eq!(bench.standing.borrow().failures, 1);
    bench.stop.cancel();
}

#[test]
fn tries_become_rarer_up_to_the_ceiling() {
    let ceiling = Duration::from_secs(5);
    let waits: Vec<u128> = (1..9).map(|tries| backoff(tries, ceiling).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}
