//! Terminals that are lost, blocked, stopped, of no size or without colours.
