//! Closing a connection.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use windows_sys::Win32::Foundation::NO_ERROR;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    MIB_TCP_STATE_DELETE_TCB, MIB_TCPROW_LH, MIB_TCPROW_LH_0, SetTcpEntry,
};

use crate::platform::windows::ffi::CallError;

/// One end of a connection over IPv4, address and port as the tables have them: in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The address.
    pub address: [u8; 4],
    /// The port.
    pub port: u16,
}

/// Closes a TCP connection over IPv4.
///
/// # Errors
/// What Windows returned.
pub fn delete_connection(local: End, remote: End) -> Result<(), CallError> {
    let row = MIB_TCPROW_LH {
        Anonymous: MIB_TCPROW_LH_0 { State: MIB_TCP_STATE_DELETE_TCB },
        dwLocalAddr: u32::from_ne_bytes(local.address),
        dwLocalPort: u32::from(local.port.to_be()),
        dwRemoteAddr: u32::from_ne_bytes(remote.address),
        dwRemotePort: u32::from(remote.port.to_be()),
    };
    // SAFETY: the pointer is to a whole row, which is only read.
    match unsafe { SetTcpEntry(&raw const row) } {
        NO_ERROR => Ok(()),
        code => Err(CallError::code("SetTcpEntry", code)),
    }
}
