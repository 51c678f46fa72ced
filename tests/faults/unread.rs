//! What cannot be read is unknown, never 0 and never OK.
