//! What a look tells operators: the page, the metrics, and one line when the Sentinel falls silent or speaks again.

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Look;
use crate::admission::Admission;
use crate::decide::Keep;
use crate::hearing::{HUNG, Heard, Hearing};
use crate::view::{Own, View};

impl Look<'_> {
    /// What is to be thought of the Sentinel, and said when that changes.
    pub(super) fn hear(&mut self, own: &Own) -> Hearing {
        let heard = match own {
            Own::Silent => Heard::Nothing,
            Own::Unusable(_) => Heard::Refusal,
            Own::Unaware | Own::Monitoring(_) => Heard::Answer,
        };
        let hearing = self.memory.silence.look(heard, Instant::now().into_std());
        let answered = self.page.status().answers;
        match (hearing, own) {
            (Hearing::Answers, _) if !answered => info!("sentinel answers again"),
            (Hearing::Silent, Own::Unusable(reason)) if answered => {
                self.page.metrics.silences.inc();
                error!(%reason, "sentinel is of no use");
            }
            (Hearing::Silent, _) if answered => {
                self.page.metrics.silences.inc();
                error!(
                    deadline_ms = HUNG.as_millis(),
                    "sentinel does not answer; it is killed unless it does in time"
                );
            }
            (Hearing::Answers | Hearing::Silent | Hearing::Hung, _) => {}
        }
        hearing
    }

    /// Whether the master lets the Sentinel in, told when that changes.
    pub(super) async fn ask_to_be_let_in(&mut self, own: &Own) {
        let Some(master) = self.memory.admission.to_ask(own) else {
            return;
        };
        let now = self
            .memory
            .admission
            .after(master, self.observer.dialer.probe(master).await);
        if now == self.memory.admission {
            return;
        }
        match (&self.memory.admission, &now) {
            (_, Admission::Denied { master, reason }) => warn!(
                %master, %reason,
                "the master does not let this sentinel in, which will hold it for down; check REDIS_PASSWORD and REDIS_USER, and its ACL"
            ),
            (Admission::Denied { .. }, Admission::Granted(master)) => {
                info!(%master, "the master lets this sentinel in");
            }
            (_, Admission::Granted(_) | Admission::Unknown) => {}
        }
        self.page.update(|status| status.denied = now.denial());
        self.memory.admission = now;
    }

    pub(super) fn show(&mut self, view: &View, decision: &Keep, hearing: Hearing, registered: bool) {
        let answers = hearing == Hearing::Answers;
        let session_up = self.observer.session_up();
        self.page.update(|status| {
            status.answers = answers;
            status.registered = registered && session_up;
            status.session_up = session_up;
            status.in_step = matches!(decision, Keep::InStep(_));
            if let Own::Monitoring(own) = &view.own {
                status.master = Some(own.record.clone());
                status.peers = own.peers.len();
                status.replicas = own.replicas.len();
            }
        });
    }
}
