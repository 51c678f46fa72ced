//! Access tokens: who a process runs as, and with which rights.

use std::mem::{offset_of, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountSidW, SID_AND_ATTRIBUTES, TOKEN_ELEVATION, TOKEN_INFORMATION_CLASS,
    TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::CallError;
use super::buffer::{Buffer, Room, grow};
use super::text::until_nul;

const _: () = {
    assert!(offset_of!(TOKEN_ELEVATION, TokenIsElevated) == 0 && size_of::<TOKEN_ELEVATION>() == 4);
    assert!(offset_of!(TOKEN_USER, User) == 0 && offset_of!(SID_AND_ATTRIBUTES, Sid) == 0);
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
        Self::open(unsafe { GetCurrentProcess() })
    }

    /// The token of a process opened with `PROCESS_QUERY_LIMITED_INFORMATION`.
    ///
    /// # Errors
    /// When Windows refuses.
    pub fn of(process: &OwnedHandle) -> Result<Self, CallError> {
        Self::open(process.as_raw_handle())
    }

    fn open(process: HANDLE) -> Result<Self, CallError> {
        let mut token = std::ptr::null_mut();
        // SAFETY: the process handle is open; `token` is a place for one handle.
        if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
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
            if done != 0 {
                return Ok(Room::Enough);
            }
            match CallError::last(call) {
                CallError::Os { source, .. }
                    if source.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER.cast_signed()) =>
                {
                    Ok(Room::Wants(needed))
                }
                other => Err(other),
            }
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
        let buffer = self.query(TokenUser)?;
        let address = buffer.bytes().first_chunk::<8>().map_or(0, |word| u64::from_ne_bytes(*word));
        Sid::within(&buffer, address).ok_or(CallError::Absent { call: "TokenUser", library: "the token" })
    }
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
            let length = (0..256).take_while(|at| *text.add(*at) != 0).count();
            let owned = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
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
