//! Access tokens: who a process runs as, and with which rights.
#![allow(unsafe_code, reason = "calls into Windows; every block says why it is sound")]

use std::mem::{offset_of, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_NOT_ALL_ASSIGNED, HANDLE, LUID, LocalFree,
};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, GetTokenInformation, LUID_AND_ATTRIBUTES, LookupAccountSidW,
    LookupPrivilegeValueW, SE_DEBUG_NAME, SE_PRIVILEGE_ENABLED, SID_AND_ATTRIBUTES, TOKEN_ACCESS_MASK,
    TOKEN_ADJUST_PRIVILEGES, TOKEN_ELEVATION, TOKEN_INFORMATION_CLASS, TOKEN_MANDATORY_LABEL,
    TOKEN_PRIVILEGES, TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenIntegrityLevel, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::format::integrity;
use crate::model::Integrity;
use crate::platform::windows::ffi::CallError;
use crate::platform::windows::ffi::buffer::{Buffer, Room, grow};
use crate::platform::windows::ffi::text::{owned_at, until_nul};

const _: () = {
    assert!(offset_of!(TOKEN_ELEVATION, TokenIsElevated) == 0 && size_of::<TOKEN_ELEVATION>() == 4);
    assert!(offset_of!(TOKEN_USER, User) == 0 && offset_of!(SID_AND_ATTRIBUTES, Sid) == 0);
    assert!(offset_of!(TOKEN_MANDATORY_LABEL, Label) == 0);
};

/// An access token.
pub struct Token(OwnedHandle);

/// Whose a token is: a security identifier, `S-1-5-18`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sid(Vec<u32>);

impl Token {
    /// The token of this process.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn of_self() -> Result<Self, CallError> {
        // SAFETY: takes no arguments; what it returns stands for this process and need not be closed.
        Self::open(unsafe { GetCurrentProcess() }, TOKEN_QUERY)
    }

    /// The token of a process opened with `PROCESS_QUERY_LIMITED_INFORMATION`.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn of(process: &OwnedHandle) -> Result<Self, CallError> {
        Self::open(process.as_raw_handle(), TOKEN_QUERY)
    }

    fn open(process: HANDLE, rights: TOKEN_ACCESS_MASK) -> Result<Self, CallError> {
        let mut token = std::ptr::null_mut();
        // SAFETY: the process handle is open; `token` is a place for one handle.
        if unsafe { OpenProcessToken(process, rights, &raw mut token) } == 0 {
            return Err(CallError::last("OpenProcessToken"));
        }
        // SAFETY: the call succeeded, so this is an open handle that is ours to close.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(token) }))
    }

    fn query(&self, class: TOKEN_INFORMATION_CLASS) -> Result<Buffer, CallError> {
        let call = "GetTokenInformation";
        grow(call, 256, |buffer| {
            let mut needed = 0;
            // SAFETY: the token is open; the pointer is to `size` writable bytes, aligned to 8.
            let done = unsafe {
                GetTokenInformation(
                    self.0.as_raw_handle(),
                    class,
                    buffer.pointer(),
                    buffer.size(),
                    &raw mut needed,
                )
            };
            Room::of(call, done, ERROR_INSUFFICIENT_BUFFER, needed)
        })
    }

    /// Whether it has the rights of an administrator.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn elevated(&self) -> Result<bool, CallError> {
        let buffer = self.query(TokenElevation)?;
        let word = buffer.bytes().first_chunk::<4>();
        Ok(word.is_some_and(|word| u32::from_ne_bytes(*word) != 0))
    }

    /// Whose it is.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn user(&self) -> Result<Sid, CallError> {
        self.sid(TokenUser)
    }

    /// How far it is trusted.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn integrity(&self) -> Result<Integrity, CallError> {
        // The level is the last sub-authority of the label; a SID without any is the untrusted one.
        self.sid(TokenIntegrityLevel)
            .map(|label| integrity(label.0.get(2..).and_then(<[_]>::last).copied().unwrap_or(0)))
    }

    /// The SID of a class whose structure begins with the pointer to it.
    fn sid(&self, class: TOKEN_INFORMATION_CLASS) -> Result<Sid, CallError> {
        let buffer = self.query(class)?;
        let address = buffer.bytes().first_chunk::<8>().map_or(0, |word| u64::from_ne_bytes(*word));
        Sid::within(&buffer, address).ok_or(CallError::Absent { call: "a SID", library: "the token" })
    }
}

