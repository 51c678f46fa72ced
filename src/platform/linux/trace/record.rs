//! What the bytes of a perf ring buffer say (`enum perf_event_type` of `linux/perf_event.h`), for events
//! that record task, time and raw data and have the first two in every record. Pure.

use crate::model::Pid;

pub(super) const LOST: u32 = 2;
pub(super) const COMM: u32 = 3;
pub(super) const EXIT: u32 = 4;
pub(super) const FORK: u32 = 7;
pub(super) const SAMPLE: u32 = 9;
const LOST_SAMPLES: u32 = 13;
pub(super) const NAMESPACES: u32 = 16;

/// `{ u32 type; u16 misc; u16 size; }`
const HEADER: usize = 8;
/// `{ u32 pid, tid; u64 time; }`, the end of every record that is no sample.
const SAMPLE_ID: usize = 16;
/// `NET_NS_INDEX`
const NETWORK: usize = 0;

/// A thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// The process.
    pub pid: Pid,
    /// The thread.
    pub tid: Pid,
}

impl Task {
    /// Whether it is the thread that the process started with.
    pub fn leads(self) -> bool {
        self.pid == self.tid
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A tracepoint was passed.
    Sample {
        /// The task that passed it.
        task: Task,
        /// The tracepoint's own fields.
        raw: &'a [u8],
        /// What follows: registers and stack, where they were asked for.
        rest: &'a [u8],
    },
    /// A task got a name.
    Comm {
        /// Which.
        task: Task,
        /// Up to 15 bytes, any but NUL.
        name: &'a [u8],
    },
    /// A task was made.
    Fork {
        /// The new one.
        task: Task,
        /// The process that made it.
        parent: Pid,
    },
    /// A task ended.
    Exit {
        /// Which.
        task: Task,
    },
    /// A task is in these namespaces from now on.
    Namespaces {
        /// Which.
        task: Task,
        /// The inode of its network namespace.
        network: Option<u64>,
    },
    /// So many records found no room.
    Lost(u64),
    /// A record of no interest.
    Other,
}

/// Reads records one after the other, each with its time in nanoseconds of the events' clock; what is
/// not a whole record ends it.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been understood: empty once all has been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, Record<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut header = Bytes(self.bytes);
        let (kind, _misc, size) = (header.u32()?, header.u16()?, header.u16()?);
        let body = self.bytes.get(HEADER..usize::from(size))?;
        let record = read(kind, body)?;
        self.bytes = self.bytes.get(usize::from(size)..)?;
        Some(record)
    }
}

fn read(kind: u32, body: &[u8]) -> Option<(u64, Record<'_>)> {
    let mut bytes = Bytes(body);
    if kind == SAMPLE {
        let task = bytes.task()?;
        let time = bytes.u64()?;
        let size = bytes.u32()?;
        let raw = bytes.take(usize::try_from(size).ok()?)?;
        return Some((time, Record::Sample { task, raw, rest: bytes.0 }));
    }
    let (body, id) = body.split_at_checked(body.len().checked_sub(SAMPLE_ID)?)?;
    let mut id = Bytes(id);
    id.task()?;
    let time = id.u64()?;
    let mut bytes = Bytes(body);
    let record = match kind {
        COMM => {
            let task = bytes.task()?;
            let name = bytes.0.split(|byte| *byte == 0).next()?;
            Record::Comm { task, name }
        }
        // { u32 pid, ppid; u32 tid, ptid; u64 time; }
        FORK | EXIT => {
            let (pid, parent, tid) = (Pid(bytes.u32()?), Pid(bytes.u32()?), Pid(bytes.u32()?));
            let task = Task { pid, tid };
            if kind == FORK { Record::Fork { task, parent } } else { Record::Exit { task } }
        }
        NAMESPACES => {
            let task = bytes.task()?;
            let count = bytes.u64()?;
            // { u64 dev, inode; } each.
            let inodes = (0..count).map_while(|_| bytes.u64().and_then(|_| bytes.u64()));
            let network = inodes.into_iter().nth(NETWORK);
            Record::Namespaces { task, network }
        }
        LOST => {
            let _event = bytes.u64()?;
            Record::Lost(bytes.u64()?)
        }
        LOST_SAMPLES => Record::Lost(bytes.u64()?),
        _ => Record::Other,
    };
    Some((time, record))
}

/// Numbers in the byte order of this machine, from the front.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }

    fn task(&mut self) -> Option<Task> {
        Some(Task { pid: Pid(self.u32()?), tid: Pid(self.u32()?) })
    }
}

