//! One app, put together: from the folder of its manifest to the components that can be run, one for each way in.
//!
//! The recipe is [`assemble`]: open the manifest, get the bytes of every component, plan, hold the plan against
//! the lock file, join. The command line calls it and shows what comes back; it prints nothing itself, and reads
//! the environment only through a function that it is given. [`Answers`] is what a served app is to the front.
//!
//! What always holds: nothing runs that the lock file does not allow, and every problem that has a place in the
//! manifest is told with it.

pub mod answers;
mod assemble;
mod diagnose;
mod files;
mod folder;
pub mod functions;
mod lock;
mod own_files;
mod parts;
mod served;
pub mod template;

pub use answers::{Answer, Answers};
pub use assemble::{Assembled, Planned, assemble, plan};
pub use files::write_whole;
pub use folder::{Failure, Opened, open, read_secret};
pub use functions::Functions;
pub use lock::{Held, Locking, check as check_lock, hold as hold_lock, write as write_lock};
pub use parts::{Building, Parts};
