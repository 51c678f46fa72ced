//! What the formats of all abilities share: fields, texts, times and addresses in bytes.
//!
//! Modules of this name say what Windows means by what it hands out. They are pure, and compiled and tested on
//! every system: no call to Windows and no `unsafe` may live there; a wrong count, offset or length is an
//! error and never a read past the bytes.

pub mod bytes;
pub mod sockaddr;

use bytes::Bytes;

/// Why bytes from the system were not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field lies outside.
    #[error("cut off: {length} bytes have no room for a field at {at}")]
    Short {
        /// How many bytes there are.
        length: usize,
        /// Where the field would start.
        at: usize,
    },
    /// A table claims more rows than it has.
    #[error("{count} rows of {size} bytes do not fit into {length} bytes")]
    Count {
        /// The rows it claims.
        count: u32,
        /// The size of a row.
        size: usize,
        /// How many bytes there are.
        length: usize,
    },
    /// Something is of a kind that nobody has told of.
    #[error("the kind {kind} is not known")]
    Kind {
        /// Which.
        kind: u32,
    },
    /// A reference points outside, or a list runs in circles.
    #[error("the reference at {at} points outside")]
    Reference {
        /// Where it stands.
        at: usize,
    },
}

/// A FILETIME (100 ns since 1601-01-01 UTC) as a point in time; 0 is none.
pub fn timestamp(filetime: u64) -> Option<jiff::Timestamp> {
    const TO_1970: i128 = 116_444_736_000_000_000;
    if filetime == 0 {
        return None;
    }
    jiff::Timestamp::from_nanosecond((i128::from(filetime) - TO_1970) * 100).ok()
}

/// The text of the `UNICODE_STRING` at `at`, whose pointer leads into the same bytes; `base` is the address
/// at which they were written. Layout: `Length` u16, `MaximumLength` u16, padding, `Buffer`.
///
/// # Errors
/// When the text does not lie wholly inside the bytes.
pub fn unicode_string(bytes: &[u8], at: usize, base: u64) -> Result<String, DecodeError> {
    let outside = DecodeError::Reference { at };
    let length = usize::from(Bytes(bytes).u16(at)?);
    if length == 0 {
        return Ok(String::new());
    }
    let pointer = Bytes(bytes).u64(at.checked_add(8).ok_or(outside)?)?;
    let start = usize::try_from(pointer.checked_sub(base).ok_or(outside)?).map_err(|_| outside)?;
    Bytes(bytes).utf16(start, length).map_err(|_| outside)
}

/// The text that a pointer leads to, up to its 0, in the same bytes; `base` is the address at which they
/// were written.
///
/// # Errors
/// When the text does not start and end inside the bytes.
pub fn text_behind(bytes: &[u8], base: u64, pointer: u64) -> Result<String, DecodeError> {
    let start = pointer.checked_sub(base).and_then(|start| usize::try_from(start).ok());
    let outside = DecodeError::Reference { at: start.unwrap_or(usize::MAX) };
    let (start, rest) = start.and_then(|start| Some((start, bytes.get(start..)?))).ok_or(outside)?;
    let end = rest.as_chunks::<2>().0.iter().position(|unit| *unit == [0, 0]).ok_or(outside)?;
    Bytes(bytes).utf16(start, end * 2)
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn a_filetime_is_a_point_in_time_and_zero_is_none() {
        assert_eq!(timestamp(0), None);
        assert_eq!(timestamp(116_444_736_000_000_000), Some(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(timestamp(133_485_408_000_000_000).unwrap().to_string(), "2024-01-01T00:00:00Z");
        assert_eq!(timestamp(u64::MAX), None);
    }
}
