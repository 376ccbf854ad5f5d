//! Turning bytes that claim to be machine code into code that runs: one of the three files with `unsafe`.
//!
//! [`crate::program`] is the only caller. The engine checks its own version and settings in an artifact's
//! header; it cannot check the code. So an artifact may come here only after somebody proved that Weft made
//! it: [`crate::cache`] by the hash under which it stored it, [`crate::seal`] by the key of this machine.
//!
//! A server that loads many small programs has a [`CodeRoom`]: memory that is executable from the beginning, so that
//! loading a program and letting go of it change no mapping, for which all threads would have to wait.
#![allow(
    unsafe_code,
    reason = "loading precompiled code is unsafe by nature; see the module's contract"
)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::ptr::{self, NonNull};

use parking_lot::Mutex;
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect, munmap};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine, Module};

use crate::code_places::{Place, Places};

/// Proof that the bytes or the file were written by Weft and not changed since. Made only by the two modules
/// that check exactly that.
#[derive(Debug)]
pub(crate) struct Vouched(());

impl Vouched {
    /// The caller has just compared the content with a hash or a seal made when Weft wrote it.
    pub(crate) fn checked() -> Self {
        Self(())
    }
}

/// Loads a component from bytes, which are copied: into the engine's room where it has one that they fit into.
pub(crate) fn component(
    engine: &Engine,
    room: Option<&CodeRoom>,
    bytes: &[u8],
    _: &Vouched,
) -> wasmtime::Result<Component> {
    let Some((room, place)) = room.and_then(|room| Some((room, room.put(bytes)?))) else {
        // SAFETY: `Vouched` says that Weft itself made these bytes with `Engine::precompile_component`.
        return unsafe { Component::deserialize(engine, bytes) };
    };
    // SAFETY: as above for what the bytes are. The memory is mapped for as long as the room lives, which every piece of
    // code of the engine keeps alive, as the engine's configuration does. Nobody writes there before the place is given
    // back: by the engine, when nothing uses the code any more (`unpublish_executable`), or below.
    let loaded = unsafe { Component::deserialize_raw(engine, room.bytes_at(place, bytes.len())) };
    if loaded.is_err() {
        // The engine has nothing there, or has given it back itself.
        room.give_back(place);
    }
    loaded
}

pub(crate) fn module(engine: &Engine, bytes: &[u8], _: &Vouched) -> wasmtime::Result<Module> {
    // SAFETY: as in `component`.
    unsafe { Module::deserialize(engine, bytes) }
}

pub(crate) fn component_file(engine: &Engine, path: &Path, _: &Vouched) -> wasmtime::Result<Component> {
    // SAFETY: as in `component`; the file lies in the user's own cache folder, which others cannot write.
    unsafe { Component::deserialize_file(engine, path) }
}

pub(crate) fn module_file(engine: &Engine, path: &Path, _: &Vouched) -> wasmtime::Result<Module> {
    // SAFETY: as in `component_file`.
    unsafe { Module::deserialize_file(engine, path) }
}

/// Memory for the machine code of programs that come and go.
///
/// It is a file that exists in memory only, mapped once, readable and executable. Nothing in the address space can
/// write to it: what is put there goes through the file, whose descriptor nobody else has.
#[derive(Debug)]
pub(crate) struct CodeRoom {
    file: File,
    start: NonNull<u8>,
    page_bytes: usize,
    places: Mutex<Places>,
}

// SAFETY: the pointer stands for a mapping that belongs to the room; whoever has a place reads only there, and
// `places` gives each to one at a time.
unsafe impl Send for CodeRoom {}
// SAFETY: as for `Send`.
unsafe impl Sync for CodeRoom {}

impl CodeRoom {
    /// Address space of a room. What nobody uses of it takes no memory.
    const BYTES: usize = 1 << 30;

    /// Larger programs get memory of their own: for them the changes of mappings do not matter.
    const PROGRAM_BYTES_MAX: usize = 256 << 10;

    /// Places of one length that keep their pages when nobody uses them.
    const WARM_MAX: usize = 64;

