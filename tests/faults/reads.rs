//! What /proc and /proc/sys answer, whoever is asking and whatever is mounted there.
