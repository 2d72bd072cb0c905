//! The last events, numbered from 1. Pure.

use std::collections::VecDeque;

/// The last so many of something.
#[derive(Debug)]
pub(super) struct Ring<T> {
    kept: VecDeque<T>,
    most: usize,
    /// The number of the last one; 0 before the first.
    tip: u64,
}

impl<T: Clone> Ring<T> {
    /// An empty one that keeps `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            most,
            tip: 0,
        }
    }

    /// Adds one, and forgets the oldest where there are too many.
    pub(super) fn push(&mut self, next: T) {
        if self.kept.len() == self.most {
            self.kept.pop_front();
        }
        self.kept.push_back(next);
        self.tip += 1;
    }

    /// The number of the last one.
    pub(super) fn tip(&self) -> u64 {
        self.tip
    }

    /// The next after this number, at most so many; `None` when the next one is forgotten, or this one was never there.
    pub(super) fn after(&self, number: u64, most: usize) -> Option<Vec<(u64, T)>> {
        let new = self.tip.checked_sub(number)?;
        let new = usize::try_from(new).ok().filter(|new| *new <= self.kept.len())?;
        let numbered = (number + 1..).zip(self.kept.iter().skip(self.kept.len() - new).cloned());
        Some(numbered.take(most).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_cannot_be_gone_on_from_and_what_is_kept_is_given_once() {
        let mut ring = Ring::new(3);
        assert_eq!(ring.after(0, 9), Some(vec![]));
        assert_eq!(ring.after(1, 9), None);
        for word in ["one", "two", "three", "four"] {
            ring.push(word);
        }
        assert_eq!(ring.after(0, 9), None);
        assert_eq!(ring.after(0, 0), None);
        assert_eq!(
            ring.after(1, 9),
            Some(vec![(2, "two"), (3, "three"), (4, "four")])
        );
        assert_eq!(ring.after(1, 2), Some(vec![(2, "two"), (3, "three")]));
        assert_eq!(ring.after(3, 9), Some(vec![(4, "four")]));
        assert_eq!(ring.after(4, 9), Some(vec![]));
        assert_eq!(ring.after(5, 9), None);
        assert_eq!(ring.tip(), 4);
    }
}
