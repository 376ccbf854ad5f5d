//! How often a component instantiates each of its core modules, found out without running it.
//!
//! A component cannot loop: its instantiate instructions are a list, and whatever they instantiate is defined in
//! its bytes or handed in by name. So the list is followed here as an engine would follow it, for modules only,
//! and the sum is what the component's limits are divided by ([`crate::shares`]).
//!
//! What always holds: a module that is not counted is not instantiated. Where that cannot be known, because a
//! module or component comes from outside, or where counting would take too long, the answer is an error.

use std::collections::HashMap;

use wasmparser::{
    BinaryReader, BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, CompositeInnerType, FromReader, Instance, Parser, Payload,
    SectionLimited,
};

use weft_sections::sections;

/// Instances of modules and components that one component may have, at all depths: many times what tools write,
/// and what the engine allows.
pub(crate) const INSTANCES_MAX: u64 = 10_000;
/// Instances that may be under construction inside each other.
const DEPTH_MAX: usize = 200;
/// Instructions that are kept and followed.
const STEPS_MAX: usize = 1_000_000;

/// Why instances cannot be counted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The bytes do not read.
    #[error("the component does not read")]
    Malformed(#[from] BinaryReaderError),
    /// It would run code that is not in its bytes.
    #[error("it instantiates a module or component that is not its own, whose memory no limit would count")]
    Foreign,
    /// It makes more instances than anything a tool writes.
    #[error("it makes more than {INSTANCES_MAX} instances of modules and components")]
    TooManyInstances,
    /// Its instructions are too many, or too deep inside each other, to be followed.
    #[error("its instances are made of too many pieces to be counted")]
    TooLarge,
}

/// How much a memory or table begins with and how much it may have, in pages or elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) minimum: u64,
    pub(crate) maximum: u64,
}

/// What one core module brings with it each time it is instantiated.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) memories: Vec<Size>,
    pub(crate) tables: Vec<Size>,
    /// Whether it may keep structs, arrays or exceptions in the engine's heap.
    pub(crate) uses_heap: bool,
    /// How often it is instantiated.
    pub(crate) instances: u64,
}

/// Every core module of a component, in the order of its bytes.
pub(crate) fn count(component: &[u8]) -> Result<Vec<Module>, Error> {
    let mut reader = Reader::default();
    let outermost = reader.component(component, 0)?;
    let mut follower = Follower {
        definitions: &reader.definitions,
        modules: reader.modules,
        frames: Vec::new(),
        instances: Vec::new(),
        made: 0,
        steps: 0,
    };
    follower.instantiate(outermost, None, &HashMap::new(), 0)?;
    Ok(follower.modules)
}

/// Something in an index space of a component that may lead to a module.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Module,
    Component,
    Instance,
}

impl Sort {
    fn of(kind: ComponentExternalKind) -> Option<Self> {
        match kind {
            ComponentExternalKind::Module => Some(Self::Module),
            ComponentExternalKind::Component => Some(Self::Component),
            ComponentExternalKind::Instance => Some(Self::Instance),
            ComponentExternalKind::Func | ComponentExternalKind::Value | ComponentExternalKind::Type => None,
        }
    }
}

/// A name and what stands behind it.
type Named<'a> = (&'a str, Sort, u32);

