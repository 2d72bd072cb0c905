//! What a POST of ours says about itself in its head, so that a receiver can tell a repetition, and who sent it.
//!
//! With a secret each POST is signed: `X-Redis-Zk-Signature` is `sha256=` and, in hexadecimal digits, the HMAC-SHA256, keyed with the
//! secret, of the value of `X-Redis-Zk-Timestamp` (seconds since 1970), a full stop, and the body. A receiver computes the same, compares in
//! constant time, and refuses a timestamp that is minutes off.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use hyper::header::HeaderName;

use crate::secret::Secret;

/// The same for each repetition of one POST.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// When it was sent.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("x-redis-zk-timestamp");
/// By whom: see the module's text.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-redis-zk-signature");

/// The value of [`TIMESTAMP`].
pub fn seconds(now: SystemTime) -> String {
    now.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        .to_string()
}

/// The value of [`SIGNATURE`].
pub fn signature(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    let mut text = "sha256=".to_owned();
    for byte in context.sign().as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_others_compute() {
        // printf '1700000000.{"epoch":7}' | openssl dgst -sha256 -hmac s3cr3t
        let signed = signature(&Secret::new("s3cr3t"), "1700000000", br#"{"epoch":7}"#);
        assert_eq!(
            signed,
            "sha256=59bbc438b40ddd60b6602606a96ef565da79285c0680c55b2800aa1a72212d5c"
        );
    }
}
