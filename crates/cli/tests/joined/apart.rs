//! An app without joining anything: each component in a store of its own, calls carried by functions of a host
//! that is written here and knows nothing of Weft's.

use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::{
    Component, Instance, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val,
};
use wasmtime::{Config, Engine, Result, Store, Strategy, bail};

use crate::component::{self, RUN};
use crate::graph::{Ask, DIRECTORIES, Graph, Host, Kind, Node};
use crate::joined::{Answer, KEY};

/// One component that runs by itself.
struct Alone {
    store: Store<()>,
    instance: Instance,
    /// Its counters that others have, by their numbers there.
    counters: Vec<Option<ResourceAny>>,
}

type Shared = Arc<Mutex<Alone>>;

/// The host's type of directories; handles are numbers of directories.
struct Directory;
/// The type of a counter in the store of those that use it; handles are places in [`Alone::counters`].
struct Counter;

/// What an app answers.
pub(crate) fn answer(graph: &Graph) -> Answer {
    // Another compiler than Weft's, and a quicker one: nothing runs for long.
    let engine = Engine::new(Config::new().strategy(Strategy::Winch)).unwrap();
    let mut alone: Vec<Option<Shared>> = vec![None; graph.nodes.len()];
    // Links lead to later components only.
    for index in graph.reached().into_iter().rev() {
        alone[index] = Some(instantiate(&engine, graph, index, &alone).unwrap());
    }
    let main = alone.swap_remove(0).unwrap();
    let mut results = [Val::U32(0)];
    match main.lock().call(Some(RUN), "answer", &[], &mut results) {
        Ok(()) => match results {
            [Val::U32(number)] => Answer::Number(number),
            other => panic!("{other:?}"),
        },
        Err(_) => Answer::Trap,
    }
}

impl Alone {
    fn call(
        &mut self,
        interface: Option<&str>,
        function: &str,
        arguments: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let interface = interface.map(|name| {
            self.instance
                .get_export_index(&mut self.store, None, name)
                .unwrap_or_else(|| panic!("no interface `{name}`"))
        });
        let index = self
            .instance
            .get_export_index(&mut self.store, interface.as_ref(), function);
        let function = self.instance.get_func(&mut self.store, index.unwrap()).unwrap();
        function.call(&mut self.store, arguments, results)
    }
}

fn instantiate(engine: &Engine, graph: &Graph, index: usize, alone: &[Option<Shared>]) -> Result<Shared> {
    let node = &graph.nodes[index];
    let component = Component::from_binary(engine, &component::bytes(graph, index))?;
    let mut linker = Linker::new(engine);
    define_host(&mut linker, node)?;
    for ask in &node.asks {
        let provider = alone[ask.provider].clone().unwrap();
        define(&mut linker, ask, provider)?;
    }
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &component)?;
    Ok(Arc::new(Mutex::new(Alone {
        store,
        instance,
        counters: Vec::new(),
    })))
}

/// Defines what another component satisfies: each call goes to that component's store.
fn define(linker: &mut Linker<()>, ask: &Ask, provider: Shared) -> Result<()> {
    let offered = ask.offered.clone();
    if !ask.name.contains('/') {
        return linker
            .root()
            .func_new(&ask.name, move |_, _, arguments, results| {
                provider.lock().call(None, &offered, arguments, results)
            });
    }
    let mut instance = linker.instance(&ask.name)?;
    match ask.kind {
        Kind::Counter => define_counter(&mut instance, offered, provider),
        Kind::Directory => instance.func_new("open", move |store, _, _, results| {
            let mut of_provider = provider.lock();
            of_provider.call(Some(&offered), "open", &[], results)?;
            let Some(Val::Resource(given)) = results.first() else {
                bail!("no directory was given");
            };
            let given = Resource::<Directory>::try_from_resource_any(*given, &mut of_provider.store)?;
            let taken = Resource::<Directory>::new_own(given.rep());
            results[0] = Val::Resource(taken.try_into_resource_any(store)?);
            Ok(())
        }),
        _ => instance.func_new("call", move |_, _, arguments, results| {
            provider.lock().call(Some(&offered), "call", arguments, results)
        }),
    }
}

