//! What the network does to a frame. Pure: chance is an argument.

use std::time::Duration;

use super::HostId;

/// One direction between two hosts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// No frame arrives.
    pub cut: bool,
    /// Each frame takes so much longer.
    pub delay: Duration,
    /// And up to so much longer still, each its own.
    pub jitter: Duration,
    /// This share of the frames is lost: 0.0 to 1.0.
    pub loss: f64,
}

/// Every direction between any two hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    hosts: usize,
    lines: Vec<Line>,
}

impl Line {
    /// Every frame arrives at once.
    pub const GOOD: Line = Line {
        cut: false,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
    };
    /// None does.
    pub const CUT: Line = Line {
        cut: true,
        ..Line::GOOD
    };

    /// A slow one that loses some: what a bad day looks like.
    pub fn bad(delay: Duration, loss: f64) -> Line {
        Line {
            delay,
            jitter: delay / 2,
            loss,
            ..Line::GOOD
        }
    }

    /// When a frame arrives, from now; `None` if it does not. The chances are numbers from 0.0 to below 1.0.
    pub fn carries(&self, lost: f64, late: f64) -> Option<Duration> {
        if self.cut || lost < self.loss {
            return None;
        }
        Some(self.delay + self.jitter.mul_f64(late))
    }
}

impl Faults {
    /// A good network.
    pub fn none(hosts: usize) -> Self {
        Self {
            hosts,
            lines: vec![Line::GOOD; hosts * hosts],
        }
    }

    /// The line of frames from one host to another.
    pub fn line(&self, from: HostId, to: HostId) -> Line {
        self.lines[from * self.hosts + to]
    }

    /// Changes one direction.
    pub fn one_way(&mut self, from: HostId, to: HostId, line: Line) {
        self.lines[from * self.hosts + to] = line;
    }

    /// Changes both directions.
    pub fn both_ways(&mut self, one: HostId, other: HostId, line: Line) {
        self.one_way(one, other, line);
        self.one_way(other, one, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_drops_delays_and_loses() {
        let ms = Duration::from_millis;
        let bad = Line::bad(ms(20), 0.25);
        for (line, lost, late, arrives) in [
            (Line::GOOD, 0.0, 0.9, Some(ms(0))),
            (Line::CUT, 0.9, 0.0, None),
            (bad, 0.2, 0.0, None),
            (bad, 0.25, 0.0, Some(ms(20))),
            (bad, 0.9, 0.5, Some(ms(25))),
        ] {
            assert_eq!(line.carries(lost, late), arrives, "{line:?} {lost} {late}");
        }
    }

    #[test]
    fn one_direction_is_not_the_other() {
        let mut faults = Faults::none(3);
        faults.one_way(1, 2, Line::CUT);
        assert_eq!(faults.line(1, 2), Line::CUT);
        assert_eq!(faults.line(2, 1), Line::GOOD);
        faults.both_ways(0, 2, Line::CUT);
        assert!(faults.line(0, 2).cut && faults.line(2, 0).cut && !faults.line(0, 1).cut);
    }
}
