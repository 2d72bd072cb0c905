//! Real processes, since nothing less shows what the kernel does with signals, orphans and users.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod observed;
mod run_as;
mod supervise;
