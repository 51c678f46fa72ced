//! `/etc/passwd` as text: the names of users. Directories on the network are not asked.

use compact_str::CompactString;
use foldhash::HashMap;

use super::stat::number;

/// The first name of each user id (passwd(5)).
pub(super) fn names(passwd: &[u8]) -> HashMap<u32, CompactString> {
    let mut names = HashMap::default();
    for line in passwd.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        if let (Some(name), Some(_), Some(uid)) = (fields.next(), fields.next(), fields.next())
            && let Some(uid) = number(uid)
            && !name.is_empty()
        {
            names.entry(uid).or_insert_with(|| CompactString::from_utf8_lossy(name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_name_of_a_number_counts() {
        let names =
            names(b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\n+::\nbad:x:-1:0\nwww:x:33:33\n");
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        assert_eq!(names, [(0, "root".into()), (33, "www".into())]);
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>) {
            let _ = names(&bytes);
        }
    }
}
