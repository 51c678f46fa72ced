//! `perf_event_open(2)` and the ring buffer it shares with the kernel: the unsafe part of the trace.
//! What the bytes mean is decided in `record`.
#![allow(unsafe_code, reason = "perf_event_open has no safe wrapper, and its ring buffer is shared memory")]

use std::ffi::{CStr, c_void};
use std::io;
use std::mem::{offset_of, size_of};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::ioctl::{IntegerSetter, NoArg, Opcode, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// `PERF_TYPE_TRACEPOINT` of `linux/perf_event.h`.
const TYPE_TRACEPOINT: u32 = 2;
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_RAW: u64 = 1 << 10;
const SAMPLE_REGS_USER: u64 = 1 << 12;
const SAMPLE_STACK_USER: u64 = 1 << 13;

/// The bit field of `perf_event_attr`, in the order of the header.
const DISABLED: u64 = 1;
const COMM: u64 = 1 << 9;
const TASK: u64 = 1 << 13;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCKID: u64 = 1 << 25;
const NAMESPACES: u64 = 1 << 28;

const FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

const IOC_ENABLE: Opcode = opcode::none(b'$', 0);
const IOC_SET_OUTPUT: Opcode = opcode::none(b'$', 5);
const IOC_SET_FILTER: Opcode = opcode::write::<*const u8>(b'$', 6);

/// Where the second argument of a system call and the stack pointer are, as bits of
/// `enum perf_event_x86_regs` (SI, SP) or `perf_event_arm_regs` (X1, SP) in `asm/perf_regs.h`. A system
/// call leaves both as they were when it was made.
#[cfg(target_arch = "x86_64")]
const ARGUMENT_AND_STACK: Option<u64> = Some(1 << 4 | 1 << 7);
#[cfg(target_arch = "aarch64")]
const ARGUMENT_AND_STACK: Option<u64> = Some(1 << 1 | 1 << 31);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARGUMENT_AND_STACK: Option<u64> = None;

/// `PERF_ATTR_SIZE_VER5`
const ATTR_SIZE: u32 = 112;

/// `struct perf_event_attr` of `linux/perf_event.h` as of `PERF_ATTR_SIZE_VER5`, which every kernel
/// since 4.1 takes.
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const _: () = {
    assert!(size_of::<Attr>() == ATTR_SIZE as usize);
    assert!(offset_of!(Attr, flags) == 40);
    assert!(offset_of!(Attr, wakeup_watermark) == 48);
    assert!(offset_of!(Attr, sample_regs_user) == 80);
    assert!(offset_of!(Attr, clockid) == 92);
};

/// What to record of a tracepoint.
pub(super) struct Wanted {
    /// The tracepoint's number in tracefs.
    pub tracepoint: u16,
    /// Whether the births, names, namespaces and ends of all processes come along.
    pub processes: bool,
    /// How many bytes of the caller's stack to record, with the second argument of its system call.
    pub stack: u32,
    /// Wakes a reader when so many bytes wait.
    pub watermark: u32,
}

/// Opens a tracepoint on one processor, for all processes, not counting yet.
pub(super) fn open(wanted: &Wanted, cpu: u32) -> io::Result<OwnedFd> {
    let mut attr = Attr {
        kind: TYPE_TRACEPOINT,
        size: ATTR_SIZE,
        config: wanted.tracepoint.into(),
        sample_period: 1,
        sample_type: SAMPLE_TID | SAMPLE_TIME | SAMPLE_RAW,
        flags: DISABLED | WATERMARK | SAMPLE_ID_ALL | USE_CLOCKID,
        wakeup_watermark: wanted.watermark,
        clockid: libc::CLOCK_MONOTONIC,
        ..Attr::default()
    };
    if wanted.processes {
        attr.flags |= COMM | TASK | NAMESPACES;
    }
    if let Some(registers) = ARGUMENT_AND_STACK.filter(|_| wanted.stack > 0) {
        attr.sample_type |= SAMPLE_REGS_USER | SAMPLE_STACK_USER;
        attr.sample_regs_user = registers;
        attr.sample_stack_user = wanted.stack;
    }
    let everyone: libc::pid_t = -1;
    let no_group: libc::c_int = -1;
    // SAFETY: the arguments are those of perf_event_open(2); `attr` is valid for reads of `attr.size`
    // bytes during the call and the kernel keeps no pointer to it.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            ptr::from_ref(&attr),
            everyone,
            cpu.cast_signed(),
            no_group,
            FLAG_FD_CLOEXEC,
        )
    };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets only what matches be recorded, in the words of tracefs's `filter` files.
pub(super) fn filter(event: &OwnedFd, filter: &CStr) -> io::Result<()> {
    // SAFETY: PERF_EVENT_IOC_SET_FILTER takes a pointer to a string that ends in NUL and copies it.
    let set = unsafe { IntegerSetter::<IOC_SET_FILTER>::new_pointer(filter.as_ptr().cast_mut().cast()) };
    // SAFETY: the opcode belongs to a perf event, which this descriptor is.
    Ok(unsafe { ioctl(event, set) }?)
}

