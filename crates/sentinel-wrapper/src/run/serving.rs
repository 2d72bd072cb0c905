//! From the start of a Sentinel to the need of another: it answers, it is registered, it is tended.

use std::pin::pin;

use program::chain;
use registry::Registration;
use supervisor::{Child, Notifier};
use tokio::time::{Instant, interval, sleep_until};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{Over, Presence, Wrapper};
use crate::admin::Phase;
use crate::join::{self, Held};
use crate::launch;
use crate::tend::{Look, Need};
use crate::view::Seed;

impl Wrapper {
    /// From the start of Sentinel to the need of another.
    pub(super) async fn serve(&mut self, child: &Child, presence: &mut Presence) -> Over {
        let begun = Instant::now();
        if let Err(problem) = launch::answering(&self.observer, &presence.held.id).await {
            return Over::Mute(problem);
        }
        info!(
            pid = child.pid(),
            elapsed_ms = begun.elapsed().as_millis(),
            "sentinel answers"
        );
        let data = zkpaths::encode_address(&self.observer.announce);
        presence.held.slot.update(data.clone());
        let registry = &self.observer.registry;
        let registration = presence
            .registration
            .get_or_insert_with(|| registry.register(registry.tree().sentinel(Uuid::new_v4()), data));
        let id = presence.held.id.clone();
        self.page.update(|status| {
            status.phase = Phase::Serving;
            status.answers = true;
            status.id = Some(id);
        });
        self.process.notifier.ready();
        self.process.notifier.status("sentinel answers");
        self.tend(&presence.held, registration).await
    }

    async fn tend(&mut self, held: &Held, registration: &Registration) -> Over {
        let mut slot = held.slot.status();
        let mut registered = registration.status();
        let mut session = self.observer.registry.session();
        let notifier = self.process.notifier.clone();
        loop {
            let look = Look {
                observer: &mut self.observer,
                memory: &mut self.memory,
                page: &self.page,
                id: &held.id,
                slot: &held.slot,
                registration,
            };
            let over = match beating(&notifier, look.take()).await {
                None => None,
                Some(Need::Kill) => Some(Over::Hung),
                Some(Need::Restart(_)) => beating(&notifier, self.again(held, Keeping::Id)).await,
                Some(Need::Identity) => beating(&notifier, self.again(held, Keeping::Nothing)).await,
            };
            if let Some(over) = over {
                return over;
            }
            let next = self.memory.next_look(Instant::now());
            let wait = async {
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.observer.record_changed() => {}
                    Ok(()) = slot.changed() => {}
                    Ok(()) = registered.changed() => {}
                    Ok(()) = session.changed() => {}
                }
            };
            beating(&notifier, wait).await;
        }
    }

    /// Gathers what the next run needs while the present one still serves. Without it, all stays as it is.
    async fn again(&mut self, held: &Held, keeping: Keeping) -> Option<Over> {
        self.memory.tried();
        let timeout = self.config.zookeeper.session_timeout;
        let gathered = async {
            let (id, other) = match keeping {
                Keeping::Id => (held.id.clone(), None),
                Keeping::Nothing => {
                    error!(id = %held.id, "another sentinel took this run id while zookeeper was away");
                    let other = join::identity(&mut self.observer, None, timeout).await?;
                    warn!(id = %other.id, "sentinel is started again under another run id");
                    (other.id.clone(), Some(other))
                }
            };
            let seed: Seed = self.observer.seed(&id, self.previous.epoch).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((seed, other))
        };
        match gathered.await {
            Ok((seed, other)) => Some(Over::Again(seed, other)),
            Err(problem) => {
                warn!(reason = %chain(&*problem), "sentinel cannot be started again now");
                None
            }
        }
    }
}

/// What the next run has in common with this one.
#[derive(Debug, Clone, Copy)]
enum Keeping {
    /// Its run id.
    Id,
    /// Nothing: the run id is another's now.
    Nothing,
}

/// Tells systemd that the program is alive while `work` goes on. Some of it (a Sentinel that recovers from RESET) takes
/// longer than a watchdog may allow; none of it is without a deadline.
async fn beating<T>(notifier: &Notifier, work: impl Future<Output = T>) -> T {
    notifier.watchdog();
    let Some(every) = notifier.watchdog_interval() else {
        return work.await;
    };
    let mut beat = interval(every);
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = beat.tick() => notifier.watchdog(),
        }
    }
}