/// Records as the kernel writes them.
#[cfg(test)]
pub(super) mod written {
    use super::{EXIT, FORK, HEADER, SAMPLE};

    pub fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let size = u16::try_from(HEADER + body.len()).unwrap();
        [&kind.to_ne_bytes()[..], &0u16.to_ne_bytes(), &size.to_ne_bytes(), body].concat()
    }

    pub fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    pub fn id(time: u64) -> Vec<u8> {
        [words(&[1, 1]), time.to_ne_bytes().to_vec()].concat()
    }

    /// One of a thread that is its process's first: a body, and the time at its end or, in a sample,
    /// before it.
    pub fn of(kind: u32, pid: u32, time: u64, body: &[u8]) -> Vec<u8> {
        let time_bytes = time.to_ne_bytes().to_vec();
        let whole = match kind {
            SAMPLE => [words(&[pid, pid]), time_bytes, body.to_vec()],
            FORK | EXIT => [body.to_vec(), time_bytes, id(time)],
            _ => [words(&[pid, pid]), body.to_vec(), id(time)],
        };
        record(kind, &whole.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::written::{id, record, words};
    use super::*;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8]) -> Vec<(u64, Record<'_>)> {
        let mut records = Records::new(bytes);
        let read: Vec<_> = records.by_ref().collect();
        assert_eq!(records.rest(), b"");
        read
    }

    #[test]
    fn each_kind_is_read_and_the_unknown_is_passed_over() {
        let task = Task { pid: Pid(7), tid: Pid(8) };
        let bytes = [
            record(FORK, &[words(&[7, 3, 8, 3]), 99u64.to_ne_bytes().to_vec(), id(10)].concat()),
            record(COMM, &[words(&[7, 8]), b"orders\0\0".to_vec(), id(11)].concat()),
            record(
                NAMESPACES,
                &[words(&[7, 8]), 2u64.to_ne_bytes().to_vec(), words(&[4, 0, 4026, 0, 4, 0, 9, 0]), id(12)]
                    .concat(),
            ),
            record(200, &id(13)),
            record(SAMPLE, &[words(&[7, 8]), 14u64.to_ne_bytes().to_vec(), words(&[4, 0xabcd, 1])].concat()),
            record(
                LOST,
                &[5u64.to_ne_bytes(), 17u64.to_ne_bytes()]
                    .concat()
                    .into_iter()
                    .chain(id(15))
                    .collect::<Vec<_>>(),
            ),
            record(EXIT, &[words(&[7, 3, 8, 3]), 99u64.to_ne_bytes().to_vec(), id(16)].concat()),
        ]
        .concat();
        assert_eq!(
            read_all(&bytes),
            [
                (10, Record::Fork { task, parent: Pid(3) }),
                (11, Record::Comm { task, name: b"orders" }),
                (12, Record::Namespaces { task, network: Some(4026) }),
                (13, Record::Other),
                (14, Record::Sample { task, raw: &0xabcdu32.to_ne_bytes(), rest: &1u32.to_ne_bytes() }),
                (15, Record::Lost(17)),
                (16, Record::Exit { task }),
            ]
        );
    }

    #[test]
    fn a_raw_length_past_the_record_ends_the_reading() {
        let bytes = record(SAMPLE, &[words(&[7, 8]), id(1)[8..].to_vec(), words(&[5, 0])].concat());
        let mut records = Records::new(&bytes);
        assert_eq!(records.next(), None);
        assert_eq!(records.rest(), bytes);
    }

    #[test]
    fn a_record_of_no_length_ends_the_reading() {
        for size in 0u16..8 {
            let bytes = [&SAMPLE.to_ne_bytes()[..], &[0, 0], &size.to_ne_bytes(), &[0; 64]].concat();
            assert_eq!(Records::new(&bytes).next(), None, "{size}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_read_to_their_end_at_most(bytes: Vec<u8>) {
            let read = Records::new(&bytes).count();
            prop_assert!(read <= bytes.len() / HEADER);
        }

        #[test]
        fn a_cut_buffer_gives_its_whole_records(cut in 0usize..120) {
            let one = record(COMM, &[words(&[7, 7]), b"sh\0\0\0\0\0\0".to_vec(), id(11)].concat());
            let bytes = one.repeat(3);
            let cut = cut.min(bytes.len());
            let mut records = Records::new(&bytes[..cut]);
            prop_assert_eq!(records.by_ref().count(), cut / one.len());
            prop_assert_eq!(records.rest().len(), cut % one.len());
        }

        #[test]
        fn any_body_of_any_kind_is_read_or_refused(kind in 0u32..20, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = record(kind, &body);
            let _ = Records::new(&bytes).count();
        }
    }
}
