use super::DecodeError;

/// Little-endian fields at byte offsets; a field that is not wholly inside is an error.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn slice(self, at: usize, length: usize) -> Result<&'a [u8], DecodeError> {
        at.checked_add(length)
            .and_then(|end| self.0.get(at..end))
            .ok_or(DecodeError::Short { length: self.0.len(), at })
    }

    pub fn array<const N: usize>(self, at: usize) -> Result<[u8; N], DecodeError> {
        let short = DecodeError::Short { length: self.0.len(), at };
        self.slice(at, N)?.try_into().map_err(|_| short)
    }

    pub fn u16(self, at: usize) -> Result<u16, DecodeError> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub fn u32(self, at: usize) -> Result<u32, DecodeError> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub fn u64(self, at: usize) -> Result<u64, DecodeError> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// UTF-16 text of `length` bytes; what is not UTF-16 becomes a replacement character.
    pub fn utf16(self, at: usize, length: usize) -> Result<String, DecodeError> {
        let (units, _) = self.slice(at, length)?.as_chunks::<2>();
        Ok(char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect())
    }
}
