//! `wasi:sockets/ip-name-lookup` of WASI 0.2, where answers come one by one from a stream that can be polled.

use std::future::{self, Future as _};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::vec;

use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    self, Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use super::{NameLookup, NameLookupView};
use crate::network::LookupError;

/// Provides the name look-up of WASI 0.2 in an instance of a linker.
///
/// # Errors
///
/// When the instance has such functions already and the linker does not allow shadowing.
///
/// # Authority
///
/// Guests look up what the policy of their view grants.
pub fn add_to_instance<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    view: fn(&mut T) -> NameLookupView<'_>,
) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker_instance::<T, NameLookup>(instance, view)
}

/// A look-up on its way to the guest.
///
/// The generated bindings name a type of wasmtime-wasi that nobody else can make. Handles are numbers of
/// table entries, so the table holds one of these under each handle of that type; nothing else makes any,
/// since the function that would is replaced.
enum AnswerStream {
    Waiting(AbortOnDropJoinHandle<Result<Vec<IpAddr>, LookupError>>),
    Answered(Result<vec::IntoIter<IpAddr>, LookupError>),
}

impl AnswerStream {
    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<&mut Result<vec::IntoIter<IpAddr>, LookupError>> {
        if let Self::Waiting(lookup) = self {
            match Pin::new(lookup).poll(context) {
                Poll::Ready(answer) => *self = Self::Answered(answer.map(Vec::into_iter)),
                Poll::Pending => return Poll::Pending,
            }
        }
        match self {
            Self::Answered(answer) => Poll::Ready(answer),
            Self::Waiting(_) => Poll::Pending,
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for AnswerStream {
    async fn ready(&mut self) {
        future::poll_fn(|context| self.poll_answer(context).map(|_| ())).await;
    }
}

/// The table entry behind a handle that the guest keeps.
fn entry(handle: &Resource<ResolveAddressStream>) -> Resource<AnswerStream> {
    Resource::new_borrow(handle.rep())
}

impl Host for NameLookupView<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        // Holding a network is what the interface asks for; what it allows is the policy's business.
        self.sockets.table.get(&network)?;
        let question = self.policy.question(&name).map_err(to_guest)?;
        let policy = self.policy.clone();
        let lookup = spawn(async move { policy.answer(question).await });
        let stream = self.sockets.table.push(AnswerStream::Waiting(lookup))?;
        Ok(Resource::new_own(stream.rep()))
    }
}

impl HostResolveAddressStream for NameLookupView<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let stream = self.sockets.table.get_mut(&entry(&stream))?;
        match stream.poll_answer(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
            Poll::Ready(Err(error)) => Err(to_guest(*error).into()),
            Poll::Pending => Err(ErrorCode::WouldBlock.into()),
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.sockets.table, entry(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.sockets
            .table
            .delete(Resource::<AnswerStream>::new_own(stream.rep()))?;
        Ok(())
    }
}

// The generated look-up translates its errors through the interface that owns them.
impl network::Host for NameLookupView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.sockets, error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.sockets, error)
    }
}

impl network::HostNetwork for NameLookupView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets, network)
    }
}

fn to_guest(error: LookupError) -> ErrorCode {
    match error {
        LookupError::InvalidName => ErrorCode::InvalidArgument,
        LookupError::NotGranted => ErrorCode::AccessDenied,
        LookupError::Unresolvable => ErrorCode::NameUnresolvable,
        LookupError::Temporary => ErrorCode::TemporaryResolverFailure,
    }
}