/// Starts recording.
pub(super) fn enable(event: &OwnedFd) -> io::Result<()> {
    // SAFETY: PERF_EVENT_IOC_ENABLE takes no argument, and 0 is none.
    let enable = unsafe { NoArg::<IOC_ENABLE>::new() };
    // SAFETY: the opcode belongs to a perf event, which this descriptor is.
    Ok(unsafe { ioctl(event, enable) }?)
}

/// The ring buffer of one processor. The kernel writes it, this side reads it.
pub(super) struct Ring {
    event: Arc<OwnedFd>,
    /// One page of `perf_event_mmap_page`, then the data.
    base: NonNull<u8>,
    page: usize,
    size: usize,
    tail: u64,
}

// SAFETY: the mapping belongs to this value alone and is not tied to the thread that made it.
unsafe impl Send for Ring {}

/// Offsets in `struct perf_event_mmap_page`, which pads what comes before to 1 KiB.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

impl Ring {
    /// Gives an event a buffer of `size` bytes, a power of two of pages.
    pub fn map(event: Arc<OwnedFd>, size: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                page + size,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &event,
                0,
            )
        }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { event, base, page, size, tail: 0 })
    }

    /// Has another event of the same processor write here too.
    pub fn adopt(&self, event: &OwnedFd) -> io::Result<()> {
        let fd = usize::try_from(self.event.as_raw_fd()).map_err(io::Error::other)?;
        // SAFETY: PERF_EVENT_IOC_SET_OUTPUT takes the number of a perf event's descriptor.
        let set = unsafe { IntegerSetter::<IOC_SET_OUTPUT>::new_usize(fd) };
        // SAFETY: the opcode belongs to a perf event, which this descriptor is.
        Ok(unsafe { ioctl(event, set) }?)
    }

    /// The event whose buffer this is.
    pub fn event(&self) -> &Arc<OwnedFd> {
        &self.event
    }

    /// Appends what was recorded since the last call, whole records in a row; false when it can't be
    /// told what that is.
    pub fn take(&mut self, bytes: &mut Vec<u8>) -> bool {
        let head = self.counter(DATA_HEAD).load(Ordering::Acquire);
        let Some(parts) = parts(self.tail, head, self.size) else {
            self.give_back(head);
            return false;
        };
        for part in parts {
            bytes.reserve(part.len());
            // SAFETY: `parts` lie within the `size` bytes of data that follow the first page, the
            // kernel does not write there until `data_tail` has passed them, and `reserve` has made room.
            unsafe {
                let from = self.base.add(self.page + part.start);
                ptr::copy_nonoverlapping(
                    from.as_ptr(),
                    bytes.spare_capacity_mut().as_mut_ptr().cast(),
                    part.len(),
                );
                bytes.set_len(bytes.len() + part.len());
            }
        }
        self.give_back(head);
        true
    }

    fn give_back(&mut self, head: u64) {
        self.tail = head;
        self.counter(DATA_TAIL).store(head, Ordering::Release);
    }

    fn counter(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the offset is that of an aligned u64 in the first page of the mapping, which lives as
        // long as `self`; the kernel and this side access it as a whole.
        unsafe { self.base.add(offset).cast::<AtomicU64>().as_ref() }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `map`, and nothing refers to it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.page + self.size) };
    }
}

/// Where the bytes from `tail` to `head` are in a ring of `size` bytes: up to its end, and from its
/// start. Nothing when the counters can't be those of such a ring.
fn parts(tail: u64, head: u64, size: usize) -> Option<[Range<usize>; 2]> {
    let length = usize::try_from(head.checked_sub(tail)?).ok()?;
    if length > size {
        return None;
    }
    let start = usize::try_from(tail % u64::try_from(size).ok().filter(|size| *size > 0)?).ok()?;
    let first = length.min(size - start);
    Some([start..start + first, 0..length - first])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_are_the_bytes_in_order(size in 0usize..64, tail: u64, more in 0u64..128) {
            let Some(head) = tail.checked_add(more) else { return Ok(()) };
            let Some(parts) = parts(tail, head, size) else {
                prop_assert!(size == 0 || more > size as u64);
                return Ok(());
            };
            let got: Vec<usize> = parts.into_iter().flatten().collect();
            let expected: Vec<usize> = (tail..head).map(|at| usize::try_from(at).unwrap() % size).collect();
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn counters_out_of_reach_are_refused(tail: u64, head: u64, size in 1usize..4096) {
            if let Some(parts) = parts(tail, head, size) {
                prop_assert!(parts.iter().all(|part| part.end <= size));
                prop_assert_eq!(head - tail, parts.iter().map(|part| part.len() as u64).sum::<u64>());
            }
        }
    }
}
