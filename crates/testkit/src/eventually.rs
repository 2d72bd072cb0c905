//! Waits for a state, with a deadline.
//!
//! A test that sleeps is slow when it guesses too long and wrong when it guesses too short. This looks again every few
//! milliseconds, and when the deadline passes it fails with the last thing it saw.

use std::fmt::Display;
use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What one look answers: there already, or what is in the way.
pub trait Answer {
    /// What the wait returns.
    type Value;

    /// The value, or the status to show.
    fn into_status(self) -> Result<Self::Value, String>;
}

impl<T> Answer for Option<T> {
    type Value = T;

    fn into_status(self) -> Result<T, String> {
        self.ok_or_else(|| "not yet".to_owned())
    }
}

impl<T, E: Display> Answer for Result<T, E> {
    type Value = T;

    fn into_status(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

impl Answer for bool {
    type Value = ();

    fn into_status(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("not yet".to_owned()) }
    }
}

/// Looks until the answer is there (`Some`, `Ok` or `true`), and fails the test with the last status at the deadline.
pub async fn eventually<A: Answer>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> A,
) -> A::Value {
    let start = Instant::now();
    let mut last = "never looked".to_owned();
    loop {
        // The last look gets a moment even at the deadline, so that one slow look is not a failed wait.
        let left = deadline.saturating_sub(start.elapsed()).max(BETWEEN_LOOKS);
        match tokio::time::timeout(left, look()).await {
            Ok(answer) => match answer.into_status() {
                Ok(value) => return value,
                Err(status) => last = status,
            },
            Err(_) => last = format!("a look that did not end; before it: {last}"),
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} for {what}; last seen: {last}"
        );
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_the_value_once_it_is_there() {
        let mut looks = 0;
        let value = eventually("three looks", Duration::from_secs(5), async || {
            looks += 1;
            (looks == 3).then_some("there")
        })
        .await;
        assert_eq!((value, looks), ("there", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "for the moon; last seen: still dark")]
    async fn fails_with_the_last_status() {
        eventually("the moon", Duration::from_millis(30), async || {
            Err::<(), _>("still dark")
        })
        .await;
    }

    #[tokio::test]
    #[should_panic(expected = "a look that did not end")]
    async fn a_look_that_hangs_is_cut_off() {
        eventually("an answer", Duration::from_millis(30), async || {
            std::future::pending::<bool>().await
        })
        .await;
    }
}
