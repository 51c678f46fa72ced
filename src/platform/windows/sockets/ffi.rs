//! The socket tables of `iphlpapi.dll`, as bytes.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::ffi::{CStr, c_void};
use std::mem::{offset_of, size_of};

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA, HANDLE, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, GetExtendedUdpTable, MIB_TCP6ROW_OWNER_MODULE, MIB_TCP6ROW2,
    MIB_TCP6TABLE_OWNER_MODULE, MIB_TCP6TABLE2, MIB_TCPROW_OWNER_MODULE, MIB_TCPROW2,
    MIB_TCPTABLE_OWNER_MODULE, MIB_TCPTABLE2, MIB_UDP6ROW_OWNER_MODULE, MIB_UDP6TABLE_OWNER_MODULE,
    MIB_UDPROW_OWNER_MODULE, MIB_UDPTABLE_OWNER_MODULE, TCP_TABLE_OWNER_MODULE_ALL, UDP_TABLE_OWNER_MODULE,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};
use windows_sys::Win32::System::Memory::{GetProcessHeap, HeapFree, HeapSize};

use super::layout::{Layout, Table};
use crate::model::{Family, Protocol};
use crate::platform::windows::ffi::buffer::{Buffer, Room, grow};
use crate::platform::windows::ffi::{CallError, library};

/// Asks for one table of sockets with their owners, with so much room at first.
///
/// # Errors
/// When Windows refuses, or the table is too large or never stops growing.
pub fn listed(protocol: Protocol, family: Family, room: usize) -> Result<Buffer, CallError> {
    let call = match protocol {
        Protocol::Tcp => "GetExtendedTcpTable",
        Protocol::Udp => "GetExtendedUdpTable",
    };
    let family = u32::from(match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    });
    grow(call, room, |buffer| {
        let (pointer, mut size) = (buffer.pointer(), buffer.size());
        let code = match protocol {
            // SAFETY: the pointer is to `size` writable bytes, aligned to 8; Windows writes no more than
            // `size` and keeps no pointer.
            Protocol::Tcp => unsafe {
                GetExtendedTcpTable(pointer, &raw mut size, 0, family, TCP_TABLE_OWNER_MODULE_ALL, 0)
            },
            // SAFETY: as above.
            Protocol::Udp => unsafe {
                GetExtendedUdpTable(pointer, &raw mut size, 0, family, UDP_TABLE_OWNER_MODULE, 0)
            },
        };
        match code {
            NO_ERROR => Ok(Room::Enough),
            ERROR_INSUFFICIENT_BUFFER => Ok(Room::Wants(size)),
            other => Err(CallError::code(call, other)),
        }
    })
}

/// `NETIO_STATUS InternalGetBoundTcpEndpointTable(PVOID *table, HANDLE heap, ULONG flags)`, and the same
/// for IPv6: undocumented, from the System Informer headers.
type GetBound = unsafe extern "system" fn(*mut *mut c_void, HANDLE, u32) -> u32;

/// Asks for the table of bound TCP endpoints.
///
/// # Errors
/// When this Windows has no such table or refuses it.
pub fn bound(family: Family) -> Result<Vec<u8>, CallError> {
    let (call, name): (_, &CStr) = match family {
        Family::Ipv4 => ("InternalGetBoundTcpEndpointTable", c"InternalGetBoundTcpEndpointTable"),
        Family::Ipv6 => ("InternalGetBoundTcp6EndpointTable", c"InternalGetBoundTcp6EndpointTable"),
    };
    let library = "iphlpapi.dll";
    let export = library::export(library, name).ok_or(CallError::Absent { call, library })?;
    // SAFETY: the export of this name has this signature, see `GetBound`.
    let function = unsafe { std::mem::transmute::<*mut c_void, GetBound>(export.as_ptr()) };
    let mut table = std::ptr::null_mut();
    // SAFETY: takes no arguments; the heap of the process lives as long as the process.
    let heap = unsafe { GetProcessHeap() };
    // SAFETY: `table` is a place for one pointer; what is put there is a block of the heap passed in.
    let code = unsafe { function(&raw mut table, heap, 0) };
    let bytes = if table.is_null() { Some(EMPTY.to_vec()) } else { take_block(heap, table) };
    match (code, bytes) {
        (NO_ERROR, Some(bytes)) => Ok(bytes),
        (NO_ERROR, None) => Err(CallError::code("HeapSize", ERROR_INVALID_DATA)),
        (other, _) => Err(CallError::code(call, other)),
    }
}