fn define_counter(instance: &mut LinkerInstance<'_, ()>, offered: String, provider: Shared) -> Result<()> {
    let of = provider.clone();
    instance.resource("counter", ResourceType::host::<Counter>(), move |_, place| {
        let mut of = of.lock();
        let counter = of.counters[place as usize].take().unwrap();
        counter.resource_drop(&mut of.store)
    })?;
    let (of, interface) = (provider.clone(), offered.clone());
    instance.func_new("[constructor]counter", move |store, _, arguments, results| {
        let mut of = of.lock();
        of.call(Some(&interface), "[constructor]counter", arguments, results)?;
        let Some(Val::Resource(counter)) = results.first() else {
            bail!("no counter was made");
        };
        of.counters.push(Some(*counter));
        let place = u32::try_from(of.counters.len() - 1)?;
        results[0] = Val::Resource(Resource::<Counter>::new_own(place).try_into_resource_any(store)?);
        Ok(())
    })?;
    instance.func_new("[method]counter.bump", move |store, _, arguments, results| {
        let [Val::Resource(counter), by] = arguments else {
            bail!("no counter was given");
        };
        let place = Resource::<Counter>::try_from_resource_any(*counter, store)?.rep();
        let mut provider = provider.lock();
        let counter = provider.counters[place as usize].unwrap();
        let arguments = [Val::Resource(counter), by.clone()];
        provider.call(Some(&offered), "[method]counter.bump", &arguments, results)
    })
}

/// Defines what the host offers, as it is granted to this component.
fn define_host(linker: &mut Linker<()>, node: &Node) -> Result<()> {
    let patch = node.patch;
    if node.has_directories() {
        let mut instance = linker.instance(&format!("wasi:filesystem/types@0.2.{patch}"))?;
        instance.resource("descriptor", ResourceType::host::<Directory>(), |_, _| Ok(()))?;
        instance.func_new(
            "[method]descriptor.is-same-object",
            |mut store, _, arguments, results| {
                let [Val::Resource(one), Val::Resource(other)] = arguments else {
                    bail!("two directories are needed");
                };
                let one = Resource::<Directory>::try_from_resource_any(*one, &mut store)?;
                let other = Resource::<Directory>::try_from_resource_any(*other, &mut store)?;
                results[0] = Val::Bool(one.rep() == other.rep());
                Ok(())
            },
        )?;
    }
    for host in &node.host {
        let (interface, function) = match host {
            Host::Environment => (format!("wasi:cli/environment@0.2.{patch}"), "get-environment"),
            Host::Config => ("wasi:config/store@0.2.0-rc.1".to_owned(), "get"),
            Host::Preopens => (format!("wasi:filesystem/preopens@0.2.{patch}"), "get-directories"),
        };
        let (host, node) = (*host, node.clone());
        linker
            .instance(&interface)?
            .func_new(function, move |store, _, arguments, results| {
                if !node.has(host) {
                    bail!("it is not granted");
                }
                results[0] = match host {
                    Host::Environment => list_of_pair(Val::String("VALUE".into()), &node.variable),
                    Host::Config => {
                        let is_key = arguments == [Val::String(KEY.into())];
                        let value = node.setting.clone().filter(|_| is_key);
                        let value = Val::Option(value.map(|value| Box::new(Val::String(value))));
                        Val::Result(Ok(Some(Box::new(value))))
                    }
                    Host::Preopens => {
                        let number = u32::try_from(node.directory)?;
                        let handle = Resource::<Directory>::new_own(number).try_into_resource_any(store)?;
                        let guest = format!("/{}", DIRECTORIES[node.directory]);
                        list_of_pair(Val::Resource(handle), &guest)
                    }
                };
                Ok(())
            })?;
    }
    Ok(())
}

fn list_of_pair(first: Val, second: &str) -> Val {
    Val::List(vec![Val::Tuple(vec![first, Val::String(second.to_owned())])])
}
