//! The `format` and `id` of a tracepoint as tracefs tells them: where its fields are.
//! (Documentation/trace/events.rst of the kernel.)

/// A tracepoint: its number, and its fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Its number, which starts each of its records.
    pub id: u16,
    fields: Vec<(String, Field)>,
}

/// Where a field is in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    offset: usize,
    size: usize,
}

impl Format {
    /// Reads the text of a `format` file.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.lines().find_map(|line| line.strip_prefix("ID:"))?.trim().parse().ok()?;
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("field:"));
        let fields = lines.map(field).collect::<Option<_>>()?;
        Some(Self { id, fields })
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, field)| *field)
    }
}

/// `__u16 sport; offset:24; size:2; signed:0;` after the `field:`.
fn field(line: &str) -> Option<(String, Field)> {
    let mut parts = line.split(';').map(str::trim);
    let declaration = parts.next()?;
    let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
    let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
    let name = declaration.rsplit([' ', '*']).next()?;
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    (!name.is_empty()).then(|| (name.to_owned(), Field { offset, size }))
}

impl Field {
    /// Its bytes in a record.
    pub fn bytes(self, record: &[u8]) -> Option<&[u8]> {
        record.get(self.offset..self.offset.checked_add(self.size)?)
    }

    /// Its bytes where they are exactly `N`.
    pub fn array<const N: usize>(self, record: &[u8]) -> Option<[u8; N]> {
        self.bytes(record)?.try_into().ok()
    }

    /// Its value as an unsigned number of one to eight bytes.
    pub fn unsigned(self, record: &[u8]) -> Option<u64> {
        Some(match self.size {
            1 => u64::from(u8::from_ne_bytes(self.array(record)?)),
            2 => u64::from(u16::from_ne_bytes(self.array(record)?)),
            4 => u64::from(u32::from_ne_bytes(self.array(record)?)),
            8 => u64::from_ne_bytes(self.array(record)?),
            _ => return None,
        })
    }

    /// Its value as a signed number of four or eight bytes.
    pub fn signed(self, record: &[u8]) -> Option<i64> {
        Some(match self.size {
            4 => i64::from(i32::from_ne_bytes(self.array(record)?)),
            8 => i64::from_ne_bytes(self.array(record)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Captured on kernel 6.18.
    const CONNECT: &str = include_str!("fixtures/sys_exit_connect.txt");

    #[test]
    fn a_field_is_where_the_text_says() {
        let format = Format::parse(CONNECT).unwrap();
        assert_eq!(format.id, 2229);
        assert_eq!(format.field("ret"), Some(Field { offset: 16, size: 8 }));
        assert_eq!(format.field("common_type"), Some(Field { offset: 0, size: 2 }));
        assert_eq!(format.field("fd"), None);
        let mut record = [0; 24];
        record[16..].copy_from_slice(&(-99i64).to_ne_bytes());
        assert_eq!(format.field("ret").unwrap().signed(&record), Some(-99));
        assert_eq!(format.field("ret").unwrap().signed(&record[..23]), None);
    }

    #[test]
    fn names_are_told_from_types_and_lengths() {
        let text = "ID: 7\nformat:\n\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n\
                    \tfield:struct sockaddr * umyaddr;\toffset:24;\tsize:8;\tsigned:0;\n\
                    \tfield:const char *name;\toffset:8;\tsize:8;\tsigned:0;\n";
        let format = Format::parse(text).unwrap();
        assert_eq!(format.field("saddr"), Some(Field { offset: 32, size: 4 }));
        assert_eq!(format.field("umyaddr"), Some(Field { offset: 24, size: 8 }));
        assert_eq!(format.field("name"), Some(Field { offset: 8, size: 8 }));
    }

    #[test]
    fn what_is_not_understood_is_refused_whole() {
        assert_eq!(Format::parse(""), None);
        assert_eq!(Format::parse("ID: 65536\n"), None);
        assert_eq!(Format::parse("ID: 7\n\tfield:int a;\tsize:4;\toffset:0;\n"), None);
    }

    proptest! {
        #[test]
        fn hostile_text_reads_nothing_outside(
            offset: usize,
            size in 0usize..20,
            record in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let text = format!("ID: 1\n\tfield:int a;\toffset:{offset};\tsize:{size};\tsigned:0;\n");
            let field = Format::parse(&text).unwrap().field("a").unwrap();
            let inside = offset.checked_add(size).is_some_and(|end| end <= record.len());
            prop_assert_eq!(field.bytes(&record).is_some(), inside);
            prop_assert!(inside || (field.unsigned(&record).is_none() && field.signed(&record).is_none()));
        }

        #[test]
        fn any_text_will_do(text: String) {
            let _ = Format::parse(&format!("ID: 1\nfield:{text}"));
        }
    }
}
