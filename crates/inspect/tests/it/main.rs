//! Looking at files, through the public functions only.

mod bounds;
mod describe;
mod kind;
mod print;
mod samples;
mod survive;
mod validate;
mod wit;
