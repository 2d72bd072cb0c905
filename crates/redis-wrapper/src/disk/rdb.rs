//! The first bytes of an RDB: what the data set is, and when it was saved.
//!
//! `REDIS0010`, then pairs of strings, each pair after the byte 0xFA (rdb.c, `rdbSaveInfoAuxFields`); Valkey 9 writes `VALKEY080`. The
//! crates that read RDBs read all of one, to say what is in it; these few lines read what comes before the first key.

use topology::{Point, ReplicationId};

use super::Content;

const AUX: u8 = 0xFA;
const END: u8 = 0xFF;

/// What an RDB says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Lineage and offset at the moment of saving; a master that never had a replica writes none.
    pub point: Option<Point>,
    /// When it was saved, in seconds since 1970.
    pub saved_s: Option<u64>,
    /// Whether anything follows.
    pub content: Content,
}

/// Not the beginning of an RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RdbError {
    /// It begins with something else.
    #[error("this is no RDB")]
    Magic,
    /// It ends, or cannot be understood, within its header.
    #[error("its header is cut off or broken")]
    Broken,
}

/// Reads the beginning of a file.
pub fn header(bytes: &[u8]) -> Result<Header, RdbError> {
    let rest = [&b"REDIS"[..], b"VALKEY"]
        .iter()
        .find_map(|magic| bytes.strip_prefix(*magic))
        .ok_or(RdbError::Magic)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Nine bytes in all, whoever wrote it.
    let version = 9 - (bytes.len() - rest.len());
    if digits < version {
        return Err(RdbError::Magic);
    }
    let mut rest = &rest[version..];
    let (mut id, mut offset, mut saved_s) = (None, None, None);
    loop {
        match rest.split_first() {
            Some((&AUX, fields)) => rest = fields,
            Some((&next, _)) => {
                let point = match (id, offset) {
                    (Some(id), Some(offset)) => Some(Point { id, offset }),
                    _ => None,
                };
                let content = if next == END {
                    Content::Empty
                } else {
                    Content::Some
                };
                return Ok(Header {
                    point,
                    saved_s,
                    content,
                });
            }
            None => return Err(RdbError::Broken),
        }
        let name = string(&mut rest).ok_or(RdbError::Broken)?;
        let value = string(&mut rest).ok_or(RdbError::Broken)?;
        match name.as_str() {
            "repl-id" => id = value.parse::<ReplicationId>().ok(),
            "repl-offset" => offset = value.parse().ok(),
            "ctime" => saved_s = value.parse().ok(),
            _ => {}
        }
    }
}

/// One string, which may be an integer in disguise (rdb.c, `rdbGenericLoadStringObject`). Compressed ones are longer than any
/// field of a header.
fn string(rest: &mut &[u8]) -> Option<String> {
    let first = take(rest, 1)?[0];
    let low = usize::from(first & 0x3F);
    let length = match first >> 6 {
        0 => low,
        1 => (low << 8) | usize::from(take(rest, 1)?[0]),
        2 if first == 0x80 => usize::try_from(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?)).ok()?,
        3 => {
            let number = match low {
                0 => i64::from(i8::from_le_bytes(take(rest, 1)?.try_into().ok()?)),
                1 => i64::from(i16::from_le_bytes(take(rest, 2)?.try_into().ok()?)),
                2 => i64::from(i32::from_le_bytes(take(rest, 4)?.try_into().ok()?)),
                _ => return None,
            };
            return Some(number.to_string());
        }
        _ => return None,
    };
    Some(String::from_utf8_lossy(take(rest, length)?).into_owned())
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &mut Vec<u8>, value: &str) {
        bytes.push(u8::try_from(value.len()).unwrap());
        bytes.extend(value.as_bytes());
    }

    #[test]
    fn fields_are_read_in_any_encoding() {
        let mut bytes = b"REDIS0010".to_vec();
        let id = "ab".repeat(20);
        for (name, value) in [("redis-ver", "7.0.15"), ("repl-id", &*id)] {
            bytes.push(AUX);
            text(&mut bytes, name);
            text(&mut bytes, value);
        }
        bytes.push(AUX);
        text(&mut bytes, "repl-offset");
        bytes.extend([0xC1, 0x39, 0x30]);
        bytes.push(AUX);
        text(&mut bytes, "ctime");
        bytes.extend([0xC2, 0x01, 0, 0, 0x60]);
        let whole = [&bytes[..], &[0xFE, 0]].concat();
        let read = header(&whole).unwrap();
        assert_eq!(read.point.unwrap().offset, 12345);
        assert_eq!((read.saved_s, read.content), (Some(0x6000_0001), Content::Some));
        assert_eq!(header(&bytes), Err(RdbError::Broken), "cut off");
        let empty = [&bytes[..], &[END]].concat();
        assert_eq!(header(&empty).unwrap().content, Content::Empty);
        assert_eq!(header(b"*2\r\n$6\r\nSELECT"), Err(RdbError::Magic));
        assert_eq!(header(b"VALKEY080\xff").unwrap().content, Content::Empty);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = header(&bytes);
            let _ = header(&[b"REDIS0010", &bytes[..]].concat());
            let _ = header(&[b"REDIS0010\xfa", &bytes[..]].concat());
        }
    }
}
