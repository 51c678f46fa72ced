//! The verdict: how bad, and who.
