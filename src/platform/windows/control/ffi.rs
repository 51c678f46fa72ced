//! Closing a connection.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{FILE_SYNCHRONOUS_IO_NONALERT, NtOpenFile};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{NO_ERROR, OBJ_CASE_INSENSITIVE, STATUS_PENDING, UNICODE_STRING};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    MIB_TCP_STATE_DELETE_TCB, MIB_TCPROW_LH, MIB_TCPROW_LH_0, SetTcpEntry,
};
use windows_sys::Win32::Networking::WinSock::{
    MIT_GUID, NPI_MODULEID, NPI_MODULEID_0, SOCKADDR_IN6, SOCKADDR_INET,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};
use windows_sys::core::GUID;

use super::format::{ADDRESS, Connection, END_SIZE, PORT, SCOPE};
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

const _: () = {
    assert!(END_SIZE == size_of::<SOCKADDR_INET>() && END_SIZE == size_of::<SOCKADDR_IN6>());
    assert!(PORT == offset_of!(SOCKADDR_IN6, sin6_port));
    assert!(ADDRESS == offset_of!(SOCKADDR_IN6, sin6_addr));
    assert!(SCOPE == offset_of!(SOCKADDR_IN6, Anonymous));
    assert!(size_of::<NPI_MODULEID>() == 24 && offset_of!(NPI_MODULEID, Anonymous) == 8);
    assert!(size_of::<SetAllParameters>() == 72);
    assert!(offset_of!(SetAllParameters, module) == 16 && offset_of!(SetAllParameters, store) == 32);
    assert!(offset_of!(SetAllParameters, input) == 40 && offset_of!(SetAllParameters, output) == 56);
};

/// What `IOCTL_NSI_SET_ALL_PARAMETERS` takes, as System Informer knows it (`netsup.c`).
#[repr(C)]
struct SetAllParameters {
    zero: [u64; 2],
    module: *const NPI_MODULEID,
    class: u32,
    class_padding: u32,
    store: u32,
    action: u32,
    input: *const u8,
    input_length: u32,
    input_padding: u32,
    output: *mut c_void,
    output_length: u32,
    output_padding: u32,
}

/// `CTL_CODE(FILE_DEVICE_NETWORK, 4, METHOD_NEITHER, FILE_ANY_ACCESS)`.
const IOCTL_NSI_SET_ALL_PARAMETERS: u32 = 0x12_0013;
/// The class whose entry is a connection that is to be deleted.
const TCP_SET_ENTRY: u32 = 16;
/// `NsiActive`.
const STORE_ACTIVE: u32 = 1;
/// `NsiSetCreateOrSet`.
const ACTION_SET: u32 = 2;

/// `NPI_MS_TCP_MODULEID`.
const TCP: GUID = GUID::from_u128(0xeb00_4a03_9b1a_11d4_9123_0050_0477_59bc);

/// Closes a TCP connection over IPv6. No call for it is documented.
///
/// # Errors
/// What Windows returned.
pub fn delete_connection_over_ipv6(connection: &Connection) -> Result<(), CallError> {
    let device = nsi()?;
    let module = NPI_MODULEID { Length: 24, Type: MIT_GUID, Anonymous: NPI_MODULEID_0 { Guid: TCP } };
    let mut parameters = SetAllParameters {
        zero: [0; 2],
        module: &raw const module,
        class: TCP_SET_ENTRY,
        class_padding: 0,
        store: STORE_ACTIVE,
        action: ACTION_SET,
        input: connection.as_ptr(),
        input_length: 56,
        input_padding: 0,
        output: std::ptr::null_mut(),
        output_length: 0,
        output_padding: 0,
    };
    const { assert!(size_of::<Connection>() == 56) };
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: the device is open, and every call on it returns when it is done. The parameters are one whole
    // structure of 72 bytes; what they point to is readable, of the length that is told, and lives until after
    // the wait below, like the block; there is no output.
    let mut status = unsafe {
        NtDeviceIoControlFile(
            device.as_raw_handle(),
            std::ptr::null_mut(),
            None,
            std::ptr::null(),
            &raw mut block,
            IOCTL_NSI_SET_ALL_PARAMETERS,
            (&raw const parameters).cast(),
            72,
            (&raw mut parameters).cast(),
            72,
        )
    };
    if status == STATUS_PENDING {
        // SAFETY: the device is open.
        unsafe { WaitForSingleObject(device.as_raw_handle(), INFINITE) };
        // SAFETY: the call is done, and has written its status there.
        status = unsafe { block.Anonymous.Status };
    }
    if status == 0 {
        return Ok(());
    }
    Err(CallError::Status { call: r"\Device\Nsi", status: status.cast_unsigned() })
}

/// The device through which Windows itself changes its tables.
fn nsi() -> Result<OwnedHandle, CallError> {
    const FILE_READ_ATTRIBUTES: u32 = 0x80;
    const SYNCHRONIZE: u32 = 0x10_0000;
    const FILE_SHARE_READ_AND_WRITE: u32 = 3;
    let mut name: Vec<u16> = r"\Device\Nsi".encode_utf16().collect();
    let string = UNICODE_STRING { Length: 22, MaximumLength: 22, Buffer: name.as_mut_ptr() };
    debug_assert_eq!(name.len() * 2, 22);
    let attributes = OBJECT_ATTRIBUTES {
        Length: 48,
        RootDirectory: std::ptr::null_mut(),
        ObjectName: &raw const string,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: std::ptr::null(),
        SecurityQualityOfService: std::ptr::null(),
    };
    const { assert!(size_of::<OBJECT_ATTRIBUTES>() == 48) };
    let (mut handle, mut block) = (std::ptr::null_mut(), IO_STATUS_BLOCK::default());
    // SAFETY: the attributes, the string and its 11 units live through the call, which only reads them; the
    // others are places for a handle and a block.
    let status = unsafe {
        NtOpenFile(
            &raw mut handle,
            FILE_READ_ATTRIBUTES | SYNCHRONIZE,
            &raw const attributes,
            &raw mut block,
            FILE_SHARE_READ_AND_WRITE,
            FILE_SYNCHRONOUS_IO_NONALERT,
        )
    };
    if status != 0 {
        return Err(CallError::Status { call: r"NtOpenFile(\Device\Nsi)", status: status.cast_unsigned() });
    }
    // SAFETY: the handle was just opened, is valid and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::windows::control::format::connection;

    /// Wine has the device and not this question; Windows knows no such connection. Neither calls that a success.
    #[test]
    fn a_connection_that_is_not_there_is_not_closed() {
        let end = |port| std::net::SocketAddrV6::new("2001:db8::1".parse().unwrap(), port, 0, 0);
        let error = delete_connection_over_ipv6(&connection(end(1), end(2))).unwrap_err();
        assert!(matches!(error, CallError::Status { .. }), "{error}");
        println!("{error}");
    }
}