/// An instruction of a component, as far as it matters to modules.
#[derive(Debug)]
enum Step<'a> {
    Module(usize),
    Component(usize),
    InstantiateModule(u32),
    Instantiate(u32, Vec<Named<'a>>),
    Bundle(Vec<Named<'a>>),
    AliasExport(Sort, u32, &'a str),
    AliasOuter(Sort, u32, u32),
    Import(Sort, &'a str),
    Export(Named<'a>),
}

/// Reads components into lists of steps.
#[derive(Debug, Default)]
struct Reader<'a> {
    definitions: Vec<Vec<Step<'a>>>,
    modules: Vec<Module>,
    steps: usize,
}

impl<'a> Reader<'a> {
    /// Recursive, but not deeper than the bound of the check that every file passes first.
    fn component(&mut self, wasm: &'a [u8], depth: usize) -> Result<usize, Error> {
        if depth > weft_inspect::bounds::DEPTH_MAX + 1 {
            return Err(Error::TooLarge);
        }
        let mut steps = Vec::new();
        for section in sections(wasm) {
            let section = section?;
            let before = steps.len();
            match section.id {
                1 => {
                    steps.push(Step::Module(self.modules.len()));
                    self.modules.push(module(section.body)?);
                }
                4 => steps.push(Step::Component(self.component(section.body, depth + 1)?)),
                id => read_section(id, section.body, &mut steps)?,
            }
            self.steps += steps.len() - before;
            if self.steps > STEPS_MAX {
                return Err(Error::TooLarge);
            }
        }
        self.definitions.push(steps);
        Ok(self.definitions.len() - 1)
    }
}

fn read_section<'a>(id: u8, body: &'a [u8], steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
    match id {
        2 => each(body, |instance: Instance<'a>| match instance {
            Instance::Instantiate { module_index, .. } => {
                steps.push(Step::InstantiateModule(module_index));
            }
            Instance::FromExports(_) => {}
        }),
        5 => each(body, |instance: ComponentInstance<'a>| {
            steps.push(match instance {
                ComponentInstance::Instantiate {
                    component_index,
                    args,
                } => Step::Instantiate(
                    component_index,
                    named(args.iter().map(|arg| (arg.name, arg.kind, arg.index))),
                ),
                ComponentInstance::FromExports(exports) => Step::Bundle(named(
                    exports
                        .iter()
                        .map(|export| (export.name.name, export.kind, export.index)),
                )),
            });
        }),
        6 => each(body, |alias: ComponentAlias<'a>| match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => steps.extend(Sort::of(kind).map(|sort| Step::AliasExport(sort, instance_index, name))),
            ComponentAlias::Outer { kind, count, index } => match kind {
                ComponentOuterAliasKind::CoreModule => {
                    steps.push(Step::AliasOuter(Sort::Module, count, index));
                }
                ComponentOuterAliasKind::Component => {
                    steps.push(Step::AliasOuter(Sort::Component, count, index));
                }
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
            },
            ComponentAlias::CoreInstanceExport { .. } => {}
        }),
        10 => each(body, |import: wasmparser::ComponentImport<'a>| {
            let sort = match import.ty {
                ComponentTypeRef::Module(_) => Some(Sort::Module),
                ComponentTypeRef::Component(_) => Some(Sort::Component),
                ComponentTypeRef::Instance(_) => Some(Sort::Instance),
                ComponentTypeRef::Func(_) | ComponentTypeRef::Value(_) | ComponentTypeRef::Type(_) => None,
            };
            steps.extend(sort.map(|sort| Step::Import(sort, import.name.name)));
        }),
        11 => each(body, |export: wasmparser::ComponentExport<'a>| {
            let sort = Sort::of(export.kind);
            steps.extend(sort.map(|sort| Step::Export((export.name.name, sort, export.index))));
        }),
        _ => Ok(()),
    }
}

fn each<'a, T: FromReader<'a>>(body: &'a [u8], mut visit: impl FnMut(T)) -> Result<(), Error> {
    for item in SectionLimited::<T>::new(BinaryReader::new(body, 0))? {
        visit(item?);
    }
    Ok(())
}

fn named<'a>(items: impl Iterator<Item = (&'a str, ComponentExternalKind, u32)>) -> Vec<Named<'a>> {
    items
        .filter_map(|(name, kind, index)| Some((name, Sort::of(kind)?, index)))
        .collect()
}

fn module(wasm: &[u8]) -> Result<Module, Error> {
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    let keeps = |ty: &wasmparser::SubType| {
                        matches!(
                            ty.composite_type.inner,
                            CompositeInnerType::Struct(_) | CompositeInnerType::Array(_)
                        )
                    };
                    module.uses_heap |= group?.types().any(keeps);
                }
            }
            Payload::TagSection(section) => module.uses_heap |= section.count() > 0,
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    module.memories.push(Size {
                        minimum: memory.initial,
                        maximum: memory.maximum.unwrap_or(u64::MAX),
                    });
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?.ty;
                    module.tables.push(Size {
                        minimum: table.initial,
                        maximum: table.maximum.unwrap_or(u64::MAX),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(module)
}

/// What an index leads to while steps are followed.
#[derive(Debug, Clone, Copy)]
enum Value {
    Module(usize),
    /// A component, and the frame that it was defined in.
    Component(usize, Option<usize>),
    Instance(usize),
    /// Something that came from outside.
    Foreign,
}

/// The index spaces of one component under construction.
#[derive(Debug, Default)]
struct Frame {
    modules: Vec<Value>,
    components: Vec<Value>,
    instances: Vec<Value>,
    outer: Option<usize>,
}

impl Frame {
    fn space(&mut self, sort: Sort) -> &mut Vec<Value> {
        match sort {
            Sort::Module => &mut self.modules,
            Sort::Component => &mut self.components,
            Sort::Instance => &mut self.instances,
        }
    }
}

/// Follows the steps of components.
struct Follower<'a> {
    definitions: &'a [Vec<Step<'a>>],
    modules: Vec<Module>,
    frames: Vec<Frame>,
    /// What each instance exports.
    instances: Vec<HashMap<&'a str, Value>>,
    made: u64,
    steps: usize,
}

