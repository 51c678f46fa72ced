//! Small things that views are put together from. They know text, numbers and cells, not the program.

pub mod chart;
pub mod field;
pub mod gauge;
pub mod paint;
pub mod spark;
pub mod table;
pub mod text;
pub mod text_box;