    /// A room, where the system gives one. Only on x86-64: a processor of another kind has to be told of new code.
    pub(crate) fn open() -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            return None;
        }
        Self::map().ok()
    }

    fn map() -> io::Result<Self> {
        let page_bytes = rustix::param::page_size();
        let pages = u32::try_from(Self::BYTES / page_bytes).map_err(io::Error::other)?;
        let file = memfd_create("weft-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, Self::BYTES as u64)?;
        // A mapping of a file that became shorter would end the process.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        // SAFETY: the system chooses the address, so nothing that is in use is replaced.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                Self::BYTES,
                protection,
                MapFlags::SHARED,
                &file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self {
            file: file.into(),
            start,
            page_bytes,
            places: Mutex::new(Places::new(pages)),
        })
    }

    /// Copies an artifact into a place of its own, if it is one for this room and there is room.
    fn put(&self, artifact: &[u8]) -> Option<Place> {
        // Tables for unwinding, which artifacts for serving lack, would be read after their place was given back.
        let is_fit = (1..=Self::PROGRAM_BYTES_MAX).contains(&artifact.len())
            && memchr::memmem::find(artifact, b".eh_frame").is_none();
        if !is_fit {
            return None;
        }
        let pages = u32::try_from(artifact.len().div_ceil(self.page_bytes)).ok()?;
        let place = self.places.lock().take(pages)?;
        match self.file.write_all_at(artifact, self.offset(place)) {
            Ok(()) => Some(place),
            Err(_) => {
                // Out of memory, or beyond a limit of the system: the engine tries for itself, and says so.
                self.give_back(place);
                None
            }
        }
    }

    fn offset(&self, place: Place) -> u64 {
        u64::from(place.page) * self.page_bytes as u64
    }

    fn bytes_at(&self, place: Place, length: usize) -> NonNull<[u8]> {
        // SAFETY: the place lies within the mapping, since there are no more pages than that has.
        let start = unsafe { self.start.add(place.page as usize * self.page_bytes) };
        NonNull::slice_from_raw_parts(start, length)
    }

    fn give_back(&self, place: Place) {
        let mut places = self.places.lock();
        if !places.give_back(place) || places.free_of(place.pages) <= Self::WARM_MAX {
            return;
        }
        let length = u64::from(place.pages) * self.page_bytes as u64;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Still locked, so that nobody has the place meanwhile. Where it fails, the memory is used by who comes next.
        let _ = fallocate(&self.file, hole, self.offset(place), length);
    }

    /// The place that an address lies in; none where that is outside of the room.
    fn place_of(&self, address: *const u8) -> Option<Place> {
        let offset = address.addr().checked_sub(self.start.addr().get())?;
        let page = u32::try_from(offset / self.page_bytes).ok()?;
        self.places.lock().of_page(page)
    }

    fn is_inside(&self, address: *const u8) -> bool {
        address.addr().wrapping_sub(self.start.addr().get()) < Self::BYTES
    }

    /// Changes what may be done with memory that the engine has made itself.
    fn protect(&self, code: *const u8, length: usize, flags: MprotectFlags) -> wasmtime::Result<()> {
        // SAFETY: the engine asks this of code in memory that it has mapped, and of whole pages.
        unsafe { mprotect(code.cast_mut().cast(), length, flags) }.map_err(wasmtime::Error::from)
    }
}

impl Drop for CodeRoom {
    fn drop(&mut self) {
        // SAFETY: whoever runs or reads code in it keeps the room alive. That it cannot be unmapped could not be helped.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), Self::BYTES) };
    }
}

impl CustomCodeMemory for CodeRoom {
    fn required_alignment(&self) -> usize {
        self.page_bytes
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        if self.is_inside(code) {
            return Ok(());
        }
        self.protect(code, length, MprotectFlags::READ | MprotectFlags::EXEC)
    }

