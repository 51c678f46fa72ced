//! Kill and close: nothing dies that was not meant.