/// Enables the right to open processes of other users, for this process. It must hold it: only an
/// elevated one does.
///
/// # Errors
/// When Windows refuses, or the right is not held.
pub fn enable_debug_privilege() -> Result<(), CallError> {
    let mut id = LUID::default();
    // SAFETY: null means this machine; the name ends in 0; `id` is a place for one LUID.
    if unsafe { LookupPrivilegeValueW(std::ptr::null(), SE_DEBUG_NAME, &raw mut id) } == 0 {
        return Err(CallError::last("LookupPrivilegeValueW"));
    }
    // SAFETY: takes no arguments; what it returns stands for this process and need not be closed.
    let token = Token::open(unsafe { GetCurrentProcess() }, TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES)?;
    let wanted = TOKEN_PRIVILEGES {
        PrivilegeCount: 1,
        Privileges: [LUID_AND_ATTRIBUTES { Luid: id, Attributes: SE_PRIVILEGE_ENABLED }],
    };
    // SAFETY: the token is open; `wanted` has as many privileges as it says; the old ones are not asked for.
    let done = unsafe {
        AdjustTokenPrivileges(
            token.0.as_raw_handle(),
            0,
            &raw const wanted,
            0,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    // Success with an error left in the thread means that the right is not held.
    let error = CallError::last("AdjustTokenPrivileges");
    if done == 0 || error.is(ERROR_NOT_ALL_ASSIGNED) { Err(error) } else { Ok(()) }
}

impl Sid {
    /// Copies the SID at an address inside a buffer. Its layout is public ([MS-DTYP] 2.4.2): revision,
    /// count of sub-authorities (at most 15), 6 bytes of authority, 4 bytes each.
    fn within(buffer: &Buffer, address: u64) -> Option<Self> {
        let at = usize::try_from(address.checked_sub(buffer.address())?).ok()?;
        let sid = buffer.bytes().get(at..)?;
        let words = 2 + usize::from(*sid.get(1).filter(|count| **count <= 15)?);
        let (words, _) = sid.get(..words * 4)?.as_chunks::<4>();
        Some(Self(words.iter().map(|word| u32::from_ne_bytes(*word)).collect()))
    }

    /// The way it is written where no name is known.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let mut text = std::ptr::null_mut();
        // SAFETY: the SID is whole and aligned to 4; `text` is a place for one pointer.
        if unsafe { ConvertSidToStringSidW(self.0.as_ptr().cast_mut().cast(), &raw mut text) } == 0 {
            return None;
        }
        // SAFETY: the call succeeded, so this is a string that ends in 0 and is ours to free.
        unsafe {
            let owned = owned_at(text);
            LocalFree(text.cast());
            Some(owned)
        }
    }

    /// Its account, `CORP\svc-orders`. This may ask a domain controller and take its time.
    #[must_use]
    pub fn account(&self) -> Option<String> {
        let (mut name, mut domain) = ([0; 256], [0; 256]);
        let (mut name_length, mut domain_length, mut kind) = (256, 256, 0);
        // SAFETY: the SID is whole and aligned to 4; the buffers have as many units as is said; Windows
        // ends what it writes with 0.
        let done = unsafe {
            LookupAccountSidW(
                std::ptr::null(),
                self.0.as_ptr().cast_mut().cast(),
                name.as_mut_ptr(),
                &raw mut name_length,
                domain.as_mut_ptr(),
                &raw mut domain_length,
                &raw mut kind,
            )
        };
        let (name, domain) = (until_nul(&name), until_nul(&domain));
        match (done, domain.is_empty()) {
            (0, _) => None,
            (_, true) => Some(name),
            (_, false) => Some(format!("{domain}\\{name}")),
        }
    }
}
