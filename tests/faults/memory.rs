//! What grows, and what a slow look or a blocked terminal must not lose.
