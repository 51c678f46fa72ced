//! Ranges that somebody else changes, and journals torn by a full disk.
