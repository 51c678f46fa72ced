//! How the allocator of this system treats what is freed.
#![allow(unsafe_code, reason = "the allocator is asked through C")]

/// From this size on, what is freed goes back to the system. A look frees as many megabytes as it takes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 256 * 1024;

/// Has what is freed in large pieces go back to the system at once: the GNU allocator keeps ever larger ones
/// for later, up to 32 MiB, which is as much again as what is in use.
pub fn give_back_what_is_large() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two numbers; the allocator locks itself while it changes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
