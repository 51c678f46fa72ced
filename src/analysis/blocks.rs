//! Free ports in a row: some allocators need them so.

use crate::model::{DynamicRange, Port, PortSet};

/// How many ports WinNAT and HNS take at a time, beginning at a multiple of it.
pub const BLOCK: u32 = 64;

/// The free ports of a dynamic range, as far as they are in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreeBlocks {
    /// How many there are in the longest row.
    pub largest: u32,
    /// How many rows of [`BLOCK`] ports begin at a multiple of it.
    pub aligned: u32,
}

/// What is free in a row: neither taken nor reserved.
pub(super) fn free_blocks(dynamic: &DynamicRange, taken: &PortSet) -> FreeBlocks {
    let (mut blocks, mut row, mut since_multiple) = (FreeBlocks::default(), 0, 0);
    for port in (dynamic.range.start().0..=dynamic.range.end().0).map(Port) {
        let is_free = !taken.contains(port) && !dynamic.reserved.contains(port);
        if u32::from(port.0) % BLOCK == 0 {
            since_multiple = 0;
        }
        row = if is_free { row + 1 } else { 0 };
        since_multiple += u32::from(is_free);
        blocks.largest = blocks.largest.max(row);
        blocks.aligned += u32::from(u32::from(port.0) % BLOCK == BLOCK - 1 && since_multiple == BLOCK);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PortRange;
    use proptest::prelude::*;
    use rstest::rstest;

    fn free(start: u16, end: u16, taken: &[u16], reserved: &[u16]) -> FreeBlocks {
        let set = |ports: &[u16]| ports.iter().copied().map(Port).collect::<PortSet>();
        let range = PortRange::new(Port(start), Port(end)).unwrap();
        free_blocks(&DynamicRange { range, reserved: set(reserved) }, &set(taken))
    }

    #[rstest]
    #[case::all(49152, 65535, &[], &[], 16_384, 256)]
    #[case::one_block(64, 127, &[], &[], 64, 1)]
    #[case::one_port_less(64, 126, &[], &[], 63, 0)]
    #[case::beginning_elsewhere(65, 190, &[], &[], 126, 0)]
    #[case::from_0(0, 65535, &[0, 65535], &[], 65_534, 1022)]
    #[case::one_taken_of_each(49152, 49407, &[49160, 49220, 49300, 49407], &[], 106, 0)]
    #[case::taken_and_reserved(49152, 49407, &[49160], &[49407], 246, 2)]
    #[case::none(100, 100, &[100], &[], 0, 0)]
    fn rows_end_at_what_is_taken_or_reserved(
        #[case] start: u16,
        #[case] end: u16,
        #[case] taken: &[u16],
        #[case] reserved: &[u16],
        #[case] largest: u32,
        #[case] aligned: u32,
    ) {
        assert_eq!(free(start, end, taken, reserved), FreeBlocks { largest, aligned });
    }

    proptest! {
        #[test]
        fn it_counts_what_a_naive_count_finds(
            start in 0u16..2000,
            size in 0u16..700,
            taken in prop::collection::vec(0u16..2800, 0..12),
            reserved in prop::collection::vec(0u16..2800, 0..6),
        ) {
            let end = start + size;
            let is_free = |port: &u16| {
                (start..=end).contains(port) && !taken.contains(port) && !reserved.contains(port)
            };
            let row = |from: u16| (from..=end).take_while(is_free).count();
            let largest = (start..=end).map(row).max().unwrap();
            let aligned = (0u16..64).filter(|block| (block * 64..(block + 1) * 64).all(|port| is_free(&port)));
            let expected = FreeBlocks {
                largest: u32::try_from(largest).unwrap(),
                aligned: u32::try_from(aligned.count()).unwrap(),
            };
            prop_assert_eq!(free(start, end, &taken, &reserved), expected);
        }
    }
}
