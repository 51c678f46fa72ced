//! Netlink messages as bytes, whatever they are about, and nothing that talks to a kernel.
//!
//! Layouts and constants: `linux/netlink.h`. Numbers are in host order unless their protocol says otherwise.

pub(super) const NLMSG_HDRLEN: usize = 16;
pub(super) const NLM_F_REQUEST: u16 = 0x001;
pub(super) const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
/// Types below are netlink's own.
const NLMSG_MIN_TYPE: u16 = 0x10;
const NLM_F_DUMP_INTR: u16 = 0x010;
/// The flags in the type of an attribute, `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NLA_FLAGS: u16 = 0xC000;

/// The bytes are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message: {0}")]
pub(super) struct Malformed(pub &'static str);

/// A netlink message of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// The request it answers.
    pub sequence: u32,
    /// The table changed under the dump in a way that may have lost entries.
    pub interrupted: bool,
    pub body: Body<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// What was asked for: a message of the protocol that is spoken over netlink.
    Entry { kind: u16, payload: &'a [u8] },
    /// The end of the dump.
    Done,
    /// An error number, positive; also one that came with the end of the dump.
    Error(i32),
    /// Messages were lost on the way.
    Overrun,
    /// Nothing that concerns a dump.
    Other,
}

/// The messages of one datagram.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (message, length) = match first_message(self.rest) {
            Ok(read) => read,
            Err(malformed) => {
                self.rest = &[];
                return Some(Err(malformed));
            }
        };
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(message))
    }
}

fn first_message(bytes: &[u8]) -> Result<(Message<'_>, usize), Malformed> {
    const SHORT: Malformed = Malformed("shorter than its header");
    let length = u32_at(bytes, 0).ok_or(SHORT)? as usize;
    let kind = u16_at(bytes, 4).ok_or(SHORT)?;
    let flags = u16_at(bytes, 6).ok_or(SHORT)?;
    let sequence = u32_at(bytes, 8).ok_or(SHORT)?;
    let payload = bytes.get(NLMSG_HDRLEN..length).ok_or(Malformed("a length that cannot be"))?;
    let body = match kind {
        NLMSG_DONE => match u32_at(payload, 0).map(u32::cast_signed) {
            Some(errno) if errno < 0 => Body::Error(errno.saturating_neg()),
            _ => Body::Done,
        },
        NLMSG_ERROR => {
            let errno = u32_at(payload, 0).ok_or(Malformed("a short error"))?.cast_signed();
            if errno == 0 { Body::Other } else { Body::Error(errno.saturating_abs()) }
        }
        NLMSG_OVERRUN => Body::Overrun,
        NLMSG_MIN_TYPE.. => Body::Entry { kind, payload },
        _ => Body::Other,
    };
    Ok((Message { sequence, interrupted: flags & NLM_F_DUMP_INTR != 0, body }, length))
}

/// A header with flags and sequence number, and what comes after it.
pub(super) fn request(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(NLMSG_HDRLEN + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Attributes (`struct nlattr`), each with its type, up to the first that is not whole.
pub(super) struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        let (length, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)?);
        let value = bytes.get(4..length)?;
        self.0 = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & !NLA_FLAGS, value))
    }
}

/// The value of the first attribute of a type.
pub(super) fn attribute(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    Attributes(attributes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// The value of an attribute within attributes within attributes.
pub(super) fn nested<'a>(attributes: &'a [u8], path: &[u16]) -> Option<&'a [u8]> {
    path.iter().try_fold(attributes, |attributes, wanted| attribute(attributes, *wanted))
}

pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What hexadecimal digits say.
    pub fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    /// A message as the kernel lays it out.
    pub fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(NLMSG_HDRLEN + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// An attribute as the kernel lays it out.
    pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn bodies(datagram: &[u8]) -> Vec<Result<Body<'_>, Malformed>> {
        Messages::of(datagram).map(|message| message.map(|message| message.body)).collect()
    }

    #[test]
    fn errors_are_told_from_the_end() {
        let errno = |errno: i32| errno.to_ne_bytes();
        assert_eq!(bodies(&message(3, 2, 1, &errno(0))), [Ok(Body::Done)]);
        assert_eq!(bodies(&message(3, 2, 1, &[])), [Ok(Body::Done)]);
        assert_eq!(bodies(&message(3, 2, 1, &errno(-2))), [Ok(Body::Error(2))]);
        assert_eq!(bodies(&message(2, 0, 1, &errno(-1))), [Ok(Body::Error(1))]);
        assert_eq!(bodies(&message(2, 0, 1, &errno(0))), [Ok(Body::Other)], "an acknowledgement");
        assert_eq!(bodies(&message(4, 0, 1, &[])), [Ok(Body::Overrun)]);
        assert!(bodies(&message(2, 0, 1, &[1]))[0].is_err());
        assert_eq!(bodies(&message(1, 0, 1, &[])), [Ok(Body::Other)], "nothing to be done");
        assert_eq!(bodies(&message(20, 2, 1, &[7; 4])), [Ok(Body::Entry { kind: 20, payload: &[7; 4] })]);
    }

    #[test]
    fn an_interrupted_dump_says_so_in_any_message() {
        let datagram = [message(3, 0x12, 1, &[]), message(3, 0x02, 1, &[])].concat();
        let interrupted: Vec<bool> = Messages::of(&datagram).map(|m| m.unwrap().interrupted).collect();
        assert_eq!(interrupted, [true, false]);
    }

    #[test]
    fn attributes_are_found_within_others() {
        let inner = attribute(3, &[7, 8]);
        let outer =
            [attribute(1, &[]), attribute(0x8000 | 2, &[attribute(5, &[1]), inner].concat())].concat();
        assert_eq!(nested(&outer, &[2, 3]), Some(&[7, 8][..]));
        assert_eq!(nested(&outer, &[2, 4]), None);
        assert_eq!(nested(&outer, &[1, 3]), None);
        assert_eq!(Attributes(&outer).map(|(kind, _)| kind).collect::<Vec<_>>(), [1, 2]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_end_and_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Messages::of(&bytes).count() <= bytes.len() / NLMSG_HDRLEN + 1);
        }

        #[test]
        fn a_cut_dump_is_never_whole(cut in 0usize..136) {
            let whole = [message(20, 2, 1, &[9; 100]), message(3, 2, 1, &[0; 4])].concat();
            prop_assert!(!bodies(&whole[..cut.min(whole.len() - 5)]).contains(&Ok(Body::Done)));
        }

        #[test]
        fn hostile_attributes_end(bytes in prop::collection::vec(any::<u8>(), 0..400), path: Vec<u16>) {
            prop_assert!(Attributes(&bytes).count() <= bytes.len() / 4);
            let _ = nested(&bytes, &path);
        }
    }
}
