//! Passwords of Redis and Sentinel.

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::secret::Secret;
use crate::vars;

/// What connections to Redis and Sentinels authenticate with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSettings {
    /// ACL user for Redis; the default user when unset.
    pub redis_user: Option<String>,
    /// Password for Redis.
    pub redis_password: Option<Secret>,
    /// Password for Sentinels.
    pub sentinel_password: Option<Secret>,
}

impl CredentialSettings {
    /// Reads `REDIS_USER`, `REDIS_PASSWORD` and `SENTINEL_PASSWORD`.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        let redis_user = reader.optional(&vars::REDIS_USER, |text| {
            // Redis itself refuses an ACL user name with white space or NUL.
            if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err("is not an ACL user; write a name without white space".to_owned());
            }
            Ok(text.to_owned())
        });
        let redis_password = reader.secret(&vars::REDIS_PASSWORD);
        let sentinel_password = reader.secret(&vars::SENTINEL_PASSWORD);
        if let (Ok(Some(user)), Ok(None)) = (&redis_user, &redis_password) {
            let wrong = "has no password; set REDIS_PASSWORD or REDIS_PASSWORD_FILE too";
            return Err(reader.problem(Problem::with_value(vars::REDIS_USER.name, user, wrong)));
        }
        Ok(Self {
            redis_user: redis_user?,
            redis_password: redis_password?,
            sentinel_password: sentinel_password?,
        })
    }
}
