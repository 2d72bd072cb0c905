//! Bytes to values and back.

use topology::Addr;

/// A znode holds something that its readers cannot use. Names the path's content, so that a person can repair it.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not `<host> <port>`.
    #[error("`{content}` is not `<host> <port>`")]
    Address {
        /// What was read, shortened.
        content: String,
        /// Why it is none.
        #[source]
        source: topology::AddrError,
    },
    /// Not the expected JSON.
    #[error("`{content}` is not the expected JSON")]
    Json {
        /// What was read, shortened.
        content: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of the kind expected, but not of a shape that this version knows.
    #[error(
        "`{content}` has a shape this version does not know; update this program, or correct what was edited by hand"
    )]
    Newer {
        /// What was read, shortened.
        content: String,
        /// What is not known.
        #[source]
        source: serde_json::Error,
    },
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(120).collect()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(bytes).map_err(|source| PayloadError::Json {
        content: shown(bytes),
        source,
    })
}

/// Tells a newer version's value from damage: it is whole JSON, and has the fields that every version writes.
pub(crate) fn newer_or(error: PayloadError, bytes: &[u8], always: &[&str]) -> PayloadError {
    type Fields = serde_json::Map<String, serde_json::Value>;
    let fields = serde_json::from_slice::<Fields>(bytes);
    match (error, fields) {
        (PayloadError::Json { content, source }, Ok(fields))
            if always.iter().all(|name| fields.contains_key(*name)) =>
        {
            PayloadError::Newer { content, source }
        }
        (error, _) => error,
    }
}

#[expect(
    clippy::expect_used,
    reason = "our own types have string keys and cannot fail to serialize"
)]
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value of ours is always JSON")
}

/// `<host> <port>`: data of a Sentinel's registration.
pub fn encode_address(addr: &Addr) -> Vec<u8> {
    addr.contract().into_bytes()
}

/// Reads `<host> <port>`.
pub fn decode_address(bytes: &[u8]) -> Result<Addr, PayloadError> {
    let text = String::from_utf8_lossy(bytes);
    Addr::from_contract(&text).map_err(|source| PayloadError::Address {
        content: shown(bytes),
        source,
    })
}

/// Data of `/redis/master`: `<host> <port>`, or empty for none.
pub fn encode_master(addr: Option<&Addr>) -> Vec<u8> {
    addr.map(encode_address).unwrap_or_default()
}

/// Reads `/redis/master`; empty, or white space only, is none.
pub fn decode_master(bytes: &[u8]) -> Result<Option<Addr>, PayloadError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    decode_address(bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes() {
        let addr: Addr = "10.0.0.7:6379".parse().unwrap();
        assert_eq!(encode_master(Some(&addr)), b"10.0.0.7 6379");
        assert_eq!(encode_master(None), b"");
        assert_eq!(encode_address(&"[::1]:26379".parse().unwrap()), b"::1 26379");
        assert_eq!(decode_master(b"").unwrap(), None);
        assert_eq!(decode_master(b"10.0.0.7 6379").unwrap(), Some(addr));
        assert!(decode_master(b"10.0.0.7").is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_master(&bytes);
            let _ = crate::State::decode(&bytes);
            let _ = crate::Member::decode(&bytes);
            let _ = crate::Node::decode(&bytes);
            let _ = crate::Candidacy::decode(&bytes);
        }
    }
}
