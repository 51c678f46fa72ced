//! Windows.

pub(super) fn open() -> Result<super::Platform, super::OpenError> {
    Ok(super::portable::open())
}