/// A table that says it has no rows.
const EMPTY: [u8; 4] = [0; 4];

/// Copies a block of the heap and frees it; nothing when the heap does not know how large it is.
fn take_block(heap: HANDLE, block: *mut c_void) -> Option<Vec<u8>> {
    // SAFETY: the block was allocated from this heap and not freed yet.
    let size = unsafe { HeapSize(heap, 0, block) };
    let bytes = (size != usize::MAX).then(|| {
        // SAFETY: the heap says that `size` bytes belong to this block, and nobody else knows of it.
        unsafe { std::slice::from_raw_parts(block.cast::<u8>(), size) }.to_vec()
    });
    // SAFETY: as above; the block is not used after this. A failure would leak it and nothing else.
    unsafe { HeapFree(heap, 0, block) };
    bytes
}

const fn layout(table: Table) -> &'static Layout {
    table.layout()
}

const fn at(offset: Option<usize>) -> usize {
    match offset {
        Some(offset) => offset,
        None => usize::MAX,
    }
}

macro_rules! assert_layout {
    ($table:expr, $rows:ty, $row:ty { local: $address:ident $port:ident, pid: $pid:ident $(, scope: $scope:ident)? $(, state: $state:ident)?
        $(, remote: $peer:ident $peer_port:ident)? $(, created: $created:ident, tag: $tag:ident)? }) => {
        const _: () = {
            let layout = layout($table);
            assert!(layout.rows_at == offset_of!($rows, table));
            assert!(layout.size == size_of::<$row>());
            assert!(layout.local.address == offset_of!($row, $address));
            assert!(layout.local.port == offset_of!($row, $port));
            assert!(layout.pid == offset_of!($row, $pid));
            $(assert!(at(layout.local.scope) == offset_of!($row, $scope));)?
            $(assert!(at(layout.state) == offset_of!($row, $state));)?
            $(
                let Some(remote) = &layout.remote else { panic!() };
                assert!(remote.address == offset_of!($row, $peer));
                assert!(remote.port == offset_of!($row, $peer_port));
            )?
            $(
                assert!(at(layout.created) == offset_of!($row, $created));
                assert!(at(layout.tag) == offset_of!($row, $tag));
            )?
        };
    };
}

assert_layout!(Table::Listed(Protocol::Tcp, Family::Ipv4), MIB_TCPTABLE_OWNER_MODULE, MIB_TCPROW_OWNER_MODULE {
    local: dwLocalAddr dwLocalPort, pid: dwOwningPid, state: dwState, remote: dwRemoteAddr dwRemotePort,
    created: liCreateTimestamp, tag: OwningModuleInfo
});
assert_layout!(Table::Listed(Protocol::Tcp, Family::Ipv6), MIB_TCP6TABLE_OWNER_MODULE, MIB_TCP6ROW_OWNER_MODULE {
    local: ucLocalAddr dwLocalPort, pid: dwOwningPid, scope: dwLocalScopeId, state: dwState,
    remote: ucRemoteAddr dwRemotePort, created: liCreateTimestamp, tag: OwningModuleInfo
});
assert_layout!(Table::Listed(Protocol::Udp, Family::Ipv4), MIB_UDPTABLE_OWNER_MODULE, MIB_UDPROW_OWNER_MODULE {
    local: dwLocalAddr dwLocalPort, pid: dwOwningPid, created: liCreateTimestamp, tag: OwningModuleInfo
});
assert_layout!(Table::Listed(Protocol::Udp, Family::Ipv6), MIB_UDP6TABLE_OWNER_MODULE, MIB_UDP6ROW_OWNER_MODULE {
    local: ucLocalAddr dwLocalPort, pid: dwOwningPid, scope: dwLocalScopeId, created: liCreateTimestamp,
    tag: OwningModuleInfo
});
assert_layout!(Table::Bound(Family::Ipv4), MIB_TCPTABLE2, MIB_TCPROW2 {
    local: dwLocalAddr dwLocalPort, pid: dwOwningPid
});
assert_layout!(Table::Bound(Family::Ipv6), MIB_TCP6TABLE2, MIB_TCP6ROW2 {
    local: LocalAddr dwLocalPort, pid: dwOwningPid, scope: dwLocalScopeId
});
