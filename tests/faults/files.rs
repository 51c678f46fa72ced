//! Files that are missing, endless, unreadable or not text, and names that are hostile.
