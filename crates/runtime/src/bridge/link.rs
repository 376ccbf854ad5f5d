//! The host functions that stand for the exports of other cells.

use std::future::ready;
use std::sync::Arc;

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Linker, LinkerInstance, ResourceType, Val};
use wasmtime::{Result, StoreContextMut, bail};
use weft_app::link::OnFailure;

use super::cells::{Callee, LinkPlan, Links};
use super::transmit::{self, Blame};
use super::typed::{Arguments, Results};
use super::wire::Wire;
use super::{signature, values};
use crate::cell::Cell;
use crate::engine::Engine;
use crate::wave;

/// Core values that a signature hands over, above which they lie in memory.
const ARGUMENTS_MAX: usize = 16;

/// Core values that an export returns, as its caller has to know it: one where they lie in memory.
pub(super) fn returned(ty: &ComponentFunc) -> usize {
    let results: Vec<_> = ty.results().collect();
    let max = if ty.async_() { ARGUMENTS_MAX } else { 1 };
    signature::core_values(&results, max).unwrap_or(1)
}

/// What a link does where the engine knows one function.
pub(super) struct LinkFunction {
    pub(super) callee: Arc<Callee>,
    /// The number by which the caller's links know the callee.
    pub(super) number: usize,
    /// The function, among those of the callee.
    pub(super) function: usize,
    pub(super) retries: u32,
    pub(super) on_failure: Answer,
    /// What it is called in messages, where it fails or a stream that it returned breaks off.
    pub(super) blame: Arc<Blame>,
}

/// What the caller sees of a call that failed.
pub(super) enum Answer {
    Trap,
    /// The results of the function.
    Value(Wire),
}

/// Registers links in a linker.
pub(crate) struct LinkFunctions<'a> {
    engine: &'a Engine,
    links: &'a Links,
}

impl<'a> LinkFunctions<'a> {
    pub(crate) fn new(engine: &'a Engine, links: &'a Links) -> Self {
        Self { engine, links }
    }

    /// The link that satisfies an import, if one does.
    pub(crate) fn find(&self, import: &str) -> Option<&'a LinkPlan> {
        self.links.links.iter().find(|link| link.import == import)
    }

    /// Stands the callee's export in for an import.
    pub(crate) fn register(
        &self,
        linker: &mut Linker<Cell>,
        link: &LinkPlan,
        item: &ComponentItem,
    ) -> Result<()> {
        let Some(callee) = self.links.cells.callee(link.cell) else {
            bail!("`{}` leads to a cell that is not there", link.import)
        };
        match item {
            ComponentItem::ComponentFunc(ty) => {
                let function = self.function(callee, link, "", ty)?;
                add(&mut linker.root(), &link.import, ty, function)
            }
            ComponentItem::ComponentInstance(instance) => {
                let mut into = linker.instance(&link.import)?;
                self.interface(&mut into, callee, link, instance)
            }
            _ => bail!("`{}` is neither an interface nor a function", link.import),
        }
    }

    fn interface(
        &self,
        into: &mut LinkerInstance<'_, Cell>,
        callee: &Arc<Callee>,
        link: &LinkPlan,
        interface: &ComponentInstance,
    ) -> Result<()> {
        for (name, item) in interface.exports(self.engine.wasmtime()) {
            match &item.ty {
                ComponentItem::ComponentFunc(ty) => {
                    let function = self.function(callee, link, name, ty)?;
                    add(into, name, ty, function)?;
                }
                ComponentItem::Resource(_) => resource(into, name, callee, link)?,
                ComponentItem::Type(_) => {}
                _ => bail!(
                    "`{}` has `{name}`, which does not cross an isolated link",
                    link.import
                ),
            }
        }
        Ok(())
    }

    fn function(
        &self,
        callee: &Arc<Callee>,
        link: &LinkPlan,
        name: &str,
        ty: &ComponentFunc,
    ) -> Result<Arc<LinkFunction>> {
        let full_name = match name {
            "" => link.export.clone(),
            name => format!("{}#{name}", link.export),
        };
        let index = callee.function(&link.export, name);
        let Some((index, export)) = index.and_then(|index| Some((index, callee.functions.get(index)?)))
        else {
            bail!("cell `{}` does not export `{full_name}`", callee.plan.name)
        };
        if !signature::fits(ty, &export.ty) {
            bail!(
                "cell `{}` exports `{full_name}` with other types",
                callee.plan.name
            )
        }
        let isolation = &link.isolation;
        let key = if name.is_empty() {
            link.export.as_str()
        } else {
            name
        };
        let on_failure = answer(isolation.on_failure_of(key), ty, &full_name)?;
        if callee.shared.is_some() && signature::has_streams(ty) {
            bail!(
                "cell `{}` is shared, and `{full_name}` has streams",
                callee.plan.name
            )
        }
        Ok(Arc::new(LinkFunction {
            callee: callee.clone(),
            number: link.cell,
            function: index,
            blame: Arc::new(Blame {
                callee: Some(callee.plan.name.clone()),
                function: full_name,
                ends: !matches!(on_failure, Answer::Trap),
            }),
            on_failure,
            retries: isolation.retries_of(key),
        }))
    }
}

