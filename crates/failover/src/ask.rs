//! Asking several at once without waiting for the slowest.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

/// How long the others get once enough have answered.
const SLACK: Duration = Duration::from_millis(15);

/// The answers that came: all, or enough of them and what came shortly after, or what came before the deadline. A server
/// that is dead together with its host must not hold up the others.
pub async fn gather<T, F>(asked: impl IntoIterator<Item = F>, enough: usize, deadline: Duration) -> Vec<T>
where
    F: Future<Output = Option<T>>,
{
    let mut asked: FuturesUnordered<F> = asked.into_iter().collect();
    let mut until = Instant::now() + deadline;
    let mut answers = Vec::new();
    loop {
        tokio::select! {
            answer = asked.next() => match answer {
                None => return answers,
                Some(Some(answer)) => {
                    answers.push(answer);
                    if answers.len() == enough {
                        until = until.min(Instant::now() + SLACK);
                    }
                }
                Some(None) => {}
            },
            () = sleep_until(until) => return answers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(millis: u64, answer: Option<u64>) -> Option<u64> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_is_not_waited_for_once_enough_have_answered() {
        let started = Instant::now();
        let asked = [
            after(1, Some(1)),
            after(2, None),
            after(3, Some(3)),
            after(9_000, Some(9)),
        ];
        let answers = gather(asked, 2, Duration::from_secs(1)).await;
        assert_eq!(answers, [1, 3]);
        assert!(
            started.elapsed() < Duration::from_millis(30),
            "{:?}",
            started.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn too_few_answers_end_with_the_deadline() {
        let started = Instant::now();
        let answers = gather(
            [after(1, Some(1)), after(9_000, Some(9))],
            2,
            Duration::from_secs(1),
        )
        .await;
        assert_eq!((answers, started.elapsed()), (vec![1], Duration::from_secs(1)));
    }
}