impl<'a> Follower<'a> {
    /// Makes an instance of a component and says which.
    fn instantiate(
        &mut self,
        definition: usize,
        outer: Option<usize>,
        arguments: &HashMap<&'a str, Value>,
        depth: usize,
    ) -> Result<usize, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::TooLarge);
        }
        self.count_instance()?;
        let frame = self.frames.len();
        self.frames.push(Frame {
            outer,
            ..Frame::default()
        });
        let definitions = self.definitions;
        let mut exports = HashMap::new();
        for step in definitions.get(definition).into_iter().flatten() {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(Error::TooLarge);
            }
            match step {
                Step::Module(module) => self.add(frame, Sort::Module, Value::Module(*module)),
                Step::Component(inner) => {
                    self.add(frame, Sort::Component, Value::Component(*inner, Some(frame)));
                }
                Step::InstantiateModule(index) => self.instantiate_module(frame, *index)?,
                Step::Instantiate(component, given) => {
                    let Value::Component(inner, outer) = self.get(frame, Sort::Component, *component) else {
                        return Err(Error::Foreign);
                    };
                    let given = self.bundle(frame, given)?;
                    let made = self.instantiate(inner, outer, &given, depth + 1)?;
                    self.add(frame, Sort::Instance, Value::Instance(made));
                }
                Step::Bundle(exports) => {
                    let exports = self.bundle(frame, exports)?;
                    self.instances.push(exports);
                    let made = Value::Instance(self.instances.len() - 1);
                    self.add(frame, Sort::Instance, made);
                }
                Step::AliasExport(sort, instance, name) => {
                    let found = match self.get(frame, Sort::Instance, *instance) {
                        Value::Instance(instance) => {
                            self.instances.get(instance).and_then(|exports| exports.get(name))
                        }
                        _ => None,
                    };
                    let found = found.copied().unwrap_or(Value::Foreign);
                    self.add(frame, *sort, found);
                }
                Step::AliasOuter(sort, count, index) => {
                    let found = self.outer(frame, *count);
                    let found = found.map_or(Value::Foreign, |outer| self.get(outer, *sort, *index));
                    self.add(frame, *sort, found);
                }
                Step::Import(sort, name) => {
                    let found = arguments.get(name).copied().unwrap_or(Value::Foreign);
                    self.add(frame, *sort, found);
                }
                Step::Export((name, sort, index)) => {
                    let found = self.get(frame, *sort, *index);
                    exports.insert(*name, found);
                    // What is exported can be referred to by a new index, too.
                    self.add(frame, *sort, found);
                }
            }
        }
        self.instances.push(exports);
        Ok(self.instances.len() - 1)
    }

    fn instantiate_module(&mut self, frame: usize, index: u32) -> Result<(), Error> {
        self.count_instance()?;
        let Value::Module(module) = self.get(frame, Sort::Module, index) else {
            return Err(Error::Foreign);
        };
        let module = self.modules.get_mut(module).ok_or(Error::Foreign)?;
        module.instances += 1;
        Ok(())
    }

    fn count_instance(&mut self) -> Result<(), Error> {
        self.made += 1;
        if self.made > INSTANCES_MAX {
            return Err(Error::TooManyInstances);
        }
        Ok(())
    }

    fn bundle(&mut self, frame: usize, named: &[Named<'a>]) -> Result<HashMap<&'a str, Value>, Error> {
        self.steps = self.steps.saturating_add(named.len());
        if self.steps > STEPS_MAX {
            return Err(Error::TooLarge);
        }
        Ok(named
            .iter()
            .map(|(name, sort, index)| (*name, self.get(frame, *sort, *index)))
            .collect())
    }

    fn add(&mut self, frame: usize, sort: Sort, value: Value) {
        if let Some(frame) = self.frames.get_mut(frame) {
            frame.space(sort).push(value);
        }
    }

    fn get(&mut self, frame: usize, sort: Sort, index: u32) -> Value {
        let found = self
            .frames
            .get_mut(frame)
            .and_then(|frame| frame.space(sort).get(index as usize));
        found.copied().unwrap_or(Value::Foreign)
    }

    fn outer(&self, frame: usize, count: u32) -> Option<usize> {
        let mut frame = frame;
        for _ in 0..count {
            frame = self.frames.get(frame)?.outer?;
        }
        Some(frame)
    }
}
