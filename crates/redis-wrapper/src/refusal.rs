//! What a node says that must not start: the thing, the value and the remedy.

use supervisor::Exit;
use tracing::error;

use crate::decide::WhyRefuse;
use crate::run::Wrapper;

impl Wrapper {
    /// Says it, and with which code to end.
    pub(crate) fn refuse(&self, why: &WhyRefuse) -> Exit {
        let path = self.registry.tree().root();
        let own = &self.config.group.name;
        match why {
            WhyRefuse::OtherGroup(name) => {
                error!(%path, "the tree belongs to the group `{name}`, not to `{own}`; set MASTER_NAME={name}, or another ZK_ROOT for this group");
                Exit::Configuration
            }
            WhyRefuse::TwoMasters(masters) => {
                let masters: Vec<String> = masters.iter().map(ToString::to_string).collect();
                error!(
                    masters = masters.join(" "),
                    "several nodes answer as master and none is recorded; make all but one a replica, or stop them"
                );
                Exit::Unavailable
            }
            WhyRefuse::NewerRecord => {
                error!(%path, "a newer version has recorded what this one does not understand, and no master lives; update this program");
                Exit::Unavailable
            }
            WhyRefuse::MasterDenies { master, reason } => {
                error!(%master, %reason, "the master does not let us in; check REDIS_PASSWORD, REDIS_USER and its ACL");
                Exit::Configuration
            }
            WhyRefuse::AddressTaken { by } => {
                let addr = &self.identity.addr;
                error!(%addr, %by, "another node has the address that we announce, and does not go away; give each node an ANNOUNCE_IP and ANNOUNCE_PORT that lead to it alone, or stop the other one");
                Exit::Unavailable
            }
        }
    }
}
