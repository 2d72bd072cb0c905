//! The request to end, from the operating system to everybody who works.
//!
//! SIGTERM (Marathon, Docker, systemd), SIGINT (terminals, Nomad) and SIGQUIT mean the same: end in order. Asking again
//! changes nothing. SIGHUP, SIGUSR1 and SIGUSR2 are ignored, since their default is death and there is nothing to reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The listening for the request to end. Keep it for as long as the program runs.
pub struct Stop {
    token: CancellationToken,
    // Owns the listener.
    _listener: JoinSet<()>,
}

impl Stop {
    /// Installs the handlers. Call it in the runtime and before any child is started: PID 1 has no default actions.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        // A handler that does nothing, not SIG_IGN: exec resets it, so the child starts with the default.
        let ignored = [
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ]
        .map(signal)
        .into_iter()
        .collect::<io::Result<Vec<Signal>>>()?;

        let token = CancellationToken::new();
        let asked = token.clone();
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            let _ignored = ignored;
            let mut times = 0_u32;
            loop {
                let reason = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                    _ = quit.recv() => "SIGQUIT",
                };
                times = times.saturating_add(1);
                match times {
                    1 => tracing::info!(reason, "asked to stop"),
                    2 => tracing::info!(reason, "asked to stop again; already stopping"),
                    _ => {}
                }
                asked.cancel();
            }
        });
        Ok(Self {
            token,
            _listener: listener,
        })
    }

    /// Cancelled once somebody asked to end.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Waits until somebody asks to end.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }
}