    fn unpublish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        if !self.is_inside(code) {
            return self.protect(code, length, MprotectFlags::READ | MprotectFlags::WRITE);
        }
        // The engine calls this when it drops the last handle on the code, and reads nothing of it afterwards.
        if let Some(place) = self.place_of(code) {
            self.give_back(place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::Arc;

    use futures::FutureExt as _;
    use weft_app::{Grants, Limits};
    use weft_testing::guest;

    use super::*;
    use crate::denial::DenialLog;
    use crate::engine::{Concurrency, EngineOptions, Profile};
    use crate::prepared::{Occasion, Prepared};
    use crate::program::{Program, Trust};
    use crate::seal::{self, MadeFor, SealKey};
    use crate::{Inlining, Interruption, Stop};

    fn engine() -> crate::Engine {
        crate::Engine::new(Profile::Serving(Concurrency::Off), EngineOptions::default()).unwrap()
    }

    /// An artifact of a small component, sealed.
    fn sealed(engine: &crate::Engine, key: &SealKey) -> Vec<u8> {
        let source = fs_err::read(guest("hello-component.wat")).unwrap();
        let artifact = Program::compile(engine, &source).unwrap().serialize().unwrap();
        let made_for = MadeFor {
            profile: engine.profile(),
            inlining: Inlining::On,
            interruption: Interruption::Counted,
        };
        seal::seal(artifact, made_for, &source, key)
    }

    fn taken(engine: &crate::Engine) -> usize {
        engine.code_room().unwrap().places.lock().taken()
    }

    fn run(program: &Program) {
        let prepared = Prepared::new(program, Grants::default(), Limits::default()).unwrap();
        let occasion = Occasion {
            arguments: Arc::default(),
            http: None,
            denials: DenialLog::default(),
            stop: Stop::new(),
        };
        prepared.instantiate(occasion).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn loaded_components_lie_in_the_room_until_they_are_dropped() {
        let scratch = tempfile::tempdir().unwrap();
        let key = SealKey::open_or_create(&scratch.path().join("key")).unwrap();
        let engine = engine();
        let bytes = sealed(&engine, &key);
        let load = || Program::from_sealed(&engine, &seal::read(&bytes).unwrap(), Trust::Key(&key)).unwrap();
        let mut programs: Vec<Program> = (0..5).map(|_| load()).collect();
        assert_eq!(taken(&engine), 5);
        programs.iter().for_each(run);
        programs.truncate(2);
        assert_eq!(taken(&engine), 2);
        // In the places of those that are gone.
        programs.extend([load(), load()]);
        programs.iter().for_each(run);
        drop(programs);
        assert_eq!(taken(&engine), 0);
    }

    #[test]
    fn bytes_that_are_no_code_take_no_place() {
        let scratch = tempfile::tempdir().unwrap();
        let key = SealKey::open_or_create(&scratch.path().join("key")).unwrap();
        let engine = engine();
        let bytes = sealed(&engine, &key);
        for length in [1, 64, 100, 5000, bytes.len() - 3000] {
            let room = engine.code_room();
            assert!(component(engine.wasmtime(), room, &bytes[..length], &Vouched::checked()).is_err());
        }
        assert_eq!(taken(&engine), 0);
    }

    #[test]
    fn the_room_cannot_be_written_through_its_addresses() {
        let room = CodeRoom::open().unwrap();
        let maps = fs_err::read_to_string("/proc/self/maps").unwrap();
        let start = format!("{:x}-", room.start.addr());
        let line = maps.lines().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.contains(" r-xs "), "{line}");
    }

    #[test]
    fn what_many_programs_took_goes_back_to_the_system() {
        let room = CodeRoom::open().unwrap();
        let artifact = vec![7; 20_000];
        let places: Vec<Place> = (0..500).map(|_| room.put(&artifact).unwrap()).collect();
        let blocks = || room.file.metadata().unwrap().blocks();
        let all = blocks();
        places.into_iter().for_each(|place| room.give_back(place));
        assert!(blocks() * 5 < all, "{} of {all} blocks are left", blocks());
        assert!(blocks() > 0);
    }

    #[test]
    fn what_is_large_or_registers_itself_elsewhere_is_loaded_as_ever() {
        let room = CodeRoom::open().unwrap();
        assert_eq!(room.put(&vec![7; CodeRoom::PROGRAM_BYTES_MAX + 1]), None);
        assert_eq!(room.put(b"an artifact with .eh_frame in it"), None);
        assert!(room.put(&vec![7; CodeRoom::PROGRAM_BYTES_MAX]).is_some());
    }
}