/// What a failed call answers, as it goes over the wire.
fn answer(on_failure: &OnFailure, ty: &ComponentFunc, name: &str) -> Result<Answer> {
    let results: Vec<_> = ty.results().collect();
    let (OnFailure::Error(text) | OnFailure::Value(text)) = on_failure else {
        return Ok(Answer::Trap);
    };
    let [result] = results.as_slice() else {
        bail!("`{name}` returns nothing, so nothing can be answered for it when a call fails")
    };
    let value = match on_failure {
        OnFailure::Error(_) => error(result, text),
        _ => wave::read_value(result, text).map_err(Into::into),
    };
    let value = value.map_err(|error| wasmtime::format_err!("`{text}` is no result of `{name}`: {error}"))?;
    match values::encode(result, &value) {
        Some(wire) => Ok(Answer::Value(wire)),
        None => bail!("`{text}` is no result of `{name}`"),
    }
}

/// An error of a `result`. Of its other case there may be no text at all, as there is none of streams.
fn error(result: &Type, text: &str) -> Result<Val> {
    let Type::Result(result) = result else {
        bail!("it returns no `result`, so it has no error")
    };
    let carried = match result.err() {
        Some(ty) => Some(Box::new(wave::read_value(&ty, text)?)),
        None if text.is_empty() => None,
        None => bail!("its error carries nothing"),
    };
    Ok(Val::Result(Err(carried)))
}

/// Registers a resource of the callee: the caller's handles are numbers that stand for it.
fn resource(
    into: &mut LinkerInstance<'_, Cell>,
    name: &str,
    callee: &Arc<Callee>,
    link: &LinkPlan,
) -> Result<()> {
    let (callee, number) = (callee.clone(), link.cell);
    let ty = ResourceType::host_dynamic(number_of(link, name));
    into.resource_async(name, ty, move |mut caller: StoreContextMut<'_, Cell>, id| {
        let callee = callee.clone();
        let slot = caller.data_mut().calls.slot(number, &callee);
        Box::new(async move {
            if let Some(slot) = slot {
                callee.drop_resource(&slot, id).await;
            }
            Ok(())
        })
    })
}

/// A number for a type of resources, which keeps one from being taken for another.
fn number_of(link: &LinkPlan, resource: &str) -> u32 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (link.import.as_str(), resource).hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Registers one function, as the number of core values that it hands over has it.
fn add(
    into: &mut LinkerInstance<'_, Cell>,
    name: &str,
    ty: &ComponentFunc,
    function: Arc<LinkFunction>,
) -> Result<()> {
    let parameters: Vec<_> = ty.params().map(|(_, ty)| ty).collect();
    let results: Vec<_> = ty.results().collect();
    let taken = signature::core_values(&parameters, ARGUMENTS_MAX).unwrap_or(0);
    match signature::core_values(&results, 1).unwrap_or(0) {
        0 => add_taking::<0>(into, name, taken, ty.async_(), function),
        _ => add_taking::<1>(into, name, taken, ty.async_(), function),
    }
}

macro_rules! by_count {
    ($count:expr, $results:ident, $arguments:tt, $($number:literal)*) => {
        match $count {
            $($number => add_one::<$number, $results> $arguments,)*
            _ => bail!("a function takes more than {ARGUMENTS_MAX} core values"),
        }
    };
}

fn add_taking<const R: usize>(
    into: &mut LinkerInstance<'_, Cell>,
    name: &str,
    taken: usize,
    is_async: bool,
    function: Arc<LinkFunction>,
) -> Result<()> {
    by_count!(taken, R, (into, name, is_async, function), 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

fn add_one<const P: usize, const R: usize>(
    into: &mut LinkerInstance<'_, Cell>,
    name: &str,
    is_async: bool,
    function: Arc<LinkFunction>,
) -> Result<()> {
    if is_async {
        return into.func_wrap_concurrent(name, move |accessor, Arguments::<P>(mut wire)| {
            let function = function.clone();
            Box::pin(async move {
                accessor.with(|mut caller| transmit::outward(&mut caller, &mut wire))?;
                let mut results = function.call_concurrent(accessor, wire).await?;
                accessor.with(|mut caller| transmit::inward(&mut caller, &mut results, &function.blame))?;
                Ok(Results::<R>(results))
            })
        });
    }
    into.func_wrap_async(name, move |mut caller, Arguments::<P>(mut wire)| {
        if let Some(results) = function.call_now(caller.data_mut(), &mut wire) {
            return Box::new(ready(results.map(Results::<R>)));
        }
        let from = function.from(caller.data_mut());
        let function = function.clone();
        Box::new(async move {
            transmit::outward(&mut caller, &mut wire)?;
            let mut results = function.answered(from, wire).await?;
            transmit::inward(&mut caller, &mut results, &function.blame)?;
            Ok(Results::<R>(results))
        })
    })
}
